"""The background of a map, fitted to the map: right within its errors, whatever it starts from."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skysift.core.errors import InputError, UsageError
from skysift.preprocess.sky_background import (
    FROM_A_NARROW_MAP,
    FROM_THE_MAP,
    FROM_THE_RESPONSE,
    BackgroundModel,
    BackgroundPrior,
)

N, PIXEL = 80, 0.05
XI, ETA = np.meshgrid((np.arange(N) - 39.5) * -PIXEL, (np.arange(N) - 39.5) * PIXEL)
RADIUS = float(np.hypot(XI, ETA).max())
U = (XI**2 + ETA**2) / RADIUS**2
SHAPE = np.exp(-2.0 * U)
LEVELS = np.array([0.6, 0.15, 0.02])
TEMPLATE = LEVELS[:, None, None] * SHAPE


def truth(level=(1.0, 1.0, 1.0), linear=0.0, square=0.0, gradient=(0.0, 0.0)):
    """The template times what the model may do to it."""
    shape = linear * U + square * U**2 + (gradient[0] * XI + gradient[1] * ETA) / RADIUS
    return TEMPLATE * np.asarray(level)[:, None, None] * np.exp(shape)


CELL = 4  # pixels: 0.2 deg, as the searches have


@pytest.fixture(scope="module")
def model():
    return BackgroundModel(TEMPLATE, XI, ETA, cell=CELL)


def relative(fit, expected):
    return fit.counts.sum(axis=(1, 2)) / expected.sum(axis=(1, 2)) - 1


def test_a_distorted_template_is_recovered_within_the_stated_errors(model, rng):
    expected = truth((0.7, 1.5, 1.2), linear=0.5, square=-0.4, gradient=(0.25, -0.15))
    fits = [model.fit(rng.poisson(expected)) for _ in range(150)]
    levels = np.array([relative(fit, expected) for fit in fits])
    stated = np.mean([fit.scale_error for fit in fits], axis=0)
    # The spread of 150 draws is known to 6 %; the mean of a level to a twelfth of its error.
    np.testing.assert_allclose(levels.std(axis=0), stated, rtol=0.25)
    assert np.all(np.abs(levels.mean(axis=0)) < 0.35 * stated)
    gradient = np.array([fit.gradient for fit in fits])
    error = gradient.std(axis=0) / np.sqrt(len(fits))
    assert np.all(np.abs(gradient.mean(axis=0) - (0.25, -0.15)) < 5 * error)
    mean = np.mean([fit.counts for fit in fits], axis=0)
    inner = U < 0.5
    np.testing.assert_allclose(mean[0][inner], expected[0][inner], rtol=0.03)


def test_the_scale_is_that_over_the_template(model, rng):
    fit = model.fit(rng.poisson(truth((0.5, 1.0, 2.0))))
    np.testing.assert_allclose(fit.scale, (0.5, 1.0, 2.0), rtol=5 * fit.scale_error.max())


def test_the_fitted_counts_are_as_many_as_the_real_ones(model, rng):
    counts = rng.poisson(truth((1.3, 0.8, 1.1), linear=0.3))
    fit = model.fit(counts)
    # The prior of the level is wide: the normal equation of the constant conserves counts.
    np.testing.assert_allclose(fit.counts.sum(axis=(1, 2)), counts.sum(axis=(1, 2)), rtol=2e-3)


@pytest.mark.parametrize("prior", [FROM_THE_MAP, FROM_THE_RESPONSE])
def test_an_optimiser_finds_the_same_maximum(prior, rng):
    """The same posterior, pixel by pixel, by another hand."""
    counts = rng.poisson(truth((0.8, 1.2, 1.0), linear=-0.3, gradient=(0.1, 0.2)))
    model = BackgroundModel(TEMPLATE, XI, ETA, prior, cell=1)
    terms = np.stack([U.ravel() ** order for order in range(5)])
    slope = np.stack([XI.ravel(), ETA.ravel()]) / RADIUS
    observed, expected = counts.reshape(3, -1), TEMPLATE.reshape(3, -1)
    start = np.log((observed.sum(axis=1) + 0.5) / expected.sum(axis=1))
    centre = np.concatenate([np.outer(start, np.eye(5)[0]).ravel(), [0, 0]])
    width = np.array([prior.scale, *[prior.shape] * 4] * 3 + [prior.gradient] * 2)

    def loss(x):
        exponent = x[:15].reshape(3, 5) @ terms + x[15:] @ slope
        mean = expected * np.exp(exponent)
        value = mean.sum() - np.vdot(observed, exponent) + (((x - centre) / width) ** 2).sum() / 2
        residual = mean - observed
        gradient = np.concatenate([(residual @ terms.T).ravel(), slope @ residual.sum(axis=0)])
        return value, gradient + (x - centre) / width**2

    best = minimize(loss, centre, jac=True, method="BFGS", options={"gtol": 1e-6})
    mean = expected * np.exp(best.x[:15].reshape(3, 5) @ terms + best.x[15:] @ slope)
    fit = model.fit(counts)
    # The last step is a small part of the error, which is large where there are few photons.
    assert np.all(np.abs(fit.counts.reshape(3, -1) / mean - 1) < 0.1 * fit.scale_error[:, None])
    if prior is not FROM_THE_MAP:
        np.testing.assert_allclose(fit.counts.reshape(3, -1), mean, rtol=2e-3)
    np.testing.assert_allclose(fit.gradient, best.x[15:], atol=1e-3)


def test_cells_tell_what_pixels_tell(rng):
    counts = rng.poisson(truth(linear=0.4, gradient=(0.2, 0.0)))
    fine, coarse = (BackgroundModel(TEMPLATE, XI, ETA, cell=cell).fit(counts) for cell in (1, CELL))
    inner = U < 0.5
    apart = np.abs(coarse.counts[:, inner] / fine.counts[:, inner] - 1)
    # The error at a place is about twice that of the level.
    assert np.all(apart < fine.scale_error[:, None])
    assert np.all(apart.mean(axis=1) < 0.4 * fine.scale_error)


def test_cells_tell_a_stiff_background_what_pixels_tell(rng):
    counts = rng.poisson(truth(linear=0.4, gradient=(0.2, 0.0)))
    stiff = BackgroundPrior(shape=0.6)
    fine, coarse = (BackgroundModel(TEMPLATE, XI, ETA, stiff, cell).fit(counts) for cell in (1, 8))
    inner = U < 0.5
    np.testing.assert_allclose(coarse.counts[:, inner], fine.counts[:, inner], rtol=0.02)


def test_a_masked_source_leaves_the_background_alone(model, rng):
    counts = rng.poisson(truth())
    bright = counts.copy()
    bright[:, 50:54, 20:25] += 400
    weight = np.ones((N, N), dtype=np.float32)
    weight[46:60, 14:30] = 0
    masked, clean = model.fit(bright, weight), model.fit(counts, weight)
    np.testing.assert_allclose(masked.counts, clean.counts, rtol=1e-5)
    assert relative(model.fit(bright), truth())[2] > 5


def test_masks_of_any_shape_are_the_same_as_leaving_pixels_out(model, rng):
    counts = rng.poisson(truth())
    weight = (rng.random((N, N)) > 0.3).astype(np.float32)
    holes = BackgroundModel(TEMPLATE * weight, XI, ETA).fit(counts * weight)
    masked = model.fit(counts, weight)
    np.testing.assert_allclose(masked.scale_error, holes.scale_error, rtol=0.02)
    np.testing.assert_allclose(masked.gradient, holes.gradient, atol=0.02)


def test_a_mask_of_nothing_changes_nothing(model, rng):
    counts = rng.poisson(truth())
    with_ones = model.fit(counts, np.ones((N, N)))
    np.testing.assert_allclose(with_ones.counts, model.fit(counts).counts, rtol=1e-6)


@pytest.mark.parametrize("place", [(40, 40), (3, 75), (0, 0)])
def test_a_bright_source_that_is_not_masked_does_not_stop_the_fit(model, rng, place):
    counts = rng.poisson(truth()).astype(np.float64)
    counts[:, place[0], place[1]] += (300, 100, 30)
    fit = model.fit(counts)
    inside = U < 0.7  # further out, the steep rise to a corner is coarser than a cell
    fitted, seen = fit.counts[:, inside].sum(axis=1), counts[:, inside].sum(axis=1)
    assert np.all(np.abs(fitted / seen - 1) < 2 * fit.scale_error)
    assert fit.steps < 12
    stiff = BackgroundModel(TEMPLATE, XI, ETA, BackgroundPrior(shape=0.6)).fit(counts)
    np.testing.assert_allclose(stiff.counts.sum(axis=(1, 2)), counts.sum(axis=(1, 2)), rtol=0.15)
    assert stiff.steps < 12


def test_even_a_blinding_source_leaves_numbers_and_the_way_back(model, rng):
    counts = rng.poisson(truth()).astype(np.float64)
    counts[:, 3, 75] += 1e6
    assert np.isfinite(model.fit(counts).counts).all()
    weight = np.ones((N, N))
    weight[3, 75] = 0
    fit = model.fit(counts, weight)
    assert np.all(np.abs(relative(fit, truth())) < 4 * fit.scale_error)


def test_empty_bands_and_empty_maps_have_next_to_no_background(model, rng):
    counts = rng.poisson(truth()).astype(np.float32)
    counts[1] = 0
    fit = model.fit(counts)
    assert 0 < fit.counts[1].sum() < 2
    np.testing.assert_allclose(fit.counts[0].sum(), counts[0].sum(), rtol=0.01)
    nothing = model.fit(np.zeros_like(counts))
    assert np.isfinite(nothing.counts).all()
    assert (nothing.counts.sum(axis=(1, 2)) < 2).all()
    assert np.isfinite(nothing.scale_error).all()


def test_spikes_of_the_template_do_not_stop_the_fit(rng):
    spiky = TEMPLATE.copy()
    spiky[:, 40, 40] *= 1e4
    spiky[:, 10:12, :] *= 1e-6
    counts = rng.poisson(truth())
    fit = BackgroundModel(spiky, XI, ETA).fit(counts)
    assert np.isfinite(fit.counts).all()
    np.testing.assert_allclose(fit.counts.sum(axis=(1, 2)), counts.sum(axis=(1, 2)), rtol=0.05)


def test_what_the_instrument_does_not_see_has_no_background(rng):
    seen = np.hypot(XI, ETA) < 1.5
    model = BackgroundModel(TEMPLATE * seen, XI, ETA)
    fit = model.fit(rng.poisson(truth() * seen))
    assert not fit.counts[:, ~seen].any()
    np.testing.assert_allclose(fit.scale, 1.0, atol=5 * fit.scale_error.max())


def test_a_narrow_prior_keeps_the_shape_of_the_template(rng):
    counts = rng.poisson(truth(linear=1.0, gradient=(0.5, 0.0)))
    stiff = BackgroundModel(TEMPLATE, XI, ETA, BackgroundPrior(3.0, 1e-4, 1e-4)).fit(counts)
    ratio = stiff.counts / TEMPLATE
    np.testing.assert_allclose(ratio, ratio.mean(axis=(1, 2), keepdims=True) * np.ones_like(ratio),
                               rtol=1e-2)  # fmt: skip


def test_a_map_of_another_shape_is_refused(model):
    with pytest.raises(InputError, match="does not fit a background template"):
        model.fit(np.zeros((3, N, N - 1)))


def test_a_band_without_background_is_refused():
    empty = TEMPLATE.copy()
    empty[2] = 0
    with pytest.raises(UsageError, match="empty in an energy band"):
        BackgroundModel(empty, XI, ETA)


def test_beyond_its_reach_a_field_is_not_fitted(rng):
    counts = rng.poisson(truth()).astype(np.float32)
    model = BackgroundModel(TEMPLATE, XI, ETA, FROM_A_NARROW_MAP, reach=1.2)
    more = counts + 5 * (np.hypot(XI, ETA) > 1.2)
    np.testing.assert_array_equal(model.fit(counts).counts, model.fit(more).counts)
    masked = np.ones((N, N))
    masked[30:40, 30:40] = 0
    again = model.fit(more, masked, start=model.fit(more).state)
    inside = np.hypot(XI, ETA) < 1.1
    fitted = float(again.counts[0][inside].sum())
    assert fitted == pytest.approx(truth()[0][inside].sum(), abs=4 * fitted**0.5)


def test_a_steep_oval_edge_is_followed(rng):
    """Half of the template at 1.0 deg along one axis and at 1.4 along the other."""
    along, across = (XI + ETA) / np.sqrt(2), (XI - ETA) / np.sqrt(2)
    oval = 1 / (1 + np.exp((np.hypot(along / 1.4, across) - 1.0) / 0.12))
    expected = 40 * TEMPLATE * oval
    counts = rng.poisson(expected)
    wide, round_ = BackgroundModel(TEMPLATE, XI, ETA), BackgroundPrior(shape=5.0)
    models = [wide, BackgroundModel(TEMPLATE, XI, ETA, round_, reach=1.5)]
    models.append(BackgroundModel(TEMPLATE, XI, ETA, FROM_A_NARROW_MAP, reach=1.5))
    models.append(BackgroundModel(TEMPLATE, XI, ETA, BackgroundPrior(shape=0.6)))
    inside = np.hypot(XI, ETA) < 1.1
    error = [np.abs(model.fit(counts).counts / expected - 1)[0][inside].mean() for model in models]
    assert error[2] < 0.06
    assert error[2] < 0.4 * error[1]
    assert error[2] < 0.4 * error[0]
    assert error[2] < 0.3 * error[3]  # believed, the supposed shape is further off
