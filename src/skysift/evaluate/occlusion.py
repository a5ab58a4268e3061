"""What a prediction rests on: how it changes where a patch of the image is hidden.

Zeiler & Fergus 2014 (ECCV, arXiv:1311.2901), section 4.2. It asks the model only for answers, so it
serves a network, trees on statistics, and a threshold alike.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError

__all__ = ["occlusion_map"]

_PLANE = 2
_MEMORY = 2**24  # values of hidden images in work at a time

Floats = NDArray[np.float64]


def occlusion_map(
    predict: Callable[[NDArray[np.float32]], ArrayLike],
    image: ArrayLike,
    *,
    patch: int,
    stride: int,
    fill: ArrayLike,
) -> Floats:
    """Return by how much a prediction falls where a patch is hidden, shape (ny, nx).

    Each pixel holds the mean over the patches that cover it; positive where the image speaks for
    the prediction, negative where it speaks against it.

    Parameters
    ----------
    predict : callable
        Takes images of float32, shape (n, ny, nx), and returns numbers, shape (n,).
    image : array, shape (ny, nx)
        The image.
    patch : int
        Side of the square that is hidden [pixel].
    stride : int
        From one square to the next, at most its side [pixel]; the last one ends at the edge.
    fill : float or array, shape (ny, nx)
        What stands in its place: a value that means nothing to the model, such as the quiet Sun.

    Raises
    ------
    UsageError
        If the patch does not fit the image or the stride leaves gaps.

    Examples
    --------
    >>> image = np.zeros((8, 8))
    >>> image[:4, :4] = 1.0
    >>> def mean(images):
    ...     return images.mean(axis=(1, 2))
    >>> occlusion_map(mean, image, patch=4, stride=4, fill=0.0)[::4, ::4]
    array([[0.25, 0.  ],
           [0.  , 0.  ]])
    """
    pixels = np.asarray(image, dtype=np.float32)
    if pixels.ndim != _PLANE or not 1 <= patch <= min(pixels.shape) or not 1 <= stride <= patch:
        raise UsageError(
            f"Squares of {patch} pixels, {stride} apart, on an image of shape {pixels.shape}.",
            "Give a square that fits, and a stride of 1 pixel to its side.",
        )
    hidden = np.broadcast_to(np.asarray(fill, dtype=np.float32), pixels.shape)
    corners = list(product(*(_starts(side, patch, stride) for side in pixels.shape)))
    whole = float(np.asarray(predict(pixels[None]))[0])
    change, covered = np.zeros(pixels.shape), np.zeros(pixels.shape)
    at_once = max(1, _MEMORY // pixels.size)
    for start in range(0, len(corners), at_once):
        some = corners[start : start + at_once]
        squares = [(slice(y, y + patch), slice(x, x + patch)) for y, x in some]
        images = np.repeat(pixels[None], len(some), axis=0)
        for one, square in zip(images, squares, strict=True):
            one[square] = hidden[square]
        for square, answer in zip(squares, np.asarray(predict(images)), strict=True):
            change[square] += whole - float(answer)
            covered[square] += 1
    return np.asarray(change / covered)


def _starts(side: int, patch: int, stride: int) -> list[int]:
    """Return where squares begin along an axis; the last one ends at the edge."""
    return sorted({*range(0, side - patch + 1, stride), side - patch})
