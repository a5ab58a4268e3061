"""Upsampling and the convolution after it as one convolution of the small map, exactly.

After nearest-neighbour upsampling by two, the kernel of an output pixel sees each small pixel up to
twice per axis. The weights that fall on the same small pixel add up, and which do depends on the
parity of the output row and column alone: four *phases*, each with a kernel of its own (Shi et al.
2016, arXiv:1609.07009, section 3). The large map need not be made at all.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.baseline.layers import same_padding

__all__ = [
    "PHASE_SUM",
    "TRANSPOSE_SUM",
    "FoldedKernel",
    "Taps",
    "phase_convolution",
    "phase_taps",
    "phase_transpose",
    "transpose_taps",
]

PHASE_SUM = "ard,bsc,oidc->aboirs"
"""Taps of rows, taps of columns and kernel to the kernels of the phases, as ``einsum`` takes it."""

TRANSPOSE_SUM = "ard,bsc,oidc->abiors"
"""The same for :func:`transpose_taps`."""


class Taps(NamedTuple):
    """Where the weights of a kernel fall along one axis.

    Parameters
    ----------
    counts : array, shape (2, size, kernel)
        How often each weight falls on each place of the folded kernel, by parity.
    padding : (int, int)
        Zeros before and after of a convolution; what is cut off there of a transposed one.
    """

    counts: NDArray[np.float32]
    padding: tuple[int, int]


class FoldedKernel(NamedTuple):
    """A kernel for the small map.

    Parameters
    ----------
    weight : array
        As ONNX wants it: (outputs, inputs, size, size) of a convolution, (inputs, outputs, size,
        size) of a transposed one.
    padding : (int, int)
        As in :class:`Taps`.
    """

    weight: NDArray[np.float32]
    padding: tuple[int, int]


def phase_taps(kernel: int) -> Taps:
    """Return the taps of an upsampling and a ``same`` convolution that follows it.

    Examples
    --------
    Of two weights, an even pixel sees both on the same small pixel, an odd one on two:

    >>> phase_taps(2).counts[0].tolist(), phase_taps(2).counts[1].tolist()
    ([[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    before, _ = same_padding(kernel)
    low, high = (-before) // 2, (kernel - before) // 2
    counts = np.zeros((2, high - low + 1, kernel), np.float32)
    for parity, tap in np.ndindex(2, kernel):
        counts[parity, (parity + tap - before) // 2 - low, tap] += 1
    return Taps(counts, (-low, high))


def transpose_taps(kernel: int) -> Taps:
    """Return the taps of a transposed convolution, stride four, from phases to the full map.

    The pixel of parity p in block i is copied to rows 4 i + 2 p and the next, and each copy is
    seen by `kernel` rows around it.
    """
    before, _ = same_padding(kernel)
    reach = kernel - 1 - before
    counts = np.zeros((2, kernel + 3, kernel), np.float32)
    for parity, copy, tap in np.ndindex(2, 2, kernel):
        counts[parity, 2 * parity + copy - tap + before + reach, tap] += 1
    return Taps(counts, (reach, before))


def phase_convolution(weight: NDArray[Any]) -> FoldedKernel:
    """Fold an upsampling and a ``same`` convolution that follows it.

    Parameters
    ----------
    weight : array, shape (outputs, inputs, kernel, kernel)
        Of the convolution of the upsampled map.

    Returns
    -------
    FoldedKernel
        Channels ``(2 row_parity + column_parity) outputs + output`` of the small map hold the
        pixels of the large one.
    """
    return _fold(PHASE_SUM, phase_taps(weight.shape[-1]), weight)


def phase_transpose(weight: NDArray[Any]) -> FoldedKernel:
    """Fold an upsampling and a ``same`` convolution of a map that is given by its four phases.

    Parameters
    ----------
    weight : array, shape (outputs, inputs, kernel, kernel)
        Of the convolution of the upsampled map.

    Returns
    -------
    FoldedKernel
        Of a transposed convolution with stride four: from the phases of
        :func:`phase_convolution`, on a map of a quarter of the size, straight to the full one.
    """
    return _fold(TRANSPOSE_SUM, transpose_taps(weight.shape[-1]), weight)


def _fold(subscripts: str, taps: Taps, weight: NDArray[Any]) -> FoldedKernel:
    folded = np.einsum(subscripts, taps.counts, taps.counts, weight)
    _, _, *channels, height, width = folded.shape
    shape = (4 * channels[0], channels[1], height, width)
    return FoldedKernel(folded.reshape(shape).astype(np.float32), taps.padding)
