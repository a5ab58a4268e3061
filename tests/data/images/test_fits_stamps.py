"""FITS cutouts: the same as astropy reads, whatever the header; a reason for each refusal."""

import gzip
import warnings
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import InputError
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import join
from skysift.data.images.limits import Limits
from skysift.data.images.readers import read_images
from skysift.data.images.stamp import Rejected, Stamp, assemble
from skysift.data.io import read_table


def only(data: bytes, **options: object) -> Stamp | Rejected:
    (found,) = read_fits_stamps(data, "s", "s.fits", **options)
    return found


def fits_bytes(*hdus: fits.hdu.base.ExtensionHDU) -> bytes:
    out = BytesIO()
    fits.HDUList(list(hdus)).writeto(out)
    return out.getvalue()


@given(
    shape=st.tuples(st.integers(5, 40), st.integers(5, 40)),
    kind=st.sampled_from(["u1", "i2", "i4", "i8", "f4", "f8"]),
    scale=st.sampled_from([None, (2.0, 10.0), (1.0, 32768.0)]),
    seed=st.integers(0, 1000),
)
def test_pixels_are_those_of_astropy(shape, kind, scale, seed) -> None:
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(kind)
    values.flat[0] = 101
    hdu = fits.PrimaryHDU(values)
    if scale is not None:
        hdu.header["BSCALE"], hdu.header["BZERO"] = scale
    data = fits_bytes(hdu)
    with fits.open(BytesIO(data)) as opened:
        np.testing.assert_allclose(only(data).pixels, opened[0].data, rtol=1e-6)


def test_facts_of_the_header_are_read(make_stamp) -> None:
    stamp = only(make_stamp())
    assert stamp.facts["seeing"] == 1.7
    assert stamp.facts["exposure"] == "123"
    assert stamp.facts["apcor4"] == -0.25
    assert assemble([stamp]).flag_texts() == [""]


