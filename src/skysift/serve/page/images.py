"""What was found on stamps and on images of the Sun, for the templates."""

from collections.abc import Sequence
from dataclasses import dataclass

from skysift.data.solar.solar_image import Placement
from skysift.serve.page.answers import Row
from skysift.serve.page.easel import Drawing
from skysift.serve.page.night import Disk, Stamp
from skysift.serve.page.sources import Sources
from skysift.serve.staging import INPUT_COLUMN, RECORD_COLUMN

__all__ = [
    "Box",
    "DiskView",
    "StampView",
    "disk_drawing",
    "disk_views",
    "flare_rows",
    "name_of",
    "stamp_drawing",
    "stamp_views",
]

_STAMPS = 24
_FLARES = 20
_CLASSES = 4  # whose probabilities are shown
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
    """

    key: str
    name: str
    verdict: str
    probabilities: Sequence[tuple[str, float, float | None]]


@dataclass(frozen=True, slots=True)
class Box:
    """A box about a region, in pixels of the picture, y downwards."""

    x: float
    y: float
    width: float
    height: float
    score: float


@dataclass(frozen=True, slots=True)
class DiskView:
    """An image of the Sun with boxes.

    Parameters
    ----------
    key, name : str
        What names it in an address, and for people.
    rows : sequence of Row
        The regions.
    boxes : sequence of Box
        Where they are on the picture; nothing if there is no picture.
    width, height : int
        Of the image [pixel], 0 if there is no picture.
    """

    key: str
    name: str
    rows: Sequence[Row]
    boxes: Sequence[Box]
    width: int
    height: int


def stamp_views(sources: Sources) -> list[StampView]:
    """Return the last stamps, the newest first."""
    with sources.night.lock:
        stamps = list(sources.night.stamps)[: -_STAMPS - 1 : -1]
    return [
        StampView(one.key, name_of(one), _verdict(one.row), _probabilities(one.row))
        for one in stamps
    ]


def name_of(stamp: Stamp) -> str:
    """Return the name of an alert or a cutout."""
    return str(stamp.row["id"] or stamp.row["file"] or stamp.row[INPUT_COLUMN])


def stamp_drawing(sources: Sources, key: str) -> Drawing | None:
    """Return the pictures of a stamp, None if it is gone or too large."""
    with sources.night.lock:
        stamp = sources.night.find_stamp(key)
    if stamp is None:
        return None
    record = sources.find_record(str(stamp.row[RECORD_COLUMN]))
    if record is None:
        return None
    return sources.draw("stamp", record, name_of(stamp))


def disk_views(sources: Sources) -> list[DiskView]:
    """Return the last image of the Sun."""
    with sources.night.lock:
        last = list(sources.night.disks.values())[-1:]
    return [_disk_view(disk, disk_drawing(sources, disk.key)) for disk in last]


def disk_drawing(sources: Sources, key: str) -> Drawing | None:
    """Return the picture of an image of the Sun, None if its file is gone or too large."""
    with sources.night.lock:
        disk = sources.night.disks.get(key)
    record = None if disk is None else sources.find_record(disk.key)
    return None if record is None else sources.draw("disk", record, record.name)


def _disk_view(disk: Disk, drawing: Drawing | None) -> DiskView:
    rows = [row for row in disk.rows if row["score"] is not None]
    name = str(disk.rows[0][INPUT_COLUMN])
    if drawing is None:
        return DiskView(disk.key, name, rows, (), 0, 0)
    place = Placement(*drawing.about["placement"])
    boxes = [_box(row, place, drawing.height) for row in rows]
    return DiskView(disk.key, name, rows, boxes, drawing.width, drawing.height)


def _box(row: Row, place: Placement, height: int) -> Box:
    """Return where a box of the file lies on the picture, whichever way round the file has it."""
    middle_x = row["x"] if row["box_x"] is None else row["box_x"]
    middle_y = row["y"] if row["box_y"] is None else row["box_y"]
    half_x, half_y = (row["width"] or 0.0) / 2, (row["height"] or 0.0) / 2
    x_1, y_1 = place.from_file(middle_x - half_x, middle_y - half_y)
    x_2, y_2 = place.from_file(middle_x + half_x, middle_y + half_y)
    left, right = sorted((float(x_1), float(x_2)))
    low, high = sorted((float(y_1), float(y_2)))
    return Box(left + 0.5, height - high - 0.5, right - left, high - low, row["score"])


def flare_rows(sources: Sources) -> list[Row]:
    """Return the last probabilities of flares, the newest first."""
    with sources.night.lock:
        return list(sources.night.flares.values())[: -_FLARES - 1 : -1]


def _verdict(row: Row) -> str:
    if row["p_galaxy"] is not None:
        said = "galaxy" if row["p_galaxy"] > 0.5 else "star"  # noqa: PLR2004  # the more probable
        said = "left open" if row["ambiguous"] else said
    else:
        said = str(row["class"] or "not measured")
        if row["length"] is not None and "trail" not in said:
            said += f", {row['length']:.1f} arcsec long"
    flags = str(row["flags"] or "").replace(",", ", ")
    return f"{said} ({flags})" if flags else said


def _probabilities(row: Row) -> list[tuple[str, float, float | None]]:
    found = [
        (key.removeprefix(_PROBABILITY).replace("_", " "), float(value), row[f"{key}_err"])
        for key, value in row.items()
        if key.startswith(_PROBABILITY) and not key.endswith("_err") and isinstance(value, float)
    ]
    return sorted(found, key=lambda one: -one[1])[:_CLASSES]
