"""What a stream answers, in whatever order records come and however often, is what a batch does."""

import os
import tarfile
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from skysift.core.config import Config, build_config
from skysift.core.errors import UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_task
from skysift.core.task import Task
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service, spool_of
from skysift.serve.staging import BUNDLE_COLUMN, INPUT_COLUMN, RECORD_COLUMN

LABELS = [RECORD_COLUMN, INPUT_COLUMN, BUNDLE_COLUMN]
RELATIVE = 1e-6


def arrive_in_disorder(paths, *, twice=True):
    """Let files be old, the first by name the youngest, and one of them there twice."""
    for age, path in enumerate(paths):
        os.utime(path, (1e9 - age, 1e9 - age))
    if not twice:
        return
    copy = paths[0].with_name(f"copy-of-{paths[0].name}")
    copy.write_bytes(paths[0].read_bytes())
    os.utime(copy, (1e9 + 1, 1e9 + 1))


def streamed(task, folder, found, pattern="*", **options):
    """Return what a service published, in the order of the files' names, and its counts.

    The record that came twice has one of its two names: here the first.
    """
    source = {"folder": folder, "pattern": pattern}
    values = {"task": task, "source": source, "sink": {"folder": found}, **options}
    counts = Service(build_config(WatchConfig, values)).run(once=True)
    parts = [pq.read_table(part) for part in sorted(found.glob("night=*/part-*.parquet"))]
    table = pa.concat_tables(parts)
    names = [name.removeprefix("copy-of-") for name in table[INPUT_COLUMN].to_pylist()]
    table = table.set_column(table.schema.get_field_index(INPUT_COLUMN), INPUT_COLUMN, [names])
    return table.sort_by(INPUT_COLUMN), counts


def batched(name, paths, out, *, bundle=None, predict=None):
    task = load_task(name)
    model = task.load(bundle_folder(name, bundle))
    chosen = build_config(task.predict_options, predict or {})
    provenance = Provenance.start(command="test")
    task.predict_files(paths, out, model, Config(), chosen, provenance=provenance)
    return pq.read_table(out), model


