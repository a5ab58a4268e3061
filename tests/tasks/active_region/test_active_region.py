"""active-region: nothing is lost, places are right in the file and on the Sun, pages are drawn."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from skysift.core.config import build_config, load_config
from skysift.core.errors import BundleError, ConfigError, ContractError, InputError, ReadError
from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import load_task, shipped_bundles
from skysift.core.spread import spread_with
from skysift.data.io import read_table
from skysift.data.solar.catalogs import read_regions, regions_at
from skysift.data.solar.readers import read_solar_image
from skysift.evaluate.detection import match_places
from skysift.tasks.active_region import demonstration, prediction
from skysift.tasks.active_region.detection import DetectionSettings
from skysift.tasks.active_region.disks import disk_map
from skysift.tasks.active_region.made_up import made_up_disks, write_disks
from skysift.tasks.active_region.model import F1_POINT, TSS_POINT, load_bundle
from skysift.tasks.active_region.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.active_region.pictures import packed, unpacked
from skysift.tasks.active_region.reader import read_disks

TASK = load_task("active-region")


@pytest.fixture(scope="module")
def model():
    return load_bundle(shipped_bundles("active-region")[0])


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    made = made_up_disks(4, np.random.default_rng(7))
    folder = tmp_path_factory.mktemp("disks")
    write_disks(made, folder)
    return made, folder


def predicted(paths, model, out, **options):
    counts = prediction.predict_files(
        paths,
        out,
        model,
        ReadOptions(),
        PredictOptions(**options),
        provenance=Provenance.start("skysift predict", inputs=[]),
        progress=silent,
    )
    return read_table(out), counts


def test_every_file_has_a_row_and_every_refusal_a_reason(disks, model, tmp_path):
    _, folder = disks
    for path in list(folder.glob("*.png"))[:2]:
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =  nonsense")
    Image.fromarray(np.zeros((128, 128), np.uint8)).save(tmp_path / "dark.png")
    names = {path.name for path in tmp_path.iterdir()}
    table, counts = predicted([tmp_path], model, tmp_path.parent / "out.parquet")
    assert set(table["file"].astype(str)) == names
    assert counts["accepted"] == 2
    assert counts["rejected"] == 3
    for name in ("empty.jpg", "broken.fits", "dark.png"):
        row = table["file"].astype(str) == name
        assert row.sum() == 1
        assert np.isnan(table["score"][row]).all()
        assert table["flags"][row][0]


def test_a_map_of_one_region_says_that_it_is_no_disk(model, tmp_path):
    hdu = fits.PrimaryHDU(np.ones((40, 60), np.float32))
    hdu.header.update(
        CTYPE1="CRLN-CEA", CTYPE2="CRLT-CEA", CUNIT1="degree", CUNIT2="degree", CRPIX1=30.5,
        CRPIX2=20.5, CRVAL1=100.0, CRVAL2=10.0, CDELT1=0.03, CDELT2=0.03, CRLN_OBS=110.0,
        CRLT_OBS=-7.2, DSUN_OBS=1.48e11, RSUN_REF=696000000,
    )  # fmt: skip
    hdu.writeto(tmp_path / "hmi.sharp_cea_720s.1.20120306_000000_TAI.magnetogram.fits")
    table, counts = predicted([tmp_path], model, tmp_path.parent / "map.parquet")
    assert counts["rejected"] == 1
    assert "not-a-disk" in str(table["flags"][0])


def test_regions_lie_in_the_file_and_on_the_sun(disks, model, tmp_path):
    made, folder = disks
    keen = replace(model, settings=DetectionSettings(least_excess=0.15))
    table, _ = predicted([folder], keen, tmp_path / "out.ecsv", method="threshold")
    for one in made.maps:
        rows = table.take(table["file"].astype(str) == one.file)
        regions = made.regions.take(made.regions["disk"] == made.maps.index(one))
        matched = match_places(
            rows.matrix(["x", "y"]), rows["score"], regions.matrix(["x", "y"]), limit=20
        )
        hits = matched >= 0
        assert hits.sum() >= len(regions) / 2
        truth = regions.take(matched[hits])
        found = rows.take(hits)
        on_sun = np.hypot(
            (found["lon"] - truth["lon"]) * np.cos(np.radians(truth["lat"])),
            found["lat"] - truth["lat"],
        )
        assert np.median(on_sun) < 3
        inside = (np.abs(found["x"] - found["box_x"]) <= found["width"] / 2 + 4) & (
            np.abs(found["y"] - found["box_y"]) <= found["height"] / 2 + 4
        )
        assert inside.all()
    assert (np.diff(table["score"][table["file"] == table["file"][0]]) <= 0).all()


def test_a_turned_upside_down_file_has_its_regions_upside_down(disks, model):
    """Rows of pictures count from the top: north of the equator is a small y."""
    made, _ = disks
    for one in made.maps:
        found = model.find(one, method="threshold")
        known = np.isfinite(found.lat)
        equator = one.placement.to_file(one.disk.x, one.disk.y)[1]
        far = known & (np.abs(found.lat - one.observer.b0) > 5) & (np.abs(found.lon) < 50)
        assert ((found.y[far] < equator) == (found.lat[far] > one.observer.b0)).all()


def test_positions_get_a_probability_each_in_their_order(disks, model, tmp_path):
    made, folder = disks
    patches = made.tables[1]
    lines = ["file,x,y,note"]
    lines += [
        f"{file},{x},{y},kept"
        for file, x, y in zip(*(patches[name] for name in ("file", "x", "y")), strict=True)
    ]
    first = made.maps[0].file
    lines += [f"{first},9000,10,far", f"{first},nan,10,nowhere", "unknown.png,10,10,missing"]
    positions = tmp_path / "positions.csv"
    positions.write_text("\n".join(lines) + "\n")
    table, counts = predicted([folder], model, tmp_path / "out.parquet", positions=str(positions))
    assert len(table) == len(lines) - 1
    assert counts == {"accepted": len(patches), "repaired": 0, "rejected": 3}
    assert table["note"][-1] == "missing"
    known = table["probability"][:-3]
    assert ((known >= 0) & (known <= 1)).all()
    assert np.isnan(table["probability"][-3:]).all()
    assert [flag.rpartition(",")[2] for flag in table["flags"][-3:].astype(str)] == [
        "outside-image",
        "outside-image",
        "no-such-image",
    ]


def test_a_patch_beyond_the_limb_says_so(disks, model, tmp_path):
    made, folder = disks
    disk, file = made.maps[0].disk, made.maps[0].file
    (column, row) = made.maps[0].placement.to_file(disk.x, disk.y)
    positions = tmp_path / "positions.csv"
    positions.write_text(f"file,x,y\n{file},{column},{row}\n{file},5,5\n")
    table, _ = predicted([folder], model, tmp_path / "out.csv", positions=str(positions))
    assert ["off-disk" in flags for flags in table["flags"].astype(str)] == [False, True]


@pytest.mark.parametrize(
    ("text", "error"), [("file,x\na,1\n", ContractError), ("file,x,y\na,b,c\n", InputError)]
)
def test_positions_without_sense_are_refused(disks, model, tmp_path, text, error):
    positions = tmp_path / "positions.csv"
    positions.write_text(text)
    with pytest.raises(error):
        predicted([disks[1]], model, tmp_path / "out.csv", positions=str(positions))


def test_a_lower_score_gives_more_regions(disks, model, tmp_path):
    few, _ = predicted([disks[1]], model, tmp_path / "a.parquet", least_score=0.9)
    many, _ = predicted([disks[1]], model, tmp_path / "b.parquet", least_score=0.0)
    assert np.isfinite(many["score"]).sum() > np.isfinite(few["score"]).sum()
    assert "no-region" in "".join(few["flags"].astype(str))


def test_labels_are_needed_and_named(disks, tmp_path):
    _, folder = disks
    shutil.copy(next(folder.glob("*.png")), tmp_path / "alone.png")
    with pytest.raises(ReadError, match="--regions"):
        read_disks([tmp_path], ReadOptions())
    (tmp_path / "regions.csv").write_text("file,section\n")
    with pytest.raises(ContractError, match="noaa"):
        read_disks([tmp_path], ReadOptions())


def test_disks_are_chosen_by_their_day(disks):
    made, folder = disks
    days = np.sort(made.times).astype("datetime64[D]").astype(str)
    later = read_disks([folder], ReadOptions(since=days[2]))
    assert len(later) == 2
    assert (later.regions["disk"] < 2).all()
    with pytest.raises(ConfigError, match="before"):
        build_config(ReadOptions, {"since": "2015-01-01", "before": "2014-01-01"})


def test_part_of_the_disks_keeps_what_belongs_to_them(disks):
    made, _ = disks
    chosen = np.array([False, True, False, True])
    part = made.take(chosen)
    assert [one.file for one in part.maps] == [made.maps[1].file, made.maps[3].file]
    for old, new in ((1, 0), (3, 1)):
        before = made.regions["noaa"][made.regions["disk"] == old]
        np.testing.assert_array_equal(part.regions["noaa"][part.regions["disk"] == new], before)
    np.testing.assert_array_equal(
        part.patches.is_region, made.patches.is_region[np.isin(made.patches.disk, [1, 3])]
    )


def test_an_evaluation_is_drawn_and_drawn_again_alike(disks, model, tmp_path):
    _, folder = disks
    out = tmp_path / "run"
    options = ReadOptions()
    run = TASK.evaluate_files(
        [folder], options, model, out, np.random.default_rng(1), command="skysift evaluate"
    )
    page = run.page.read_text()
    assert {"detection_f1", "patch_tss", "patch_accuracy", "threshold_f1"} <= {
        row["metric"] for row in run.rows
    }
    again = TASK.render(out)
    assert again.page.read_text() == page
    assert again.rows == run.rows
    assert (out / "run.json").stat().st_size < 3e6


def test_the_demo_shows_the_image_of_sunpy_and_made_up_disks(tmp_path, monkeypatch):
    pytest.importorskip("sunpy")
    monkeypatch.delenv("SKYSIFT_MIRROR", raising=False)
    demonstration.demonstrate(tmp_path, seed=0, command="skysift demo", progress=silent)
    pictures = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["facts"]["pictures"]
    titles = [picture["title"] for picture in pictures]
    assert titles == ["SDO/HMI_FRONT2 intensity, 2014-03-01", *["MADE UP"] * 3]
    shown = unpacked(pictures[0]["pixels"])
    assert shown.max() > 200  # spots
    assert np.percentile(shown, 99) < 130  # and the quiet disk is no noise beside them


def test_exploring_counts_what_there_is(disks, tmp_path):
    made, folder = disks
    run = TASK.explore(
        [folder], ReadOptions(), tmp_path / "run", np.random.default_rng(1), command="x"
    )
    counts = {row["what"]: row["n"] for row in run.rows}
    assert counts["disks"] == 4
    assert counts["quiet patches"] == int((~made.patches.is_region).sum())
    assert "Disks" in run.page.read_text()


def test_an_audit_looks_at_patches(disks):
    run = TASK.audit([disks[1]], ReadOptions(), np.random.default_rng(1))
    assert "patches" in run.title


def test_a_comparison_puts_all_models_side_by_side(abroad, tmp_path):
    made = made_up_disks(14, np.random.default_rng(3))
    write_disks(made, tmp_path / "disks")
    cheap = Path(__file__).parent / "cheap_training.toml"
    options = load_config(TrainOptions, cheap)
    comparing = CompareOptions(
        split=made.times[9].astype("datetime64[D]").item(),
        models=("logistic-regression", "eight-statistics", "pixels-16"),
        folds=options.folds,
        epochs=1,
        trees=options.trees,
        published_epochs=1,
        published_repeats=1,
    )
    out = tmp_path / "run"
    with spread_with(abroad):
        run = TASK.compare(
            [tmp_path / "disks"], ReadOptions(), comparing, out, seed=1, command="skysift compare"
        )
    assert [row["model"] for row in run.rows] == list(comparing.models)
    assert all(row["auc"] > 0.9 for row in run.rows)
    published = json.loads((out / "run.json").read_text())["facts"]["published"]
    assert [row["split"] for row in published] == ["random, 1 times", "in time"] * 2
    late = comparing.model_copy(update={"split": comparing.split.replace(year=2030)})
    with pytest.raises(InputError, match="--split"):
        TASK.compare([tmp_path / "disks"], ReadOptions(), late, out, seed=1, command="x")


def test_a_damaged_bundle_is_refused(tmp_path):
    shipped = shipped_bundles("active-region")[0]
    broken = tmp_path / "broken"
    shutil.copytree(shipped, broken)
    (broken / "regions.onnx").write_bytes(b"nonsense")
    with pytest.raises(BundleError):
        load_bundle(broken)


def test_the_shipped_bundle_is_small_and_knows_its_thresholds(model):
    folder = shipped_bundles("active-region")[0]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2 * 2**20
    assert 0 < model.threshold(F1_POINT) < 1
    assert 0 < model.threshold(TSS_POINT) < 1
    assert model.training.split < "2014-07-01"
    assert model.training.split.partition(" to ")[2] < "2014-07-01"


def test_grey_pictures_survive_their_text():
    grey = np.random.default_rng(1).integers(0, 256, (16, 16))
    np.testing.assert_array_equal(unpacked(packed(grey)), grey)


@pytest.mark.mirror
def test_real_magnetograms_show_the_numbered_regions(mirror, model):
    """NOAA 11183, the largest of 2011-04-01, and 11176 by MDI and by Mount Wilson."""
    listed = read_regions([mirror / "solar/catalogs/noaa_srs_2010_2019.csv.gz"])
    for name in (
        "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits",
        "m110331_1781_0na1.fits",
    ):
        one = disk_map(read_solar_image(mirror / "solar/fulldisk_fits" / name))
        found = model.find(one)
        at = regions_at(listed, [one.image.time], sections=("I",))
        big = at.take(at["area"] >= 150)
        assert len(big) >= 2
        for lon, lat in zip(big["lon"], big["lat"], strict=True):
            apart = np.hypot((found.lon - lon) * np.cos(np.radians(lat)), found.lat - lat)
            assert np.nanmin(apart) < 12


@pytest.mark.mirror
def test_limb_noise_of_a_real_magnetogram_is_no_region(mirror, model):
    """Mount Wilson filled the limb of 1999-12-11 with -1638.4 G."""
    path = mirror / "solar/fulldisk_fits/m991211_1896_0na1.fits"
    one = disk_map(read_solar_image(path))
    found = model.find(one)
    assert 5 <= len(found) <= 20
    assert (np.abs(found.lat) < 45).all()


@pytest.mark.mirror
def test_the_bright_limb_of_gong_pictures_is_no_region(mirror, model):
    """Five days of 2019, near the minimum: a region or two each, not a dozen around the limb."""
    paths = sorted((mirror / "solar/seed_examples").glob("*.jpg"))
    assert len(paths) == 5
    assert sum(len(model.find(disk_map(read_solar_image(path)))) for path in paths) <= 10


@pytest.mark.mirror
def test_real_files_that_are_broken_have_reasons(mirror, model, tmp_path):
    folder = mirror / "solar/corrupt_fits"
    table, counts = predicted([folder], model, tmp_path / "out.parquet")
    assert counts["rejected"] == len(list(folder.iterdir())) == len(table)
    assert all(table["flags"].astype(str))
