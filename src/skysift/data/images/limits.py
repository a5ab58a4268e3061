"""How much a file of cutouts may hold, so that a hostile one costs no more than a refusal."""

from dataclasses import dataclass

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is read; real survey data stay far below the defaults.

    Parameters
    ----------
    member_bytes : int
        Most bytes of one file, alert packet or archive member, before and after unpacking.
    archive_bytes : int
        Most bytes that a compressed archive may unpack to.
    members : int
        Most members of one archive, or records of one alert file.
    side : int
        Longest side of a cutout [pixel].
    least_side : int
        Shortest side that still holds a shape [pixel].
    """

    member_bytes: int = 256 << 20
    archive_bytes: int = 256 << 30
    members: int = 20_000_000
    side: int = 4096
    least_side: int = 5


DEFAULT_LIMITS = Limits()
"""Generous for survey cutouts, small against a machine."""
