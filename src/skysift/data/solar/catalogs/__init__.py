"""Catalogues of the Sun, and the labels that are made of them.

Readers of region summaries, flare lists and HARP maps bring every format into the two lists of
:mod:`.lists`; :mod:`.positions` moves regions to the time of an image, and :mod:`.labels` says
which of them flared afterwards.
"""

from skysift.data.solar.catalogs.event_images import read_archive_times, read_event_images
from skysift.data.solar.catalogs.flares import read_flares
from skysift.data.solar.catalogs.harps import read_harp_map, region_of_harps
from skysift.data.solar.catalogs.labels import Coverage, label_disk, label_regions
from skysift.data.solar.catalogs.policies import (
    Gaps,
    LabelPolicy,
    LabelStatus,
    Overlapping,
    Positions,
    Unassociated,
)
from skysift.data.solar.catalogs.positions import regions_at
from skysift.data.solar.catalogs.presence import label_presence
from skysift.data.solar.catalogs.remote import fetch_flares, fetch_harp_map, fetch_regions
from skysift.data.solar.catalogs.rotation import RotationLaw, rotate_longitude
from skysift.data.solar.catalogs.srs import read_regions

__all__ = [
    "Coverage",
    "Gaps",
    "LabelPolicy",
    "LabelStatus",
    "Overlapping",
    "Positions",
    "RotationLaw",
    "Unassociated",
    "fetch_flares",
    "fetch_harp_map",
    "fetch_regions",
    "label_disk",
    "label_presence",
    "label_regions",
    "read_archive_times",
    "read_event_images",
    "read_flares",
    "read_harp_map",
    "read_regions",
    "region_of_harps",
    "regions_at",
    "rotate_longitude",
]
