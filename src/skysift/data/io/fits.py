"""Read FITS binary tables, a slice of the mapped file at a time."""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.core.suggest import did_you_mean
from skysift.data.io.schema import to_arrow
from skysift.data.io.source import Source, chosen_columns
from skysift.data.sky.fits_stream import FitsStream
from skysift.data.sky.fits_table import walk_hdus
from skysift.data.table import FeatureTable, described_field

__all__ = ["PROVENANCE_EXTENSION", "read_fits"]

PROVENANCE_EXTENSION = "SKYSIFT_PROVENANCE"
"""Name of the extension that holds the provenance as JSON."""

_NUMBERS = "BIJKED"


@dataclass(frozen=True, slots=True)
class _Reader:
    """One column: how its raw bytes become values."""

    name: str
    kind: str
    shape: tuple[int, ...]
    scale: float
    zero: float
    null: int | None
    field_unit: str
    description: str

    def array(self, raw: NDArray[Any]) -> pa.Array:
        if self.kind == "A":
            text = [bytes(item).rstrip(b"\x00 ").decode("ascii", "replace") for item in raw]
            return pa.array(text, type=pa.string())
        raw = raw.reshape(len(raw), *self.shape)
        if self.kind == "L":
            return to_arrow(raw == ord("T"), (raw == 0) if raw.ndim == 1 else None)
        mask = (raw == self.null) if self.null is not None and raw.ndim == 1 else None
        return to_arrow(self._scaled(raw), mask)

    def _scaled(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Apply TSCAL and TZERO; the standard's unsigned integers stay integers [1]_.

        References
        ----------
        .. [1] FITS Standard 4.0, section 5.2.5 and table 19, doi:10.1051/0004-6361/201015362.
        """
        if self.scale == 1 and self.zero == 0:
            return raw
        native = raw.astype(raw.dtype.newbyteorder("="))
        bits = 8 * native.dtype.itemsize
        if self.scale == 1 and native.dtype.kind in "iu" and abs(self.zero) == 2 ** (bits - 1):
            # Adding half the range is the same as flipping the highest bit, without overflow.
            kind = np.dtype(f"u{native.dtype.itemsize}" if bits > 8 else "i1")  # noqa: PLR2004 - bits of a byte
            unsigned = native.view(f"u{native.dtype.itemsize}")
            flipped = unsigned ^ unsigned.dtype.type(1 << (bits - 1))
            return np.asarray(flipped.view(kind))
        return native * self.scale + self.zero


def read_fits(source: Source) -> Iterator[FeatureTable]:
    """Read a binary table: the first one, or the extension that the options name.

    Columns that do not fit a table (complex numbers, arrays of varying length, bits) are left
    out and named, with the reason, in ``meta["skipped_columns"]``.

    Raises
    ------
    ReadError
        If there is no such table or the file is cut short.
    """
    with FitsStream(source.path) as stream:
        for _ in walk_hdus(stream):  # a header of countless axes would keep astropy busy
            pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a cut file is reported below, as an error
        with fits.open(source.file, memmap=True, lazy_load_hdus=False) as hdus:
            hdu = _table_hdu(hdus, source)
            rows = _raw_rows(hdu, source)
            readers, skipped = _readers(hdu)
            meta: dict[str, Any] = {"skipped_columns": skipped} if skipped else {}
            provenance = _provenance(hdus)
    if provenance is not None:
        meta["provenance"] = provenance
    names = _wanted(readers, skipped, source)
    step = source.options.batch_rows
    for start in range(0, max(len(rows), 1), step):
        piece = rows[start : start + step]
        arrays = [readers[name].array(piece[name]) for name in names]
        fields = [
            described_field(name, array.type, readers[name].field_unit, readers[name].description)
            for name, array in zip(names, arrays, strict=True)
        ]
        yield FeatureTable(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), meta)


def _table_hdu(hdus: fits.HDUList, source: Source) -> fits.BinTableHDU:
    tables = {
        i: hdu for i, hdu in enumerate(hdus) if hdu.header.get("XTENSION", "").strip() == "BINTABLE"
    }
    asked = source.options.hdu
    if asked is None:
        if tables:
            return next(iter(tables.values()))
        raise ReadError(
            "The file holds no binary table.", "Name a file with a table.", path=source.path
        )
    if isinstance(asked, str) and asked.isdigit():
        asked = int(asked)
    for number, hdu in tables.items():
        if asked == number or str(asked).upper() == hdu.name.upper():
            return hdu
    known = [hdu.name or str(number) for number, hdu in tables.items()]
    raise ReadError(
        f"The file holds no binary table '{asked}'.",
        f"{did_you_mean(str(asked), known)}It holds: {', '.join(known) or 'none'}.",
        path=source.path,
    )


def _raw_rows(hdu: fits.BinTableHDU, source: Source) -> NDArray[Any]:
    """Map the rows of a table as they lie in the file, shape (n_rows,)."""
    start = int(hdu.fileinfo()["datLoc"])
    count = int(hdu.header["NAXIS2"])
    layout = hdu.columns.dtype.newbyteorder(">")
    if layout.itemsize != int(hdu.header["NAXIS1"]):
        raise ReadError(
            f"The columns take {layout.itemsize} bytes a row, the header says "
            f"{hdu.header['NAXIS1']}.",
            "The header is damaged; download the file again.",
            path=source.path,
        )
    there = source.file.stat().st_size
    if start + count * layout.itemsize > there:
        raise ReadError(
            f"The file is cut short: {there:,} bytes instead of "
            f"{start + count * layout.itemsize:,}.",
            "Copy or download it again and compare its checksum.",
            path=source.path,
        )
    if count == 0:
        return np.empty(0, dtype=layout)
    return np.memmap(source.file, dtype=layout, mode="r", offset=start, shape=(count,))


def _readers(hdu: fits.BinTableHDU) -> tuple[dict[str, _Reader], dict[str, str]]:
    readers: dict[str, _Reader] = {}
    skipped: dict[str, str] = {}
    for number, column in enumerate(hdu.columns, start=1):
        letter = column.format.lstrip("0123456789")[:1]
        dimensions = column.dim if isinstance(column.dim, str) else None
        if letter not in f"{_NUMBERS}AL":
            skipped[column.name] = f"FITS type {column.format} does not fit a column"
            continue
        if letter == "A" and dimensions and "," in dimensions:
            skipped[column.name] = "an array of texts does not fit a column"
            continue
        readers[column.name] = _Reader(
            name=column.name,
            kind=letter,
            shape=_shape(hdu.columns.dtype[column.name].shape, dimensions),
            scale=float(column.bscale or 1),
            zero=float(column.bzero or 0),
            null=column.null if isinstance(column.null, int) else None,
            field_unit=column.unit or "",
            description=str(
                hdu.header.get(f"TCOMM{number}", "") or hdu.header.comments[f"TTYPE{number}"]
            ),
        )
    return readers, skipped


def _shape(stored: tuple[int, ...], dimensions: str | None) -> tuple[int, ...]:
    """Return the shape of one cell; TDIM names the fastest axis first."""
    if dimensions is None:
        return stored
    axes = [int(size) for size in dimensions.strip("() ").split(",")]
    return tuple(reversed(axes))


def _wanted(readers: dict[str, _Reader], skipped: dict[str, str], source: Source) -> list[str]:
    for name in source.options.columns or ():
        if name in skipped:
            raise ReadError(
                f"Column '{name}' cannot be read: {skipped[name]}.",
                "Leave it out.",
                path=source.path,
            )
    return chosen_columns(list(readers), source)


def _provenance(hdus: fits.HDUList) -> Any:
    if PROVENANCE_EXTENSION not in hdus:
        return None
    return json.loads("".join(hdus[PROVENANCE_EXTENSION].data["json"].tolist()))
