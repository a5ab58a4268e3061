"""What the verb cutouts tells of names, of further images, and of cuts that do not exist."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS


@pytest.fixture
def image(tmp_path):
    header = fits.Header()
    header.update(
        {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50.0, "CRPIX2": 50.0,
            "CRVAL1": 10.0, "CRVAL2": 20.0, "CD1_1": -3e-4, "CD1_2": 0.0, "CD2_1": 0.0,
            "CD2_2": 3e-4,
        }
    )  # fmt: skip
    pixels = np.random.default_rng(1).normal(100, 5, (100, 100)).astype(np.float32)
    hdus = [fits.PrimaryHDU(pixels, header), fits.ImageHDU(pixels, header, name="BKG")]
    fits.HDUList(hdus).writeto(tmp_path / "image.fits")
    return WCS(header).all_pix2world([[30.0, 40.0], [60.0, 50.0], [70.0, 20.0]], 0)


def cut(skysift, *more):
    return skysift(
        "cutouts", "--catalog", "c.csv", "--images", "image.fits", "--size", "11pix", "--out",
        "out.parquet", *more,
    )  # fmt: skip


def catalogue(path, sky, names):
    lines = [f"{name},{ra!r},{dec!r}" for name, (ra, dec) in zip(names, sky.tolist(), strict=True)]
    path.write_text("\n".join(["id,ra,dec", *lines, ""]))


def test_missing_and_repeated_names_are_told(skysift, tmp_path, image):
    catalogue(tmp_path / "c.csv", image, ["a", "a", ""])
    answer = cut(skysift, "--json")
    assert answer.code == 0, answer.err
    assert "Objects without a id: 1; they are called row-N" in answer.err
    assert "Objects whose id another one has, too: 2." in answer.err
    said = json.loads(answer.out)
    assert (said["name_column"], said["unnamed"], said["repeated"]) == ("id", 1, 2)
    assert [one["image"].rpartition("#")[2] for one in said["unused"]] == ["BKG"]


def test_numbered_objects_are_told(skysift, tmp_path, image):
    catalogue(tmp_path / "c.csv", image, ["a", "b", "c"])
    assert cut(skysift).err == ""
    text = (tmp_path / "c.csv").read_text()
    (tmp_path / "c.csv").write_text(text.replace("id,", "what,", 1))
    assert "objects are numbered from 0 (--name)" in cut(skysift).err


def test_cuts_that_exist_are_named(skysift, tmp_path, image):
    shown = " ".join(skysift("cutouts", "--help").out.replace("│", " ").split())
    assert "isolation, star_types, galaxy_types, per_class" in shown
    catalogue(tmp_path / "c.csv", image, ["a", "b", "c"])
    answer = cut(skysift, "--set", "types=PSF")
    assert answer.code == 2
    assert "no cut 'types': give star_types or galaxy_types" in answer.err
    assert "Did you mean" not in answer.err
