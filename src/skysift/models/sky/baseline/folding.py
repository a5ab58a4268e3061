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

__all__ = ["FoldedKernel", "phase_convolution", "phase_transpose"]


class FoldedKernel(NamedTuple):
    """A kernel for the small map.

    Parameters
    ----------
    weight : array
        As ONNX wants it: (outputs, inputs, size, size) of a convolution, (inputs, outputs, size,
        size) of a transposed one.
    padding : (int, int)
        Zeros before and after of a convolution; what is cut off there of a transposed one.
    """

    weight: NDArray[np.float32]
    padding: tuple[int, int]


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
    outputs, inputs, kernel, _ = weight.shape
    before, _ = same_padding(kernel)
    low, high = (-before) // 2, (kernel - before) // 2
    size = high - low + 1
    folded = np.zeros((2, 2, outputs, inputs, size, size))
    for row_parity, column_parity, row, column in np.ndindex(2, 2, kernel, kernel):
        y = (row_parity + row - before) // 2 - low
        x = (column_parity + column - before) // 2 - low
        folded[row_parity, column_parity, :, :, y, x] += weight[:, :, row, column]
    shape = (4 * outputs, inputs, size, size)
    return FoldedKernel(folded.reshape(shape).astype(np.float32), (-low, high))


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
    outputs, inputs, kernel, _ = weight.shape
    before, _ = same_padding(kernel)
    reach = kernel - 1 - before
    size = kernel + 3
    folded = np.zeros((2, 2, inputs, outputs, size, size))
    for row_parity, column_parity, row, column in np.ndindex(2, 2, kernel, kernel):
        for copy_y, copy_x in np.ndindex(2, 2):
            y = 2 * row_parity + copy_y - row + before + reach
            x = 2 * column_parity + copy_x - column + before + reach
            folded[row_parity, column_parity, :, :, y, x] += weight[:, :, row, column].T
    shape = (4 * inputs, outputs, size, size)
    return FoldedKernel(folded.reshape(shape).astype(np.float32), (reach, before))
