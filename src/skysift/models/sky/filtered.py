"""A filtered map, what is expected of it, and its most significant place."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.filter import FilterBank
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.places import Places
from skysift.preprocess.sky_surface import Blocks, Surface

__all__ = ["FilteredMap", "Peak", "RatioMap", "Region", "Shining", "SourceImage"]

FloatArray = NDArray[np.float64]

NOWHERE = np.float32(-100.0)
"""Ratio of signal to noise where nothing is looked for."""

_PIXELS_JUDGED = 192  # those with the highest ratio of signal to noise get the exact significance
_WORTH_JUDGING = 2.0  # ratio of signal to noise
_RIGHT, _UP = np.array([[-1, 0, 1, 0, 0], [0, 0, 0, -1, 1]])
_PRECISION = 0.01  # of the significance
_ROUNDING = 1e-3  # of the ratio, in single precision
_ANYWHERE = -1.0  # deg from a known source: also in its midst
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

    @property
    def reach(self) -> int:
        """Largest distance [pixel]."""
        return len(self.mean) - 1

    def at(self, distance: FloatArray) -> FloatArray:
        """Return the background that would weigh as much at distances [pixel], per count.

        Parameters
        ----------
        distance : array, shape (n,)

        Returns
        -------
        array, shape (n_bands, n)
            Counts per pixel; 0 beyond the reach.
        """
        low = np.minimum(distance.astype(np.int64), self.reach - 1)
        part = distance - low
        sent = self.counts[:, low] * (1 - part) + self.counts[:, low + 1] * part
        return np.asarray(sent * (distance <= self.reach))


@dataclass(frozen=True)
class Shining:
    """A known source: where it is, its counts and its image."""

    xi: float
    eta: float
    counts: float
    image: SourceImage


@dataclass(frozen=True)
class RatioMap:
    """A map of signal to noise as it is, from methods that know no more."""

    ratio: NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """Where sources are looked for.

    Parameters
    ----------
    pixels : array of bool, shape (n_y, n_x)
    """

    pixels: NDArray[np.bool_]

    @cached_property
    def blocks(self) -> Blocks:
        """Squares of pixels."""
        return Blocks(self.pixels.shape)

    @cached_property
    def members(self) -> NDArray[np.int64]:
        """The searched pixels of each block, -1 beyond the last, shape (n_blocks, n)."""
        return self.blocks.members(self.pixels)

    @cached_property
    def floor(self) -> NDArray[np.float32]:
        """What brings pixels that are not searched below any other when it is added."""
        return np.where(self.pixels, np.float32(0), np.float32(-np.inf))


class _Pixels(NamedTuple):
    """Some pixels, what is expected there and what is seen."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    background: FloatArray  # (n_bands, n)
    mean: FloatArray
    variance: FloatArray
    ratio: FloatArray

    def chosen(self, which: NDArray[np.int64]) -> "_Pixels":
        return _Pixels(
            self.row[which],
            self.column[which],
            self.background[:, which],
            self.mean[which],
            self.variance[which],
            self.ratio[which],
        )


