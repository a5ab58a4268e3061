"""Drift of a service: every row counted once, alarms told and over, labels compared."""

import json
import logging
import shutil
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from skysift.core.bundle import Bundle
from skysift.core.errors import InputError, ReadError
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.serve.drift import make
from skysift.serve.drift.calibration import calibration
from skysift.serve.drift.follower import DriftFollower, alarming, windows_of
from skysift.serve.drift.labels import LabelWatch
from skysift.serve.drift.ledger import DriftLedger
from skysift.serve.drift.options import DriftOptions
from skysift.serve.drift.profile import Profile, Tally, count_values
from skysift.serve.drift.reference import (
    Quantity,
    Reference,
    beside,
    find_reference,
)
from skysift.serve.drift.report import drift_families, drift_report
from skysift.serve.drift.statistics import compare_counts
from skysift.serve.exposition import render
from skysift.serve.journal import heard_by

BINS = {"value": (10.0, 20.0), "width": (0.5,)}


class Describes:
    def __init__(self):
        self.widths = []

    def __call__(self, path):
        yield from ()

    def described(self):
        widths, self.widths = self.widths, []
        return {"width": widths, "unknown": [1]}


def test_a_tally_counts_what_is_answered_and_nothing_that_is_refused():
    predictor = Describes()
    tally = Tally(BINS, predictor)
    small, large = pa.table({"value": [5, 15], "name": ["a", "b"]}), pa.table({"value": [25] * 300})
    for pieces, widths, answered in (
        ([small, large], [0.1], True),
        ([small, large], [0.2], False),
        ([pa.table({"value": [None, 1.5]}), pa.table({"value": ["text"]})], [0.9, np.nan], True),
    ):
        predictor.widths = widths
        assert list(tally.over(pieces)) == pieces
        tally.close(answered=answered)
        tally.close_described(answered=answered)
    counts = Profile.from_json(tally.finish()).counts
    assert counts["value"].tolist() == [2, 1, 300, 1]
    assert counts["width"].tolist() == [1, 1, 1]
    assert tally.finish() == ""
    idle = Tally({}, predictor)
    assert list(idle.over([small])) == [small]
    idle.close(answered=True)
    assert idle.finish() == ""
    with pytest.raises(ReadError):
        Profile.from_json("[1, 2]")


def toy_reference(bundle_hash, values):
    edges = tuple(np.quantile(values, np.arange(1, 20) / 20).tolist())
    counts = tuple(count_values(values, edges).tolist())
    return Reference(
        task="gamma-hadron",
        bundle=bundle_hash,
        data="made up",
        made_by="a test",
        quantities={"value": Quantity(edges=edges, counts=counts)},
    )


def watched(toy, tmp_path, values):
    path = tmp_path / "reference.json"
    path.write_text(
        toy_reference(Bundle.load(bundle_folder("gamma-hadron")).hash, values).to_json()
    )
    return toy.config(batch_records=10).model_copy(
        update={"drift": DriftOptions(reference=path, rows=1000)}
    )


def put_rows(toy, values, per=10):
    """Records of the toy have one value each: many records."""
    for number, value in enumerate(values):
        toy.put(f"{number:05}-{value:.6f}.json", value=float(value), rows=per)


def test_each_row_is_counted_once_over_runs_and_withdrawn_batches(toy, tmp_path):
    rng = np.random.default_rng(5)
    config = watched(toy, tmp_path, rng.normal(size=5000))
    service = type(toy.service())
    worker = toy.service()._worker_command
    put_rows(toy, rng.normal(size=30))
    toy.put("refused.json", do="answer refuse", value=0.0)
    service(config, worker_command=worker).run(once=True)
    put_rows(toy, rng.normal(size=40))
    service(config, worker_command=worker).run(once=True)
    with DriftLedger.of(toy.found) as ledger, toy.spool() as spool:
        window = windows_of(config.drift)[1]
        ledger.load(window)
        total = sum(block.profile.counts["value"].sum() for block in window.blocks)
        rows = sum(record.rows for record in spool.in_state("done"))
        assert total == rows == 700
        assert ledger.batch == spool.published(0)[-1][0]


