"""Solar FITS files: turned cameras, blank pixels, odd headers, damage and malice."""

import gzip
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skysift.core.errors import ContractError, ReadError
from skysift.data.flags import flag_names
from skysift.data.images.stamp import Rejected
from skysift.data.solar.assemble import image_of_header
from skysift.data.solar.flags import PixelMask, SolarFlag
from skysift.data.solar.header_time import parse_time, time_of_header
from skysift.data.solar.limits import SolarReadError
from skysift.data.solar.orientation import Pointing, north_up
from skysift.data.solar.readers import iter_solar_images, read_solar_image, read_solar_images
from skysift.data.solar.solar_image import Disk, ImageKind, Placement, SolarImage

DiskFits = Callable[..., Path]


def spot_of(image: SolarImage) -> tuple[float, float]:
    """Return where the bright spot lies, west and north of the centre in radii."""
    weight = np.nan_to_num(image.data - 20)
    weight[weight < 0] = 0
    y, x = np.indices(image.shape)
    column, row = (float((weight * axis).sum() / weight.sum()) for axis in (x, y))
    west, north = image.disk.offsets(column, row)
    return float(west), float(north)


@pytest.mark.parametrize("crota2", [0.0, 0.07, 90.0, 179.93, -90.0, 3.1, 37.0, 180.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_north_is_up_whatever_the_camera_did(
    disk_fits: DiskFits, spot: tuple[float, float], crota2: float, *, mirrored: bool
) -> None:
    image = read_solar_image(disk_fits(crota2=crota2, mirrored=mirrored))
    assert spot_of(image) == pytest.approx(spot, abs=0.1 / image.disk.radius)
    assert abs(image.disk.tilt) <= 0.25
    is_exact = min(abs(crota2 % 90), 90 - crota2 % 90) < 0.25
    assert (SolarFlag.RESAMPLED in image.flags) is not is_exact


def test_tilt_can_be_forbidden(disk_fits: DiskFits, spot: tuple[float, float]) -> None:
    image = read_solar_image(disk_fits(crota2=179.93), largest_tilt=0.0)
    assert image.disk.tilt == 0
    assert SolarFlag.RESAMPLED in image.flags
    assert spot_of(image) == pytest.approx(spot, abs=0.1 / image.disk.radius)


@given(
    st.floats(-180, 180),
    st.floats(20, 60),
    st.floats(20, 60),
    st.floats(0, 79),
    st.floats(0, 79),
)
def test_placement_leads_to_the_pixel_of_the_file(
    crota2: float, x: float, y: float, column: float, row: float
) -> None:
    turn = np.radians(crota2)
    matrix = 12 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    data = np.zeros((80, 80), dtype=np.float32)
    turned = north_up(data, Pointing(x, y, matrix), 960.0)
    sky = matrix @ [column - x, row - y]
    west, north = turned.disk.offsets(*turned.placement.from_file(column, row))
    scale = 12 * turned.disk.radius
    assert [west * scale, north * scale] == pytest.approx(sky.tolist(), abs=1e-3)


def test_pixels_of_unequal_sides_become_square(disk_fits: DiskFits) -> None:
    path = disk_fits(CD1_1=24.0, CD2_2=20.0)
    image = read_solar_image(path)
    assert SolarFlag.RESAMPLED in image.flags
    assert image.pixel_scale == pytest.approx(np.sqrt(24.0 * 20.0), rel=1e-4)


@pytest.mark.parametrize("compressed", [None, "RICE_1", "GZIP_1"])
def test_blank_pixels_are_nan_and_off_the_limb(disk_fits: DiskFits, compressed: str | None) -> None:
    image = read_solar_image(disk_fits(integer=True, compressed=compressed))
    off = image.has(PixelMask.OFF_LIMB)
    assert np.isnan(image.data[off]).all()
    assert off.mean() == pytest.approx(1 - np.pi * (40.4 / 96) ** 2, abs=0.01)
    assert np.nanmedian(image.data) == pytest.approx(5.0, abs=0.06)
    assert image.kind is ImageKind.MAGNETOGRAM
    assert image.unit == "G"


def test_a_compression_that_cannot_be_unpacked_safely_is_refused(disk_fits: DiskFits) -> None:
    path = disk_fits(integer=True, compressed="HCOMPRESS_1")
    with pytest.raises(ReadError, match="HCOMPRESS"):
        read_solar_image(path)


def test_a_hole_in_the_disk_is_told_from_the_sky(disk_fits: DiskFits) -> None:
    data = np.ones((96, 96))
    data[40:44, 40:44] = np.nan
    image = read_solar_image(disk_fits(data=data))
    assert image.has(PixelMask.MISSING).sum() == 16
    assert SolarFlag.MISSING_ON_DISK in image.flags


def test_a_card_that_cannot_be_understood_costs_no_more_than_itself(disk_fits: DiskFits) -> None:
    path = disk_fits(R_VALUE=4.25, USFLUX=2.5e22)
    raw = path.read_bytes()
    at = raw.index(b"R_VALUE ")
    path.write_bytes(raw[:at] + b"R_VALUE =                  nan".ljust(80) + raw[at + 80 :])
    image = read_solar_image(path)
    assert SolarFlag.BAD_CARD in image.flags
    assert np.isnan(image.header["R_VALUE"])
    assert image.header["USFLUX"] == 2.5e22


def test_each_bad_file_has_its_reason_and_stops_no_other(
    disk_fits: DiskFits, tmp_path: Path
) -> None:
    whole = disk_fits("whole.fits", integer=True, compressed="RICE_1").read_bytes()
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "zeros.fits").write_bytes(bytes(5760))
    (tmp_path / "text.fits").write_bytes(b"<html>404</html>" * 300)
    (tmp_path / "cut.fits").write_bytes(whole[: len(whole) - 4000])
    (tmp_path / "heap.fits").write_bytes(_damaged(whole))
    (tmp_path / "notes.txt").write_bytes(b"observed by hand")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    table.writeto(tmp_path / "table.fits")
    read = read_solar_images([tmp_path])
    codes = dict(zip(read.rejected["identifier"], read.rejected["code"], strict=True))
    assert codes == {
        "empty": "empty-file",
        "zeros": "no-simple-card",
        "text": "no-simple-card",
        "cut": "cut-short",
        "heap": codes["heap"],
        "notes.txt": "unknown-format",
        "table": "no-image-in-file",
    }
    assert codes["heap"] == "damaged-fits"
    assert [Path(image.source).name for image in read.images] == ["whole.fits"]
    assert read.checked.counts == {"accepted": 1, "repaired": 0, "rejected": 7}
    assert sum(len(finding.rows) for finding in read.checked.findings) >= 7


def _damaged(whole: bytes) -> bytes:
    """Let the first tile claim to begin far behind the heap."""
    with fits.open(BytesIO(whole), disable_image_compression=True) as hdus:
        start = hdus[1]._data_offset
    return whole[: start + 4] + (1 << 24).to_bytes(4, "big") + whole[start + 8 :]


def test_a_claim_of_too_many_pixels_is_refused_before_memory_is_taken(
    disk_fits: DiskFits,
) -> None:
    path = disk_fits(compressed="RICE_1", integer=True)
    raw = path.read_bytes()
    at = raw.index(b"ZNAXIS1 ")
    card = b"ZNAXIS1 =               900000".ljust(80)
    path.write_bytes(raw[:at] + card + raw[at + 80 :])
    with pytest.raises(ReadError, match="900000"):
        read_solar_image(path)


def test_a_gzipped_tile_that_swells_is_refused(disk_fits: DiskFits) -> None:
    path = disk_fits(compressed="GZIP_1", integer=True)
    raw = bytearray(path.read_bytes())
    with fits.open(path, disable_image_compression=True) as hdus:
        start = hdus[1]._data_offset
        heap = start + hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"]
    bomb = gzip.compress(bytes(2_000_000))
    raw[heap : heap + len(bomb)] = bomb
    raw[start : start + 8] = len(bomb).to_bytes(4, "big") + (0).to_bytes(4, "big")
    path.write_bytes(raw)
    with pytest.raises(ReadError, match="unpack to more"):
        read_solar_image(path)


def test_maps_of_a_whole_rotation_and_images_of_the_sky_are_refused(disk_fits: DiskFits) -> None:
    for kind in ("CRLN-CAR", "RA---TAN"):
        path = disk_fits(f"{kind}.fits", CTYPE1=kind)
        found = list(iter_solar_images([path]))
        assert isinstance(found[0], Rejected)
        assert found[0].code == "bad-coordinates"


def test_what_the_header_leaves_open_is_seen_from_the_earth(disk_fits: DiskFits) -> None:
    path = disk_fits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword in ("CRLN_OBS", "CRLT_OBS", "DSUN_OBS", "RSUN_REF"):
            fits.delval(path, keyword)
    image = read_solar_image(path)
    assert SolarFlag.ASSUMED_OBSERVER in image.flags
    stated = read_solar_image(disk_fits("stated.fits"))
    assert image.seen_from.b0 == pytest.approx(stated.seen_from.b0, abs=0.01)
    assert image.disk.radius == pytest.approx(stated.disk.radius, rel=2e-3)


def test_mount_wilson_and_gong_speak_their_own_languages(disk_fits: DiskFits) -> None:
    assert time_of_header(
        {"ORIGIN": "MT. WILSON", "DATE-OBS": "12-11-99", "TAVG-UT": 18.965}
    ) == np.datetime64("1999-12-11T18:57:54.000")
    gong = {"TELESCOP": "NSO-GONG", "IMTYPE": "MAGNETIC"}
    gong |= {"DATE-OBS": "2025/01/09", "TIME-OBS": "01:35:16.008"}
    assert time_of_header(gong) == np.datetime64("2025-01-09T01:34:58.008")  # GPS is 18 s ahead
    path = disk_fits(
        TELESCOP="NSO-GONG",
        CTYPE1="GONGX",
        CTYPE2="GONGY",
        SEMIDIAM=0.0046542,
        FNDLMBMI=40.0,
        FNDLMBMA=40.0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "RSUN_REF"):
            fits.delval(path, keyword)
    assert read_solar_image(path).disk.radius == pytest.approx(40.0, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2011.02.15_02:00:00_TAI", "2011-02-15T01:59:26.000"),
        ("2011-02-15T02:00:00.5Z", "2011-02-15T02:00:00.500"),
        ("2011/02/15 02:00", "2011-02-15T02:00:00.000"),
        ("2011-02-30T00:00:00", None),
        ("-4712.01.01_11:59:28_TAI", None),
        ("", None),
    ],
)
def test_times_as_observatories_write_them(text: str, expected: str | None) -> None:
    found = parse_time(text)
    assert (None if found is None else str(found)) == expected


