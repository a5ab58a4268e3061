"""Maps of empty runs with injected sources: what a sky network learns from a real telescope.

Nobody knows the background rate of a real run. But photons that are dealt out at random are
independent draws of the same rate: the network sees half of those of ten minutes, with the photons
of a source that the run's response would have given added to them, and is judged by all others of
the run, scaled to the exposure. The loss is that of a Poisson rate, whose gradient is linear in the
truth (see :mod:`skysift.models.sky.network.loss`), so that a draw may stand for the rate within one
map. What drifts within the run is taken for noise.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.counts_map import bin_events
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.lessons import shifted_groups
from skysift.models.sky.network.architecture import BLOCK, SkyNetworkSettings
from skysift.models.sky.network.runtime import conditions_of, groups_of
from skysift.preprocess.folding import energy_bands, field_coordinates, fold_background
from skysift.preprocess.sky_background import BackgroundModel
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR
from skysift.tasks.gamma_sky.observations import Observation, Observations
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse
from skysift.tasks.gamma_sky.training_fields import block_centres

__all__ = ["Maps", "background_model", "known_zenith", "off_maps"]

Floats = NDArray[np.float32]

_WINDOW = 600.0  # s: two or three of a usual run
_LARGEST_OFFSET = 1.5  # deg, of an injected source
_FLUXES = (0.03, 1.0)  # Crab, even in the logarithm
_EMPTY = 0.3  # share of the maps without a source
_DARKEST = 1e-12
_TYPICAL_ZENITH = 20.0


@dataclass(frozen=True)
class Maps:
    """Maps with what is known of their truth.

    Parameters
    ----------
    arrays : mapping of str to array
        What a loss wants, one map behind the other; the photons that are seen are ``counts``.
    group : array of int, shape (n,)
        Equal for maps of one run.
    """

    arrays: Mapping[str, NDArray[Any]]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.group)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the maps, chosen by a mask or by numbers."""
        some = {name: values[rows] for name, values in self.arrays.items()}
        return replace(self, arrays=some, group=self.group[rows])

    def followed_by(self, other: Self) -> Self:
        """Return these maps, then others; no group of theirs is one of these."""
        joined = {
            name: np.concatenate([values, other.arrays[name]])
            for name, values in self.arrays.items()
        }
        group = np.concatenate([self.group, shifted_groups(other.group, self.group)])
        return replace(self, arrays=joined, group=group)

    def sha256(self) -> str:
        """Return a SHA-256 over the counts."""
        return hashlib.sha256(self.arrays["counts"].tobytes()).hexdigest()

    def fingerprints(self) -> list[bytes]:
        """Return a hash of the counts of each map."""
        return [hashlib.sha256(one.tobytes()).digest() for one in self.arrays["counts"]]


def off_maps(
    observations: Observations, settings: SkyNetworkSettings, rng: np.random.Generator
) -> Maps:
    """Make maps of runs without known sources.

    Parameters
    ----------
    observations : Observations
        Photon lists; with a response, sources are injected as it would show them, else as the
        analytic one.
    settings : SkyNetworkSettings
        Of the network.
    rng : numpy.random.Generator
        Deals photons, and draws sources.

    Raises
    ------
    InputError
        If no run lasts long enough.
    """
    made: list[dict[str, Floats]] = []
    group = []
    for number, item in enumerate(observations.items):
        options = observations.options
        edges = energy_bands(options.emin, options.emax, options.bands)
        maker = _Maker(item, edges, settings)
        events = item.events.in_energy(options.emin, options.emax)
        for window in _windows(events):
            half = rng.random(len(events)) < 0.5  # noqa: PLR2004  # a fair deal
            for seen in (window & half, window & ~half):
                made.append(maker(events, seen, float(window.mean()) / 2, rng))
                group.append(number)
    if not made:
        raise InputError(
            f"No run lasts {_WINDOW:g} s.", "Give photon lists of longer runs, without sources."
        )
    arrays = {name: np.stack([one[name] for one in made]) for name in made[0]}
    return Maps(arrays, np.array(group, dtype=np.int64))


