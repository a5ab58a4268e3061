"""Cutouts out of alerts: ZTF (schemas 3.3 and 4.0x) and Rubin (lsst.v10), from Avro or Parquet."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC, gunzip
from skysift.data.images.avro import read_records
from skysift.data.images.facts import facts_of_rubin, facts_of_ztf
from skysift.data.images.fits_stamps import read_alert_stamp
from skysift.data.images.flags import StampFlag
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.plain_stamp import read_plain_stamp
from skysift.data.images.stamp import Rejected, Stamp, StampError

__all__ = ["Cutout", "read_avro_stamps", "stamp_of_alert", "stamp_of_fields"]

_ZTF_FIELDS = frozenset(
    {"ra", "dec", "magzpsci", "jd", "pid", "fid", "pdiffimfilename", "xpos", "ypos"}
    | {"fwhm", "seeratio", "rfid"}
)
_RUBIN_FIELDS = frozenset(
    {"ra", "dec", "midpointMjdTai", "diaObjectId", "ssObjectId", "visit", "band"}
)
_ZTF_SIDE = 63  # of a stamp that no edge of the detector clips


class Cutout(StrEnum):
    """Which of the three cutouts of an alert to read."""

    SCIENCE = "cutoutScience"
    TEMPLATE = "cutoutTemplate"
    DIFFERENCE = "cutoutDifference"


def read_avro_stamps(
    data: bytes,
    identifier: str,
    source: str,
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of an Avro file in memory: one alert packet, or a container of many.

    Parameters
    ----------
    data : bytes
        The file.
    identifier : str
        Name of what cannot be told apart otherwise; an alert is named by its candid or diaSourceId.
    source : str
        Where it came from.
    cutout : Cutout
        Which of the three.
    limits : Limits
        Bounds of what is read.
    """
    wanted = {
        "objectId": None,
        "candid": None,
        "candidate": _ZTF_FIELDS,
        "diaSourceId": None,
        "diaSource": _RUBIN_FIELDS,
        cutout.value: None,
    }
    number = 0
    try:
        for record in read_records(data, wanted, max_records=limits.members):
            yield stamp_of_alert(record, source, cutout=cutout, limits=limits, default=identifier)
            number += 1
    except ReadError as error:
        yield Rejected(f"{identifier}#{number}", source, "damaged-avro", error.problem)
    else:
        if not number:
            yield Rejected(identifier, source, "no-image", "The Avro file holds no alert.")


def stamp_of_alert(
    record: Mapping[str, Any],
    source: str,
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
    default: str = "",
) -> Stamp | Rejected:
    """Return the cutout of one decoded alert, or why there is none.

    Parameters
    ----------
    record : mapping
        The alert as its schema nests it.
    source : str
        Where it came from.
    cutout : Cutout
        Which of the three.
    limits : Limits
        Bounds of what is read.
    default : str
        Name of an alert that has no identifier.
    """
    is_rubin = "diaSource" in record
    inner = record.get("diaSource" if is_rubin else "candidate")
    fields: dict[str, Any] = dict(inner) if isinstance(inner, Mapping) else {}
    fields["objectId"] = record.get("objectId")
    number = record.get("diaSourceId" if is_rubin else "candid")
    identifier = default if number is None else str(number)
    blob = record.get(cutout.value)
    if isinstance(blob, Mapping):
        blob = blob.get("stampData")
    return stamp_of_fields(
        blob, fields.get, identifier, source, is_rubin=is_rubin, cutout=cutout, limits=limits
    )


def stamp_of_fields(
    blob: Any,
    get: Callable[[str], Any],
    identifier: str,
    source: str,
    *,
    is_rubin: bool,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> Stamp | Rejected:
    """Return the cutout of an alert whose fields are at hand, or why there is none.

    Parameters
    ----------
    blob : bytes or None
        The FITS file of the cutout, gzipped or not.
    get : callable
        Gives a field of the alert by its name in the schema, None where it is missing.
    identifier, source : str
        Name of the alert, and where it came from.
    is_rubin : bool
        Whether the fields are those of a Rubin ``diaSource`` or of a ZTF ``candidate``.
    cutout : Cutout
        Which of the three it is.
    limits : Limits
        Bounds of what is read.
    """
    if not isinstance(blob, bytes) or not blob:
        return Rejected(identifier, source, "no-image", "The alert has no such cutout.")
    try:
        if blob.startswith(GZIP_MAGIC):
            blob = gunzip(blob, max_bytes=limits.member_bytes)
        stamp = read_plain_stamp(blob, identifier, source, limits=limits) or read_alert_stamp(
            blob, identifier, source, limits=limits
        )
    except StampError as error:
        return Rejected(identifier, source, error.code, error.problem)
    except ReadError as error:
        return Rejected(identifier, source, "damaged-stamp", error.problem)
    if is_rubin:
        return replace(stamp, facts=stamp.facts | facts_of_rubin(get))
    stamp = replace(
        stamp, facts=stamp.facts | facts_of_ztf(get, of_template=cutout is Cutout.TEMPLATE)
    )
    return _placed(stamp, get("ypos"), get("xpos"))


def _placed(stamp: Stamp, y: float | None, x: float | None) -> Stamp:
    """Place the target of a ZTF alert that an edge of the detector, at pixel 1, has clipped."""
    shape = stamp.pixels.shape
    if min(shape) >= _ZTF_SIDE or max(shape) > _ZTF_SIDE:
        return stamp
    middle = (_ZTF_SIDE - 1) / 2
    center: tuple[float, float] | None = None
    if y is not None and x is not None:
        # Clipped at the low edge, the target is nearer to the first pixel than half a cutout.
        lost_y, lost_x = (_ZTF_SIDE - length for length in shape)
        center = (
            middle - (lost_y if y < _ZTF_SIDE else 0),
            middle - (lost_x if x < _ZTF_SIDE else 0),
        )
    return replace(stamp, flags=stamp.flags | StampFlag.PADDED, center=center)