def test_an_image_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ContractError, match="mask"):
        SolarImage(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.uint8))
    plain = SolarImage(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    with pytest.raises(ContractError, match="no solar limb"):
        _ = plain.disk
    with pytest.raises(ContractError, match="time"):
        _ = plain.seen_from


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(-50, 50), st.floats(-50, 50))
def test_placements_compose(matrix: list[float], x: float, y: float) -> None:
    outer = Placement(0.0, -1.0, 1.0, 0.0, 40.0, 3.0)
    inner = Placement(*matrix, 5.0, -7.0)
    assert outer.after(inner).to_file(x, y) == pytest.approx(
        outer.to_file(*inner.to_file(x, y)), abs=1e-9
    )


_ANY = st.one_of(
    st.floats(), st.integers(-3, 3), st.sampled_from(["", "nan", "arcsec", "HPLN-TAN", "CRLN-CEA"])
)
_KEYWORDS = [
    *("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "CROTA2", "CD1_1", "CD2_2"),
    *("PC1_2", "CTYPE1", "CTYPE2", "CUNIT1", "DSUN_OBS", "RSUN_REF", "RSUN_OBS", "CRLN_OBS"),
    *("CRLT_OBS", "HGLN_OBS", "HGLT_OBS", "HAEX_OBS", "HAEY_OBS", "HAEZ_OBS", "DATE-OBS"),
    *("T_OBS", "QUALITY", "NAXIS1", "NAXIS2", "BUNIT", "WAVELNTH", "ORIGIN", "TELESCOP"),
]


@settings(max_examples=300)
@example({"HAEX_OBS": 0.0, "HAEY_OBS": 0.0, "HAEZ_OBS": 0.0})  # the centre of the Sun
@given(st.dictionaries(st.sampled_from(_KEYWORDS), _ANY, min_size=1, max_size=6))
def test_no_header_does_more_than_be_refused(cards: dict[str, float | str]) -> None:
    header = {"CRPIX1": 20.0, "CRPIX2": 20.0, "CDELT1": 60.0, "CDELT2": 60.0} | {
        "CTYPE1": "HPLN-TAN",
        "CTYPE2": "HPLT-TAN",
        "DATE-OBS": "2014-03-01T00:00:00",
    }
    try:
        image = image_of_header(
            np.ones((40, 40), np.float32), header | cards, source="made", sha256=""
        )
    except SolarReadError:
        return
    if image is not None and isinstance(image.frame, Disk):
        assert image.frame.radius > 0
        assert np.isfinite([image.frame.x, image.frame.y, image.frame.radius]).all()
        assert image.observer is None or abs(image.observer.b0) <= 90


def test_flags_have_names() -> None:
    assert flag_names(SolarFlag.BAD_CARD | SolarFlag.TEXT_MASKED) == ["bad-card", "text-masked"]
    assert all(len(flag_names(flag)) == 1 for flag in SolarFlag if flag)
