"""Write FITS binary tables in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u
from astropy.io import fits
from numpy.typing import NDArray

from skysift.core.errors import OutputError
from skysift.data.io.fits import PROVENANCE_EXTENSION
from skysift.data.io.schema import (
    description_of,
    plain_types,
    refuse_gaps_in_whole_vectors,
    unit_of,
    vectors,
)
from skysift.data.io.spool import Spool, SpooledSink

__all__ = ["FitsSink", "provenance_hdu"]

_BLOCK = 2880  # bytes; FITS Standard 4.0, section 3.1
_LETTERS = {"u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}
_TEXT_PIECE = 20_000  # bytes of provenance in a row


@dataclass(frozen=True, slots=True)
class _Column:
    """How one column is stored: `zero` is TZERO, `null` is TNULL."""

    field: pa.Field
    letter: str
    repeat: int
    stored: np.dtype[Any]
    zero: int = 0
    null: int | None = None

    def raw(self, column: pa.ChunkedArray) -> NDArray[Any]:
        """Return the bytes of the column as they lie in the file, in native byte order."""
        array = column.combine_chunks()
        if self.letter == "A":
            text = [b"" if v is None else v.encode("ascii") for v in array.to_pylist()]
            return np.array(text, dtype=self.stored)
        mask = np.asarray(array.is_null())
        if pa.types.is_fixed_size_list(array.type):
            refuse_gaps_in_whole_vectors(self.field.name, array, "FITS")
            return self._encoded(vectors(array))
        if array.null_count and not pa.types.is_floating(array.type):
            array = pc.fill_null(array, pa.scalar(0).cast(array.type))
        raw = self._encoded(array.to_numpy(zero_copy_only=False))
        if self.letter == "L":
            raw[mask] = 0
        elif self.null is not None:
            if np.any(raw[~mask] == self.null):
                raise OutputError(
                    f"Column '{self.field.name}' has missing values, and also the number "
                    f"{self.null + self.zero} that would mark them.",
                    "Write .parquet.",
                )
            raw[mask] = self.null
        return raw

    def _encoded(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.letter == "L":
            return np.where(values, ord("T"), ord("F")).astype(np.uint8)
        if self.zero:
            # Subtracting half the range is the same as flipping the highest bit, without overflow.
            plain = values.astype(f"{values.dtype.kind}{self.stored.itemsize}")
            bits = plain.view(f"u{self.stored.itemsize}")
            return (
                (bits ^ (1 << (8 * self.stored.itemsize - 1))).astype(bits.dtype).view(self.stored)
            )
        return values.astype(self.stored)


class FitsSink(SpooledSink):
    """A FITS file with the table first and the provenance in an extension behind it.

    Unsigned integers are stored with TZERO as the standard says, missing integers as TNULL,
    missing texts as empty ones.
    """

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        table = plain_types(table)
        for field in table.schema:
            if not field.name.isascii():
                raise OutputError(
                    f"The column name '{field.name}' is not ASCII, which FITS asks for.",
                    "Rename the column or write .parquet.",
                )
            if pa.types.is_string(field.type):
                _refuse_unprintable(field.name, table.column(field.name))
        self._spool.write(table)

    def finish(self) -> None:
        """Write the file from the spool."""
        columns = [_column(field, self._spool) for field in self._spool.schema]
        with self._temporary.open("wb") as out:
            primary = fits.PrimaryHDU()
            primary.header["CREATOR"] = "skysift"
            _write_hdu(out, primary.header, b"")
            self._write_table(out, columns)
            if self._provenance:
                extension = provenance_hdu(self._provenance)
                _write_hdu(out, extension.header, extension.data.tobytes())

    def _write_table(self, out: BinaryIO, columns: list[_Column]) -> None:
        layout = np.dtype(
            [
                (
                    str(j),
                    column.stored.newbyteorder(">"),
                    (column.repeat,) if column.letter != "A" else (),
                )
                for j, column in enumerate(columns)
            ]
        )
        header = _header(columns, layout.itemsize, self._spool.rows)
        out.write(header.tostring().encode("ascii"))
        out.writelines(raw.tobytes() for raw in self._raw_batches(columns, layout))
        out.write(b"\x00" * (-layout.itemsize * self._spool.rows % _BLOCK))

    def _raw_batches(self, columns: list[_Column], layout: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        for table in self._spool.tables():
            raw = np.empty(len(table), dtype=layout)
            for j, column in enumerate(columns):
                values = column.raw(table.column(j))
                raw[str(j)] = values.reshape(raw[str(j)].shape)
            yield raw


def _write_hdu(out: BinaryIO, header: fits.Header, data: bytes) -> None:
    out.write(header.tostring().encode("ascii"))
    out.write(data)
    out.write(b"\x00" * (-len(data) % _BLOCK))


def _column(field: pa.Field, spool: Spool) -> _Column:
    kind = field.type
    repeat = 1
    if pa.types.is_string(kind):
        width = max(spool.widths.get(field.name, 0), 1)
        return _Column(field, "A", width, np.dtype(f"S{width}"))
    if pa.types.is_fixed_size_list(kind):
        repeat, kind = kind.list_size, kind.value_type
    if pa.types.is_boolean(kind):
        return _Column(field, "L", repeat, np.dtype("u1"))
    values = np.dtype(kind.to_pandas_dtype())
    missing = field.name in spool.with_nulls and values.kind in "iu" and repeat == 1
    if missing and values.itemsize == 1:
        values = np.dtype("i2")  # eight bits leave no room for a mark
    if values.str[1:] in _LETTERS:
        stored, zero = values, 0
    elif values == np.int8:
        stored, zero = np.dtype("u1"), -128
    else:
        stored, zero = np.dtype(f"i{values.itemsize}"), 1 << (8 * values.itemsize - 1)
    null = int(np.iinfo(stored).min) if missing else None
    return _Column(field, _LETTERS[stored.str[1:]], repeat, stored, zero, null)


def _header(columns: list[_Column], row_bytes: int, rows: int) -> fits.Header:
    header = fits.Header(
        [
            ("XTENSION", "BINTABLE", "binary table extension"),
            ("BITPIX", 8),
            ("NAXIS", 2),
            ("NAXIS1", row_bytes, "bytes of a row"),
            ("NAXIS2", rows, "number of rows"),
            ("PCOUNT", 0),
            ("GCOUNT", 1),
            ("TFIELDS", len(columns), "number of columns"),
            ("EXTNAME", "TABLE"),
        ]
    )
    for number, column in enumerate(columns, start=1):
        header[f"TTYPE{number}"] = column.field.name
        header[f"TFORM{number}"] = f"{column.repeat}{column.letter}"
        unit, description = unit_of(column.field), description_of(column.field)
        if unit:
            header[f"TUNIT{number}"] = _fits_unit(unit)
        if description:
            header[f"TCOMM{number}"] = description.encode("ascii", "replace").decode()
        if column.zero:
            header[f"TSCAL{number}"] = 1
            header[f"TZERO{number}"] = column.zero
        if column.null is not None:
            header[f"TNULL{number}"] = column.null
    header["HISTORY"] = "Written by skysift."
    return header


def _fits_unit(unit: str) -> str:
    """Return the unit as the FITS standard writes it, or as it is if it is not known."""
    try:
        return str(u.Unit(unit).to_string("fits"))
    except ValueError:
        return unit.encode("ascii", "replace").decode()


def _refuse_unprintable(name: str, column: pa.ChunkedArray) -> None:
    """Refuse what FITS text may not hold: all but 0x20 to 0x7E (FITS Standard 4.0, 7.3.3.1)."""
    if pc.any(pc.match_substring_regex(column, "[^ -~]")).as_py():
        raise OutputError(
            f"Column '{name}' holds text that is not printable ASCII, which FITS cannot hold.",
            "Write .parquet or .csv.",
        )


def provenance_hdu(provenance: str) -> fits.BinTableHDU:
    """Return the extension that carries the provenance, given as JSON."""
    pieces = [
        provenance[start : start + _TEXT_PIECE] for start in range(0, len(provenance), _TEXT_PIECE)
    ]
    width = max(map(len, pieces))
    column = fits.Column(name="json", format=f"{width}A", array=np.array(pieces))
    return fits.BinTableHDU.from_columns([column], name=PROVENANCE_EXTENSION)
