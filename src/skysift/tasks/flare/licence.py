"""Licences of the data that models are trained on."""

from skysift.core.bundle_schema import DataLicence
from skysift.tasks.flare.made_up import MADE_UP

__all__ = ["licence_of"]

_SHIPPED = "aia211_regions"  # the table that the bundle was trained on

SUN = DataLicence(
    licence="images: courtesy of NASA/SDO and the AIA and HMI science teams, free to use; region "
    "summaries and flares: NOAA SWPC, public domain",
    citation="Lemen et al. 2012, Sol. Phys. 275, 17; Bobra et al. 2014, Sol. Phys. 289, 3549",
)


def licence_of(data: str) -> DataLicence:
    """Return the licence of data by their name, or say that none is stated."""
    if MADE_UP in data:
        return DataLicence(licence="none needed: made up", citation="skysift")
    return SUN if data == _SHIPPED else DataLicence(licence="not stated", citation="not stated")