@pytest.mark.parametrize(
    ("cards", "flag"),
    [
        ({"SEEING": None}, "no-seeing"),
        ({"SEEING": -1.0}, "no-seeing"),
        ({"APCOR3": None}, "no-aperture-correction"),
        ({"FIXAPERS": "1,2,3"}, "no-aperture-correction"),
        ({"MAGZP": None}, "no-zero-point"),
        ({"MAGZP": "unknown"}, "no-zero-point,bad-card"),
        ({"SATURATE": None}, "no-saturation-level"),
        ({"SATURATE": 1000.0}, "saturated"),
        ({"INFOBITS": 64}, "infobits"),
        ({"INFOBITS": 2**25}, "infobits,bad-image"),
        ({"STATUS": 0}, "bad-image"),
        ({"CTYPE1": None}, "no-wcs"),
        ({"CD1_1": 0.0}, "wrong-wcs"),
        ({"CD1_1": -2.811e-3, "CD2_2": 2.811e-3}, "wrong-wcs"),  # another scale than PIXSCALE
        ({"CRVAL2": 95.0}, "wrong-wcs"),
        ({"CRPIX1": "left"}, "wrong-wcs"),
        ({"SEEING": 1e-5}, "no-seeing"),
        ({"SEEING": 500.0}, "no-seeing"),
        ({"SEEING": "inf"}, "no-seeing,bad-card"),
        ({"APCOR1": 99.0}, "no-aperture-correction"),
        ({"APCOR4": -6.0}, "no-aperture-correction"),
        ({"SATURATE": 0}, "no-saturation-level"),
        ({"SATURATE": -1.0}, "no-saturation-level"),
        ({"CRPIX1": 1e9}, "wrong-wcs"),
        ({"CRPIX2": -2e5}, "wrong-wcs"),
        ({"CTYPE1": "FOO---TAN"}, "wrong-wcs"),
        ({"CTYPE1": "RA---FOO", "CTYPE2": "DEC--FOO"}, "wrong-wcs"),
        ({"CTYPE1": "GLON-TAN"}, "wrong-wcs"),  # with a declination
        ({"CTYPE2": "DEC--SIN"}, "wrong-wcs"),  # with RA---TAN
        ({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"}, "no-wcs"),
        ({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": "one"}, "wrong-wcs"),
    ],
)
def test_what_is_missing_or_wrong_is_flagged(make_stamp, cards, flag) -> None:
    assert assemble([only(make_stamp(cards=cards))]).flag_texts() == [flag]


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"SEEING": -1.0}, "seeing"),
        ({"SEEING": 500.0}, "seeing"),
        ({"SATURATE": 0.0}, "saturation"),
        ({"APCOR1": 99.0}, "apcor1"),
        ({"CRPIX1": 1e9}, "ra"),
        ({"CTYPE1": "FOO---TAN"}, "dec"),
        ({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": "one"}, "ra"),
    ],
)
def test_what_cannot_be_is_unknown(make_stamp, cards, name) -> None:
    whole, mended = (assemble([only(make_stamp(cards=given))]).facts for given in ({}, cards))
    assert np.isfinite(whole[name]).all()
    assert np.isnan(mended[name]).all()
    assert mended.unit(name) == whole.unit(name)


@pytest.mark.parametrize(
    "cards",
    [
        {"SEEING": 0.5},  # of a space telescope
        {"SEEING": 20.0},  # as wide as the cutout
        {"APCOR1": -4.9},
        {"SATURATE": 1e5},
        {"CRPIX1": -84_000.0},  # of a mosaic
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
        {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN"},
        {"CTYPE1": "GLON-CAR", "CTYPE2": "GLAT-CAR"},
        {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"},
    ],
)
def test_what_is_only_rare_is_not_flagged(make_stamp, cards) -> None:
    assert assemble([only(make_stamp(cards=cards))]).flag_texts() == [""]


def test_a_wide_image_states_no_seeing_of_its_own_size(make_stamp) -> None:
    images = [only(make_stamp((200, 200), cards={"SEEING": width})) for width in (90.0, 150.0)]
    assert assemble(images).has(StampFlag.NO_SEEING).tolist() == [False, True]


def test_the_reference_of_a_coarse_image_is_not_across_the_sky(make_stamp) -> None:
    coarse = {"CD1_1": -0.02, "CD2_2": 0.02, "PIXSCALE": None}
    far = {"CRPIX1": 4000.0, **coarse}  # 80 deg of a plane, which an all-sky map has
    map_axes = {"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR"}
    found = [only(make_stamp(cards=cards)) for cards in (coarse, far, {**far, **map_axes})]
    assert assemble(found).has(StampFlag.WRONG_WCS).tolist() == [False, True, False]


def test_holes_and_odd_shapes_are_flagged_and_infinities_become_holes(make_stamp) -> None:
    with fits.open(BytesIO(make_stamp((21, 20)))) as opened:
        opened[0].data[0, 0], opened[0].data[1, 1] = np.nan, np.inf
        images = assemble([only(fits_bytes(opened[0]))])
    assert images.has(StampFlag.NAN | StampFlag.NOT_SQUARE).all()
    assert images.has(StampFlag.NOT_SQUARE).all()
    assert int((~images.valid).sum()) == 2


@pytest.mark.parametrize(
    ("pixels", "code"),
    [
        (np.full((20, 20), np.nan), "no-valid-pixel"),
        (np.full((20, 20), 7.0), "blank"),
        (np.arange(12.0).reshape(3, 4), "too-small"),
        (np.arange(60.0).reshape(60, 1), "too-small"),
        (np.arange(200.0 * 6).reshape(200, 6), "too-large"),
        (np.arange(20.0), "not-an-image"),
        (np.arange(250.0).reshape(10, 5, 5), "not-an-image"),
        (None, "no-image"),
    ],
)
def test_what_no_model_can_use_is_rejected_with_a_reason(pixels, code) -> None:
    found = only(fits_bytes(fits.PrimaryHDU(pixels)), limits=Limits(side=100))
    assert isinstance(found, Rejected)
    assert found.code == code
    assert found.reason.endswith(".")


def test_a_header_that_claims_a_terabyte_costs_nothing(make_stamp) -> None:
    data = make_stamp().replace(
        b"NAXIS1  =                   20", b"NAXIS1  =        1000000000000"
    )
    assert only(data).code == "too-large"


@pytest.mark.parametrize("kind", ["TPV", "SIP"])
def test_the_middle_is_where_astropy_says(science_image, kind) -> None:
    path = science_image(kind)
    stamp = only(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(fits.getheader(path))
    expected = wcs.all_pix2world([[149.5, 119.5]], 0)[0]
    np.testing.assert_allclose([stamp.facts["ra"], stamp.facts["dec"]], expected, atol=1e-10)


@settings(max_examples=150)
@given(data=st.data())
def test_damage_never_raises(make_stamp, data) -> None:
    whole = bytearray(make_stamp())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 2879) | st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for damaged in (bytes(whole), cut):
        for found in read_fits_stamps(damaged, "s", "s"):
            assert isinstance(found, Stamp | Rejected)


def test_extensions_are_cutouts_and_share_the_primary_header(make_stamp) -> None:
    with fits.open(BytesIO(make_stamp())) as opened:
        pixels = opened[0].data.copy()
    primary = fits.PrimaryHDU()
    primary.header["SEEING"] = 2.5
    one, two = (fits.ImageHDU(pixels + k, name=f"S{k}") for k in range(2))
    two.header["SEEING"] = 1.5
    found = list(
        read_fits_stamps(
            fits_bytes(primary, one, fits.ImageHDU(pixels, name="MASK"), two), "m", "m.fits"
        )
    )
    assert [stamp.identifier for stamp in found] == ["m#S0", "m#S1"]
    assert [stamp.facts["seeing"] for stamp in found] == [2.5, 1.5]


def test_a_psf_behind_the_image_comes_with_it(make_stamp) -> None:
    with fits.open(BytesIO(make_stamp())) as opened:
        image = fits.PrimaryHDU(opened[0].data.copy())
    psf = np.outer(np.hanning(9), np.hanning(9))
    data = fits_bytes(
        image,
        fits.ImageHDU(np.ones((20, 20)), name="UNCERT"),
        fits.ImageHDU(psf, name="PSFIMAGE"),
    )
    np.testing.assert_allclose(only(data).psf, psf, atol=1e-7)
    np.testing.assert_array_equal(only(data).variance, np.ones((20, 20)))


@pytest.mark.parametrize(
    ("name", "kind", "variance"),
    [
        ("UNCERT", "VarianceUncertainty", 4.0),
        ("UNCERT", "StdDevUncertainty", 16.0),
        ("UNCERT", "InverseVariance", 0.25),
        ("VARIANCE", None, 4.0),
        ("ERR", None, 16.0),
    ],
)
def test_variances_are_read_by_what_their_part_says_it_is(make_stamp, name, kind, variance) -> None:
    with fits.open(BytesIO(make_stamp())) as opened:
        image = fits.PrimaryHDU(opened[0].data.copy())
    spread = np.full((20, 20), 4.0)
    spread[0, :3] = 0.0, -1.0, np.nan
    behind = fits.ImageHDU(spread, name=name)
    if kind:
        behind.header["UTYPE"] = kind
    stamp = only(fits_bytes(image, behind))
    assert np.isnan(stamp.variance[0, [0, 2]]).all()
    assert np.all(stamp.variance[1:] == variance)
    other = fits.ImageHDU(np.ones((9, 9)), name=name)
    assert only(fits_bytes(image, other)).variance is None


def test_variances_go_where_their_pixels_go(make_stamp) -> None:
    with fits.open(BytesIO(make_stamp())) as opened:
        image = fits.PrimaryHDU(opened[0].data.copy())
    spread = np.arange(1.0, 401.0).reshape(20, 20)
    with_it = only(fits_bytes(image, fits.ImageHDU(spread, name="VARIANCE")))
    without = only(make_stamp((24, 24)))
    images = assemble([with_it, without])
    assert images.variance.shape == images.pixels.shape
    cut = join([images, assemble([without])]).cropped(12).take([0, 2])
    np.testing.assert_array_equal(cut.variance[0], spread[4:16, 4:16])
    assert np.isnan(cut.variance[1]).all()
    with pytest.raises(InputError, match="variances"):
        replace(images, variance=images.variance[:, 1:])


def test_tile_compressed_images_are_unpacked(make_stamp) -> None:
    with fits.open(BytesIO(make_stamp((32, 32)))) as opened:
        pixels = opened[0].data.copy()
    packed = fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)
    np.testing.assert_array_equal(only(fits_bytes(fits.PrimaryHDU(), packed)).pixels, pixels)


@pytest.mark.mirror
def test_real_cutouts_agree_with_astropy(mirror, tmp_path) -> None:
    read = read_images([mirror / "ztf" / "cutouts.tar.gz"])
    assert read.checked.counts == {"accepted": 1200, "repaired": 0, "rejected": 0}
    assert read.images.has(StampFlag.SATURATED).sum() == 9
    labels = read_table(mirror / "ztf" / "labels.csv")
    row = {name.removesuffix(".fits"): k for k, name in enumerate(labels["file"])}
    order = [row[name] for name in read.images.identifiers]
    for ours, theirs in (("seeing", "seeing"), ("saturation", "saturate"), ("mjd", "obsmjd")):
        np.testing.assert_allclose(read.images.facts[ours], labels[theirs][order], rtol=1e-9)
    for axis in ("ra", "dec"):  # TPV coordinates, to a thousandth of a pixel
        np.testing.assert_allclose(read.images.facts[axis], labels[axis][order], atol=3e-7)
    np.testing.assert_allclose(read.images.pixels.max(axis=(1, 2)), labels["dmax"][order])
    np.testing.assert_allclose(read.images.facts["apcor1"], labels["apcor1"][order])


@pytest.mark.mirror
def test_real_rubin_and_streak_files(mirror) -> None:
    rubin = read_images([mirror / "rubin_alerts" / "rubin_alerts.parquet"]).images
    assert len(rubin) == 57
    assert rubin.psf.shape == (57, 41, 41)
    assert (rubin.sizes.min(), rubin.sizes.max()) == (30, 93)
    assert set(rubin.facts["zero_point"]) == {31.4}
    path = mirror / "streaks" / "astride_long.fits.gz"
    image = read_images([path]).images
    with warnings.catch_warnings(), gzip.open(path) as opened:
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(image.pixels[0], fits.getdata(BytesIO(opened.read())))
