"""Search a counts map for point sources: background, filter, peaks, likelihood, again.

1. The background is fitted to the map (:mod:`skysift.preprocess.sky_background`).
2. The map is filtered (:mod:`skysift.models.sky.filter`); what each pixel's sum of weights is worth
   is told by a saddlepoint approximation (:mod:`skysift.models.sky.saddlepoint`).
3. The highest peak is fitted (:mod:`skysift.models.sky.refine`), becomes part of what is expected,
   and the next peak is looked for, until none is left that a field without sources would not show.
4. The background is fitted again beside the sources, and the sources beside each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from skysift.core.errors import UsageError
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filter import FilterBank
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.places import Places
from skysift.models.sky.refine import Refined, refine
from skysift.models.sky.stamps import PlacedStamp
from skysift.models.sky.trials import TrialsTable
from skysift.models.sky.width import best_width
from skysift.preprocess.folding import PointSourceModel
from skysift.preprocess.sky_background import BackgroundFit, BackgroundModel

__all__ = ["SearchResult", "SearchSettings", "SkySearch"]

FloatArray = NDArray[np.float64]

_PIXELS_JUDGED = 192  # those with the highest ratio of signal to noise get the exact significance
_MASKED_RADIUS = 0.4  # deg about a source that the background does not see
_ROUNDS = 3
_OFFSET_STEP = 0.1  # deg: point spread functions are shared within
_WORTH_JUDGING = 2.0  # ratio of signal to noise
_BURIED = np.float32(100.0)
_SMALL = np.float32(1e-12)
_TINY = 1e-12
_FEW_COUNTS = 10
_BRIGHT = 8.0  # counts over their error, from where the width of a source can be told
_WIDE = 1.25  # over the point spread function: an extended source
_INNER = 0.68
_CERTAIN = 8.0  # significance from where the freedom of the position no longer counts
_BLEND = 3.0  # radii of 68 % containment


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How a search is done.

    Parameters
    ----------
    false_alarms : float
        Expected number of false candidates per field: the threshold.
    radius : float [deg]
        Offset from the pointing up to which sources are looked for.
    most : int
        Largest number of candidates.
    separation : float [deg]
        Two candidates are further apart.
    offset : float [deg]
        Offset at which the filter is best.
    mismatch : float
        Relative error of the point spread function that is allowed for: that share of what a found
        source sends to a place is not taken for another source.
    fit : bool
        Whether positions and counts are fitted; else the peak itself is the answer.
    psf_known : bool
        Whether a bright source that is wider than the point spread function is an extended one.
    """

    false_alarms: float = 0.01
    radius: float = 2.3
    most: int = 10
    separation: float = 0.12
    offset: float = 1.0
    mismatch: float = 0.1
    fit: bool = True
    psf_known: bool = True


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Parameters
    ----------
    candidates : tuple of Candidate
        The least likely to be chance first.
    background : BackgroundFit
        With the sources left out.
    level : float
        Significance that a candidate had to reach.
    filtered : array of float32, shape (n_y, n_x)
        Filtered map in standard deviations, before any source was found; -100 where none is
        looked for.
    """

    candidates: tuple[Candidate, ...]
    background: BackgroundFit
    level: float
    filtered: NDArray[np.float32]
    sources: tuple[tuple[LocalSource, Refined], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Found:
    """A peak with its fit and what it sends to the filtered map."""

    fit: Refined
    source: LocalSource
    significance: float
    width: float = 1.0


class SkySearch:
    """A search on one grid, with one model of the instrument; made once, used on many maps.

    Parameters
    ----------
    grid : TangentGrid
        Pixels of the maps.
    source : PointSourceModel
        Rates of a source of unit flux and point spread functions, by offset; radii evenly spaced.
    background : BackgroundModel
        Template and freedom of the background.
    pointing : tuple of float [deg]
        Plane coordinates of the pointing.
    reference_counts : array, shape (n_bands,)
        Background counts per pixel that the filter is best for.
    reference_flux : float
        Flux times exposure of the source that the filter is best for, in units of `source`.
    trials : TrialsTable
        Calibration of the false alarms.
    settings : SearchSettings

    Raises
    ------
    UsageError
        If the bands of source and background differ.
    """

    def __init__(
        self,
        grid: TangentGrid,
        source: PointSourceModel,
        background: BackgroundModel,
        *,
        pointing: tuple[float, float],
        reference_counts: FloatArray,
        reference_flux: float,
        trials: TrialsTable,
        settings: SearchSettings | None = None,
    ) -> None:
        if len(background.template) != source.rate.shape[1]:
            raise UsageError(
                "Source and background models have different energy bands.",
                "Fold both with the same energy edges.",
            )
        self.grid = grid
        self.source = source
        self.background = background
        self.pointing = pointing
        self.trials = trials
        self.settings = settings or SearchSettings()
        self._local: dict[int, LocalSource] = {}
        self._overlaps: dict[tuple[int, float], FloatArray] = {}
        reference = self.local_source(self.settings.offset)
        rate = source.rate_at(self.settings.offset).sum()
        self.filter = FilterBank.of_source(
            reference, rate * reference_flux, reference_counts, grid.shape, grid.pixel_size
        )
        self.places = Places(grid)
        xi, eta = self.places.axes
        distance = np.hypot(xi[None, :] - pointing[0], eta[:, None] - pointing[1])
        seen = background.template.sum(axis=0) > 0
        self.searched = seen & (distance <= self.settings.radius)
        if not self.searched.any():
            raise UsageError(
                "No pixel of the map lies within the search radius of the pointing.",
                "Centre the map near the pointing, or widen the radius.",
            )
        flat = self.searched.ravel().astype(np.float32)
        self._mean_over_searched = flat / flat.sum()
        self.area = float(self.searched.sum()) * grid.pixel_size**2

    def local_source(self, offset: float) -> LocalSource:
        """Return the source at an offset [deg] from the pointing."""
        key = round(offset / _OFFSET_STEP)
        if key not in self._local:
            place = key * _OFFSET_STEP
            rate = self.source.rate_at(place)
            step = float(self.source.radii[1] - self.source.radii[0])
            share = rate / max(rate.sum(), _TINY)
            self._local[key] = LocalSource(share, self.source.density_at(place), step)
        return self._local[key]

    def offset_of(self, xi: float, eta: float) -> float:
        """Return the distance [deg] of a place on the plane from the pointing."""
        return float(np.hypot(xi - self.pointing[0], eta - self.pointing[1]))

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search a map.

        Parameters
        ----------
        counts : array of float32, shape (n_bands, n_y, n_x)
            Raw counts.
        photons : Photons or None
            The photons of the map, for a fit without binning; the pixels' counts are fitted where
            they are left out.

        Raises
        ------
        InputError
            If the map does not have the shape of the search.
        """
        if photons is None and self.settings.fit:
            photons = self.places.photons_of(counts)
        background = self.background.fit(counts)
        sums = self.filter(counts)
        level, roughness = self._level(background)
        first = self._ratio(sums, background.counts)
        found: list[_Found] = []
        for _ in range(self.settings.most):
            peak = self._peak(sums, background, found, first if not found else None)
            if peak is None or peak[2] < level:
                break
            if not found:
                background, peak = self._beside(counts, sums, background, peak)
            found = self._with(found, peak, photons, background)
        if len(found) > 1 and photons is not None:
            background = self.background.fit(counts, self._away_from(found))
            for _ in range(_ROUNDS):
                found = [self._refitted(found, i, photons, background) for i in range(len(found))]
        candidates = [self._candidate(one, found, background, roughness) for one in found]
        order = np.argsort([candidate.p_value for candidate in candidates], kind="stable")
        return SearchResult(
            tuple(candidates[i] for i in order),
            background,
            level,
            first,
            tuple((found[i].source, found[i].fit) for i in order),
        )

    def highest(self, counts: NDArray[np.float32]) -> float:
        """Return the significance of the highest peak of a map, for calibration."""
        background = self.background.fit(counts)
        peak = self._peak(self.filter(counts), background, [], None)
        return -np.inf if peak is None else peak[2]

    def expected_sources(self, result: SearchResult) -> NDArray[np.float32]:
        """Return the counts that the found sources send to each cell, shape as the map."""
        shape = self.background.template.shape
        total = np.zeros(shape, dtype=np.float32)
        for source, fit in result.sources:
            stamp = PlacedStamp.of(self.grid, source, fit)
            total[:, stamp.rows, stamp.columns] += stamp.counts
        return total

    # --- significance ---------------------------------------------------------------------------

    def _level(self, background: BackgroundFit) -> tuple[float, float]:
        flat = background.counts.reshape(len(background.counts), -1)
        mean = (flat @ self._mean_over_searched).astype(np.float64)
        roughness = self.filter.roughness(mean)
        level = self.trials.level_for(
            self.settings.false_alarms, area=self.area, roughness=roughness
        )
        return level, roughness

    def _ratio(
        self, sums: NDArray[np.float32], expected: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return excess over noise of the filtered map, -100 where nothing is looked for."""
        weights = np.stack([self.filter.sums, self.filter.squares]).astype(np.float32)
        mean, variance = (weights @ expected.reshape(len(expected), -1)).reshape(2, *sums.shape)
        ratio = (sums - mean) / np.sqrt(np.maximum(variance, _SMALL))
        return np.where(self.searched, ratio, -_BURIED)

    def _peak(
        self,
        sums: NDArray[np.float32],
        background: BackgroundFit,
        found: Sequence[_Found],
        ratio: NDArray[np.float32] | None,
    ) -> tuple[int, int, float] | None:
        """Return row, column and significance of the most significant pixel."""
        expected = background.counts
        if found:
            expected = expected + self._sent(found)
            ratio = None
        if ratio is None:
            ratio = self._ratio(sums, expected)
        ratio = ratio.copy() if found else ratio
        for one in found:
            rows, columns = self.places.around(one.fit.xi, one.fit.eta, self.settings.separation)
            ratio[rows, columns] = -_BURIED
        flat = ratio.ravel()
        best = np.flatnonzero(flat > _WORTH_JUDGING)
        if len(best) > _PIXELS_JUDGED:
            best = best[np.argpartition(flat[best], -_PIXELS_JUDGED)[-_PIXELS_JUDGED:]]
        if len(best) == 0:
            return None
        row, column = np.divmod(best, self.grid.n_x)
        local = expected[:, row, column].T.astype(np.float64)
        star = self.filter.cumulants.significance(sums.ravel()[best].astype(np.float64), local)
        top = int(np.argmax(star))
        return int(row[top]), int(column[top]), float(star[top])

    def _sent(self, found: Sequence[_Found]) -> NDArray[np.float32]:
        """Return the background, in counts per pixel, that would weigh as much as the sources."""
        total = np.zeros(self.background.template.shape, dtype=np.float32)
        for one in found:
            offset = self.offset_of(one.fit.xi, one.fit.eta)
            key = (round(offset / _OFFSET_STEP), one.width)
            if key not in self._overlaps:
                self._overlaps[key] = self.filter.overlap(one.source) / np.maximum(
                    self.filter.sums[:, None], _TINY
                )
            table = self._overlaps[key]
            reach = (table.shape[1] - 1) * self.grid.pixel_size
            rows, columns, distance = self.places.window(one.fit.xi, one.fit.eta, reach)
            place = np.minimum(distance / self.grid.pixel_size, table.shape[1] - 1.001)
            low = place.astype(np.int64)
            part = place - low
            counts = max(one.fit.counts, 0.0) * (1 + self.settings.mismatch)
            total[:, rows, columns] += counts * (
                table[:, low] * (1 - part) + table[:, low + 1] * part
            )
        return total

    # --- sources --------------------------------------------------------------------------------

    def _beside(
        self,
        counts: NDArray[np.float32],
        sums: NDArray[np.float32],
        background: BackgroundFit,
        peak: tuple[int, int, float],
    ) -> tuple[BackgroundFit, tuple[int, int, float]]:
        """Fit the background again without the surroundings of the first peak."""
        xi, eta = self._place(peak)
        weight = np.ones(self.grid.shape, dtype=np.float32)
        rows, columns, distance = self.places.window(xi, eta, _MASKED_RADIUS)
        weight[rows, columns] = distance > _MASKED_RADIUS
        background = self.background.fit(counts, weight)
        local = background.counts[:, peak[0], peak[1]][None].astype(np.float64)
        value = np.array([sums[peak[0], peak[1]]], dtype=np.float64)
        star = self.filter.cumulants.significance(value, local)
        return background, (peak[0], peak[1], max(float(star[0]), peak[2]))

    def _place(self, peak: tuple[int, int, float]) -> tuple[float, float]:
        xi, eta = self.places.axes
        return float(xi[peak[1]]), float(eta[peak[0]])

    def _away_from(self, found: Sequence[_Found]) -> NDArray[np.float32]:
        weight = np.ones(self.grid.shape, dtype=np.float32)
        for one in found:
            rows, columns, distance = self.places.window(one.fit.xi, one.fit.eta, _MASKED_RADIUS)
            weight[rows, columns] *= distance > _MASKED_RADIUS
        return weight

    def _with(
        self,
        found: list[_Found],
        peak: tuple[int, int, float],
        photons: Photons | None,
        background: BackgroundFit,
    ) -> list[_Found]:
        xi, eta = self._place(peak)
        source = self.local_source(self.offset_of(xi, eta))
        if photons is None:
            return [*found, _Found(self._unfitted(xi, eta), source, peak[2])]
        fit = self._fit(found, source, (xi, eta, 0.0), photons, background)
        width = 1.0
        if fit.counts > _BRIGHT * fit.counts_error:
            near, density, _ = self._beside_others(found, source, (xi, eta), photons, background)
            width = best_width(near, density, source, fit)
            if width != 1.0:
                source = source.widened(width)
                start = (fit.xi, fit.eta, max(fit.counts, 1.0))
                fit = self._fit(found, source, start, photons, background)
        return [*found, _Found(fit, source, peak[2], width)]

    def _refitted(
        self, found: Sequence[_Found], index: int, photons: Photons, background: BackgroundFit
    ) -> _Found:
        one = found[index]
        others = [other for place, other in enumerate(found) if place != index]
        start = (one.fit.xi, one.fit.eta, max(one.fit.counts, 1.0))
        fit = self._fit(others, one.source, start, photons, background)
        return replace(one, fit=fit)

    def _fit(
        self,
        others: Sequence[_Found],
        source: LocalSource,
        start: tuple[float, float, float],
        photons: Photons,
        background: BackgroundFit,
    ) -> Refined:
        """Fit a source beside others; a start without counts takes those within 68 %."""
        xi, eta, counts = start
        near, density, level = self._beside_others(others, source, (xi, eta), photons, background)
        if counts <= 0:
            radius = source.containment_radius(_INNER)
            inside = np.hypot(near.xi - xi, near.eta - eta) < radius
            excess = near.weight[inside].sum() - np.pi * radius**2 * level.sum()
            counts = max(float(excess) / _INNER, 1.0)
        return refine(
            near,
            density,
            source,
            level,
            (xi, eta, counts),
            level_error=background.scale_error,
        )

    def _beside_others(
        self,
        others: Sequence[_Found],
        source: LocalSource,
        place: tuple[float, float],
        photons: Photons,
        background: BackgroundFit,
    ) -> tuple[Photons, FloatArray, FloatArray]:
        """Return the photons in reach, the density [deg-2] of all else at each, and at the place.

        All else is the background and the other sources.
        """
        xi, eta = place
        near = photons.near(xi, eta, source.reach)
        pixel_area = self.grid.pixel_size**2
        row, column = self.places.pixel(near.xi, near.eta)
        density = background.counts[near.band, row, column].astype(np.float64) / pixel_area
        here = self.places.pixel(np.array([xi]), np.array([eta]))
        level = background.counts[:, here[0][0], here[1][0]].astype(np.float64) / pixel_area
        for other in others:
            distance = np.hypot(near.xi - other.fit.xi, near.eta - other.fit.eta)
            shape, _ = other.source.evaluate(near.band, distance)
            density = density + max(other.fit.counts, 0.0) * shape
            apart = np.full(len(level), np.hypot(xi - other.fit.xi, eta - other.fit.eta))
            shape, _ = other.source.evaluate(np.arange(len(level)), apart)
            level = level + max(other.fit.counts, 0.0) * shape
        return near, np.maximum(density, _TINY), np.maximum(level, _TINY)

    def _unfitted(self, xi: float, eta: float) -> Refined:
        """Return a place that was not fitted: its errors are not known."""
        n_bands = len(self.background.template)
        unknown = np.full(n_bands, np.nan)
        nowhere = np.full((2, 2), np.nan)
        return Refined(xi, eta, nowhere, 0.0, np.nan, unknown, unknown, np.nan, converged=False)

    def _candidate(
        self, one: _Found, found: Sequence[_Found], background: BackgroundFit, roughness: float
    ) -> Candidate:
        fit = one.fit
        radius = one.source.containment_radius(_INNER)
        rows, columns, distance = self.places.window(fit.xi, fit.eta, radius)
        below = float((background.counts[:, rows, columns] * (distance <= radius)).sum())
        significance = one.significance
        if significance > _CERTAIN:  # the filter is made for weak sources; the fit is for all
            significance = max(significance, float(np.sqrt(max(fit.ts, 0.0))))
        false_alarms = self.trials.false_alarms(significance, area=self.area, roughness=roughness)
        flags = []
        if self._at_the_edge(fit.xi, fit.eta, radius):
            flags.append("edge")
        others = [np.hypot(fit.xi - o.fit.xi, fit.eta - o.fit.eta) for o in found if o is not one]
        if others and min(others) < _BLEND * radius:
            flags.append("blended")
        if self.settings.psf_known and one.width > _WIDE:
            flags.append("extended")
        if not fit.converged:
            flags.append("not-converged")
        if fit.counts < _FEW_COUNTS:
            flags.append("low-counts")
        return Candidate(
            fit.xi,
            fit.eta,
            fit.covariance,
            fit.counts,
            fit.counts_error,
            fit.ts,
            float(np.exp(log_ndtr(-significance))),
            float(false_alarms),
            fit.by_band,
            below,
            tuple(flags),
        )

    def _at_the_edge(self, xi: float, eta: float, radius: float) -> bool:
        x, y = self.grid.plane_to_pixel(xi, eta)
        margin = 2 * radius / self.grid.pixel_size
        inside = margin <= x <= self.grid.n_x - 1 - margin and (
            margin <= y <= self.grid.n_y - 1 - margin
        )
        return not inside or self.offset_of(xi, eta) > self.settings.radius - radius