def test_a_shifted_stream_is_alarmed_told_and_shown_and_a_like_one_is_not(toy, tmp_path):
    rng = np.random.default_rng(6)
    config = watched(toy, tmp_path, rng.normal(size=5000))
    make = type(toy.service())
    worker = toy.service()._worker_command
    heard = []
    with heard_by(lambda level, event, fields: heard.append((level, event, fields))):
        put_rows(toy, rng.normal(size=150), per=1)
        make(config, worker_command=worker).run(once=True)
        assert not drift_report(toy.found).alarmed
        # 1,200 rows with a mean one standard deviation off, as fast records of many rows
        for path in toy.incoming.iterdir():
            path.unlink()
        put_rows(toy, rng.normal(1, 1, size=150), per=8)
        make(config, worker_command=worker).run(once=True)
    report = drift_report(toy.found)
    assert report.alarmed
    (alarm,) = [fields for level, event, fields in heard if event == "drift"]
    assert alarm["window"] == "rows"
    assert [one["quantity"] for one in alarm["quantities"]] == ["value"]
    assert next(level for level, event, _ in heard if event == "drift") == logging.WARNING
    (row,) = [row for row in report.rows if row["window"] == "rows"]
    assert row["psi"] > 0.3
    assert row["p"] < row["level"] < 1e-3
    assert sum(report.histograms["value"]["rows"]) == pytest.approx(1, abs=1e-3)
    assert "ALARM" in report.to_text()
    assert json.loads(json.dumps(report.to_dict()))["alarmed"] is True
    text = render(drift_families(toy.found))
    assert 'skysift_drift_alarm{quantity="value",window="rows"} 1' in text
    assert "skysift_drift_alarms_total 1" in text


def test_an_alarm_is_over_when_the_stream_is_as_before():
    good = compare_counts([500] * 10 + [0], [[50] * 10 + [0]] * 10)
    bad = compare_counts([500] * 10 + [0], [[90] * 5 + [10] * 5 + [0]] * 10)
    between = compare_counts([500] * 10 + [0], [[56] * 5 + [44] * 5 + [0]] * 10)
    assert alarming(bad, 1e-6, 0.1, before=False)
    assert not alarming(between, 1e-6, 0.1, before=False)
    assert not alarming(bad, 1e-6, 10, before=False)  # however sure, too small to matter
    assert alarming(bad, 1e-300, 0.1, before=True)
    assert not alarming(good, 1e-6, 0.1, before=True)


def test_a_budget_of_false_alarms_is_kept_by_the_follower(tmp_path):
    """Ten days of a stream that is as ever, looked at again and again."""
    rng = np.random.default_rng(7)
    names = [f"q{number}" for number in range(6)]
    edges = tuple(np.arange(1, 20) / 20)
    bundle = Bundle.load(bundle_folder("gamma-hadron"))
    reference = Reference(
        task="gamma-hadron",
        bundle=bundle.hash,
        data="uniform",
        made_by="a test",
        quantities={
            name: Quantity(edges=edges, counts=(*rng.multinomial(20_000, [0.05] * 20), 0))
            for name in names
        },
    )
    path = tmp_path / "reference.json"
    path.write_text(reference.to_json())
    options = DriftOptions(reference=path, rows=5000, hours=12, false_alarms=1.0, least=0.0)
    moment = [0.0]
    follower = DriftFollower(options, bundle, clock=lambda: moment[0])
    batches = {}

    class Profiles:
        def profiles(self, after, most):
            return [(n, batches.pop(n)) for n in sorted(batches) if n > after][:most]

        def forget_profiles(self, last):
            pass

    (tmp_path / ".skysift").mkdir()
    alarms = []
    days = 10
    with (
        heard_by(
            lambda _level, event, fields: (
                alarms.extend(fields["quantities"]) if event == "drift" else None
            )
        ),
        follower.watching(tmp_path),
    ):
        for number in range(1, days * 8 + 1):
            moment[0] = number * 3 * 3600.0
            counts = {name: np.append(rng.multinomial(600, [0.05] * 20), 0) for name in names}
            batches[number] = Profile(counts).to_json()
            follower.follow(Profiles(), tmp_path)
    assert drift_report(tmp_path).rows
    assert len(alarms) <= stats.poisson.isf(1e-4, options.false_alarms * days)


def test_without_a_reference_nothing_is_compared_and_it_is_said(toy, tmp_path):
    bundle = Bundle.load(bundle_folder("gamma-sky"))
    bare = Bundle(tmp_path / "elsewhere", bundle.manifest.model_copy(update={"reference": {}}))
    follower = DriftFollower(DriftOptions(), bare)
    assert follower.edges == {}
    (tmp_path / ".skysift").mkdir()
    with follower.watching(tmp_path):
        follower.follow(None, tmp_path)
    report = drift_report(tmp_path)
    assert report.rows == ()
    assert "no reference" in report.about
    assert "No service has watched" in drift_report(tmp_path / "other").about


