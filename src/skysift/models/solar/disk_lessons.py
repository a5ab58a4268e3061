"""Whole disks with the places of their regions: what networks of regions learn from."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.models.lessons import shifted_groups
from skysift.models.solar.region_network import network_input
from skysift.models.solar.region_training import Centres

__all__ = ["DiskLessons"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DiskLessons:
    """Labelled disks.

    Parameters
    ----------
    ratio : array of float32, shape (n, 256, 256)
        Of :func:`~skysift.models.solar.strength.brightness_ratio`.
    centres : tuple of Centres, shape (n,)
        Where the regions of each lie.
    group : array of int, shape (n,)
        Equal for disks that may show the same regions.
    """

    ratio: Floats = field(repr=False)
    centres: tuple[Centres, ...] = field(repr=False)
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.group)

    @property
    def seen(self) -> Floats:
        """What the network sees, shape (n, 4, 128, 128)."""
        return np.stack([network_input(one) for one in self.ratio])

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the disks, chosen by a mask or by numbers."""
        numbers = np.arange(len(self))[rows]
        centres = tuple(self.centres[number] for number in numbers)
        return replace(self, ratio=self.ratio[numbers], centres=centres, group=self.group[numbers])

    def followed_by(self, other: Self) -> Self:
        """Return these disks, then others; no group of theirs is one of these."""
        return replace(
            self,
            ratio=np.concatenate([self.ratio, other.ratio]),
            centres=self.centres + other.centres,
            group=np.concatenate([self.group, shifted_groups(other.group, self.group)]),
        )

    def sha256(self) -> str:
        """Return a SHA-256 over brightness and places."""
        digest = hashlib.sha256(np.ascontiguousarray(self.ratio, dtype="<f4").tobytes())
        for centre in self.centres:
            for places in (centre.spots, centre.plage):
                digest.update(f"{len(places)}".encode())
                digest.update(np.ascontiguousarray(places, dtype="<f8").tobytes())
        return digest.hexdigest()

    def fingerprints(self) -> list[bytes]:
        """Return a hash of the brightness of each disk."""
        maps = np.ascontiguousarray(self.ratio, dtype="<f4")
        return [hashlib.sha256(one.tobytes()).digest() for one in maps]
