"""The names of the bits of a flag, as they are written to tables."""

from enum import IntFlag

__all__ = ["flag_names"]


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
