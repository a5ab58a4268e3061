"""Centres of sources as the network names them, and a search that starts from them.

The network says where in each block of pixels a centre may be, how likely, and how far off. Blocks
next to each other share the chance of a source near their border: what they say is put together as
the mixture that it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from skysift.models.sky.candidate import Candidate
from skysift.models.sky.field_fits import MASKED_RADIUS, Found, places_of
from skysift.models.sky.filtered import FilteredMap, Peak
from skysift.models.sky.local_source import Photons
from skysift.models.sky.network.background import NetworkFit
from skysift.models.sky.network.runtime import NetworkOutput
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.trials import Texture
from skysift.preprocess.sky_background import BackgroundFit

__all__ = ["CentreSearch", "Centres", "centres"]

FloatArray = NDArray[np.float64]

_LEAST = 0.05  # chance of a centre that is tested
_BLOCKS = 9  # a block and those about it
_REACH = 12  # pixels about a centre whose counts of sources are its
_SURE = 1e-9  # of a chance to 1
_MOST = 20  # centres of a map that are tested
_ASTRAY = float(chi2.isf(1e-3, 2))


@dataclass(frozen=True, slots=True)
class Centres:
    """Centres of sources, the likeliest first.

    Parameters
    ----------
    chance : array, shape (n,)
        That a source has its centre there: the expected number of them in a block and those about
        it, which may come out a little above 1.
    place : array, shape (n, 2)
        Column and row [pixel], or plane coordinates [deg].
    covariance : array, shape (n, 2, 2)
        Of the place [pixel2, or deg2].
    counts : array, shape (n, n_bands)
        Of sources about it, in the bands of the network.
    """

    chance: FloatArray
    place: FloatArray
    covariance: FloatArray
    counts: FloatArray

    def __len__(self) -> int:
        return len(self.chance)

    def distance(self, place: tuple[float, float]) -> FloatArray:
        """Return the squared distance of each from a place in units of its covariance, (n,)."""
        away = np.asarray(place) - self.place
        inverse = np.linalg.inv(self.covariance)
        return np.asarray(np.einsum("ni,nij,nj->n", away, inverse, away))


def centres(output: NetworkOutput, least: float = 0.5) -> Centres:
    """Return the centres that the network itself names, without a likelihood.

    The block of the highest chance takes those about it, and so on with what is left.

    Parameters
    ----------
    output : NetworkOutput
        Of a map.
    least : float
        Smallest chance of a centre in a block and those about it.

    Returns
    -------
    Centres
        In pixels.
    """
    left = 1.0 / (1.0 + np.exp(-output.centre_log_odds.astype(np.float64)))
    found = []
    while left.max() > least / _BLOCKS:  # no block of a square can hold more than the highest
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        about = np.s_[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        if left[about].sum() >= least:
            found.append(_mixture(output, left[about], about))
        left[about] = 0.0
    if not found:
        none = np.empty(0)
        return Centres(
            none, none.reshape(0, 2), none.reshape(0, 2, 2), np.empty((0, len(output.source)))
        )
    found.sort(key=lambda one: -one[0])
    chance, place, covariance, counts = (np.array(part) for part in zip(*found, strict=True))
    return Centres(chance, place, covariance, counts)


def _mixture(
    output: NetworkOutput, chance: FloatArray, about: tuple[slice, slice]
) -> tuple[float, FloatArray, FloatArray, FloatArray]:
    """Return chance, mean, covariance and counts of a centre in one of some blocks."""
    odds = (chance / np.maximum(1.0 - chance, _SURE)).ravel()
    weight = odds / odds.sum()
    place = np.stack([output.column[about], output.row[about]], axis=-1).reshape(-1, 2)
    covariance = output.covariance[about].astype(np.float64).reshape(-1, 4)
    mean = weight @ place.astype(np.float64)
    away = place - mean
    spread = (weight[:, None] * away).T @ away
    column, row = (int(value) for value in np.floor(mean + 0.5))
    window = output.source[
        :,
        max(row - _REACH, 0) : max(row + _REACH + 1, 0),
        max(column - _REACH, 0) : max(column + _REACH + 1, 0),
    ]
    counts = window.sum(axis=(1, 2), dtype=np.float64)
    return float(chance.sum()), mean, (weight @ covariance).reshape(2, 2) + spread, counts


class CentreSearch(NetworkSearch):
    """A search that tests the centres which the network names, and looks nowhere else.

    Each centre is where a likelihood fit begins, beside those found before; the weights of the
    photons at the fitted place say how significant it is, and the errors are those of the fit: the
    network has seen the same photons, so that its own error is nothing to add. It is compared: a
    fit that left the region which the network stated (99.9 %) is flagged. Where nothing is to be
    fitted, the centre and its covariance are the answer.

    Its false alarms are fewer than those of a search of all pixels: `SkySearch.trials` of the
    classical search are to be those of this one.
    """

    def named(self, background: NetworkFit) -> Centres:
        """Return the centres in the searched region, the likeliest first, on the plane [deg].

        Parameters
        ----------
        background : NetworkFit
            Of the map.
        """
        found = centres(background.output, _LEAST)
        xi, eta = self.grid.pixel_to_plane(*found.place.T)
        chosen = np.flatnonzero(self.searched[self.places.pixel(xi, eta)])[:_MOST]
        side = self.grid.pixel_size * np.array([-1.0, 1.0])  # columns run to the west
        return Centres(
            found.chance[chosen],
            np.stack([xi, eta], axis=-1)[chosen],
            found.covariance[chosen] * np.outer(side, side),
            found.counts[chosen],
        )

    def highest(self, counts: NDArray[np.float32]) -> float:
        """Return the significance of the most significant centre of a map, for calibration."""
        background = self.background.fit(counts)
        seen = self._filtered(self.filter(counts), background)
        photons = self.places.photons_of(counts)
        tested = self._tested(self.named(background), seen, photons, background)
        return max((one.significance for one in tested), default=-np.inf)

    def _first_look(
        self,
        first: FilteredMap,
        level: float,
        counts: NDArray[np.float32],
        photons: Photons | None,
        background: Any,
    ) -> tuple[list[Found], BackgroundFit]:
        named = self.named(background)
        alone = self._tested(named, first, photons, background)
        before = np.array([one.significance for one in alone])
        bright = [one for one in alone if one.significance >= level]
        if not bright:
            return [], background
        radii = [MASKED_RADIUS] * len(bright)
        background = self._background_away_from(places_of(bright), radii, counts, background)
        seen, found = first.beside(background.surface), list[Found]()
        for number in np.argsort(-before, kind="stable").tolist():
            one = self._at(named, number, seen, found, photons=photons, background=background)
            if not found:
                one = replace(one, significance=max(one.significance, float(before[number])))
            if one.significance >= level and self._apart(one, found):
                found.append(one)
        return found[: self.settings.most], background

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
        """Return what was found: nothing is looked for beside the centres."""
        del seen, level, peak, photons, background
        return found

    def _tested(
        self,
        named: Centres,
        seen: FilteredMap,
        photons: Photons | None,
        background: BackgroundFit,
    ) -> list[Found]:
        """Return what lies at each centre, as if it were alone."""
        return [
            self._at(named, number, seen, [], photons=photons, background=background)
            for number in range(len(named))
        ]

    def _at(
        self,
        named: Centres,
        number: int,
        seen: FilteredMap,
        others: Sequence[Found],
        *,
        photons: Photons | None,
        background: BackgroundFit,
    ) -> Found:
        """Return what lies at a centre, and how significant it is where the fit leads."""
        xi, eta = named.place[number].tolist()
        start = (xi, eta, max(float(named.counts[number].sum()), 1.0))
        one = self._found_from(start, -np.inf, others, photons=photons, background=background)
        if photons is None:
            one = replace(one, fit=replace(one.fit, covariance=named.covariance[number]))
        row, column = self.places.pixel(np.array([one.fit.xi]), np.array([one.fit.eta]))
        if not self.searched[row[0], column[0]]:
            return one
        known = [other.shining(self.settings.mismatch) for other in others]
        judged = seen.at(int(row[0]), int(column[0]), known)
        return replace(one, significance=judged.significance)

    def _apart(self, one: Found, found: Sequence[Found]) -> bool:
        away = [np.hypot(one.fit.xi - o.fit.xi, one.fit.eta - o.fit.eta) for o in found]
        return min(away, default=np.inf) > self.settings.separation

    def _candidates(
        self, found: Sequence[Found], background: Any, texture: Texture
    ) -> list[Candidate]:
        candidates = super()._candidates(found, background, texture)
        if not candidates:
            return []
        named = self.named(background)
        return [
            replace(candidate, flags=(*candidate.flags, "off-centre"))
            if one.extension == 0 and named.distance((candidate.xi, candidate.eta)).min() > _ASTRAY
            else candidate
            for one, candidate in zip(found, candidates, strict=True)
        ]
