import numpy as np
import pytest

from skysift.core.errors import UnknownNameError, UsageError
from skysift.models.muygps.kernels import LARGEST_NU, RBF, Matern
from skysift.models.muygps.losses import lool, loss_named, mean_squared_error
from skysift.models.muygps.optimise import Batch, Hyperparameters, minimise_loss
from skysift.models.muygps.posterior import LocalPosterior, Neighbourhoods

K = 25


@pytest.fixture(scope="module")
def drawn_batch():
    """Rows of a Matern process with nu = 1.5, length scale 0.7 and noise 0.01."""
    rng = np.random.default_rng(12)
    points = rng.uniform(0.0, 5.0, size=(900, 2))
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    covariance = Matern(1.5, 0.7).profile()(squared / 0.7**2) + 0.01 * np.eye(900)
    targets = np.linalg.cholesky(covariance) @ rng.normal(size=(900, 4))
    which = rng.permutation(900)[:300]
    near = np.argsort(squared[which], axis=1)[:, 1 : K + 1]
    rows = Neighbourhoods(points[which], points, targets, np.zeros(900), near)
    return Batch(rows, targets[which], "auto", 1)


def test_the_length_scale_and_noise_of_a_process_are_found_again(drawn_batch, rng):
    start = Hyperparameters(Matern(1.5, 3.0), 0.3)
    bounds = {"length_scale": (0.05, 20.0), "noise": (1e-5, 1.0)}
    found = minimise_loss(drawn_batch, start, bounds, mean_squared_error, rng=rng)
    assert found.kernel.nu == 1.5
    assert found.kernel.length_scale == pytest.approx(0.7, rel=0.4)
    assert 0.004 < found.noise < 0.025


def test_a_free_nu_is_found_again(drawn_batch, rng):
    start = Hyperparameters(Matern(0.6, 0.7), 0.01)
    found = minimise_loss(drawn_batch, start, {"nu": (0.2, 6.0)}, mean_squared_error, rng=rng)
    assert found.kernel.nu == pytest.approx(1.5, rel=0.4)
    assert found.kernel.length_scale == 0.7


@pytest.mark.parametrize("loss", ["mse", "lool", "looph"])
def test_both_optimisers_reach_the_same_loss(drawn_batch, loss):
    start = Hyperparameters(RBF(2.0), 0.05)
    bounds = {"length_scale": (0.1, 10.0), "noise": (1e-4, 1.0)}
    reached = [
        drawn_batch.loss(
            minimise_loss(
                drawn_batch,
                start,
                bounds,
                loss_named(loss),
                rng=np.random.default_rng(3),
                optimiser=optimiser,
            ),
            loss_named(loss),
        )
        for optimiser in ("scipy", "bayes")
    ]
    before = drawn_batch.loss(start, loss_named(loss))
    assert max(reached) < before
    assert reached[1] - reached[0] < 0.05 * (before - reached[0])


def test_each_of_several_length_scales_is_free(rng):
    """The second feature means nothing: its length scale grows."""
    points = rng.uniform(0.0, 4.0, size=(600, 2))
    targets = np.sin(3.0 * points[:, :1])
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    rows = Neighbourhoods(
        points[:200], points, targets, np.zeros(600), np.argsort(squared[:200], axis=1)[:, 1:26]
    )
    start = Hyperparameters(RBF((1.0, 1.0)), 1e-4)
    found = minimise_loss(
        Batch(rows, targets[:200], "auto", 1), start, {"length_scale": (0.1, 50.0)}, lool, rng=rng
    )
    along, across = found.kernel.length_scale
    assert across > 5.0 * along
    assert found.noise == 1e-4


def test_nothing_free_changes_nothing(drawn_batch, rng):
    start = Hyperparameters(RBF(2.0), 0.05)
    assert minimise_loss(drawn_batch, start, {}, lool, rng=rng) == start


@pytest.mark.parametrize(
    ("start", "bounds", "error", "message"),
    [
        (Hyperparameters(RBF(1.0), 0.1), {"nu": (0.1, 1.0)}, UsageError, "no nu"),
        (Hyperparameters(Matern(np.inf), 0.1), {"nu": (0.1, 1.0)}, UsageError, "no nu"),
        (Hyperparameters(RBF(1.0), None), {"noise": (0.1, 1.0)}, UsageError, "each row"),
        (Hyperparameters(RBF(1.0), 0.1), {"noise": (1.0, 0.1)}, UsageError, "bounds of noise"),
        (Hyperparameters(RBF(1.0), 0.1), {"noise": (0.0, 0.1)}, UsageError, "bounds of noise"),
        (Hyperparameters(Matern(1.5), 0.1), {"nu": (0.3, 400.0)}, UsageError, "at most 30"),
        (Hyperparameters(RBF(1.0), 0.1), {"noize": (0.1, 1.0)}, UnknownNameError, "noise"),
    ],
)
def test_bounds_that_cannot_be(drawn_batch, start, bounds, error, message):
    with pytest.raises(error, match=message):
        minimise_loss(drawn_batch, start, bounds, lool, rng=np.random.default_rng(0))


def test_the_greatest_nu_is_reached(drawn_batch, rng):
    start = Hyperparameters(Matern(2.0, 0.7), 0.01)
    bounds = {"nu": (LARGEST_NU, LARGEST_NU)}
    assert minimise_loss(drawn_batch, start, bounds, lool, rng=rng).kernel.nu == LARGEST_NU


def test_names_that_do_not_exist(drawn_batch, rng):
    with pytest.raises(UnknownNameError, match="scipi"):
        minimise_loss(
            drawn_batch, Hyperparameters(RBF(1.0), 0.1), {}, lool, rng=rng, optimiser="scipi"
        )
    with pytest.raises(UnknownNameError, match="lol"):
        loss_named("lol")


def test_the_likelihood_loss_is_least_at_the_true_variance(rng):
    residual = rng.normal(0.0, 2.0, size=(100000, 1))
    posterior = LocalPosterior(residual, np.ones(100000), np.zeros_like(residual))
    zero = np.zeros_like(residual)
    at = {s: lool(posterior, zero, np.array([s])) for s in (2.0, 4.0, 8.0)}
    assert at[4.0] < min(at[2.0], at[8.0])


def test_an_outlier_weighs_less_in_the_huber_loss():
    mean = np.array([[0.0], [50.0]])
    posterior = LocalPosterior(mean, np.ones(2), np.zeros((2, 1)))
    zero, unit = np.zeros((2, 1)), np.ones(1)
    # Nearly linear beyond three standard deviations: 2 x 3 x 50 - 2 x 9, of two rows.
    assert loss_named("looph")(posterior, zero, unit) == pytest.approx(141.3, abs=0.5)
    assert lool(posterior, zero, unit) == 1250.0
