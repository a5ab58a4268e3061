"""The Matern covariance of any smoothness, from a table.

A Bessel function K_nu costs a microsecond; one prediction needs k (k + 1) / 2 of them. Here the
covariance times e^x is interpolated by polynomials, 64 to each factor of two in x. Its only
singularity is at x = 0, far from every piece: on [1, 65/64] the coefficients of Chebyshev's series
fall by a factor of 258 from one to the next, so that six of them reach rounding error.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.special import gammaln, kve

__all__ = ["BIAS", "COEFFICIENTS", "PIECE_BITS", "SHIFT", "SmoothnessTable", "smoothness_table"]

COEFFICIENTS = 6

PIECE_BITS = 6
"""Pieces per factor of two, as a power of two: so many leading bits of the mantissa choose one."""

SHIFT = 52 - PIECE_BITS
"""By which the bits of a float64 are shifted to leave its exponent and the piece."""

BIAS = 1023
"""Of the exponent of a float64."""

_LAST_OCTAVE = 10  # beyond x = 1024, e^-x is zero
_TO_POWERS = np.stack(
    [
        np.pad(chebyshev.cheb2poly(row), (0, COEFFICIENTS))[:COEFFICIENTS]
        for row in np.eye(COEFFICIENTS)
    ]
)
"""From Chebyshev's series to powers, one row for each of his polynomials."""


@dataclass(frozen=True, slots=True, eq=False)
class SmoothnessTable:
    """Polynomials for one nu.

    Parameters
    ----------
    factor : float
        sqrt(2 nu): x is the factor times the distance.
    first : int
        The leading bits of the x at which the table begins; below, the covariance is 1.
    coefficients : array, shape (n_pieces, COEFFICIENTS)
        Of powers of t, which runs from -1 to 1 on each piece; the highest power first.
    """

    factor: float
    first: int
    coefficients: NDArray[np.float64]

    def __call__(self, distance: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the covariance at scaled distances of any shape."""
        x = np.multiply(distance, self.factor, dtype=np.float64)
        bits = x.view(np.int64)
        piece = (bits >> SHIFT) - self.first
        inside = piece >= 0
        np.clip(piece, 0, len(self.coefficients) - 1, out=piece)
        # The mantissa without the bits that chose the piece, on [1, 1 + 1/64), then on [-1, 1).
        rest = (bits & ((1 << SHIFT) - 1)) | (BIAS << 52)
        t = rest.view(np.float64) * 2.0 ** (PIECE_BITS + 1) - (2.0 ** (PIECE_BITS + 1) + 1.0)
        value = self.coefficients[piece, 0]
        for power in range(1, COEFFICIENTS):
            value *= t
            value += self.coefficients[piece, power]
        value *= np.exp(-x)
        value[~inside] = 1.0
        result: NDArray[np.floating[Any]] = value.astype(distance.dtype, copy=False)
        return result


@lru_cache(maxsize=256)
def smoothness_table(nu: float) -> SmoothnessTable:
    """Return the table for a smoothness, 0 < nu <= 30."""
    # 1 - k is about x^2 / (4 nu - 4) or, below nu = 1, x^(2 nu): here it drops below rounding.
    first_octave = -math.ceil(max(27.0 + 3.0 / nu, 30.0 / nu))
    octaves = np.arange(max(first_octave, 1 - BIAS), _LAST_OCTAVE)
    starts = (
        2.0 ** octaves[:, None] * (1.0 + np.arange(1 << PIECE_BITS) / (1 << PIECE_BITS))
    ).ravel()
    nodes = chebyshev.chebpts1(COEFFICIENTS)
    width = np.repeat(2.0**octaves, 1 << PIECE_BITS) / (1 << PIECE_BITS)
    x = starts[:, None] + 0.5 * (nodes + 1.0) * width[:, None]
    log_k = (1.0 - nu) * math.log(2.0) - gammaln(nu) + nu * np.log(x) + np.log(kve(nu, x))
    series = chebyshev.chebfit(nodes, np.exp(log_k).T, COEFFICIENTS - 1)
    powers = series.T @ _TO_POWERS
    return SmoothnessTable(
        factor=math.sqrt(2.0 * nu),
        first=int(octaves[0] + BIAS) << PIECE_BITS,
        coefficients=np.ascontiguousarray(powers[:, ::-1]),
    )
