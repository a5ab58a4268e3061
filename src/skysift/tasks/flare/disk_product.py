"""The probability of any flare on a disk, by those of its regions, each counted once."""

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.forecast import full_disk_probability
from skysift.tasks.flare.region_tables import number, text
from skysift.tasks.flare.regions import Regions

__all__ = ["copies_of_earlier", "counted_already", "of_disks"]

_SAME_PLACE = 1.0  # pixel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def counted_already(regions: Regions) -> Bools:
    """Tell which rows are of a region of which a row above is answered, shape (n,)."""
    again = np.zeros(len(regions), dtype=bool)
    told = np.flatnonzero(regions.answerable)
    x, y = (number(regions.table, name)[told] for name in ("x", "y"))
    again[told] = copies_of_earlier(text(regions.table, "file")[told], regions.noaa[told], x, y)
    return again


def of_disks(regions: Regions, probability: Floats, again: Bools) -> Floats:
    """Return the probability of any flare on the disk of each region, of the regions known.

    Regions that a row above has counted already are not counted again.
    """
    files = text(regions.table, "file")
    known = np.isfinite(probability)
    names, whole = full_disk_probability(np.where(known & ~again, probability, 0.0), files)
    of_each = whole[np.searchsorted(names.astype(np.str_), files)]
    return np.where(known, of_each, np.nan)


def copies_of_earlier(
    files: NDArray[np.str_], noaa: NDArray[np.int64], x: Floats, y: Floats
) -> Bools:
    """Tell which rows are of a region that an earlier row has, shape (n,).

    Rows of one image are of one region if they have its number, or lie within a pixel.

    Parameters
    ----------
    files : array of str, shape (n,)
        The image of each row.
    noaa : array of int, shape (n,)
        Number of the region, 0 where it is unknown.
    x, y : array, shape (n,)
        Where it lies [pixel].

    Examples
    --------
    >>> files, zero = np.array(["a", "a", "a", "b"]), np.zeros(4)
    >>> copies_of_earlier(files, np.array([7, 8, 7, 7]), np.array([1.0, 5, 9, 1]), zero).tolist()
    [False, False, True, False]
    """
    again = np.zeros(len(files), dtype=bool)
    for file in np.unique(files):
        rows = np.flatnonzero(files == file)
        numbers: set[int] = set()
        for place, row in enumerate(rows):
            own, earlier = int(noaa[row]), rows[:place]
            near = np.hypot(x[earlier] - x[row], y[earlier] - y[row]) <= _SAME_PLACE
            again[row] = own in numbers or near.any()
            if own > 0:
                numbers.add(own)
    return again
