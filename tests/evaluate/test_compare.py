"""Models side by side: paired differences, p-values, Holm."""

import json

import numpy as np
import pytest

from skysift.core.errors import UnknownNameError, UsageError
from skysift.evaluate.binary import evaluate_binary
from skysift.evaluate.compare import compare
from skysift.evaluate.delong import delong_test
from skysift.evaluate.intervals import holm


def rival_probabilities(rng, n, noise=0.5):
    """The true probability, one that sees the same rows through noise, and an overconfident one."""
    y = rng.random(n) < 0.5
    x = rng.normal(size=n) + 2 * y

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    return y, {
        "best": sigmoid(2 * (x - 1)),
        "noisy": sigmoid(2 * (x + noise * rng.normal(size=n) - 1)),
        "overconfident": sigmoid(5 * (x - 1)),
    }


def test_the_metrics_are_those_of_each_model_alone(rng):
    y, scores = rival_probabilities(rng, 1500)
    found = compare(y, scores, reference="best", rng=rng, split="test", n_bootstrap=50)
    for name, p in scores.items():
        alone = evaluate_binary(y, p, rng=rng, model=name, data="d", split="test", n_bootstrap=50)
        for metric in found.metrics[name]:
            assert metric.value == pytest.approx(alone[metric.name].value)
            assert metric.split == "test"
        for exact in ("auc", "log_loss", "brier"):
            assert found.metric(name, exact).low == pytest.approx(alone[exact].low)


def test_each_difference_is_model_minus_reference(rng):
    y, scores = rival_probabilities(rng, 1500)
    found = compare(y, scores, reference="best", rng=rng, n_bootstrap=100)
    assert {d.model for d in found.differences} == {"noisy", "overconfident"}
    for d in found.differences:
        expected = found.metric(d.model, d.metric).value - found.metric("best", d.metric).value
        assert d.difference.value == pytest.approx(expected, abs=1e-12)
    test = delong_test(y, scores["noisy"], scores["best"])
    assert found.difference("noisy", "auc").p_value == test.p_value


def test_it_finds_what_is_different_and_only_that(rng):
    y, scores = rival_probabilities(rng, 4000)
    found = compare(y, scores, reference="best", rng=rng)
    noisy, overconfident = (
        {d.metric: d for d in found.differences if d.model == name}
        for name in ("noisy", "overconfident")
    )
    assert noisy["auc"].p_holm < 1e-6
    assert noisy["auc"].difference.high < 0
    assert noisy["efficiency@0.1"].p_holm <= 4 / 1001
    assert noisy["log_loss"].difference.low > 0
    # Overconfidence keeps the order of the rows, and spoils the probabilities.
    assert overconfident["auc"].p_value == 1.0
    assert overconfident["efficiency@0.1"].difference.value == 0.0
    assert overconfident["efficiency@0.1"].p_value == 1.0
    for metric in ("ece", "log_loss", "brier"):
        assert overconfident[metric].p_holm < 0.01
        assert overconfident[metric].difference.low > 0


def test_pairing_makes_differences_sharper_than_the_models_themselves(rng):
    y, scores = rival_probabilities(rng, 2000, noise=0.1)
    found = compare(y, scores, reference="best", rng=rng)
    for name in ("auc", "efficiency@0.1", "log_loss", "brier"):
        metric, d = found.metric("best", name), found.difference("noisy", name).difference
        assert d.high - d.low < 0.6 * (metric.high - metric.low), name


def test_models_of_equal_worth_are_told_apart_no_more_often_than_claimed(rng):
    p_values = []
    for _ in range(120):
        y = rng.random(400) < 0.5
        x = rng.normal(size=400) + 2 * y
        scores = {
            name: 1 / (1 + np.exp(-1.6 * (x + 0.5 * rng.normal(size=400) - 1))) for name in "ab"
        }
        found = compare(y, scores, reference="a", rng=rng, n_bootstrap=200)
        p_values.append(
            [found.difference("b", m).p_value for m in ("auc", "efficiency@0.1", "brier")]
        )
    # 5 % of 120, three binomial standard deviations above it 11 %.
    assert np.all(np.mean(np.array(p_values) < 0.05, axis=0) <= 0.11)


def test_holm_runs_over_the_models_of_one_metric(rng):
    y, scores = rival_probabilities(rng, 800)
    found = compare(y, scores, reference="noisy", rng=rng, n_bootstrap=100)
    for metric in {d.metric for d in found.differences}:
        family = [d for d in found.differences if d.metric == metric]
        assert [d.p_holm for d in family] == pytest.approx(holm([d.p_value for d in family]))
        assert len(family) == 2


def test_rows_for_a_table(rng):
    y, scores = rival_probabilities(rng, 500)
    found = compare(y, scores, reference="best", rng=rng, n_bootstrap=50)
    rows = json.loads(json.dumps(found.to_rows()))
    assert len(rows) == sum(len(metrics) for metrics in found.metrics.values())
    assert len({tuple(row) for row in rows}) == 1
    for row in rows:
        assert (row["difference"] is None) == (row["model"] == "best")


def test_weights_and_groups_reach_the_differences(rng):
    y, scores = rival_probabilities(rng, 300)
    copied = {name: np.repeat(p, 4) for name, p in scores.items()}
    groups = np.repeat(np.arange(300), 4)
    plain = compare(y, scores, reference="best", rng=rng)
    grouped = compare(np.repeat(y, 4), copied, reference="best", rng=rng, groups=groups)
    weighted = compare(y, scores, reference="best", rng=rng, sample_weight=np.full(300, 4.0))
    for name in ("auc", "log_loss", "efficiency@0.2"):
        once, fourfold, heavy = (
            found.difference("noisy", name).difference for found in (plain, grouped, weighted)
        )
        assert fourfold.high - fourfold.low == pytest.approx(once.high - once.low, rel=0.3)
        assert heavy.high - heavy.low == pytest.approx(once.high - once.low, rel=0.2)


def test_names_that_do_not_exist_are_refused(rng):
    y, scores = rival_probabilities(rng, 200)
    with pytest.raises(UnknownNameError, match="Did you mean 'best'"):
        compare(y, scores, reference="bset", rng=rng)
    with pytest.raises(UsageError, match="one model"):
        compare(y, {"best": scores["best"]}, reference="best", rng=rng)
    found = compare(y, scores, reference="best", rng=rng, n_bootstrap=20)
    with pytest.raises(UnknownNameError, match="auc"):
        found.metric("best", "acu")
    with pytest.raises(UnknownNameError, match="noisy"):
        found.difference("nosy", "auc")
    with pytest.raises(UnknownNameError, match="brier"):
        found.difference("noisy", "briar")
    with pytest.raises(UnknownNameError, match="no model"):
        found.metric("worst", "auc")
