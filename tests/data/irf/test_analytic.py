"""The analytic response lies near a published one, holds its photons, and can be varied."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.errors import InputError, UnknownNameError
from skysift.data.irf.analytic import ARRAYS, AnalyticResponse, ResponseParameters
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.spectra import crab
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.preprocess.folding import energy_bands, fold_background, fold_point_source

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"


@pytest.mark.mirror
def test_default_lies_near_the_published_performance(mirror):
    file, formulas = GadfResponse.read(mirror / NORTH), AnalyticResponse()
    edges, radii = energy_bands(), np.linspace(0, 1.5, 301)
    offsets = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    theirs = fold_point_source(file, crab(), edges, offsets, radii)
    ours = fold_point_source(formulas, crab(), edges, offsets, radii)
    np.testing.assert_allclose(ours.rate, theirs.rate, rtol=0.25)
    for offset in offsets:
        np.testing.assert_allclose(
            ours.containment_radius(0.68, offset), theirs.containment_radius(0.68, offset), rtol=0.2
        )
    grid = TangentGrid(0.0, 0.0)
    background = [
        fold_background(response, edges, grid, Pointing(0.0, 0.0)) for response in (formulas, file)
    ]
    totals = [rate.sum(axis=(1, 2)) for rate in background]
    np.testing.assert_allclose(*totals, rtol=0.25)
    # Within 2.5 deg no place of the map is far off either.
    inside = grid.separation_from(0.0, 0.0) < 2.5
    ratio = background[0][:, inside] / background[1][:, inside]
    assert np.all((ratio > 0.6) & (ratio < 1.6))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("array", sorted(ARRAYS))
@pytest.mark.parametrize("tail", [0.0, 0.3])
def test_all_photons_land_somewhere(array, tail):
    response = AnalyticResponse(30.0, 2.0, parameters=replace(ARRAYS[array], tail_share=tail))
    radius = np.linspace(0, 5, 50_001)
    density = response.psf(0.1, 1.0, radius)
    assert np.trapezoid(2 * np.pi * radius * density, radius) == pytest.approx(1.0, abs=1e-4)
    edges = np.geomspace(1e-4, 1e3, 200)
    np.testing.assert_allclose(
        response.dispersion(np.array([0.02, 0.1, 1.0]), 0.5, edges).sum(axis=1), 1.0, atol=1e-6
    )


def test_samples_follow_the_formulas(rng):
    parameters = ResponseParameters(tail_share=0.25)
    response = AnalyticResponse(40.0, 1.5, parameters=parameters)
    energy = np.full(50_000, 0.2)
    radius = response.sample_radius(energy, 1.2, rng)
    grid = np.linspace(0, 3, 30_001)
    density = 2 * np.pi * grid * response.psf(0.2, 1.2, grid)
    for limit in (0.05, 0.15, 0.4):
        expected = np.trapezoid(np.where(grid <= limit, density, 0.0), grid)
        assert np.mean(radius <= limit) == pytest.approx(expected, abs=0.01)
    edges = np.array([0.1, 0.17, 0.2, 0.25, 0.5])
    shares = np.histogram(response.sample_energy(energy, 1.2, rng), edges)[0] / len(energy)
    np.testing.assert_allclose(shares, response.dispersion(energy[:1], 1.2, edges)[0], atol=0.01)


def test_zenith_and_night_sky_raise_the_threshold():
    near, far, bright = AnalyticResponse(20.0), AnalyticResponse(60.0), AnalyticResponse(20.0, 5.0)
    assert far.effective_area(0.05, 0.5) < 0.1 * near.effective_area(0.05, 0.5)
    assert far.effective_area(20.0, 0.5) > 1.5 * near.effective_area(20.0, 0.5)
    assert bright.effective_area(0.04, 0.5) < 0.8 * near.effective_area(0.04, 0.5)
    assert bright.effective_area(5.0, 0.5) == pytest.approx(near.effective_area(5.0, 0.5), rel=0.01)
    assert far.containment_68(0.2, 0.5) > near.containment_68(0.2, 0.5)
    assert far.background(0.04, 0.5, 0.0) < near.background(0.04, 0.5, 0.0)


def test_variations_spread_and_repeat():
    base = ResponseParameters()
    drawn = [base.varied(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn[7] == base.varied(np.random.default_rng(7))
    scatter = np.log([item.psf_scatter / base.psf_scatter for item in drawn])
    assert -0.37 < scatter.min() < -0.2
    assert 0.7 < scatter.max() < 0.8
    assert np.ptp([item.background_index for item in drawn]) > 1.0
    assert base.varied(np.random.default_rng(1), strength=0.0) == base
    rates = [AnalyticResponse(parameters=item).background(0.1, 0.5, 0.0) for item in drawn]
    assert max(rates) > 10 * min(rates)


@pytest.mark.mirror
def test_variations_reach_another_instrument(mirror):
    """A run of H.E.S.S. lies within what is drawn: width, tail, field, area, background."""
    run = GadfResponse.read(mirror / "gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz")
    rng = np.random.default_rng(5)
    drawn = [AnalyticResponse(parameters=ResponseParameters().varied(rng)) for _ in range(150)]
    radii = 2.0 * (np.arange(121) / 120) ** 2
    edges = np.array([0.8, 1.3])

    def properties(response):
        model = fold_point_source(response, crab(), edges, [0.5], radii)
        narrow, wide = (model.containment_radius(share)[0] for share in (0.68, 0.95))
        angle = np.linspace(0, 2 * np.pi, 25)[:-1]
        centre, edge = (
            response.background(1.0, r * np.cos(angle), r * np.sin(angle)).mean() for r in (0, 2)
        )
        area = response.effective_area(1.0, np.array([0.5, 2.0]))
        return narrow, wide / narrow, edge / centre, area[0], area[1] / area[0], centre

    table = np.array([properties(response) for response in drawn])
    wanted = np.array(properties(run))
    assert np.all(table.min(axis=0) < wanted)
    assert np.all(wanted < table.max(axis=0))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'north'"):
        AnalyticResponse(array="nort")
    with pytest.raises(InputError, match="zenith"):
        AnalyticResponse(zenith=89.0)
    with pytest.raises(InputError, match="tail_share"):
        ResponseParameters(tail_share=1.5)
    with pytest.raises(InputError, match="area"):
        ResponseParameters(area=-1.0)
