"""flare: what the models do not know is not answered, or the answer says so; no row is lost."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from skysift.cli.main import build_app
from skysift.core.errors import InputError, NothingAnsweredError, UsageError
from skysift.data.io import read_table
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.image_names import images_named
from skysift.data.solar.readers import read_solar_image
from skysift.tasks.flare import columns, prediction
from skysift.tasks.flare.disk_past import FlareList
from skysift.tasks.flare.made_up import made_up_regions, write_made_up
from skysift.tasks.flare.magnetograms import disk_features
from skysift.tasks.flare.options import PredictOptions, ReadOptions
from skysift.tasks.flare.region_tables import is_table

HISTORY = "maxflux_prev24h,area,nspots,extent,mcintosh,hale"


@pytest.fixture(scope="module")
def suns(tmp_path_factory):
    """A folder with two made-up suns."""
    folder = tmp_path_factory.mktemp("suns")
    write_made_up(made_up_regions(24, np.random.default_rng(3)), folder)
    return folder


@pytest.fixture
def sun(suns):
    """One of them."""
    return min(suns.glob("*.png"))


def predict(arguments, out):
    words = ["predict", "flare", *map(str, arguments), "--out", str(out)]
    build_app(words)(words, standalone_mode=False)
    return read_table(out)


def refused(arguments, out):
    """Return the rows of what is rejected whole."""
    with pytest.raises(NothingAnsweredError):
        predict(arguments, out)
    return read_table(out)


def table(path, *rows, header="file,x,y"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def flags_of(said):
    return [set(flags.split(",")) for flags in said["flags"].tolist()]


def field(side=256, radius=100.0):
    """A magnetogram in gauss with two spots."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    width = (0.08 * radius) ** 2
    gauss = 900 * np.exp(-((x - 0.1 * radius) ** 2 + y**2) / width)
    gauss -= 900 * np.exp(-((x + 0.1 * radius) ** 2 + y**2) / width)
    gauss[np.hypot(x, y) > radius] = 0
    return gauss.astype(np.float32)


def disk_fits(path, data, radius=100.0, **cards):
    """A FITS file of a disk that fills a share of it."""
    header = fits.Header()
    middle = (data.shape[0] + 1) / 2
    header.update(
        {"DATE-OBS": "2011-04-01T00:00:00"},
        CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN", CUNIT1="arcsec", CUNIT2="arcsec",
        CRPIX1=middle, CRPIX2=middle, CRVAL1=0, CRVAL2=0,
        CDELT1=960 / radius, CDELT2=960 / radius, RSUN_OBS=960.0, **cards,
    )  # fmt: skip
    fits.PrimaryHDU(data, header).writeto(path)
    return path


def test_euv_in_counts_is_not_taken_for_a_picture(tmp_path):
    counts = 50 + np.abs(field())
    path = disk_fits(tmp_path / "aia.fits", counts, INSTRUME="AIA_2", WAVELNTH=171, BUNIT="DN")
    said = refused(
        [path, "--regions", table(tmp_path / "r.csv", "aia.fits,128,128")], tmp_path / "o.csv"
    )
    assert np.isnan(said["p_c24"]).all()
    assert {"not-a-picture", "other-channel"} <= flags_of(said)[0]


def test_flags_of_the_image_and_of_its_channel_are_kept(sun, tmp_path):
    other = tmp_path / sun.name.replace("0211", "0171")
    shutil.copy(sun, other)
    shutil.copy(sun, tmp_path / sun.name)
    rows = table(tmp_path / "r.csv", f"{sun.name},256,256", f"{other.name},256,256")
    first, second = flags_of(predict([rows], tmp_path / "o.csv"))
    assert "other-channel" not in first
    assert "other-channel" in second
    assert "no-history" in first & second
    # What every picture trained on has is nothing against one.
    assert not {"display-scale", "fitted-limb"} & (first | second)


def test_a_field_whose_unit_is_lost_is_still_a_field(tmp_path):
    named = disk_fits(tmp_path / "a.fits", field(), CONTENT="MAGNETOGRAM", BUNIT="Gauss")
    lost = disk_fits(tmp_path / "b.fits", field(), CONTENT="MAGNETOGRAM")
    first, second = (disk_features(read_solar_image(path)) for path in (named, lost))
    np.testing.assert_array_equal(first, second)


def test_a_magnetogram_without_a_sign_is_refused(tmp_path):
    raw = (field() + 32768).astype(np.float32)
    path = disk_fits(tmp_path / "a.fits", raw, CONTENT="MAGNETOGRAM")
    assert flags_of(refused([path], tmp_path / "o.csv")) == [{"no-sign"}]


def test_a_disk_of_few_pixels_is_flagged(tmp_path):
    small = disk_fits(tmp_path / "a.fits", field(), CONTENT="MAGNETOGRAM", BUNIT="Gauss")
    large = field(512, 203.0)
    large = disk_fits(tmp_path / "b.fits", large, 203.0, CONTENT="MAGNETOGRAM", BUNIT="Gauss")
    said = flags_of(predict([small, large], tmp_path / "o.csv"))
    assert ["few-pixels" in flags for flags in said] == [True, False]


