"""The names of the bits of a flag, as they are written to tables."""

from collections.abc import Mapping
from enum import IntFlag
from typing import TypeVar

__all__ = ["flag_names", "words_by_name"]

FlagT = TypeVar("FlagT", bound=IntFlag)


def flag_names(flags: IntFlag) -> list[str]:
    """Return the names of the bits that are set, in the order of their values.

    Parameters
    ----------
    flags : IntFlag
        Bits of one kind: an integer from a table is given its kind first, ``StampFlag(value)``.

    Examples
    --------
    >>> class Fault(IntFlag):
    ...     NO_TIME = 1
    ...     CUT_DISK = 2
    >>> flag_names(Fault(3))
    ['no-time', 'cut-disk']
    """
    return [(one.name or "").lower().replace("_", "-") for one in flags]


def words_by_name(words: Mapping[FlagT, str]) -> dict[str, str]:
    """Return what each bit means by the name that it has in tables.

    Parameters
    ----------
    words : mapping of IntFlag to str
        What each bit means.

    Examples
    --------
    >>> class Fault(IntFlag):
    ...     NO_TIME = 1
    >>> words_by_name({Fault.NO_TIME: "the time is unknown"})
    {'no-time': 'the time is unknown'}
    """
    return {name: text for flag, text in words.items() for name in flag_names(flag)}
