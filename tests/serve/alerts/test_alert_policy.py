"""One alert for each source, updates when more is known, and a reason wherever there is none."""

import logging

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, ReadError
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.alerts.formats import render
from skysift.serve.alerts.options import AlertOptions, RuleOptions
from skysift.serve.alerts.rows import Row
from skysift.serve.alerts.vetoes import vetoes
from skysift.serve.journal import LOGGER


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_source_seen_in_many_windows_has_one_alert(sink, row, kind):
    for second in range(5):
        end = sink.now - 10.0 + second
        rows = [row(end=end, window=length) for length in (10.0, 100.0)]
        sink.publish(*rows, kind=kind)
    sink.follow()
    (notice,) = sink.notices()
    assert notice["alert_type"] == "initial"
    assert notice["alert_tense"] == "test"
    assert sink.verdicts() == {"initial": 1, "same": 4}


def test_followed_batch_by_batch_or_all_at_once_the_alerts_are_the_same(tmp_path, sink, row):
    other = type(sink)(tmp_path / "other")
    for one in (sink, other):
        with one.ledger() as ledger, ledger.change():
            ledger.note("identity", "the same")
    for number in range(4):
        rows = [row(end=sink.now - 10 + number, far=10.0 ** (-8 - number))]
        sink.publish(*rows)
        other.publish(*rows)
        other.follow()
    sink.follow()
    assert sink.notices() == other.notices()
    assert [notice["record_number"] for notice in sink.notices()] == [1, 2, 3, 4]


def test_updates_come_when_the_position_or_the_rate_improves_by_enough(sink, row):
    steps = [
        ({}, "initial"),
        ({"err_major": 0.018, "err_minor": 0.012}, "same"),  # area less by 1.8, radius by 1.35
        ({"err_major": 0.010, "err_minor": 0.009}, "update"),
        ({"err_major": 0.010, "err_minor": 0.009, "far": 2e-10}, "same"),
        ({"err_major": 0.010, "err_minor": 0.009, "far": 1e-10}, "update"),
        ({"err_major": 0.030, "err_minor": 0.020, "far": 1e-8}, "same"),
    ]
    for number, (changes, verdict) in enumerate(steps):
        before = sink.verdicts() if number else {}
        sink.publish(row(end=sink.now - 10 + number, **changes))
        sink.follow()
        after = sink.verdicts()
        assert {v for v in after if after[v] > before.get(v, 0)} == {verdict}, changes
    assert [n["alert_type"] for n in sink.notices()] == ["initial", "update", "update"]
    assert len({tuple(n["id"]) for n in sink.notices()}) == 1


def test_what_is_beyond_doubt_gets_no_surer_and_the_trigger_time_stays(sink, row):
    for number, far in enumerate((1e-9, 1e-20, 1e-50, 0.0)):
        sink.publish(row(end=sink.now - 10 + number, far=far))
    sink.follow()
    first, second = sink.notices()
    assert (first["far"], second["far"]) == (1e-9, 1e-20)
    assert first["trigger_time"] == second["trigger_time"] == first["observation_start"]
    assert second["observation_start"] > first["observation_start"]


def test_updates_take_nothing_from_the_alerts_of_other_sources(sink, row):
    for number in range(6):
        sink.publish(row(end=sink.now - 20 + number, far=10.0 ** -(7 + number)))
    sink.publish(row(end=sink.now - 9, source_id="new", ra=10.0))
    sink.follow(per_hour=3)
    assert sorted(n["alert_type"] for n in sink.notices()) == ["initial"] * 2 + ["update"] * 3
    assert sink.verdicts() == {"initial": 2, "update": 3, "rate-limit": 2}


def test_without_a_name_a_source_is_known_by_its_place(sink, row):
    for number, dec in enumerate((22.01, 22.05, 22.5)):
        sink.publish(row(end=sink.now - 10 + number, source_id="", dec=dec))
    sink.follow()
    assert sorted(n["dec"] for n in sink.notices()) == [22.01, 22.5]


