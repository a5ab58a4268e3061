"""What the flares of the last days tell of the whole disk, without looking at an image.

Flares come in episodes of some days: how many there were and how strong the strongest was in the
last hours and days is the oldest forecast of all (persistence), and hard to beat (Wheatland 2004,
ApJ 609, 1134).
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError

__all__ = [
    "DISK_HISTORY",
    "DISK_HISTORY_HOURS",
    "FlareCounts",
    "disk_history_features",
    "history_features_of",
]

DISK_HISTORY_HOURS: Final = (6.0, 24.0, 72.0, 240.0)
"""How far back the features look, each by itself [h]."""

_LEVELS: Final = {"c1": 1e-6, "c5": 5e-6, "m1": 1e-5}
_BELOW_ALL = 3e-7  # about the background of an active Sun [W / m2]
_UNSETTLED = np.timedelta64(30, "m")  # a flare that began just now may not have peaked
_ALMOST = 1.0 - 1e-9  # fluxes are rounded
_DAY = 24.0  # h

Floats = NDArray[np.float64]


def _names(hours: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(
        f"{kind}_{span:g}h"
        for span in hours
        for kind in ("log_strongest", *(f"n_{c}" for c in _LEVELS))
    )


DISK_HISTORY: Final = _names(DISK_HISTORY_HOURS)
"""Names of the features, in order."""


def disk_history_features(time: ArrayLike, start: ArrayLike, flux: ArrayLike) -> Floats:
    """Return features of the flares before given times, shape (n, 16).

    For each span of `DISK_HISTORY_HOURS`: the decimal logarithm of the strongest flux, and log(1 +
    flares a day) of at least C1, C5 and M1. Flares that began in the half hour before a time are
    left out: nobody knew then how strong they would be.

    Parameters
    ----------
    time : array_like of datetime64, shape (n,)
        Times of the forecasts.
    start : array_like of datetime64, shape (m,)
        When the flares of a list began, in any order.
    flux : array_like, shape (m,)
        Their peak fluxes [W / m2]; one that is not known counts as weaker than C1.

    Returns
    -------
    array, shape (n, 16)
        NaN in all of a row whose longest span the list does not cover: it begins later, or has no
        flare in it.

    Raises
    ------
    InputError
        If the lengths of `start` and `flux` differ.

    Examples
    --------
    >>> list_ = np.array(["2014-01-01", "2014-01-11T06:00"], "datetime64[s]")
    >>> now = np.array(["2014-01-11T12:00"], "datetime64[s]")
    >>> found = disk_history_features(now, list_, [1e-6, 2e-5])[0]
    >>> [round(float(one), 2) for one in found[4:8]]
    [-4.7, 0.69, 0.69, 0.69]
    """
    return history_features_of(time, start, flux, DISK_HISTORY_HOURS)


def history_features_of(
    time: ArrayLike, start: ArrayLike, flux: ArrayLike, hours: tuple[float, ...]
) -> Floats:
    """Return the same for other spans, ascending [h]; shape (n, 4 n_hours)."""
    return FlareCounts(start, flux).features(time, hours)


class FlareCounts:
    """A list of flares, in order and counted once, to be asked time after time.

    Parameters
    ----------
    start, flux : array_like, shape (m,)
        As of :func:`disk_history_features`.

    Raises
    ------
    InputError
        If their lengths differ.
    """

    def __init__(self, start: ArrayLike, flux: ArrayLike) -> None:
        begun, peak = np.asarray(start, dtype="datetime64[s]"), np.asarray(flux, dtype=np.float64)
        if begun.shape != peak.shape:
            raise InputError(f"{len(begun)} flares have {len(peak)} fluxes.", "Give one of each.")
        order = np.argsort(begun, kind="stable")
        self._begun, self._peak = begun[order], np.nan_to_num(peak[order])
        self._totals = [
            np.concatenate([[0], np.cumsum(self._peak >= limit * _ALMOST)])
            for limit in _LEVELS.values()
        ]

    def features(self, time: ArrayLike, hours: tuple[float, ...] = DISK_HISTORY_HOURS) -> Floats:
        """Return features of the flares before given times, shape (n, 4 n_hours).

        Those of :func:`disk_history_features`, for spans in ascending order [h].
        """
        asked = np.asarray(time, dtype="datetime64[s]")
        until = np.searchsorted(self._begun, asked - _UNSETTLED, side="right")
        columns = []
        first = np.zeros(len(asked), dtype=np.int64)
        for span in hours:
            begin = asked - np.timedelta64(round(span * 3600), "s")
            first = np.searchsorted(self._begun, begin, side="right")
            strongest = [
                self._peak[low:high].max(initial=_BELOW_ALL)
                for low, high in zip(first, until, strict=True)
            ]
            columns.append(np.log10(strongest))
            columns += [
                np.log1p((total[until] - total[np.minimum(first, until)]) * _DAY / span)
                for total in self._totals
            ]
        found = np.column_stack(columns)
        found[(first == 0) | (until <= first)] = np.nan  # of the longest span
        return found