def assert_same_rows(stream, batch):
    assert stream.drop_columns(LABELS).schema.names == batch.schema.names
    assert stream.num_rows == batch.num_rows > 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        ours, theirs = stream[name].to_numpy(), column.to_numpy()
        if np.issubdtype(theirs.dtype, np.floating):
            np.testing.assert_allclose(ours, theirs, rtol=RELATIVE, atol=0, err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def packets(mirror, folder, most):
    """Return some alert packets, each as a file in the folder."""
    with tarfile.open(mirror / "ztf_alerts" / "kowalski_ztf_avro.tar.gz") as archive:
        members = [item for item in archive.getmembers() if item.isfile()][:most]
        for member in members:
            packet = archive.extractfile(member).read()
            (folder / member.name.rpartition("/")[2]).write_bytes(packet)
    return sorted(folder.iterdir())


def test_tables_of_events(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    task = load_task("gamma-hadron")
    paths = [
        task.write_synth(task.synth(200, np.random.default_rng(n)), folder / f"{n}.parquet")
        for n in range(4)
    ]
    batch, model = batched("gamma-hadron", paths, tmp_path / "batch.parquet", bundle="fast")
    arrive_in_disorder(paths)
    stream, counts = streamed("gamma-hadron", folder, tmp_path / "found", bundle="fast")
    assert counts["done"] == 4
    assert_same_rows(stream, batch)
    assert set(stream[BUNDLE_COLUMN].to_pylist()) == {model.bundle.hash}


def test_photon_lists(tmp_path):
    task = load_task("gamma-sky")
    folder = tmp_path / "incoming"
    folder.mkdir()
    task.write_synth(task.synth(3, np.random.default_rng(5)), folder)
    paths = sorted(folder.glob("events*"))
    batch, _ = batched("gamma-sky", paths, tmp_path / "batch.parquet")
    arrive_in_disorder(paths)
    stream, counts = streamed("gamma-sky", folder, tmp_path / "found", pattern="*events*")
    assert counts["done"] == 3
    assert_same_rows(stream, batch)


@pytest.mark.mirror
def test_alert_packets_and_what_is_left_of_some(mirror, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    paths = packets(mirror, folder, 6)
    packet = paths[-1].read_bytes()
    batch, _ = batched("star-galaxy", paths, tmp_path / "batch.parquet")
    arrive_in_disorder(paths[1:])
    (folder / "torn.avro").write_bytes(packet[: len(packet) // 2])
    (folder / "empty.avro").touch()
    stream, counts = streamed("star-galaxy", folder, tmp_path / "found")
    assert counts == {"pending": 0, "done": 6, "quarantined": 2, "retracted": 0}
    assert_same_rows(stream, batch)
    with spool_of(tmp_path / "found") as spool:
        reasons = {record.name: record.reason for record in spool.in_state("quarantined")}
    assert set(reasons) == {"torn.avro", "empty.avro"}
    assert all(reasons.values())


@pytest.mark.mirror
def test_real_photon_lists(mirror, tmp_path):
    paths = sorted((mirror / "gamma" / "magic" / "rad_max" / "data").glob("*_DL3_Crab*.fits"))
    assert len(paths) == 2
    folder = tmp_path / "incoming"
    folder.mkdir()
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    batch, _ = batched("gamma-sky", sorted(folder.iterdir()), tmp_path / "batch.parquet")
    stream, counts = streamed("gamma-sky", folder, tmp_path / "found")
    assert counts["done"] == 2
    assert_same_rows(stream, batch)


def test_stamps(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    task = load_task("streak")
    paths = [
        task.write_synth(task.synth(8, np.random.default_rng(n)), folder / f"{n}.parquet")
        for n in range(2)
    ]
    batch, model = batched("streak", paths, tmp_path / "batch.parquet")
    arrive_in_disorder(paths)
    stream, counts = streamed("streak", folder, tmp_path / "found")
    assert counts["done"] == 2
    assert_same_rows(stream, batch)
    assert set(stream[BUNDLE_COLUMN].to_pylist()) == {model.bundle.hash}


@pytest.mark.mirror
def test_alert_packets_with_streaks(mirror, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    paths = packets(mirror, folder, 3)
    batch, _ = batched("streak", paths, tmp_path / "batch.parquet")
    arrive_in_disorder(paths)
    torn = paths[0].read_bytes()
    (folder / "torn.avro").write_bytes(torn[: len(torn) // 2])
    stream, counts = streamed("streak", folder, tmp_path / "found")
    assert counts == {"pending": 0, "done": 3, "quarantined": 1, "retracted": 0}
    assert_same_rows(stream, batch)


def test_solar_disks(tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    task = load_task("active-region")
    task.write_synth(task.synth(3, np.random.default_rng(5)), tmp_path / "made")
    paths = [path.rename(folder / path.name) for path in sorted((tmp_path / "made").glob("*.png"))]
    batch, _ = batched("active-region", paths, tmp_path / "batch.parquet")
    arrive_in_disorder(paths, twice=False)  # answers name the file
    Image.new("L", (512, 512)).save(folder / "night.png")
    stream, counts = streamed("active-region", folder, tmp_path / "found")
    assert counts == {"pending": 0, "done": len(paths), "quarantined": 1, "retracted": 0}
    assert_same_rows(stream, batch)
    with spool_of(tmp_path / "found") as spool:
        (record,) = spool.in_state("quarantined")
    assert (record.name, "No solar limb" in record.reason) == ("night.png", True)


def test_regions_that_a_table_names(tmp_path):
    """Rows of a table, and its other columns, as skysift predict flare --regions has them."""
    folder = tmp_path / "incoming"
    folder.mkdir()
    task = load_task("flare")
    made = task.write_synth(task.synth(12, np.random.default_rng(5)), tmp_path / "made")
    table = next(tmp_path.rglob("*.csv")) if made.is_dir() else made
    images = [path for path in tmp_path.rglob("*") if path.suffix in {".png", ".jpg"}]
    paths = sorted(path.rename(folder / path.name) for path in images)
    asked = {"regions": str(table)}
    batch, _ = batched("flare", paths, tmp_path / "batch.parquet", predict=asked)
    arrive_in_disorder(paths, twice=False)  # answers name the file
    stream, counts = streamed("flare", folder, tmp_path / "found", predict=asked)
    assert counts["done"] == len(paths)
    order = [("file", "ascending"), ("noaa", "ascending")]
    assert_same_rows(stream.sort_by(order), batch.sort_by(order))


@pytest.mark.mirror
def test_regions_of_daily_summaries(mirror, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    for name in ("20110415_064414_512_0211.jpg", "20140506_094350_512_0211.jpg"):
        pixels = (mirror / "solar" / "aia211_fulldisk" / name).read_bytes()
        (folder / name).write_bytes(pixels)
    paths = sorted(folder.iterdir())
    summaries = mirror / "solar" / "catalogs" / "noaa_srs_2010_2019.csv.gz"
    asked = {"regions": str(summaries)}
    batch, _ = batched("flare", paths, tmp_path / "batch.parquet", predict=asked)
    arrive_in_disorder(paths, twice=False)  # answers name the file
    stream, counts = streamed("flare", folder, tmp_path / "found", predict=asked)
    assert counts["done"] == 2
    order = [("file", "ascending"), ("noaa", "ascending")]
    assert_same_rows(stream.sort_by(order), batch.sort_by(order))


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("gamma-sky", {"clean": "map.fits"}, "not written of a stream"),
        ("gamma-sky", {"regions": "c.reg"}, "not written of a stream"),
        ("active-region", {"positions": "patches.csv"}, "still to come"),
    ],
)
def test_what_is_only_to_be_had_in_batches_is_refused(task, options, message):
    loaded = load_task(task)
    model = loaded.load(bundle_folder(task))
    chosen = build_config(loaded.predict_options, options)
    with pytest.raises(UsageError, match=message):
        loaded.stream(model, loaded.read_options(), chosen)


def test_a_task_that_does_not_watch_says_so():
    with pytest.raises(UsageError, match="The task other does not watch"):
        Task.stream(SimpleNamespace(name="other"), None, Config(), Config())