def test_a_tracker_that_forgot_its_names_makes_no_second_alert(sink, row):
    for number, name in enumerate(("first", "second", "second")):
        sink.publish(row(end=sink.now - 10 + number, source_id=name))
    sink.follow()
    assert len(sink.notices()) == 1


def test_two_candidates_of_one_window_are_two_sources_however_near(sink, row):
    near = row(source_id="b", dec=22.03)
    sink.publish(row(source_id="a"), near, windows=None)
    sink.publish(row(source_id="b", dec=22.03, end=sink.now), row(source_id="a", end=sink.now))
    sink.follow()
    assert sorted(n["event_name"][0] for n in sink.notices()) == ["a", "b"]


def test_a_source_that_comes_back_after_the_memory_is_a_new_one(sink, row):
    sink.publish(row())
    sink.follow(memory=3600.0)
    sink.now += 3000.0
    sink.publish(row(end=sink.now - 1))
    sink.follow(memory=3600.0)
    assert len(sink.notices()) == 1
    sink.now += 4000.0
    sink.publish(row(end=sink.now - 1))
    sink.follow(memory=3600.0)
    assert len(sink.notices()) == 2


def test_a_flood_is_held_back_with_a_warning(sink, row, caplog):
    rows = [row(source_id=f"s{n}", ra=float(n), window_id=f"w{n}") for n in range(12)]
    sink.publish(*rows)
    follower = AlertFollower(sink.options(per_hour=5), clock=lambda: sink.now)
    with caplog.at_level(logging.WARNING, logger=LOGGER), sink.spool() as spool:
        follower.follow(spool, sink.folder)
        sink.publish(row(source_id="s20", ra=20.0))
        follower.follow(spool, sink.folder)
    follower.close()
    assert len(sink.notices()) == 5
    assert sink.verdicts() == {"initial": 5, "rate-limit": 8}
    assert [r.getMessage() for r in caplog.records] == ["alerts-held-back"]
    sink.now += 3601.0
    sink.publish(*[row(end=sink.now, source_id=f"s{n}", ra=float(n)) for n in range(12)])
    sink.follow(per_hour=5)
    assert len(sink.notices()) == 10  # five of the seven


VETOED = [
    ({"far": None}, {}, "far"),
    ({"far": float("nan")}, {}, "far"),
    ({"far": -1.0}, {}, "far"),
    ({"far": 1.0}, {}, "weak"),
    ({"ra": float("nan")}, {}, "position"),
    ({"dec": 91.0}, {}, "position"),
    ({"err_major": float("nan"), "err_minor": 0.1}, {}, "error"),
    ({"err_major": 0.0, "err_minor": 0.0}, {}, "error"),
    ({"err_angle": float("nan")}, {}, "error"),
    ({"t_stop": None}, {}, "time"),
    ({"t_stop": 1.0}, {}, "time"),
    ({"flags": None}, {}, "flags"),
    ({"flags": "never-heard-of"}, {}, "flags"),
    ({"flags": "edge,rate-step"}, {}, "rate-step"),
    ({"flags": "not-converged"}, {}, "not-converged"),
    ({}, {"flags": "dead-sector"}, "dead-sector"),
    ({}, {"flags": "truncated,late"}, "truncated"),
    ({}, {"flags": None}, "flags"),
    ({}, {"livetime": 49.0}, "gti"),
    ({}, {"livetime": None}, "gti"),
    ({"end": 1_800_000_000.0 - 3700.0}, {}, "clock"),
    ({"end": 1_800_000_000.0 + 60.0}, {}, "clock"),
]


@pytest.mark.parametrize("case", VETOED, ids=[f"{n}-{case[2]}" for n, case in enumerate(VETOED)])
def test_what_is_bad_or_not_known_is_vetoed_with_a_reason(sink, row, window, case):
    changes, of_window, verdict = case
    bad = row(**changes)
    sink.publish(bad, windows=[window(bad, **of_window)])
    sink.follow()
    assert sink.notices() == []
    assert sink.verdicts() == {verdict: 1}
    with sink.ledger() as ledger:
        (decision,) = ledger.decisions("J0534")
    assert decision["reason"].endswith(".")


