"""What the columns and flags of forecasts of flares are."""

from collections.abc import Mapping
from typing import Any, Final

from skysift.data.flags import words_by_name
from skysift.data.solar.flags import FLAG_MESSAGES, REFUSAL_MESSAGES
from skysift.tasks.flare.regions import REASONS

__all__ = ["DESCRIPTIONS", "EMPTY", "FLAG_WORDS", "NUMBERS", "UNITS"]

UNITS: Final = {"x": "pix", "y": "pix", "lon": "deg", "lat": "deg"}
NUMBERS: Final = ("x", "y", "lon", "lat")
_PROBABILITIES = (
    "p_c24",
    "p_m24",
    "p_c24_image_only",
    "p_m24_image_only",
    "p_c24_disk",
    "p_m24_disk",
)
EMPTY: Final[Mapping[str, Any]] = {
    "model": "",
    "flags": "",
    "noaa": 0,
    "time": "",
    **dict.fromkeys((*NUMBERS, *_PROBABILITIES), float("nan")),
}
DESCRIPTIONS: Final = {
    "file": "the image; of images of one name, as much of the path as tells them apart",
    "time": "UTC of the image",
    "noaa": "number of the region, 0 if none is told",
    "x": "column of the region in the file, from the left",
    "y": "row of the region in the file, from the top",
    "lon": "Stonyhurst longitude, west positive",
    "lat": "heliographic latitude",
    "p_c24": "probability of a flare of class C or stronger within 24 h; NaN of magnetograms, of "
    "which class M alone is known",
    "p_m24": "probability of a flare of class M or stronger within 24 h",
    "p_c24_image_only": "the same by the image alone, C",
    "p_m24_image_only": "the same by the image alone, M",
    "set_c24": "whether it is typical of flare, quiet or both, class C, by the coverage",
    "set_m24": "the same, class M",
    "p_c24_disk": "1 - prod(1 - p_c24) over the regions of the image, each counted once",
    "p_m24_disk": "the same of p_m24; of a magnetogram of the disk, p_m24",
    "model": "which part answered: image+history, image, sharp-keywords, sharp-field, disk, "
    "disk-history",
    "flags": "what the input contract found, empty if nothing",
    "bundle": "hash of the model",
}

FLAG_WORDS: Final = {
    **words_by_name(FLAG_MESSAGES),
    **REFUSAL_MESSAGES,
    **{code: text[0].lower() + text[1:] for code, text in REASONS.items()},
    "no-history": "the flares of the last day, or area and class of the spots, are unknown: the "
    "image alone answers",
    "no-disk": "no solar limb was found in the image, so that nothing is forecast",
    "no-sign": "a magnetogram without negative values: neither grey levels of 8 bits nor gauss",
    "off-disk": "the place lies beyond the limb, so that nothing is forecast",
    "other-channel": "not known to be of 211 Angstrom, which the models of regions were trained on",
    "few-pixels": "the disk has fewer pixels than those trained on, so that strong field is lost",
    "bad-history": "the past of the region has a negative number, a flux above X100, or a McIntosh "
    "or Hale class that is none: the image alone answers",
    "flares-end-early": "the last flare of the list began more than a day before the image: the "
    "list may be old, and the probability too low",
    "flares-not-covered": "the list of flares begins later, ended more than three days before, or "
    "has none in the ten days before: the image alone answers",
    "flares-not-renewed": "a newer list of flares could not be read; an older one was used",
    "no-region": "no region with spots is told on this disk",
    "no-regions": "not a magnetogram, and its regions are not told: give --regions TABLE",
    "no-time": "its time is unknown, and so are its regions",
    "not-in-the-table": "the table of regions does not name the image",
    "repeated-region": "a row above is of the same region: it counts once for the disk",
    "two-places": "x, y and lon, lat lie more than a tenth of the disk's radius apart; x and y "
    "were used",
    "regions-not-renewed": "newer regions could not be read; older ones were used",
    "stale-regions": "the last summary of regions is too old",
}
"""What flags of forecasts mean."""
