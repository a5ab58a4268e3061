"""Cutouts out of Parquet: alerts with their stamps, or what ``skysift cutouts`` writes."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC, gunzip
from skysift.data.images.alerts import Cutout, stamp_of_fields
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.stamp import Rejected, Stamp, StampError
from skysift.data.parquet_bounds import bounded_parquet, bounded_record_batches

__all__ = ["PARQUET_MAGIC", "STAMP_COLUMN", "read_parquet_stamps"]

PARQUET_MAGIC = b"PAR1"
STAMP_COLUMN = "cutout"
"""Column of the FITS bytes in a table that skysift writes."""

_ROWS = 256  # in memory at a time; a row of three stamps has 40 kB
_NAMES = ("candid", "diaSourceId", "identifier", "id")
_PREFIXES = ("", "candidate.", "candidate_", "dia_", "diaSource.", "diaSource_")
_MOST_ROW_GROUP_BYTES = 4 << 30


def read_parquet_stamps(
    data: bytes | str,
    identifier: str,
    source: str,
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of a Parquet table with a column of FITS bytes, gzipped or not.

    The column is ``cutout``, or for alerts ``cutoutScience``, ``cutoutTemplate`` or
    ``cutoutDifference``; fields of an alert may stand under their own names or behind
    ``candidate.`` or ``dia_``.

    Parameters
    ----------
    data : bytes or str
        The file in memory, or its path.
    identifier : str
        Name of the file, for rows without one.
    source : str
        Where it came from.
    cutout : Cutout
        Which cutout of an alert.
    limits : Limits
        Bounds of what is read.
    """
    number = 0
    try:
        opened = pa.BufferReader(data) if isinstance(data, bytes) else data
        with bounded_parquet(opened, most_group_bytes=_MOST_ROW_GROUP_BYTES) as file:
            names = file.schema_arrow.names
            column = _stamp_column(names, cutout)
            if column is None:
                yield from _without_cutout(file, cutout, identifier, source)
                return
            wanted = [n for n in names if n == column or not n.startswith("cutout")]
            groups = range(file.num_row_groups)
            for batch in bounded_record_batches(file, _ROWS, wanted, groups):
                for row in batch.to_pylist():
                    named = f"{identifier}#{number}"
                    where = f"{source}#{number}"
                    yield _of_row(row, column, named, where, limits=limits, cutout=cutout)
                    number += 1
    except StampError as error:
        yield Rejected(identifier, source, error.code, error.problem)
    except ReadError as error:
        yield Rejected(identifier, source, "too-many-bytes", error.problem)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = f"The Parquet file is damaged: {str(error).splitlines()[0]}"
        yield Rejected(f"{identifier}#{number}", source, "damaged-parquet", reason)


def _stamp_column(names: list[str], cutout: Cutout) -> str | None:
    """Return the column of the cutouts; None for alerts that have other ones only."""
    for name in (STAMP_COLUMN, *_columns_of(cutout)):
        if name in names:
            return name
    if _others(names) and any(name in names for name in _NAMES):
        return None
    raise StampError("no-image", f"The Parquet table has no column {STAMP_COLUMN} or {cutout}.")


def _columns_of(cutout: Cutout) -> tuple[str, str]:
    return cutout.value, f"{cutout.value}_stampData"


def _others(names: list[str]) -> list[Cutout]:
    """Return which cutouts of alerts a table has."""
    return [cutout for cutout in Cutout if any(name in names for name in _columns_of(cutout))]


def _without_cutout(
    file: pq.ParquetFile, cutout: Cutout, identifier: str, source: str
) -> Iterator[Rejected]:
    """Yield a reason for each alert of a table without the cutouts that are asked for."""
    names = file.schema_arrow.names
    there = _others(names)
    science = " Ask for --cutout science." if Cutout.SCIENCE in there else ""
    reason = f"The alerts have no {cutout}, but {' and '.join(there)}.{science}"
    wanted = [name for name in _NAMES if name in names]
    number = 0
    for batch in bounded_record_batches(file, _ROWS, wanted, range(file.num_row_groups)):
        for row in batch.to_pylist():
            named = _name_of(row, f"{identifier}#{number}")
            yield Rejected(named, f"{source}#{number}", "no-image", reason)
            number += 1


def _name_of(row: Mapping[str, Any], default: str) -> str:
    number = next((row[name] for name in _NAMES if row.get(name) is not None), None)
    return default if number is None else str(number)


def _of_row(
    row: Mapping[str, Any],
    column: str,
    default: str,
    source: str,
    *,
    limits: Limits,
    cutout: Cutout,
) -> Stamp | Rejected:
    identifier = _name_of(row, default)
    blob = row[column]
    if isinstance(blob, Mapping):
        blob = blob.get("stampData")
    if column != STAMP_COLUMN:
        is_rubin = any(name in row for name in ("diaSourceId", "diaSource.ra"))
        get = partial(_field, row)
        return stamp_of_fields(
            blob, get, identifier, source, is_rubin=is_rubin, cutout=cutout, limits=limits
        )
    if not isinstance(blob, bytes) or not blob:
        return Rejected(identifier, source, "no-image", "The row has no cutout.")
    return _own(blob, identifier, source, limits)


def _own(blob: bytes, identifier: str, source: str, limits: Limits) -> Stamp | Rejected:
    """Return a cutout whose facts stand in its own header."""
    try:
        if blob.startswith(GZIP_MAGIC):
            blob = gunzip(blob, max_bytes=limits.member_bytes)
    except ReadError as error:
        return Rejected(identifier, source, "damaged-gzip", error.problem)
    return next(read_fits_stamps(blob, identifier, source, limits=limits))


def _field(row: Mapping[str, Any], name: str) -> Any:
    return next((row[p + name] for p in _PREFIXES if row.get(p + name) is not None), None)
