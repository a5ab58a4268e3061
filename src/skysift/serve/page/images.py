"""What was found on stamps and on images of the Sun, for the templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skysift.serve.page.answers import Row
from skysift.serve.page.night import Night
from skysift.serve.staging import INPUT_COLUMN

__all__ = ["DiskView", "StampView", "disk_views", "flare_rows", "stamp_views"]

_STAMPS = 24
_FLARES = 20
_PROBABILITY = "p_"


@dataclass(frozen=True, slots=True)
class StampView:
    """A stamp with its probabilities.

    Parameters
    ----------
    key : str
        What names it in an address.
    name, verdict : str
    probabilities : sequence of (str, float, float or None)
        Class, probability, standard deviation; the most probable first.
    pictures : int
        How many pictures there are of it.
    """

    key: str
    name: str
    verdict: str
    probabilities: Sequence[tuple[str, float, float | None]]
    pictures: int


@dataclass(frozen=True, slots=True)
class DiskView:
    """An image of the Sun with boxes."""

    key: str
    name: str
    rows: Sequence[Row]
    boxes: Sequence[Any]
    picture: bool
    width: float
    height: float


def stamp_views(night: Night) -> list[StampView]:
    """Return the last stamps, the newest first."""
    with night.lock:
        stamps = list(night.stamps)[: -_STAMPS - 1 : -1]
    return [
        StampView(
            one.key,
            str(one.row["id"] or one.row["file"] or one.row[INPUT_COLUMN]),
            _verdict(one.row),
            _probabilities(one.row),
            0,
        )
        for one in stamps
    ]


def disk_views(night: Night) -> list[DiskView]:
    """Return the last image of the Sun."""
    with night.lock:
        last = list(night.disks.values())[-1:]
    views = []
    for disk in last:
        rows = [row for row in disk.rows if row["score"] is not None]
        name = str(disk.rows[0][INPUT_COLUMN])
        views.append(DiskView(disk.key, name, rows, rows, False, 0.0, 0.0))
    return views


def flare_rows(night: Night) -> list[Row]:
    """Return the last probabilities of flares, the newest first."""
    with night.lock:
        return list(night.flares.values())[: -_FLARES - 1 : -1]


def _verdict(row: Row) -> str:
    if row["p_galaxy"] is not None:
        said = "galaxy" if row["p_galaxy"] > 0.5 else "star"  # noqa: PLR2004  # the more probable
        said = "left open" if row["ambiguous"] else said
    else:
        said = str(row["class"] or "not measured")
        if row["length"] is not None and "trail" not in said:
            said += f", {row['length']:.1f} arcsec long"
    flags = str(row["flags"] or "")
    return f"{said} ({flags})" if flags else said


def _probabilities(row: Row) -> list[tuple[str, float, float | None]]:
    found = [
        (key.removeprefix(_PROBABILITY).replace("_", " "), float(value), row[f"{key}_err"])
        for key, value in row.items()
        if key.startswith(_PROBABILITY) and not key.endswith("_err") and isinstance(value, float)
    ]
    return sorted(found, key=lambda one: -one[1])[:4]