def test_harmless_flags_are_none(sink, row, window):
    found = row(flags="edge, low-counts")
    sink.publish(found, windows=[window(found, flags="partial,late")])
    sink.follow()
    assert len(sink.notices()) == 1


def test_without_the_row_of_its_window_nothing_is_known_of_its_data(sink, row):
    sink.publish(row(), windows=[])
    sink.follow()
    assert sink.verdicts() == {"flags": 1}


def test_without_a_model_there_is_no_alert(sink, row):
    sink.publish(row(), bundle="")
    sink.follow()
    assert sink.verdicts() == {"bundle": 1}


def test_a_revision_that_was_superseded_in_the_same_batch_does_not_count(sink, row, window):
    old, new = row(far=1e-12), row(revision=2, far=1.0)
    sink.publish(old, new, windows=[window(old), window(new)])
    sink.follow()
    assert sink.verdicts() == {"weak": 1}


def test_bins_of_light_curves_are_passed_over(sink, row):
    sink.publish({"bin": 10.0, "source_id": "a", "window_id": "b", "excess": 1.0}, windows=[])
    sink.publish(row())
    sink.follow()
    assert sink.verdicts() == {"initial": 1}


def test_a_file_of_answers_that_is_gone_is_told_of_and_decided_on_when_it_is_back(sink, row):
    sink.publish(row())
    (path,) = sink.folder.glob("night=*/*-0.parquet")
    away = path.rename(path.with_suffix(".away"))
    with pytest.raises(ReadError, match="Published answers cannot be read"):
        sink.follow()
    away.rename(path)
    sink.follow()
    assert len(sink.notices()) == 1


def test_answers_that_stay_away_hold_up_the_alerts_of_others_for_a_minute(sink, row, caplog):
    sink.publish(row(source_id="lost"))
    sink.publish(row(source_id="kept"))
    next(sink.folder.glob("night=*/part-0000000001-0.*")).unlink()
    follower = AlertFollower(sink.options(), clock=lambda: sink.now)
    with sink.spool() as spool:
        for _ in range(2):
            with pytest.raises(ReadError, match="cannot be read"):
                follower.follow(spool, sink.folder)
            sink.now += 30.0
        with caplog.at_level(logging.ERROR, logger=LOGGER):
            follower.follow(spool, sink.folder)
    follower.close()
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "alerts-not-decided"
    ]
    assert [n["event_name"] for n in sink.notices()] == [["kept"]]
    assert sink.verdicts() == {"missing": 1, "initial": 1}


def test_answers_without_a_false_alarm_rate_are_told_of_once(sink):
    sink.publish(*({"gammaness": 0.5} for _ in range(50)), windows=[])
    sink.publish(*({"gammaness": 0.5} for _ in range(50)), windows=[])
    sink.follow()
    with sink.ledger() as ledger:
        (decision,) = ledger.decisions()
    assert (decision["verdict"], decision["times"]) == ("far", 100)


def test_a_rule_makes_alerts_of_other_tasks(sink):
    stamps = [
        {"id": f"ztf{n}", "ra": 10.0 + n, "dec": 5.0, "p_streak": p, "flags": ""}
        for n, p in enumerate((0.2, 0.95, 0.999, None))
    ]
    sink.publish(*stamps, windows=[])
    sink.publish({**stamps[2], "ra": 12.0 + 1 / 3600}, windows=[])
    sink.follow(rule={"column": "p_streak", "above": 0.99})
    (notice,) = sink.notices()
    assert (notice["ra"], "far" in notice) == (12.0, False)
    assert "arrival" in notice["additional_info"]
    assert sink.verdicts() == {"initial": 1, "same": 1, "score": 1}


# --- tense --------------------------------------------------------------------------------------

LIVE = {
    "tense": "live",
    "authority": "org.example",
    "mission": "M",
    "instrument": "I",
    "contact": "A. Observer",
}


def test_nothing_is_live_unless_it_is_said_and_who_speaks():
    with pytest.raises(ConfigError, match="mission, instrument, contact, authority"):
        build_config(AlertOptions, {"tense": "live"})
    assert build_config(AlertOptions, LIVE).tense == "live"


