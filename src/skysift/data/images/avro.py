"""Records of Avro object container files, such as alert packets, from bytes in memory.

Apache Avro 1.11 specification, "Object container files". A container states its own schema, so a
hostile one could make a decoder loop or recurse for ever; such schemas are refused before the first
record. Schemas are parsed once: an alert packet repeats 20 kB of the same one.
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from typing import Any

import pyarrow as pa

from skysift.core.compiler import has_compiler
from skysift.core.errors import MissingExtraError, ReadError, SkysiftError
from skysift.data.images.avro_program import AvroProgram, compile_schema

__all__ = ["AVRO_MAGIC", "compile_reader", "read_records"]

AVRO_MAGIC = b"Obj\x01"

_SYNC = 16
_MAX_BLOCK = 256 << 20
_HARMLESS = 16 << 20
_MAX_RATIO = 50
_MAX_FIELDS = 20_000  # of a schema, all types expanded: ZTF has 200, Rubin 600
_MAX_DEPTH = 24
_MAX_HEADER = 4 << 20
_VARINT_BITS = 64
_NAMED = {"record", "error", "enum", "fixed"}
_PRIMITIVES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8}
_PRIMITIVES |= {"bytes": 1, "string": 1}


def read_records(
    data: bytes, wanted: Mapping[str, frozenset[str] | None], *, max_records: int
) -> Iterator[dict[str, Any]]:
    """Yield the records of a container.

    Parameters
    ----------
    data : bytes
        The whole container; its blocks may be packed with deflate, snappy or zstandard.
    wanted : mapping of str to set of str or None
        Fields of a record to decode, and of those that are records themselves which fields to
        keep (None: all); the others are skipped, in a compiled loop where numba is installed.
    max_records : int
        Bound of their number.

    Raises
    ------
    ReadError
        If the container is damaged, cut short, larger than the bounds, or its schema is hostile.
    MissingExtraError
        If neither numba nor fastavro is installed.
    """
    cursor = _Cursor(data, len(AVRO_MAGIC))
    metadata = cursor.metadata()
    sync = cursor.take(_SYNC)
    key = tuple(sorted((n, None if k is None else tuple(sorted(k))) for n, k in wanted.items()))
    decode = _schema(metadata.get("avro.schema", b""), key).decoder()
    codec = metadata.get("avro.codec", b"null").decode("ascii", "replace")
    seen = 0
    while not cursor.at_end:
        count, block = cursor.long(), _unpacked(cursor.take(cursor.long()), codec)
        if cursor.take(_SYNC) != sync:
            raise _damaged("a block does not end where it should")
        seen += count
        if count < 0 or seen > max_records or count > len(block):
            raise _damaged(f"a block announces {count:,} records")
        try:
            yield from decode(block, count)
        except SkysiftError:
            raise
        except Exception as error:  # damaged records make the decoder raise anything
            raise _damaged(f"a record cannot be decoded: {error}") from error


def compile_reader() -> None:
    """Compile what decodes records, so that the first one need not wait for it.

    That takes some seconds, once for an installation. Nothing is done where numba is missing.
    """
    if not has_compiler():
        return
    from skysift.data.images.avro_scan import RecordScanner  # noqa: PLC0415 - imports numba

    program = compile_schema({"type": "record", "name": "empty", "fields": []}, {})
    if program is not None:
        RecordScanner(program).read(b"\0", 0)


@dataclass(frozen=True, slots=True)
class _Schema:
    """What decodes the records of a schema: a program, or where there is none, fastavro."""

    program: AvroProgram | None
    written: Any
    reduced: Any

    def decoder(self) -> Callable[[bytes, int], Iterator[dict[str, Any]]]:
        if self.program is None:
            return self._by_fastavro
        return partial(_by_program, self.program)

    def _by_fastavro(self, block: bytes, count: int) -> Iterator[dict[str, Any]]:
        from fastavro import schemaless_reader  # noqa: PLC0415 - an extra

        stream = BytesIO(block)
        for _ in range(count):
            record: Any = schemaless_reader(stream, self.written, self.reduced)
            yield record


def _by_program(program: AvroProgram, block: bytes, count: int) -> Iterator[dict[str, Any]]:
    from skysift.data.images.avro_scan import RecordScanner  # noqa: PLC0415 - imports numba

    scanner, position = RecordScanner(program), 0
    for _ in range(count):
        record, position = scanner.read(block, position)
        yield record


@lru_cache(maxsize=32)
def _schema(text: bytes, wanted: tuple[tuple[str, tuple[str, ...] | None], ...]) -> _Schema:
    if len(text) > _MAX_HEADER:
        raise _damaged("its schema is too long")
    try:
        written = json.loads(text)
        _Walk().least_bytes(written, "", 0)
        program = compile_schema(written, dict(wanted)) if has_compiler() else None
        if program is not None:
            return _Schema(program, None, None)
        return _of_fastavro(written, dict(wanted))
    except SkysiftError:
        raise
    except Exception as error:  # whatever is wrong with a schema
        raise _damaged(f"its schema cannot be understood: {error}") from error


def _of_fastavro(written: Any, wanted: Mapping[str, tuple[str, ...] | None]) -> _Schema:
    try:
        from fastavro import parse_schema  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("fastavro", extra="stream") from error
    # Parsing changes what it is given.
    reduced = _reduced(json.loads(json.dumps(written)), wanted)
    return _Schema(None, parse_schema(written), parse_schema(reduced))


def _reduced(schema: dict[str, Any], wanted: Mapping[str, tuple[str, ...] | None]) -> Any:
    """Return the schema with the wanted fields only; named types stay with their first use."""
    types: dict[str, Any] = {}
    _gather(schema, "", types)
    fields = []
    for field in schema["fields"]:
        if field["name"] not in wanted:
            continue
        kept = wanted[field["name"]]
        fields.append({**field, "type": _inlined(field["type"], "", types, kept, set())})
    return {**schema, "fields": fields}


def _gather(schema: Any, space: str, types: dict[str, Any]) -> None:
    """Collect the named types by their full names."""
    if isinstance(schema, list):
        for branch in schema:
            _gather(branch, space, types)
    elif isinstance(schema, dict):
        kind = schema.get("type")
        if kind in _NAMED:
            name = _full_name(schema, space)
            types[name] = {**schema, "name": name}
            space = name.rpartition(".")[0]
        for field in schema.get("fields", ()):
            _gather(field["type"], space, types)
        for part in ("items", "values", "type"):
            if isinstance(schema.get(part), dict | list):
                _gather(schema[part], space, types)


def _inlined(schema: Any, space: str, types: Mapping[str, Any], kept: Any, done: set[str]) -> Any:
    """Return a type with the named types that it mentions written out at their first mention."""
    if isinstance(schema, list):
        return [_inlined(branch, space, types, kept, done) for branch in schema]
    if isinstance(schema, str):
        if schema in _PRIMITIVES:
            return schema
        name = schema if schema in types else f"{space}.{schema}"
        return name if name in done else _inlined(types[name], space, types, kept, done)
    if schema.get("type") in {"record", "error"}:
        name = _full_name(schema, space)
        done.add(name)
        inner = name.rpartition(".")[0]
        return {
            **{key: value for key, value in schema.items() if key != "namespace"},
            "name": name,
            "fields": [
                {**field, "type": _inlined(field["type"], inner, types, None, done)}
                for field in schema["fields"]
                if kept is None or field["name"] in kept
            ],
        }
    return schema


def _full_name(schema: Mapping[str, Any], space: str) -> str:
    name = str(schema["name"])
    space = str(schema.get("namespace", space))
    return name if "." in name or not space else f"{space}.{name}"


class _Walk:
    """Expand a schema: bounded in depth and number of fields, each item of a list has a byte."""

    def __init__(self) -> None:
        self._fields = 0
        self._types: dict[str, Any] = {}

    def least_bytes(self, schema: Any, space: str, depth: int) -> int:
        """Return the fewest bytes that a value of a type takes."""
        if not depth:
            _gather(schema, space, self._types)
        self._fields += 1
        if self._fields > _MAX_FIELDS or depth > _MAX_DEPTH:
            raise _damaged("its schema is recursive, or too large")
        if isinstance(schema, list):
            return 1 + min((self.least_bytes(s, space, depth + 1) for s in schema), default=0)
        if isinstance(schema, str):
            return self._of_name(schema, space, depth)
        return self._of_type(schema, space, depth)

    def _of_name(self, name: str, space: str, depth: int) -> int:
        if name in _PRIMITIVES:
            return _PRIMITIVES[name]
        full = name if name in self._types else f"{space}.{name}"
        return self.least_bytes(self._types[full], full.rpartition(".")[0], depth + 1)

    def _of_type(self, schema: Mapping[str, Any], space: str, depth: int) -> int:
        kind = schema["type"]
        if kind in {"array", "map"}:
            inner = schema["items" if kind == "array" else "values"]
            if self.least_bytes(inner, space, depth + 1) + (kind == "map") < 1:
                raise _damaged("its schema has lists of things that take no space")
            return 1
        if kind in {"record", "error"}:
            space = _full_name(schema, space).rpartition(".")[0]
            return sum(self.least_bytes(f["type"], space, depth + 1) for f in schema["fields"])
        if kind == "fixed":
            return int(schema["size"])
        return 1 if kind == "enum" else self.least_bytes(kind, space, depth + 1)


class _Cursor:
    """A position in a container."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def take(self, size: int) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise _damaged("it is cut short")
        piece = self._data[self._position : end]
        self._position = end
        return piece

    def long(self) -> int:
        """Read a zigzag variable-length integer."""
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift >= _VARINT_BITS:
                raise _damaged("a number is too long")

    def metadata(self) -> dict[str, bytes]:
        """Read the map of the header."""
        entries: dict[str, bytes] = {}
        while count := self.long():
            if count < 0:
                self.long()  # the size in bytes, which one may use to skip
            for _ in range(abs(count)):
                name = self.take(self.long()).decode("utf-8", "replace")
                entries[name] = self.take(self.long())
        return entries


