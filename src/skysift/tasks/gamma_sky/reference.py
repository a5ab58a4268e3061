"""gammapy's blind search, as the reference that every other method is compared with.

The excess in circles over an expected background at every pixel (`ExcessMapEstimator`), local
maxima of its significance (`find_peaks`), and, for known positions, reflected regions. All steps
are gammapy's own [1]_; only the types at the door are ours. gammapy is an optional part.

References
----------
.. [1] Donath et al. 2023, A&A 678, A157, doi:10.1051/0004-6361/202346488
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from numpy.typing import NDArray
from scipy.special import ndtr

from skysift.core.errors import ReadError, UsageError
from skysift.core.extras import import_extra
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_location import HduLocation
from skysift.data.sky.gammapy_bridge import (
    events_to_gammapy,
    gti_to_gammapy,
    map_to_gammapy,
)
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.aperture import Circle, Exclusion, OnOff, RadialAcceptance
from skysift.models.sky.candidate import Candidate

if TYPE_CHECKING:
    import gammapy.data
    import gammapy.datasets
    import gammapy.maps

__all__ = [
    "Background",
    "GammapySearch",
    "ReducedPart",
    "ReferenceResult",
    "gammapy_on_off",
    "gammapy_search",
    "read_response",
]

FloatArray = NDArray[np.float64]
Background = Literal["irf", "ring"]
ReducedPart = Literal["background", "exposure", "edisp", "psf"]

_TRUE_ENERGIES = 20
_PARTS = {"background": "bkg", "exposure": "aeff", "edisp": "edisp", "psf": "psf"}


@dataclass(frozen=True, slots=True)
class ReferenceResult:
    """What gammapy found, and how long it took.

    Parameters
    ----------
    candidates : tuple of Candidate
        Strongest first. gammapy states no position error, no trials and no excess by band: these
        are NaN. The excess is that within the correlation radius.
    significance : array, shape (n_y, n_x)
        Square root of TS around every pixel.
    reduction_seconds : float
        To turn the instrument response, once read, into maps.
    search_seconds : float
        To bin, search and list the peaks, the response maps being there.
    """

    candidates: tuple[Candidate, ...]
    significance: FloatArray
    reduction_seconds: float
    search_seconds: float


@dataclass(frozen=True, slots=True)
class GammapySearch:
    """Settings of the search; :func:`gammapy_search` runs it once.

    Parameters
    ----------
    grid : TangentGrid
        The map.
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Bands of reconstructed energy; the search adds them up.
    correlation_radius : float [deg]
        Of the circles.
    threshold : float
        Lowest significance of a peak.
    min_distance : float [deg]
        Between two peaks.
    background : str
        ``irf``: the background of the response as it is; ``ring``: counts in a ring, with the
        response's background as acceptance or, without a response, that measured on the map.
    ring : tuple of float [deg]
        Inner and outer radius.
    reduced : tuple of str
        Which parts of the response `MapDatasetMaker` turns into maps. The search needs the
        background alone, which is what is timed; a usual analysis also has ``exposure``, ``edisp``
        and ``psf``.
    """

    grid: TangentGrid
    energy_edges: FloatArray
    correlation_radius: float = 0.1
    threshold: float = 5.0
    min_distance: float = 0.25
    background: Background = "irf"
    ring: tuple[float, float] = (0.3, 0.6)
    reduced: tuple[ReducedPart, ...] = ("background",)

    def reduce(
        self, data: EventList | CountsMap, response: Mapping[str, Any] | None
    ) -> "gammapy.datasets.MapDataset":
        """Return the response as maps, without counts.

        Parameters
        ----------
        data : EventList or CountsMap
            For its pointing, good time and livetime.
        response : mapping, optional
            As :func:`read_response` gives it.

        Raises
        ------
        MissingExtraError
            If gammapy is not installed.
        """
        datasets, maps = _gammapy("datasets"), _gammapy("maps")
        geometry = self._geometry()
        if response is None:
            return datasets.MapDataset(
                counts=maps.Map.from_geom(geometry),
                mask_safe=maps.Map.from_geom(geometry, data=True, dtype=bool),
                gti=gti_to_gammapy(data.gti, data.reference_mjd),
                name="reference",
            )
        low, high = float(self.energy_edges[0]), float(self.energy_edges[-1])
        true_energy = maps.MapAxis.from_energy_bounds(
            low / 3, high * 3, _TRUE_ENERGIES, unit="TeV", name="energy_true"
        )
        empty = datasets.MapDataset.create(geometry, energy_axis_true=true_energy, name="reference")
        maker = _gammapy("makers").MapDatasetMaker(selection=list(self.reduced))
        return maker.run(empty, _observation(data, response))

    def search(
        self, reduced: "gammapy.datasets.MapDataset", data: EventList | CountsMap
    ) -> tuple[tuple[Candidate, ...], FloatArray]:
        """Return candidates and significance map of counts, given the reduced response."""
        dataset = reduced.copy(name=reduced.name)
        dataset.counts = self._counts(data)
        estimators = _gammapy("estimators")
        on_off = self._with_background(dataset, data)
        low, high = self.energy_edges[0], self.energy_edges[-1]
        estimator = estimators.ExcessMapEstimator(
            correlation_radius=self.correlation_radius * u.deg,
            energy_edges=[low, high] * u.TeV,
            correlate_off=False,
            selection_optional=[],
        )
        # gammapy divides by the acceptance, which is 0 in the corners of the map.
        with np.errstate(invalid="ignore", divide="ignore"):
            found = estimator.run(on_off)
            error = found["npred_excess_err"].data[0]
        peaks = _gammapy("estimators.utils").find_peaks(
            found["sqrt_ts"], threshold=self.threshold, min_distance=self.min_distance * u.deg
        )
        images = {name: found[name].data[0] for name in ("sqrt_ts", "npred_excess")}
        images["error"] = error
        places = [] if len(peaks) == 0 else zip(peaks["x"], peaks["y"], strict=True)
        candidates = tuple(self._candidate(int(x), int(y), images) for x, y in places)
        return candidates, np.asarray(images["sqrt_ts"], dtype=np.float64)

    def _geometry(self) -> "gammapy.maps.WcsGeom":
        maps = _gammapy("maps")
        axis = maps.MapAxis.from_energy_edges(self.energy_edges, unit="TeV")
        return maps.WcsGeom(self.grid.wcs(), npix=self.grid.shape[::-1], axes=[axis])

    def _counts(self, data: EventList | CountsMap) -> "gammapy.maps.WcsNDMap":
        if isinstance(data, CountsMap):
            return map_to_gammapy(data)
        counts = _gammapy("maps").Map.from_geom(self._geometry())
        counts.fill_events(events_to_gammapy(data))
        return counts

    def _with_background(
        self, dataset: "gammapy.datasets.MapDataset", data: EventList | CountsMap
    ) -> Any:
        """Return the data set with the background that the settings ask for."""
        if self.background == "irf":
            if dataset.background is None:
                raise UsageError(
                    "There is no response to take the background from.",
                    "Give a response, or ask for the background 'ring'.",
                )
            return dataset
        if dataset.background is None:
            maps = _gammapy("maps")
            counts = np.asarray(dataset.counts.data, dtype=np.float32)
            ours = CountsMap(
                counts, self.energy_edges, self.grid, data.gti, data.livetime, data.pointing
            )
            shape = RadialAcceptance.of_counts(ours).on_grid(self.grid)
            by_band = counts.sum(axis=(1, 2), dtype=np.float64) / counts.sum(dtype=np.float64)
            dataset.background = maps.Map.from_geom(
                dataset.counts.geom, data=by_band[:, None, None] * shape
            )
        image = dataset.to_image(name=dataset.name)
        inner, outer = self.ring
        maker = _gammapy("makers").RingBackgroundMaker(
            r_in=inner * u.deg, width=(outer - inner) * u.deg
        )
        return maker.run(image)

    def _candidate(self, x: int, y: int, images: dict[str, Any]) -> Candidate:
        xi, eta = self.grid.pixel_to_plane(x, y)
        root = float(images["sqrt_ts"][y, x])
        return Candidate(
            xi=float(xi),
            eta=float(eta),
            covariance=np.full((2, 2), np.nan),
            excess=float(images["npred_excess"][y, x]),
            excess_error=float(images["error"][y, x]),
            ts=root**2,
            p_value=float(ndtr(-root)),
            false_alarms=float("nan"),
            excess_by_band=np.full(len(self.energy_edges) - 1, np.nan),
        )


def gammapy_search(
    data: EventList | CountsMap,
    search: GammapySearch,
    response: str | Path | None = None,
) -> ReferenceResult:
    """Search a field with gammapy, and time its two parts.

    Parameters
    ----------
    data : EventList or CountsMap
        The photons, or their counts on the search's own grid and bands.
    search : GammapySearch
        Settings.
    response : path-like, optional
        GADF file with a background, e.g. the DL3 file itself. Without one the
        background must come from a ring.

    Raises
    ------
    MissingExtraError
        If gammapy is not installed.
    UsageError
        If the counts are on another grid, or the background of a response is asked for that is not
        given.
    ReadError
        If the response cannot be used.
    """
    if isinstance(data, CountsMap) and (
        data.grid != search.grid or not np.array_equal(data.energy_edges, search.energy_edges)
    ):
        raise UsageError(
            "The counts are not on the grid and bands of the search.", "Make both the same."
        )
    _gammapy("estimators")  # its import is no part of either time
    _gammapy("makers")
    parts = None if response is None else read_response(response, search.reduced)
    started = time.perf_counter()
    reduced = search.reduce(data, parts)
    between = time.perf_counter()
    candidates, significance = search.search(reduced, data)
    stopped = time.perf_counter()
    return ReferenceResult(candidates, significance, between - started, stopped - between)


def gammapy_on_off(
    events: EventList, on: Circle, exclusion: Exclusion | None = None
) -> OnOff | None:
    """Count on and off a position with gammapy's reflected regions.

    Parameters
    ----------
    events : EventList
        Photons of the energies wanted.
    on : Circle
        The on region.
    exclusion : Exclusion, optional
        What the off regions must not touch; it is drawn on a map of 0.02 deg pixels for gammapy.

    Returns
    -------
    OnOff or None
        None if gammapy finds no off region.
    """
    maps, regions = _gammapy("maps"), import_extra("regions", extra="gamma")
    pointing = SkyCoord(events.pointing.ra, events.pointing.dec, unit="deg")
    region = regions.CircleSkyRegion(SkyCoord(on.ra, on.dec, unit="deg"), on.radius * u.deg)
    mask = None
    if exclusion is not None:
        grid = TangentGrid(events.pointing.ra, events.pointing.dec, 300, 300, 0.02)
        geometry = maps.WcsGeom(grid.wcs(), npix=grid.shape[::-1])
        mask = maps.Map.from_geom(geometry, data=exclusion.allowed_pixels(grid))
    finder = _gammapy("makers").ReflectedRegionsFinder()
    off, _ = finder.run(region=region, center=pointing, exclusion_mask=mask)
    if not off:
        return None
    photons = events_to_gammapy(events)
    n_on, *n_off = (
        int(np.sum(one.center.separation(photons.radec).deg <= on.radius)) for one in (region, *off)
    )
    return OnOff(n_on, sum(n_off), 1 / len(off))


def read_response(
    path: str | Path,
    reduced: tuple[ReducedPart, ...] = ("background",),
    *,
    parts: Sequence[HduLocation] = (),
) -> dict[str, Any]:
    """Return gammapy's parts of a GADF response, by their names ``bkg``, ``aeff``, ...

    Parameters
    ----------
    path : path-like
        The file.
    reduced : tuple of str
        Which parts are needed.
    parts : sequence of HduLocation
        Where an index says that they are, of a file that holds several responses, or of several
        files; the first of each kind in the file if left out.

    Raises
    ------
    MissingExtraError
        If gammapy is not installed.
    ReadError
        If the file holds no background, no effective area, or not what is to be reduced.
    """
    try:
        found = _located(parts) if parts else _gammapy("irf").load_irf_dict_from_file(path)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(
            f"gammapy cannot read the response ({error}).", "Give a GADF file.", path=path
        ) from error
    # The area is asked for even where it is not reduced: gammapy notes its telescope.
    needed = {_PARTS[name] for name in ("background", "exposure", *reduced)}
    if missing := sorted(needed - set(found)):
        raise ReadError(
            f"The response has no {' and no '.join(missing)}.",
            "Give a full-enclosure response with a background, or none and a ring.",
            path=path,
        )
    return {name: found[name] for name in sorted(needed)}


def _located(parts: Sequence[HduLocation]) -> dict[str, Any]:
    """Return what gammapy makes of parts that an index names."""
    location = _gammapy("utils.fits").HDULocation
    found: dict[str, Any] = {}
    for part in parts:
        if part.hdu_type in _PARTS.values():
            place = location(
                hdu_class=part.hdu_class,
                hdu_name=part.name,
                file_dir=str(part.path.parent.absolute()),
                file_name=part.path.name,
            )
            found.setdefault(part.hdu_type, place.load())
    return found


def _observation(
    data: EventList | CountsMap, response: Mapping[str, Any]
) -> "gammapy.data.Observation":
    observations = _gammapy("data")
    where = SkyCoord(data.pointing.ra, data.pointing.dec, unit="deg")
    live = data.livetime / data.gti.duration if data.gti.duration > 0 else 1.0
    return observations.Observation(
        obs_id=0,
        meta=_gammapy("data.metadata").ObservationMetaData(deadtime_fraction=1 - live),
        gti=gti_to_gammapy(data.gti, data.reference_mjd),
        pointing=observations.FixedPointingInfo(fixed_icrs=where),
        **response,
    )


def _gammapy(module: str) -> Any:
    return import_extra(f"gammapy.{module}", extra="gamma")
