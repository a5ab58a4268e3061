"""Search a counts map for point sources: background, filter, peaks, likelihood, again.

1. The background is fitted to the map (:mod:`skysift.preprocess.sky_background`).
2. The map is filtered (:mod:`skysift.models.sky.filter`); what each pixel's sum of weights is worth
   is told by a saddlepoint approximation (:mod:`skysift.models.sky.saddlepoint`).
3. The highest peak is fitted (:mod:`skysift.models.sky.refine`), becomes part of what is expected,
   and the next peak is looked for, until none is left that a field without sources would not show.
4. The background is fitted again beside the sources, and the sources beside each other.
5. Candidates near each other may be one extended source (:mod:`skysift.models.sky.extended`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from skysift.core.errors import UsageError
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.field_fits import MASKED_RADIUS, WIDE, FieldFits, Found
from skysift.models.sky.filter import FilterBank
from skysift.models.sky.filtered import (
    FilteredMap,
    Peak,
    RatioMap,
    Region,
    Shining,
    SourceImage,
)
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.places import Places
from skysift.models.sky.refine import Refined, Summit, climb, from_peak, refine
from skysift.models.sky.stamps import PlacedStamp
from skysift.models.sky.trials import Texture, TrialsTable
from skysift.models.sky.width import SUPPOSED_WITHIN, best_width
from skysift.preprocess.folding import PointSourceModel
from skysift.preprocess.sky_background import BackgroundFit, BackgroundModel

__all__ = ["SearchResult", "SearchSettings", "SkySearch"]

FloatArray = NDArray[np.float64]

_TINY = 1e-12
_FEW_COUNTS = 10
_BRIGHT = 8.0  # counts over their error, from where the width of a source can be told
_BRIGHT_ENOUGH = 5.0  # the same where the point spread function is only supposed
_INNER = 0.68
_CERTAIN = 8.0  # significance from where the freedom of the position no longer counts
_BLEND = 3.0  # radii of 68 % containment
_SAMPLED = 600  # pixels that tell the mean background


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
    hidden : float [deg]
        Largest radius about a source that is kept from the background.
    absorbed : float
        Significance that a background may have taken from a source at first, fitted as it was with
        the source in it: peaks that are lower by no more are judged beside it.
    """

    false_alarms: float = 0.01
    radius: float = 2.3
    most: int = 10
    separation: float = 0.12
    offset: float = 1.0
    mismatch: float = 0.1
    fit: bool = True
    psf_known: bool = True
    hidden: float = np.inf
    absorbed: float = 0.5


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
    seen : FilteredMap or RatioMap
        The filtered map before any source was found.
    """

    candidates: tuple[Candidate, ...]
    background: BackgroundFit
    level: float
    seen: FilteredMap | RatioMap = field(repr=False)
    sources: tuple[tuple[LocalSource, Refined], ...] = field(default=(), repr=False)

    @property
    def filtered(self) -> NDArray[np.float32]:
        """Filtered map in standard deviations, shape (n_y, n_x); -100 where nothing is searched."""
        return self.seen.ratio


class SkySearch(FieldFits):
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
        self.hidden = self.settings.hidden
        self._local: dict[int, LocalSource] = {}
        self._images: dict[int, tuple[LocalSource, SourceImage]] = {}
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
        self.region = Region(self.searched)
        row, column = np.nonzero(self.searched)
        step = -(-len(row) // _SAMPLED)
        self._sample = row[::step], column[::step]
        self.area = float(self.searched.sum()) * grid.pixel_size**2

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
        if not self.settings.fit:
            photons = None
        background = self.background.fit(counts)
        first = self._filtered(self.filter(counts), background)
        level, texture = self._level(background)
        found, background = self._first_look(first, level, counts, photons, background)
        if photons is not None and (len(found) > 1 or any(one.width > WIDE for one in found)):
            found, background = self._crowded(found, counts, photons, (first, background), level)
        candidates = self._candidates(found, background, texture)
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
        first = self._filtered(self.filter(counts), background)
        seen = self._highest_peak(first, -np.inf, counts, background)
        return -np.inf if seen is None else seen[0].significance

    def expected_sources(self, result: SearchResult) -> NDArray[np.float32]:
        """Return the counts that the found sources send to each cell, shape as the map."""
        shape = self.background.template.shape
        total = np.zeros(shape, dtype=np.float32)
        for source, fit in result.sources:
            stamp = PlacedStamp.of(self.grid, source, fit)
            total[:, stamp.rows, stamp.columns] += stamp.counts
        return total

    # --- significance ---------------------------------------------------------------------------

    def _level(self, background: BackgroundFit) -> tuple[float, Texture]:
        mean = background.at(*self._sample).mean(axis=1, dtype=np.float64)
        texture = self.filter.texture(mean)
        level = self.trials.level_for(self.settings.false_alarms, area=self.area, texture=texture)
        return level, texture

    def _filtered(self, sums: NDArray[np.float32], background: BackgroundFit) -> FilteredMap:
        return FilteredMap(self.filter, self.places, self.region, sums, background.surface)

    def _first_look(
        self,
        first: FilteredMap,
        level: float,
        counts: NDArray[np.float32],
        photons: Photons | None,
        background: BackgroundFit,
    ) -> tuple[list[Found], BackgroundFit]:
        """Return what is significant, and the background beside the most significant of it."""
        least = level - self.settings.absorbed
        highest = self._highest_peak(first, least, counts, background)
        if highest is None or highest[0].significance < level:
            return [], background
        peak, seen, background = highest
        found = self._gathered(seen, level, [], peak, photons=photons, background=background)
        return found, background

    def _highest_peak(
        self,
        first: FilteredMap,
        least: float,
        counts: NDArray[np.float32],
        background: BackgroundFit,
    ) -> tuple[Peak, FilteredMap, BackgroundFit] | None:
        """Return the highest peak as it stands out beside its own background, the map and that."""
        peak = first.peak(least=least)
        if peak is None or peak.significance < least:
            return None
        place = np.array([first.summit(peak)])
        beside = self._background_away_from(place, [MASKED_RADIUS], counts, background)
        seen = first.beside(beside.surface)
        again = seen.at(peak.row, peak.column)
        highest = replace(again, significance=max(again.significance, peak.significance))
        return highest, seen, beside

    def _gathered(
        self,
        seen: FilteredMap,
        level: float,
        found: list[Found],
        peak: Peak | None = None,
        *,
        photons: Photons | None,
        background: BackgroundFit,
    ) -> list[Found]:
        """Take one peak after the other, each beside all before it, while they are significant.

        A peak whose fit led elsewhere stands as high as before, and is not taken again.
        """
        settings, left = self.settings, list[Shining]()
        while len(found) < settings.most:
            if peak is None:
                known = [one.shining(settings.mismatch) for one in found]
                peak = seen.peak([*known, *left], settings.separation, level)
            if peak is None or peak.significance < level:
                break
            one = self._found(seen, peak, found, photons, background)
            xi, eta = seen.summit(peak)
            if np.hypot(one.fit.xi - xi, one.fit.eta - eta) > settings.separation:
                left.append(Shining(xi, eta, 0.0, one.image))
            found, peak = [*found, one], None
        return found

    # --- sources --------------------------------------------------------------------------------

    def _crowded(
        self,
        found: Sequence[Found],
        counts: NDArray[np.float32],
        photons: Photons,
        seen_before: tuple[FilteredMap, BackgroundFit],
        level: float,
    ) -> tuple[list[Found], BackgroundFit]:
        """Fit several candidates beside each other, and tell what is one of them and what is not.

        Parameters
        ----------
        found : sequence of Found
            One after the other, as they were gathered; or one that is wide.
        counts, photons
            The map.
        seen_before : (FilteredMap, BackgroundFit)
            The map before any source was found, and the background so far.
        level : float
            Significance that a candidate has to reach.
        """
        first, background = seen_before
        found, background = self._settled(self._simplified(found), counts, photons, background)
        least = level**2
        needed = self._needed(found, least, photons, background)
        margin = 0.0 if self.settings.psf_known else least
        merged = self._merged(needed, counts, photons, background, least=least, margin=margin)
        if merged != found:
            found, background = self._settled(merged, counts, photons, background)
        if any(one.extension > 0 for one in found):  # its parts may have hidden another source
            seen = first.beside(background.surface)
            found = self._gathered(seen, level, found, photons=photons, background=background)
        if len(found) > 1:
            found = self._by_own_spectra(found, photons, background)
            found = self._needed(found, least, photons, background)
            found = self._with_counts(found, photons, background)
        return found, background

    def _found(
        self,
        seen: FilteredMap,
        peak: Peak,
        others: Sequence[Found],
        photons: Photons | None,
        background: BackgroundFit,
    ) -> Found:
        """Return a peak as a candidate, fitted if there are photons."""
        place = seen.summit(peak)
        image = self._image(self.local_source(self.offset_of(*place)))
        height = max(peak.excess / max(float(image.mean[0]), _TINY), 1.0)
        return self._found_from(
            (*place, height), peak.significance, others, photons=photons, background=background
        )

    def _found_from(
        self,
        start: tuple[float, float, float],
        significance: float,
        others: Sequence[Found],
        *,
        photons: Photons | None,
        background: BackgroundFit,
    ) -> Found:
        """Return what lies at a place [deg] and has some counts, fitted if there are photons."""
        xi, eta, height = start
        source = self.local_source(self.offset_of(xi, eta))
        if photons is None:
            row, column = self.places.pixel(np.array([xi]), np.array([eta]))
            here = background.at(row, column)[:, 0]
            level = np.maximum(here.astype(np.float64) / self.grid.pixel_size**2, _TINY)
            alone = from_peak((xi, eta), height, source, level)
            return Found(alone, source, self._image(source), significance)
        around = self._beside_others(others, source, (xi, eta), photons, background)
        top = climb(*around[:2], source, around[2], (xi, eta, height))
        width = 1.0
        if top.strength > (_BRIGHT if self.settings.psf_known else _BRIGHT_ENOUGH):
            within = None if self.settings.psf_known else SUPPOSED_WITHIN
            width = best_width(*around[:2], source, top, supposed_within=within).factor
        begin: Summit | tuple[float, float, float] = top
        if width != 1.0:
            source, begin = source.widened(width), top.place
            around = self._beside_others(others, source, begin[:2], photons, background)
        error = background.scale_error
        fit = refine(*around[:2], source, around[2], begin, level_error=error)
        return Found(fit, source, self._image(source), significance, width)

    def _candidates(
        self, found: Sequence[Found], background: BackgroundFit, texture: Texture
    ) -> list[Candidate]:
        return [self._candidate(one, found, background, texture) for one in found]

    def _candidate(
        self, one: Found, found: Sequence[Found], background: BackgroundFit, texture: Texture
    ) -> Candidate:
        fit = one.fit
        radius = one.source.containment_radius(_INNER)
        rows, columns, distance = self.places.window(fit.xi, fit.eta, radius)
        below = float((background.at(*np.ogrid[rows, columns]) * (distance <= radius)).sum())
        significance = one.significance
        if significance > _CERTAIN:  # the filter is made for weak sources; the fit is for all
            significance = max(significance, float(np.sqrt(max(fit.ts, 0.0))))
        false_alarms = self.trials.false_alarms(significance, area=self.area, texture=texture)
        flags = []
        if self._at_the_edge(fit.xi, fit.eta, radius):
            flags.append("edge")
        others = [np.hypot(fit.xi - o.fit.xi, fit.eta - o.fit.eta) for o in found if o is not one]
        if others and min(others) < _BLEND * radius:
            flags.append("blended")
        known = self.settings.psf_known
        if one.extension > (0 if known else radius / 2) or (known and one.width > WIDE):
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
            one.counts_error,
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
