"""Simulated maps and photon lists: counts are conserved, lie where they should, and agree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import UsageError
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.data.irf.conditions import ShiftedResponse, under_conditions
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.spectra import crab, crab_power_law
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.simulation.counts import draw_counts, simulate_map
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import default_grid, expect
from skysift.tasks.gamma_sky.simulation.field import (
    FLUX_ENERGY,
    DeadSector,
    Field,
    Source,
    StarHole,
)
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse, Instrument
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
TAILED = AnalyticResponse(parameters=ResponseParameters(tail_share=0.2))


@pytest.fixture(scope="module")
def ready():
    return FoldedResponse(AnalyticResponse())


def field_at(ra, dec, xi, eta, **changes):
    """A field with one source, xi east and eta north of its pointing on the plane."""
    source_ra, source_dec = TangentGrid(ra, dec).from_plane(xi, eta)
    source = Source(float(source_ra), float(source_dec), **changes.pop("source", {}))
    return Field(Pointing(ra, dec, 20.0), **{"sources": (source,), **changes})


@settings(max_examples=25)
@given(
    st.sampled_from([(0.0, 0.0), (359.99, 45.0), (10.0, 89.9), (200.0, -90.0), (0.001, -60.0)]),
    st.floats(-1.2, 1.2),
    st.floats(-1.2, 1.2),
)
def test_counts_and_centroid_of_a_source_anywhere(place, xi, eta):
    field = field_at(*place, xi, eta)
    maps = expect(field, TAILED)
    assert maps.source.sum() == pytest.approx(maps.source_photons.sum(), rel=0.005)
    x, y = maps.grid.to_pixel(field.sources[0].ra, field.sources[0].dec)
    rows, columns = np.indices(maps.grid.shape)
    for band in maps.source:
        assert (band * columns).sum() / band.sum() == pytest.approx(float(x), abs=0.03)
        assert (band * rows).sum() / band.sum() == pytest.approx(float(y), abs=0.03)


def test_the_core_is_integrated_over_pixels(ready):
    """Against a stamp made of 15 x 15 points per pixel."""
    field = field_at(40.0, 20.0, 0.3037, -0.2111)
    maps = expect(field, ready)
    x, y = (float(c) for c in maps.grid.to_pixel(field.sources[0].ra, field.sources[0].dec))
    column, row = round(x), round(y)
    model = ready.folder.fold(field.sources[0].photons)
    offset = field.offset_of(field.sources[0])
    image = model.density_at(offset) * model.rate_at(offset)[:, None] * field.exposure
    points = (np.arange(15) + 0.5) / 15 - 0.5
    for step_y in range(-2, 3):
        for step_x in range(-2, 3):
            dx = (column + step_x + points - x)[None, :] * 0.025
            dy = (row + step_y + points - y)[:, None] * 0.025
            radius = np.hypot(dx, dy)
            for band in range(6):
                mean = np.interp(radius, model.radii, image[band]).mean() * 0.025**2
                got = maps.source[band, row + step_y, column + step_x]
                assert got == pytest.approx(mean, rel=0.01)


def test_an_extended_source_is_wider_by_its_extension(ready):
    point, wide = (
        expect(field_at(0.0, 0.0, 0.0, 0.0, source={"extension": size}), ready)
        for size in (0.0, 0.2)
    )
    x, _ = point.grid.pixel_centres()

    def variance(maps):
        profile = maps.source[3].sum(axis=0)
        return (profile * x**2).sum() / profile.sum()

    assert variance(wide) - variance(point) == pytest.approx(0.2**2, rel=0.02)
    assert wide.source.sum() == pytest.approx(point.source.sum(), rel=0.01)


def test_a_source_beside_the_map_shines_in(ready):
    field = field_at(0.0, 0.0, 2.55, 0.0)
    maps = expect(field, ready)
    assert 0 < maps.source.sum() < 0.5 * maps.source_photons.sum()
    assert maps.source[0, :, :3].sum() > 0.3 * maps.source[0].sum()  # east is left
    far = expect(field_at(0.0, 0.0, 30.0, 0.0), ready)
    assert far.source.sum() == 0


def test_draws_are_poisson(ready, rng):
    field = field_at(0.0, 0.0, 0.5, 0.5, exposure=300.0)
    grid = TangentGrid(0.0, 0.0, 40, 40, 0.125)
    total = expect(field, ready, grid).total
    for scale in (0.2, 30.0):  # a place for each photon, and a number for each pixel
        expected = (total * scale).astype(np.float32)
        draws = np.array([draw_counts(expected, rng) for _ in range(400)])
        cells = expected > 0.02
        pull = (draws.mean(axis=0) - expected)[cells] / np.sqrt(expected[cells] / 400)
        assert abs(pull.mean()) < 0.1
        assert pull.std() == pytest.approx(1.0, abs=0.05)
        ratio = draws.var(axis=0)[cells] / expected[cells]
        assert ratio.mean() == pytest.approx(1.0, abs=0.03)
        sums = draws.sum(axis=(1, 2, 3))
        assert sums.var() == pytest.approx(expected.sum(), rel=0.35)


@pytest.mark.parametrize("dec", [0.0, 35.0, -90.0])
def test_photon_lists_bin_to_the_expectation(dec, rng):
    field = field_at(
        0.02, dec, 0.8, -0.6, exposure=8_000.0, source={"flux": 3.0}, gradient=(0.1, -0.05),
        background_scale=1.2, dead_sectors=(DeadSector(120.0, 40.0, 0.4, 0.3),),
        star_holes=(StarHole(-1.0, -1.0, 0.3),),
    )  # fmt: skip
    agree_with_expectation(field, TAILED, rng)


@pytest.mark.mirror
def test_photon_lists_of_a_file_bin_to_the_expectation(mirror, rng):
    field = field_at(5.0, 20.0, 0.8, -0.6, exposure=8_000.0, source={"flux": 3.0})
    agree_with_expectation(field, GadfResponse.read(mirror / NORTH), rng)


def agree_with_expectation(field, response, rng):
    maps = expect(field, response)
    events = simulate_events(field, response, rng)
    counts = CountsMap.from_events(events, maps.grid, maps.energy_edges).counts
    expected = maps.total
    blocks = (6, 20, 10, 20, 10)
    coarse, model = (image.reshape(blocks).sum(axis=(2, 4)) for image in (counts, expected))
    # the folded and the drawn background are integrated in different steps: allow 2 %
    filled = model > 20
    pull = (coarse - model)[filled] / np.sqrt(model + (0.02 * model) ** 2)[filled]
    assert np.abs(pull).max() < 5.5
    assert abs(pull.mean()) < 0.25
    near = maps.grid.separation_from(field.sources[0].ra, field.sources[0].dec)
    for band in range(6):
        for limit in (0.05, 0.1, 0.2):
            inside = near < limit
            want = float(expected[band][inside].sum())
            got = float(counts[band][inside].sum())
            assert got == pytest.approx(want, abs=4.5 * np.sqrt(want) + 0.02 * want)


def test_photon_lists_have_order_and_bounds(rng):
    field = field_at(0.0, 60.0, 0.5, 0.0, exposure=60.0)
    events = simulate_events(
        field, AnalyticResponse(), rng, energy_range=(0.1, 5.0), start=500.0, name="7"
    )
    assert len(events) > 100
    assert np.all(np.diff(events.time) >= 0)
    assert 500.0 <= events.time.min() <= events.time.max() < 560.0
    assert 0.1 <= events.energy.min() < events.energy.max() < 5.0
    assert events.gti.duration == events.livetime == 60.0
    # energy and time have nothing to do with each other
    assert abs(np.corrcoef(np.argsort(events.energy), np.arange(len(events)))[0, 1]) < 0.15


def test_dead_parts_see_nothing(ready, rng):
    field = field_at(
        10.0, 0.0, 0.0, 1.0, star_holes=(StarHole(0.0, 1.0, 0.3),),
        dead_sectors=(DeadSector(90.0, 60.0),),
    )  # fmt: skip
    counts, truth = simulate_map(field, ready, rng)
    # the sector points east, which is left on the map
    assert truth.expectation.total[:, 100, 5:95].sum() == 0
    assert truth.expectation.total[:, 100, 105:195].sum() > 0
    hole = counts.grid.separation_from(field.sources[0].ra, field.sources[0].dec) < 0.27
    assert counts.counts[:, hole].sum() == 0
    row = truth.rows()[0]
    assert row["counts"] < 0.4 * row["photons"]


def test_gradient_and_scale_change_the_background(ready):
    base = expect(Field(Pointing(0.0, 0.0)), ready).background
    field = Field(Pointing(0.0, 0.0), background_scale=0.7, gradient=(0.1, 0.0))
    ratio = expect(field, ready).background / base
    np.testing.assert_allclose(ratio[0, :, 100], 0.7, rtol=0.01)
    assert ratio[2, 100, 20] == pytest.approx(0.7 * 1.2, rel=0.01)  # 2 deg to the east


def test_a_grid_off_the_pointing_shows_the_same_sky(ready):
    field = field_at(30.0, 50.0, 0.4, 0.2)
    centred = expect(field, ready)
    x, y = 120.0, 90.0
    ra, dec = centred.grid.to_sky(x - 0.5, y - 0.5)
    small = expect(field, ready, TangentGrid(float(ra), float(dec), 40, 40))
    part = centred.total[:, 70:110, 100:140]
    np.testing.assert_allclose(small.total.sum(axis=(1, 2)), part.sum(axis=(1, 2)), rtol=0.01)


def test_flux_and_index_of_sources():
    flat = Source(0.0, 0.0, flux=0.5, index=2.0)
    assert flat.photons(FLUX_ENERGY) == pytest.approx(0.5 * crab()(FLUX_ENERGY))
    assert flat.photons(2.0) / flat.photons(0.2) == pytest.approx(0.01)
    given_one = Source(0.0, 0.0, flux=2.0, spectrum=crab_power_law())
    assert given_one.photons(0.3) == pytest.approx(2 * 5.7e-6)
    with pytest.raises(UsageError, match="impossible"):
        Source(0.0, 0.0, flux=-1.0)
    with pytest.raises(UsageError, match="positive"):
        Field(Pointing(0.0, 0.0), exposure=0.0)


def test_drawn_fields_cover_what_they_should(rng):
    fields = [draw_field(rng) for _ in range(2000)]
    dec = np.array([field.pointing.dec for field in fields])
    assert np.sin(np.radians(dec)).mean() == pytest.approx(0.0, abs=0.05)  # even on the sphere
    assert dec.min() < -80
    assert dec.max() > 80
    zenith = np.array([field.zenith for field in fields])
    assert zenith.min() >= 0
    assert 59 < zenith.max() <= 60
    assert {len(field.sources) for field in fields} == set(range(6))
    sources = [(field, source) for field in fields for source in field.sources]
    offsets = np.array([field.offset_of(source) for field, source in sources])
    assert offsets.max() <= 2.0 + 1e-9
    assert np.median(offsets) == pytest.approx(np.sqrt(2), abs=0.05)  # even in the disk
    flux = np.log([source.flux for _, source in sources])
    assert np.median(flux) == pytest.approx(np.log(np.sqrt(0.02 * 3.0)), abs=0.12)
    assert 0.1 < np.mean([source.extension > 0 for _, source in sources]) < 0.2
    assert 0.1 < np.mean([field.has_defects for field in fields]) < 0.45
    again = [draw_field(np.random.default_rng(3)) for _ in range(2)]
    assert again[0] == again[1]


def test_instrument_follows_zenith_and_forgets():
    instrument = Instrument(AnalyticResponse(), kept=2)
    near, far = instrument.at(21.0), instrument.at(59.0, 2.0)
    assert near is instrument.at(19.0)
    assert far.response.zenith == 60.0
    instrument.at(40.0)
    assert instrument.at(20.0) is near
    assert instrument.at(59.0, 2.0) is not far
    fixed = Instrument(AnalyticResponse(), follow_conditions=False)
    assert fixed.at(60.0, 3.0) is fixed.at(20.0)


def test_a_shifted_response_is_consistent(rng):
    base = AnalyticResponse()
    same, far = ShiftedResponse(base, 20.0), ShiftedResponse(base, 55.0)
    assert same.effective_area(0.2, 0.5) == pytest.approx(base.effective_area(0.2, 0.5))
    assert same.background(0.2, 0.5, 0.1) == pytest.approx(base.background(0.2, 0.5, 0.1))
    assert far.effective_area(0.05, 0.5) < 0.3 * base.effective_area(0.05, 0.5)
    # formulas and shift are two ways to the same zenith angle
    true = under_conditions(base, 55.0)
    for energy in (0.3, 1.0, 3.0):
        assert far.effective_area(energy, 0.5) == pytest.approx(
            true.effective_area(energy, 0.5), rel=0.3
        )
        assert far.background(energy, 0.5, 0.0) == pytest.approx(
            true.background(energy, 0.5, 0.0), rel=0.3
        )
    energy = np.full(20_000, 1.0)
    edges = np.array([0.5, 0.9, 1.0, 1.1, 2.0])
    shares = np.histogram(far.sample_energy(energy, 0.5, rng), edges)[0] / len(energy)
    np.testing.assert_allclose(shares, far.dispersion(energy[:1], 0.5, edges)[0], atol=0.015)


def test_bands_have_to_be_those_that_are_folded(ready):
    field = field_at(0.0, 0.0, 0.1, 0.1)
    with pytest.raises(UsageError, match="folded for other"):
        expect(field, ready, energy_edges=energy_bands(0.1, 1.0, 3))
    maps = expect(field, AnalyticResponse(), energy_edges=energy_bands(0.1, 1.0, 3))
    assert maps.total.shape == (3, 200, 200)


def test_the_distribution_can_be_narrowed(rng):
    only = FieldDistribution(sources=(1, 1), offset=(0.5, 0.5), exposure=(100.0, 100.0))
    field = draw_field(rng, only)
    assert field.offset_of(field.sources[0]) == pytest.approx(0.5, abs=1e-9)
    assert field.exposure == pytest.approx(100.0)
    assert default_grid(replace(field)).shape == (200, 200)
