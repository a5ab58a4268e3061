"""The expected map of a source and its background is the one that gammapy predicts."""

import importlib
import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from skysift.data.irf.gadf import GadfResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
EXPOSURE = 100.0


@pytest.fixture(scope="module")
def gammapy():
    """The parts of gammapy, whose import and makers warn about other packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("gammapy", reason="gammapy is not installed")
        names = ("data", "datasets", "irf", "makers", "maps", "modeling.models")
        return {name: importlib.import_module(f"gammapy.{name}") for name in names}


def predicted(gammapy, path, *, pointing, source, grid, edges):
    """The signal that gammapy predicts, shape (n_bands, n_y, n_x)."""
    data, maps, models = gammapy["data"], gammapy["maps"], gammapy["modeling.models"]
    axis = maps.MapAxis.from_energy_edges(edges * u.TeV)
    true_axis = maps.MapAxis.from_energy_bounds(
        0.0126, 150, 20, per_decade=True, unit="TeV", name="energy_true"
    )
    geometry = maps.WcsGeom(grid.wcs(), npix=(grid.n_x, grid.n_y), axes=[axis])
    observation = data.Observation.create(
        pointing=data.FixedPointingInfo(fixed_icrs=SkyCoord(pointing.ra, pointing.dec, unit="deg")),
        livetime=EXPOSURE * u.s,
        irfs=gammapy["irf"].load_irf_dict_from_file(path),
        location=data.observatory_locations["ctao_north"],
    )
    maker = gammapy["makers"].MapDatasetMaker(selection=["exposure", "psf", "edisp"])
    empty = gammapy["datasets"].MapDataset.create(geometry, energy_axis_true=true_axis)
    dataset = maker.run(empty, observation)
    spectrum = models.LogParabolaSpectralModel(
        amplitude=3.23e-11 * u.Unit("cm-2 s-1 TeV-1"),
        reference=1 * u.TeV,
        alpha=2.47,
        beta=0.24 / np.log(10),
    )
    place = models.PointSpatialModel(
        lon_0=source.ra * u.deg, lat_0=source.dec * u.deg, frame="icrs"
    )
    dataset.models = [models.SkyModel(spectrum, place)]
    return dataset.npred_signal().data


@pytest.mark.mirror
def test_the_expected_map_of_a_source_is_that_of_gammapy(mirror, gammapy):
    """In the middle of a pixel, as gammapy shares a source out to the pixels around it."""
    pointing = Pointing(83.6, 22.0, 20.0)
    grid = TangentGrid(pointing.ra, pointing.dec, 80, 80)
    ra, dec = grid.to_sky(30.0, 48.0)
    source = Source(float(ra), float(dec))
    field = Field(pointing, EXPOSURE, (source,))
    edges = energy_bands()
    ours = expect(field, GadfResponse.read(mirror / NORTH), grid, edges).source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = predicted(
            gammapy, mirror / NORTH, pointing=pointing, source=source, grid=grid, edges=edges
        )
    away = grid.separation_from(source.ra, source.dec)
    for radius in (0.03, 0.06, 0.1, 0.2, 0.5):
        inside = away < radius
        np.testing.assert_allclose(
            ours[:, inside].sum(axis=1), theirs[:, inside].sum(axis=1), rtol=0.01
        )
