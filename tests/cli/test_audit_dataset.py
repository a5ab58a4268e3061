"""The audit of a data set of one's own, as a user types it."""

import json
import shutil

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

SIDE = 64


def disk(rng):
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    image = 60.0 / (1 + np.exp(np.hypot(x, y) - 28)) + rng.normal(0, 3, (SIDE, SIDE)) + 20
    for row, column in rng.uniform(-18, 18, (4, 2)):
        image += 50 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 30)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def folders(tmp_path):
    """A folder for each class; the quiet ones are PNG, and one image is in both."""
    rng = np.random.default_rng(5)
    for name, suffix in (("flare", "jpg"), ("quiet", "png")):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(30):
            Image.fromarray(disk(rng)).save(tmp_path / "set" / name / f"{k:03d}.{suffix}")
    shutil.copy(tmp_path / "set/flare/004.jpg", tmp_path / "set/quiet/900.jpg")
    (tmp_path / "set/quiet/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "set"


@pytest.fixture
def night(tmp_path):
    """FITS images, a table of them, and a header card that knows the class."""
    rng = np.random.default_rng(6)
    lines = ["name,when,class,region,part"]
    for k in range(60):
        header = fits.Header({"EXPTIME": 2.0 if k % 2 else 2.9})
        fits.writeto(tmp_path / f"{k:03d}.fits", disk(rng).astype(np.float32), header)
        when = f"2014-01-{k // 4 + 1:02d} {6 * (k % 4):02d}:00:00"
        kind = "M" if k % 2 else ""
        lines.append(
            f"{k:03d}.fits,{when},{kind or 'none'},{11900 + k // 8 if k > 20 else 0},{k % 3}"
        )
    (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "images.csv"


def findings(run):
    assert run.code == 0, run.err
    return {one["code"]: one for one in json.loads(run.out)["findings"]}


def test_a_folder_for_each_class(skysift, folders):
    run = skysift("audit", folders, "--json")
    found = findings(run)
    assert found["class-dependent-file"]["severity"] == "high"
    assert found["duplicate-label-conflict"]["evidence"]["n_pairs"] == 1
    document = json.loads(run.out)
    assert (document["n_signal"], document["n_background"]) == (30, 31)
    ((broken,),) = [document["rejected"]]
    assert broken["file"].endswith("broken.png")


def test_a_class_of_which_no_image_can_be_read_is_named(skysift, folders):
    for path in (folders / "quiet").iterdir():
        path.write_bytes(b"")
    run = skysift("audit", folders)
    assert run.code == 2
    assert "No image of quiet can be read. Of 32 that cannot, the first" in run.err


def test_people_read_a_table_with_the_names_of_the_classes(skysift, folders):
    run = skysift("audit", folders)
    assert run.code == 0
    assert "30 flare, 31 quiet" in run.out
    assert "Take both classes from one source" in run.out


def test_a_table_of_images(skysift, night):
    run = skysift(
        *("audit", night, "--file", "name", "--label", "class", "--positive", "M"),
        *("--time", "when", "--group", "region", "--split", "part", "--json"),
    )
    found = findings(run)
    assert found["telling-column"]["columns"] == ["header EXPTIME"]
    assert found["telling-column"]["severity"] == "high"
    assert found["neighbours-in-time"]["n_rows"] == 60
    torn = found["groups-across-split"]["evidence"]
    assert torn["n_groups"] == 21 + 6  # without a number, each is alone
    later = findings(
        skysift(
            *("audit", night, "--file", "name", "--label", "class", "--positive", "M"),
            *("--time", "when", "--split-at", "2014-01-08", "--purge", 1, "--json"),
        )
    )
    assert "neighbours-in-time" not in later


def test_squares_about_positions(skysift, night, tmp_path):
    """Two squares of one image are no copies of one another; two at one place are."""
    rows = ["file,x,y,spot"]
    for k in range(20):
        rows += [f"{k:03d}.fits,20,20,1", f"{k:03d}.fits,44,44,0"]
    (tmp_path / "beyond.csv").write_text("\n".join(rows).replace(",44,44,", ",-900,44,"))
    beyond = skysift("audit", tmp_path / "beyond.csv", "--label", "spot", "--side", 24)
    assert beyond.code == 2
    assert "No place of not spot lies on its image" in beyond.err
    rows.append("003.fits,20.3,19.8,0")
    (tmp_path / "spots.csv").write_text("\n".join(rows) + "\n")
    found = findings(
        skysift("audit", tmp_path / "spots.csv", "--label", "spot", "--side", 24, "--json")
    )
    assert found["duplicate-label-conflict"]["evidence"]["n_pairs"] == 1
    assert found["duplicate-images"]["n_rows"] == 2


def test_a_table_without_images(skysift, night):
    run = skysift(
        *(
            "audit",
            night,
            "--label",
            "class",
            "--positive",
            "M",
            "--time",
            "when",
            "--drop",
            "name",
        ),
        "--json",
    )
    assert run.code == 0, run.err
    assert json.loads(run.out)["n_signal"] == 30


def test_rows_that_share_one_of_several_regions_belong_together(skysift, tmp_path):
    """A SHARP may hold several regions: '11424,11427' and 11427 are one group."""
    lines = ["size,flare,regions,part"]
    own = ["11424", '"11424,11427"', "11427", "0", "11500"]
    lines += [f"{k}.5,{k % 2},{own[k % 5]},{'test' if k % 5 == 2 else 'train'}" for k in range(40)]
    (tmp_path / "patches.csv").write_text("\n".join(lines) + "\n")
    run = skysift(
        *("audit", tmp_path / "patches.csv", "--label", "flare", "--group", "regions"),
        *("--split", "part", "--json"),
    )
    torn = findings(run)["groups-across-split"]
    assert torn["evidence"]["n_groups"] == 1 + 8 + 1  # the linked, those of none, 11500
    assert torn["n_rows"] == 24


def test_a_table_whose_images_are_elsewhere_says_what_to_do(skysift, night, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    table = shutil.copy(night, tmp_path / "elsewhere")
    asked = ("audit", table, "--file", "name", "--label", "class", "--positive", "M")
    run = skysift(*asked)
    assert run.code == 2
    assert "000.fits" in run.err
    assert "--images" in run.err
    assert "--drop name" in run.err
    assert skysift(*asked, "--drop", "name").code == 0
    assert skysift(*asked, "--images", tmp_path).code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Add --label COLUMN"),
        (("--label", "clas"), "Did you mean 'class'"),
        (("--label", "class"), "Add --positive VALUE"),
        (("--label", "region", "--split-at", "2014-01-08"), "--time"),
    ],
)
def test_what_is_not_said_is_asked_for(skysift, night, options, message):
    run = skysift("audit", night, *options)
    assert run.code == 2
    assert message in run.err


def test_one_folder_is_no_two_classes(skysift, tmp_path):
    (tmp_path / "only").mkdir()
    run = skysift("audit", tmp_path)
    assert run.code == 2
    assert "a folder for each of two classes" in run.err


def test_a_task_keeps_its_own_audit(skysift, events_file):
    run = skysift("audit", "gamma-hadron", "--data", events_file)
    assert run.code == 0, run.err


def test_a_file_that_is_not_there_is_no_unknown_task(skysift, tmp_path):
    run = skysift("audit", tmp_path / "gone.csv", "--label", "flare")
    assert run.code == 2
    assert "There is no such file" in run.err


def test_the_audit_of_a_task_names_that_of_any_data(skysift):
    assert "skysift audit images.csv --help" in " ".join(skysift("audit", "--help").out.split())
    assert "--split-at" in skysift("audit", "images.csv", "--help").out
