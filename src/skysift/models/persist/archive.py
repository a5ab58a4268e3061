"""The skops archive: a ZIP file of one ``schema.json`` and arrays, guarded before it is used."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from skysift.core.errors import BundleError

__all__ = [
    "ArrayHeaders",
    "canonical_archive",
    "dictionaries",
    "malformed",
    "read_headers",
    "read_schema",
]

ArrayHeaders = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and type of each array, by the name of its member."""

MAX_MEMBERS = 50_000
MAX_BYTES = 2 * 2**30
MAX_SCHEMA_BYTES = 128 * 2**20
MAX_RATIO = 200
_SMALL = 16 * 2**20  # below this size no ratio of compression does harm

_SCHEMA = "schema.json"
_ARRAY_NAME = re.compile(r"[0-9]{1,9}\.npy")
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_FIRST_MOMENT = (1980, 1, 1, 0, 0, 0)


def malformed(problem: str) -> BundleError:
    """Return the error for a model file that skysift would not have written."""
    return BundleError(
        f"The model file is not one that skysift writes: {problem}.",
        "Do not use it unless you know where it comes from; fetch it again or train it again.",
    )


def canonical_archive(data: bytes) -> bytes:
    """Return a skops archive in the one form that skysift writes and reads.

    Arrays are numbered in order of use, object ids and times are left out, and all is compressed:
    the same model gives the same bytes.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        schema = json.loads(source.read(_SCHEMA))
        numbers: dict[str, str] = {}
        for node in dictionaries(schema):
            node.pop("__id__", None)
            if isinstance(node.get("file"), str):
                node["file"] = numbers.setdefault(node["file"], f"{len(numbers)}.npy")
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as out:
            _write(out, _SCHEMA, json.dumps(schema, separators=(",", ":")).encode())
            for old, new in numbers.items():
                content = source.read(old)
                _write(out, new, _without_padding(content) if old.endswith(".npy") else content)
    return target.getvalue()


def read_schema(data: bytes) -> Any:
    """Check the members of an archive and return its schema.

    Raises
    ------
    BundleError
        If the archive is damaged, is larger than any model, or holds other things.
    """
    with _guarded(data) as archive:
        return json.loads(archive.read(_SCHEMA))


def read_headers(data: bytes) -> ArrayHeaders:
    """Return shape and type of each array of an archive; the arrays themselves are not read.

    Raises
    ------
    BundleError
        If an array is damaged, holds Python objects, or claims another size than it has.
    """
    with _guarded(data) as archive:
        members = (info for info in archive.infolist() if info.filename != _SCHEMA)
        return {info.filename: _array_header(archive, info) for info in members}


@contextmanager
def _guarded(data: bytes) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive.infolist(), len(data))
            yield archive
    except BundleError:
        raise
    except Exception as error:  # a hostile file can make the readers of ZIP and JSON raise anything
        raise malformed(f"{type(error).__name__}: {error}") from error


def _without_padding(content: bytes) -> bytes:
    """Zero the bytes between the fields of records: they hold whatever was in memory."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)  # zeros_like would leave the gaps as they are
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _FIRST_MOMENT)
    archive.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED, compresslevel=6)


def _check_sizes(members: list[zipfile.ZipInfo], compressed: int) -> None:
    names = [member.filename for member in members]
    if len(names) > MAX_MEMBERS:
        raise malformed(f"it has {len(names)} members")
    if len(set(names)) != len(names) or _SCHEMA not in names:
        raise malformed("a member is missing or occurs twice")
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES or (total > _SMALL and total > MAX_RATIO * compressed):
        raise malformed(f"{compressed} bytes unpack to {total}")
    for member in members:
        if member.filename == _SCHEMA and member.file_size > MAX_SCHEMA_BYTES:
            raise malformed(f"its schema has {member.file_size} bytes")
        if member.filename != _SCHEMA and not _ARRAY_NAME.fullmatch(member.filename):
            raise malformed(f"it has a member '{member.filename[:80]}'")
        if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise malformed(f"the member '{member.filename}' is packed in an unusual way")


def _array_header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of an array, and compare them with the size of its member.

    numpy takes memory for the shape that a header claims before it looks for the data.
    """
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADER_READERS:
            raise malformed(f"'{info.filename}' has an unknown version")
        shape, _, dtype = _HEADER_READERS[version](file)
        content = info.file_size - file.tell()
    if dtype.hasobject:
        raise malformed(f"'{info.filename}' holds Python objects")
    size = dtype.itemsize
    for length in shape:
        if length < 0:
            raise malformed(f"'{info.filename}' has the shape {shape}")
        size *= length
    if size != content:
        raise malformed(f"'{info.filename}' claims {size} bytes and has {content}")
    return shape, dtype


def dictionaries(root: Any) -> list[dict[str, Any]]:
    """Return all dictionaries of a JSON document, parents before children, in their order."""
    found, waiting = [], [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found.append(item)
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
    return found
