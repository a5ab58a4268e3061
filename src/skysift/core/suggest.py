"""The nearest known name to a mistyped one."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean", "listed", "nearest"]

_MOST = 20  # names that a message tells


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None if nothing comes near.

    Case, hyphens and underscores do not count.

    Examples
    --------
    >>> nearest("Gama_hadron", ["gamma-hadron", "flare"])
    'gamma-hadron'
    >>> nearest("banana", ["gamma-hadron", "flare"]) is None
    True
    """
    plain = {_plain(candidate): candidate for candidate in known}
    matches = get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[matches[0]] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'? "``, or nothing if no known name comes near."""
    match = nearest(name, known)
    return f"Did you mean '{match}'? " if match else ""


def listed(names: Iterable[str]) -> str:
    """Return names as a message tells them: not all, where they are many.

    Examples
    --------
    >>> listed(["ra", "dec"])
    'ra, dec'
    >>> listed(str(number) for number in range(300))[-21:]
    '18, 19 and 280 others'
    """
    every = list(names)
    more = len(every) - _MOST
    return ", ".join(every[:_MOST]) + (f" and {more:,} others" if more > 0 else "")


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
