"""On/off counts with a radius that depends on the energy, for point-like responses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from skysift.core.errors import InputError, ReadError
from skysift.data.sky.event_list import EventList
from skysift.data.sky.tangent import separation
from skysift.evaluate.aperture.exclusion import Circle, Exclusion
from skysift.evaluate.aperture.on_off import OnOff
from skysift.evaluate.aperture.reflected import wobble_regions
from skysift.evaluate.inputs import FloatArray

__all__ = ["RadMax", "rad_max_on_off"]


@dataclass(frozen=True, slots=True)
class RadMax:
    """Radius of the on region against reconstructed energy and offset (GADF RAD_MAX_2D).

    Parameters
    ----------
    energy_edges : array, shape (n_energies + 1,) [TeV]
        Increasing.
    offsets : array, shape (n_offsets,) [deg]
        Middles of the offset bins, increasing.
    radius : array, shape (n_offsets, n_energies) [deg]

    Raises
    ------
    InputError
        If the shapes do not fit.
    """

    energy_edges: FloatArray
    offsets: FloatArray
    radius: FloatArray

    def __post_init__(self) -> None:
        if self.radius.shape != (len(self.offsets), len(self.energy_edges) - 1):
            raise InputError(
                f"A table of radii of shape {self.radius.shape} does not fit its axes.",
                "Give radius[offset, energy].",
            )

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the table of a GADF DL3 file.

        Raises
        ------
        ReadError
            If the file cannot be read or has no RAD_MAX_2D table.
        """
        from astropy.io import fits  # noqa: PLC0415 slow to import, and few files have the table

        try:
            with fits.open(path) as hdus:
                for hdu in hdus:
                    if hdu.header.get("HDUCLAS4") == "RAD_MAX_2D":
                        row = hdu.data[0]
                        energy_low, energy_high, low, high, radius = (
                            np.array(row[name], dtype=np.float64, ndmin=1)
                            for name in ("ENERG_LO", "ENERG_HI", "THETA_LO", "THETA_HI", "RAD_MAX")
                        )
                        edges = np.append(energy_low, energy_high[-1])
                        return cls(edges, (low + high) / 2, np.atleast_2d(radius))
        except (OSError, KeyError) as error:
            raise ReadError(
                f"The radii cannot be read ({error}).", "Give a GADF DL3 file.", path=path
            ) from error
        raise ReadError(
            "The file has no RAD_MAX_2D table.",
            "Choose a radius yourself: its response is not point-like.",
            path=path,
        )

    def at(self, energy: ArrayLike, offset: float) -> FloatArray:
        """Return the radius [deg] at energies [TeV], of the nearest offset bin.

        It is NaN, which no distance is within, outside the energies of the table.
        """
        values = np.asarray(energy, dtype=np.float64)
        index = np.searchsorted(self.energy_edges, values, side="right") - 1
        inside = (index >= 0) & (index < len(self.energy_edges) - 1)
        row = self.radius[int(np.argmin(np.abs(self.offsets - offset)))]
        return np.asarray(np.where(inside, row[np.where(inside, index, 0)], np.nan))


def rad_max_on_off(
    events: EventList,
    ra: float,
    dec: float,
    rad_max: RadMax,
    *,
    n_off: int = 1,
    exclusion: Exclusion | None = None,
) -> OnOff | None:
    """Count on and off a position with the radius that belongs to each event's energy.

    Parameters
    ----------
    events : EventList
        Photon candidates. Choose their energies first (:meth:`EventList.in_energy`).
    ra, dec : float [deg]
        The source.
    rad_max : RadMax
        The radii.
    n_off : int
        Number of off positions, at equal angles about the pointing.
    exclusion : Exclusion, optional
        Off positions that touch it, at the largest radius in use, are dropped.

    Returns
    -------
    OnOff or None
        None if no off position is left.

    Raises
    ------
    UsageError
        If the off positions overlap at the largest radius that an event uses.
    """
    pointing = events.pointing
    offset = float(separation(ra, dec, pointing.ra, pointing.dec))
    radius = rad_max.at(events.energy, offset)
    widest = float(np.max(radius, where=np.isfinite(radius), initial=0.0))
    if widest == 0:
        widest = float(rad_max.radius.max())
    regions = wobble_regions(Circle(ra, dec, widest), pointing, n_off, exclusion)
    if not regions:
        return None
    n_on, *off = (
        int(np.sum(separation(events.ra, events.dec, *where) <= radius))
        for where in ((ra, dec), *((region.ra, region.dec) for region in regions))
    )
    return OnOff(n_on, sum(off), 1 / len(regions))
