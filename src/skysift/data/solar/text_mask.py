"""Text, frames and compasses that were drawn into a picture of the Sun, beside the disk."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["text_mask"]

_SHARP = 0.2  # change between neighbours, of the range of brightness
_GAP = (5, 15)  # rows and columns that lie between letters and words at most
_FEWEST_EDGES = 20
_MARGIN = 3  # pixel; JPEG rings about letters
_CLEAR_OF_LIMB = 1.03  # radii
_DARK, _BRIGHT = 1.0, 99.9


def text_mask(
    picture: NDArray[np.float32], disk: tuple[float, float, float] | None
) -> NDArray[np.bool_]:
    """Tell which pixels are covered by text or a frame, shape (ny, nx).

    Letters have edges from one pixel to the next, as nothing has that is seen outside the limb
    through a telescope. Boxes about such edges are masked. What is drawn upon the disk is not
    told from the Sun.

    Parameters
    ----------
    picture : array of float32, shape (ny, nx)
        Brightness; no NaN.
    disk : tuple of float or None
        Centre x, y and radius of the disk [pixel]; without it nothing is masked.
    """
    mask = np.zeros(picture.shape, dtype=np.bool_)
    if disk is None:
        return mask
    ny, nx = picture.shape
    low, high = np.percentile(picture[::2, ::2], (_DARK, _BRIGHT))
    edges = np.zeros(picture.shape, dtype=np.bool_)
    least = _SHARP * float(high - low)
    edges[:, 1:] = np.abs(np.diff(picture, axis=1)) > least
    edges[1:] |= np.abs(np.diff(picture, axis=0)) > least
    y, x = np.ogrid[:ny, :nx]
    edges &= (x - disk[0]) ** 2 + (y - disk[1]) ** 2 > (_CLEAR_OF_LIMB * disk[2]) ** 2
    if not edges.any():
        return mask
    near = ndimage.maximum_filter(edges, size=_GAP)
    labels, _ = ndimage.label(near)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        part = edges[box] & (labels[box] == number)
        if int(part.sum()) < _FEWEST_EDGES:
            continue
        rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
        top, left = box[0].start + rows[0], box[1].start + columns[0]
        bottom, right = box[0].start + rows[-1], box[1].start + columns[-1]
        mask[
            max(top - _MARGIN, 0) : bottom + _MARGIN + 1,
            max(left - _MARGIN, 0) : right + _MARGIN + 1,
        ] = True
    mask &= (x - disk[0]) ** 2 + (y - disk[1]) ** 2 > disk[2] ** 2
    return mask
