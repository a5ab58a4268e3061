"""Chance of a sum of weights of Poisson counts, in the tail where a normal approximation fails.

A filter gives each photon a weight and adds them up. Without a source the sum has the cumulant
generating function K(t) = sum_i b_i (exp(t w_i) - 1), b_i being the expected counts of cell i. Its
tail follows from the saddlepoint t with K'(t) = q (Daniels 1954, Ann. Math. Stat. 25, 631) through
the statistic r* = r + ln(u / r) / r of Barndorff-Nielsen (1986, Biometrika 73, 307), which is
standard normal to third order. r* is therefore a significance whatever the background level,
down to less than one count under the point spread function.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["CumulantTable"]

FloatArray = NDArray[np.float64]

_SMALLEST_WEIGHT = 1e-4  # of the largest: lighter cells add nothing but work
_STEPS = 160
_ZERO = 0.02  # r* is interpolated across the middle, where it is 0 / 0


@dataclass(frozen=True)
class CumulantTable:
    """Cumulant generating functions of the bands of a filter, per count of background in a pixel.

    Parameters
    ----------
    tilt : array, shape (n_t,)
        Grid of t.
    order_0, order_1, order_2 : array, shape (n_bands, n_t)
        K and its first and second derivatives for a background of one count per pixel.
    """

    tilt: FloatArray
    order_0: FloatArray
    order_1: FloatArray
    order_2: FloatArray

    @classmethod
    def of(cls, kernels: NDArray[np.floating]) -> "CumulantTable":
        """Tabulate the kernels of a filter.

        Parameters
        ----------
        kernels : array, shape (n_bands, k_y, k_x)
            Weight that a photon has at each place about a source.
        """
        largest = float(np.max(kernels))
        tilt = np.concatenate(
            [
                -np.geomspace(_ZERO, 4.0, _STEPS // 4)[::-1],
                np.geomspace(_ZERO, 12.0, 3 * _STEPS // 4),
            ]
        ) / max(largest, 1e-300)
        orders = np.zeros((3, len(kernels), len(tilt)))
        for band, kernel in enumerate(kernels):
            weight = kernel[kernel > _SMALLEST_WEIGHT * largest].astype(np.float64)
            power = np.exp(tilt[:, None] * weight)
            orders[0, band] = (power - 1).sum(axis=1)
            orders[1, band] = power @ weight
            orders[2, band] = power @ weight**2
        return cls(tilt, *orders)

    def significance(self, value: FloatArray, background: FloatArray) -> FloatArray:
        """Return r*, the significance of sums of weights.

        Parameters
        ----------
        value : array, shape (n,)
            The sums q.
        background : array, shape (n, n_bands)
            Expected counts per pixel at the place of each, > 0 in a band at least.

        Returns
        -------
        array, shape (n,)
            In standard deviations; negative for a deficit. Beyond the table it is extended
            linearly.
        """
        value = np.asarray(value, dtype=np.float64)
        below = np.count_nonzero(background @ self.order_1 < value[:, None], axis=1)
        upper = np.clip(below, 1, len(self.tilt) - 1)
        bracket = np.stack([upper - 1, upper])
        by_band = self._orders[:, :, bracket]
        by_band *= background.T[:, None]
        k_0, k_1, k_2 = by_band.sum(axis=1)
        star = _star(self.tilt[bracket], k_0, k_1, k_2)
        part = (value - k_1[0]) / (k_1[1] - k_1[0])
        return np.asarray((1 - part) * star[0] + part * star[1])

    @cached_property
    def _orders(self) -> FloatArray:
        """All three, shape (3, n_bands, n_t)."""
        return np.stack([self.order_0, self.order_1, self.order_2])


def _star(tilt: FloatArray, k_0: FloatArray, k_1: FloatArray, k_2: FloatArray) -> FloatArray:
    """Return r* where K'(t) is the value, for K and its derivatives at t."""
    root = np.sign(tilt) * np.sqrt(np.maximum(2 * (tilt * k_1 - k_0), 0.0))
    return np.asarray(root + np.log(tilt * np.sqrt(k_2) / root) / root)
