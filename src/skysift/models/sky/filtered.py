"""A filtered map, what is expected of it, and its most significant place."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.filter import FilterBank
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.places import Places

__all__ = ["FilteredMap", "Peak", "Shining", "SourceImage"]

FloatArray = NDArray[np.float64]

NOWHERE = np.float32(-100.0)
"""Ratio of signal to noise where nothing is looked for."""

_PIXELS_JUDGED = 192  # those with the highest ratio of signal to noise get the exact significance
_WORTH_JUDGING = 2.0  # ratio of signal to noise
_PRECISION = 0.01  # of the significance
_SMALL = np.float32(1e-12)
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Peak:
    """The most significant pixel of a map.

    Parameters
    ----------
    row, column : int
        Of the pixel.
    significance : float
        r*, in standard deviations.
    excess : float
        Sum of the weights above what is expected there.
    """

    row: int
    column: int
    significance: float
    excess: float


@dataclass(frozen=True)
class SourceImage:
    """What a source sends to the filtered map, by the distance [pixel] of a place from it.

    It is made when it is asked for: the last source of a field often is not.

    Parameters
    ----------
    bank : FilterBank
        The filter.
    source : LocalSource
        What shines.
    """

    bank: FilterBank
    source: LocalSource

    @classmethod
    def of(cls, bank: FilterBank, source: LocalSource) -> "SourceImage":
        """Return the image of a source; the convolution with the kernels is put off."""
        return cls(bank, source)

    @cached_property
    def _weights(self) -> FloatArray:
        return self.bank.overlap(self.source)

    @cached_property
    def mean(self) -> FloatArray:
        """Mean of the sum of the weights per count of the source, at 0, 1, 2... pixels."""
        return np.asarray(self._weights.sum(axis=0))

    @cached_property
    def counts(self) -> FloatArray:
        """Background per pixel that would weigh as much, shape (n_bands, k)."""
        return np.asarray(self._weights / np.maximum(self.bank.sums[:, None], _TINY))

    @cached_property
    def variance(self) -> FloatArray:
        """Variance of the sum of the weights per count, shape (k,)."""
        return np.asarray(self.bank.squares @ self.counts)

    @property
    def reach(self) -> int:
        """Largest distance [pixel]."""
        return len(self.mean) - 1

    def at(self, distance: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return mean and variance at distances [pixel], shape (2, ...); 0 beyond the reach."""
        table = np.zeros((2, self.reach + 2), dtype=np.float32)
        table[0, :-1], table[1, :-1] = self.mean, self.variance
        place = np.minimum(distance.astype(np.float32), self.reach + 0.999)
        low = place.astype(np.intp)
        part = place - low
        return np.asarray(table[:, low] * (1 - part) + table[:, low + 1] * part)


@dataclass(frozen=True)
class Shining:
    """A known source: where it is, its counts and its image."""

    xi: float
    eta: float
    counts: float
    image: SourceImage


