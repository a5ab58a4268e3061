"""Rings, templates, acceptance, and whole maps of significance."""

import numpy as np
import pytest

from skysift.core.errors import InputError, UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import (
    Circle,
    Exclusion,
    RadialAcceptance,
    field_background,
    ring_background,
    significance_map,
    template_background,
)
from skysift.evaluate.aperture.sphere import offset_by, solid_angle
from skysift.evaluate.counts import li_ma_significance
from skysift.preprocess.folding import pixel_solid_angle

POINTING = Pointing(0.1, 89.0)  # where RA tells nothing of distance
EDGES = np.array([0.1, 1.0, 10.0])
GTI = GoodTimeIntervals.of([(0.0, 100.0)])
GRID = TangentGrid(0.1, 89.0, 120, 100, 0.04)
WIDTH = 1.0


def camera_events(rng, n=40_000, source=None, n_source=0):
    """Background whose density falls as a Gaussian of the offset, and a source."""
    ra, dec = offset_by(
        POINTING.ra, POINTING.dec, rng.uniform(0, 360, n), WIDTH * rng.rayleigh(size=n)
    )
    if source is not None:
        more = offset_by(
            source.ra, source.dec, rng.uniform(0, 360, n_source), 0.03 * rng.rayleigh(size=n_source)
        )
        ra, dec = np.append(ra, more[0]), np.append(dec, more[1])
    time = np.sort(rng.uniform(0, 100, len(ra)))
    return EventList(time, ra, dec, rng.uniform(0.1, 9.9, len(ra)), GTI, POINTING)


def true_density(offset, n=40_000):
    return n * np.exp(-((offset / WIDTH) ** 2) / 2) / (2 * np.pi * WIDTH**2)


def test_the_acceptance_is_measured_beside_sources(rng):
    source = Circle(180.0, 89.5, 0.3)
    events = camera_events(rng, source=source, n_source=2000)
    acceptance = RadialAcceptance.of_events(events, Exclusion((source,)))
    offset = np.array([0.3, 0.8, 1.2, 1.8])
    density = acceptance.at(*offset_by(POINTING.ra, POINTING.dec, 77.0, offset))
    np.testing.assert_allclose(density, true_density(offset), rtol=0.08)
    assert acceptance.at(*offset_by(POINTING.ra, POINTING.dec, 0.0, 2.6)) == 0
    # Counts conserve: what was measured integrates to the events.
    without = RadialAcceptance.of_events(events)
    area = solid_angle(without.offset_edges[1:], without.offset_edges[:-1])
    inside = np.sum(without.density * area)
    offset = 2.5
    expected = 40_000 * (1 - np.exp(-((offset / WIDTH) ** 2) / 2)) + 2000
    assert inside == pytest.approx(expected, rel=0.02)


def test_the_acceptance_of_a_map_is_that_of_its_events(rng):
    counts = CountsMap.from_events(camera_events(rng), GRID, EDGES)
    acceptance = RadialAcceptance.of_counts(counts)
    expected = true_density(counts.offset()) * pixel_solid_angle(GRID)
    middle = counts.offset() < 1.8
    np.testing.assert_allclose(acceptance.on_grid(GRID)[middle], expected[middle], rtol=0.2)
    assert acceptance.on_grid(GRID).sum() == pytest.approx(counts.counts.sum(), rel=0.02)


def test_an_annulus_that_is_wholly_excluded_is_interpolated(rng):
    events = camera_events(rng)
    hidden = RadialAcceptance.of_events(
        events, Exclusion((Circle(POINTING.ra, POINTING.dec, 0.8),)), n_annuli=10
    )
    assert (hidden.density > 0).all()
    with pytest.raises(InputError, match="no background"):
        RadialAcceptance.of_events(events, Exclusion((Circle(0.0, 89.0, 10.0),)))


def test_the_pixels_of_a_grid_add_up_to_its_solid_angle():
    # A square tangent plane of side 2 t covers 4 asin(t^2 / (1 + t^2)) steradian.
    wide = TangentGrid(10.0, 20.0, 400, 400, 0.1)
    half = np.radians(20.0)
    steradian = 4 * np.arcsin(half**2 / (1 + half**2))
    assert pixel_solid_angle(wide).sum() == pytest.approx(
        np.degrees(np.degrees(steradian)), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["events", "map"])
