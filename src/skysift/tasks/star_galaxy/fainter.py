"""Stamps as they would look of a fainter object, so that a network learns from more of them.

Most errors are among the faintest objects, of which there are few. A brighter one of the same shape
is made into such a one by dimming it and adding the noise that this takes away from the sky.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from skysift.core.errors import UsageError
from skysift.preprocess.images.seeing_match import keys_kernel
from skysift.tasks.star_galaxy.representations import STAMP_SIDE, flux_of_core, stamp_columns

__all__ = ["Fainter"]

Floats = NDArray[np.float32]

_N_PIXELS = STAMP_SIDE**2
_STEP = 0.82  # half the median seeing of ZTF in i [pixel]
_FINE = 500  # places in a pixel, for an integral over it


@dataclass(frozen=True)
class Fainter:
    """Dim some of the rows of the representation ``stamp``.

    A dimmed stamp is f times what it was, plus noise of variance 1 - f**2 times that of the sky,
    with the covariance that resampling gives to white noise (phases within the pixel averaged). In
    the light of the object itself, what Poisson noise there is falls with f and not with its root:
    at the limit of a survey the sky has most of it.

    Parameters
    ----------
    least : float
        Each f is drawn between it and 1, uniformly.
    share : float
        Share of the rows that are dimmed.

    Raises
    ------
    UsageError
        If one of them is not between 0 and 1.

    Examples
    --------
    >>> rows = np.zeros((5, 244), dtype=np.float32)
    >>> Fainter()(rows, np.random.default_rng(1)).shape
    (5, 244)
    """

    least: float = 0.35
    share: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.least <= 1 and 0 <= self.share <= 1):
            raise UsageError(
                f"least = {self.least}, share = {self.share}.", "Both lie between 0 and 1."
            )

    def __call__(self, rows: Floats, rng: np.random.Generator) -> Floats:
        """Return rows of the same objects, shape (n, n_columns), some of them fainter."""
        dimmed = np.flatnonzero(rng.random(len(rows)) < self.share)
        left = rng.uniform(self.least, 1.0, (len(dimmed), 1))
        core = left * np.sinh(rows[dimmed, :_N_PIXELS].astype(np.float64))
        core += np.sqrt(1 - left**2) * sky_noise(len(dimmed), rng)
        out = rows.copy()
        out[dimmed] = stamp_columns(core, flux_of_core(core), rows[dimmed, -1])
        return out


def sky_noise(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return white noise of variance 1 as it is once resampled, shape (n, STAMP_SIDE**2)."""
    white = rng.normal(size=(n, STAMP_SIDE, STAMP_SIDE))
    return np.asarray((_MIXING @ white @ _MIXING.T).reshape(n, _N_PIXELS))


def _mixing() -> NDArray[np.float64]:
    """Return what makes independent numbers covariant as resampled pixels of one row are."""
    places = np.arange(-2 * _FINE, 2 * _FINE + 1) / _FINE
    kernel = keys_kernel(np.abs(places))
    lags = _STEP * np.arange(STAMP_SIDE)
    moved = keys_kernel(np.abs(places[:, np.newaxis] + lags))
    values, vectors = np.linalg.eigh(toeplitz(kernel @ moved / _FINE))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


_MIXING = _mixing()