def test_an_old_list_of_flares_is_not_a_quiet_sun(tmp_path):
    start = np.datetime64("2026-01-01T00:00:00") + np.arange(200) * np.timedelta64(4, "h")
    rows = [f"{str(when).replace('T', ' ')},C2.0,C" for when in start]
    path = table(tmp_path / "flares.csv", *rows, header="Start,GOES Class,Class_Type")
    flares, hours = FlareList(path, "operational"), np.timedelta64(1, "h")
    fresh, late, old = (flares.features(start[-1] + n * hours) for n in (23, 25, 73))
    assert np.isfinite(fresh[0]).all()
    assert fresh[1] == []
    assert np.isfinite(late[0]).all()
    assert late[1] == ["flares-end-early"]
    assert np.isnan(old[0]).all()
    assert old[1] == ["flares-end-early", "flares-not-covered"]


def test_quiet_days_within_a_list_are_quiet(tmp_path):
    days = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-20"]
    rows = [f"{day} 00:00:00,C2.0,C" for day in days]
    path = table(tmp_path / "flares.csv", *rows, header="Start,GOES Class,Class_Type")
    found, flags = FlareList(path, "operational").features(np.datetime64("2026-01-11T12:00:00"))
    assert np.isfinite(found).all()
    assert flags == []


def two_of_one_name(suns, folder):
    paths = []
    for name, image in zip(("d1", "d2"), sorted(suns.glob("*.png")), strict=True):
        (folder / name).mkdir()
        paths.append(folder / name / "latest.png")
        shutil.copy(image, paths[-1])
    return paths


def test_images_of_one_name_keep_their_rows(suns, tmp_path):
    paths = two_of_one_name(suns, tmp_path)
    called = ["d1/latest.png", "d2/latest.png"]
    said = refused(paths, tmp_path / "alone.csv")
    assert said["file"].tolist() == called
    rows = table(tmp_path / "r.csv", *(f"{name},256,256" for name in called))
    said = predict([*paths, "--regions", rows], tmp_path / "o.csv")
    assert said["file"].tolist() == called
    assert said["p_c24"][0] != said["p_c24"][1]
    alone = predict([paths[1], "--regions", rows], tmp_path / "one.csv")
    assert alone["p_c24"].tolist() == [said["p_c24"][1]]
    beside = predict(
        [rows], tmp_path / "beside.csv"
    )  # found in the folders, as the table names them
    np.testing.assert_array_equal(beside["p_c24"], said["p_c24"])


def test_a_name_that_fits_two_images_is_refused(suns, tmp_path):
    paths = two_of_one_name(suns, tmp_path)
    with pytest.raises(InputError, match="2 images fit"):
        images_named(["latest.png"], paths)
    with pytest.raises(UsageError, match="same name"):
        prediction.pieces(paths, ReadOptions(), PredictOptions())
    assert len(prediction.pieces(paths[:1], ReadOptions(), PredictOptions())) == 1


def test_an_image_without_a_disk_is_not_forecast(suns, tmp_path):
    name = "20131128_195937_512_0211.png"
    Image.fromarray(np.full((512, 512), 9, np.uint8)).save(tmp_path / name)
    assert SolarFlag.NO_DISK in read_solar_image(tmp_path / name).flags
    said = refused([table(tmp_path / "r.csv", f"{name},256,256")], tmp_path / "o.csv")
    assert np.isnan(said["p_c24"]).all()
    assert "no-disk" in flags_of(said)[0]


def test_places_off_the_disk_are_not_forecast(sun, tmp_path):
    rows = (f"{sun.name},256,256", f"{sun.name},20,20")
    both = predict([sun, "--regions", table(tmp_path / "r.csv", *rows)], tmp_path / "o.csv")
    one = predict([sun, "--regions", table(tmp_path / "s.csv", rows[0])], tmp_path / "p.csv")
    assert ["off-disk" in flags for flags in flags_of(both)] == [False, True]
    assert np.isfinite(both["p_c24"]).tolist() == [True, False]
    assert both["p_c24_disk"][0] == one["p_c24_disk"][0]


def test_a_negative_area_is_no_history(sun, tmp_path):
    rows = [f"{sun.name},256,256,0,{area},4,5,Bxo,Beta" for area in (20, -20)]
    path = table(tmp_path / "r.csv", *rows, header=f"file,x,y,{HISTORY}")
    said = predict([sun, "--regions", path], tmp_path / "o.csv")
    assert said["model"].tolist() == ["image+history", "image"]
    assert ["bad-history" in flags for flags in flags_of(said)] == [False, True]


def test_gzipped_fits_is_an_image_unless_it_holds_a_table(tmp_path):
    image = disk_fits(tmp_path / "a.fits", field(), CONTENT="MAGNETOGRAM", BUNIT="Gauss")
    Table({"file": ["a.png"], "x": [1.0], "y": [2.0]}).write(tmp_path / "t.fits")
    for path in (image, tmp_path / "t.fits"):
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert not is_table(tmp_path / "a.fits.gz")
    assert is_table(tmp_path / "t.fits.gz")
    assert is_table(tmp_path / "t.csv.gz")
    said = predict([tmp_path / "a.fits.gz"], tmp_path / "o.csv")
    assert said["model"].tolist() == ["disk"]


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "in" / "nested").mkdir(parents=True)
    with pytest.raises(InputError, match="no image in the folder"):
        predict([tmp_path / "in"], tmp_path / "o.csv")


def test_new_flags_have_words():
    new = {"not-a-picture", "other-channel", "no-sign", "off-disk", "few-pixels", "bad-history"}
    assert new | {"flares-end-early"} <= columns.FLAG_WORDS.keys()