def test_a_ring_finds_the_background_of_a_falling_acceptance(rng, kind):
    source = Circle(180.0, 89.9, 0.12)  # 1.1 deg from the pointing
    found, flat = [], []
    for _ in range(20):
        events = camera_events(rng, source=source, n_source=100)
        data = events if kind == "events" else CountsMap.from_events(events, GRID, EDGES)
        acceptance = (
            RadialAcceptance.of_events(events, Exclusion((Circle(180.0, 89.9, 0.3),)))
            if kind == "events"
            else RadialAcceptance.of_counts(data, Exclusion((Circle(180.0, 89.9, 0.3),)))
        )
        on_off = ring_background(data, source, 0.3, 0.6, acceptance=acceptance)
        found.append(on_off.background)
        flat.append(ring_background(data, source, 0.3, 0.6).background)
    area = source.area
    if kind == "map":  # that of the pixels whose centres lie within
        sky = GRID.from_plane(*np.meshgrid(*GRID.pixel_centres()))
        area = pixel_solid_angle(GRID)[source.contains(*sky)].sum()
    expected = true_density(1.1) * area
    assert np.mean(found) == pytest.approx(expected, rel=0.03)
    assert np.mean(flat) > 0  # a ring's second moment is all that a flat acceptance errs by
    assert abs(np.mean(flat) - expected) < 0.1 * expected


def test_a_ring_leaves_out_what_is_excluded_and_widens_when_told(rng):
    source = Circle(180.0, 89.9, 0.1)
    events = camera_events(rng)
    neighbour = Exclusion((Circle(180.0, 89.5, 0.45),))
    plain = ring_background(events, source, 0.3, 0.6)
    masked = ring_background(events, source, 0.3, 0.6, exclusion=neighbour)
    assert masked.alpha > 1.2 * plain.alpha
    assert masked.background == pytest.approx(plain.background, rel=0.25)
    wide = ring_background(
        events, source, 0.3, 0.6, exclusion=neighbour, alpha_max=plain.alpha, r_out_max=1.5
    )
    assert wide.alpha <= plain.alpha
    assert wide.n_off > masked.n_off
    everything = Exclusion((Circle(0.0, 89.0, 20.0),))
    assert ring_background(events, source, 0.3, 0.6, exclusion=everything) is None
    with pytest.raises(UsageError, match="surround"):
        ring_background(events, source, 0.05, 0.6)


def test_a_template_and_a_model_of_the_field_give_the_excess(rng):
    on = Circle(180.0, 89.9, 0.16)
    expected = 3.0 * np.ones((2, *GRID.shape))
    hadrons = rng.poisson(4 * expected)
    counts = rng.poisson(expected).astype(np.float32)
    inside = on.contains(*GRID.from_plane(*np.meshgrid(*GRID.pixel_centres())))
    counts[:, inside] += 2
    data = CountsMap(counts, EDGES, GRID, GTI, 100.0, POINTING)
    truth = 4 * inside.sum()
    template = template_background(data, hadrons, on)
    assert template.alpha == pytest.approx(0.25, rel=0.02)
    assert template.excess == pytest.approx(truth, abs=4 * template.excess_error)
    model = field_background(data, expected.sum(axis=0), on)
    assert model.excess == pytest.approx(truth, abs=4 * model.excess_error)
    assert model.excess_error < template.excess_error  # a smooth model does not fluctuate
    # A bright neighbour spoils the normalisation unless it is excluded.
    counts[:, 70:80, 20:30] += 40
    neighbour = GRID.to_sky(24.5, 74.5)
    without = Exclusion((Circle(float(neighbour[0]), float(neighbour[1]), 0.4),))
    assert template_background(data, hadrons, on).alpha > 0.27
    assert template_background(data, hadrons, on, without).alpha == pytest.approx(0.25, rel=0.02)
    assert template_background(data, np.zeros(GRID.shape), on) is None
    assert field_background(data, np.zeros(GRID.shape), on) is None
    with pytest.raises(InputError, match="fit"):
        template_background(data, np.ones((3, 3)), on)
    with pytest.raises(InputError, match="negative"):
        template_background(data, -np.ones(GRID.shape), on)


def test_a_significance_map_is_the_sums_over_circle_and_ring(rng):
    counts = rng.poisson(0.8, (2, *GRID.shape)).astype(np.float32)
    data = CountsMap(counts, EDGES, GRID, GTI, 100.0, POINTING)
    bright = GRID.to_sky(30, 40)
    exclusion = Exclusion((Circle(float(bright[0]), float(bright[1]), 0.2),))
    acceptance = rng.uniform(0.5, 1.5, GRID.shape)
    result = significance_map(data, 0.12, (0.3, 0.5), acceptance=acceptance, exclusion=exclusion)
    image, allowed = counts.sum(axis=0), exclusion.allowed_pixels(GRID)
    y, x = np.mgrid[: GRID.n_y, : GRID.n_x]
    for row, column in [(0, 0), (50, 60), (40, 30), (99, 119), (45, 36)]:
        distance = np.hypot(y - row, x - column) * 0.04
        inside = distance <= 0.12 + 1e-9
        around = (distance >= 0.3 - 1e-9) & (distance <= 0.5 + 1e-9) & allowed
        alpha = acceptance[inside].sum() / acceptance[around].sum()
        assert result.n_on[row, column] == image[inside].sum()
        assert result.n_off[row, column] == image[around].sum()
        assert result.alpha[row, column] == pytest.approx(alpha)
        expected = li_ma_significance(image[inside].sum(), image[around].sum(), alpha)
        assert result.significance[row, column] == pytest.approx(float(expected), abs=1e-9)
        assert result.excess[row, column] == pytest.approx(
            image[inside].sum() - alpha * image[around].sum()
        )


