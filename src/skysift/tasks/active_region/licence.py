"""Licences of the data that models are trained on."""

from skysift.core.bundle_schema import DataLicence
from skysift.tasks.active_region.made_up import MADE_UP
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["licence_of"]

_SDO = "SDO/"


def licence_of(disks: SolarDisks) -> DataLicence:
    """Return the licence of disks that are made up or of SDO; of others none is stated."""
    if disks.name == MADE_UP:
        return DataLicence(licence="none needed: made up", citation="skysift")
    if not all(one.image.instrument.startswith(_SDO) for one in disks.maps):
        return DataLicence(licence="not stated", citation="not stated")
    return DataLicence(
        licence="free use with credit",
        citation="Courtesy of NASA/SDO and the AIA, EVE, and HMI science teams; NOAA SWPC region "
        "summaries",
    )
