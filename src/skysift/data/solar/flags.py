"""What may be said against a solar image that can be used all the same, and against its pixels."""

from enum import IntFlag
from types import MappingProxyType

__all__ = ["FLAG_MESSAGES", "PixelMask", "SolarFlag"]


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