def test_a_significance_map_of_noise_is_normal_and_its_edges_too(rng):
    data = CountsMap.from_events(camera_events(rng, n=60_000), GRID, EDGES)
    significance = significance_map(data, 0.12, (0.3, 0.8)).significance
    assert np.mean(significance) == pytest.approx(0, abs=0.15)
    assert np.std(significance) == pytest.approx(1, abs=0.12)


def test_where_there_is_no_background_there_is_no_significance():
    data = CountsMap(np.ones((2, *GRID.shape), np.float32), EDGES, GRID, GTI, 1.0, POINTING)
    acceptance = np.zeros(GRID.shape)
    acceptance[:, :40] = 1.0
    result = significance_map(data, 0.12, (0.3, 0.5), acceptance=acceptance)
    assert np.isnan(result.significance[:, 60:]).all()
    assert np.isfinite(result.significance[:, :30]).all()
    with pytest.raises(InputError, match="acceptance"):
        significance_map(data, 0.12, (0.3, 0.5), acceptance=np.ones((2, 2)))
    with pytest.raises(UsageError, match="surround"):
        significance_map(data, 0.4, (0.3, 0.5))


def test_a_significance_map_agrees_with_gammapy(rng):
    datasets = pytest.importorskip("gammapy.datasets", reason="gammapy is not installed")
    estimators = pytest.importorskip("gammapy.estimators")
    makers = pytest.importorskip("gammapy.makers")
    maps = pytest.importorskip("gammapy.maps")
    grid = TangentGrid(83.6, 22.0, 81, 81, 0.05)
    counts = rng.poisson(2.0, (1, *grid.shape)).astype(np.float32)
    counts[0, 40, 40] += 30
    acceptance = rng.uniform(1.5, 2.5, grid.shape)
    axis = maps.MapAxis.from_energy_bounds(0.1, 10, 1, unit="TeV", name="energy")
    geom = maps.WcsGeom(grid.wcs(), grid.shape[::-1], axes=[axis])
    dataset = datasets.MapDataset(
        counts=maps.Map.from_geom(geom, data=counts),
        background=maps.Map.from_geom(geom, data=acceptance[None]),
        mask_safe=maps.Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool)),
        name="ring",
    )
    on_off = makers.RingBackgroundMaker(r_in="0.32 deg", width="0.3 deg").run(dataset)
    # No pixel lies exactly on an edge, where rounding would decide.
    peer = estimators.ExcessMapEstimator(
        "0.12 deg", correlate_off=False, selection_optional=[]
    ).run(on_off)
    data = CountsMap(counts, EDGES[[0, 2]], grid, GTI, 1.0, Pointing(83.6, 22.0))
    ours = significance_map(data, 0.12, (0.32, 0.62), acceptance=acceptance)
    np.testing.assert_allclose(ours.significance, peer["sqrt_ts"].data[0], atol=2e-4)


@pytest.mark.parametrize("place", [(0.0, 0.0), (2.3, 1.9), (-2.3, -1.9)])
def test_a_ring_on_a_map_holds_every_pixel_of_it(place):
    # A wide grid, where the plane stretches most: each pixel counts once.
    grid = TangentGrid(0.1, 89.0, 100, 100, 0.2)
    data = CountsMap(np.ones((2, *grid.shape), np.float32), EDGES, grid, GTI, 1.0, POINTING)
    ra, dec = map(float, grid.from_plane(4 * place[0], 4 * place[1]))
    on_off = ring_background(data, Circle(ra, dec, 1.0), 1.5, 3.0)
    sky = grid.from_plane(*np.meshgrid(*grid.pixel_centres()))
    distance = separation(*sky, ra, dec)
    assert on_off.n_on == 2 * np.sum(distance <= 1.0)
    assert on_off.n_off == 2 * np.sum((distance >= 1.5) & (distance <= 3.0))
    assert ring_background(data, Circle(0.0, -80.0, 1.0), 1.5, 3.0) is None
