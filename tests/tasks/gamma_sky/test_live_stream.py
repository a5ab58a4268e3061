"""A stream gives what a batch gives, whatever the order, the borders and the restarts."""

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.cli.main import main
from skysift.core.errors import InputError, OutputError
from skysift.core.registry import bundle_folder
from skysift.core.stream import RememberingPredictor
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.candidates import FalseAlarmSetting
from skysift.tasks.gamma_sky.live.batch import gathered, stream_tables
from skysift.tasks.gamma_sky.live.night import START, Flare, Night, night_events
from skysift.tasks.gamma_sky.live.predictor import LivePredictor
from skysift.tasks.gamma_sky.live.records import SkyRecord
from skysift.tasks.gamma_sky.live.state import StateFolder
from skysift.tasks.gamma_sky.live.stream import LiveAnswers, WindowStream
from skysift.tasks.gamma_sky.live.tracking import TrackerState
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.observations import Observation
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_observation
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Source

READING = ReadOptions(pixels=72, pixel_size=0.05, bands=2)
SECONDS = 12
OPTIONS = PredictOptions(
    windows="2s,6s",
    per="hour",
    false_alarms=1.0,
    lateness=60.0,
    light_curve=4.0,
    search_radius=1.6,
    photometry=False,
)
SETTING = FalseAlarmSetting(OPTIONS.false_alarms, OPTIONS.per)
TRIALS = load_bundle(bundle_folder("gamma-sky")).trials
NIGHT = Night(
    steady=(Source(83.63, 22.51, flux=3.0, spectrum=crab_power_law()),),
    flares=(Flare(82.9, 21.75, peak=12.0, start=5.0, rise=0.5, decay=1.5),),
    step=None,
    dead=None,
    unreadable=(),
)


@pytest.fixture(scope="module")
def chunks() -> list[EventList]:
    return list(night_events(np.random.default_rng(4), seconds=SECONDS, night=NIGHT))


@pytest.fixture(scope="module")
def ordered(chunks: list[EventList]) -> LiveAnswers:
    return stream_tables([SkyRecord(chunk) for chunk in chunks], TRIALS, READING, OPTIONS)


def joined(parts: list[EventList]) -> EventList:
    """Return one list of photons of some that follow each other."""
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("time", "ra", "dec", "energy")
    )
    spans = [span for p in parts for span in zip(p.gti.start, p.gti.stop, strict=True)]
    return EventList(*columns, GoodTimeIntervals.of(spans), parts[0].pointing, name="1")


def streamed(records: list[SkyRecord], options: PredictOptions = OPTIONS) -> LiveAnswers:
    stream = WindowStream(READING, options, TRIALS)
    return gathered([stream.take(record) for record in records], SETTING)


def rows_of(table: FeatureTable | None) -> list[tuple[object, ...]]:
    """Return the rows in an order of their own, without what tells when they were answered."""
    assert table is not None
    names = [name for name in table.columns if name != "revision"]
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return sorted(
        tuple("nan" if isinstance(v, float) and np.isnan(v) else v for v in row) for row in rows
    )


def assert_same(one: LiveAnswers, other: LiveAnswers) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert rows_of(mine) == rows_of(theirs)


def test_the_stream_finds_the_steady_source_and_the_flare(ordered: LiveAnswers) -> None:
    candidates = ordered.candidates
    assert candidates is not None
    names = set(candidates["source_id"].tolist())
    assert len(names) == 2
    assert {name.split("-")[0][:5] for name in names} == {"J0534", "J0531"}
    flare = candidates.take(np.array([n.startswith("J0531") for n in candidates["source_id"]]))
    assert START + 5 < flare["window_end"].min() <= START + 8  # three seconds after it began
    assert len(ordered.bins) > 0


