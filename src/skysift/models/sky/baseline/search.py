"""The published networks as a search: they say where, the likelihood says how much and how surely.

A network always answers, with one place. Here that place becomes a candidate where the photons are
as unlikely a fluctuation as the search by likelihood asks for: the filter's significance there, the
counts of a source fitted there, no error ellipse, because the network states none.
"""

from typing import Literal

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import log_ndtr

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.edges import bin_between_extremes, plate_carree
from skysift.models.sky.baseline.networks import PublishedNetworks
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filtered import FilteredMap
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.placed import NetworkMaps, PlacedResult, Unconfirmed
from skysift.models.sky.refine import Refined
from skysift.models.sky.search import SkySearch
from skysift.preprocess.sky_background import BackgroundFit

__all__ = ["PublishedSearch", "place_of_maximum"]

FloatArray = NDArray[np.float64]

_MASKED_RADIUS = 0.4  # deg about the place that the background does not see
_INNER = 0.68
_FEW_COUNTS = 10
_TINY = 1e-12
_PEAK_WIDTH = 2.0  # pixels: about the point spread function, which finds the top of a cleaned map


def place_of_maximum(cleaned: NDArray[np.float32]) -> tuple[float, float]:
    """Return (x, y) [pixel] of the top of a cleaned map, shape (n_y, n_x), a little smoothed."""
    smooth = gaussian_filter(cleaned, _PEAK_WIDTH, mode="constant")
    row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    return float(column), float(row)


class PublishedSearch:
    """A search whose one place comes from the published networks.

    Parameters
    ----------
    search : SkySearch
        Counts, significances and false alarms come from it.
    networks : PublishedNetworks
        Trained ones.
    place : {"regressor", "cleaner"}
        The regressor's place, or the top of the cleaned map.

    Raises
    ------
    UsageError
        If the grid or the energies are not those of the networks.
    """

    def __init__(
        self,
        search: SkySearch,
        networks: PublishedNetworks,
        *,
        place: Literal["regressor", "cleaner"],
    ) -> None:
        grid = search.grid
        if grid.shape != networks.shape or not np.isclose(grid.pixel_size, networks.pixel_size):
            raise UsageError(
                f"The networks are made for maps of {networks.shape[0]} x {networks.shape[1]} "
                f"pixels of {networks.pixel_size:g} deg.",
                "Use that grid, or a classical method.",
            )
        self.search, self.networks, self._place = search, networks, place
        middle = np.sqrt(search.source.energy_edges[1:] * search.source.energy_edges[:-1])
        low, high = networks.energies
        self._bands = np.flatnonzero((middle > low) & (middle < high))
        if len(self._bands) == 0:
            raise UsageError(
                f"The networks are made for photons of {low:g} to {high:g} TeV.",
                "Choose such energies, or a classical method.",
            )

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> PlacedResult:
        """Search raw counts[band, y, x]; there is one candidate at most."""
        search = self.search
        if photons is None:
            photons = search.places.photons_of(counts)
        maps = self.clean(counts, photons)
        place = self.locate(maps.cleaned[None])
        background = search.background.fit(counts, _all_but(search, place))
        seen = FilteredMap(
            search.filter, search.places, search.region, search.filter(counts), background.surface
        )
        row, column = _pixel(search, place)
        significance = seen.at(row, column).significance
        mean = background.counts[:, search.searched].mean(axis=1, dtype=np.float64)
        texture = search.filter.texture(mean)
        allowed = search.settings.false_alarms
        level = search.trials.level_for(allowed, area=search.area, texture=texture)
        if not (search.searched[row, column] and significance >= level):
            searched = bool(search.searched[row, column])
            denied = Unconfirmed(*place, significance, level, searched, self.networks.exposure)
            return PlacedResult((), background, level, seen, (), denied, maps)
        source = search.local_source(search.offset_of(*place))
        fit = _forced(search, counts, photons, background, place)
        alarms = search.trials.false_alarms(significance, area=search.area, texture=texture)
        candidate = Candidate(
            *place,
            fit.covariance,
            fit.counts,
            fit.counts_error,
            fit.ts,
            float(np.exp(log_ndtr(-significance))),
            float(alarms),
            fit.by_band,
            _below(search, source, background, place),
            ("low-counts",) if fit.counts < _FEW_COUNTS else (),
        )
        return PlacedResult((candidate,), background, level, seen, ((source, fit),), None, maps)

    def clean(self, counts: NDArray[np.float32], photons: Photons) -> NetworkMaps:
        """Return what the cleaner makes of counts[band, y, x], on the networks' own pixels."""
        image, wcs = self._map_with_wcs(counts, photons)
        edges = self.search.source.energy_edges
        energies = float(edges[self._bands[0]]), float(edges[self._bands[-1] + 1])
        (cleaned,) = self.networks.clean(image[None])
        return NetworkMaps(image, cleaned, wcs, energies, self.networks.variant.name)

    def network_map(self, counts: NDArray[np.float32], photons: Photons) -> NDArray[np.float32]:
        """Return the map that the networks see, shape (n_y, n_x), of counts[band, y, x]."""
        return self._map_with_wcs(counts, photons)[0]

    def _map_with_wcs(
        self, counts: NDArray[np.float32], photons: Photons
    ) -> tuple[NDArray[np.float32], WCS]:
        search, radius = self.search, self.networks.radius
        if self.networks.variant.grid == "fixed":
            xi, eta = search.places.axes
            away = np.hypot(xi[None, :] - search.pointing[0], eta[:, None] - search.pointing[1])
            image = counts[self._bands].sum(axis=0)
            seen = np.asarray(image * (away < radius), dtype=np.float32)
            return seen, search.grid.wcs()
        away = np.hypot(photons.xi - search.pointing[0], photons.eta - search.pointing[1])
        chosen = np.isin(photons.band, self._bands) & (away < radius)
        if not chosen.any():
            return np.zeros(search.grid.shape, dtype=np.float32), plate_carree(search.grid)
        ra, dec = search.grid.from_plane(photons.xi[chosen], photons.eta[chosen])
        between = bin_between_extremes(ra, dec, search.grid.n_x)
        return between.counts.astype(np.float32), between.wcs()

    def locate(self, cleaned: NDArray[np.float32]) -> tuple[float, float]:
        """Return where the networks see the source of a cleaned map, shape (1, n_y, n_x) [deg]."""
        grid = self.search.grid
        if self._place == "regressor":
            ((x, y),) = self.networks.locate(cleaned).tolist()
        else:
            x, y = place_of_maximum(cleaned[0])
        if self.networks.variant.grid == "fixed":
            xi, eta = grid.pixel_to_plane(x, y)
        else:
            ra, dec = plate_carree(grid).wcs_pix2world(x, y, 0)
            xi, eta = grid.to_plane(float(ra), float(dec))
        return float(xi), float(eta)


