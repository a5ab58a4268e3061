"""GOES classes: a letter for the decade of the peak flux in 1-8 Angstrom, and a factor."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError

__all__ = ["GOES_LETTERS", "at_least", "class_of_flux", "flux_of_class", "present_scale"]

GOES_LETTERS = {"A": 1e-8, "B": 1e-7, "C": 1e-6, "M": 1e-5, "X": 1e-4}
"""The flux at which each class begins [W / m2]."""

_CLASS = re.compile(r"([ABCMX])\s*(\d{1,3}(?:\.\d*)?)?")
_SCALED_UNTIL = np.datetime64("2020-01-01", "s")  # GOES-16 took over in December 2019
_SCALED_BY = 0.7
_ROUNDING = 1e-9  # 1e-5 * 1.0 and 0.00001 may differ in the last bit


def flux_of_class(classes: Iterable[str]) -> NDArray[np.float64]:
    """Return the peak flux of each class [W / m2], shape (n,); NaN for an empty text.

    A letter alone is the flux at which the class begins.

    Raises
    ------
    InputError
        If a text is no GOES class.

    Examples
    --------
    >>> flux_of_class(["C1.5", "X28", "M", ""]).tolist()
    [1.5e-06, 0.0028, 1e-05, nan]
    """
    out = []
    for row, text in enumerate(classes):
        clean = text.strip().upper()
        if not clean:
            out.append(np.nan)
            continue
        match = _CLASS.fullmatch(clean)
        if match is None:
            raise InputError(f"'{text}' is no GOES class.", "Write e.g. C1.5 or M2.", row=row)
        # Divided, not multiplied by 1e-6: so the decimal that is nearest comes out.
        out.append(float(match[2] or 1) / round(1 / GOES_LETTERS[match[1]]))
    return np.array(out, dtype=np.float64)


def class_of_flux(flux: ArrayLike) -> NDArray[np.str_]:
    """Return the class of each peak flux [W / m2], shape (n,); empty for none (0 or NaN).

    Examples
    --------
    >>> class_of_flux([1.5e-6, 9.96e-6, 2.8e-3, 0.0]).tolist()
    ['C1.5', 'M1.0', 'X28.0', '']
    """
    letters, starts = list(GOES_LETTERS), np.array(list(GOES_LETTERS.values()))
    texts = []
    for value in np.asarray(flux, dtype=np.float64).ravel():
        if not value > 0:
            texts.append("")
            continue
        k = max(0, int(np.searchsorted(starts, value * (1 + _ROUNDING), side="right")) - 1)
        factor = round(value / starts[k], 1)
        if factor >= 10 and k + 1 < len(letters):  # noqa: PLR2004 - the next decade
            k, factor = k + 1, 1.0
        texts.append(f"{letters[k]}{factor:.1f}")
    return np.array(texts, dtype=np.str_)


def at_least(flux: ArrayLike, threshold: str) -> NDArray[np.bool_]:
    """Tell whether each peak flux [W / m2] reaches a class, shape (n,).

    Examples
    --------
    >>> at_least([1e-6, 9e-6, 1e-5], "M").tolist()
    [False, False, True]
    """
    limit = flux_of_class([threshold])[0]
    return np.asarray(np.asarray(flux, dtype=np.float64) * (1 + _ROUNDING) >= limit)


def present_scale(flux: ArrayLike, start: ArrayLike) -> NDArray[np.float64]:
    """Return operational peak fluxes on the scale of GOES-16 and later [W / m2], shape (n,).

    Those of GOES-8 to GOES-15 were multiplied by 0.7 before they were published, to continue the
    scale of their predecessors; GOES-16 is not (Machol, Codrescu & Peck, User's Guide for GOES-R
    XRS L2 Products, NOAA, section 2.2). An M1.0 of 2014 is an M1.4 of today. Lists that NOAA has
    reprocessed are on the present scale already.

    Parameters
    ----------
    flux : array_like, shape (n,)
        As it was published at the time [W / m2].
    start : array_like of datetime64, shape (n,)
        When the flares began: those of before 2020 are scaled.

    Examples
    --------
    >>> days = np.array(["2014-10-24", "2024-05-14"], "datetime64[s]")
    >>> class_of_flux(present_scale(flux_of_class(["X3.1", "X8.7"]), days)).tolist()
    ['X4.4', 'X8.7']
    """
    given = np.asarray(flux, dtype=np.float64)
    scaled = np.asarray(start, dtype="datetime64[s]") < _SCALED_UNTIL
    return np.where(scaled, given / _SCALED_BY, given)
