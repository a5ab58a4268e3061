"""Numbers of headers that no arithmetic can take."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from skysift.core.errors import ReadError
from skysift.data.images.cutting import Positions, cut_out
from skysift.data.images.facts import FACTS, fact_table, plausible_facts
from skysift.data.images.fits_bytes import FitsBytes
from skysift.data.images.header_position import sky_position
from skysift.data.images.science_image import read_science_image
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


def test_numbers_that_can_be_stay_as_they_are_and_others_are_unknown() -> None:
    rows = [
        {"seeing": 1.8, "difference_fwhm": 2.4, "saturation": 5e4, "apcor1": -0.9},
        {"seeing": 0.4, "difference_fwhm": -999.0, "saturation": -1.0, "apcor1": -9.0},
        {"seeing": 30.0, "difference_fwhm": 30.0, "saturation": 1.0, "apcor1": 0.1},
        {},
    ]
    sizes = np.array([[20, 20], [20, 20], [10, 31], [20, 20]], dtype=np.int32)
    stated = fact_table(rows)
    found = plausible_facts(stated, sizes)
    for name in rows[0]:
        assert np.isfinite(found[name]).tolist() == [True, False, True, False]
    np.testing.assert_array_equal(found.matrix(rows[0])[[0, 2]], stated.matrix(rows[0])[[0, 2]])
    assert [found.unit(name) for name in FACTS] == [fact.unit for fact in FACTS.values()]


def test_cutouts_of_an_image_with_impossible_numbers_are_flagged(science_image) -> None:
    path = science_image("TPV")
    middle = read_science_image(path).wcs.all_pix2world([[150.0, 120.0]], 0)[0]
    positions = Positions(np.array(["o"]), middle[:1], middle[1:], np.zeros(1, dtype=bool))
    texts = []
    for changed in ({}, {"SEEING": 1e-5, "SATURATE": -1.0}):
        with fits.open(path, mode="update") as opened:
            opened[0].header.update(changed)
        (text,) = cut_out(read_science_image(path), positions, 15).flag_texts()
        texts.append(set(text.split(",")))
    assert texts[1] - texts[0] == {"no-seeing", "no-saturation-level"}
    assert "saturated" not in texts[1]
