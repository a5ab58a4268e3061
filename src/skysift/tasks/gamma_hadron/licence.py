"""The licence of the data that a model is trained on."""

from skysift.core.bundle_schema import DataLicence
from skysift.data.registry import dataset

__all__ = ["licence_of"]

_REGISTERED = {"MAGIC": "magic", "fact_gamma + fact_proton": "fact"}


def licence_of(data: str) -> DataLicence:
    """Return the licence of data by their name, or say that none is stated.

    Parameters
    ----------
    data : str
        The name that the reader gave to the data.
    """
    if data not in _REGISTERED:
        return DataLicence(licence="not stated", citation="not stated")
    info = dataset(_REGISTERED[data])
    return DataLicence(licence=info.licence, citation=info.citation)
