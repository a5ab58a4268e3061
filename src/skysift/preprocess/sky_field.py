"""How far a field of view reaches, told by its photons.

A background template is one of a wide field. Where the camera ends sooner, the photons stop: beyond
some radius there are far fewer of them than the template expects of the level just inside, so many
fewer that no smooth change of the template follows it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

__all__ = ["FieldProfile"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RING = 0.1  # deg
_BELT = 4  # rings: two belts tell the level
_FIRST = 10  # rings: no level can be told further in
_OCTANTS = 8
_DROP = 0.25  # of the level: a field that has as much beyond each radius reaches as far as its map
_CHANCE = 1e-6  # of so few photons at just that drop, per radius
_SHARE = 0.98  # of the photons that a field holds which ends within the map
_ENOUGH = 16384  # photons, evenly of all there are
_TINY = 1e-12


@dataclass(frozen=True)
class FieldProfile:
    """A template about its pointing, to hold photons against.

    Parameters
    ----------
    expected : array, shape (n_bands, n_rings)
        Counts of the template in rings of 0.1 deg about the pointing, for any exposure.
    """

    expected: FloatArray

    @classmethod
    def of(cls, template: FloatArray, x: FloatArray, y: FloatArray) -> "FieldProfile":
        """Add up a template.

        Parameters
        ----------
        template : array, shape (n_bands, n_y, n_x)
        x, y : array, shape (n_y, n_x) [deg]
            Of the pixels from the pointing.
        """
        ring = _ring(x, y).ravel()
        return cls(np.stack([np.bincount(ring, band.ravel()) for band in template]))

    def reach(self, x: FloatArray, y: FloatArray, band: IntArray) -> float | None:
        """Return the radius [deg] of a field that ends within the map, None if it does not.

        It ends where the photons beyond a radius are too few for a quarter of the level inside.
        That is the lower one of two belts of 0.4 deg, and in each the median of eight octants: a
        source does not raise it, and one further out only adds photons. Both numbers are held
        against each other by the binomial test of two Poisson means (Przyborowski & Wilenski 1940,
        Biometrika 31, 313) at 1e-6. The radius is that within which 98 % of the photons lie.

        Parameters
        ----------
        x, y : array, shape (n,) [deg]
            Of the photons from the pointing.
        band : array, shape (n,)
            Of energy, as in the template.
        """
        n_bands, n_rings = self.expected.shape
        if len(x) == 0 or n_rings <= _FIRST:
            return None
        some = slice(None, None, -(-len(x) // _ENOUGH))
        x, y, band = x[some], y[some], band[some]
        ring = np.minimum(_ring(x, y), n_rings - 1)
        octant = (x > 0) + 2 * (y > 0) + 4 * (np.abs(x) > np.abs(y))
        seen = np.bincount(_OCTANTS * ring + octant, minlength=_OCTANTS * n_rings)
        within = np.zeros((n_rings + 1, _OCTANTS), dtype=np.int64)
        np.cumsum(seen.reshape(n_rings, _OCTANTS), axis=0, out=within[1:])
        total = within.sum(axis=1)
        level = np.bincount(band, minlength=n_bands) / self.expected.sum(axis=1)
        expected = np.concatenate([[0.0], np.cumsum(level @ self.expected)])
        outer = np.arange(_FIRST, n_rings)
        belts = np.stack([outer - 2 * _BELT, outer - _BELT])
        inside = _typical(within[belts + _BELT] - within[belts])
        inside_expected = expected[belts + _BELT] - expected[belts]
        beyond = total[-1] - total[outer]
        beyond_expected = _DROP * (expected[-1] - expected[outer])
        fewer = np.all(beyond * inside_expected < inside * beyond_expected, axis=0)
        if not fewer.any():  # as nearly always, and quicker
            return None
        share = beyond_expected / np.maximum(beyond_expected + inside_expected, _TINY)
        chance = bdtr(beyond, beyond + inside, share).max(axis=0)  # of the belt that is lower
        if np.all(chance > _CHANCE):
            return None
        rings = max(int(np.searchsorted(total, _SHARE * total[-1])), _FIRST)
        return round(rings * _RING, 1)


def _typical(octants: IntArray) -> IntArray:
    """Return eight times the median of octants, shape (..., 8), which a source does not raise."""
    middle = np.sort(octants, axis=-1)[..., _OCTANTS // 2 - 1 : _OCTANTS // 2 + 1]
    return np.asarray(_OCTANTS // 2 * middle.sum(axis=-1))


def _ring(x: FloatArray, y: FloatArray) -> IntArray:
    return (np.sqrt(x**2 + y**2) / _RING).astype(np.int64)
