"""What may be said against a solar image and its pixels, and why a file gives no image."""

from enum import IntFlag
from types import MappingProxyType

__all__ = ["FLAG_MESSAGES", "REFUSAL_MESSAGES", "PixelMask", "SolarFlag"]


class PixelMask(IntFlag):
    """Bits of the mask of a solar image; 0 is a pixel that was observed.

    Wherever a bit is set, the data are NaN.
    """

    NONE = 0
    OFF_LIMB = 1 << 0
    """No value in the file, outside the solar limb."""
    MISSING = 1 << 1
    """No value in the file (NaN, infinite or BLANK), on the disk."""
    TEXT = 1 << 2
    """Covered by text, a frame or a compass that was drawn into the image."""
    PADDED = 1 << 3
    """Outside what was observed: left over when an image is turned or a cutout reaches over it."""


class SolarFlag(IntFlag):
    """Bits of what the reader of a solar image found; 0 is an image with nothing against it."""

    NONE = 0
    NO_TIME = 1 << 0
    TIME_FROM_NAME = 1 << 1
    FITTED_LIMB = 1 << 2
    POOR_LIMB = 1 << 3
    NO_DISK = 1 << 4
    ASSUMED_OBSERVER = 1 << 5
    RESAMPLED = 1 << 6
    RESCALED_WCS = 1 << 7
    BAD_CARD = 1 << 8
    BAD_QUALITY = 1 << 9
    MISSING_ON_DISK = 1 << 10
    CUT_DISK = 1 << 11
    DISPLAY_SCALE = 1 << 12
    COLOUR = 1 << 13
    TEXT_MASKED = 1 << 14
    UNKNOWN_KIND = 1 << 15


FLAG_MESSAGES = MappingProxyType(
    {
        SolarFlag.NO_TIME: "the time of the image is unknown",
        SolarFlag.TIME_FROM_NAME: "the time is taken from the name of the file",
        SolarFlag.FITTED_LIMB: "no coordinates; the disk was found by fitting the limb",
        SolarFlag.POOR_LIMB: "the fit of the limb is uncertain",
        SolarFlag.NO_DISK: "no coordinates, and no limb was found",
        SolarFlag.ASSUMED_OBSERVER: "the file does not say from where; the Earth is assumed",
        SolarFlag.RESAMPLED: "turned north up, or made square, by interpolation",
        SolarFlag.RESCALED_WCS: "the image is smaller than its header says; the coordinates were "
        "scaled with it",
        SolarFlag.BAD_CARD: "a header card that is kept cannot be understood",
        SolarFlag.BAD_QUALITY: "the observatory has set a bit of QUALITY",
        SolarFlag.MISSING_ON_DISK: "pixels of the disk have no value",
        SolarFlag.CUT_DISK: "part of the solar disk lies outside the image",
        SolarFlag.DISPLAY_SCALE: "8-bit values made for display, clipped and of unknown scale",
        SolarFlag.COLOUR: "the colours of the picture were brought to one brightness",
        SolarFlag.TEXT_MASKED: "text, a frame or a compass drawn into the image is masked",
        SolarFlag.UNKNOWN_KIND: "neither header nor name say what was observed",
    }
)
"""Each flag in words."""

REFUSAL_MESSAGES = MappingProxyType(
    {
        "bad-coordinates": "the header's coordinates cannot be those of a solar image",
        "cut-short": "the file ends before the image does",
        "damaged-archive": "the archive is damaged or cut short; what came before it was used",
        "damaged-fits": "the FITS file is damaged",
        "damaged-gzip": "what is gzipped is damaged, cut short, or unpacks to more than an image",
        "damaged-header": "the FITS header is damaged",
        "damaged-picture": "the picture is damaged",
        "empty-file": "the file is empty",
        "no-coordinates": "the header does not say where the Sun lies in the image",
        "no-image-in-file": "there is no image in the FITS file",
        "no-simple-card": "the file does not begin as a FITS file must",
        "not-a-file": "the archive has a link or a device in place of a file",
        "not-an-image": "the data have more than two axes",
        "synoptic-map": "the map covers a whole rotation, not what was seen at one time",
        "too-large": "the image has too many pixels",
        "too-many-bytes": "the file is larger than an image may be",
        "too-many-members": "the archive has too many files",
        "too-small": "the image has too few pixels",
        "unknown-format": "neither FITS, JPEG 2000, JPEG, PNG nor GIF",
        "unreadable-file": "the file cannot be opened",
    }
)
"""Each reason for which a file gives no image of the Sun, by its code, in words."""
