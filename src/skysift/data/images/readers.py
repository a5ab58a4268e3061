"""Read cutouts from whatever they come in: FITS, tar, Parquet, Avro, Zarr, folders.

Nothing is lost: each cutout is in the set, or in the table of what was rejected, with its reason.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skysift.core.errors import ReadError, UsageError
from skysift.core.stream import RecordFile
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.flags import flag_names
from skysift.data.images.alerts import Cutout, read_avro_stamps
from skysift.data.images.avro import AVRO_MAGIC
from skysift.data.images.fits_bytes import FITS_MAGIC
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.flags import FLAG_MESSAGES
from skysift.data.images.image_set import ImageSet, join
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.members import Member, iter_members, member_name, members_of
from skysift.data.images.parquet_stamps import PARQUET_MAGIC, read_parquet_stamps
from skysift.data.images.stamp import Rejected, Stamp, assemble
from skysift.data.images.zarr_cutouts import is_zarr, read_zarr_stamps
from skysift.data.table import FeatureTable

__all__ = [
    "ReadImages",
    "file_of",
    "iter_images",
    "iter_stamps",
    "read_each",
    "read_images",
    "read_members",
]

_BATCH = 1024


@dataclass(frozen=True, eq=False)
class ReadImages:
    """Cutouts after their input contract, with what became of everything that was read.

    Parameters
    ----------
    images : ImageSet
        What can be used, in the order of reading.
    checked : Checked
        All that was read, usable or not: a table of ``identifier``, ``source`` and ``reason``,
        and what was found. Its usable rows are the cutouts of `images`.
    """

    images: ImageSet
    checked: Checked

    @property
    def rejected(self) -> FeatureTable:
        """Return what gave no cutout: ``identifier``, ``source``, ``code`` and ``reason``."""
        return self.checked.table.take(~self.checked.usable)

    def with_refused(self, answer: FeatureTable, refused: Mapping[str, str | bool]) -> FeatureTable:
        """Return one row for each that was read, in the order of reading.

        Parameters
        ----------
        answer : FeatureTable
            One row for each usable cutout.
        refused : mapping of str to str or bool
            What the others get in some columns: the name of a column of ``checked.table``, or a
            value. In the rest they get NaN, or no text.
        """
        usable = self.checked.usable
        if usable.all():
            return answer
        rows = pa.array(np.cumsum(usable) - 1, mask=~usable)
        columns = []
        for field, column in zip(answer.arrow.schema, answer.arrow.take(rows).columns, strict=True):
            given: Any = refused.get(field.name, "" if pa.types.is_string(field.type) else np.nan)
            if isinstance(given, str) and given:
                given = pa.array(self.checked.table[given].tolist())
            columns.append(pc.if_else(pa.array(usable), column.combine_chunks(), given))
        return FeatureTable(pa.Table.from_arrays(columns, schema=answer.arrow.schema))


def read_images(
    paths: Sequence[str | Path],
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
    side: int | None = None,
) -> ReadImages:
    """Read cutouts into memory; the parameters are those of :func:`iter_images`.

    Raises
    ------
    ReadError
        If a path cannot be read at all, or nothing in them is a cutout.
    """
    batches = list(iter_images(paths, cutout=cutout, limits=limits, side=side))
    checked = _joined([batch.checked for batch in batches])
    parts = [batch.images for batch in batches if len(batch.images)]
    if not parts:
        first = str(checked.table["reason"][0]) if len(checked.table) else "There is none."
        raise ReadError(
            f"No cutout can be used: {first}",
            "Give FITS cutouts, a tar of them, alert packets (Avro), or a Parquet table of them.",
            path=Path(paths[0]) if paths else None,
        )
    return ReadImages(join(parts), checked)


def iter_images(
    paths: Iterable[str | Path],
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
    side: int | None = None,
    batch: int = _BATCH,
) -> Iterator[ReadImages]:
    """Read cutouts in batches, in bounded memory.

    Parameters
    ----------
    paths : iterable of path-like
        FITS files (also gzipped, multi-extension or tile-compressed), tar archives of them, Avro
        alerts, Parquet tables with FITS bytes, folders of any of these, Zarr groups of cutouts.
        The format is told by the content.
    cutout : Cutout
        Which of the three cutouts of an alert.
    limits : Limits
        Bounds of what is read.
    side : int, optional
        Cut or pad all cutouts to this side, with the target in the middle [pixel].
    batch : int
        Most cutouts of a batch. Those of a file that is not larger are in one batch, so that what
        is in a batch with them does not depend on what else is read.

    Raises
    ------
    UsageError
        If `batch` is less than 1.
    ReadError
        If a path cannot be read at all.
    """
    if batch < 1:
        raise UsageError(f"batch = {batch} cutouts.", "Ask for 1 or more.")
    held: list[Stamp | Rejected] = []
    begun = 0  # where in the batch the file in hand begins
    for found in iter_stamps(paths, cutout=cutout, limits=limits):
        goes_on = bool(held) and file_of(found.source) == file_of(held[-1].source)
        if len(held) == batch:
            cut = begun if goes_on and begun else batch
            yield _checked(held[:cut], side)
            held, begun = held[cut:], 0
        if not goes_on:
            begun = len(held)
        held.append(found)
    if held:
        yield _checked(held, side)


def file_of(source: str) -> str:
    """Return the file that a cutout came from, whatever its place in it.

    Examples
    --------
    >>> file_of("night.tar#star_1.fits#2")
    'night.tar'
    """
    return source.partition("#")[0]


def iter_stamps(
    paths: Iterable[str | Path],
    *,
    cutout: Cutout = Cutout.SCIENCE,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Stamp | Rejected]:
    """Yield one cutout, or the reason for none, after the other; see :func:`iter_images`."""
    for path in map(Path, paths):
        if not path.exists():
            raise ReadError("There is no such file.", "Check the path.", path=path)
        if path.is_dir() and is_zarr(path):
            yield from read_zarr_stamps(path, limits=limits)
            continue
        if _head(path).startswith(PARQUET_MAGIC):  # read piece by piece, may be larger than memory
            yield from read_parquet_stamps(
                str(path), path.stem, str(path), cutout=cutout, limits=limits
            )
            continue
        yield from _stamps_of_members(iter_members(path, limits=limits), cutout, limits)


def _stamps_of_members(
    members: Iterable[Member | Rejected], cutout: Cutout, limits: Limits
) -> Iterator[Stamp | Rejected]:
    for member in members:
        if isinstance(member, Rejected):
            yield member
        else:
            yield from stamps_of_member(member, cutout=cutout, limits=limits)


def read_each(
    files: Sequence[RecordFile], *, cutout: Cutout = Cutout.SCIENCE, limits: Limits = DEFAULT_LIMITS
) -> tuple[ReadImages, list[slice | ReadError]]:
    """Read small files at once, none of which stops the others.

    Parameters
    ----------
    files : sequence of RecordFile
        As for :func:`iter_images`, or in memory.
    cutout : Cutout
        Which of the three cutouts of an alert.
    limits : Limits
        Bounds of what is read.

    Returns
    -------
    read : ReadImages
        All that was read.
    rows : list of slice or ReadError
        Which rows of that are of each file, or why it cannot be read.
    """
    found: list[Stamp | Rejected] = []
    rows: list[slice | ReadError] = []
    for file in files:
        first = len(found)
        try:
            found.extend(_stamps_of_file(file, cutout, limits))
        except ReadError as error:
            del found[first:]
            rows.append(error)
        else:
            rows.append(slice(first, len(found)))
    return _checked(found, None), rows


def _stamps_of_file(file: RecordFile, cutout: Cutout, limits: Limits) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of a file; an alert packet, of which there are many, is read in one go."""
    path, data = file.path, file.data
    if data is None:
        data = _packet(path, limits)
    if data.startswith(AVRO_MAGIC) and len(data) <= limits.member_bytes:
        member = Member(member_name(path.name), str(path), data)
        return stamps_of_member(member, cutout=cutout, limits=limits)
    if file.data is None:
        return iter_stamps([path], cutout=cutout, limits=limits)
    return _stamps_of_members(members_of(data, path, limits=limits), cutout, limits)


