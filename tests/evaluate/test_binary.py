"""The evaluation of one binary classifier as a whole."""

import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from skysift.core.errors import InputError
from skysift.evaluate.binary import evaluate_binary
from skysift.evaluate.operating import by_acceptance
from skysift.evaluate.probability import expected_calibration_error
from skysift.evaluate.roc import efficiency_at_acceptance

NAMES = {"model": "a model", "data": "made up", "split": "test"}


def calibrated_binormal(rng, n, separation=2.0):
    """Rows whose probability of signal is the true one."""
    y = rng.random(n) < 0.5
    x = rng.normal(size=n) + separation * y
    return y, 1 / (1 + np.exp(-separation * (x - separation / 2)))


def test_every_metric_is_the_one_of_its_name(rng):
    y, p = calibrated_binormal(rng, 3000)
    point = by_acceptance(*calibrated_binormal(rng, 3000), 0.1, split="validation")
    found = evaluate_binary(y, p, rng=rng, operating_point=point, n_bootstrap=100, **NAMES)
    kept = p >= point.threshold
    expected = {
        "auc": roc_auc_score(y, p),
        "auc_bootstrap": roc_auc_score(y, p),
        "partial_auc@0.1": roc_auc_score(y, p, max_fpr=0.1),
        "quality_factor_max": max(
            np.mean(p[y] >= t) / np.sqrt(np.mean(p[~y] >= t))
            for t in p
            if np.mean(p[~y] >= t) >= 0.01
        ),
        **{f"efficiency@{a:g}": efficiency_at_acceptance(y, p, a) for a in (0.01, 0.02, 0.05)},
        **{f"efficiency@{a:g}": efficiency_at_acceptance(y, p, a) for a in (0.1, 0.2)},
        "efficiency@operating_point": np.mean(kept[y]),
        "acceptance@operating_point": np.mean(kept[~y]),
        "quality_factor@operating_point": np.mean(kept[y]) / np.sqrt(np.mean(kept[~y])),
        "accuracy@operating_point": accuracy_score(y, kept),
        "ece": expected_calibration_error(y, p),
        "accuracy@0.5": accuracy_score(y, p >= 0.5),
        "log_loss": log_loss(y, p),
        "brier": brier_score_loss(y, p),
    }
    assert {metric.name: metric.value for metric in found.metrics} == pytest.approx(expected)
    for metric in found.metrics:
        assert metric.low <= metric.value <= metric.high or metric.name == "ece"
        assert metric.low < metric.high
        assert (metric.n, metric.split, metric.confidence) == (3000, "test", 0.95)
        assert metric.method
    assert "optimistic" in found["quality_factor_max"].method
    json.dumps(found.to_dict())


def test_the_intervals_cover_the_truth_of_a_binormal_model(rng):
    truth = {
        "auc": norm.cdf(2 / np.sqrt(2)),
        "auc_bootstrap": norm.cdf(2 / np.sqrt(2)),
        "efficiency@0.1": norm.sf(norm.isf(0.1) - 2),
        "accuracy@0.5": norm.cdf(1),
        "ece": 0.0,
    }
    # A large sample stands for the expectations that have no closed form.
    y, p = calibrated_binormal(rng, 2_000_000)
    truth |= {"log_loss": log_loss(y, p), "brier": brier_score_loss(y, p)}
    repeats = 120
    hits = dict.fromkeys(truth, 0)
    for _ in range(repeats):
        found = evaluate_binary(
            *calibrated_binormal(rng, 600), rng=rng, n_bootstrap=150, acceptances=(0.1,), **NAMES
        )
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    # Three binomial standard deviations are 0.06; 150 draws and a step curve cost a little more.
    for name, count in hits.items():
        assert count / repeats >= 0.87, name


def test_the_detail_holds_what_plots_need(rng):
    y, p = calibrated_binormal(rng, 2000)
    weight = rng.exponential(size=2000)
    found = evaluate_binary(y, p, rng=rng, n_bootstrap=50, sample_weight=weight, **NAMES)
    detail = found.detail
    assert detail["roc"].area == pytest.approx(found["auc"].value)
    assert detail["histograms"].signal.sum() == pytest.approx(weight[y].sum())
    assert detail["histograms"].background.sum() == pytest.approx(weight[~y].sum())
    assert detail["reliability"].calibration_error == pytest.approx(found["ece"].value)
    assert detail["brier"].brier == pytest.approx(found["brier"].value)
    assert detail["operating_point"] is None
    band = detail["roc_band"]
    assert np.all(band.low <= band.efficiency + 1e-12)
    assert np.all(band.efficiency <= band.high + 0.02)
    np.testing.assert_allclose(band.efficiency, detail["roc"].efficiency_at(band.acceptance))


def test_a_score_that_is_no_probability_is_ranked_only(rng):
    y, p = calibrated_binormal(rng, 500)
    score = 10 * np.log(p / (1 - p))
    with pytest.raises(InputError, match="probability"):
        evaluate_binary(y, score, rng=rng, **NAMES)
    found = evaluate_binary(y, score, rng=rng, probabilistic=False, n_bootstrap=50, **NAMES)
    names = {metric.name for metric in found.metrics}
    assert "auc" in names
    assert not names & {"ece", "log_loss", "brier", "accuracy@0.5"}
    assert "reliability" not in found.detail
    edges = found.detail["histograms"].edges
    assert (edges[0], edges[-1]) == (score.min(), score.max())


def test_a_model_that_knows_nothing_is_described_and_not_refused(rng):
    y = rng.random(400) < 0.5
    found = evaluate_binary(y, np.full(400, 0.5), rng=rng, n_bootstrap=50, **NAMES)
    assert found["auc"].value == 0.5
    assert found["efficiency@0.2"].value == 0.0
    assert found["log_loss"].value == pytest.approx(np.log(2))
    assert found["quality_factor_max"].value == 1.0


def test_the_same_seed_gives_the_same_evaluation():
    y, p = calibrated_binormal(np.random.default_rng(1), 500)
    one, two = (
        evaluate_binary(y, p, rng=np.random.default_rng(2), n_bootstrap=50, **NAMES)
        for _ in range(2)
    )
    assert one.metrics == two.metrics


def test_groups_widen_every_interval_that_knows_them(rng):
    y, p = calibrated_binormal(rng, 400)
    y, p, groups = np.repeat(y, 6), np.repeat(p, 6), np.repeat(np.arange(400), 6)
    free = evaluate_binary(y, p, rng=rng, **NAMES)
    grouped = evaluate_binary(y, p, rng=rng, groups=groups, **NAMES)
    for name in ("auc", "auc_bootstrap", "efficiency@0.2", "log_loss", "brier"):
        ratio = (grouped[name].high - grouped[name].low) / (free[name].high - free[name].low)
        assert ratio == pytest.approx(np.sqrt(6), rel=0.25), name


def test_a_million_rows_of_bootstrap_need_no_million_columns(rng):
    y, p = calibrated_binormal(rng, 1_000_000)
    found = evaluate_binary(y, p, rng=rng, n_bootstrap=100, **NAMES)
    # The binormal error of the AUC at this size is 2.7e-4.
    width = found["auc_bootstrap"].high - found["auc_bootstrap"].low
    assert width == pytest.approx(found["auc"].high - found["auc"].low, rel=0.3)
