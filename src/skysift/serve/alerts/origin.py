"""Where a record comes from, as the header of its FITS file tells; read as text, never decoded.

The file is not vouched for, so that no FITS library is asked: the first cards are lines of 80
letters, of which a fixed number is looked at.
"""

import zlib
from pathlib import Path

__all__ = ["header_marks"]

_CARD = 80
_BYTES = 64 * 2880
_PACKED = 2 * _BYTES
_GZIP = 31  # window bits that stand for a gzip header
_KEYWORDS = {"INJECTED": "injected", "SIMULATE": "simulated", "TESTDATA": "test"}


def header_marks(path: Path) -> tuple[frozenset[str], str] | None:
    """Return what the first headers of a FITS file say of its origin.

    Parameters
    ----------
    path : Path
        The file, plain or gzip.

    Returns
    -------
    marks : frozenset of str
        ``injected``, ``simulated`` or ``test`` where ``INJECTED``, ``SIMULATE`` or ``TESTDATA`` is
        ``T``.
    name : str
        What ``OBJECT`` says.
    None
        Instead, if it is not to be read or no FITS file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_PACKED)
        if start[:2] == b"\x1f\x8b":
            start = zlib.decompressobj(_GZIP).decompress(start, _BYTES)
    except (OSError, zlib.error):
        return None
    if not start.startswith(b"SIMPLE  ="):
        return None
    marks, name, axes = set(), "", "0"
    for begin in range(0, min(len(start), _BYTES) - _CARD + 1, _CARD):
        card = start[begin : begin + _CARD].decode("ascii", "replace")
        keyword, value = card[:8].rstrip(), card[10:]
        if keyword == "END" and axes != "0":
            break  # data follow
        if card[8:10] != "= ":
            continue
        if keyword == "NAXIS":
            axes = value.partition("/")[0].strip()
        if keyword in _KEYWORDS and value.partition("/")[0].strip() == "T":
            marks.add(_KEYWORDS[keyword])
        elif keyword == "OBJECT" and not name:
            name = value.strip().removeprefix("'").partition("'")[0].strip()
    return frozenset(marks), name
