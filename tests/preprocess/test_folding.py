"""Folding agrees with gammapy, with closed forms, and conserves photons."""

import importlib
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time

from skysift.core.errors import UsageError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import LogParabola, PowerLaw, crab, crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.preprocess.folding import (
    energy_bands,
    field_coordinates,
    fold_background,
    fold_point_source,
    pixel_solid_angle,
)

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
HESS = "gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz"


class PlainResponse(InstrumentResponse):
    """Constant area, perfect energies, a Gaussian image, and a background falling as E^-3."""

    name = "plain"
    energy_range = (0.01, 100.0)
    offset_max = 5.0

    def effective_area(self, energy, offset):
        return np.full(np.broadcast(energy, offset).shape, 1e4) * (1 - np.asarray(offset) / 10)

    def psf(self, energy, offset, radius):
        value = np.exp(-np.square(radius) / (2 * 0.1**2)) / (2 * np.pi * 0.1**2)
        return np.broadcast_to(value, np.broadcast(energy, offset, radius).shape)

    def dispersion(self, energy, offset, energy_edges):
        place = np.searchsorted(energy_edges, energy, side="right") - 1
        return (place[:, None] == np.arange(len(energy_edges) - 1)).astype(float)

    def background(self, energy, x, y):
        return np.asarray(energy) ** -3.0 * np.ones(np.broadcast(x, y).shape)

    def sample_energy(self, energy, offset, rng):
        return energy

    def sample_radius(self, energy, offset, rng):
        return 0.1 * rng.rayleigh(size=len(energy))


