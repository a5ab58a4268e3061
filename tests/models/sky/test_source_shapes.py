"""Sources on the plane and on pixels: shapes keep their counts and their place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.places import Places
from skysift.models.sky.refine import Refined, refine
from skysift.models.sky.stamps import PlacedStamp, source_stamp
from skysift.models.sky.width import best_width

WIDTH = np.array([0.09, 0.06])
STEP = 0.002
GRID = TangentGrid(30.0, -20.0, 60, 50, 0.025)


def gaussian_source(scale=1.0, share=(0.7, 0.3), reach=0.6):
    radii, width = np.arange(0, reach, STEP), WIDTH[:, None] * scale
    density = np.exp(-(radii**2) / (2 * width**2)) / (2 * np.pi * width**2)
    return LocalSource(np.array(share), density, STEP)


def placed(xi, eta, by_band=(70.0, 30.0)):
    band = np.array(by_band)
    return Refined(xi, eta, np.eye(2), float(band.sum()), 1.0, band, band, 1.0, converged=True)


SOURCE = gaussian_source()


def test_a_source_holds_its_counts():
    assert SOURCE.contained == pytest.approx(1.0, abs=1e-3)
    assert gaussian_source(reach=0.1).contained < 0.8


def test_a_wider_source_is_the_gaussian_of_that_width():
    wide = SOURCE.widened(1.5)
    radius, band = np.array([0.0, 0.05, 0.2]), np.zeros(3, dtype=np.int64)
    expected = gaussian_source(1.5).evaluate(band, radius)[0]
    np.testing.assert_allclose(wide.evaluate(band, radius)[0], expected, rtol=2e-3)
    assert SOURCE.widened(1.5) is wide


def test_gaussians_spread_by_a_gaussian_add_in_squares():
    sigma = 0.12
    spread = SOURCE.spread(sigma)
    total = np.sqrt(WIDTH**2 + sigma**2)
    radius = np.array([0.0, 0.1, 0.25, 0.4])
    for band in range(2):
        expected = np.exp(-(radius**2) / (2 * total[band] ** 2)) / (2 * np.pi * total[band] ** 2)
        found = spread.evaluate(np.full(4, band), radius)[0] / SOURCE.share[band]
        np.testing.assert_allclose(found, expected, rtol=5e-3)
    assert spread.contained == pytest.approx(SOURCE.contained, rel=1e-9)


def test_the_slope_is_the_derivative():
    radius, band = np.linspace(0.01, 0.3, 30), np.ones(30, dtype=np.int64)
    h = 1e-3
    up, down = (SOURCE.evaluate(band, radius + s * h)[0] for s in (1, -1))
    _, slope = SOURCE.evaluate(band, radius)
    np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=0.01 * np.abs(slope).max())


def test_the_density_is_interpolated_between_radii(rng):
    band = rng.integers(0, len(SOURCE.share), 200)
    radius = rng.uniform(0, 1.2 * SOURCE.reach, 200)
    expected = [
        SOURCE.share[b] * np.interp(r, SOURCE.radii, SOURCE.density[b], right=0.0)
        for b, r in zip(band, radius, strict=True)
    ]
    density, _ = SOURCE.evaluate(band, radius)
    np.testing.assert_allclose(density, expected, rtol=1e-12)
    np.testing.assert_array_equal(SOURCE.density_at(band, radius), density)


def test_beyond_its_reach_a_source_is_not():
    density, slope = SOURCE.evaluate(np.array([0, 0]), np.array([SOURCE.reach + 1e-6, 5.0]))
    assert not density.any()
    assert not slope.any()


def test_containment_is_that_of_the_counts_of_all_bands():
    one = gaussian_source(share=(1.0, 0.0))
    assert one.containment_radius(0.68) == pytest.approx(1.5096 * WIDTH[0], abs=STEP)


@pytest.mark.parametrize("density", [np.ones(5), np.ones((3, 5))])
def test_shapes_that_do_not_fit_are_refused(density):
    with pytest.raises(UsageError, match="do not fit together"):
        LocalSource(np.array([0.5, 0.5]), density, STEP)


@given(st.floats(-0.4, 0.4), st.floats(-0.3, 0.3))
def test_a_placed_source_keeps_counts_and_centre(xi, eta):
    stamp = PlacedStamp.of(GRID, SOURCE, placed(xi, eta))
    np.testing.assert_allclose(stamp.counts.sum(axis=(1, 2)), (70, 30), rtol=1e-3)
    columns, rows = GRID.pixel_centres()
    image = stamp.counts.sum(axis=0, dtype=np.float64)
    centre_xi = (image @ columns[stamp.columns]).sum() / image.sum()
    centre_eta = (image.T @ rows[stamp.rows]).sum() / image.sum()
    assert (centre_xi, centre_eta) == pytest.approx((xi, eta), abs=2e-4)


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_a_source_at_or_beyond_the_border_is_cut(xi, eta):
    stamp = PlacedStamp.of(GRID, SOURCE, placed(xi, eta))
    image = np.zeros((2, *GRID.shape), dtype=np.float32)
    image[:, stamp.rows, stamp.columns] += stamp.counts
    assert image.sum() <= 100.1
    if abs(xi) > 1.4 or abs(eta) > 1.3:
        assert image.sum() < 1


def test_a_stamp_is_the_density_integrated_over_pixels():
    stamp = source_stamp(SOURCE, 0.025, 1.0)
    half = stamp.shape[1] // 2
    np.testing.assert_allclose(stamp.sum(axis=(1, 2)), SOURCE.share, rtol=2e-3)
    fine = (np.arange(50) + 0.5) / 50 * 0.025 - 0.0125
    x, y = np.meshgrid(fine + 2 * 0.025, fine)
    exact = np.exp(-(x**2 + y**2) / (2 * WIDTH[0] ** 2)).mean() / (2 * np.pi * WIDTH[0] ** 2)
    assert stamp[0, half, half + 2] == pytest.approx(0.7 * exact * 0.025**2, rel=0.01)
    np.testing.assert_allclose(stamp, stamp[:, ::-1, ::-1])


def test_places_know_their_pixels():
    places = Places(GRID)
    xi, eta = GRID.pixel_to_plane(np.array([0.0, 59.0, 30.2]), np.array([0.0, 49.0, 10.4]))
    row, column = places.pixel(xi, eta)
    assert (row.tolist(), column.tolist()) == ([0, 49, 10], [0, 59, 30])
    row, column = places.pixel(np.array([9.0]), np.array([-9.0]))
    assert (row[0], column[0]) == (0, 0)


@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.floats(0.02, 0.5))
def test_a_window_holds_all_pixels_within_its_radius(xi, eta, radius):
    rows, columns, distance = Places(GRID).window(xi, eta, radius)
    x, y = GRID.pixel_centres()
    everywhere = np.hypot(x[None, :] - xi, y[:, None] - eta)
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[rows, columns] = True
    assert not (everywhere[~mask] < radius - 1e-9).any()
    np.testing.assert_allclose(everywhere[rows, columns], distance)


def test_pixels_as_photons_keep_all_counts(rng):
    counts = rng.poisson(0.3, (2, *GRID.shape)).astype(np.float32)
    photons = Places(GRID).photons_of(counts)
    assert photons.weight.sum() == counts.sum()
    assert np.bincount(photons.band, photons.weight).tolist() == counts.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize(("true", "low", "high"), [(1.0, 1.0, 1.0), (1.6, 1.25, 2.1),
                                                   (0.7, 0.6, 0.8)])  # fmt: skip
def test_the_width_of_a_bright_source_is_told(true, low, high, rng):
    band = rng.choice(2, 1500, p=SOURCE.share)
    xi, eta = rng.normal(size=(2, 1500)) * WIDTH[band] * true
    photons = Photons(xi, eta, band, np.ones(1500)).near(0, 0, SOURCE.reach)
    level = np.array([20.0, 5.0])
    background = level[photons.band]
    fit = refine(photons, background, SOURCE, level, (0.0, 0.0, 1500.0))
    assert low <= best_width(photons, background, SOURCE, fit).factor <= high


def drawn_about_the_centre(n, true, level, rng):
    band = rng.choice(2, n, p=SOURCE.share)
    xi, eta = rng.normal(size=(2, n)) * WIDTH[band] * true
    n_behind = rng.poisson(level * np.pi * SOURCE.reach**2)
    radius = SOURCE.reach * np.sqrt(rng.random(n_behind.sum()))
    angle = rng.uniform(0, 2 * np.pi, n_behind.sum())
    photons = Photons(
        np.r_[xi, radius * np.cos(angle)],
        np.r_[eta, radius * np.sin(angle)],
        np.r_[band, np.repeat([0, 1], n_behind)],
        np.ones(n + n_behind.sum()),
    )
    return photons.near(0, 0, SOURCE.reach)


def test_a_supposed_width_is_moved_as_far_as_the_photons_tell(rng):
    level, true = np.array([200.0, 50.0]), 1.3
    factors = []
    for n in (15, 100, 3000):
        photons = drawn_about_the_centre(n, true, level, rng)
        background = level[photons.band]
        fit = refine(photons, background, SOURCE, level, (0.0, 0.0, float(n)))
        width = best_width(photons, background, SOURCE, fit, supposed_within=0.2)
        factors.append(width)
    assert factors[0].error == pytest.approx(0.2, rel=0.4)
    assert factors[2].factor == pytest.approx(true, rel=0.08)
    assert factors[2].error < factors[1].error < 0.2
    known = best_width(photons, background, SOURCE, fit)
    assert known.error == 0.0
