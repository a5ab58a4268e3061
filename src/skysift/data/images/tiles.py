"""Tile-compressed images: what is checked before a codec, which knows no bounds, unpacks them."""

from collections.abc import Iterator
from math import isfinite

import numpy as np

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC, gunzip
from skysift.data.images.stamp import StampError
from skysift.data.sky.fits_table import FitsHdu, TableColumn

__all__ = ["require_small_tiles"]

_BLOCK = 2880
_WIDEST_PIXEL = 8
_GZIPPED_COLUMNS = ("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA")
_UNSAFE = "HCOMPRESS"  # its decoder in astropy leaves its memory where a tile is damaged


def require_small_tiles(hdu: FitsHdu, data: bytes) -> None:
    """Unpack gzipped tiles within bounds first: astropy would unpack a bomb whole.

    HCOMPRESS is refused: a damaged tile can end the process that unpacks it.

    Parameters
    ----------
    hdu : FitsHdu
        A compressed image.
    data : bytes
        The file.

    Raises
    ------
    ReadError
        If a tile unpacks to more than the header says, or is damaged, or is one of HCOMPRESS.
    """
    cards = hdu.cards
    if cards.text("ZCMPTYPE").upper().startswith(_UNSAFE):
        raise ReadError(
            "The image is compressed with HCOMPRESS, which cannot be unpacked safely.",
            "Unpack it with funpack, or compress it with Rice.",
        )
    sides = [cards.integer(f"ZNAXIS{axis}") for axis in (1, 2)]
    tile = [cards.number(f"ZTILE{axis}") for axis in (1, 2)]
    # Tiles are rows unless stated.
    cells = [
        min(max(int(side), 1), sides[axis]) if isfinite(side) else (sides[0] if axis == 0 else 1)
        for axis, side in enumerate(tile)
    ]
    bound = _WIDEST_PIXEL * cells[0] * cells[1] + _BLOCK
    for name in _GZIPPED_COLUMNS:
        column = hdu.columns.get(name)
        if column is not None:
            for packed in _tiles(hdu, column, data):
                if packed.startswith(GZIP_MAGIC):
                    gunzip(packed, max_bytes=bound)


def _tiles(hdu: FitsHdu, column: TableColumn, data: bytes) -> Iterator[bytes]:
    """Yield the cells of a column of arrays of varying length."""
    kind = np.dtype(">i8" if "Q" in column.form.partition("(")[0] else ">i4")
    width, rows = hdu.cards.integer("NAXIS1"), hdu.n_rows
    has_gap = hdu.cards.get("THEAP") is not None
    start = hdu.data_start + (hdu.cards.integer("THEAP") if has_gap else width * rows)
    layout = np.dtype(
        {
            "names": ["n", "at"],
            "formats": [kind, kind],
            "offsets": [column.start, column.start + kind.itemsize],
            "itemsize": width,
        }
    )
    if hdu.data_start + width * rows > len(data):
        raise StampError("damaged-fits", "The compressed image is cut short.")
    table = np.frombuffer(data, dtype=layout, count=rows, offset=hdu.data_start)
    for n, at in zip(table["n"].tolist(), table["at"].tolist(), strict=True):
        yield data[start + at : start + at + max(n, 0)]
