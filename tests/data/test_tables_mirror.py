"""The real tables: the MAGIC table of UCI and four files of FACT."""

from collections import Counter

import h5py
import numpy as np
import pytest

from skysift.data.columns import CANONICAL_COLUMNS, detect_map, load_map
from skysift.data.io import iter_table, open_writer, read_table

pytestmark = pytest.mark.mirror

FACT = ["gamma", "proton", "gamma_diffuse", "gamma_diffuse_altitude"]


@pytest.fixture(scope="module")
def magic(mirror):
    columns = load_map("uci-magic")
    return read_table(mirror / "magic" / "magic04.data", names=columns.table.names)


def test_magic_agrees_with_numpy(mirror, magic):
    oracle = np.loadtxt(mirror / "magic" / "magic04.data", delimiter=",", usecols=range(10))
    assert len(magic) == 19_020
    np.testing.assert_array_equal(magic.matrix(magic.columns[:10]), oracle)
    assert magic["fLength"].sum() == oracle[:, 0].sum()


def test_magic_classes_and_map(magic):
    assert Counter(magic["class"].tolist()) == {"g": 12_332, "h": 6_688}
    columns = load_map(detect_map(magic.columns))
    assert columns == load_map("uci-magic")
    assert columns.labels(magic).sum() == 12_332
    mapped = columns.apply(magic)
    assert mapped.unit("length") == "mm"
    assert mapped.unit("alpha") == "deg"
    np.testing.assert_array_equal(mapped["log_size"], magic["fSize"])


def test_magic_in_batches_is_the_same_table(mirror, magic):
    batches = list(
        iter_table(mirror / "magic" / "magic04.data", names=magic.columns, batch_rows=5000)
    )
    assert [batch.meta["first_row"] for batch in batches] == [0, 5000, 10_000, 15_000]
    np.testing.assert_array_equal(np.concatenate([b["fDist"] for b in batches]), magic["fDist"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".fits", ".vot", ".h5", ".ecsv"])
def test_magic_survives_every_format(tmp_path, magic, suffix):
    path = tmp_path / f"magic{suffix}"
    magic = magic.take(np.arange(0, len(magic), 10))
    with open_writer(path) as writer:
        writer.write(magic)
    back = read_table(path)
    numbers = magic.columns[:10]
    np.testing.assert_array_equal(back.matrix(numbers), magic.matrix(numbers))
    assert back["class"].tolist() == magic["class"].tolist()


@pytest.mark.parametrize("name", FACT)
def test_fact_agrees_with_the_file_and_maps_to_image_parameters(mirror, name):
    path = mirror / "iact_dl1" / f"fact_{name}.hdf5"
    table = read_table(path)
    with h5py.File(path) as file:
        assert set(table.columns) == set(file["events"])
        for column in ("length", "size", "run_id", "delta"):
            np.testing.assert_array_equal(table[column], file["events"][column][:])
    assert len(table) == 1000
    assert detect_map(table.columns) == "fact"
    mapped = load_map("fact").apply(table)
    np.testing.assert_allclose(mapped["log_size"], np.log10(table["size"]))
    assert np.all(np.abs(mapped["delta"]) <= 180)
    # The cube root of the third moment is the skewness in units of length: a check of the unit.
    skewness = np.cbrt(table["skewness_long"]) * table["length"]
    assert np.corrcoef(mapped["m3_long"], skewness)[0, 1] > 0.99


@pytest.mark.parametrize(("name", "signal"), [("gamma", 1000), ("proton", 0)])
def test_fact_labels_come_from_the_simulated_particle(mirror, name, signal):
    table = read_table(mirror / "iact_dl1" / f"fact_{name}.hdf5")
    assert load_map("fact").labels(table).sum() == signal


def test_fact_truth_is_never_a_feature(mirror):
    columns = read_table(mirror / "iact_dl1" / "fact_gamma_diffuse.hdf5").columns
    excluded = set(load_map("fact").excluded(columns))
    truth = ("corsika_", "ceres_", "source_position_", "theta_deg")
    named = {c for c in columns if c.startswith(truth) or c.endswith("_prediction")}
    assert named | {"run_id", "event_num", "index"} <= excluded
    assert not excluded & CANONICAL_COLUMNS.keys()