class FilteredMap:
    """Sums of weights beside what is expected of them.

    Parameters
    ----------
    bank : FilterBank
        The filter.
    places : Places
        Pixels.
    region : Region
        Where sources are looked for.
    sums : array of float32, shape (n_y, n_x)
        The filtered counts.
    background : Surface
        Expected counts per pixel; it is evaluated where a peak may be.
    """

    def __init__(
        self,
        bank: FilterBank,
        places: Places,
        region: Region,
        sums: NDArray[np.float32],
        background: Surface,
    ) -> None:
        self.bank, self.places, self.region = bank, places, region
        self.sums, self.background = sums, background
        self._weights = np.stack([bank.sums, bank.squares])
        self._single = self._weights.astype(np.float32)
        self._above: tuple[float, _Pixels] | None = None

    def beside(self, background: Surface) -> "FilteredMap":
        """Return the same sums with something else expected."""
        other = FilteredMap(self.bank, self.places, self.region, self.sums, background)
        vars(other)["_highest_sums"] = self._highest_sums
        return other

    @cached_property
    def _highest_sums(self) -> NDArray[np.float32]:
        """Of the searched pixels of each block."""
        return self.region.blocks.highest(self.sums + self.region.floor)

    @cached_property
    def ratio(self) -> NDArray[np.float32]:
        """Signal to noise of every pixel, `NOWHERE` where nothing is looked for."""
        flat = self.background.counts.reshape(len(self.bank.sums), -1)
        mean, variance = (self._single @ flat).reshape(2, *self.sums.shape)
        ratio = (self.sums - mean) / np.sqrt(np.maximum(variance, _SMALL))
        return np.where(self.region.pixels, ratio, NOWHERE)

    def above(self, least: float) -> _Pixels:
        """Return the searched pixels with a higher ratio of signal to noise, as a grid has them.

        A block cannot hold one if its highest sum is not that far above its lowest expectation:
        the bound rises with mean and variance.
        """
        if self._above is not None and self._above[0] == least:
            return self._above[1]
        mean, variance = self._single @ self.background.lowest(self.region.blocks)
        bound = mean + (least - _ROUNDING) * np.sqrt(np.maximum(variance, _SMALL))
        members = self.region.members[np.flatnonzero(self._highest_sums > bound)].ravel()
        pixels = self._pixels(*np.divmod(members[members >= 0], self.sums.shape[1]))
        self._above = least, pixels.chosen(np.flatnonzero(pixels.ratio > least))
        return self._above[1]

    def _pixels(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> _Pixels:
        background = self.background.at(row, column).astype(np.float64)
        mean, variance = self._weights @ background
        ratio = (self.sums[row, column] - mean) / np.sqrt(np.maximum(variance, _SMALL))
        return _Pixels(row, column, background, mean, variance, ratio)

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
        pixels = self.above(worth)
        if known:
            pixels = self._beside(pixels, known, separation)
            pixels = pixels.chosen(np.flatnonzero(pixels.ratio > worth))
        if len(pixels.row) == 0:
            return None
        if len(pixels.row) > _PIXELS_JUDGED:
            best = np.argpartition(pixels.ratio, -_PIXELS_JUDGED)[-_PIXELS_JUDGED:]
            pixels = pixels.chosen(best)
        return self._highest(pixels)

    def _highest(self, pixels: _Pixels) -> Peak:
        value = self.sums[pixels.row, pixels.column].astype(np.float64)
        star = self.bank.cumulants.significance(value, pixels.background.T)
        # Where no photon is expected and none is seen the approximation says anything.
        dull = pixels.ratio < _WORTH_JUDGING
        star[dull] = np.minimum(star[dull], pixels.ratio[dull])
        top = int(np.argmax(star))
        row, column = int(pixels.row[top]), int(pixels.column[top])
        return Peak(row, column, float(star[top]), float(value[top] - pixels.mean[top]))

    def at(self, row: int, column: int, known: Sequence[Shining] = ()) -> Peak:
        """Return what one pixel says, beside known sources."""
        pixels = self._pixels(np.array([row]), np.array([column]))
        return self._highest(self._beside(pixels, known, _ANYWHERE) if known else pixels)

    def summit(self, peak: Peak) -> tuple[float, float]:
        """Return the plane position [deg] of the top of a parabola through a peak's neighbours."""
        high, wide = self.sums.shape
        row, column = peak.row + _UP, peak.column + _RIGHT
        inside = (row >= 0) & (row < high) & (column >= 0) & (column < wide)
        row, column = np.where(inside, row, peak.row), np.where(inside, column, peak.column)
        inside &= self.region.pixels[row, column]
        ratio = np.where(inside, self._pixels(row, column).ratio, NOWHERE)
        x, y = peak.column + _vertex(ratio[:3]), peak.row + _vertex(ratio[[3, 1, 4]])
        xi, eta = self.places.grid.pixel_to_plane(x, y)
        return float(xi), float(eta)

    def _beside(self, pixels: _Pixels, known: Sequence[Shining], separation: float) -> _Pixels:
        """Return the pixels away from known sources, with what these send there expected."""
        xi, eta = self.places.axes
        x, y = xi[pixels.column], eta[pixels.row]
        apart = np.ones(len(x), dtype=np.bool_)
        for one in known:
            apart &= np.hypot(x - one.xi, y - one.eta) > separation
        pixels = pixels.chosen(np.flatnonzero(apart))
        if len(pixels.row) == 0:
            return pixels
        x, y = x[apart], y[apart]
        background = pixels.background
        for one in known:
            away = np.hypot(x - one.xi, y - one.eta) / self.places.grid.pixel_size
            background = background + one.counts * one.image.at(away)
        mean, variance = self._weights @ background
        value = self.sums[pixels.row, pixels.column]
        ratio = (value - mean) / np.sqrt(np.maximum(variance, _SMALL))
        return _Pixels(pixels.row, pixels.column, background, mean, variance, ratio)


def _vertex(values: FloatArray) -> float:
    """Return where the parabola through three values is highest, 0 being the middle one."""
    if values.min() == NOWHERE:  # the border of what is searched
        return 0.0
    left, middle, right = (float(value) for value in values)
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
