"""Whether a promise is kept, of all, by class and by group, with whole blocks drawn."""

import numpy as np
import pytest

from skysift.core.bundle_schema import Training
from skysift.evaluate.coverage import coverage_measures, measure_coverage
from skysift.models.conformal import calibrate
from skysift.models.promised_rows import class_rows, error_rows

ON_RECORD = Training(
    data="made up", sha256="0" * 64, n_rows=1, split="held out", seed=1, command="skysift"
)


def rows_of(n, seed, blocks=None):
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 0.5, n)
    truth = (rng.random(n) < p).astype(np.int64)
    return class_rows(
        "set", np.column_stack([1 - p, p]), truth, ("star", "galaxy"),
        blocks=np.arange(n) if blocks is None else blocks,
        by="magnitude", group=rng.uniform(15, 20, n), groups=2, split="test",
    )  # fmt: skip


def test_every_part_is_measured_and_covered():
    promise = calibrate(rows_of(8000, 1), ON_RECORD)
    new = rows_of(8000, 2)
    found = {one.name: one for one in measure_coverage(new, promise, 0.9, np.random.default_rng(0))}
    parts = [name for name in found if name.startswith("coverage")]
    assert len(parts) == 1 + 2 + 2 * 3
    for name in parts:
        assert found[name].value == pytest.approx(0.9, abs=0.03)
        assert found[name].low < found[name].value < found[name].high
    assert sum(found[f"coverage@0.9,{c}"].n for c in ("star", "galaxy")) == 8000
    single, empty = found["single@0.9"].value, found["empty@0.9"].value
    assert found["useful@0.9"].value < single < 1 - empty + 1e-12


def test_rows_that_come_together_widen_the_interval():
    rows = rows_of(600, 3)
    promise = calibrate(rows_of(4000, 4), ON_RECORD)
    order = np.argsort(rows.scores[np.arange(600), rows.truth])
    together = np.empty(600, dtype=np.int64)
    together[order] = np.arange(600) // 30
    alike = class_rows(
        "set", 1 - rows.scores, rows.truth, ("star", "galaxy"), blocks=together, split="test"
    )
    alone = measure_coverage(rows, promise, 0.9, np.random.default_rng(0))[0]
    blocked = measure_coverage(alike, promise, 0.9, np.random.default_rng(0))[0]
    assert blocked.value == pytest.approx(alone.value, abs=0.02)
    assert blocked.high - blocked.low > 2 * (alone.high - alone.low)


def test_bounds_tell_their_size_and_rows_without_an_answer_do_not_count():
    score = np.abs(np.random.default_rng(5).normal(size=2000))
    promise = calibrate(error_rows("length", "interval", score, blocks=np.arange(2000)), ON_RECORD)
    new = np.abs(np.random.default_rng(6).normal(size=1000))
    new[::4] = np.nan
    rows = error_rows("length", "interval", new, blocks=np.arange(1000))
    found = {
        one.name: one for one in measure_coverage(rows, promise, 0.9, np.random.default_rng(0))
    }
    assert found["coverage@0.9"].n == 750
    assert found["coverage@0.9"].value == pytest.approx(0.9, abs=0.04)
    assert found["size@0.9"].value == pytest.approx(1.645, abs=0.1)


def test_only_what_is_promised_is_a_measure():
    rows = rows_of(500, 7)
    promise = calibrate(rows, ON_RECORD)
    assert coverage_measures((), (rows,)) == {}
    measures = coverage_measures((promise,), (rows,))
    assert list(measures) == ["coverage_set"]
    value = measures["coverage_set"].statistic(np.ones((1, 500)))[0]
    assert value == pytest.approx(0.9, abs=0.02)
