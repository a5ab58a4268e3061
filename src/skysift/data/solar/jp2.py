"""The header that Helioviewer writes into its JPEG 2000 files.

The codestream is unpacked by Pillow, which carries OpenJPEG; here are only the boxes of the file
(ISO/IEC 15444-1, annex I) and the XML in them.
"""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

__all__ = ["JP2_MAGIC", "jp2_header"]

JP2_MAGIC = b"\x00\x00\x00\x0cjP  \r\n\x87\n"

_XML = b"xml "
_LENGTH, _LARGE_LENGTH = 8, 16
_LARGEST_XML = 1 << 20


def jp2_header(data: bytes) -> dict[str, Any]:
    """Return the FITS keywords of a JPEG 2000 file, in capitals; empty if it has none.

    Parameters
    ----------
    data : bytes
        The file.
    """
    for kind, content in _boxes(data):
        if kind == _XML and len(content) <= _LARGEST_XML:
            found = _keywords(content)
            if found:
                return found
    return {}


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the outermost boxes."""
    start = 0
    while start + _LENGTH <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        kind, head = data[start + 4 : start + _LENGTH], _LENGTH
        if length == 1:  # the length stands behind the type
            length = int.from_bytes(data[start + _LENGTH : start + _LARGE_LENGTH], "big")
            head = _LARGE_LENGTH
        elif length == 0:  # to the end of the file
            length = len(data) - start
        if length < head:
            return
        yield kind, data[start + head : start + length]
        start += length


def _keywords(xml: bytes) -> dict[str, Any]:
    start, end = xml.find(b"<fits>"), xml.find(b"</fits>")
    card_list = xml[start : end + len(b"</fits>")]
    if start < 0 or end < start or b"<!" in card_list:  # no entity, no bomb
        return {}
    try:
        root = ET.fromstring(card_list)  # noqa: S314 - what could expand was refused above
    except ET.ParseError:
        return {}
    return {str(card.tag).upper(): _value(card.text or "") for card in root}


def _value(text: str) -> int | float | str:
    plain = text.strip()
    for convert in (int, float):
        try:
            return convert(plain)
        except ValueError:
            continue
    return plain