class FilteredMap:
    """Sums of weights beside what is expected of them.

    Parameters
    ----------
    bank : FilterBank
        The filter.
    places : Places
        Pixels.
    searched : array of bool, shape (n_y, n_x)
        Where sources are looked for.
    sums : array of float32, shape (n_y, n_x)
        The filtered counts.
    background : array of float32, shape (n_bands, n_y, n_x)
        Expected counts per pixel.
    """

    def __init__(
        self,
        bank: FilterBank,
        places: Places,
        searched: NDArray[np.bool_],
        sums: NDArray[np.float32],
        background: NDArray[np.float32],
    ) -> None:
        self.bank, self.places, self.searched = bank, places, searched
        self.sums, self.background = sums, background
        weights = np.stack([bank.sums, bank.squares]).astype(np.float32)
        flat = weights @ background.reshape(len(background), -1)
        self.mean, self.variance = flat.reshape(2, *sums.shape)
        self.ratio = _ratio(sums, self.mean, self.variance, searched)

    def peak(
        self,
        known: Sequence[Shining] = (),
        separation: float = 0.0,
        least: float = 0.0,
    ) -> Peak | None:
        """Return the most significant pixel beside known sources, None where nothing stands out.

        Parameters
        ----------
        known : sequence of Shining
            Part of what is expected.
        separation : float [deg]
            About each of them nothing is looked for.
        least : float
            Significance that a peak must have to be of use. As the sum of positive weights is
            skew, a significance is not above the ratio of signal to noise: pixels where this is
            lower are not judged.
        """
        worth = max(least - _PRECISION, _WORTH_JUDGING)
        # A known source lowers the ratio wherever it shines: what is low without it stays so.
        row, column = np.divmod(np.flatnonzero(self.ratio.ravel() > worth), self.ratio.shape[1])
        ratio = self._beside(row, column, known, separation) if known else self.ratio[row, column]
        best = np.flatnonzero(ratio > worth)
        if len(best) == 0:
            return None
        if len(best) > _PIXELS_JUDGED:
            best = best[np.argpartition(ratio[best], -_PIXELS_JUDGED)[-_PIXELS_JUDGED:]]
        row, column = row[best], column[best]
        value = self.sums[row, column].astype(np.float64)
        expected = self._expected(row, column, known)
        star = self.bank.cumulants.significance(value, expected)
        top = int(np.argmax(star))
        excess = float(value[top] - expected[top] @ self.bank.sums)
        return Peak(int(row[top]), int(column[top]), float(star[top]), excess)

    def at(self, row: int, column: int) -> Peak:
        """Return what one pixel says."""
        value = np.array([self.sums[row, column]], dtype=np.float64)
        expected = self._expected(np.array([row]), np.array([column]), ())
        star = self.bank.cumulants.significance(value, expected)
        return Peak(row, column, float(star[0]), float(value[0] - expected[0] @ self.bank.sums))

    def summit(self, peak: Peak) -> tuple[float, float]:
        """Return the plane position [deg] of the top of a parabola through a peak's neighbours."""
        x, y = (
            middle + _vertex(values)
            for middle, values in (
                (peak.column, self.ratio[peak.row, peak.column - 1 : peak.column + 2]),
                (peak.row, self.ratio[peak.row - 1 : peak.row + 2, peak.column]),
            )
        )
        xi, eta = self.places.grid.pixel_to_plane(x, y)
        return float(xi), float(eta)

    def _beside(
        self,
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        known: Sequence[Shining],
        separation: float,
    ) -> NDArray[np.float32]:
        """Return the ratio of signal to noise at some pixels, with known sources expected."""
        ratio = self.ratio[row, column]
        xi, eta = self.places.axes
        distances = [np.hypot(xi[column] - one.xi, eta[row] - one.eta) for one in known]
        near = np.any([distance <= separation for distance in distances], axis=0)
        ratio[near] = NOWHERE
        if near.all():
            return ratio
        mean, variance = self.mean[row, column], self.variance[row, column]
        for one, distance in zip(known, distances, strict=True):
            sent = one.counts * one.image.at(distance / self.places.grid.pixel_size)
            mean += sent[0]
            variance += sent[1]
        beside = (self.sums[row, column] - mean) / np.sqrt(np.maximum(variance, _SMALL))
        return np.where(near, NOWHERE, beside)

    def _expected(
        self, row: NDArray[np.int64], column: NDArray[np.int64], known: Sequence[Shining]
    ) -> FloatArray:
        """Return the counts per pixel expected at some pixels, shape (n, n_bands)."""
        expected = self.background[:, row, column].T.astype(np.float64)
        xi, eta = self.places.axes
        for one in known:
            away = np.hypot(xi[column] - one.xi, eta[row] - one.eta) / self.places.grid.pixel_size
            inside = away <= one.image.reach
            low = np.minimum(away.astype(np.int64), one.image.reach - 1)
            part = away - low
            table = one.image.counts
            sent = table[:, low] * (1 - part) + table[:, low + 1] * part
            expected += one.counts * (sent * inside).T
        return expected


def _vertex(values: NDArray[np.float32]) -> float:
    """Return where the parabola through three values is highest, 0 being the middle one."""
    if len(values) < 3 or values.min() == NOWHERE:  # noqa: PLR2004 the border of what is searched
        return 0.0
    left, middle, right = (float(value) for value in values)
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _ratio(
    sums: NDArray[np.float32],
    mean: NDArray[np.float32],
    variance: NDArray[np.float32],
    searched: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return excess over noise, `NOWHERE` where nothing is looked for."""
    noise = np.maximum(variance, _SMALL)
    np.sqrt(noise, out=noise)
    ratio = sums - mean
    ratio /= noise
    return np.where(searched, ratio, NOWHERE)
