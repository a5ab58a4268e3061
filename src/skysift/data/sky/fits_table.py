"""Headers and binary tables of a FITS file, read piece by piece.

`astropy.io.fits` parses every card of every header that it opens, at 50 microseconds a card, which
costs more than reading the photons. Here only the cards that are asked for are parsed, plain ones
by a pattern and all others by astropy, and the rows of a table are viewed where they lie.
FITS Standard 4.0, doi:10.1051/0004-6361/201015362, sections 4.2, 4.4 and 7.3.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.sky.fits_stream import FitsStream

__all__ = ["Cards", "FitsHdu", "TableColumn", "walk_hdus"]

_BLOCK = 2880
_CARD = 80
_MAX_BLOCKS = 1000  # of a header: 36,000 cards
_MOST_FIELDS = 999  # columns of a table, by the standard; astropy sets a place aside for each
_FORM = re.compile(r"^(\d*)([LXBIJKAEDCMPQ])")
_BITS = {"L": 8, "B": 8, "A": 8, "I": 16, "J": 32, "K": 64, "E": 32, "D": 64}
_BITS |= {"C": 64, "M": 128, "P": 64, "Q": 128, "X": 1}
_NUMBERS = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_BITPIX = {8, 16, 32, 64, -32, -64}
_LARGE_ZERO = 2.0**62
# A text without quotes in it, a whole number, a real number or a logical value, then a comment.
_PLAIN_CARD = re.compile(
    rb"^.{8}= *(?:'([^']*)'|([+-]?\d+)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)?)|([TF]))"
    rb" *(?:/.*)?$"
)


class Cards:
    """The cards of a header, each parsed by astropy when it is asked for.

    Parameters
    ----------
    block : bytes
        The header as it lies in the file.
    stream : FitsStream
        Where it came from, for errors.
    """

    def __init__(self, block: bytes, stream: FitsStream) -> None:
        self._stream = stream
        self._raw: dict[bytes, bytes] = {}
        for start in range(0, len(block), _CARD):
            if block[start + 8 : start + 10] == b"= ":  # else the card is a comment
                self._raw.setdefault(block[start : start + 8], block[start : start + _CARD])

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return the value of a keyword, or the default where it is missing or has no value."""
        raw = self._raw.get(keyword.ljust(8).encode("ascii"))
        if raw is None:
            return default
        try:
            value = _value(raw)
        except (fits.VerifyError, AstropyWarning, ValueError) as error:
            raise ReadError(
                f"The header card {keyword} cannot be understood.",
                "Correct it, for example with astropy's fitsheader and fits.setval.",
                path=self._stream.path,
            ) from error
        return default if isinstance(value, fits.card.Undefined) else value

    def text(self, keyword: str) -> str:
        """Return a value as text without outer spaces, empty if it is missing."""
        return str(self.get(keyword, "")).strip()

    def number(self, keyword: str) -> float:
        """Return a number, also one written as text; NaN if it is missing or none."""
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return float("nan")
        try:
            return float(value)
        except ValueError:
            return float("nan")

    def integer(self, keyword: str) -> int:
        """Return a whole number of at least 0 that the standard requires."""
        value = self.number(keyword)
        if not isfinite(value) or value < 0 or value != int(value):
            raise ReadError(
                f"The header says {keyword} = {self.get(keyword)}, which is no whole number.",
                "The header is damaged; download the file again.",
                path=self._stream.path,
            )
        return int(value)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """Where the values of a column lie in a row, and what they mean.

    Parameters
    ----------
    form : str
        FITS format, e.g. ``1E``.
    unit : str
        As written in the file, empty if it is not.
    start : int
        Byte of the row.
    scale, zero : float
        TSCAL and TZERO.
    """

    form: str
    unit: str
    start: int
    scale: float
    zero: float


