"""The name of an observation in a header: a whole number by the standard, or any other text."""

from collections.abc import Callable
from math import isfinite
from typing import Any

from skysift.data.sky.event_list import EventList

__all__ = ["is_card_value", "name_cards", "name_of"]

_LONGEST_NUMBER = 18  # digits that a 64-bit integer holds
_LONGEST_TEXT = 68  # characters that one card holds


def name_cards(events: EventList) -> dict[str, int | str]:
    """Return the cards of a list's name, nothing where its meta has an identifier.

    OBS_ID is a whole number by the standard: a name that is none is kept in OBS_NAME beside it.
    """
    given, name = events.meta.get("OBS_ID"), events.name
    if is_card_value(given) and str(given) != "0":
        return {}
    if name.isascii() and name.isdecimal() and len(name) <= _LONGEST_NUMBER:
        return {} if is_card_value(given) else {"OBS_ID": int(name)}
    cards: dict[str, int | str] = {"OBS_ID": 0}
    if name and is_card_value(name) and len(name) + name.count("'") <= _LONGEST_TEXT:
        cards["OBS_NAME"] = name
    return cards


def name_of(get: Callable[[str, Any], Any]) -> str:
    """Return the name that `name_cards` wrote, or OBS_ID; empty if a header has neither."""
    number = str(get("OBS_ID", "")).strip()
    return (str(get("OBS_NAME", "")).strip() if number == "0" else "") or number


def is_card_value(value: object) -> bool:
    """Tell whether a value of the meta fits a header card."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, str):
        return value.isascii() and value.isprintable()
    return isinstance(value, bool | int)
