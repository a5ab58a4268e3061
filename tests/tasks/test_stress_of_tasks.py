"""Every task under every shift: none changes nothing at all, the largest changes something."""

from dataclasses import replace

import numpy as np
import pytest

from skysift.core.registry import bundle_folder, list_tasks, load_task
from skysift.evaluate.stress import stress
from skysift.tasks.gamma_hadron import stress as of_events

TASKS = [item.name for item in list_tasks()]
ROWS = {"gamma-hadron": 300, "star-galaxy": 12, "streak": 6, "flare": 16, "active-region": 2}
FIELDS = 4


class Extremes:
    """The test of a task, of which each shift has no size but none and the largest."""

    def __init__(self, test):
        self.test = test
        self.answered = test.answered

    def shifts(self, prepared):
        return [
            replace(one, sizes=tuple(sorted({one.none, _farthest(one)})))
            for one in self.test.shifts(prepared)
        ]


def _farthest(shift):
    return max(shift.sizes, key=lambda size: abs(size - shift.none))


@pytest.fixture(scope="module", params=TASKS)
def stressed(request):
    task = load_task(request.param)
    model = task.load(bundle_folder(task.name))
    rng = np.random.default_rng(1)
    data = task.synth(ROWS[task.name], rng) if task.name in ROWS else None
    prepared = task.stress.prepared(data, model, rng, FIELDS if data is None else 10_000)
    base, rows = stress(Extremes(task.stress), prepared, model, seed=2, draws=50)
    return task, model, prepared, base, rows


def test_no_shift_gives_the_same_data_and_changes_nothing(stressed):
    task, _, prepared, _, rows = stressed
    for shift in task.stress.shifts(prepared):
        rng = np.random.default_rng(0)
        assert shift.apply(prepared, shift.none, rng) is prepared
        if shift.weigh is not None:
            assert (shift.weigh(prepared, shift.none) == 1.0).all()
        still = [row for row in rows if row.shift == shift.name and row.size == shift.none]
        assert still
        assert all(row.change in {0.0, None} for row in still)


def test_the_largest_size_of_every_shift_moves_something(stressed):
    task, _, prepared, _, rows = stressed
    for shift in task.stress.shifts(prepared):
        if shift.name == "level":  # measured above the sky of the stamp: nothing is to move
            continue
        moved = [
            row.change  # None where nothing is left to be measured
            for row in rows
            if row.shift == shift.name and row.size == _farthest(shift)
        ]
        assert any(change != 0.0 for change in moved), shift.name


def test_every_shift_says_why_and_encloses_none(stressed):
    task, _, prepared, _, _ = stressed
    for shift in task.stress.shifts(prepared):
        assert shift.none in shift.sizes
        assert list(shift.sizes) == sorted(set(shift.sizes))
        assert len(shift.reason) > 60


@pytest.fixture(scope="module")
def events():
    task = load_task("gamma-hadron")
    return task.synth(3000, np.random.default_rng(3))


def test_less_light_makes_every_image_fainter_and_nothing_else(events):
    dim = of_events.dimmed(events, 0.5)
    np.testing.assert_allclose(
        events.table["log_size"] - dim.table["log_size"], np.log10(2), rtol=1e-12
    )
    for name in events.table.columns:
        if name != "log_size":
            np.testing.assert_array_equal(events.table[name], dim.table[name])


def test_noise_makes_the_auc_worse_step_by_step(events):
    task = load_task("gamma-hadron")
    model = task.load(bundle_folder(task.name, "fast"))
    base, rows = stress(of_events, events, model, seed=4, draws=20)
    values = [row.value for row in rows if (row.shift, row.metric) == ("noise", "auc")]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.02
    assert base.blocks is events.groups


def test_a_prior_leaves_ranks_and_rates_alone_and_moves_the_bias(events):
    task = load_task("gamma-hadron")
    model = task.load(bundle_folder(task.name, "fast"))
    rows = stress(of_events, events, model, seed=4, draws=20)[1]
    last = {row.metric: row for row in rows if row.shift == "prior" and row.size == 0.01}
    for name in ("auc", "efficiency", "acceptance"):
        assert last[name].change == pytest.approx(0.0, abs=1e-9)
        assert not last[name].is_certain
    assert last["bias"].is_certain