def _windows(events: EventList) -> list[NDArray[np.bool_]]:
    """Return which photons lie in each window of the run."""
    start, stop = events.gti.start[0], events.gti.stop[-1]
    number = ((events.time - start) // _WINDOW).astype(np.int64)
    return [number == k for k in range(int((stop - start) // _WINDOW))]


def known_zenith(pointing: Pointing) -> float:
    """Return the zenith angle of a pointing, a typical one where it is unknown [deg]."""
    return pointing.zenith if np.isfinite(pointing.zenith) else _TYPICAL_ZENITH


def background_model(
    grid: TangentGrid, pointing: Pointing, edges: NDArray[np.float64], zenith: float
) -> BackgroundModel:
    """Return what fits the smooth background of a run.

    Parameters
    ----------
    grid : TangentGrid
        Of the maps.
    pointing : Pointing
    edges : array, shape (n_bands + 1,) [TeV]
    zenith : float [deg]
    """
    x, y = field_coordinates(grid, pointing)
    with np.errstate(divide="ignore", invalid="ignore"):  # far corners of a narrow field
        template = fold_background(AnalyticResponse(zenith), edges, grid, pointing)
    return BackgroundModel(
        np.maximum(np.nan_to_num(template), _DARKEST).astype(np.float32),
        x,
        y,
        NETWORK_PRIOR,
    )


class _Maker:
    """Makes maps of one run."""

    def __init__(
        self, item: Observation, edges: NDArray[np.float64], settings: SkyNetworkSettings
    ) -> None:
        pointing = item.events.pointing
        zenith = known_zenith(pointing)
        n_y, n_x = settings.shape
        self._settings, self._edges = settings, edges
        self._pointing = pointing
        self._grid = TangentGrid(pointing.ra, pointing.dec, n_x, n_y, settings.pixel_size)
        self._ready = FoldedResponse(item.response or AnalyticResponse(zenith), edges)
        self._groups = groups_of(len(edges) - 1, settings.n_bands)
        x, y = field_coordinates(self._grid, pointing)
        self._offset = np.hypot(x, y)
        self._model = background_model(self._grid, pointing, edges, zenith)

    def __call__(
        self,
        events: EventList,
        seen: NDArray[np.bool_],
        share: float,
        rng: np.random.Generator,
    ) -> dict[str, Floats]:
        """Return a map of some photons, that share of the run, judged by all others."""
        exposure = max(events.livetime * share, 1.0)
        given, _, _, _ = bin_events(events.take(seen), self._grid, self._edges)
        rest, _, _, _ = bin_events(events.take(~seen), self._grid, self._edges)
        other = rest * np.float32(share / (1.0 - share))
        sources = self._sources(rng)
        expected = expect(Field(self._pointing, exposure, sources), self._ready, self._grid)
        counts = given + draw_counts(expected.source, rng)
        settings = self._settings
        maps = {
            name: self._grouped(values)
            for name, values in (
                ("counts", counts),
                ("expected", self._model.fit(counts).counts),
                ("background", other),
                ("source", expected.source),
            )
        }
        rows, columns = settings.blocks
        conditions = conditions_of(self._offset, exposure)
        maps["conditions"] = conditions.reshape(2, rows, BLOCK, columns, BLOCK).mean(axis=(2, 4))
        places = [self._grid.to_pixel(one.ra, one.dec) for one in sources]
        maps["centre"] = block_centres(
            settings,
            [(float(y), float(x)) for x, y in places],
            expected.sources.sum(axis=(1, 2, 3), dtype=np.float64),
        )
        return maps

    def _sources(self, rng: np.random.Generator) -> tuple[Source, ...]:
        if rng.random() < _EMPTY:
            return ()
        away = _LARGEST_OFFSET * np.sqrt(rng.random())
        angle = rng.uniform(0, 2 * np.pi)
        ra, dec = self._grid.from_plane(away * np.cos(angle), away * np.sin(angle))
        flux = float(np.exp(rng.uniform(*np.log(_FLUXES))))
        return (Source(float(ra), float(dec), flux),)

    def _grouped(self, values: Floats) -> Floats:
        total = np.zeros((self._settings.n_bands, *values.shape[1:]), dtype=np.float32)
        for band, group in zip(values, self._groups, strict=True):
            total[group] += band
        return total