@pytest.fixture(scope="module")
def gammapy():
    """gammapy, whose import warns about other packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("gammapy", reason="gammapy is not installed")
        irf, makers, maps = (
            importlib.import_module(f"gammapy.{part}") for part in ("irf", "makers.utils", "maps")
        )
    return irf, makers, maps


def read_oracle(gammapy, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gammapy[0].load_irf_dict_from_file(path)


def test_a_power_law_through_a_constant_area_has_the_known_rate():
    edges = np.array([0.1, 1.0, 10.0])
    model = fold_point_source(
        PlainResponse(), PowerLaw(1e-7, 1.0, 2.0), edges, [0.0, 2.0], np.linspace(0, 0.6, 301)
    )
    np.testing.assert_allclose(model.rate[0], 1e-7 * 1e4 * np.array([9.0, 0.9]), rtol=0.001)
    np.testing.assert_allclose(model.rate_at(1.0), 0.9 * model.rate[0], rtol=1e-9)
    # 68 % of a Gaussian lie within sigma sqrt(-2 ln 0.32)
    expected = 0.1 * np.sqrt(-2 * np.log(0.32))
    np.testing.assert_allclose(model.containment_radius(0.68, 0.7), expected, rtol=0.001)
    assert np.isinf(model.containment_radius(1.1)).all()


def test_the_crab_of_magic_and_of_the_ctools():
    integral = np.trapezoid(crab()(np.geomspace(1, 50, 4001)), np.geomspace(1, 50, 4001))
    assert integral * 1e-4 == pytest.approx(2.0e-11, rel=0.05)  # cm-2 s-1 above 1 TeV
    assert crab_power_law()(0.3) == pytest.approx(5.7e-6)
    assert crab_power_law()(1.0) / crab()(1.0) == pytest.approx(0.89, abs=0.02)
    assert LogParabola(1.0, 1.0, 2.0, 1.0).scaled(3.0)(10.0) == pytest.approx(3e-3)


@pytest.mark.parametrize("dec", [-90.0, -30.0, 0.0, 89.0])
def test_pixels_cover_the_sky_that_the_corners_enclose(dec):
    grid = TangentGrid(0.0, dec, 8, 6, 2.0)
    # a rectangle on the tangent plane with half sides a, b: 4 arcsin(ab / sqrt((1+a2)(1+b2)))
    a, b = np.radians(8.0), np.radians(6.0)
    exact = 4 * np.arcsin(a * b / np.sqrt((1 + a**2) * (1 + b**2))) * np.degrees(1) ** 2
    assert pixel_solid_angle(grid).sum() == pytest.approx(exact, rel=2e-3)


def test_background_of_a_power_law_is_integrated_exactly():
    grid = TangentGrid(120.0, -40.0, 5, 4, 0.1)
    edges = np.array([0.5, 1.0, 4.0])
    rate = fold_background(PlainResponse(), edges, grid, Pointing(120.0, -40.0))
    expected = (edges[:-1] ** -2 - edges[1:] ** -2) / 2
    per_area = rate / pixel_solid_angle(grid)
    np.testing.assert_allclose(per_area, np.broadcast_to(expected[:, None, None], rate.shape))


def test_a_wide_band_is_the_sum_of_narrow_ones():
    grid, pointing = TangentGrid(0.0, 0.0, 20, 20, 0.2), Pointing(0.0, 0.0)
    wide = fold_background(AnalyticResponse(), [0.04, 1.0], grid, pointing)[0]
    narrow = fold_background(AnalyticResponse(), np.geomspace(0.04, 1.0, 101), grid, pointing)
    np.testing.assert_allclose(wide, narrow.sum(axis=0), rtol=0.005)


def test_field_coordinates_turn_with_the_field():
    grid = TangentGrid(0.0, 0.0, 3, 3, 1.0)
    x, y = field_coordinates(grid, Pointing(0.0, 0.0))
    assert x[1].tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-3)  # east is left
    assert y[:, 1].tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=1e-3)
    turned_x, turned_y = field_coordinates(grid, Pointing(0.0, 0.0), rotation=90.0)
    assert turned_y[1].tolist() == pytest.approx(x[1].tolist(), abs=1e-12)
    assert turned_x[:, 1].tolist() == pytest.approx((-y[:, 1]).tolist(), abs=1e-12)


def test_bands_that_make_no_sense():
    with pytest.raises(UsageError, match="no sense"):
        energy_bands(1.0, 0.1)
    with pytest.raises(UsageError, match="increase"):
        fold_point_source(PlainResponse(), crab(), [1.0, 0.5], [0.0], [0.0, 1.0])


@pytest.mark.mirror
@pytest.mark.parametrize(("file", "flip"), [(NORTH, ""), (HESS, "REVERSE_LON_RADEC")])
@pytest.mark.parametrize("centre", [(10.0, 60.0), (0.3, -89.5)])
def test_background_map_is_that_of_gammapy(mirror, gammapy, file, flip, centre):
    irf, makers, maps = gammapy
    theirs = read_oracle(gammapy, mirror / file)["bkg"]
    if flip:
        theirs._fov_alignment = irf.FoVAlignment(flip)
    edges = energy_bands(0.5, 5.0, 3) if flip else energy_bands()
    grid = TangentGrid(*centre, 50, 40, 0.06)
    pointing = Pointing(centre[0] + 0.5, centre[1] + 0.4)
    axis = maps.MapAxis.from_energy_edges(edges * u.TeV)
    geometry = maps.WcsGeom(grid.wcs(), npix=(50, 40), axes=[axis])
    expected = makers.make_map_background_irf(
        SkyCoord(pointing.ra, pointing.dec, unit="deg"),
        1 * u.s,
        theirs,
        geometry,
        Time("2026-01-01"),
        oversampling=3,
    ).data
    response = GadfResponse.read(mirror / file)
    ours = fold_background(response, edges, grid, pointing, steps=3)
    if abs(centre[1]) > 80:  # where gammapy's solid angles, by differences of longitude, are off
        theirs_deg2 = geometry.to_image().solid_angle().to_value("deg2")
        expected, ours = expected / theirs_deg2, ours / pixel_solid_angle(grid)
    np.testing.assert_allclose(ours, expected, rtol=0.001, atol=1e-12)


@pytest.mark.mirror
def test_rate_of_the_crab_is_that_of_gammapy(mirror, gammapy):
    """The same integral by gammapy's pieces: area, dispersion matrix, spectrum."""
    _, _, maps = gammapy
    theirs = read_oracle(gammapy, mirror / NORTH)
    edges = energy_bands()
    true_edges = np.geomspace(0.0126, 150.0, 241)
    energy = np.sqrt(true_edges[1:] * true_edges[:-1])
    photons = crab()(energy) * np.diff(true_edges)
    area = theirs["aeff"].evaluate(energy_true=energy * u.TeV, offset=0.9 * u.deg)
    kernel = theirs["edisp"].to_edisp_kernel(
        0.9 * u.deg,
        energy_axis_true=maps.MapAxis.from_energy_edges(true_edges * u.TeV, name="energy_true"),
        energy_axis=maps.MapAxis.from_energy_edges(edges * u.TeV),
    )
    expected = (photons * area.to_value("m2")) @ kernel.pdf_matrix
    model = fold_point_source(
        GadfResponse.read(mirror / NORTH), crab(), edges, [0.9], np.linspace(0, 1.5, 301)
    )
    np.testing.assert_allclose(model.rate[0], expected, rtol=0.01)
    # every band's image holds all its photons
    radii = model.radii
    total = np.trapezoid(2 * np.pi * radii * model.density[0], radii, axis=1)
    np.testing.assert_allclose(total, 1.0, atol=0.01)
