"""A list of photon candidates, as GADF DL3 files hold them.

Data formats for gamma-ray astronomy (GADF) 0.3, https://gamma-astro-data-formats.readthedocs.io
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.sky.gti import GoodTimeIntervals

if TYPE_CHECKING:
    import gammapy.data

__all__ = ["GADF_REFERENCE_MJD", "EventList", "Pointing"]

FloatArray = NDArray[np.float64]

GADF_REFERENCE_MJD = 51910.00074287037
"""Usual zero of the times of GADF files [d]: 2001-01-01 00:01:04.184 TT, midnight in UTC."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where the telescope looked.

    Parameters
    ----------
    ra, dec : float [deg]
        ICRS; the mean direction of a run.
    zenith : float [deg]
        Angle from the zenith, NaN if it is not known.
    """

    ra: float
    dec: float
    zenith: float = float("nan")


@dataclass(frozen=True, slots=True)
class EventList:
    """Photon candidates of one observation, in the order of their times.

    Parameters
    ----------
    time : array, shape (n,) [s]
        Passed since `reference_mjd`.
    ra, dec : array, shape (n,) [deg]
        Reconstructed ICRS direction.
    energy : array, shape (n,) [TeV]
        Reconstructed energy.
    gti : GoodTimeIntervals [s]
        From the same reference.
    pointing : Pointing
        Where the telescope looked.
    live_fraction : float
        Live time over good time, 0 to 1 (GADF keyword DEADC).
    reference_mjd : float [d]
        Zero of the times (GADF MJDREFI + MJDREFF), in the time scale TT.
    name : str
        Observation identifier, or the name of the file.
    meta : mapping
        Further header values that travel along, e.g. OBJECT, TELESCOP, INSTRUME.
    event_id : array of int64, shape (n,), optional
        Identifiers, where the file has them.

    Raises
    ------
    InputError
        If the columns differ in length or the live fraction is impossible.
    """

    time: FloatArray
    ra: FloatArray
    dec: FloatArray
    energy: FloatArray
    gti: GoodTimeIntervals
    pointing: Pointing
    live_fraction: float = 1.0
    reference_mjd: float = GADF_REFERENCE_MJD
    name: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    event_id: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.time, self.ra, self.dec, self.energy)}
        if self.event_id is not None:
            lengths.add(len(self.event_id))
        if len(lengths) != 1:
            raise InputError(
                "The columns of an event list differ in length.",
                "Give one value of each for every event.",
            )
        if not 0 < self.live_fraction <= 1:
            raise InputError(
                f"A live fraction of {self.live_fraction} is impossible.",
                "Give the ratio of live time to good time, above 0 and at most 1.",
            )

    def __len__(self) -> int:
        return len(self.time)

    @property
    def livetime(self) -> float:
        """Good time less dead time [s]."""
        return self.gti.duration * self.live_fraction

    def take(self, chosen: NDArray[Any] | slice) -> Self:
        """Return some of the events (mask, indices or slice); intervals stay as they are."""
        return replace(
            self,
            time=self.time[chosen],
            ra=self.ra[chosen],
            dec=self.dec[chosen],
            energy=self.energy[chosen],
            event_id=None if self.event_id is None else self.event_id[chosen],
        )

    def between(self, start: float, stop: float) -> Self:
        """Return the events and the good time of a window ``start <= t < stop`` [s]."""
        first, last = np.searchsorted(self.time, (start, stop), side="left")
        return replace(self.take(slice(int(first), int(last))), gti=self.gti.within(start, stop))

    def in_energy(self, low: float, high: float) -> Self:
        """Return the events with ``low <= energy < high`` [TeV]."""
        return self.take((self.energy >= low) & (self.energy < high))

    def to_gammapy(self) -> "gammapy.data.EventList":
        """Return the events as gammapy's type; see :mod:`skysift.data.sky.gammapy_bridge`."""
        from skysift.data.sky import gammapy_bridge  # noqa: PLC0415 it imports this module

        return gammapy_bridge.events_to_gammapy(self)

    @classmethod
    def from_gammapy(cls, events: "gammapy.data.EventList", gti: "gammapy.data.GTI") -> "EventList":
        """Take the events and good time of gammapy's types."""
        from skysift.data.sky import gammapy_bridge  # noqa: PLC0415 it imports this module

        return gammapy_bridge.events_from_gammapy(events, gti)
