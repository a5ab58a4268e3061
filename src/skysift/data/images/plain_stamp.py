"""Stamps whose header says nothing but their shape, as those of ZTF alerts: read at once.

All of a night have the same 2880 bytes before their pixels, so that a header is parsed once. What
is not as plain as that is left to :func:`skysift.data.images.fits_stamps.read_alert_stamp`.
"""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysift.data.images.flags import StampFlag
from skysift.data.images.limits import DEFAULT_LIMITS, Limits
from skysift.data.images.stamp import Stamp, require_sound

__all__ = ["read_plain_stamp"]

_BLOCK = 2880
_CARD = 80
_BYTES = 4  # of a pixel
# The six cards that such a header has, each alone in its 80 bytes, then blanks.
_PLAIN = re.compile(
    rb"SIMPLE  = +T *(?:/[ -~]*)?(?=BITPIX)BITPIX  = +-32 *NAXIS   = +2 *"
    rb"NAXIS1  = +(\d{1,4}) *NAXIS2  = +(\d{1,4}) *(?:BUNIT   = '[^'/]*' *)?END *"
)


def read_plain_stamp(
    data: bytes, identifier: str, source: str, *, limits: Limits = DEFAULT_LIMITS
) -> Stamp | None:
    """Return the stamp of a FITS file in memory, None where its header is not plain.

    Raises
    ------
    StampError
        If no model can use it.
    """
    shape = _shape(data[:_BLOCK])
    if shape is None or not 0 < max(shape) <= limits.side or 0 in shape:
        return None
    end = _BLOCK + _BYTES * shape[0] * shape[1]
    if not end <= len(data) <= -(-end // _BLOCK) * _BLOCK:  # cut short, or another part behind
        return None
    stored = np.frombuffer(data, dtype=">f4", count=shape[0] * shape[1], offset=_BLOCK)
    pixels: NDArray[np.float32] = stored.reshape(shape).astype(np.float32)
    require_sound(pixels, limits)
    return Stamp(identifier, source, pixels, {}, StampFlag.NO_WCS)


@lru_cache(maxsize=256)
def _shape(header: bytes) -> tuple[int, int] | None:
    """Return height and width, None where a card is unknown or not in its place."""
    found = _PLAIN.fullmatch(header)
    if found is None or len(header) != _BLOCK:
        return None
    starts = [header.find(name) for name in (b"BITPIX", b"NAXIS ", b"NAXIS1", b"NAXIS2", b"END ")]
    if any(start % _CARD for start in starts):
        return None
    return int(found[2]), int(found[1])
