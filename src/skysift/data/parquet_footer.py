"""What a Parquet file says of its columns, read without trust.

pyarrow reads the same with C++ code that ends the process where a footer is damaged (of pyarrow 26,
`FileMetaData.row_group` and `RowGroupMetaData.column` let exceptions of C++ pass). So what has to
be known before the data are read is taken from the footer here: a structure in Thrift's compact
protocol.

References
----------
Apache Parquet Format 2.11, `parquet.thrift` and "File format"; Apache Thrift, "Thrift compact
protocol encoding".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

__all__ = ["ColumnChunk", "column_chunks"]

_MAGIC = b"PAR1"
_TAIL = 8  # bytes: length of the footer and magic
_MOST_DEPTH = 32
_BYTE_ARRAY = 6  # Type.BYTE_ARRAY
_DICTIONARIES = {2, 8}  # Encoding.PLAIN_DICTIONARY, RLE_DICTIONARY

# Numbers of the fields in parquet.thrift.
_FILE_ROW_GROUPS = 4
_GROUP_COLUMNS, _GROUP_BYTES, _GROUP_ROWS = 1, 2, 3
_CHUNK_COLUMN = 3
_COLUMN_TYPE, _COLUMN_ENCODINGS, _COLUMN_PATH = 1, 2, 3
_COLUMN_UNPACKED, _COLUMN_PACKED = 6, 7

# Types of the compact protocol.
_STOP, _TRUE, _FALSE = 0, 1, 2
_INTEGERS = {4, 5, 6}
_BINARY, _LIST, _SET, _MAP, _STRUCT = 8, 9, 10, 11, 12
_SIZES = {_TRUE: 1, _FALSE: 1, 3: 1, 7: 8, 13: 16}  # and of a byte, a real number and a UUID
_LONG_LIST = 15
_MORE = 0x80  # of a byte: the number goes on in the next


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """A column of a row group, as the footer claims it.

    Parameters
    ----------
    group : int
        Number of the row group.
    path : str
        Names from the root of the schema, with dots.
    unpacked, packed : int
        Bytes of its pages, before and after compression.
    is_dictionary_of_bytes : bool
        Whether texts or blobs may stand in a dictionary.
    group_bytes : int
        Bytes of the whole row group before compression.
    """

    group: int
    path: str
    unpacked: int
    packed: int
    is_dictionary_of_bytes: bool
    group_bytes: int


def column_chunks(file: BinaryIO) -> Iterator[ColumnChunk]:
    """Yield what a footer says of each column of each row group.

    Parameters
    ----------
    file : binary file
        Seekable; left at any place.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the footer is damaged, as pyarrow itself says it.
    """
    try:
        metadata = _Compact(_footer(file)).structure()
        groups = _list_of(metadata.get(_FILE_ROW_GROUPS, []), dict)
        for number, group in enumerate(groups):
            size = _whole(group[_GROUP_BYTES])
            _whole(group[_GROUP_ROWS])
            for chunk in _list_of(group[_GROUP_COLUMNS], dict):
                yield _chunk(number, size, chunk[_CHUNK_COLUMN])
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, ValueError) as error:
        raise pa.ArrowInvalid("The footer of the Parquet file is damaged.") from error


def _chunk(group: int, size: int, column: dict[int, Any]) -> ColumnChunk:
    encodings = _list_of(column[_COLUMN_ENCODINGS], int)
    return ColumnChunk(
        group,
        b".".join(_list_of(column[_COLUMN_PATH], bytes)).decode(),
        _whole(column[_COLUMN_UNPACKED]),
        _whole(column[_COLUMN_PACKED]),
        column[_COLUMN_TYPE] == _BYTE_ARRAY and not _DICTIONARIES.isdisjoint(encodings),
        size,
    )


def _footer(file: BinaryIO) -> bytes:
    end = file.seek(0, 2)
    if end < len(_MAGIC) + _TAIL:
        raise ValueError
    file.seek(end - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > end - _TAIL - len(_MAGIC):
        raise ValueError
    file.seek(end - _TAIL - length)
    return file.read(length)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _list_of(value: object, kind: type) -> list[Any]:
    if not isinstance(value, list) or not all(type(entry) is kind for entry in value):
        raise TypeError
    return value


class _Compact:
    """Read values of the compact protocol from bytes; structures become dictionaries by number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0

    def structure(self) -> dict[int, Any]:
        """Return the fields of a structure by their numbers."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            step, kind = head >> 4, head & 15
            number = number + step if step else self._integer()
            fields[number] = kind == _TRUE if kind in {_TRUE, _FALSE} else self._value(kind)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind in _SIZES:  # a logical value in a list takes a byte
            return self._bytes(_SIZES[kind])
        read = {
            _BINARY: lambda: self._bytes(self._length()),
            _STRUCT: self.structure,
            _LIST: self._list,
            _SET: self._list,
            _MAP: self._map,
        }.get(kind)
        if read is None:
            raise ValueError
        return read()

    def _list(self) -> list[Any]:
        head = self._byte()
        size = head >> 4
        if size == _LONG_LIST:
            size = self._length()
        self._require_room(size)  # each entry takes a byte at least
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError
        found = [self._value(head & 15) for _ in range(size)]
        self._depth -= 1
        return found

    def _map(self) -> list[tuple[Any, Any]]:
        size = self._length()
        if not size:
            return []
        kinds = self._byte()
        self._require_room(size)
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise ValueError
        found = [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(size)]
        self._depth -= 1
        return found

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _bytes(self, length: int) -> bytes:
        self._require_room(length)
        self._at += length
        return self._data[self._at - length : self._at]

    def _require_room(self, length: int) -> None:
        if length > len(self._data) - self._at:
            raise ValueError

    def _length(self) -> int:
        """Return a number of up to 64 bits, seven to a byte, the lowest first."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < _MORE:
                return value
        raise ValueError

    def _integer(self) -> int:
        """Return a number whose sign stands in its lowest bit."""
        value = self._length()
        return (value >> 1) ^ -(value & 1)
