"""What the past of a region cannot be: such rows are answered by the image alone."""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGHEST_FLUX", "impossible_past"]

HIGHEST_FLUX: Final = 1e-2
"""No flare has had more; X100 [W / m2]."""

_CLASSES: Final = {
    # McIntosh 1990: modified Zurich class, penumbra of the largest spot, compactness.
    "mcintosh": re.compile(r"[A-FH][XRSAHK][XOIC]", re.IGNORECASE),
    # Lists write none of groups that nobody has classed.
    "hale": re.compile(r"(alpha|beta|gamma|delta)([-/\s]+(gamma|delta))*|none", re.IGNORECASE),
}


def impossible_past(history: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Tell which rows have a negative number, a flux above X100 or a class that is none.

    Parameters
    ----------
    history : mapping of str to array, shape (n,)
        By the columns of `HISTORY_COLUMNS`. What is unknown, NaN or empty, is not impossible.

    Returns
    -------
    array of bool, shape (n,)
    """
    wrong = np.zeros(len(next(iter(history.values()))), dtype=bool)
    for name, values in history.items():
        if name in _CLASSES:
            known = (str(one).strip() for one in values.tolist())
            wrong |= np.array(
                [bool(one) and not _CLASSES[name].fullmatch(one) for one in known], dtype=bool
            )
            continue
        numbers = np.asarray(values, dtype=np.float64)
        wrong |= numbers < 0  # False for NaN
        if name == "maxflux_prev24h":
            wrong |= numbers > HIGHEST_FLUX
    return wrong
