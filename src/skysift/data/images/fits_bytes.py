"""A FITS file that is in memory already: an archive member, or the stamp of an alert."""

from io import BytesIO
from pathlib import Path

from skysift.data.sky.fits_stream import MAX_BYTES, FitsStream
from skysift.data.sky.fits_table import walk_hdus

__all__ = ["FITS_MAGIC", "FitsBytes", "require_sound_headers"]

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


def require_sound_headers(data: bytes, name: str = "") -> None:
    """Walk all headers first: one that claims two thousand million axes would keep astropy busy.

    Raises
    ------
    ReadError
        If one cannot be understood.
    """
    for _ in walk_hdus(FitsBytes(data, name)):
        pass
