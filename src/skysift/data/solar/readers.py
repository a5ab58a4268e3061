"""Read images of the Sun from FITS, JPEG 2000, JPEG, PNG and GIF, in files, folders and archives.

Nothing is lost: each file gives an image, or a reason why it gives none.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skysift.core.errors import ReadError
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.flags import flag_names
from skysift.data.images.limits import Limits
from skysift.data.images.members import Member, iter_members
from skysift.data.images.stamp import Rejected
from skysift.data.solar.assemble import image_of_header
from skysift.data.solar.browse import browse_image, read_picture
from skysift.data.solar.fits_pixels import read_fits_pixels
from skysift.data.solar.flags import FLAG_MESSAGES, SolarFlag
from skysift.data.solar.jp2 import JP2_MAGIC, jp2_header
from skysift.data.solar.limits import SOLAR_LIMITS, SolarReadError
from skysift.data.solar.orientation import LARGEST_TILT
from skysift.data.solar.solar_image import ImageKind, Placement, SolarImage
from skysift.data.table import FeatureTable

__all__ = ["ReadSolarImages", "iter_solar_images", "read_solar_image", "read_solar_images"]

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_FITS_NAMES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz", ".fits.fz")
_FITS_WORD = b"SIMPLE"


@dataclass(frozen=True, slots=True)
class _Choices:
    """What the caller asks for; the parameters of :func:`read_solar_image`."""

    limits: Limits = SOLAR_LIMITS
    largest_tilt: float = LARGEST_TILT
    time: np.datetime64 | None = None
    kind: ImageKind | None = None


@dataclass(frozen=True, eq=False)
class ReadSolarImages:
    """Images after their input contract, with what became of every file.

    Parameters
    ----------
    images : tuple of SolarImage
        What can be used, in the order of reading.
    checked : Checked
        All that was read: a table of ``identifier``, ``source``, ``code`` and ``reason``, and what
        was found. Its usable rows are `images`.
    """

    images: tuple[SolarImage, ...]
    checked: Checked

    @property
    def rejected(self) -> FeatureTable:
        """Files that gave no image, with code and reason."""
        return self.checked.table.take(~self.checked.usable)


def read_solar_image(
    path: str | Path,
    *,
    time: np.datetime64 | None = None,
    kind: ImageKind | None = None,
    limits: Limits = SOLAR_LIMITS,
    largest_tilt: float = LARGEST_TILT,
) -> SolarImage:
    """Read one image of the Sun.

    Parameters
    ----------
    path : path-like
        FITS (plain, gzipped or tile-compressed), JPEG 2000, JPEG, PNG or GIF; the format is told
        by the content.
    time : datetime64, optional
        UTC of a picture that does not say.
    kind : ImageKind, optional
        What is shown, if the file does not say or errs.
    limits : Limits
        Bounds of what is read.
    largest_tilt : float
        Rotation that may stay in the pixels, exactly allowed for by the geometry [deg]; 0 turns
        every image exactly north up, by interpolation.

    Raises
    ------
    ReadError
        If the file gives no image.
    """
    choices = _Choices(limits, largest_tilt, time, kind)
    for member in iter_members(Path(path), limits=limits):
        if isinstance(member, Rejected):
            raise ReadError(member.reason, "Download it again.", path=path)
        try:
            return _image(member, choices)
        except ReadError as error:
            raise ReadError(error.problem, error.remedy, path=path) from error
    raise ReadError("There is no file in it.", "Name a file.", path=path)


def iter_solar_images(
    paths: Sequence[str | Path],
    *,
    limits: Limits = SOLAR_LIMITS,
    largest_tilt: float = LARGEST_TILT,
) -> Iterator[SolarImage | Rejected]:
    """Yield one image, or the reason for none, after the other, in bounded memory.

    Parameters
    ----------
    paths : sequence of path-like
        Files, folders and tar archives.
    limits, largest_tilt
        As of :func:`read_solar_image`.

    Raises
    ------
    ReadError
        If a path cannot be read at all.
    """
    choices = _Choices(limits, largest_tilt)
    for path in map(Path, paths):
        if not path.exists():
            raise ReadError("There is no such file.", "Check the path.", path=path)
        for member in iter_members(path, limits=limits):
            if isinstance(member, Rejected):
                yield member
                continue
            try:
                yield _image(member, choices)
            except ReadError as error:
                code = error.code if isinstance(error, SolarReadError) else "unreadable-file"
                yield Rejected(member.name, member.source, code, error.problem)


def read_solar_images(
    paths: Sequence[str | Path],
    *,
    limits: Limits = SOLAR_LIMITS,
    largest_tilt: float = LARGEST_TILT,
) -> ReadSolarImages:
    """Read images into memory; the parameters are those of :func:`iter_solar_images`."""
    found = list(iter_solar_images(paths, limits=limits, largest_tilt=largest_tilt))
    images = tuple(item for item in found if isinstance(item, SolarImage))
    return ReadSolarImages(images, _checked(found))


def _image(member: Member, choices: _Choices) -> SolarImage:
    data, source = member.data, member.source
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(_FITS_WORD) or source.lower().endswith(_FITS_NAMES):
        image = _of_fits(data, source, sha256, choices)
    elif data.startswith(JP2_MAGIC):
        image = _of_jp2(data, source, sha256, choices)
    elif data.startswith(_PICTURES):
        image = _of_picture(data, source, sha256, choices)
    else:
        raise SolarReadError(
            "unknown-format",
            "It is of no known format: FITS, JPEG 2000, JPEG, PNG or GIF.",
            "Give an image of the Sun.",
        )
    if choices.kind is not None and image.kind is not choices.kind:
        known = image.flags & ~SolarFlag.UNKNOWN_KIND
        image = replace(image, kind=choices.kind, flags=known)
    return image


def _of_fits(data: bytes, source: str, sha256: str, choices: _Choices) -> SolarImage:
    pixels, header, bad = read_fits_pixels(data, source, choices.limits)
    flags = SolarFlag.BAD_CARD if bad else SolarFlag.NONE
    image = image_of_header(
        pixels,
        header,
        source=source,
        sha256=sha256,
        flags=flags,
        largest_tilt=choices.largest_tilt,
    )
    if image is None:
        raise SolarReadError(
            "no-coordinates",
            "The header does not say where the Sun lies in the image.",
            "Add CRPIX, CDELT and CTYPE, or give a picture (PNG), whose limb is fitted.",
        )
    return image


def _of_jp2(data: bytes, source: str, sha256: str, choices: _Choices) -> SolarImage:
    header = jp2_header(data)
    stored, flags = read_picture(data, choices.limits)
    image = image_of_header(
        np.ascontiguousarray(stored[::-1]),
        header,
        source=source,
        sha256=sha256,
        flags=flags,
        stored=Placement(yy=-1.0, y0=stored.shape[0] - 1.0),
        largest_tilt=choices.largest_tilt,
    )
    if image is None:
        return browse_image(
            stored, source=source, sha256=sha256, flags=flags, time=choices.time, kind=choices.kind
        )
    return replace(image, unit="" if SolarFlag.DISPLAY_SCALE in flags else image.unit)


def _of_picture(data: bytes, source: str, sha256: str, choices: _Choices) -> SolarImage:
    stored, flags = read_picture(data, choices.limits)
    return browse_image(
        stored, source=source, sha256=sha256, flags=flags, time=choices.time, kind=choices.kind
    )


def _checked(found: Sequence[SolarImage | Rejected]) -> Checked:
    rejected = [item if isinstance(item, Rejected) else None for item in found]
    flags = np.array([0 if isinstance(item, Rejected) else int(item.flags) for item in found], int)
    names = [
        item.identifier if isinstance(item, Rejected) else item.source.rpartition("/")[2]
        for item in found
    ]
    table = FeatureTable.from_columns(
        {
            "identifier": np.array(names, dtype=np.str_),
            "source": np.array([item.source for item in found], dtype=np.str_),
            "code": np.array([item.code if item else "" for item in rejected], dtype=np.str_),
            "reason": np.array([item.reason if item else "" for item in rejected], dtype=np.str_),
        }
    )
    findings = [
        Finding(code, Verdict.REJECTED, _reason(rejected, code), _rows(rejected, code))
        for code in dict.fromkeys(item.code for item in rejected if item)
    ]
    findings += [
        Finding(flag_names(flag)[0], Verdict.NOTED, message, np.flatnonzero(flags & int(flag)))
        for flag, message in FLAG_MESSAGES.items()
        if (flags & int(flag)).any()
    ]
    usable = np.array([item is None for item in rejected], dtype=bool)
    return Checked(table, usable, tuple(findings))


def _rows(
    rejected: Sequence[Rejected | None], code: str
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([row for row, item in enumerate(rejected) if item and item.code == code])


def _reason(rejected: Sequence[Rejected | None], code: str) -> str:
    return next(item.reason for item in rejected if item and item.code == code)
