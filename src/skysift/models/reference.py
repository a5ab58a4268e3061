"""What a bundle keeps of the data it was trained on: quantiles, against which later data stand."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import Distribution

__all__ = ["distributions"]

_LEVELS = tuple(np.round(np.linspace(0.0, 1.0, 21), 2).tolist())


def distributions(columns: Mapping[str, NDArray[Any]]) -> dict[str, Distribution]:
    """Return the quantiles of columns, shape (n,) each; one without finite values is left out.

    Examples
    --------
    >>> found = distributions({"width": np.arange(101.0), "empty": np.full(3, np.nan)})
    >>> list(found), found["width"].values[:3]
    (['width'], (0.0, 5.0, 10.0))
    """
    found = {}
    for name, values in columns.items():
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if len(finite):
            quantiles = np.quantile(finite, _LEVELS).tolist()
            found[name] = Distribution(levels=_LEVELS, values=tuple(quantiles))
    return found