def _packet(path: Path, limits: Limits) -> bytes:
    """Return the content of an Avro file, or of another as much as tells that it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(len(AVRO_MAGIC))
            return head + file.read(limits.member_bytes) if head == AVRO_MAGIC else head
    except OSError:
        return b""  # what is wrong with it is said by who reads it as any other file


def read_members(
    members: Iterable[Member], *, cutout: Cutout = Cutout.SCIENCE, limits: Limits = DEFAULT_LIMITS
) -> ReadImages:
    """Read the cutouts of files in memory, such as packets of a stream.

    Parameters
    ----------
    members : iterable of Member
        The files.
    cutout : Cutout
        Which of the three cutouts of an alert.
    limits : Limits
        Bounds of what is read.
    """
    found = [
        stamp
        for member in members
        for stamp in stamps_of_member(member, cutout=cutout, limits=limits)
    ]
    return _checked(found, None)


def stamps_of_member(
    member: Member, *, cutout: Cutout = Cutout.SCIENCE, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of a file in memory, whose format its first bytes tell."""
    data, name, source = member.data, member.name, member.source
    if data.startswith(FITS_MAGIC):
        yield from read_fits_stamps(data, name, source, limits=limits)
    elif data.startswith(AVRO_MAGIC):
        yield from read_avro_stamps(data, name, source, cutout=cutout, limits=limits)
    elif data.startswith(PARQUET_MAGIC):
        yield from read_parquet_stamps(data, name, source, cutout=cutout, limits=limits)
    else:
        reason = "It is of no known format: FITS, Avro, Parquet, or a tar or gzip of these."
        yield Rejected(name, source, "unknown-format", reason)


