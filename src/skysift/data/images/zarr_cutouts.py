"""Cutouts in a Zarr group: one array of pixels, and one for each column of their table.

Zarr version 3 (https://zarr-specs.readthedocs.io), in plain chunks with a CRC-32C each. Nothing is
compressed: noise hardly shrinks, and a chunk that says nothing of its unpacked size can be read
in bounded memory. The reader takes these codecs only; others, such as those that unpickle, are
refused before the zarr package sees the data.

The group has the arrays ``pixels`` (n, ny, nx), ``size`` (n, 2), ``target`` (n, 2; y and x of the
target, 0 being the centre of the first pixel), ``crpix`` (n, 2) and ``image_number`` (n,), and one
array for each column of the table. Its attributes hold the header cards of each image once: with
``crpix`` they are the exact coordinates of every cutout.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.extras import import_extra
from skysift.data.images.cutout_piece import Piece, StampForm
from skysift.data.images.facts import FACTS, FactValues
from skysift.data.images.flags import StampFlag
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.stamp import NOTED, Rejected, Stamp, StampError, require_sound
from skysift.data.table import FeatureTable

__all__ = ["ZARR_MARKER", "ZarrSink", "import_zarr", "is_zarr", "read_zarr_stamps"]

ZARR_MARKER = "zarr.json"
"""The file that makes a folder a Zarr group."""

_FORMAT, _VERSION = "skysift-cutouts", 1
_ROWS = 256  # of a chunk
_HELD = 4096  # rows before they are written
_CODECS = {"bytes", "crc32c", "vlen-utf8"}
_PLANES = 3
_COUNT_BYTES = 4  # of the number of texts at the head of a chunk


def import_zarr() -> Any:
    """Return the zarr package.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    return import_extra("zarr", extra="zarr")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array, of version 3 or 2."""
    return any((path / name).is_file() for name in (ZARR_MARKER, ".zgroup", ".zarray"))


class ZarrSink:
    """A Zarr group of cutouts while it is written.

    Parameters
    ----------
    folder : Path
        An empty folder.
    provenance : str
        JSON, or nothing.
    """

    form = StampForm.PIXELS

    def __init__(self, folder: Path, provenance: str) -> None:
        self._zarr = import_zarr()
        self._group = self._zarr.create_group(str(folder), zarr_format=3, overwrite=True)
        self._provenance = provenance
        self._images: list[str] = []
        self._held: list[Piece] = []
        self._units: dict[str, str] = {}

    def write(self, piece: Piece) -> None:
        """Add the cutouts of one image."""
        self._held.append(piece)
        self._images.append(piece.cards.decode("ascii"))
        if sum(len(part.cutouts) for part in self._held) >= _HELD:
            self._flush()

    def finish(self) -> None:
        """Write what is left, and what is known of the whole."""
        self._flush()
        self._group.attrs.update(
            {
                "format": _FORMAT,
                "version": _VERSION,
                "images": self._images,
                "units": self._units,
                "provenance": json.loads(self._provenance) if self._provenance else None,
            }
        )

    def _flush(self) -> None:
        first = len(self._images) - len(self._held)
        for number, piece in enumerate(self._held, start=first):
            n = len(piece.cutouts)
            table = piece.table()
            self._units |= {name: table.unit(name) for name in table.columns if table.unit(name)}
            self._append("pixels", piece.cutouts.pixels.astype(np.float32))
            self._append("size", piece.cutouts.sizes.astype(np.int32))
            self._append("target", piece.cutouts.centers.astype(np.float64))
            self._append("crpix", piece.crpix.astype(np.float64))
            self._append("image_number", np.full(n, number, dtype=np.int32))
            for name in table.columns:
                self._append(name, _plain(table, name))
        self._held = []

    def _append(self, name: str, values: NDArray[Any]) -> None:
        if name not in self._group:
            is_text = values.dtype.kind == "O"
            self._group.create_array(
                name,
                shape=(0, *values.shape[1:]),
                chunks=(_ROWS, *values.shape[1:]),
                dtype="string" if is_text else values.dtype,
                compressors=[self._zarr.codecs.Crc32cCodec()],
                fill_value="" if is_text else _fill(values.dtype),
            )
        array = self._group[name]
        if array.shape[1:] != values.shape[1:]:  # pixels of an image of another scale
            side = np.maximum(array.shape[1:], values.shape[1:])
            array.resize((array.shape[0], *side.tolist()))
            wider = np.full((len(values), *side), np.nan, dtype=values.dtype)
            wider[:, : values.shape[1], : values.shape[2]] = values
            values = wider
        array.append(values)


def _plain(table: FeatureTable, name: str) -> NDArray[Any]:
    """Return a column as numbers, or as an object array of texts."""
    column = table.arrow.column(name)
    if pa.types.is_boolean(column.type) or pa.types.is_integer(column.type):
        if not column.null_count:
            return np.asarray(column.to_numpy())
        column = column.cast(pa.float64())
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), dtype=np.float64)
    texts = ["" if value is None else str(value) for value in column.to_pylist()]
    return np.array(texts, dtype=object)


def _fill(dtype: np.dtype[Any]) -> Any:
    return np.nan if dtype.kind == "f" else dtype.type(0)


def read_zarr_stamps(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[Stamp | Rejected]:
    """Yield the cutouts of a Zarr group that skysift has written.

    Parameters
    ----------
    path : Path
        The folder.
    limits : Limits
        Bounds of what is read.

    Raises
    ------
    MissingExtraError
        If zarr is not installed.
    """
    zarr = import_zarr()
    number = 0
    try:
        shapes = _checked_arrays(path, limits)
        n = shapes["pixels"][0]
        with zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1}):
            group = zarr.open_group(str(path), mode="r", zarr_format=3)
            for start in range(0, n, _ROWS):
                stop = min(start + _ROWS, n)
                columns = {name: group[name][start:stop] for name in shapes}
                for row in range(stop - start):
                    yield _of_row(columns, row, f"{path}#{number}", limits)
                    number += 1
    except StampError as error:
        yield Rejected(path.stem, str(path), error.code, error.problem)
    except Exception as error:  # noqa: BLE001 - a damaged group can make the package raise anything
        reason = (
            f"The Zarr group is damaged: {str(error).splitlines()[0] if str(error) else error!r}"
        )
        yield Rejected(f"{path.stem}#{number}", f"{path}#{number}", "damaged-zarr", reason)


def _of_row(columns: Mapping[str, NDArray[Any]], row: int, source: str, limits: Limits) -> Any:
    identifier = str(columns["identifier"][row])
    height, width = columns["size"][row].tolist()
    pixels = np.array(columns["pixels"][row, :height, :width], dtype=np.float32)
    try:
        require_sound(pixels, limits)
    except StampError as error:
        return Rejected(identifier, source, error.code, error.problem)
    facts: FactValues = {}
    for name, fact in FACTS.items():
        if name in columns:
            value = columns[name][row]
            if fact.is_text and value:
                facts[name] = str(value)
            elif not fact.is_text and np.isfinite(value):
                facts[name] = float(value)
    flags = StampFlag(int(columns["flags"][row])) & NOTED
    y, x = columns["target"][row].tolist()
    return Stamp(identifier, source, pixels, facts, flags, (y, x), noted=True)


def _checked_arrays(path: Path, limits: Limits) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays, once everything that is asked for makes sense.

    Raises
    ------
    StampError
        If the group is of another kind, uses other codecs, or claims too much.
    """
    attributes = _json(path / ZARR_MARKER, limits).get("attributes")
    if not isinstance(attributes, dict) or attributes.get("format") != _FORMAT:
        raise StampError("unknown-format", "The Zarr group is none of cutouts by skysift.")
    if attributes.get("version") != _VERSION:
        raise StampError(
            "unknown-format", f"The Zarr group is of version {attributes.get('version')}."
        )
    needed = {"pixels", "size", "target", "identifier", "flags"}
    shapes = {}
    for name in [*sorted(needed), *(fact for fact in FACTS if (path / fact).is_dir())]:
        shapes[name] = _checked_array(path / name, limits)
    n = shapes["pixels"][0]
    if any(shape[0] != n for shape in shapes.values()) or len(shapes["pixels"]) != _PLANES:
        raise StampError("damaged-zarr", "The arrays of the Zarr group do not fit together.")
    if max(shapes["pixels"][1:]) > limits.side:
        raise StampError(
            "too-large",
            f"The cutouts have more than {limits.side} pixels on a side.",
            "Cut smaller ones.",
        )
    return shapes


