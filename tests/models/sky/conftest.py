"""A small field of an instrument of formulas, and photons drawn from it."""

from dataclasses import dataclass

import numpy as np
import pytest

from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import (
    PointSourceModel,
    energy_bands,
    fold_background,
    fold_point_source,
)
from skysift.preprocess.sky_background import FROM_THE_MAP, BackgroundModel

UNCALIBRATED = TrialsTable(np.array([3.0]), np.array([1.0]))


@dataclass(frozen=True)
class FieldOfView:
    """100 s of a field of 3 deg: what is expected, draws of it, and a search for it."""

    grid: TangentGrid
    source: PointSourceModel
    background: np.ndarray
    exposure: float

    @property
    def axes(self):
        xi, eta = self.grid.pixel_centres()
        return np.broadcast_arrays(xi[None, :], eta[:, None])

    def local(self, offset=0.5):
        rate = self.source.rate_at(offset)
        step = float(self.source.radii[1])
        return LocalSource(rate / rate.sum(), self.source.density_at(offset), step)

    def crab_counts(self, offset=0.5):
        return float(self.source.rate_at(offset).sum()) * self.exposure

    def photons_of(self, place, flux, rng, sigma=0.0):
        offset = float(np.hypot(*place))
        n = rng.poisson(self.source.rate_at(offset) * self.exposure * np.asarray(flux))
        local, parts = self.local(offset), []
        for band, number in enumerate(n):
            inside = np.cumsum(local.density[band] * local.ring_area)
            radius = np.interp(
                rng.random(number) * inside[-1], np.r_[0, inside], np.r_[0, local.radii]
            )
            angle = rng.uniform(0, 2 * np.pi, number)
            xi = place[0] + radius * np.cos(angle) + sigma * rng.normal(size=number)
            eta = place[1] + radius * np.sin(angle) + sigma * rng.normal(size=number)
            parts.append(np.stack([xi, eta, np.full(number, float(band))]))
        return np.concatenate(parts, axis=1)

    def draw(self, rng, *sources, scale=1.0, sigma=0.0):
        """Return counts and photons; a source is ((xi, eta), flux in Crab), by band or not."""
        drawn = rng.poisson(self.background * scale)
        band, row, column = (np.repeat(axis, drawn[drawn > 0]) for axis in np.nonzero(drawn))
        xi, eta = self.grid.pixel_centres()
        half = self.grid.pixel_size / 2
        parts = [
            np.stack(
                [
                    xi[column] + rng.uniform(-half, half, len(band)),
                    eta[row] + rng.uniform(-half, half, len(band)),
                    band.astype(float),
                ]
            )
        ]
        parts += [self.photons_of(place, flux, rng, sigma) for place, flux in sources]
        return self.binned(np.concatenate(parts, axis=1))

    def binned(self, table):
        x, y = self.grid.plane_to_pixel(table[0], table[1])
        column, row = np.floor(x + 0.5).astype(int), np.floor(y + 0.5).astype(int)
        inside = (column >= 0) & (column < self.grid.n_x) & (row >= 0) & (row < self.grid.n_y)
        counts = np.zeros(self.background.shape, dtype=np.float32)
        band = table[2].astype(np.int64)
        np.add.at(counts, (band[inside], row[inside], column[inside]), 1)
        photons = Photons(
            table[0, inside], table[1, inside], band[inside], np.ones(int(inside.sum()))
        )
        return counts, photons

    def search(self, *, prior=FROM_THE_MAP, template=None, trials=UNCALIBRATED, **settings):
        template = self.background if template is None else template
        settings = {"radius": 1.2, "offset": 0.5, **settings}
        return SkySearch(
            self.grid,
            self.source,
            BackgroundModel(template, *self.axes, prior),
            pointing=(0.0, 0.0),
            reference_counts=template[:, self.grid.n_y // 2, self.grid.n_x // 2 + 20],
            reference_flux=0.1 * self.exposure,
            trials=trials,
            settings=SearchSettings(**settings),
        )


def make_field(exposure=100.0, n=120, n_bands=4):
    grid = TangentGrid(0.0, 90.0, n, n, 0.025)  # at the pole: the plane knows nothing of it
    edges, response = energy_bands(0.04, 1.0, n_bands), AnalyticResponse()
    radii = np.arange(0.0, 0.8, 0.004)
    source = fold_point_source(response, crab_power_law(), edges, np.arange(0, 2.3, 0.25), radii)
    background = fold_background(response, edges, grid, Pointing(0.0, 90.0, 20.0)) * exposure
    return FieldOfView(grid, source, background, exposure)


@pytest.fixture(scope="session")
def sky():
    return make_field()


@pytest.fixture(scope="session")
def long_exposure():
    return make_field(exposure=700.0)


@pytest.fixture(scope="session")
def one_band():
    return make_field(n_bands=1)
