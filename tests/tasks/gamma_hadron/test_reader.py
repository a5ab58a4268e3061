"""Files of every kind become the same events, or are refused with file, row and remedy."""

import numpy as np
import pytest

from skysift.core.errors import ContractError, InputError, ReadError, UsageError
from skysift.data.columns import load_map
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.reader import batches, read_events
from skysift.tasks.gamma_hadron.synth import COLUMNS

UCI = (
    "fLength", "fWidth", "fSize", "fConc", "fConc1",
    "fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist",
)  # fmt: skip


def read(*paths, **options):
    return read_events(paths, ReadOptions(**options), None, purpose="train")


def store(table, path):
    with open_writer(path) as writer:
        writer.write(table)
    return path


def write_uci(events, path, *, header):
    rows = events.table.matrix(COLUMNS)
    lines = [",".join(map(repr, row)) for row in rows.tolist()]
    lines = [f"{line},{'g' if y else 'h'}" for line, y in zip(lines, events.is_gamma, strict=True)]
    head = [",".join([*UCI, "class"])] if header else []
    path.write_text("\n".join([*head, *lines]) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".ecsv", ".fits", ".vot", ".h5"])
def test_every_format_gives_the_same_events(sample, suffix, tmp_path):
    events = read(store(sample.table, tmp_path / f"events{suffix}"))
    np.testing.assert_array_equal(events.is_gamma, sample.is_gamma)
    np.testing.assert_array_equal(events.table.matrix(COLUMNS), sample.table.matrix(COLUMNS))


@pytest.mark.parametrize("header", [True, False])
def test_the_names_of_the_magic_table_are_known_with_and_without_a_header(sample, tmp_path, header):
    events = read(write_uci(sample, tmp_path / "a.data", header=header))
    np.testing.assert_array_equal(events.table.matrix(COLUMNS), sample.table.matrix(COLUMNS))
    np.testing.assert_array_equal(events.is_gamma, sample.is_gamma)
    assert events.table.unit("length") == "mm"


def test_a_header_goes_before_the_order_of_the_map(sample, tmp_path):
    """The shipped map has names for a table without a header; this one has one, turned round."""
    table = sample.table.select([*COLUMNS, "class"][::-1])
    names = dict(zip(COLUMNS, UCI, strict=True))
    table = FeatureTable(table.arrow.rename_columns([names.get(n, n) for n in table.columns]))
    path = store(table, tmp_path / "turned.csv")
    fallback = load_map("uci-magic").model_dump(mode="json")
    for given in ({"columns": "uci-magic"}, {}):
        events = read_events([path], ReadOptions(**given), None, purpose="train", fallback=fallback)
        np.testing.assert_array_equal(events.table.matrix(COLUMNS), sample.table.matrix(COLUMNS))


def test_units_of_the_file_are_converted(sample, tmp_path):
    columns = {
        "alpha": np.radians(sample.table["alpha"]),
        "width": sample.table["width"] / 10,
        "dist": sample.table["dist"] / 1000,
    }
    table = sample.table.with_columns(columns, units={"alpha": "rad", "width": "cm", "dist": "m"})
    events = read(store(table, tmp_path / "events.ecsv"))
    np.testing.assert_allclose(
        events.table.matrix(COLUMNS), sample.table.matrix(COLUMNS), rtol=1e-12, atol=1e-12
    )
    assert events.checked.counts["accepted"] == len(sample)


def test_a_unit_that_cannot_be_is_refused(sample, tmp_path):
    table = sample.table.with_columns({"length": sample.table["length"]}, units={"length": "s"})
    with pytest.raises(ContractError, match="'length' has the unit 's', which does not fit"):
        read(store(table, tmp_path / "events.ecsv"))


def test_small_angles_in_a_file_that_states_degrees_stay_as_they_are(sample, tmp_path):
    table = sample.table.with_columns({"alpha": sample.table["alpha"] / 90}, units={"alpha": "deg"})
    events = read(store(table, tmp_path / "events.ecsv"))
    assert events.table["alpha"].max() <= 1.0


def test_unusable_rows_are_left_out_and_counted(sample, tmp_path):
    length = sample.table["length"].copy()
    length[[0, 5]] = [np.nan, -3.0]
    labels = np.where(sample.is_gamma, "g", "h").astype(object)
    labels[[7, 8]] = ["Gama", "muon"]
    table = sample.table.with_columns({"length": length, "class": labels})
    events = read(store(table, tmp_path / "events.parquet"))
    assert len(events) == len(sample) - 3
    assert events.checked.counts == {"accepted": len(sample) - 4, "repaired": 1, "rejected": 3}
    kept = np.setdiff1d(np.arange(len(sample)), [0, 5, 8])
    np.testing.assert_array_equal(events.table["width"], sample.table["width"][kept])
    assert events.is_gamma[6 - 2 + 1]  # the row of 'Gama'


def test_further_columns_pass_through(sample, tmp_path):
    table = sample.table.with_columns(
        {"run": np.arange(len(sample)), "note": np.full(len(sample), "clear sky")}
    )
    events = read(store(table, tmp_path / "events.parquet"))
    assert events.table["run"].tolist() == list(range(len(sample)))
    assert set(events.table["note"]) == {"clear sky"}
    assert "run" in events.feature_columns()
    assert {"note", "class"}.isdisjoint(events.feature_columns())


def test_a_missing_column_is_named_with_the_nearest(sample, tmp_path):
    path = write_uci(sample, tmp_path / "a.csv", header=True)
    path.write_text(path.read_text().replace("fWidth", "fWitdh", 1))
    for given in ({"columns": "uci-magic"}, {}):
        with pytest.raises(ContractError) as caught:
            read(path, **given)
        assert "'fWidth'" in str(caught.value)
        assert "Did you mean 'fWitdh'" in str(caught.value)
        assert caught.value.path == path