def _checked_array(folder: Path, limits: Limits) -> tuple[int, ...]:
    described = _json(folder / ZARR_MARKER, limits)
    try:
        codecs = {codec["name"] for codec in described["codecs"]}
        shape = tuple(int(side) for side in described["shape"])
        chunk = [int(side) for side in described["chunk_grid"]["configuration"]["chunk_shape"]]
        is_text = described["data_type"] == "string"
    except (KeyError, TypeError, ValueError) as error:
        raise StampError("damaged-zarr", f"The array {folder.name} is not described.") from error
    if not codecs <= _CODECS or described.get("storage_transformers"):
        raise StampError(
            "unknown-format", f"The array {folder.name} uses codecs that are not read here."
        )
    if np.prod(chunk, dtype=float) * 8 > limits.member_bytes or not shape or min(chunk) < 1:
        raise StampError("too-many-bytes", f"The chunks of the array {folder.name} are too large.")
    if is_text:
        _check_texts(folder, chunk[0], limits)
    return shape


def _check_texts(folder: Path, rows: int, limits: Limits) -> None:
    """Refuse a chunk that claims more texts than it may hold: room for all would be made first."""
    for file in (folder / "c").glob("*"):
        with file.open("rb") as opened:
            claimed = int.from_bytes(opened.read(_COUNT_BYTES), "little")
        if claimed > rows or file.stat().st_size > limits.member_bytes:
            raise StampError("too-many-bytes", f"A chunk of the array {folder.name} is too large.")


def _json(path: Path, limits: Limits) -> dict[str, Any]:
    try:
        if path.stat().st_size > limits.member_bytes:
            raise StampError("too-many-bytes", f"{path.name} is too large.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StampError("damaged-zarr", f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise StampError("damaged-zarr", f"{path} describes nothing.")
    return found
