"""The real service on simulated fields: one source gives one alert, killed or not."""

import itertools
import json
import signal
import subprocess
import sys
import time
from dataclasses import fields as fields_of
from dataclasses import replace

import numpy as np
import pytest

from skysift.cli.main import main
from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_write import write_events
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service
from skysift.tasks.gamma_sky.candidates import FalseAlarmSetting
from skysift.tasks.gamma_sky.live.night import Night, write_night
from skysift.tasks.gamma_sky.live.tables import bins_table, no_candidates, windows_table

SIMULATE = (
    "simulate gamma-sky --exposure-min 150 --exposure-max 150 --extended-share 0 --defects 0 "
    "--zenith-max 20 --offset-max 0.3 --flux-min 2 --flux-max 2"
)
GADF_REFERENCE = 978307200.0  # Unix time [s]
WATCH = (
    "watch incoming --task gamma-sky --to found --set source.settle=0 --set source.poll=0.1 "
    "--set alerts.max_age=inf --set alerts.gti_fraction=0"
)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Three pieces of the observation of a bright source, and two empty fields."""
    folder = tmp_path_factory.mktemp("fields")
    for name, sources, number in (("bright", 1, 1), ("empty", 0, 2)):
        words = f"{SIMULATE} --sources-min {sources} --sources-max {sources} --fields {number}"
        with pytest.MonkeyPatch.context() as patch:
            out = ["--out", str(folder / name), "--seed", "7"]
            patch.setattr(sys, "argv", ["skysift", *words.split(), *out])
            with pytest.raises(SystemExit):
                main()
    events = read_events(folder / "bright" / "events-00000.fits.gz").events
    edges = np.linspace(events.gti.start[0], events.gti.stop[-1], 4)
    pieces = []
    for number, (start, stop) in enumerate(itertools.pairwise(edges)):
        pieces.append(folder / f"piece-{number}.fits")
        write_events(events.between(start, stop), pieces[-1])
    return pieces, sorted((folder / "empty").glob("events-*.fits.gz"))


def started(folder, *more):
    command = [sys.executable, "-m", "skysift", *WATCH.split(), *more]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.slow
def test_one_source_one_alert_empty_fields_none_killed_and_started_again(fields, tmp_path):
    pieces, empty = fields
    incoming, found = tmp_path / "incoming", tmp_path / "found"
    incoming.mkdir()
    for path in (*empty, pieces[0]):
        (incoming / path.name).write_bytes(path.read_bytes())
    service = started(tmp_path)
    wait_until(lambda: list(found.glob("_alerts/*/1.reg")))  # the first of the three files
    service.send_signal(signal.SIGKILL)
    service.wait()
    for path in pieces[1:]:
        (incoming / path.name).write_bytes(path.read_bytes())
    assert started(tmp_path, "--once").wait(120) == 0
    (alert,) = found.glob("_alerts/*")
    notices = [json.loads(path.read_text()) for path in sorted(alert.glob("*.json"))]
    assert [notice["record_number"] for notice in notices] == list(range(1, len(notices) + 1))
    assert {notice["alert_type"] for notice in notices[1:]} <= {"update"}
    assert all(notice["far"] < 1e-9 for notice in notices)
    with AlertLedger(ledger_path(found)) as ledger:
        ledger.check()
        assert ledger.to_issue() == []
        assert len(ledger.every()) == 1
        inputs = {found["input"] for found in ledger.decisions()}
    assert inputs.isdisjoint(path.name for path in empty)


def test_the_tables_of_windows_have_the_columns_that_alerts_read():
    candidates = set(no_candidates(FalseAlarmSetting(0.01)).arrow.column_names)
    assert candidates >= {"window_id", "revision", "window", "source_id", "ra", "dec", "far"}
    assert candidates >= {"err_major", "err_minor", "err_angle", "t_start", "t_stop", "flags"}
    assert not candidates & {"candidates", "bin"}
    windows = set(windows_table([]).arrow.column_names)
    assert windows >= {"window_id", "revision", "window", "livetime", "flags", "candidates"}
    assert "far" not in windows
    assert "bin" in bins_table([]).arrow.column_names


@pytest.mark.slow
def test_sliding_windows_of_a_night_give_one_alert_for_each_source(tmp_path):
    begin = float(int(time.time() - GADF_REFERENCE)) - 20.0
    night = replace(Night(), flares=(), step=None, dead=None, unreadable=())
    write_night(
        tmp_path / "incoming", np.random.default_rng(1), seconds=16.0, night=night, start=begin
    )
    found = tmp_path / "found"
    windows = ["--set", 'predict.windows=["1s", "10s"]', "--set", "alerts.far=1e-6"]
    words = [word for word in WATCH.split() if "alerts." not in word]
    while words[-1] == "--set":
        words.pop()
    command = [sys.executable, "-m", "skysift", *words, *windows, "--once"]
    subprocess.run(command, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    with AlertLedger(ledger_path(found)) as ledger:
        alerts = ledger.every()
        verdicts = {decision["verdict"] for decision in ledger.decisions()}
    assert 1 <= len(alerts) <= len(night.steady)
    for alert in alerts:
        places = [(source.ra, source.dec) for source in night.steady]
        near = [np.hypot((alert.row.ra - ra) * 0.92, alert.row.dec - dec) for ra, dec in places]
        assert min(near) < 0.15
    assert verdicts <= {"initial", "update", "same", "weak", "gti"}


def test_alerts_are_a_section_of_the_configuration():
    values = {"task": "gamma-sky", "source": {"folder": "in"}, "sink": {"folder": "out"}}
    assert build_config(WatchConfig, values).alerts is None
    assert build_config(WatchConfig, values | {"alerts": {"far": 1e-6}}).alerts.tense == "test"
    with pytest.raises(ConfigError, match="Did you mean 'far'"):
        build_config(WatchConfig, values | {"alerts": {"farr": 1e-6}})


@pytest.mark.parametrize(
    ("destinations", "lacks"),
    [
        ({"webhooks": {"room": {"url": "https://example.org/hidden", "secret": "OURS"}}}, "OURS"),
        ({"webhooks": {"room": {"url": "$WHERE"}}}, "WHERE"),
        ({"kafka": {"gcn": {"topic": "a", "settings": {}, "secrets": {"key": "WORD"}}}}, "WORD"),
    ],
)
def test_a_secret_that_is_not_there_is_told_before_the_service_starts(
    tmp_path, monkeypatch, destinations, lacks
):
    monkeypatch.delenv(lacks, raising=False)
    values = {"task": "gamma-sky", "source": {"folder": tmp_path}, "sink": {"folder": "out"}}
    with pytest.raises(ConfigError, match=f"{lacks} is not set") as caught:
        Service(build_config(WatchConfig, values | {"alerts": destinations}))
    assert "hidden" not in str(caught.value)


def test_rows_are_dataclasses_that_are_whole_in_the_ledger(sink, row):
    sink.publish(row())
    sink.follow()
    with sink.ledger() as ledger:
        (known,) = ledger.every()
    names = {field.name for field in fields_of(known.row)}
    assert all(getattr(known.row, name) is not None for name in names - {"score", "arrived"})
