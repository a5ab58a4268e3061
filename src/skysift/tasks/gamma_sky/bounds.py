"""What a table of candidates says at a stated coverage: regions and bounds of the excess."""

import math

import numpy as np

from skysift.core.conformal import Promise, promise_of
from skysift.data.table import FeatureTable
from skysift.models.conformal import limits_of

__all__ = ["EXCESS", "GROUP", "REGION", "with_bounds"]

REGION, EXCESS = "region", "excess"
"""Names of the promises."""
GROUP = "excess"
"""What groups are made by: ellipses of few counts are not those of many."""

_AXES = math.sqrt(-2.0 * math.log(1.0 - 0.68))  # standard deviations of the stated ellipse
_UNITS = {"region_major": "deg", "region_minor": "deg"}
_DESCRIPTIONS = {
    "region_major": "semi-major axis of the ellipse that holds the source, by the coverage asked "
    "for; its angle is err_angle",
    "region_minor": "its semi-minor axis",
    "excess_low": "lower bound of the excess, by the coverage asked for",
    "excess_high": "its upper bound",
}


def with_bounds(
    table: FeatureTable, promises: tuple[Promise, ...], coverage: float, bundle: str
) -> FeatureTable:
    """Return candidates with the columns that keep the promises of a bundle.

    Parameters
    ----------
    table : FeatureTable
        Of candidates.
    promises : tuple of Promise
        Of the bundle.
    coverage : float
        Probability of the truth, of each promise by itself.
    bundle : str
        Its name.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    counts, n = table[GROUP], len(table)
    region = limits_of(promise_of(promises, REGION, bundle), coverage, counts, n)[:, 0]
    off = limits_of(promise_of(promises, EXCESS, bundle), coverage, counts, n)[:, 0]
    reach = off * table["excess_error"]
    return table.with_columns(
        {
            "region_major": table["err_major"] * region / _AXES,
            "region_minor": table["err_minor"] * region / _AXES,
            "excess_low": np.maximum(counts - reach, 0.0),
            "excess_high": counts + reach,
        },
        units=_UNITS,
        descriptions=_DESCRIPTIONS,
    )
