r"""Messages in Confluent's wire format: a zero, the number of a schema, and one Avro datum.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/ gives the
format. The datum is not decoded here: with the schema in front of it, it is an Avro object
container (Apache Avro 1.11 specification), which the readers of alerts know.

>>> framed(b'"long"', b"\x06")[:4], is_wire(b"\x00\x00\x00\x00\x07\x06")
(b'Obj\x01', True)
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from skysift.core.errors import ReadError

__all__ = ["as_container", "framed", "is_wire"]

_HEADER = 5
_SYNC = 16
_LONGEST = 4 << 20  # bytes of a schema


def is_wire(data: bytes) -> bool:
    """Tell whether a message is in the wire format; no known file begins like that."""
    return len(data) > _HEADER and data[0] == 0


def as_container(data: bytes, schemas: Path | None) -> bytes:
    """Return a message of the wire format as an Avro container.

    Parameters
    ----------
    data : bytes
        The message.
    schemas : Path or None
        The writer's schema; or a folder with one file ``NUMBER.avsc`` for each.

    Raises
    ------
    ReadError
        If the schema is not there.
    """
    number = int.from_bytes(data[1:_HEADER], "big")
    if schemas is None:
        raise ReadError(
            f"The message is in Confluent's wire format, with schema {number}.",
            "Name the file of the schema: source.schemas.",
        )
    path = schemas / f"{number}.avsc" if schemas.is_dir() else schemas
    return framed(_schema(path), data[_HEADER:])


def framed(schema: bytes, datum: bytes) -> bytes:
    """Return one Avro datum as a container."""
    sync = hashlib.sha256(schema).digest()[:_SYNC]
    metadata = _long(2) + _bytes(b"avro.codec") + _bytes(b"null")
    metadata += _bytes(b"avro.schema") + _bytes(schema) + _long(0)
    return b"Obj\x01" + metadata + sync + _long(1) + _bytes(datum) + sync


@lru_cache(maxsize=32)
def _schema(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LONGEST:
            raise ReadError("The schema is too long.", "Name another.", path=path)
        schema = path.read_bytes()
        json.loads(schema)
    except OSError as error:
        raise ReadError(
            f"There is no schema: {error.strerror}.", "Put it there, and replay.", path=path
        ) from error
    except ValueError as error:
        raise ReadError("The schema is no JSON.", "Mend it, and replay.", path=path) from error
    return schema


def _bytes(data: bytes) -> bytes:
    return _long(len(data)) + data


def _long(value: int) -> bytes:
    """Return a zigzag variable-length integer that is not negative."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  # seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
