"""Numbers of headers that no arithmetic can take."""

import pytest

from skysift.core.errors import ReadError
from skysift.data.images.fits_bytes import FitsBytes
from skysift.data.images.header_position import sky_position
from skysift.data.sky.fits_table import Cards


def cards(**values: object) -> Cards:
    text = "".join(
        f"{key:8}= {value!r:>20}".replace('"', "'").ljust(80) for key, value in values.items()
    )
    return Cards(text.encode(), FitsBytes(b"SIMPLE  =".ljust(2880), "stamp.fits"))


def test_distortions_beyond_all_numbers_are_no_position() -> None:
    header = cards(
        CTYPE1="RA---TPV", CTYPE2="DEC--TPV", CRPIX1=1e50, CRPIX2=1e50, CRVAL1=10.0,
        CRVAL2=20.0, CD1_1=1e50, CD2_2=1e50,
    )  # fmt: skip
    with pytest.raises(ReadError, match="make no sense"):
        sky_position(header, 0.0, 0.0)
