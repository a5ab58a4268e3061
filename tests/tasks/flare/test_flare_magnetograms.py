"""flare: SHARP maps and disks; nothing but the field tells, and broken files keep their rows."""

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from skysift.cli.main import build_app
from skysift.core.errors import NothingAnsweredError
from skysift.data.io import open_writer, read_table
from skysift.data.solar.readers import read_solar_image
from skysift.data.solar.solar_image import ImageKind
from skysift.data.table import FeatureTable
from skysift.preprocess.solar.region_features import SOLAR_RADIUS, region_features
from skysift.tasks.flare.magnetogram_training import Labelled, disk_blocks, read_keywords
from skysift.tasks.flare.magnetograms import KEYWORDS, disk_features, features_of, keyword_features


def generator(seed=0):
    return np.random.default_rng(seed)


def predict(arguments, out):
    words = ["predict", "flare", *map(str, arguments), "--out", str(out)]
    build_app(words)(words, standalone_mode=False)
    return read_table(out)


def sharp(folder, keywords, name="hmi.sharp_cea_720s.1.20120306_000000_TAI.magnetogram.fits"):
    """A SHARP map of two spots, with some keywords."""
    y, x = np.mgrid[-60:60, -90:90]
    field = 1500 * (np.exp(-((x - 12) ** 2 + y**2) / 200) - np.exp(-((x + 12) ** 2 + y**2) / 200))
    header = fits.Header()
    header.update(
        TELESCOP="SDO/HMI", CONTENT="HMI observable", BUNIT="Gauss",
        T_OBS="2012.03.06_00:00:00_TAI", T_REC="2012.03.06_00:00:00_TAI",
        CTYPE1="CRLN-CEA", CTYPE2="CRLT-CEA", CUNIT1="degree", CUNIT2="degree",
        CRPIX1=90.5, CRPIX2=60.5, CRVAL1=100.0, CRVAL2=10.0, CDELT1=0.03, CDELT2=0.03,
        DSUN_OBS=1.48e11, RSUN_REF=696000000, CRLN_OBS=110.0, CRLT_OBS=-7.2, NOAA_AR=11429,
    )  # fmt: skip
    header.update(keywords)
    fits.HDUList([fits.PrimaryHDU(field.astype(np.float32), header)]).writeto(folder / name)
    return folder / name


ACTIVE = dict(
    zip(
        KEYWORDS,
        (4500, 1.2e24, 8e13, 900, 2.4e13, 4.6e22, 1500, 14000, 5.0, 50, 45, 45, 110, 105, 60,
         0.02, 0.3, 0.03),
        strict=True,
    )
)  # fmt: skip
QUIET = dict(
    zip(
        KEYWORDS,
        (40, 1e21, 8e11, 5, 1e11, 5e20, 40, 1500, 0.0, 1, 22, 27, 120, 115, 45,
         0.001, 0.1, 0.005),
        strict=True,
    )
)  # fmt: skip


def test_keywords_of_an_active_region_forecast_more_than_those_of_a_quiet_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "q").mkdir()
    paths = [sharp(tmp_path / "a", ACTIVE), sharp(tmp_path / "q", QUIET, "sharp_quiet.fits")]
    said = predict(paths, tmp_path / "out.csv")
    assert said["model"].tolist() == ["sharp-keywords"] * 2
    assert said["p_m24"][0] > 0.3
    assert said["p_m24"][1] < 0.01
    assert said["noaa"].tolist() == [11429, 11429]


def test_a_map_that_was_renamed_still_has_its_keywords(tmp_path):
    named = sharp(tmp_path, ACTIVE)
    renamed = tmp_path / "my_region.fits"
    with fits.open(named) as file:
        del file[0].header["BUNIT"]
        file.writeto(renamed)
    said = predict([named, renamed], tmp_path / "out.csv")
    assert said["model"].tolist() == ["sharp-keywords"] * 2
    assert said["p_m24"][0] == said["p_m24"][1]
    assert said["flags"].tolist() == ["", "unknown-kind"]


def test_a_map_without_keywords_is_measured(tmp_path):
    path = sharp(tmp_path, {})
    kind, features = features_of(read_solar_image(path))
    assert kind == "sharp-field"
    image = read_solar_image(path)
    every = region_features(image.data, float(np.radians(0.03)) * SOLAR_RADIUS)
    assert features[0] == pytest.approx(every.unsigned_flux, rel=1e-6)
    assert features[1] == every.r_value > 3
    assert predict([path], tmp_path / "out.csv")["model"].tolist() == ["sharp-field"]


