"""What may be wrong with a cutout that can be used all the same, one bit for each."""

from enum import IntFlag
from types import MappingProxyType

__all__ = ["FLAG_MESSAGES", "REFUSAL_MESSAGES", "StampFlag"]


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

REFUSAL_MESSAGES = MappingProxyType(
    {
        "blank": "all pixels that are known have the same value",
        "damaged-archive": "the archive is damaged or cut short; what came before it was used",
        "damaged-avro": "the Avro file is damaged or cut short; what came before it was used",
        "damaged-fits": "the FITS file is damaged or cut short",
        "damaged-gzip": "what is gzipped is damaged, cut short, or unpacks to more than an image",
        "damaged-parquet": "the Parquet file is damaged; what came before it was used",
        "damaged-stamp": "the stamp of the alert is damaged, or unpacks to more than an image",
        "damaged-zarr": "the Zarr group is damaged",
        "empty-file": "the file is empty",
        "empty-image": "the image has no pixels",
        "no-image": "there is no image in it",
        "no-valid-pixel": "all pixels are NaN or infinite",
        "not-a-file": "the archive has a link or a device in place of a file",
        "not-an-image": "the data have more or fewer than two axes",
        "too-large": "the image has too many pixels; 'skysift cutouts' cuts its objects out",
        "too-many-bytes": "it is larger than a file of cutouts may be",
        "too-many-members": "the archive has too many files",
        "too-small": "the image has too few pixels to show an object",
        "unknown-format": "neither FITS, Avro, Parquet nor Zarr of cutouts, nor a tar of these",
        "unreadable-file": "the file cannot be opened",
    }
)
"""Each reason for which a file or a stamp gives no cutout, by its code, in words."""