@pytest.mark.parametrize("name", ["length", "width", "log_size"])
def test_a_misspelt_canonical_name_is_answered(sample, tmp_path, name):
    names = [f"{n[:-1]}_{n[-1]}" if n == name else n for n in sample.table.columns]
    table = FeatureTable(sample.table.arrow.rename_columns(names))
    with pytest.raises(
        ContractError, match=f"Only '{name}' is missing. Did you mean '{name[:-1]}_"
    ):
        read(store(table, tmp_path / "a.parquet"))


def test_text_in_a_column_of_numbers_is_refused(sample, tmp_path):
    path = write_uci(sample, tmp_path / "a.csv", header=True)
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[1], "wide", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="fWidth") as caught:
        read(path)
    assert caught.value.path == path
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zero.csv", b""),
        ("blank.csv", b"\n\n"),
        ("header.csv", ",".join([*COLUMNS, "class"]).encode() + b"\n"),
        ("noise.bin", bytes(range(256)) * 4),
        ("other.csv", b"run,energy\n1,2.5\n"),
    ],
)
def test_a_file_without_events_is_refused_with_its_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("suffix", [".h5", ".parquet", ".fits", ".csv.gz"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_a_truncated_file_is_refused_with_its_name(sample, tmp_path, suffix, share):
    path = store(sample.table, tmp_path / f"events{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ReadError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(("kept", "word"), [(True, "gammas"), (False, "hadrons")])
def test_a_single_class_is_refused(sample, tmp_path, kept, word):
    path = store(sample.table.take(sample.is_gamma == kept), tmp_path / "one.parquet")
    with pytest.raises(ContractError, match=f"only {word}; both classes are needed") as caught:
        read(path)
    assert caught.value.path == path


def test_files_of_one_class_each_are_told_apart_by_the_user(sample, tmp_path):
    bare = sample.table.select(list(COLUMNS))
    gammas = store(bare.take(sample.is_gamma), tmp_path / "gammas.parquet")
    hadrons = store(bare.take(~sample.is_gamma), tmp_path / "hadrons.parquet")
    events = read(gammas, hadrons, background=(str(hadrons),))
    n = int(sample.is_gamma.sum())
    assert events.is_gamma[:n].all()
    assert not events.is_gamma[n:].any()
    assert len(events) == len(sample)
    assert events.name == "gammas + hadrons"
    with pytest.raises(ContractError, match="tells signal from background"):
        read(gammas, hadrons)


def test_a_background_file_that_is_not_read_is_refused(sample_file):
    with pytest.raises(UsageError, match="Did you mean") as caught:
        read(sample_file, background=(str(sample_file.with_name("event.parquet")),))
    assert "--background" in caught.value.problem


def test_each_file_has_its_own_conventions(sample, tmp_path):
    """One file in degrees, the other in radians, neither says so."""
    bare = sample.table.select([*COLUMNS, "class"])
    half = np.arange(len(sample)) < 700
    in_degrees = bare.with_columns({"alpha": bare["alpha"]}).take(half)
    in_radians = bare.with_columns({"alpha": np.radians(bare["alpha"])}).take(~half)
    paths = [store(in_degrees, tmp_path / "a.csv"), store(in_radians, tmp_path / "b.csv")]
    for path in tmp_path.glob("*.provenance.json"):
        path.unlink()
    for order in (paths, paths[::-1]):
        events = read(*order)
        np.testing.assert_allclose(
            np.sort(events.table["alpha"]), np.sort(bare["alpha"]), rtol=1e-9
        )


def test_batches_are_the_table_in_pieces(sample, sample_file):
    parts = list(batches(sample_file, ReadOptions(), batch_rows=400))
    assert [len(part.table) for part in parts] == [400, 400, 400, 300]
    joined = np.concatenate([part.table["length"] for part in parts])
    np.testing.assert_array_equal(joined, sample.table["length"])
    assert len({part.conventions for part in parts}) == 1


def test_duplicates_are_one_event(sample, tmp_path):
    rows = np.concatenate([np.arange(len(sample)), [3, 3, 10]])
    events = read(store(sample.table.take(rows), tmp_path / "twice.parquet"))
    assert len(events) == len(sample) + 3
    assert events.groups[3] == events.groups[-3] == events.groups[-2]
    distinct = events.distinct()
    np.testing.assert_array_equal(distinct.table["length"], sample.table["length"])
    assert distinct.split.endswith("distinct")


@pytest.mark.mirror
def test_fact_files_are_told_apart_by_their_truth_and_the_truth_is_no_feature(mirror):
    folder = mirror / "iact_dl1"
    events = read(folder / "fact_gamma.hdf5", folder / "fact_proton.hdf5")
    gammas = read_events(
        [folder / "fact_gamma.hdf5", folder / "fact_proton.hdf5"],
        ReadOptions(background=(str(folder / "fact_proton.hdf5"),)),
        None,
        purpose="train",
    )
    np.testing.assert_array_equal(events.is_gamma, gammas.is_gamma)
    assert 0 < events.is_gamma.sum() < len(events)
    offered = events.feature_columns()
    assert {"length", "width", "log_size"} <= set(offered)
    hidden = [name for name in events.table.columns if name not in offered]
    assert any(name.startswith("corsika_") for name in hidden)
    truth = ("corsika_", "ceres_", "mc_", "source_position", "theta", "run_id", "event_num")
    assert not [name for name in offered if name.startswith(truth)]
