"""The task from photon lists to files: what is written, counted, and told of the input."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skysift.core.errors import BundleError, InputError, OutputError, UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_task
from skysift.data.io import read_table
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.observations import read_observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.prediction import predict_files
from skysift.tasks.gamma_sky.synth import synthetic_observations

NOTHING = GoodTimeIntervals.of([(0.0, 60.0)])


@pytest.fixture(scope="module")
def model():
    return load_bundle(bundle_folder("gamma-sky"))


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Three photon lists with their truth."""
    folder = tmp_path_factory.mktemp("night")
    task = load_task("gamma-sky")
    return task.write_synth(task.synth(3, np.random.default_rng(12)), folder)


@pytest.fixture
def predict(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(paths, out="out.ecsv", reading=None, **options):
        return predict_files(
            paths,
            tmp_path / out,
            model,
            reading or ReadOptions(),
            PredictOptions(**options),
            provenance=Provenance.start("skysift predict gamma-sky", inputs=paths),
            progress=lambda fraction, what: None,
        )

    return call


def empty_file(path, n=0):
    where = np.full(n, 10.0)
    write_events(
        EventList(np.arange(n, dtype=float), where, where / 2, where / 20, NOTHING,
                  Pointing(10.0, 5.0, 20.0), name="quiet"),
        path,
    )  # fmt: skip
    return path


def test_each_field_has_its_source(night, predict, tmp_path):
    counts = predict([night], regions=str(tmp_path / "ds9.reg"))
    table = read_table(tmp_path / "out.ecsv")
    truth = read_table(night / "sources.ecsv")
    assert counts["windows"] == 3
    assert counts["candidates"] == len(table) >= 3
    for ra, dec in zip(truth["ra"], truth["dec"], strict=True):
        away = np.hypot((table["ra"] - ra) * np.cos(np.radians(dec)), table["dec"] - dec)
        assert away.min() < 0.1
    regions = (tmp_path / "ds9.reg").read_text()
    assert regions.count("ellipse") >= 3


def test_numbers_of_photons_add_up(night, predict):
    counts = predict([night])
    photons = sum(item.n_rows for item in read_observations([night], ReadOptions()).items)
    assert counts["accepted"] + counts["repaired"] + counts["rejected"] == photons
    assert counts["rejected"] == 0


def test_no_candidate_is_an_empty_table_with_its_setting(predict, tmp_path):
    counts = predict([empty_file(tmp_path / "quiet.fits")], false_alarms=0.5, per="hour")
    assert counts["candidates"] == 0
    table = read_table(tmp_path / "out.ecsv")
    assert len(table) == 0
    assert {"ra", "dec", "err68", "far", "t_start", "flags"} <= set(table.columns)
    text = (tmp_path / "out.ecsv").read_text()
    assert "0.5" in text
    assert "hour" in text


def test_rejected_photons_are_counted_and_their_reason_is_stored(predict, tmp_path, rng):
    n = 200
    ra = rng.uniform(9, 11, n)
    ra[[3, 5]] = np.nan
    energy = np.full(n, 0.2)
    energy[7] = -1.0
    events = EventList(np.sort(rng.uniform(0, 60, n)), ra, rng.uniform(4, 6, n), energy, NOTHING,
                       Pointing(10.0, 5.0, 20.0), name="bad")  # fmt: skip
    path = tmp_path / "bad.fits"
    write_events(events, path)
    counts = predict([path])
    assert counts["rejected"] == 3
    assert counts["accepted"] == n - 3
    text = (tmp_path / "out.ecsv").read_text()
    assert "input_contract" in text
    assert "rejected" in text


def test_windows_have_rows_of_their_own(night, predict, tmp_path):
    counts = predict([night / "events-00000.fits"], window="20s", clean=str(tmp_path / "c.fits"))
    assert counts["windows"] == 3
    table = read_table(tmp_path / "out.ecsv")
    assert len(table) == counts["candidates"] >= 2
    assert np.all(np.diff(table["t_start"]) >= 0)
    assert [path.name for path in sorted(tmp_path.glob("c*.fits"))] == [
        "c-0001.fits", "c-0002.fits", "c.fits",
    ]  # fmt: skip


def test_the_cleaned_map_is_a_map_that_others_read(night, predict, tmp_path):
    target = tmp_path / "clean.fits.gz"
    predict([night / "events-00001.fits"], clean=str(target))
    (item,) = read_observations([night / "events-00001.fits"], ReadOptions()).items
    table = read_table(tmp_path / "out.ecsv")
    with fits.open(target) as hdus:
        parts = {n: hdus[n].data.astype(float) for n in ("CLEANED", "BACKGROUND", "RESIDUAL")}
        counts = sum(parts.values())
        wcs = WCS(hdus["CLEANED"].header).celestial
        x, y = wcs.world_to_pixel_values(table["ra"][0], table["dec"][0])
        image = parts["CLEANED"].sum(axis=0)
        rows, columns = np.indices(image.shape)
        assert (image * columns).sum() / image.sum() == pytest.approx(float(x), abs=2)
        assert (image * rows).sum() / image.sum() == pytest.approx(float(y), abs=2)
        assert image.sum() == pytest.approx(table["excess"][0], rel=0.15)
    grid = TangentGrid(item.events.pointing.ra, item.events.pointing.dec)
    reading = ReadOptions()
    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    raw = CountsMap.from_events(item.events, grid, edges).counts
    np.testing.assert_allclose(counts, raw, atol=1e-6)
    maps = pytest.importorskip("gammapy.maps")
    read = maps.Map.read(target, hdu="CLEANED")
    assert read.geom.axes[0].nbin == ReadOptions().bands
    np.testing.assert_allclose(read.data.sum(), parts["CLEANED"].sum())


@pytest.mark.parametrize("method", ["smoothed-maximum", "likelihood-ratio-peak", "gammapy"])
def test_methods_without_a_model_cannot_clean_and_say_so_at_once(predict, night, tmp_path, method):
    with pytest.raises(UsageError, match="likelihood-ratio"):
        predict([night], method=method, clean=str(tmp_path / "clean.fits"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"clean": "clean.png"}, UsageError),
        ({"regions": "ds9.txt"}, UsageError),
        ({"clean": "nowhere/clean.fits"}, OutputError),
        ({"out": "out.xyz"}, OutputError),
    ],
)
def test_places_that_cannot_be_written_are_refused_at_once(predict, night, options, error):
    with pytest.raises(error):
        predict([night], **options)
    assert not list(Path.cwd().iterdir())


