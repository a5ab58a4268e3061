"""The fit of a point source: the maximum, its errors, and the counts by band."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import band_counts, expected_information, from_peak, refine

SHARE = np.array([0.6, 0.3, 0.1])
WIDTH = np.array([0.1, 0.07, 0.05])
STEP = 0.002
RADII = np.arange(0, 0.6, STEP)
SOURCE = LocalSource(
    SHARE,
    np.exp(-(RADII**2) / (2 * WIDTH[:, None] ** 2)) / (2 * np.pi * WIDTH[:, None] ** 2),
    STEP,
)
LEVEL = np.array([60.0, 15.0, 2.0])  # deg-2
HALF = 0.8


def draw(counts, rng, place=(0.0, 0.0), share=SHARE, level=LEVEL):
    parts = []
    for band in range(3):
        n, m = rng.poisson(level[band] * (2 * HALF) ** 2), rng.poisson(counts * share[band])
        xi = np.append(rng.uniform(-HALF, HALF, n), rng.normal(place[0], WIDTH[band], m))
        eta = np.append(rng.uniform(-HALF, HALF, n), rng.normal(place[1], WIDTH[band], m))
        parts.append(np.stack([xi, eta, np.full(n + m, band)]))
    xi, eta, band = np.concatenate(parts, axis=1)
    photons = Photons(xi, eta, band.astype(np.int64), np.ones(len(xi)))
    return photons.near(0.0, 0.0, SOURCE.reach)


def fit(photons, start=(0.02, -0.03, 20.0), **more):
    return refine(photons, LEVEL[photons.band], SOURCE, LEVEL, start, **more)


def loss(x, photons):
    density, _ = SOURCE.evaluate(photons.band, np.hypot(photons.xi - x[0], photons.eta - x[1]))
    logarithm = photons.weight @ np.log(x[2] * density + LEVEL[photons.band])
    return x[2] * SOURCE.contained - logarithm


def test_an_optimiser_finds_the_same_place(rng):
    for _ in range(5):
        photons = draw(300, rng, (0.01, 0.02))
        found = fit(photons)
        best = minimize(loss, (0.0, 0.0, 280.0), args=(photons,), method="Nelder-Mead",
                        options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 4000})  # fmt: skip
        error = np.sqrt(found.covariance[0, 0])
        assert np.hypot(found.xi - best.x[0], found.eta - best.x[1]) < 0.05 * error
        assert found.converged
        none = -LEVEL[photons.band]
        nothing = -photons.weight @ np.log(-none)
        assert found.ts == pytest.approx(2 * (nothing - best.fun), rel=0.02)


@pytest.mark.parametrize(("counts", "n"), [(400, 150), (60, 250)])
def test_errors_are_the_spread_of_the_answers(counts, n, rng):
    fits = [fit(draw(counts, rng, (0.03, -0.02)), (0.03, -0.02, counts)) for _ in range(n)]
    away = np.array([(one.xi - 0.03, one.eta + 0.02) for one in fits])
    pull = [
        np.sqrt(d @ np.linalg.solve(one.covariance, d)) for d, one in zip(away, fits, strict=True)
    ]
    for limit, level in ((1.5096, 0.68), (2.4477, 0.95)):
        inside = np.mean(np.array(pull) < limit)
        assert abs(inside - level) < 4 * np.sqrt(level * (1 - level) / n)
    strength = np.array([(one.counts - counts) / one.counts_error for one in fits])
    assert abs(strength.mean()) < 4 / np.sqrt(n)
    assert 0.8 < strength.std() < 1.2


def test_counts_by_band_are_free_of_the_assumed_spectrum(rng):
    """A source of quite another spectrum than the shares say."""
    share, n = np.array([0.2, 0.3, 0.5]), 120
    fits = [fit(draw(200, rng, share=share), (0.0, 0.0, 100.0)) for _ in range(n)]
    bands = np.array([one.by_band for one in fits])
    errors = np.array([one.by_band_error for one in fits])
    spread = bands.std(axis=0) / np.sqrt(n)
    assert np.all(np.abs(bands.mean(axis=0) - 200 * share) < 4.5 * spread)
    np.testing.assert_allclose(errors.mean(axis=0), bands.std(axis=0), rtol=0.25)
    np.testing.assert_allclose([one.counts for one in fits], bands.sum(axis=1))


def test_counts_of_nothing_are_nothing_on_average(rng):
    """At a given place: where the search looks for a maximum, it finds one."""
    fits = [refine(p, LEVEL[p.band], SOURCE, LEVEL, (0.0, 0.0, 1.0))
            for p in (draw(0, rng) for _ in range(100))]  # fmt: skip
    assert min(one.by_band.min() for one in fits) < 0
    assert all(np.isfinite(one.covariance).all() for one in fits)
    assert all(np.hypot(one.xi, one.eta) < 1 for one in fits)


def test_weak_sources_have_honest_ellipses(rng):
    inside, n = 0, 200
    for _ in range(n):
        place = rng.uniform(-0.05, 0.05, 2)
        found = fit(draw(22, rng, place), (*place, 20.0))
        d = place - (found.xi, found.eta)
        inside += d @ np.linalg.solve(found.covariance, d) < 5.991
    assert abs(inside / n - 0.95) < 4 * np.sqrt(0.95 * 0.05 / n)


def test_pixels_with_counts_weigh_as_their_photons(rng):
    photons = draw(300, rng)
    pixel = 0.01
    x, y = (np.round(v / pixel) * pixel for v in (photons.xi, photons.eta))
    moved = Photons(x, y, photons.band, photons.weight)
    cells, weight = np.unique(np.stack([x, y, photons.band]), axis=1, return_counts=True)
    binned = Photons(cells[0], cells[1], cells[2].astype(np.int64), weight.astype(float))
    assert weight.max() > 1
    one, two = fit(moved), fit(binned)
    assert (one.xi, one.eta) == pytest.approx((two.xi, two.eta), abs=1e-9)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-6)
    np.testing.assert_allclose(one.by_band, two.by_band, rtol=1e-6)


def test_the_order_of_the_photons_does_not_matter(rng):
    photons = draw(80, rng)
    order = rng.permutation(len(photons))
    mixed = Photons(*(v[order] for v in (photons.xi, photons.eta, photons.band, photons.weight)))
    one, two = fit(photons), fit(mixed)
    assert (one.xi, one.eta, one.ts) == pytest.approx((two.xi, two.eta, two.ts), rel=1e-6)


def test_an_uncertain_background_makes_counts_uncertain(rng):
    photons = draw(100, rng)
    sure, unsure = fit(photons), fit(photons, level_error=np.array([0.1, 0.1, 0.1]))
    assert unsure.counts_error > sure.counts_error
    assert unsure.counts == sure.counts


def test_no_photons_are_no_trouble():
    nobody = Photons(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0))
    found = fit(nobody)
    assert found.counts < 0
    assert np.isfinite(found.covariance).all()


def test_bands_to_which_nothing_is_sent_have_no_counts(rng):
    silent = LocalSource(SHARE, SOURCE.density * np.array([[1.0], [1.0], [0.0]]), STEP)
    photons = draw(100, rng)
    found = refine(photons, LEVEL[photons.band], silent, LEVEL, (0.0, 0.0, 50.0))
    assert found.by_band[2] == 0
    assert found.by_band_error[2] == 0


def test_a_peak_alone_has_the_errors_that_a_fit_would_have(rng):
    place = from_peak((0.0, 0.0), 400.0, SOURCE, LEVEL)
    errors = [np.sqrt(fit(draw(400, rng)).covariance[0, 0]) for _ in range(20)]
    assert np.sqrt(place.covariance[0, 0]) == pytest.approx(np.mean(errors), rel=0.05)
    assert place.by_band.sum() == pytest.approx(400)
    assert np.isnan(place.ts)


def test_information_is_the_curvature_of_the_likelihood(rng):
    on_counts, on_place = expected_information(SOURCE, LEVEL, 300.0)
    curvature = []
    for _ in range(60):
        photons = draw(300, rng)
        h = np.array([0.005, 5.0])
        bends = []
        for axis, step in ((0, h[0]), (2, h[1])):
            at = np.array([0.0, 0.0, 300.0])
            ends = []
            for sign in (-1, 0, 1):
                there = at.copy()
                there[axis] += sign * step
                ends.append(loss(there, photons))
            bends.append((ends[0] - 2 * ends[1] + ends[2]) / step**2)
        curvature.append(bends)
    mean = np.mean(curvature, axis=0)
    assert on_place == pytest.approx(mean[0], rel=0.06)
    assert on_counts == pytest.approx(mean[1], rel=0.06)


def test_a_pointed_top_of_few_photons_is_reached(rng):
    """Steps that suit the expected, flatter top would leap from one side of it to the other."""
    core = 0.35 * WIDTH[:, None]
    pointed = LocalSource(SHARE, (1 + (RADII / core) ** 2) ** -1.5 / (2 * np.pi * core**2), STEP)
    reached = []
    for _ in range(60):
        photons = draw(8, rng)
        near = np.hypot(photons.xi, photons.eta) < 0.1
        start = (float(photons.xi[near].mean()), float(photons.eta[near].mean()), 8.0)
        found = refine(photons, LEVEL[photons.band], pointed, LEVEL, start)
        reached.append(found.converged)
    assert np.mean(reached) > 0.8


def test_a_band_without_background_or_photons_says_nothing_and_costs_no_warning(rng):
    """Warnings are errors here: a rate of 0 once divided."""
    level = LEVEL * (1.0, 1.0, 0.0)
    photons = draw(50, rng, share=np.array([0.6, 0.4, 0.0]), level=level)
    around = (photons, level[photons.band], SOURCE, level)
    counts, variance = band_counts(*around, place=(0.0, 0.0), level_error=np.full(3, 0.1))
    assert counts[2] == 0.0
    assert np.isfinite(variance).all()
    assert variance[2] == 0.0