def test_blocks_of_other_bins_are_dropped_with_the_reference(tmp_path):
    (tmp_path / ".skysift").mkdir()
    rng = np.random.default_rng(8)
    first, second = (toy_reference("0" * 64, rng.normal(size=size)) for size in (900, 901))
    window = windows_of(DriftOptions())[0]
    with DriftLedger.of(tmp_path, create=True) as ledger:
        ledger.begin(first, "first")
        window.add(Profile.of_values({"value": [1.0]}, {"value": (0.0,)}), 1.0)
        ledger.save([window], 3)
        ledger.begin(first, "first")
        ledger.load(window)
        assert window.blocks[0].profile.rows == 1
        ledger.begin(second, "second")
        ledger.load(window)
        assert window.blocks == []
        assert ledger.batch == 3
        assert ledger.reference() == second


@pytest.mark.mirror
def test_held_out_real_events_are_like_the_reference_and_gammas_alone_are_not(mirror, tmp_path):
    """The published MAGIC table: the rows that no bundle was trained on, through the bundle."""
    lines = (mirror / "magic" / "magic04.data").read_text().splitlines()
    test = np.loadtxt(mirror / "magic" / "test_rows.txt", dtype=int)
    rows = np.random.default_rng(9).permutation([lines[row] for row in test])
    task, folder = load_task("gamma-hadron"), bundle_folder("gamma-hadron", "fast")
    reference = find_reference(Bundle.load(folder))
    edges = {key: quantity.edges for key, quantity in reference.quantities.items()}
    options = [load_options("gamma-hadron", kind)() for kind in ("ReadOptions", "PredictOptions")]
    predict = task.stream(task.load(folder), *options)

    def compared(rows):
        blocks = []
        for number, part in enumerate(np.array_split(rows, 10)):
            path = tmp_path / f"{number}.data"
            path.write_text("\n".join(part) + "\n")
            blocks.append(Profile.of_table(pa.concat_tables(predict(path)), edges))
        return {
            key: compare_counts(quantity.counts, [block.counts[key] for block in blocks])
            for key, quantity in reference.quantities.items()
        }

    same = compared(rows)
    assert "gammaness" in same
    assert len(same) == 10
    assert min(found.p for found in same.values()) > 0.01 / len(same)
    assert max(found.psi for found in same.values()) < 0.02
    gammas = compared([row for row in rows if row.endswith("g")])
    assert gammas["gammaness"].p < 1e-10
    assert gammas["gammaness"].psi > 0.2
    assert gammas["dist"].psi < 0.1


def answers_of(toy, rng, n, sharpness):
    """Answers whose odds are `sharpness` times too sharp, as a service would have written them."""
    logit = rng.normal(0, 1.5, n)
    truth = rng.random(n) < 1 / (1 + np.exp(-logit))
    folder = toy.found / "night=2026-11-21"
    folder.mkdir(parents=True)
    rows = [
        {"skysift_record": f"{number:04x}", "p": float(1 / (1 + np.exp(-sharpness * one)))}
        for number, one in enumerate(logit)
    ]
    half = n // 2
    lines = "".join(json.dumps(row) + "\n" for row in rows[:half])
    (folder / "part-0000000001-a.jsonl").write_text(lines)
    pq.write_table(pa.Table.from_pylist(rows[half:]), folder / "part-0000000002-b.parquet")
    text = "".join(f"{number:04x},{int(one)}\n" for number, one in enumerate(truth))
    labels = toy.incoming / "labels.csv"
    labels.write_text(f"skysift_record,label\n{text}")
    return labels


def test_probabilities_that_fit_their_labels_pass_and_sharper_ones_alarm(toy):
    rng = np.random.default_rng(10)
    labels = answers_of(toy, rng, 2000, sharpness=1)
    fits = calibration(toy.found, labels, score="p")
    assert fits.rows == 2000
    assert not fits.alarm
    assert sum(point["count"] for point in fits.curve) == 2000
    for part in toy.found.glob("night=*/*"):
        part.unlink()
    (toy.found / "night=2026-11-21").rmdir()
    labels = answers_of(toy, rng, 2000, sharpness=2)
    sharp = calibration(toy.found, labels, score="p")
    assert sharp.alarm
    assert sharp.error > sharp.highest > fits.error
    assert "do not fit" in sharp.about
    with pytest.raises(InputError, match="'score'"):
        calibration(toy.found, labels, score="score")
    labels.write_text("skysift_record,label\n1,2\n")
    with pytest.raises(InputError, match="something else than 0 and 1"):
        calibration(toy.found, labels, score="p")


