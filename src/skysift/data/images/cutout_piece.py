"""What goes into a file of cutouts at a time: those of one image, with what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.image_set import ImageSet
from skysift.data.table import FeatureTable

__all__ = ["CutoutSink", "Piece", "StampForm"]

_INTERNAL = {"row", "start_y", "start_x"}


class StampForm(Enum):
    """How a file wants each cutout."""

    FILE = "a FITS file"
    EXTENSION = "an extension of a FITS file"
    PIXELS = "its pixels"


@dataclass(frozen=True, eq=False)
class Piece:
    """Cutouts of one image.

    Parameters
    ----------
    cutouts : ImageSet
        n of them.
    stamps : sequence of bytes
        Each as FITS bytes; none where a file wants pixels.
    cards : bytes
        The cards that all their headers repeat, 80 bytes each.
    crpix : array of float64, shape (n, 2)
        CRPIX1 and CRPIX2 of each.
    kept : FeatureTable, optional
        Columns of the catalogue that go with them, n rows.
    """

    cutouts: ImageSet
    stamps: Sequence[bytes]
    cards: bytes = b""
    crpix: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    kept: FeatureTable | None = None

    @classmethod
    def without_stamps(cls, cutouts: ImageSet) -> Self:
        """Make a piece of pixels alone."""
        return cls(cutouts, [])

    def table(self) -> FeatureTable:
        """Return one row for each: name, flags, facts, and the columns of the catalogue."""
        table = FeatureTable.from_columns(
            {
                "identifier": self.cutouts.identifiers,
                "flags": self.cutouts.flags.astype(np.int64),
                "flag_names": np.array(self.cutouts.flag_texts(), dtype=np.str_),
            }
        )
        facts = self.cutouts.facts
        described = facts.select([name for name in facts.columns if name not in _INTERNAL])
        table = _beside(table, described)
        return table if self.kept is None else _beside(table, self.kept)


class CutoutSink(Protocol):
    """A file of cutouts while it is written."""

    form: StampForm
    """How it wants each cutout."""

    def write(self, piece: Piece) -> None:
        """Add the cutouts of one image."""


def _beside(table: FeatureTable, others: FeatureTable) -> FeatureTable:
    arrow = table.arrow
    for column, values in zip(others.arrow.schema, others.arrow.columns, strict=True):
        arrow = arrow.append_column(column, values)
    return FeatureTable(arrow)
