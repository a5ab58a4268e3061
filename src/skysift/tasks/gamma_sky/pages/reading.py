"""Reading the facts of a run: numbers with intervals, names and colours of methods."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from skysift.evaluate.intervals import Interval
from skysift.report.plots import Series
from skysift.report.plots.style import BACKGROUND, MUTED, SERIES, SIGNAL

__all__ = [
    "COLOURS",
    "FREE",
    "GAMMAPY",
    "KNOWN",
    "ORACLE",
    "estimate",
    "only",
    "per_cent",
    "radius",
    "series",
    "signed",
]

Facts = Mapping[str, Any]

KNOWN = "likelihood-ratio"
FREE = "likelihood-ratio, IRF-free"
GAMMAPY = "gammapy"
ORACLE = "oracle"
COLOURS: Mapping[str, str] = {
    KNOWN: SERIES[1],
    FREE: SERIES[0],
    GAMMAPY: BACKGROUND,
    "matched-filter": SERIES[3],
    "matched-filter, IRF-free": SERIES[4],
    "smoothed-maximum": SERIES[5],
    "likelihood-ratio-peak, IRF-free": SERIES[2],
    "network, IRF-free": SERIES[3],
    "cnn-regressor": SERIES[3],
    "cnn-cleaner": SERIES[2],
    ORACLE: MUTED,
    "other": SIGNAL,
}
"""Colours of methods, the same on every figure."""


def estimate(fact: Facts | None) -> Interval | None:
    """Return a stored number with its limits, None where there is none."""
    if fact is None or fact.get("value") is None:
        return None
    low, high = (np.nan if fact.get(end) is None else float(fact[end]) for end in ("low", "high"))
    return Interval(float(fact["value"]), low, high, float(fact.get("confidence", 0.95)))


def only(rows: Iterable[Facts], **wanted: Any) -> list[Facts]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def series(rows: Sequence[Facts], x: str, y: str | None = None) -> Series | None:
    """Return the numbers of some rows as a series, without those that are missing.

    Parameters
    ----------
    rows : sequence of mapping
        Each has the position `x`.
    x : str
        Key of the position.
    y : str, optional
        Key of the number; the row itself is one if left out.
    """
    found = [(row[x], estimate(row if y is None else row.get(y))) for row in rows]
    known = [(at, one) for at, one in found if one is not None]
    if not known:
        return None
    return Series(
        [float(at) for at, _ in known],
        [one.value for _, one in known],
        [one.low for _, one in known],
        [one.high for _, one in known],
    )


def per_cent(one: Interval | None, digits: int = 0) -> str:
    """Return a share as text, e.g. ``50 % (47 to 53)``."""
    if one is None:
        return "not known"
    value, low, high = (100 * part for part in (one.value, one.low, one.high))
    return f"{value:.{digits}f} % ({low:.{digits}f} to {high:.{digits}f})"


def signed(value: float, digits: int = 1) -> str:
    """Return a share in per cent with its sign, e.g. ``+1.2``."""
    return f"{100 * value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def radius(one: Interval | None) -> str:
    """Return an angle as text, e.g. ``0.0093 deg (0.0090 to 0.0097)``."""
    if one is None:
        return "not known"
    return f"{one.value:.4f} deg ({one.low:.4f} to {one.high:.4f})"