def _checked(found: Sequence[Stamp | Rejected], side: int | None) -> ReadImages:
    images = assemble([item for item in found if isinstance(item, Stamp)])
    if side is not None:
        images = images.cropped(side)
    rejected = {row: item for row, item in enumerate(found) if isinstance(item, Rejected)}
    usable = np.array([isinstance(item, Stamp) for item in found], dtype=bool)
    table = FeatureTable.from_columns(
        {
            "identifier": np.array([item.identifier for item in found], dtype=np.str_),
            "source": np.array([item.source for item in found], dtype=np.str_),
            "code": _texts(len(found), {row: item.code for row, item in rejected.items()}),
            "reason": _texts(len(found), {row: item.reason for row, item in rejected.items()}),
        }
    )
    findings = chain(_refusals(rejected), _notes(images, np.flatnonzero(usable)))
    return ReadImages(images, Checked(table, usable, tuple(findings)))


def _texts(n: int, given: dict[int, str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array([given.get(row, "") for row in range(n)], dtype=np.str_)


def _refusals(rejected: dict[int, Rejected]) -> Iterator[Finding]:
    for code in dict.fromkeys(item.code for item in rejected.values()):
        rows = [row for row, item in rejected.items() if item.code == code]
        yield Finding(code, Verdict.REJECTED, rejected[rows[0]].reason, np.array(rows))


def _notes(images: ImageSet, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[Finding]:
    for flag, message in FLAG_MESSAGES.items():
        where = images.has(flag)
        if where.any():
            yield Finding(flag_names(flag)[0], Verdict.NOTED, message, rows[where])


def _joined(parts: Sequence[Checked]) -> Checked:
    """Put the tables together, with the rows of the findings numbered through."""
    if not parts:
        raise ReadError("There is no file to read.", "Name one or more.")
    import pyarrow as pa  # noqa: PLC0415 - needed here alone

    found: dict[str, list[Finding]] = {}
    offset = 0
    for part in parts:
        for finding in part.findings:
            shifted = Finding(finding.code, finding.verdict, finding.message, finding.rows + offset)
            found.setdefault(finding.code, []).append(shifted)
        offset += len(part.table)
    return Checked(
        FeatureTable(pa.concat_tables([part.table.arrow for part in parts])),
        np.concatenate([part.usable for part in parts]),
        tuple(
            Finding(code, same[0].verdict, same[0].message, np.concatenate([f.rows for f in same]))
            for code, same in found.items()
        ),
    )


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(len(PARQUET_MAGIC))
    except OSError as error:
        raise ReadError(
            f"The file cannot be read: {error.strerror}.",
            "Check that the path names a file that you may read.",
            path=path,
        ) from error
