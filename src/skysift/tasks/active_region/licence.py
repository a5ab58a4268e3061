"""Licences of the data that models are trained on."""

from skysift.core.bundle_schema import DataLicence
from skysift.tasks.active_region.made_up import MADE_UP
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["licence_of"]


def licence_of(disks: SolarDisks) -> DataLicence:
    """Return the licence of disks: made up, or of SDO with the summaries of NOAA."""
    if disks.name == MADE_UP:
        return DataLicence(licence="none needed: made up", citation="skysift")
    return DataLicence(
        licence="free use with credit",
        citation="Courtesy of NASA/SDO and the AIA, EVE, and HMI science teams; NOAA SWPC region "
        "summaries",
    )
