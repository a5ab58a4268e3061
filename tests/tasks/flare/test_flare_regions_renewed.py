"""flare in a stream: what tells the regions is replaced, half written, overdue or too old."""

import csv
import os
import shutil

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.errors import ReadError
from skysift.core.registry import bundle_folder, load_task
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service, spool_of
from skysift.tasks.flare.model import load_bundle
from skysift.tasks.flare.options import PredictOptions, ReadOptions
from skysift.tasks.flare.prediction import record_predictor


@pytest.fixture(scope="module")
def model():
    return load_bundle(bundle_folder("flare"))


@pytest.fixture
def suns(tmp_path):
    """Three made-up suns with twelve regions each: the images, and the rows of their table."""
    task = load_task("flare")
    made = task.write_synth(task.synth(36, np.random.default_rng(3)), tmp_path / "made")
    folder = made if made.is_dir() else made.parent
    with (folder / "regions.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return sorted(folder.glob("*.png")), rows


def put(path, text):
    """Replace a file as a careful writer does."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(text)
    os.replace(beside, path)  # noqa: PTH105  # as of the shell


def table(path, rows):
    text = [",".join(rows[0])] + [",".join(row.values()) for row in rows]
    put(path, "\n".join([*text, ""]))


def summaries(path, *days):
    """Write summaries of the same two regions for each day."""
    rows = [
        f"{day},I,{noaa},{lat},{lon},120,Dao,8,6,Beta"
        for day in days
        for noaa, lat, lon in ((11201, 15, -20), (11202, -12, 5))
    ]
    header = "srs_file_date,section,noaa,lat,lon,area,mcintosh,extent,nspots,hale"
    put(path, "\n".join([header, *rows, ""]))


def stream(model, regions):
    return record_predictor(model, ReadOptions(), PredictOptions(regions=str(regions)))


def answered(predict, path):
    (piece,) = predict(path)
    return piece


def test_a_table_is_replaced_while_images_arrive(model, suns, tmp_path):
    images, rows = suns
    regions = tmp_path / "regions.csv"
    table(regions, [row for row in rows if row["file"] == images[0].name])
    predict = stream(model, regions)
    first = answered(predict, images[0])
    assert first.num_rows == 12
    with pytest.raises(ReadError, match="has no region of the image"):
        list(predict(images[1]))
    table(regions, rows)
    assert answered(predict, images[1]).num_rows == 12
    assert answered(predict, images[0]).equals(first)  # what it says of others changes nothing
    put(regions, "file,lon\n" + images[2].name)
    late = answered(predict, images[2])
    assert late.num_rows == 12
    assert all("regions-not-renewed" in flags for flags in late["flags"].to_pylist())
    table(regions, [row for row in rows if row["file"] != images[2].name or row["noaa"][-1] == "5"])
    renewed = answered(predict, images[2])
    assert 0 < renewed.num_rows < 12
    assert not any("not-renewed" in flags for flags in renewed["flags"].to_pylist())


def test_summaries_grow_old_and_are_renewed(model, suns, tmp_path):
    images, _ = suns
    regions = tmp_path / "summaries.csv"
    summaries(regions, "20110101")  # issued at 00:30
    predict = stream(model, regions)

    def at(time):
        path = tmp_path / f"{time}_512_0211.png"
        shutil.copy(images[0], path)
        return path

    fresh = answered(predict, at("20110101_120000"))
    assert fresh["noaa"].to_pylist() == [11201, 11202]
    assert not any("old-regions" in flags for flags in fresh["flags"].to_pylist())
    overdue = answered(predict, at("20110102_020000"))
    assert all("old-regions" in flags for flags in overdue["flags"].to_pylist())
    moved = np.array(overdue["lon"]) - np.array(fresh["lon"])
    assert moved == pytest.approx([7.7, 7.7], abs=0.4)  # 14 h of rotation, 13.2 deg a day
    with pytest.raises(ReadError, match=r"at most 36 h old.*2011-01-01"):
        list(predict(at("20110103_120000")))
    summaries(regions, "20110101", "20110103")
    renewed = answered(predict, at("20110103_120000"))
    assert not any("old-regions" in flags for flags in renewed["flags"].to_pylist())


def test_an_image_without_a_summary_waits_in_quarantine_until_there_is_one(suns, tmp_path):
    images, _ = suns
    incoming, found = tmp_path / "incoming", tmp_path / "found"
    incoming.mkdir()
    regions = tmp_path / "summaries.csv"
    summaries(regions, "20110101")
    shutil.copy(images[0], incoming / "20110101_120000_512_0211.png")
    with images[1].open("rb") as file:
        (incoming / "20110105_120000_512_0211.png").write_bytes(file.read())
    config = build_config(
        WatchConfig,
        {
            "task": "flare",
            "source": {"folder": incoming, "settle": 0},
            "sink": {"folder": found},
            "predict": {"regions": str(regions)},
        },
    )
    counts = Service(config).run(once=True)
    assert (counts["done"], counts["quarantined"]) == (1, 1)
    with spool_of(found) as spool:
        (waiting,) = spool.in_state("quarantined")
        assert "Put the newer summary in its place and replay" in waiting.reason
        summaries(regions, "20110101", "20110105")
        assert spool.replay([waiting.id]) == 1
    counts = Service(config).run(once=True)
    assert (counts["done"], counts["quarantined"]) == (2, 0)
