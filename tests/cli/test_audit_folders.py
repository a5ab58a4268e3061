"""The audit of a folder for each class, whose files are numbered alike."""

import json

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(7)
    for name in ("galaxy", "star"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 200, (32, 32)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{k:03d}.png")
    return tmp_path / "set"


def codes(run):
    assert run.code == 0, run.err
    return {one["code"] for one in json.loads(run.out)["findings"]}


def test_one_name_in_both_folders_is_not_one_file(skysift, folders):
    found = codes(skysift("audit", folders, "--json"))
    assert not {"repeated-rows", "repeated-label-conflict"} & found
    assert not {"telling-column", "class-dependent-name_pattern"} & found


def test_a_table_that_lists_a_file_twice_is_still_told(skysift, folders):
    rows = [f"{name}/{k:03d}.png,{int(name == 'star')}" for name in ("galaxy", "star")
            for k in range(20)]  # fmt: skip
    (folders / "images.csv").write_text("\n".join(["file,star", *rows, "star/003.png,0"]) + "\n")
    found = codes(skysift("audit", folders / "images.csv", "--label", "star", "--json"))
    assert "repeated-label-conflict" in found


def test_names_that_tell_the_class_are_still_told(skysift, folders):
    for path in sorted((folders / "galaxy").iterdir()):
        path.rename(path.with_name(f"g{path.name}"))
    found = codes(skysift("audit", folders, "--json"))
    assert any(code.startswith("class-dependent") for code in found)


def test_a_header_card_with_the_name_of_one_file_is_still_told(skysift, tmp_path):
    """Cards name what an image was made of: there, the same name is the same file."""
    rng = np.random.default_rng(8)
    for name in ("galaxy", "star"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(20):
            number = 0 if k == 0 else k + 100 * (name == "star")
            header = fits.Header({"ORIGFILE": f"raw{number:04d}.fits"})
            data = rng.normal(size=(32, 32)).astype(np.float32)
            fits.writeto(tmp_path / "set" / name / f"{k:03d}.fits", data, header)
    assert "repeated-label-conflict" in codes(skysift("audit", tmp_path / "set", "--json"))
