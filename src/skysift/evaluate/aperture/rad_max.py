"""On/off counts with a radius that depends on the energy, for point-like responses."""

import numpy as np

from skysift.data.sky.event_list import EventList
from skysift.data.sky.rad_max import RadMax
from skysift.data.sky.tangent import separation
from skysift.evaluate.aperture.exclusion import Circle, Exclusion
from skysift.evaluate.aperture.on_off import OnOff
from skysift.evaluate.aperture.reflected import wobble_regions

__all__ = ["rad_max_on_off"]


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
        Photon candidates. Choose their energies first (:meth:`EventList.in_energy`): those outside
        the table's do not count.
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
    known = radius[np.isfinite(radius)]
    widest = float(known.max() if known.size else rad_max.values.max())
    regions = wobble_regions(Circle(ra, dec, widest), pointing, n_off, exclusion)
    if not regions:
        return None
    n_on, *off = (
        int(np.sum(separation(events.ra, events.dec, *where) <= radius))
        for where in ((ra, dec), *((region.ra, region.dec) for region in regions))
    )
    return OnOff(n_on, sum(off), 1 / len(regions))