def test_labels_are_compared_in_a_process_of_their_own_when_they_change(toy, tmp_path):
    labels = answers_of(toy, np.random.default_rng(11), 1000, sharpness=3)
    (toy.found / ".skysift").mkdir()
    watch = LabelWatch(DriftOptions(labels=labels), "p")
    heard = []
    with (
        heard_by(lambda _level, event, fields: heard.append((event, fields))),
        DriftLedger.of(toy.found, create=True) as ledger,
    ):
        patience = time.monotonic() + 60
        while not heard and time.monotonic() < patience:
            watch.step(toy.found, ledger)
            time.sleep(0.05)
        found = ledger.calibration()
        watch.step(toy.found, ledger)
        assert watch._process is None  # they have not changed
        labels.write_text("nonsense")
        watch._next = 0.0
        while len(heard) < 2 and time.monotonic() < patience:
            watch.step(toy.found, ledger)
            time.sleep(0.05)
        watch.close()
    assert heard[0] == ("calibration", {key: found[key] for key in ("rows", "error", "highest")})
    assert heard[1][0] == "labels-unreadable"
    assert "labels.csv" in heard[1][1]["reason"]
    report = drift_report(toy.found)
    assert report.calibration["rows"] == 1000
    assert "skysift_calibration_error" in render(drift_families(toy.found))


def test_what_star_galaxy_measures_is_counted_beside_its_answers(tmp_path):
    task, folder = load_task("star-galaxy"), bundle_folder("star-galaxy")
    reference = find_reference(Bundle.load(folder))
    edges = {key: quantity.edges for key, quantity in reference.quantities.items()}
    options = [load_options("star-galaxy", kind)() for kind in ("ReadOptions", "PredictOptions")]
    predict = task.stream(task.load(folder), *options)
    cutouts = task.synth(12, np.random.default_rng(12))
    path = task.write_synth(cutouts, tmp_path / "cutouts.parquet")
    tally = Tally(edges, predict)
    (answer,) = tally.over(predict(path))
    tally.close(answered=True)
    tally.close_described(answered=True)
    counts = Profile.from_json(tally.finish()).counts
    assert counts.keys() == edges.keys()
    assert {int(row.sum()) for row in counts.values()} == {answer.num_rows}
    assert counts["seeing"][-1] == 0
    list(predict(path))
    tally.close_described(answered=False)  # refused: not counted, and not kept
    assert predict.described() == {}


def test_a_reference_of_ones_own_is_made_by_a_command_and_then_found(tmp_path, monkeypatch, capsys):
    task = load_task("gamma-hadron")
    rng = np.random.default_rng(13)
    files = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        files.append(task.write_synth(task.synth(300, rng), tmp_path / str(number) / "events.csv"))
    bundle = tmp_path / "fast"
    shutil.copytree(bundle_folder("gamma-hadron", "fast"), bundle)
    broken = tmp_path / "broken.csv"
    broken.write_text("nothing")
    arguments = ["--bundle", str(bundle), "--data", "two made-up nights"]
    arguments += ["--out", str(beside(bundle)), *map(str, [*files, broken])]
    monkeypatch.setattr("sys.argv", ["make", "gamma-hadron", *arguments])
    assert make.main() == 0
    said = json.loads(capsys.readouterr().out)
    found = find_reference(Bundle.load(bundle))
    assert found.data == "two made-up nights"
    assert said["refused"] == 1
    assert said["rows"] == found.quantities["gammaness"].rows
    assert {"gammaness", "length", "alpha"} <= found.quantities.keys()
    counts = np.array(found.quantities["length"].counts[:-1])
    assert len(counts) == 20
    assert np.ptp(counts) <= 2
    monkeypatch.setattr("sys.argv", ["make", "gamma-hadron", *arguments, "--only", "lenght"])
    assert make.main() == 2
    assert "No answer has numbers called 'lenght'" in capsys.readouterr().err
