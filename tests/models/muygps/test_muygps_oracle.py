"""Against MuyGPyS, the library of the method's authors: the same numbers from the same inputs."""

import numpy as np
import pytest

from skysift.models.muygps.kernels import RBF, Matern
from skysift.models.muygps.losses import cross_entropy, lool, looph, mean_squared_error
from skysift.models.muygps.neighbours import ExactNeighbours, leave_one_out_neighbours
from skysift.models.muygps.posterior import LocalPosterior, Neighbourhoods, local_posterior

pytest.importorskip("MuyGPyS", reason="MuyGPyS, the test oracle, is not installed")

from MuyGPyS.gp import MuyGPS
from MuyGPyS.gp import kernels as peer_kernels
from MuyGPyS.gp.deformation import F2, Anisotropy, Isotropy, l2
from MuyGPyS.gp.hyperparameter import AnalyticScale, FixedScale, ScalarParam, VectorParam
from MuyGPyS.gp.noise import HeteroscedasticNoise, HomoscedasticNoise
from MuyGPyS.neighbors import NN_Wrapper
from MuyGPyS.optimize import loss as peer_loss

K = 50
N_FEATURES = 25
TOLERANCE = 1e-8


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(2000, N_FEATURES))
    query = rng.normal(size=(100, N_FEATURES))
    targets = np.sin(points[:, :1]) + points[:, 1:2] * points[:, 2:3]
    return points, query, targets + 0.1 * rng.normal(size=targets.shape)


def peer_isotropic(nu, scale):
    if nu == "rbf":
        return peer_kernels.RBF(deformation=Isotropy(F2, length_scale=ScalarParam(scale)))
    return peer_kernels.Matern(
        smoothness=ScalarParam(nu), deformation=Isotropy(l2, length_scale=ScalarParam(scale))
    )


def peer_posterior(kernel, noise, training, indices):
    """Return mean, variance and sigma squared by MuyGPyS."""
    points, query, targets = training
    model = MuyGPS(kernel=kernel, noise=noise, scale=AnalyticScale())
    rows = np.arange(len(query))
    pairwise = kernel.deformation.pairwise_tensor(points, indices)
    crosswise = kernel.deformation.crosswise_tensor(query, points, rows, indices)
    near = targets[indices]
    scale = model.scale.get_opt_fn(model)(model.kernel(pairwise.copy()), near[:, :, 0])
    inner, cross = model.kernel(pairwise), model.kernel(crosswise)
    mean = model.posterior_mean(inner, cross, near)
    return mean, model.posterior_variance(inner, cross), float(scale)


@pytest.mark.parametrize("engine", ["compiled", "numpy", "torch"])
@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5, np.inf, 0.42, 1.1, 3.3, "rbf"])
def test_posteriors_and_scale(training, nu, engine):
    points, query, targets = training
    indices, _ = NN_Wrapper(points, K, nn_method="exact").get_nns(query)
    np.testing.assert_array_equal(ExactNeighbours(points).query(query, K), indices)
    mean, variance, scale = peer_posterior(
        peer_isotropic(nu, 6.0), HomoscedasticNoise(1e-3), training, indices
    )
    kernel = RBF(6.0) if nu == "rbf" else Matern(nu, 6.0)
    rows = Neighbourhoods(query, points, targets, np.full(len(points), 1e-3), indices)
    found = local_posterior(rows, kernel, engine=engine)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.variance, variance, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(found.sigma_squared(K)[0], scale, rtol=TOLERANCE)


@pytest.mark.parametrize("engine", ["compiled", "numpy", "torch"])
def test_anisotropy_with_noise_per_point(training, engine):
    points, query, targets = training
    indices, _ = NN_Wrapper(points, K, nn_method="exact").get_nns(query)
    scales = np.linspace(2.0, 9.0, N_FEATURES)
    noise = np.random.default_rng(6).uniform(1e-4, 1e-1, len(points))
    peer = peer_kernels.Matern(
        smoothness=ScalarParam(1.5),
        deformation=Anisotropy(l2, VectorParam(*[ScalarParam(s) for s in scales])),
    )
    model = MuyGPS(kernel=peer, noise=HeteroscedasticNoise(noise[indices]), scale=FixedScale())
    rows = np.arange(len(query))
    inner = peer(peer.deformation.pairwise_tensor(points, indices))
    cross = peer(peer.deformation.crosswise_tensor(query, points, rows, indices))
    found = local_posterior(
        Neighbourhoods(query, points, targets, noise, indices),
        Matern(1.5, tuple(scales)),
        engine=engine,
    )
    mean = model.posterior_mean(inner, cross, targets[indices])
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=TOLERANCE)
    variance = model.posterior_variance(inner, cross)
    np.testing.assert_allclose(found.variance, variance, rtol=0, atol=TOLERANCE)


def test_neighbours_of_training_rows(training):
    points, _, _ = training
    which = np.arange(0, 2000, 7)
    expected, _ = NN_Wrapper(points, K, nn_method="exact").get_batch_nns(which)
    found = leave_one_out_neighbours(ExactNeighbours(points), points, which, K)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(lool, peer_loss.lool_fn), (looph, peer_loss.looph_fn)]
)
def test_losses_with_variance(rng, ours, theirs):
    mean, targets = rng.normal(size=(2, 40, 1)) * 3.0
    variance = rng.uniform(0.01, 1.0, 40)
    posterior = LocalPosterior(mean, variance, np.zeros((40, 1)))
    expected = theirs(mean[:, 0], targets[:, 0], variance, 2.5) / 40
    assert ours(posterior, targets, np.array([2.5])) == pytest.approx(expected, rel=1e-12)


def test_losses_of_the_mean(rng):
    mean = rng.normal(size=(40, 3))
    targets = np.eye(3)[rng.integers(0, 3, 40)] - 1.0 / 3.0
    posterior = LocalPosterior(mean, np.ones(40), np.zeros((40, 3)))
    unit = np.ones(3)
    assert mean_squared_error(posterior, targets, unit) == pytest.approx(
        peer_loss.mse_fn(mean, targets), rel=1e-12
    )
    assert cross_entropy(posterior, targets, unit) == pytest.approx(
        peer_loss.cross_entropy_fn(mean, targets) / 40, rel=1e-12
    )


def test_cross_entropy_of_one_output_is_that_of_two(rng):
    mean = rng.normal(size=(40, 1))
    targets = rng.choice([-1.0, 1.0], size=(40, 1))
    one = LocalPosterior(mean, np.ones(40), np.zeros((40, 1)))
    both, of_both = np.hstack([-mean, mean]), np.hstack([-targets, targets])
    expected = peer_loss.cross_entropy_fn(both, of_both) / 40
    assert cross_entropy(one, targets, np.ones(1)) == pytest.approx(expected, rel=1e-12)