def _pixel(search: SkySearch, place: tuple[float, float]) -> tuple[int, int]:
    """Return row and column of a place, the nearest ones for a place outside."""
    row, column = search.places.pixel(np.array([place[0]]), np.array([place[1]]))
    return int(row[0]), int(column[0])


def _all_but(search: SkySearch, place: tuple[float, float]) -> NDArray[np.float32]:
    """Return 0 near a place and 1 elsewhere: what the background is fitted to."""
    weight = np.ones(search.grid.shape, dtype=np.float32)
    rows, columns, distance = search.places.window(*place, _MASKED_RADIUS)
    weight[rows, columns] = distance > _MASKED_RADIUS
    return weight


def _below(
    search: SkySearch, source: LocalSource, background: BackgroundFit, place: tuple[float, float]
) -> float:
    """Return the counts of background within the 68 % radius of the point spread function."""
    radius = source.containment_radius(_INNER)
    rows, columns, distance = search.places.window(*place, radius)
    return float((background.counts[:, rows, columns] * (distance <= radius)).sum())


def _forced(
    search: SkySearch,
    counts: NDArray[np.float32],
    photons: Photons,
    background: BackgroundFit,
    place: tuple[float, float],
) -> Refined:
    """Return the counts of a source at a place; nothing is known of the errors of the place."""
    forced = forced_counts(search, counts, photons, place)
    source = search.local_source(search.offset_of(*place))
    near = photons.near(*place, source.reach)
    rows, columns = search.places.pixel(near.xi, near.eta)
    expected = background.counts[near.band, rows, columns].astype(np.float64)
    density = np.maximum(expected / search.grid.pixel_size**2, _TINY)
    away = np.hypot(near.xi - place[0], near.eta - place[1])
    shape, _ = source.evaluate(near.band, away)
    number = max(forced.counts, 0.0)
    gain = near.weight @ np.log1p(number * shape / density) - number * source.contained
    return Refined(
        *place,
        np.full((2, 2), np.nan),
        forced.counts,
        forced.error,
        forced.by_band,
        forced.by_band_error,
        2 * float(gain),
        converged=True,
    )
