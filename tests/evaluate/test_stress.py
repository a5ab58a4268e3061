"""The runner: nothing moves without a shift, changes are paired, weights are weights."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skysift.core.stress import Answered, Measure, Shift
from skysift.evaluate.stress import auc, mean, quantile, stress


class Thermometer:
    """A test of a model that adds nothing: rows are numbers, the shift is an offset."""

    def shifts(self, data):
        return (
            Shift("offset", "Offset", "offset", (0.0, 1.0, 2.0), 0.0, "known", self.moved),
            Shift(
                "share", "Share", "weight", (1.0, 3.0), 1.0, "known",
                lambda data, _size, _rng: data,
                lambda data, size: np.where(data > 0, size, 1.0),
            ),
        )  # fmt: skip

    @staticmethod
    def moved(data, size, rng):
        noise = rng.normal(0, 0.1, len(data))
        return data if size == 0 else data + size + noise

    def answered(self, data, model):
        measures = {
            "mean": Measure("mean", mean(data)),
            "positive": Measure("share above 0", mean(data > 0)),
        }
        return Answered(measures, np.arange(len(data)))


def run(**given):
    data = np.random.default_rng(1).normal(size=200)
    base, rows = stress(Thermometer(), data, None, seed=3, **given)
    return data, base, {(row.shift, row.size, row.metric): row for row in rows}


def test_no_shift_is_no_change_at_all():
    data, _, rows = run()
    for name, size in (("offset", 0.0), ("share", 1.0)):
        row = rows[name, size, "mean"]
        assert row.value == pytest.approx(data.mean(), abs=1e-12)
        assert (row.change, row.change_low, row.change_high) == (0.0, 0.0, 0.0)
        assert not row.is_certain


def test_changes_are_of_pairs_and_so_much_surer_than_values():
    _, _, rows = run()
    row = rows["offset", 1.0, "mean"]
    assert row.change == pytest.approx(1.0, abs=0.03)
    assert row.is_certain
    assert row.change_high - row.change_low < 0.2 * (row.high - row.low)


def test_a_known_shift_moves_the_metric_one_way():
    _, _, rows = run()
    shares = [rows["offset", size, "positive"].value for size in (0.0, 1.0, 2.0)]
    assert shares == sorted(shares)
    assert shares[0] < shares[1] < shares[2]


def test_weights_stand_for_how_often_rows_occur():
    data, _, rows = run()
    p = np.mean(data > 0)
    assert rows["share", 3.0, "positive"].value == pytest.approx(3 * p / (3 * p + 1 - p))


def test_the_same_seed_gives_the_same_numbers():
    assert run()[2] == run()[2]


def test_a_metric_that_is_not_defined_says_so():
    base = Answered({"none": Measure("none", mean([1.0], [False]))}, np.arange(1))

    class Empty(Thermometer):
        def answered(self, data, model):
            return base

    _, rows = stress(Empty(), np.zeros(1), None, seed=0, draws=20)
    assert all(row.value is None and row.change is None for row in rows)


def test_the_auc_is_that_of_scikit_learn_with_ties_and_weights(rng):
    truth = rng.random(300) < 0.4
    score = np.round(rng.normal(truth, 1.0), 1)
    weight = rng.integers(0, 4, 300).astype(float)
    found = auc(truth, score)(np.stack([np.ones(300), weight]))
    wanted = [roc_auc_score(truth, score), roc_auc_score(truth, score, sample_weight=weight)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_quantile_of_repeated_rows_is_that_of_the_rows_repeated(rng):
    values = rng.normal(size=101)
    times = rng.integers(0, 4, 101)
    found = quantile(values, 0.5, np.ones(101, bool))(times[None].astype(float))
    repeated = np.sort(np.repeat(values, times))
    assert found[0] == repeated[int(np.ceil(len(repeated) / 2)) - 1]