class FitsHdu:
    """A header and its data unit.

    Attributes
    ----------
    number : int
        0 for the primary one.
    cards : Cards
        The header.
    """

    def __init__(self, stream: FitsStream, number: int, start: int) -> None:
        self.number = number
        self._stream = stream
        block = _header_block(stream, start)
        self.cards = Cards(block, stream)
        self.data_start = start + len(block)
        if number:
            self.name = self.cards.text("EXTNAME").upper()
            self.is_table = self.cards.text("XTENSION").upper() == "BINTABLE"
            if self.cards.number("TFIELDS") > _MOST_FIELDS:
                raise ReadError(
                    f"The header says TFIELDS = {self.cards.get('TFIELDS')}, more columns than a "
                    "FITS table can have.",
                    "The header is damaged; download the file again.",
                    path=stream.path,
                )
        else:
            self.name, self.is_table = "PRIMARY", False

    @property
    def end(self) -> int:
        """Position of the next header."""
        axes = self.cards.integer("NAXIS")
        size = 0
        if axes:
            cells = prod(self.cards.integer(f"NAXIS{j + 1}") for j in range(axes))
            extra = self.cards.integer("PCOUNT") if self.number else 0
            size = self._bytes_of_a_cell() * (extra + cells)
        return self.data_start + -(-size // _BLOCK) * _BLOCK

    def _bytes_of_a_cell(self) -> int:
        bits = self.cards.number("BITPIX")
        if bits not in _BITPIX:
            raise ReadError(
                f"The header says BITPIX = {self.cards.get('BITPIX')}, which the standard lacks.",
                "The header is damaged; download the file again.",
                path=self._stream.path,
            )
        return int(abs(bits)) // 8

    @property
    def n_rows(self) -> int:
        """Rows of a table."""
        return self.cards.integer("NAXIS2")

    @cached_property
    def columns(self) -> dict[str, TableColumn]:
        """Columns of a table by their name in capitals."""
        columns: dict[str, TableColumn] = {}
        start = 0
        for number in range(1, self.cards.integer("TFIELDS") + 1):
            form = self.cards.text(f"TFORM{number}")
            scale = self.cards.number(f"TSCAL{number}")
            zero = self.cards.number(f"TZERO{number}")
            columns.setdefault(
                self.cards.text(f"TTYPE{number}").upper(),
                TableColumn(
                    form,
                    self.cards.text(f"TUNIT{number}"),
                    start,
                    scale if isfinite(scale) else 1.0,
                    zero if isfinite(zero) else 0.0,
                ),
            )
            start += self._width(form)
        if start != self.cards.integer("NAXIS1"):
            raise ReadError(
                f"The columns of {self.name} take {start} bytes a row, the header says "
                f"{self.cards.get('NAXIS1')}.",
                "The header is damaged; download the file again.",
                path=self._stream.path,
            )
        return columns

    def read(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of one number a row, shape (n_rows,) each, in native byte order.

        Integers become int64 and other numbers float64, scaled as TSCAL and TZERO say. 64-bit
        integers that the standard offsets by half their range stay as stored.
        """
        columns = [self.columns[name] for name in names]
        width = self.cards.integer("NAXIS1")
        layout = np.dtype(
            {
                "names": list(names),
                "formats": [self._number_type(n, c) for n, c in zip(names, columns, strict=True)],
                "offsets": [column.start for column in columns],
                "itemsize": width,
            }
        )
        raw = self._stream.read(self.data_start, width * self.n_rows)
        rows = np.frombuffer(raw, dtype=layout) if raw else np.empty(0, dtype=layout)
        return {n: _scaled(rows[n], c) for n, c in zip(names, columns, strict=True)}

    def _number_type(self, name: str, column: TableColumn) -> str:
        repeat, letter = _parts(column.form)
        if repeat != 1 or letter not in _NUMBERS:
            raise ReadError(
                f"Column {name} of {self.name} has the format {column.form}, not one number a row.",
                "Write it as GADF asks, one number for each event.",
                path=self._stream.path,
            )
        return _NUMBERS[letter]

    def _width(self, form: str) -> int:
        repeat, letter = _parts(form)
        if not letter:
            raise ReadError(
                f"A column of {self.name} has the unknown format '{form}'.",
                "The header is damaged; download the file again.",
                path=self._stream.path,
            )
        return -(-repeat * _BITS[letter] // 8)


def walk_hdus(stream: FitsStream) -> Iterator[FitsHdu]:
    """Yield the parts of a file in order; none is read further than its header."""
    number, start = 0, 0
    while not stream.is_end(start):
        hdu = FitsHdu(stream, number, start)
        yield hdu
        number, start = number + 1, hdu.end


def _value(raw: bytes) -> Any:
    match = _PLAIN_CARD.match(raw)
    if match is None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)
            return fits.Card.fromstring(raw).value
    text, whole, real, logical = match.groups()
    if text is not None:
        return text.decode("latin-1").rstrip()
    if whole is not None:
        return int(whole)
    return float(real.replace(b"D", b"E")) if real is not None else logical == b"T"


def _parts(form: str) -> tuple[int, str]:
    match = _FORM.match(form)
    if match is None:
        return 0, ""
    return int(match[1] or 1), match[2]


def _scaled(raw: NDArray[Any], column: TableColumn) -> NDArray[Any]:
    whole = raw.dtype.kind in "iu" and column.scale == 1 and column.zero == int(column.zero)
    if whole:
        integers = raw.astype(np.int64)
        return integers + int(column.zero) if abs(column.zero) < _LARGE_ZERO else integers
    values = raw.astype(np.float64)
    if column.scale != 1 or column.zero != 0:
        values = values * column.scale + column.zero
    return values


def _header_block(stream: FitsStream, start: int) -> bytes:
    blocks: list[bytes] = []
    while len(blocks) < _MAX_BLOCKS:
        block = stream.read(start + len(blocks) * _BLOCK, _BLOCK)
        blocks.append(block)
        if any(block[at : at + 8] == b"END     " for at in range(0, _BLOCK, _CARD)):
            return b"".join(blocks)
    raise ReadError(
        "A header has no end.",
        "The file is damaged; download it again.",
        path=stream.path,
    )
