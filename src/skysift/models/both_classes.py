"""The probability of both of two classes, from that of one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["both_classes"]


def both_classes(second: ArrayLike) -> NDArray[Any]:
    """Return the probability of each class, as scikit-learn has it.

    Parameters
    ----------
    second : array_like, shape (n,)
        The probability of the second class.

    Returns
    -------
    array, shape (n, 2), of the type given

    Examples
    --------
    >>> both_classes([0.25, 1.0]).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    p = np.asarray(second)
    return np.column_stack([1.0 - p, p])
