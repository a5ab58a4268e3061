"""A file with a date of the future is set aside; what comes after it is not late for that."""

import time

import numpy as np
import pytest

from skysift.core.config import build_config
from skysift.core.errors import InputError
from skysift.core.registry import bundle_folder
from skysift.data.sky.gadf_write import write_events
from skysift.serve.clock import to_unix
from skysift.serve.config import WatchConfig
from skysift.serve.service import Service, spool_of
from skysift.tasks.gamma_sky.live.night import START, Night, night_events, write_night
from skysift.tasks.gamma_sky.live.predictor import LivePredictor
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

QUIET = Night(steady=(), flares=(), step=None, dead=None, unreadable=())
READING = ReadOptions(pixels=72, pixel_size=0.05, bands=2)
YEAR = 3.2e7  # s


def unix(seconds):
    """Return Unix time [s] of seconds after the reference of GADF."""
    return to_unix(51910.00074287037 + seconds / 86400)


def chunk(path, start):
    rng = np.random.default_rng(1)
    (events,) = night_events(rng, seconds=1, chunk=1, night=QUIET, start=start)
    write_events(events, path)
    return path


def test_the_future_is_refused_until_it_comes(tmp_path):
    now = unix(START + 10)
    options = PredictOptions(windows="2s", search_radius=1.6, photometry=False, ahead=30)
    trials = load_bundle(bundle_folder("gamma-sky")).trials
    predict = LivePredictor(trials, READING, options, clock=lambda: now)
    list(predict(chunk(tmp_path / "first.fits", START)))
    ahead = chunk(tmp_path / "ahead.fits", START + 100)
    with pytest.raises(InputError, match="end 91 s in the future"):
        list(predict(ahead))
    list(predict(chunk(tmp_path / "near.fits", START + 38)))  # 29 s: clocks differ
    assert list(predict(chunk(tmp_path / "next.fits", START + 1)))  # not late by 100 s
    now = unix(START + 80)
    list(predict(ahead))


def test_a_service_sets_the_future_aside_unless_it_is_expected(tmp_path):
    incoming = tmp_path / "incoming"
    write_night(incoming, np.random.default_rng(1), seconds=2, night=QUIET)
    chunk(incoming / "of-next-year.fits", START + time.time() - unix(START) + YEAR)
    values = {
        "task": "gamma-sky",
        "source": {"folder": incoming, "settle": 0},
        "read": {"pixels": 72, "pixel_size": 0.05, "bands": 2},
        "predict": {"windows": ["2s"], "search_radius": 1.6, "photometry": False},
    }
    found = tmp_path / "found"
    counts = Service(build_config(WatchConfig, values | {"sink": {"folder": found}})).run(once=True)
    assert (counts["done"], counts["quarantined"]) == (2, 1)
    with spool_of(found) as spool:
        (record,) = spool.in_state("quarantined")
    assert record.name == "of-next-year.fits"
    assert "in the future" in record.reason
    values["predict"] |= {"ahead": float("inf"), "lateness": 0}
    values |= {"sink": {"folder": tmp_path / "all"}}
    assert Service(build_config(WatchConfig, values)).run(once=True)["done"] == 3


def test_months_in_which_nothing_was_seen_cost_nothing(tmp_path):
    """There are thirty million ends of windows in a year."""
    options = PredictOptions(windows="2s", search_radius=1.6, photometry=False)
    trials = load_bundle(bundle_folder("gamma-sky")).trials
    predict = LivePredictor(trials, READING, options)
    list(predict(chunk(tmp_path / "last-year.fits", START - YEAR)))
    again = chunk(tmp_path / "this-year.fits", START)
    assert sum(piece.num_rows for piece in predict(again)) > 0
    assert len(predict._stream._tracked) < 20  # moments at which sources were looked at


def test_a_made_up_night_is_over():
    assert unix(START) < time.time() - YEAR / 12
