"""The licence of the data that a model is trained on."""

from skysift.core.bundle_schema import DataLicence
from skysift.data.registry import list_datasets

__all__ = ["licence_of"]


def licence_of(data: str) -> DataLicence:
    """Return the licence of data by the name that the reader gave them, or say that none is stated.

    Registered data are named after the title of their entry, up to its colon.
    """
    for info in list_datasets():
        if info.title.partition(":")[0] == data:
            return DataLicence(licence=info.licence, citation=info.citation)
    return DataLicence(licence="not stated", citation="not stated")
