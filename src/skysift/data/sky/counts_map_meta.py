"""Livetime and pointing of a counts map as the few numbers that travel beside its pixels."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skysift.data.sky.event_list import Pointing

if TYPE_CHECKING:
    from skysift.data.sky.counts_map import CountsMap

__all__ = ["circumstances", "meta_numbers", "numbers_of_text", "sound_numbers"]

_ZENITH = 90.0
_NAMES = ("LIVETIME", "RA_PNT", "DEC_PNT", "ALT_PNT")
_LONGEST = 100_000  # characters: gammapy writes some hundred


def meta_numbers(counts_map: "CountsMap") -> dict[str, float]:
    """Return livetime [s] and pointing [deg] by keyword, as far as they are finite."""
    where = counts_map.pointing
    values = (counts_map.livetime, where.ra, where.dec, _ZENITH - where.zenith)
    given = {name: float(value) for name, value in zip(_NAMES, values, strict=True)}
    return {name: value for name, value in given.items() if math.isfinite(value)}


def circumstances(*places: Mapping[str, Any]) -> tuple[float, Pointing]:
    """Return livetime [s] and pointing, each number from the first place that has it, else NaN.

    Raises
    ------
    TypeError, ValueError
        If a value is no number.
    """
    livetime, ra, dec, altitude = (
        next((float(place[name]) for place in places if name in place), math.nan) for name in _NAMES
    )
    return livetime, Pointing(ra, dec, _ZENITH - altitude)


def sound_numbers(meta: Mapping[str, Any]) -> dict[str, float]:
    """Return livetime and pointing of a meta by keyword, those that are no numbers left out."""
    return {name: value for name in _NAMES if math.isfinite(value := _number(meta.get(name)))}


def numbers_of_text(text: object) -> dict[str, float]:
    """Return those numbers of a card META, where gammapy keeps a map's meta as JSON."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return {}
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return sound_numbers(meta) if isinstance(meta, dict) else {}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