def fits_header(path, *cards):
    primary = ["SIMPLE  =                    T", "NAXIS   =                    0", "END"]
    events = ["XTENSION= 'BINTABLE'", "NAXIS   =                    2", *cards, "END"]
    blocks = ("".join(f"{card:<80}" for card in header).ljust(2880) for header in (primary, events))
    path.write_bytes("".join(blocks).encode() + b"INJECTED=                    T" * 500)
    return path


@pytest.mark.parametrize(
    "case",
    [
        ([], "night.fits", "current"),
        (["INJECTED=                    T / a test of ours"], "night.fits", "injection"),
        (["INJECTED=                    F"], "night.fits", "current"),
        (["OBJECT  = 'Injection 7'"], "night.fits", "injection"),
        (["SIMULATE=                    T"], "night.fits", None),
        (["OBJECT  = 'simulated Crab'"], "night.fits", None),
        ([], "test-17.fits", None),
        ([], "the_test.fits", None),
        ([], "latest.fits", "current"),
        ([], "inject-17.fits", "injection"),
    ],
)
def test_live_alerts_are_of_real_data_and_injections_say_so(sink, row, tmp_path, case):
    cards, name, expected = case
    sink.publish(row(), name=name, path=fits_header(tmp_path / "file.fits", *cards))
    sink.follow(**LIVE)
    if expected is None:
        assert sink.verdicts() == {"test-data": 1}
    else:
        assert [notice["alert_tense"] for notice in sink.notices()] == [expected]


def test_an_injection_neither_keeps_a_real_source_quiet_nor_speaks_for_it(sink, row, tmp_path):
    injected = fits_header(tmp_path / "injected.fits", "INJECTED=                    T")
    real = fits_header(tmp_path / "real.fits")
    for number, path in enumerate((injected, real, injected, real)):
        sink.publish(row(end=sink.now - 9 + number, far=10.0 ** -(8 + number)), path=path)
    sink.follow(**LIVE)
    found = [(n["alert_tense"], n["record_number"]) for n in sink.notices()]
    assert sorted(found) == [("current", 1), ("current", 2), ("injection", 1), ("injection", 2)]
    assert len({str(n["id"]) for n in sink.notices()}) == 2


def test_tests_before_do_not_keep_live_alerts_quiet(sink, row, tmp_path):
    real = fits_header(tmp_path / "real.fits")
    sink.publish(row(end=sink.now - 9), path=real)
    sink.follow()
    sink.publish(row(end=sink.now - 8), path=real)
    sink.follow(**LIVE)
    assert sorted(n["alert_tense"] for n in sink.notices()) == ["current", "test"]


def test_a_header_that_cannot_be_read_is_no_live_alert(sink, row, tmp_path):
    sink.publish(row(), path=tmp_path / "gone.fits")
    sink.follow(**LIVE)
    assert sink.verdicts() == {"origin": 1}


# --- readers ------------------------------------------------------------------------------------


def test_who_reads_the_answers_does_not_meet_the_files_of_alerts(sink, row):
    sink.publish(row())
    sink.follow()
    table = ds.dataset(sink.folder, partitioning="hive").to_table()
    assert isinstance(table, pa.Table)
    assert table.num_rows == 2  # candidate and window


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["ra", "dec", "err_major", "err_minor", "err_angle", "far", "t_start", "t_stop"]
        ),
        st.one_of(st.none(), st.floats(), st.text(max_size=3), st.booleans(), st.integers()),
    )
)
def test_whatever_a_row_says_a_veto_or_a_valid_notice_comes_of_it(found):
    whole = {"flags": "", "skysift_bundle": "b", "livetime": 1.0, "window": 1.0, "err_angle": 0.0}
    row = Row.of(whole | found)
    options = AlertOptions(max_age=float("inf"))
    if not vetoes(row, options, now=1.8e9):
        documents = render(Content("a", 1, "initial", "test", row, 1.8e9), options)
        assert documents.json
    again = Row.from_json(row.to_json())
    assert again == row


def test_a_rule_needs_a_number():
    with pytest.raises(ConfigError, match="finite"):
        build_config(RuleOptions, {"column": "p", "above": float("nan")})