def _unpacked(block: bytes, codec: str) -> bytes:
    """Unpack a block, in bounded memory."""
    # Packets hold stamps, most of them gzipped already: they hardly shrink.
    most = min(_MAX_BLOCK, max(_HARMLESS, _MAX_RATIO * len(block)))
    try:
        if codec == "null":
            return block
        if codec == "deflate":
            decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            out = decoder.decompress(block, most)
            if not decoder.eof:
                raise _damaged("a block is cut short or too large")
            return out
        if codec == "snappy":
            return _unsnapped(block, most)
        if codec == "zstandard":
            with pa.CompressedInputStream(pa.BufferReader(block), "zstd") as stream:
                out = stream.read(most + 1)
            if len(out) > most:
                raise _damaged("a block is too large")
            return bytes(out)
    except (zlib.error, pa.ArrowException, OSError, struct.error) as error:
        raise _damaged(f"a block cannot be unpacked: {error}") from error
    raise ReadError(
        f"The Avro file is packed with '{codec}', which is not read.",
        "Pack it with deflate, snappy, zstandard, or not at all.",
    )


def _unsnapped(block: bytes, most: int) -> bytes:
    """Unpack snappy: the size goes before, the CRC-32 of the unpacked bytes behind."""
    size = shift = 0
    for byte in block[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if size > most:
        raise _damaged("a block is too large")
    out = bytes(pa.Codec("snappy").decompress(block[:-4], decompressed_size=size, asbytes=True))
    if zlib.crc32(out) != struct.unpack(">I", block[-4:])[0]:
        raise _damaged("a block has another checksum than it says")
    return out


def _damaged(what: str) -> ReadError:
    return ReadError(f"The Avro file is damaged: {what}.", "Fetch it again.")
