"""Expected counts on a map, evaluated where they are asked for.

A search asks for them at a few places. Where on the map it has to look is told by the least counts
expected in each block of pixels, for which no pixel has to be evaluated.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blocks", "MapSurface", "Surface", "Template", "TemplateSurface"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

_IN_CACHE = 16384  # pixels that are evaluated at a time
_SIDE = 5
_GATHERED = 12  # pixels in a row for the price of one alone


@dataclass(frozen=True)
class Blocks:
    """Squares of pixels; those at the upper edges of a map may be smaller.

    Parameters
    ----------
    shape : tuple of int
        Pixels of the map in y and x.
    side : int
        Pixels of a square in either direction.

    Examples
    --------
    >>> Blocks((2, 3), 2).highest(np.array([[1, 5, 2], [3, 4, 0]], dtype=np.float32)).tolist()
    [5.0, 2.0]
    """

    shape: tuple[int, int]
    side: int = _SIDE

    def highest(self, values: Floats) -> Floats:
        """Return the highest value of each block, shape (..., n_blocks), of (..., n_y, n_x)."""
        return self._reduced(np.maximum, values)

    def lowest(self, values: Floats) -> Floats:
        """Return the lowest value of each block, shape (..., n_blocks), of (..., n_y, n_x)."""
        return self._reduced(np.minimum, values)

    def members(self, chosen: NDArray[np.bool_]) -> Indices:
        """Return the flat pixels of each block that are chosen, -1 beyond the last.

        Parameters
        ----------
        chosen : array of bool, shape (n_y, n_x)

        Returns
        -------
        array, shape (n_blocks, side^2)
        """
        row, column = np.divmod(np.flatnonzero(chosen), self.shape[1])
        wide = -(-self.shape[1] // self.side)
        block = row // self.side * wide + column // self.side
        place = row % self.side * self.side + column % self.side
        table = np.full((-(-self.shape[0] // self.side) * wide, self.side**2), -1)
        table[block, place] = row * self.shape[1] + column
        return table

    def _reduced(self, of: np.ufunc, values: Floats) -> Floats:
        for axis in (-2, -1):
            values = _reduced(of, values, self.side, axis)
        return values.reshape(*values.shape[:-2], -1)


def _reduced(of: np.ufunc, values: Floats, side: int, axis: int) -> Floats:
    """Reduce each run of some values along an axis; the last may be shorter."""
    values = np.moveaxis(values, axis, 0)
    reduced = values[::side].copy()
    for place in range(1, min(side, len(values))):  # whole rows at a time, unlike `reduceat`
        part = values[place::side]
        of(reduced[: len(part)], part, out=reduced[: len(part)])
    return np.moveaxis(reduced, 0, axis)


class Surface(Protocol):
    """Expected counts per pixel, in bands."""

    @property
    def counts(self) -> Floats:
        """Those of all pixels, shape (n_bands, n_y, n_x)."""
        ...

    def at(self, rows: Indices, columns: Indices) -> Floats:
        """Return those of some pixels, shape (n_bands, ...), of indices of shapes that fit."""
        ...

    def in_bands(self, bands: Indices, rows: Indices, columns: Indices) -> Floats:
        """Return those of some pixels, each in one band; all of shape (n,)."""
        ...

    def lowest(self, blocks: Blocks) -> Floats:
        """Return a lower bound of those in each block, shape (n_bands, n_blocks).

        Pixels in which nothing is expected in any band do not count.
        """
        ...


@dataclass(frozen=True)
class MapSurface:
    """Expected counts that are known everywhere.

    Parameters
    ----------
    counts : array of float32, shape (n_bands, n_y, n_x)
    """

    counts: Floats

    def at(self, rows: Indices, columns: Indices) -> Floats:
        """Return those of some pixels; see `Surface`."""
        return np.asarray(self.counts[:, rows, columns])

    def in_bands(self, bands: Indices, rows: Indices, columns: Indices) -> Floats:
        """Return those of some pixels in one band each; see `Surface`."""
        return np.asarray(self.counts[bands, rows, columns])

    def lowest(self, blocks: Blocks) -> Floats:
        """Return the least in each block; see `Surface`."""
        return _lowest_seen(self.counts, blocks)


@dataclass(frozen=True)
class Template:
    """Counts whose logarithm is changed by a sum of terms, times a coefficient in each band.

    Parameters
    ----------
    counts : array of float32, shape (n_bands, n_y, n_x)
        Without the terms.
    terms : array of float32, shape (n_terms, n_y, n_x)
        Their values.
    """

    counts: Floats
    terms: Floats

    @cached_property
    def flat(self) -> tuple[Floats, Floats]:
        """Counts and terms, shapes (n_bands, n_y * n_x) and (n_terms, n_y * n_x)."""
        return self.counts.reshape(len(self.counts), -1), self.terms.reshape(len(self.terms), -1)

    @cached_property
    def by_pixel(self) -> tuple[Floats, Floats]:
        """The same with what belongs to a pixel side by side, for the sake of the cache."""
        counts, terms = self.flat
        table = np.ascontiguousarray(np.concatenate([counts, terms]).T)
        return table[:, : len(counts)], table[:, len(counts) :]

    @cached_property
    def _bounds(self) -> dict[Blocks, tuple[Floats, Floats]]:
        return {}

    def bounds(self, blocks: Blocks) -> tuple[Floats, Floats]:
        """Return the lowest counts in each block, and the lowest and the highest of the terms.

        Returns
        -------
        counts : array, shape (n_bands, n_blocks)
        terms : array, shape (2 * n_terms, n_blocks)
        """
        if blocks not in self._bounds:
            terms = np.concatenate([blocks.lowest(self.terms), blocks.highest(self.terms)])
            self._bounds[blocks] = _lowest_seen(self.counts, blocks), terms
        return self._bounds[blocks]


class TemplateSurface:
    """A template with coefficients.

    Parameters
    ----------
    template : Template
        What is changed.
    coefficients : array, shape (n_bands, n_terms)
        Of the terms.
    """

    def __init__(self, template: Template, coefficients: NDArray[np.floating]) -> None:
        self.template = template
        self.coefficients = coefficients.astype(np.float32)
        self._asked = 0

    @cached_property
    def counts(self) -> Floats:
        """Counts of all pixels; see `Surface`."""
        template, terms = self.template.flat
        counts = np.empty_like(template)
        for first in range(0, counts.shape[1], _IN_CACHE):
            some = slice(first, first + _IN_CACHE)
            part = np.matmul(self.coefficients, terms[:, some], out=counts[:, some])
            np.exp(part, out=part)
            part *= template[:, some]
        return counts.reshape(self.template.counts.shape)

    def at(self, rows: Indices, columns: Indices) -> Floats:
        """Return the counts of some pixels; see `Surface`."""
        pixel = rows * self.template.counts.shape[2] + columns
        if self._is_whole_worthwhile(pixel.size):
            return np.asarray(self.counts[:, rows, columns])
        template, terms = self.template.by_pixel
        values = self.coefficients @ terms[pixel.ravel()].T
        np.exp(values, out=values)
        values *= template[pixel.ravel()].T
        return np.asarray(values.reshape(len(values), *pixel.shape))

    def in_bands(self, bands: Indices, rows: Indices, columns: Indices) -> Floats:
        """Return the counts of some pixels in one band each; see `Surface`."""
        if self._is_whole_worthwhile(rows.size):
            return np.asarray(self.counts[bands, rows, columns])
        template, terms = self.template.by_pixel
        pixel = rows * self.template.counts.shape[2] + columns
        exponent = (self.coefficients[bands] * terms[pixel]).sum(axis=1)
        return np.asarray(np.exp(exponent) * template[pixel, bands])

    def lowest(self, blocks: Blocks) -> Floats:
        """Return a lower bound of the counts in each block; see `Surface`.

        A term is at its lowest where its coefficient is positive, at its highest where negative.
        """
        template, terms = self.template.bounds(blocks)
        both = np.concatenate(
            [np.maximum(self.coefficients, 0), np.minimum(self.coefficients, 0)], axis=1
        )
        values = both @ terms
        np.exp(values, out=values)
        values *= template
        return np.asarray(values)

    def _is_whole_worthwhile(self, n_pixels: int) -> bool:
        """Return whether so much has been asked for that the whole map would have been cheaper.

        A pixel of many is gathered from memory at the price of several in a row.
        """
        self._asked += n_pixels
        return bool(_GATHERED * self._asked > self.template.flat[0].shape[1])


def _lowest_seen(counts: Floats, blocks: Blocks) -> Floats:
    """Return the lowest counts in each block, but for pixels with nothing in any band."""
    seen = counts.sum(axis=0) > 0
    lowest = blocks.lowest(np.where(seen, counts, np.float32(np.inf)))
    return np.asarray(np.where(np.isfinite(lowest), lowest, 0), dtype=np.float32)
