"""What may be wrong with a cutout that can be used all the same, one bit for each."""

from enum import IntFlag
from types import MappingProxyType

__all__ = ["FLAG_MESSAGES", "StampFlag"]


class StampFlag(IntFlag):
    """Bits of the column ``flags``; 0 is a cutout with nothing to say against it."""

    NONE = 0
    PADDED = 1 << 0
    NAN = 1 << 1
    SATURATED = 1 << 2
    INFOBITS = 1 << 3
    BAD_IMAGE = 1 << 4
    BLENDED = 1 << 5
    NOT_SQUARE = 1 << 6
    NO_SEEING = 1 << 7
    NO_APERTURE_CORRECTION = 1 << 8
    NO_ZERO_POINT = 1 << 9
    NO_SATURATION_LEVEL = 1 << 10
    NO_WCS = 1 << 11
    WRONG_WCS = 1 << 12
    BAD_CARD = 1 << 13
    SEEING_ESTIMATED = 1 << 14
    RESAMPLED = 1 << 15
    WIDE = 1 << 16


FLAG_MESSAGES = MappingProxyType(
    {
        StampFlag.PADDED: "part of the cutout lies outside its image; those pixels are NaN",
        StampFlag.NAN: "pixels within the image are NaN or infinite",
        StampFlag.SATURATED: "a pixel reaches 90 % of the saturation level of the image",
        StampFlag.INFOBITS: "the image has a bit of INFOBITS set",
        StampFlag.BAD_IMAGE: "the survey calls the image unusable (INFOBITS >= 2^25 or STATUS 0)",
        StampFlag.BLENDED: "another object of the catalogue lies within the blending radius",
        StampFlag.NOT_SQUARE: "the cutout is not square",
        StampFlag.NO_SEEING: "the seeing of the image is unknown",
        StampFlag.NO_APERTURE_CORRECTION: "the aperture corrections of the image are unknown",
        StampFlag.NO_ZERO_POINT: "the magnitude zero point of the image is unknown",
        StampFlag.NO_SATURATION_LEVEL: "the saturation level of the image is unknown",
        StampFlag.NO_WCS: "the header has no celestial coordinates",
        StampFlag.WRONG_WCS: "the celestial coordinates of the header cannot be right",
        StampFlag.BAD_CARD: "a header card that is used cannot be understood",
        StampFlag.SEEING_ESTIMATED: "the seeing is not stated but estimated from what is seen",
        StampFlag.WIDE: (
            "the image is wider than a cutout, and only what is in its middle is judged; "
            "'skysift cutouts' cuts its objects out"
        ),
        StampFlag.RESAMPLED: "the cutout was resampled, for its seeing is worse than models know",
    }
)
"""Each flag in words."""