@settings(max_examples=2)
@given(st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(
    chunks: list[EventList], ordered: LiveAnswers, random: object
) -> None:
    records = [SkyRecord(chunk) for chunk in chunks]
    shuffled = [*records, *random.sample(records, 3)]  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_same(streamed(shuffled), ordered)


def test_borders_of_files_change_nothing(chunks: list[EventList], ordered: LiveAnswers) -> None:
    whole = joined(chunks)
    borders = START + np.array([0.0, 0.3, 2.9, 7.0, 7.5, 12.0])
    pieces = [whole.between(a, b) for a, b in pairwise(borders)]
    assert_same(streamed([SkyRecord(piece) for piece in pieces]), ordered)
    assert_same(streamed([SkyRecord(whole)]), ordered)


def test_pieces_that_overlap_count_photons_once(
    chunks: list[EventList], ordered: LiveAnswers
) -> None:
    pairs = [joined(chunks[place : place + 2]) for place in range(len(chunks) - 1)]
    assert_same(streamed([SkyRecord(pair) for pair in pairs]), ordered)


def test_a_late_record_has_only_what_it_changes_answered_again(chunks: list[EventList]) -> None:
    stream = WindowStream(READING, OPTIONS, TRIALS)
    late = 5
    before = gathered(
        [stream.take(SkyRecord(chunk)) for n, chunk in enumerate(chunks) if n != late], SETTING
    )
    answers = stream.take(SkyRecord(chunks[late]))
    again = answers.windows
    begin, end = START + late, START + late + 1
    ends = np.round((again["t_stop"] - 51910.00074287037) * 86400)
    searched = np.array(["bin" not in flags for flags in again["flags"]])
    overlap = (ends > begin) & (ends - again["window"] < end)
    named_anew = again["candidates"] > 0  # a source may have got another name by it
    assert np.all(overlap | named_anew | ~searched)
    assert {2.0, 6.0} <= set(again["window"][overlap].tolist())
    known = dict(zip(before.windows["window_id"], before.windows["revision"], strict=True))
    for name, revision in zip(again["window_id"], again["revision"], strict=True):
        assert revision > known.get(name, -1)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("killed_after", [1, 9])
def test_a_restart_changes_nothing(
    chunks: list[EventList],
    ordered: LiveAnswers,
    tmp_path: Path,
    killed_after: int,
    *,
    kept: bool,
) -> None:
    options = OPTIONS.model_copy(update={"state_folder": str(tmp_path / "state") if kept else None})
    records = [SkyRecord(chunk) for chunk in chunks]
    records[5], records[8] = records[8], records[5]
    first = WindowStream(READING, options, TRIALS)
    answers = [first.take(record) for record in records[:killed_after]]
    second = WindowStream(READING, options, TRIALS)
    for record in reversed(records[:killed_after]):
        if not second.recall(record):
            break
    answers += [second.take(record) for record in records[killed_after:]]
    assert_same(gathered(answers, SETTING), ordered)


def test_names_survive_a_restart_long_after_the_beginning(tmp_path: Path) -> None:
    """The photons that gave a source its name have left the memory; the state has it."""
    night = Night(steady=NIGHT.steady, flares=(), step=None, dead=None, unreadable=())
    options = PredictOptions(
        windows="4s",
        per="hour",
        false_alarms=1.0,
        lateness=4.0,
        light_curve=0.0,
        state_folder=str(tmp_path),
        search_radius=1.6,
        photometry=False,
    )
    chunks = night_events(np.random.default_rng(5), seconds=64.0, chunk=2.0, night=night)
    records = [SkyRecord(chunk) for chunk in chunks]
    first = WindowStream(READING, options, TRIALS)
    names = set[str]()
    for record in records[:27]:
        found = first.take(record).candidates
        names |= set() if found is None else set(found["source_id"].tolist())
    second = WindowStream(READING, options, TRIALS)
    used = 0
    for record in reversed(records[:27]):
        used += 1
        if not second.recall(record):
            break
    assert used < 27
    for record in records[27:]:
        found = second.take(record).candidates
        names |= set() if found is None else set(found["source_id"].tolist())
    assert len(names) == 1
    assert len(list(tmp_path.glob("state-*.json"))) <= 32


def test_windows_of_a_stream_are_those_of_a_batch(chunks: list[EventList]) -> None:
    """The same candidates, to 1e-6, as the windows of one file that end at the same times."""
    options = PredictOptions(windows="2s,6s", search_radius=1.6)
    stream = stream_tables([SkyRecord(chunk) for chunk in chunks], TRIALS, READING, options)
    assert stream.candidates is not None
    whole = joined(chunks)
    batch = PredictOptions(window=6.0, step=1.0, search_radius=1.6)
    checked = 0
    for searched in search_observation(Observation(whole), READING, batch, TRIALS):
        end = round(float(searched.events.gti.stop[-1]), 6)
        mine = stream.candidates.take(
            (stream.candidates["window"] == 6.0) & (stream.candidates["window_end"] == end)
        )
        if searched.events.gti.duration < 6.0:
            continue
        assert len(mine) == len(searched.table)
        for name in searched.table.table.columns:
            if name not in {"window", "far", "flags"}:
                np.testing.assert_allclose(mine[name], searched.table[name], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            mine["false_alarms"], searched.table["far"] * batch.step, rtol=1e-6
        )
        checked += len(mine)
    assert checked >= 7


def test_gaps_and_other_pointings(chunks: list[EventList]) -> None:
    other = Pointing(83.6, 25.0, 20.0)
    moved = [
        EventList(c.time + 20, c.ra, c.dec + 3.0, c.energy,
                  GoodTimeIntervals(c.gti.start + 20, c.gti.stop + 20), other)
        for c in chunks[:4]
    ]  # fmt: skip
    parts = [*chunks[:4], *chunks[8:12], *moved]
    tables = stream_tables([SkyRecord(part) for part in parts], TRIALS, READING, OPTIONS)
    windows = tables.windows
    assert set(windows["dec_pnt"].tolist()) == {22.0, 25.0}
    ends = np.round((windows["t_stop"] - 51910.00074287037) * 86400 - START)
    searched = np.array([not name.startswith("bin") for name in windows["window_id"]])
    in_gap = (ends > 4) & (ends <= 8) & searched & (windows["dec_pnt"] == 22.0)
    assert not in_gap.any()  # nothing new: nothing is searched
    across = searched & (windows["window"] == 6.0) & (ends == 11) & (windows["dec_pnt"] == 22.0)
    np.testing.assert_allclose(windows["livetime"][across], 3.0, atol=1e-6)
    assert windows["flags"][across].tolist() == ["no-response,partial"]
    first = np.array([name.endswith("+25.000") for name in windows["window_id"]]) & searched
    assert windows["livetime"][first & (ends == 21)].tolist() == pytest.approx([1.0])


def test_windows_tell_a_wrong_pointing_and_a_missing_response(chunks: list[EventList]) -> None:
    def flags(parts: list[EventList], response: AnalyticResponse | None = None) -> set[str]:
        records = [SkyRecord(part, response) for part in parts]
        windows = stream_tables(records, TRIALS, READING, OPTIONS).windows
        searched = [not one.startswith("bin") for one in windows["window_id"].tolist()]
        return {
            flag
            for one in windows["flags"][np.array(searched)].tolist()
            for flag in one.split(",")
            if flag != "partial"
        }

    elsewhere = Pointing(17.0, 5.0, 20.0)
    assert flags(chunks, AnalyticResponse()) == {""}
    assert flags(chunks) == {"no-response"}
    assert flags([replace(chunk, pointing=elsewhere) for chunk in chunks]) == {
        "no-response",
        "beyond-map",
    }


def test_what_is_too_late_or_too_much_is_refused(chunks: list[EventList]) -> None:
    options = OPTIONS.model_copy(update={"lateness": 3.0, "most_events": 120})
    stream = WindowStream(READING, options, TRIALS)
    stream.take(SkyRecord(chunks[8]))
    with pytest.raises(InputError, match="behind the latest"):
        stream.take(SkyRecord(chunks[0]))
    with pytest.raises(InputError, match="in memory"):
        stream.take(SkyRecord(joined(chunks[9:])))
    answers = stream.take(SkyRecord(chunks[9]))  # and the stream goes on
    assert len(answers.windows)


def test_memory_is_bounded(chunks: list[EventList]) -> None:
    options = PredictOptions(windows="2s", lateness=2.0, light_curve=2.0, photometry=False)
    stream = WindowStream(READING, options, TRIALS)
    sizes = []
    for turn in range(3):
        for chunk in chunks:
            shift = SECONDS * turn
            gti = GoodTimeIntervals(chunk.gti.start + shift, chunk.gti.stop + shift)
            moved = EventList(
                chunk.time + shift, chunk.ra, chunk.dec, chunk.energy, gti, chunk.pointing
            )
            stream.take(SkyRecord(moved))
        sizes.append(
            (
                sum(len(one.memory) for one in stream._fields),
                len(stream._records),
                len(stream._answers),
                len(stream._tracked),
                len(stream._bins),
            )
        )
    assert np.all(np.array(sizes[2]) <= np.array(sizes[1]) * 1.3 + 5)


def test_the_predictor_reads_files_and_remembers(
    chunks: list[EventList], ordered: LiveAnswers, tmp_path: Path
) -> None:
    for number, chunk in enumerate(chunks):
        write_events(chunk, tmp_path / f"chunk-{number:03}.fits")
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    predictor = LivePredictor(TRIALS, READING, OPTIONS)
    assert isinstance(predictor, RememberingPredictor)
    pieces = list[pa.Table]()
    for number in range(len(chunks)):
        if number == 5:
            with pytest.raises(InputError):
                list(predictor(tmp_path / "broken.fits"))
        pieces += predictor(tmp_path / f"chunk-{number:03}.fits")
    found = [piece for piece in pieces if "false_alarms" in piece.column_names]
    assert ordered.candidates is not None
    assert sum(piece.num_rows for piece in found) == len(ordered.candidates)
    again = LivePredictor(TRIALS, READING, OPTIONS)
    assert again.recall(tmp_path / "chunk-011.fits")


def test_long_windows_wait_their_turn() -> None:
    """Windows of 10, 100 and 200 s end together; no file has to wait for more than two of them."""
    night = Night(steady=(), flares=(), step=None, dead=None, unreadable=())
    options = PredictOptions(windows="10s,100s,200s", light_curve=0.0, search_radius=1.6)
    stream = WindowStream(READING, options, TRIALS)
    rng = np.random.default_rng(6)
    chunks = list(night_events(rng, seconds=180.0, chunk=180.0, night=night))
    chunks += night_events(rng, seconds=26.0, night=night, start=START + 180.0)
    answers = [stream.take(SkyRecord(chunk)) for chunk in chunks]
    lengths = [answer.windows["window"].tolist() for answer in answers[1:]]
    assert max(map(len, lengths)) == 2
    assert {tuple(sorted(some)) for some in lengths} == {(10.0,), (10.0, 100.0), (10.0, 200.0)}
    tables = gathered(answers, SETTING)
    whole = streamed([SkyRecord(joined(chunks))], options)
    assert rows_of(tables.windows) == rows_of(whole.windows)


def test_the_command_writes_the_three_tables(
    chunks: list[EventList], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, chunk in enumerate(chunks):
        (tmp_path / "night").mkdir(exist_ok=True)
        write_events(chunk, tmp_path / "night" / f"chunk-{number:03}.fits")
    out = tmp_path / "found.parquet"
    asked = ["--windows", "2s,6s", "--per", "hour", "--pixels", "72", "--pixel-size", "0.05"]
    command = ["skysift", "predict", "gamma-sky", str(tmp_path / "night"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*command, *asked])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    candidates, windows, bins = (
        pq.read_table(path)
        for path in (out, tmp_path / "found-windows.parquet", tmp_path / "found-bins.parquet")
    )
    searched = [flags != "bin" for flags in windows["flags"].to_pylist()]
    assert sum(windows.filter(pa.array(searched))["candidates"].to_pylist()) == len(candidates) > 5
    assert set(bins["source_id"].to_pylist()) <= set(candidates["source_id"].to_pylist())
    assert set(candidates["window"].to_pylist()) == {2.0, 6.0}


def test_a_flare_a_step_and_a_dead_sector_make_no_false_sources() -> None:
    night = Night(
        steady=NIGHT.steady,
        flares=NIGHT.flares,
        rate=3.0,
        step=(14.0, 2.0),
        dead=(20.0, DeadSector(120.0, 60.0, inner=0.3)),
        unreadable=(),
    )
    options = PredictOptions(
        windows="10s,30s", per="hour", false_alarms=1.0, light_curve=0.0, photometry=False
    )
    chunks = night_events(np.random.default_rng(8), seconds=60.0, chunk=5.0, night=night)
    tables = stream_tables([SkyRecord(chunk) for chunk in chunks], TRIALS, ReadOptions(), options)
    assert tables.candidates is not None
    names = {name[:5] for name in tables.candidates["source_id"]}
    assert names == {"J0534", "J0531"}  # what is really there
    dead = np.array(["dead-sector" in flags for flags in tables.windows["flags"]])
    ends = np.round((tables.windows["t_stop"] - 51910.00074287037) * 86400 - START)
    assert dead[ends >= 40].mean() > 0.9
    assert not dead[ends <= 20].any()


def test_states_that_cannot_be_removed_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "state-0000000000020.000000.json").mkdir()
    with pytest.raises(OutputError, match="state_folder"):
        StateFolder(tmp_path).keep_states({10.0: TrackerState(10.0)}, begin=0.0)
