"""Numbers of headers that no arithmetic can take."""

import astropy.units as u
import pytest

from skysift.core.errors import ReadError
from skysift.data.images.facts import FACTS
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


@pytest.mark.parametrize("standard", ["fits", "vounit"])
def test_units_of_facts_are_those_of_the_formats_they_are_written_to(standard) -> None:
    for fact in FACTS.values():
        u.Unit(u.Unit(fact.unit).to_string(standard), format=standard)