def test_an_r_value_that_is_no_number_is_measured(tmp_path):
    path = sharp(tmp_path, {name: v for name, v in ACTIVE.items() if name != "R_VALUE"})
    kind, features = features_of(read_solar_image(path))
    assert kind == "sharp-keywords"
    assert features[KEYWORDS.index("R_VALUE")] > 3


def test_the_sign_of_twist_does_not_matter():
    turned = {**ACTIVE, "MEANJZH": -ACTIVE["MEANJZH"], "MEANALP": -ACTIVE["MEANALP"]}
    np.testing.assert_array_equal(
        keyword_features(turned, KEYWORDS), keyword_features(ACTIVE, KEYWORDS)
    )


def test_the_hour_of_the_record_is_no_feature(tmp_path):
    path = tmp_path / "keywords.csv"
    hours = ("23:48:00", "05:12:00")
    with open_writer(path) as writer:
        writer.write(
            FeatureTable.from_columns(
                {
                    "FlareNumber": [0, 1],
                    "T_REC": [f"2012-03-06 {hour}" for hour in hours],
                    "NOAA_AR": [11429, 11429],
                    **{name: [value, value] for name, value in ACTIVE.items()},
                }
            )
        )
    rows = read_keywords(path)
    assert rows.event.tolist() == [False, True]
    np.testing.assert_array_equal(rows.features[0], rows.features[1])
    assert rows.time[0] != rows.time[1]


def disk_picture(folder, fields, name):
    """A picture of a magnetogram with spots of both signs."""
    y, x = np.mgrid[:512, :512] - 255.5
    grey = 127.5 + generator(1).normal(0, 4, x.shape)
    for west, north, strength in fields:
        for sign in (1, -1):
            grey += (
                sign
                * strength
                * np.exp(-((x - west - 3 * sign) ** 2 + (y + north) ** 2) / (2 * 3.0**2))
            )
    grey[np.hypot(x, y) > 203] = 0
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(folder / name)
    return folder / name


def test_the_strongest_region_of_a_disk_counts_not_how_many_there_are(tmp_path):
    names = [f"HMI.m2026.02.0{day}_00.00.00.png" for day in (1, 2, 3)]
    weak = disk_picture(tmp_path, [(-80, 40, 60), (90, -50, 60)], names[0])
    one = disk_picture(tmp_path, [(-80, 40, 200)], names[1])
    many = disk_picture(tmp_path, [(-80, 40, 200), (100, 40, 60), (0, -90, 60)], names[2])
    found = [
        disk_features(read_solar_image(path, kind=ImageKind.MAGNETOGRAM))
        for path in (weak, one, many)
    ]
    assert (found[0] < 0.5 * found[1]).all()
    np.testing.assert_allclose(found[2], found[1], rtol=0.02)
    close = [(west, north, 200) for west in (-95, -75, -55) for north in (25, 40, 55)]
    large = disk_picture(tmp_path, close, "HMI.m2026.02.04_00.00.00.png")
    said = predict([weak, large], tmp_path / "out.csv")
    assert said["model"].tolist() == ["disk", "disk"]
    assert said["p_m24"][0] < said["p_m24"][1]


@pytest.mark.mirror
def test_the_region_that_flared_most_is_told_from_a_spot(mirror, tmp_path):
    folder = mirror / "solar" / "sharp_cea_fits"
    names = (
        "hmi.sharp_cea_720s.1449.20120307_022400_TAI",
        "hmi.sharp_cea_720s.1460.20120307_022400_TAI",
    )
    said = predict([folder / f"{name}.magnetogram.fits" for name in names], tmp_path / "out.csv")
    assert said["p_m24"][0] > 0.6
    assert said["p_m24"][1] < 0.01


@pytest.mark.mirror
def test_broken_files_have_rows_with_reasons(mirror, tmp_path):
    with pytest.raises(NothingAnsweredError, match="All of the input was rejected"):
        predict([mirror / "solar" / "corrupt_fits"], tmp_path / "out.csv")
    said = read_table(tmp_path / "out.csv")
    assert len(said) == 6
    assert (said["flags"].astype(str) != "").all()
    assert np.isnan(said["p_m24"]).all()


def test_blocks_of_disks_are_judged_by_days_that_do_not_touch_them():
    time = np.datetime64("2026-02-01T00", "s") + np.arange(80) * np.timedelta64(3, "h")
    n = len(time)
    rows = Labelled(np.zeros((n, 2)), np.zeros(n, bool), time, np.zeros(n, int), np.zeros(n))
    judged = np.zeros(n, dtype=int)
    for train, test in disk_blocks(rows):
        judged += test
        assert np.abs(time[train][:, None] - time[test][None]).min() > np.timedelta64(24, "h")
    assert (judged == 1).all()
