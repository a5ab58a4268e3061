"""Catalogues of the Sun, and the labels that are made of them.

Readers of region summaries, flare lists and HARP maps bring every format into the two lists of
:mod:`.lists`; :mod:`.positions` moves regions to the time of an image, and :mod:`.labels` says
which of them flared afterwards.
"""

from skysift.data.solar.catalogs.flares import read_flares
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
    "label_disk",
    "label_presence",
    "label_regions",
    "read_flares",
    "read_regions",
    "regions_at",
    "rotate_longitude",
]
