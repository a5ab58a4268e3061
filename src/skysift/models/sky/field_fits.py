"""Fits of the candidates of a field beside each other, and what is one of them and what is not.

Each candidate is fitted with the others expected where they are, in turn. Near each other, those
that their neighbours explain are dropped, by the likelihood and where no counts are left for them,
and one extended source takes the place of several if it explains them better
(:mod:`skysift.models.sky.extended`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.extended import (
    EXTENSIONS,
    Rival,
    best_pair,
    centre_of,
    groups_within,
    one_instead,
    pieces_gain,
)
from skysift.models.sky.filter import FilterBank
from skysift.models.sky.filtered import SourceImage
from skysift.models.sky.found import (
    MASKED_SIGMAS,
    Found,
    explained_by_neighbours,
    measured_shares,
    places_of,
    standing_for,
    start_of,
)
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.places import Places
from skysift.models.sky.refine import Refined, refine
from skysift.preprocess.folding import PointSourceModel
from skysift.preprocess.sky_background import BackgroundFit, BackgroundModel

__all__ = [
    "MASKED_RADIUS",
    "WIDE",
    "FieldFits",
    "Found",
    "measured_shares",
    "places_of",
    "start_of",
]

FloatArray = NDArray[np.float64]

WIDE = 1.25
"""Width over that of the point spread function from where a source is an extended one."""

MASKED_RADIUS = 0.4
"""Radius [deg] about a source that the background does not see."""

_EXTENDED_RADIUS = 0.8  # the same where a source may be an extended one
_OF_A_POINT = 3  # free parameters
_LINKING = 0.6  # deg: candidates as near as that may be parts of one
_ROUNDS = 3
_SPECTRAL_ROUNDS = 2
_OFFSET_STEP = 0.1  # deg: point spread functions are shared within
_TINY = 1e-12


class FieldFits:
    """Fits on one grid, with one model of the instrument.

    Attributes
    ----------
    grid : TangentGrid
        Pixels of the maps.
    places : Places
        The same.
    source : PointSourceModel
        Rates and point spread functions, by offset.
    background : BackgroundModel
        Template and freedom of the background.
    filter : FilterBank
        What candidates are found with.
    pointing : tuple of float [deg]
        Plane coordinates of the pointing.
    hidden : float [deg]
        Largest radius about a source that is kept from the background.
    """

    grid: TangentGrid
    places: Places
    source: PointSourceModel
    background: BackgroundModel
    filter: FilterBank
    pointing: tuple[float, float]
    hidden: float
    _local: dict[int, LocalSource]
    _images: dict[int, tuple[LocalSource, SourceImage]]

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

    def _background_away_from(
        self,
        places: FloatArray,
        radii: Sequence[float],
        counts: NDArray[np.float32],
        before: BackgroundFit,
    ) -> BackgroundFit:
        """Fit the background again, without what lies near places on the plane [deg]."""
        weight = np.ones(self.grid.shape, dtype=np.float32)
        for (xi, eta), wanted in zip(places, radii, strict=True):
            radius = min(wanted, self.hidden)
            rows, columns, distance = self.places.window(xi, eta, radius)
            weight[rows, columns] *= distance > radius
        if before.state is None:  # a model that begins anew with each fit
            return self.background.fit(counts, weight)
        return self.background.fit(counts, weight, start=before.state)

    def _image(self, source: LocalSource) -> SourceImage:
        """Return what a source sends to the filtered map; sources are made once, so are these."""
        if id(source) not in self._images:
            self._images[id(source)] = (source, SourceImage.of(self.filter, source))
        return self._images[id(source)][1]

    def _settled(
        self,
        found: Sequence[Found],
        counts: NDArray[np.float32],
        photons: Photons,
        background: BackgroundFit,
    ) -> tuple[list[Found], BackgroundFit]:
        """Fit the background beside all candidates, and each of these beside the others."""
        radii = [max(MASKED_RADIUS, MASKED_SIGMAS * one.extension) for one in found]
        background = self._background_away_from(places_of(found), radii, counts, background)
        return self._refitted(found, [], photons, background), background

    def _refitted(
        self,
        found: Sequence[Found],
        others: Sequence[Found],
        photons: Photons,
        background: BackgroundFit,
    ) -> list[Found]:
        """Fit candidates in turn, each beside the rest of them and beside others that stay."""
        settled = list(found)
        for _ in range(_ROUNDS if len(found) > 1 else 1):
            for place, one in enumerate(settled):
                beside = [*settled[:place], *settled[place + 1 :], *others]
                fit = self._fit(beside, one.source, start_of(one.fit), photons, background)
                settled[place] = replace(one, fit=fit)
        return settled

    def _by_own_spectra(
        self, found: Sequence[Found], photons: Photons, background: BackgroundFit
    ) -> list[Found]:
        """Fit candidates again, each beside what was measured of the others in each band.

        A neighbour with a harder spectrum than is supposed would else be expected to send more low
        energies than it does, and what lies beside it would come out too faint there.
        """
        settled = list(found)
        for _ in range(_SPECTRAL_ROUNDS):
            own = list[Found]()
            for first, one in zip(found, settled, strict=True):
                share = measured_shares(first.source.share, one.fit)
                source = replace(one.source, share=share)
                own.append(replace(one, source=source, image=SourceImage.of(self.filter, source)))
            settled = self._refitted(own, [], photons, background)
        return settled

    def _simplified(self, found: Sequence[Found]) -> list[Found]:
        """Give those with near neighbours the point spread function: what was wide may be two."""
        simple = list(found)
        for group in groups_within(places_of(found), _LINKING):
            for i in group:
                if simple[i].width > 1.0:
                    source = self.local_source(self.offset_of(found[i].fit.xi, found[i].fit.eta))
                    image = self._image(source)
                    simple[i] = replace(found[i], source=source, image=image, width=1.0)
        return simple

    def _needed(
        self,
        found: Sequence[Found],
        least: float,
        photons: Photons,
        background: BackgroundFit,
    ) -> list[Found]:
        """Drop candidates that their neighbours explain, the least needed first."""
        needed = list(found)
        for group in groups_within(places_of(found), _LINKING):
            pieces = [found[i] for i in group]
            while len(pieces) > 1:
                near, density = self._around(pieces, needed, photons, background)
                before = _gain(near, density, pieces)
                losses = [before - _gain(near, density, _without(pieces, one)) for one in pieces]
                rest = _without(pieces, pieces[int(np.argmin(losses))])
                others = [one for one in needed if one not in pieces]
                rest = self._refitted(rest, others, photons, background)
                if before - _gain(near, density, rest) > least:
                    break
                pieces, needed = rest, [*others, *rest]
        return needed

    def _with_counts(
        self, found: Sequence[Found], photons: Photons, background: BackgroundFit
    ) -> list[Found]:
        """Drop candidates that have no counts of their own, the weakest first.

        The likelihood may ask for a piece of a source whose shape or spectrum is not as supposed,
        although nothing is left for it beside the other pieces. These are fitted again without it;
        of two in one place, the stronger one stands for both.
        """
        kept = list(found)
        while explained := explained_by_neighbours(kept):
            gone = min(explained, key=lambda one: one.strength)
            rest = [standing_for(gone, one) for one in _without(kept, gone)]
            kept = self._refitted(rest, [], photons, background)
        return kept

    def _merged(
        self,
        found: Sequence[Found],
        counts: NDArray[np.float32],
        photons: Photons,
        background: BackgroundFit,
        *,
        least: float,
        margin: float,
    ) -> list[Found]:
        """Put one extended source in the place of several, or two points in that of a wide one.

        The second of two points has to gain `least` over one alone, and both `margin` over a wide
        one: where the point spread function is only supposed, its own tails look like a second.
        """
        merged = list(found)
        groups = groups_within(places_of(found), _LINKING)
        wide = [[i] for i, one in enumerate(found) if one.width > WIDE]
        for group in (*groups, *wide):
            pieces = [found[i] for i in group]
            # The outskirts of an extended source must not raise the background.
            radii = [_EXTENDED_RADIUS if one in pieces else MASKED_RADIUS for one in found]
            background = self._background_away_from(places_of(found), radii, counts, background)
            near, density = self._around(pieces, merged, photons, background)
            rest = [one for one in merged if one not in pieces]
            parameters = sum(_OF_A_POINT + (one.width != 1.0) for one in pieces)
            rival = Rival(_gain(near, density, pieces), parameters)
            fits = [one.fit for one in pieces]
            xi, eta = centre_of(fits)
            point = self.local_source(self.offset_of(xi, eta))
            told = [sigma for sigma in EXTENSIONS if MASKED_SIGMAS * sigma <= self.hidden]
            best = one_instead(near, density, point.spread, fits, rival, extensions=told)
            if len(pieces) == 1:
                pair = self._pair(pieces[0], rest, photons, background, least)
                merit = Rival(_gain(near, density, pair), _OF_A_POINT * len(pair)).merit - margin
                if merit > max(rival.merit, -np.inf if best is None else best.merit):
                    merged = [*rest, *pair]
                    continue
            if best is None:
                continue
            source = point.spread(best.sigma)
            fit = self._fit(rest, source, (xi, eta, best.counts), photons, background)
            image = SourceImage.of(self.filter, source)
            significance = max(one.significance for one in pieces)
            nebula = Found(fit, source, image, significance, 1.0, best.sigma, best.by_width)
            merged = [*rest, nebula]
        return merged

    def _pair(
        self,
        one: Found,
        rest: Sequence[Found],
        photons: Photons,
        background: BackgroundFit,
        least: float,
    ) -> list[Found]:
        """Return two points in the place of a wide one; one where a second gains too little."""
        near, density = self._around([one], rest, photons, background)
        source = self.local_source(self.offset_of(one.fit.xi, one.fit.eta))
        image = self._image(source)
        single = replace(one, source=source, image=image, width=1.0)
        [single] = self._refitted([single], rest, photons, background)
        pair = list[Found]()
        for start in best_pair(near, density, source, one.fit):
            beside = [*rest, *pair]
            pair.append(replace(single, fit=self._fit(beside, source, start, photons, background)))
        pair = self._refitted(pair, rest, photons, background)
        gained = _gain(near, density, pair) - _gain(near, density, [single])
        if gained < least:
            return [single]
        pair.sort(key=lambda point: -point.fit.counts)
        weaker = min(one.significance, float(np.sqrt(gained)))
        return [pair[0], replace(pair[1], significance=weaker)]

    def _around(
        self,
        pieces: Sequence[Found],
        found: Sequence[Found],
        photons: Photons,
        background: BackgroundFit,
    ) -> tuple[Photons, FloatArray]:
        """Return the photons about some candidates, and the density of all but these at each."""
        xi, eta = centre_of([one.fit for one in pieces])
        others = [one for one in found if one not in pieces]
        wide = self.local_source(self.offset_of(xi, eta)).spread(EXTENSIONS[-1])
        near, density, _ = self._beside_others(others, wide, (xi, eta), photons, background)
        return near, density

    def _fit(
        self,
        others: Sequence[Found],
        source: LocalSource,
        start: tuple[float, float, float],
        photons: Photons,
        background: BackgroundFit,
    ) -> Refined:
        """Fit a source beside others."""
        near, density, level = self._beside_others(others, source, start[:2], photons, background)
        return refine(near, density, source, level, start, level_error=background.scale_error)

    def _beside_others(
        self,
        others: Sequence[Found],
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
        density = background.surface.in_bands(near.band, row, column).astype(np.float64)
        density /= pixel_area
        here = self.places.pixel(np.array([xi]), np.array([eta]))
        level = background.at(*here)[:, 0].astype(np.float64) / pixel_area
        for other in others:
            distance = np.hypot(near.xi - other.fit.xi, near.eta - other.fit.eta)
            shape = other.source.density_at(near.band, distance)
            density = density + max(other.fit.counts, 0.0) * shape
            apart = np.full(len(level), np.hypot(xi - other.fit.xi, eta - other.fit.eta))
            shape = other.source.density_at(np.arange(len(level)), apart)
            level = level + max(other.fit.counts, 0.0) * shape
        return near, np.maximum(density, _TINY), np.maximum(level, _TINY)


def _gain(photons: Photons, background: FloatArray, pieces: Sequence[Found]) -> float:
    return pieces_gain(photons, background, [(one.source, one.fit) for one in pieces])


def _without(found: Sequence[Found], gone: Found) -> list[Found]:
    return [one for one in found if one is not gone]
