"""Pictures as files: their grey pixels, and how the file was made."""

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from skysift.core.errors import ReadError
from skysift.data.table import FeatureTable

__all__ = ["PICTURE_SUFFIXES", "ImageFile", "facts_table", "find_pictures", "read_image_file"]

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".bmp", ".jp2", ".fits", ".fit", ".fts"}
)
"""Files that are taken for images in a folder."""

_MOST_PIXELS = 64 << 20
_FITS = (".fits", ".fit", ".fts")
_DIGITS = re.compile(r"\d+")
_NOT_CARDS = frozenset(
    {"", "COMMENT", "HISTORY", "CONTINUE", "CHECKSUM", "DATASUM", "SIMPLE", "END"}
)
_TWO = 2


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image and what its file tells.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
        Grey values; of a coloured picture, its luminance.
    facts : mapping of str to str or int
        How the file was made: ``format``, ``mode``, ``compression``, ``software``,
        ``name_pattern`` (its name without the digits).
    header : mapping of str to str, float, int or bool
        The cards of a FITS header; empty for other files.
    """

    pixels: NDArray[Any]
    facts: Mapping[str, str | int]
    header: Mapping[str, str | float | int | bool]


def read_image_file(path: str | Path) -> ImageFile:
    """Read a picture (JPEG, PNG, GIF, TIFF, JPEG 2000) or the first image of a FITS file.

    Cards of a header that cannot be parsed are left out.

    Raises
    ------
    ReadError
        If the file is missing, damaged, too large, or no image.
    """
    file = Path(path)
    facts: dict[str, str | int] = {"name_pattern": _DIGITS.sub("#", file.name)}
    if not file.is_file():
        raise ReadError("There is no such file.", "Check the path.", path=file)
    if file.name.lower().removesuffix(".gz").endswith(_FITS):
        pixels, header = _read_fits(file)
        bits = 8 * pixels.dtype.itemsize
        return ImageFile(pixels, {**facts, "format": "FITS", "mode": f"{bits} bit"}, header)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large pictures: bounded below
        try:
            with Image.open(file) as image:
                _check_size(image.width * image.height, file)
                facts |= _facts(image)
                pixels = np.asarray(
                    image if image.mode in {"L", "F", "I", "I;16"} else image.convert("L")
                )
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise ReadError(
                f"The file is no image that can be read: {error}.", "Fetch it again.", path=file
            ) from error
    return ImageFile(pixels, facts, {})


def find_pictures(folder: str | Path) -> Iterator[Path]:
    """Yield the image files of a folder and its subfolders, ordered by name."""
    for file in sorted(Path(folder).rglob("*")):
        name = file.name.lower().removesuffix(".gz")
        if file.is_file() and Path(name).suffix in PICTURE_SUFFIXES:
            yield file


def facts_table(rows: Sequence[Mapping[str, Any]], *, prefix: str = "") -> FeatureTable:
    """Return facts of several files as a table; what one lacks is empty or NaN.

    A column of numbers and texts becomes one of texts.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        if all(isinstance(value, int | float) for value in known):
            columns[prefix + name] = np.array(
                [np.nan if value is None else float(value) for value in values]
            )
        else:
            texts = [None if value is None else str(value) for value in values]
            columns[prefix + name] = np.array(texts, dtype=object)
    return FeatureTable.from_columns(columns)


def _facts(image: Image.Image) -> dict[str, str | int]:
    """Return how a picture was stored; the tables of a JPEG tell the program and its setting."""
    tables = getattr(image, "quantization", None)
    compression = str(image.info.get("compression", ""))
    if tables:
        digest = hashlib.blake2b(repr(sorted(tables.items())).encode(), digest_size=4)
        compression = f"JPEG tables {digest.hexdigest()}"
    software = image.info.get("Software") or image.getexif().get(0x0131) or ""
    return {
        "format": str(image.format),
        "mode": image.mode,
        "compression": compression,
        "software": str(software),
    }


def _read_fits(file: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a card that is not to the letter still has a value
        try:
            with fits.open(file, memmap=False) as hdus:
                for hdu in hdus:
                    shape = tuple(getattr(hdu, "shape", ()) or ())
                    if len(shape) == _TWO and getattr(hdu, "is_image", False):
                        _check_size(shape[0] * shape[1], file)
                        return np.asarray(hdu.data), _cards(hdu.header)
        except (OSError, ValueError, TypeError, fits.VerifyError) as error:
            raise ReadError(
                f"The FITS file cannot be read: {error}.", "Fetch it again.", path=file
            ) from error
    raise ReadError("The file has no image of two axes.", "Give another file.", path=file)


def _cards(header: fits.Header) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for card in header.cards:
        try:
            keyword, value = card.keyword, card.value
        except (fits.VerifyError, ValueError):
            continue
        if keyword not in _NOT_CARDS and isinstance(value, str | int | float | bool):
            found.setdefault(keyword, value)
    return found


def _check_size(n: int, file: Path) -> None:
    if n > _MOST_PIXELS:
        raise ReadError(
            f"The image has {n:,} pixels, more than {_MOST_PIXELS:,}.", "Reduce it.", path=file
        )