def test_nothing_is_left_of_a_search_that_fails(predict, night, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes((night / "events-00000.fits").read_bytes()[:6000])
    with pytest.raises(InputError, match=r"broken\.fits"):
        predict([night / "events-00000.fits", broken])
    assert not (tmp_path / "out.ecsv").exists()


def test_the_same_input_gives_the_same_rows(predict, night, tmp_path):
    predict([night], out="one.parquet")
    predict([night], out="two.parquet")
    one, two = (read_table(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    for name in one.columns:
        np.testing.assert_array_equal(one[name], two[name])


def test_evaluation_knows_what_was_simulated(model, rng):
    task = load_task("gamma-sky")
    found = task.evaluate(synthetic_observations(10, rng), model, rng, split="made up")
    assert found["efficiency"].value >= 0.8
    assert found["efficiency"].low < found["efficiency"].value
    assert 0.003 < found["error68"].value < 0.05
    assert found["coverage95"].value >= 0.6


def test_evaluation_without_truth_is_refused(model, rng, tmp_path):
    task = load_task("gamma-sky")
    data = read_observations([empty_file(tmp_path / "quiet.fits", 3)], ReadOptions())
    with pytest.raises(InputError, match="No observation says where its sources are"):
        task.evaluate(data, model, rng, split="real")


def test_a_bundle_comes_back_as_it_was(model, tmp_path):
    task = load_task("gamma-sky")
    task.save(model, tmp_path / "again")
    back = task.load(tmp_path / "again")
    assert isinstance(back.trials, TrialsTable)
    assert back.trials == model.trials
    assert model.trials.of_search(told=True) != model.trials.of_search(told=False)
    assert back.operating_points == model.operating_points
    (tmp_path / "again" / "calibration.safetensors").write_bytes(b"0" * 100)
    with pytest.raises(BundleError):
        task.load(tmp_path / "again")


def test_a_bundle_with_one_table_of_trials_comes_back_as_well(model, tmp_path):
    """As all had, before searches that are told the background got a table of their own."""
    task = load_task("gamma-sky")
    plain = TrialsTable(np.array([3.0, 4.0]), np.array([1.2, 1.3]))
    task.save(replace(model, trials=plain), tmp_path / "plain")
    back = task.load(tmp_path / "plain").trials
    assert back == plain
    assert back.of_search(told=True) is back


def test_an_audit_finds_photons_given_twice(night):
    task = load_task("gamma-sky")
    path = night / "events-00000.fits"
    run = task.audit([path, path], ReadOptions(), np.random.default_rng(0))
    shared = [row for row in run.rows if row["finding"] == "shared-photons"]
    assert len(shared) == 1
    (item,) = read_observations([path], ReadOptions()).items
    assert shared[0]["photons"] == len(item.events)


def test_exploring_lists_the_observations(night, tmp_path):
    task = load_task("gamma-sky")
    run = task.explore(
        [night], ReadOptions(), tmp_path / "look", np.random.default_rng(0), command="explore"
    )
    assert Counter(row["response"] for row in run.rows) == {"none": 3}
    assert all(row["good time [s]"] == pytest.approx(60) for row in run.rows)
    assert any((tmp_path / "look").iterdir())
