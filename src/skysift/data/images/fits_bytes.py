"""A FITS file that is in memory already: an archive member, or the stamp of an alert."""

from io import BytesIO
from pathlib import Path

from skysift.data.sky.fits_stream import MAX_BYTES, FitsStream

__all__ = ["FITS_MAGIC", "FitsBytes"]

FITS_MAGIC = b"SIMPLE  ="


class FitsBytes(FitsStream):
    """Read pieces of a FITS file in memory; see :class:`~skysift.data.sky.fits_stream.FitsStream`.

    Parameters
    ----------
    data : bytes
        The whole file, not compressed.
    name : str
        Where it came from, for errors.

    Raises
    ------
    ReadError
        If it is no FITS file.
    """

    def __init__(self, data: bytes, name: str = "") -> None:
        self.path = Path(name)
        self._file = BytesIO(data)
        self._max_bytes = MAX_BYTES
        self._unpacked = None
        self._require_fits()
