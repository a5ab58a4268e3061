"""The short way to plain stamps: what it reads is what the long way and astropy read."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.data.images.fits_stamps import read_alert_stamp
from skysift.data.images.limits import Limits
from skysift.data.images.plain_stamp import read_plain_stamp
from skysift.data.images.stamp import StampError


def plain(shape: tuple[int, int] = (63, 63), *cards: str, bits: int = -32) -> bytes:
    """A stamp as ZTF writes it, its logical value not where the standard wants it."""
    ny, nx = shape
    own = [
        "SIMPLE  =  T",
        f"BITPIX  = {bits:20d}",
        f"NAXIS   = {2:20d}",
        f"NAXIS1  = {nx:20d}",
        f"NAXIS2  = {ny:20d}",
        "BUNIT   = 'DN      '",
        *cards,
        "END",
    ]
    header = "".join(card.ljust(80) for card in own).ljust(2880).encode()
    pixels = np.random.default_rng(5).normal(200, 5, shape).astype(">f4").tobytes()
    return (header + pixels).ljust(-(-len(header + pixels) // 2880) * 2880, b"\0")


@pytest.mark.parametrize("shape", [(63, 63), (63, 20), (8, 63)])
def test_plain_stamps_are_what_the_long_way_reads(shape) -> None:
    data = plain(shape)
    short, long = read_plain_stamp(data, "a", "b"), read_alert_stamp(data, "a", "b")
    np.testing.assert_array_equal(short.pixels, long.pixels)
    assert short.pixels.dtype == np.float32
    assert (short.identifier, short.source) == ("a", "b")
    assert (short.flags, short.facts, short.psf) == (long.flags, long.facts, None)


def test_the_header_that_astropy_writes() -> None:
    pixels = np.arange(63 * 30, dtype=np.float32).reshape(63, 30)
    out = BytesIO()
    header = fits.Header([("BUNIT", "DN")])
    fits.PrimaryHDU(pixels, header).writeto(out)
    stamp = read_plain_stamp(out.getvalue(), "a", "b")
    assert stamp is None or np.array_equal(stamp.pixels, pixels)


@pytest.mark.parametrize(
    "data",
    [
        plain((63, 63), "BSCALE  =                  2.0"),
        plain((63, 63), "CTYPE1  = 'RA---TAN'"),
        plain((63, 63), bits=-64),
        plain()[:-2880],
        plain() + plain(),
        plain((63, 63), *["COMMENT x"] * 40),
        plain().replace(b"NAXIS1  = ", b"NAXIS1  =-"),
        plain().replace(b"63", b" 0"),
        b"SIMPLE  =",
        b"",
    ],
)
def test_what_is_not_plain_is_left_to_the_long_way(data) -> None:
    assert read_plain_stamp(data, "a", "b") is None


def test_bounds_hold_on_the_short_way_too() -> None:
    assert read_plain_stamp(plain(), "a", "b", limits=Limits(side=50)) is None
    with pytest.raises(StampError):
        read_plain_stamp(plain(), "a", "b", limits=Limits(least_side=70))
    with pytest.raises(StampError):
        read_plain_stamp(plain()[:2880] + bytes(17280), "a", "b")


@settings(max_examples=200)
@given(data=st.data())
def test_damage_never_makes_the_two_ways_differ(data) -> None:
    whole = bytearray(plain((9, 12)))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, 720))] = data.draw(st.integers(0, 255))
    try:
        short = read_plain_stamp(bytes(whole), "a", "b")
    except StampError:
        return
    if short is not None:
        np.testing.assert_array_equal(short.pixels, read_alert_stamp(bytes(whole), "a", "b").pixels)
