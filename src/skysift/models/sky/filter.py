"""The likelihood-ratio filter: every photon weighs what it says for a source at a place.

A photon of band k at distance r from a place speaks for a source there by the weight
``ln(1 + s_k p_k(r) / b_k)``, s_k and p_k being the counts and the point spread function of a weak
source and b_k the background. The sum of the weights over all photons is the log-likelihood ratio
of "source here" against "background only" (Neyman & Pearson 1933), up to a constant; at every pixel
at once it is a convolution per band.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from skysift.core.errors import UsageError
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.saddlepoint import CumulantTable
from skysift.models.sky.stamps import source_stamp
from skysift.models.sky.trials import Texture

__all__ = ["FilterBank"]

FloatArray = NDArray[np.float64]

_CONTAINMENT = 0.985


@dataclass(frozen=True)
class FilterBank:
    """Kernels of a filter on a grid, with all that is needed to judge what comes out.

    Parameters
    ----------
    kernels : array, shape (n_bands, k, k)
        Weight of a photon at each place about a source, k odd.
    shape : tuple of int
        Pixels of the map in y and x.
    pixel_size : float [deg]
    """

    kernels: FloatArray
    shape: tuple[int, int]
    pixel_size: float
    cumulants: CumulantTable = field(init=False, repr=False)
    sums: FloatArray = field(init=False, repr=False)
    squares: FloatArray = field(init=False, repr=False)
    cubes: FloatArray = field(init=False, repr=False)
    slopes: FloatArray = field(init=False, repr=False)
    _transform: NDArray[np.float32] = field(init=False, repr=False)
    _padded: tuple[int, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_bands, size, other = self.kernels.shape
        if size != other or size % 2 == 0:
            raise UsageError(
                f"Kernels of {size} x {other} pixels have no middle.", "Give odd, square kernels."
            )
        half = size // 2
        padded = tuple(fft.next_fast_len(length + half, real=True) for length in self.shape)
        image = np.zeros((n_bands, *padded), dtype=np.float32)
        image[:, :size, :size] = self.kernels
        # A kernel is symmetric: convolution and correlation are the same, and its transform about
        # its middle is real. Written twice, it multiplies real and imaginary parts in one sweep.
        image = np.roll(image, (-half, -half), axis=(1, 2))
        transform = np.repeat(fft.rfft2(image).real, 2, axis=2)
        slopes = np.gradient(self.kernels, self.pixel_size, axis=2)
        object.__setattr__(self, "_transform", transform)
        object.__setattr__(self, "_padded", padded)
        object.__setattr__(self, "cumulants", CumulantTable.of(self.kernels))
        object.__setattr__(self, "sums", self.kernels.sum(axis=(1, 2)))
        object.__setattr__(self, "squares", (self.kernels**2).sum(axis=(1, 2)))
        object.__setattr__(self, "cubes", (self.kernels**3).sum(axis=(1, 2)))
        object.__setattr__(self, "slopes", (slopes**2).sum(axis=(1, 2)))

    @classmethod
    def of_source(
        cls,
        source: LocalSource,
        counts: float,
        background: FloatArray,
        shape: tuple[int, int],
        pixel_size: float,
    ) -> "FilterBank":
        """Make the filter that is best for a source of some counts on some background.

        Parameters
        ----------
        source : LocalSource
            Shares and point spread function.
        counts : float
            Of the source, all bands.
        background : array, shape (n_bands,)
            Expected counts per pixel.
        shape : tuple of int
            Pixels of the map in y and x.
        pixel_size : float [deg]
        """
        expected = counts * source_stamp(source, pixel_size, _CONTAINMENT)
        return cls(np.log1p(expected / background[:, None, None]), shape, pixel_size)

    def __call__(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sum of the weights at each pixel.

        Parameters
        ----------
        counts : array of float32, shape (n_bands, n_y, n_x)

        Returns
        -------
        array of float32, shape (n_y, n_x)
        """
        n_y, n_x = self.shape
        high, wide = self._padded
        total = None
        for band, kernel in zip(
            counts.astype(np.float32, copy=False), self._transform, strict=True
        ):
            rows = fft.rfft(band, n=wide, axis=1)  # those that padding adds have no transform
            part = fft.fft(rows, n=high, axis=0, overwrite_x=True)
            both = part.view(np.float32)
            both *= kernel
            total = part if total is None else np.add(total, part, out=total)
        rows = fft.ifft(total, axis=0, overwrite_x=True)[:n_y]
        return np.asarray(fft.irfft(rows, n=wide, axis=1, overwrite_x=True)[:, :n_x])

    def overlap(self, source: LocalSource) -> FloatArray:
        """Return the mean weight of a source's photons for a place at a distance from it.

        Returns
        -------
        array, shape (n_bands, k)
            At distances of 0, 1, 2... pixels, per count of the source in all bands.
        """
        stamp = source_stamp(source, self.pixel_size, 1.0)
        half, reach = self.kernels.shape[1] // 2, stamp.shape[1] // 2
        size = fft.next_fast_len(2 * (half + reach) + 1, real=True)
        product = fft.rfft2(stamp, s=(size, size)) * fft.rfft2(self.kernels, s=(size, size))
        middle = half + reach
        return np.asarray(fft.irfft2(product, s=(size, size))[:, middle, middle : 2 * middle + 1])

    def texture(self, background: FloatArray) -> Texture:
        """Return the roughness and the skewness of the filtered background.

        Parameters
        ----------
        background : array, shape (n_bands,)
            Expected counts per pixel.
        """
        variance = background @ self.squares
        return Texture(
            float(background @ self.slopes / variance),
            float(background @ self.cubes / variance**1.5),
        )
