"""Windows that overlap: false alarms per hour and their rate are those of all of them together."""

import numpy as np
import pytest

from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky import pipeline
from skysift.tasks.gamma_sky.candidates import CandidateTable, FalseAlarmSetting, SearchWindow
from skysift.tasks.gamma_sky.observations import Observation
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events, search_observation
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

TRIALS = TrialsTable(np.array([3.0]), np.array([1.0]))
READING = ReadOptions()
GRID = TangentGrid(10.0, 20.0)
ONE = Candidate(0.1, 0.2, 1e-4 * np.eye(2), 30.0, 6.0, 40.0, 1e-9, 0.002, np.array([30.0]))
GOOD = GoodTimeIntervals.of([(0.0, 100.0)])


@pytest.fixture(scope="module")
def observation():
    field = Field(Pointing(83.6, 22.0, 20.0), 120.0, (Source(84.0, 22.3, flux=1.0),))
    rng = np.random.default_rng(1)
    energies = READING.emin, READING.emax
    return Observation(simulate_events(field, AnalyticResponse(), rng, energy_range=energies))


@pytest.fixture
def allowed(monkeypatch):
    """Return a list that gets what each search is allowed."""
    numbers = []
    made = pipeline.method_of

    def method_of(binned, response, options, trials, false_alarms, **more):
        numbers.append(false_alarms)
        return made(binned, response, options, trials, false_alarms, **more)

    monkeypatch.setattr(pipeline, "method_of", method_of)
    return numbers


def rates(stands_for=None):
    window = SearchWindow.of(GRID, GOOD, 60000.0, "run", stands_for)
    return CandidateTable.of_window([ONE], window, FalseAlarmSetting(0.01))["far"]


def test_the_rate_is_that_of_all_windows():
    np.testing.assert_allclose(rates(), 0.002 / 100)
    np.testing.assert_allclose(rates(20.0), 5 * rates())


def test_a_window_without_good_time_has_no_rate():
    assert np.isnan(SearchWindow.of(GRID, GoodTimeIntervals.of([]), 0.0).rate(0.1))


def test_the_column_says_what_the_rate_is(tmp_path):
    CandidateTable.empty(FalseAlarmSetting(0.01)).write(tmp_path / "none.ecsv")
    text = " ".join((tmp_path / "none.ecsv").read_text().replace("#", "").split())
    assert "those of a window over the time to the next one" in text


def test_false_alarms_per_hour_are_shared_by_the_windows(observation, allowed):
    options = PredictOptions(
        window="50s", step="10s", false_alarms=3.6, per="hour", photometry=False
    )
    searched = list(search_observation(observation, READING, options, TRIALS))
    np.testing.assert_allclose(allowed, [0.01] * 8)  # a fifth of what windows in a row have
    for one in searched:
        expected = [candidate.false_alarms / 10 for candidate in one.result.candidates]
        assert len(expected) == 1
        np.testing.assert_allclose(one.table["far"], expected)
    allowed.clear()
    in_a_row = options.model_copy(update={"step": None})
    list(search_observation(observation, READING, in_a_row, TRIALS))
    np.testing.assert_allclose(allowed, [0.05, 0.05, 0.02])  # the last one has 20 s


def test_per_field_the_step_does_not_move_the_threshold(observation, allowed):
    options = PredictOptions(window="60s", step="30s", photometry=False)
    searched = next(search_observation(observation, READING, options, TRIALS))
    alone = search_events(searched.events, None, READING, options, TRIALS)
    assert allowed == [0.01, 0.01]
    assert searched.result.level == alone.result.level
    np.testing.assert_allclose(searched.table["far"], 2 * alone.table["far"])


def test_a_step_beyond_the_window_leaves_its_good_time(observation, allowed):
    options = PredictOptions(
        window="36s", step="60s", false_alarms=1.0, per="hour", photometry=False
    )
    list(search_observation(observation, READING, options, TRIALS))
    np.testing.assert_allclose(allowed, [0.01, 0.01])
