"""Operating points: chosen on one set of rows, applied to another."""

import json

import numpy as np
import pytest
from astropy import units as u
from scipy.stats import norm

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.counts import asimov_significance
from skysift.evaluate.operating import OperatingPoint, by_acceptance, by_significance
from skysift.evaluate.operating_bins import BinnedOperatingPoint, by_bin

RATES = {
    "signal_rate": 0.1 / u.s,
    "background_rate": 10 / u.s,
    "livetime": 1 * u.h,
    "alpha": 0.2,
}


def shifted_rows(rng, n, separation=2.0):
    y = rng.random(n) < 0.5
    return y, rng.normal(size=n) + separation * y


def test_the_threshold_comes_from_validation_rows_and_the_numbers_from_test_rows(rng):
    validation, test = shifted_rows(rng, 20_000), shifted_rows(rng, 20_000)
    chosen = by_acceptance(*validation, 0.05, split="validation")
    before = [array.copy() for array in test]
    applied = chosen.measure(*test, split="test")
    assert applied.threshold == chosen.threshold
    assert (applied.chosen_on, applied.measured_on) == ("validation", "test")
    for array, copy in zip(test, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    y, score = test
    assert applied.acceptance.value == np.mean(score[~y] >= chosen.threshold)
    assert applied.efficiency.value == np.mean(score[y] >= chosen.threshold)
    assert norm.sf(norm.isf(0.05) - 2) in applied.efficiency
    assert chosen.measured_on == "validation"


def test_the_confusion_counts_every_row(rng):
    y, score = shifted_rows(rng, 500)
    point = by_acceptance(y, score, 0.1, split="validation")
    table = point.confusion
    kept = point.keep(score)
    np.testing.assert_array_equal(
        table.matrix,
        [[np.sum(y & kept), np.sum(y & ~kept)], [np.sum(~y & kept), np.sum(~y & ~kept)]],
    )
    assert table.n == 500
    assert table.accuracy().value == np.mean(kept == y)


def test_the_acceptance_is_never_above_the_target(rng):
    for decimals in (1, 2, 12):
        y, score = shifted_rows(rng, 1000)
        score = score.round(decimals)
        point = by_acceptance(y, score, 0.1, split="validation")
        assert point.acceptance.value <= 0.1
        lower = np.max(score[score < point.threshold])
        assert np.mean(score[~y] >= lower) > 0.1


def test_an_undefined_score_is_not_kept(rng):
    point = by_acceptance(*shifted_rows(rng, 100), 0.1, split="validation")
    assert point.keep([np.nan, np.inf, -np.inf]).tolist() == [False, True, False]


def test_a_tie_that_breaks_the_target_is_an_error():
    with pytest.raises(InputError, match="highest score"):
        by_acceptance([1, 0, 0], [0.5, 0.5, 0.1], 0.1, split="validation")


def test_an_operating_point_survives_json(rng):
    point = by_acceptance(*shifted_rows(rng, 500), 0.1, split="validation")
    assert OperatingPoint.from_dict(json.loads(json.dumps(point.to_dict()))) == point
    with pytest.raises(InputError, match="no operating point"):
        OperatingPoint.from_dict({"threshold": 0.5})
    with pytest.raises(InputError, match="no operating point"):
        OperatingPoint.from_dict({**point.to_dict(), "colour": "red"})


def test_weights_move_the_threshold(rng):
    y, score = shifted_rows(rng, 20_000)
    weight = np.where((~y) & (score > 1), 5.0, 1.0)
    point = by_acceptance(y, score, 0.05, split="validation", sample_weight=weight)
    background = weight * ~y
    assert background @ (score >= point.threshold) / background.sum() == pytest.approx(
        0.05, abs=0.001
    )
    assert point.threshold > by_acceptance(y, score, 0.05, split="validation").threshold


def test_the_most_significant_threshold_is_the_best_of_all(rng):
    y, score = shifted_rows(rng, 3000)
    point = by_significance(y, score, **RATES, split="validation")
    best = max(
        asimov_significance(360 * np.mean(score[y] >= t), 36_000 * np.mean(score[~y] >= t), 0.2)
        for t in score
        if np.sum(score[~y] >= t) >= 10
    )
    ours = asimov_significance(360 * point.efficiency.value, 36_000 * point.acceptance.value, 0.2)
    assert ours == pytest.approx(best)
    assert f"({best:.2f})" in point.rule


def test_significance_asks_for_a_harder_cut_where_background_dominates(rng):
    rows = shifted_rows(rng, 20_000)
    weak = by_significance(*rows, **RATES, split="validation")
    strong = by_significance(*rows, **(RATES | {"signal_rate": 100 / u.s}), split="validation")
    assert weak.threshold > strong.threshold


def test_significance_does_not_trust_a_handful_of_background_rows(rng):
    y, score = shifted_rows(rng, 2000, separation=6.0)
    point = by_significance(y, score, **RATES, split="validation", min_background=25)
    assert point.confusion.background_kept >= 25
    with pytest.raises(InputError, match="fewer than"):
        by_significance([1, 0], [0.2, 0.1], **RATES, split="validation")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"livetime": 1 * u.m}, "livetime"),
        ({"livetime": 0 * u.s}, "livetime"),
        ({"background_rate": 3.0}, "background_rate"),
        ({"signal_rate": -1 / u.s}, "signal_rate"),
    ],
)
def test_rates_are_quantities(rng, change, says):
    with pytest.raises(UsageError, match=says):
        by_significance(*shifted_rows(rng, 100), **(RATES | change), split="validation")


def choose_one_in_ten(y, score):
    return by_acceptance(y, score, 0.1, split="validation")


def sized_rows(rng, n):
    """Rows whose background scores grow with the size of the image."""
    y, score = shifted_rows(rng, n)
    size = 10 ** rng.uniform(1, 4, size=n)
    return y, score + np.log10(size), size


EDGES = (100.0, 300.0, 1000.0, 3000.0)


def test_bins_hold_the_acceptance_in_each(rng):
    y, score, size = sized_rows(rng, 40_000)
    chosen = by_bin(y, score, size, variable="SIZE [p.e.]", edges=EDGES, choose=choose_one_in_ten)
    assert np.all(np.diff(chosen.thresholds) > 0)
    y, score, size = sized_rows(rng, 40_000)
    applied = chosen.measure(y, score, size, split="test")
    np.testing.assert_array_equal(applied.thresholds, chosen.thresholds)
    assert [point.acceptance.value for point in applied.points] == pytest.approx(
        [0.1] * 3, abs=0.015
    )
    kept = chosen.keep(score, size)
    counted = sum(p.confusion.signal_kept + p.confusion.background_kept for p in applied.points)
    assert kept.sum() == counted


def test_values_beyond_the_edges_use_the_outermost_bins(rng):
    chosen = by_bin(
        *sized_rows(rng, 10_000), variable="SIZE", edges=EDGES, choose=choose_one_in_ten
    )
    scores = np.repeat(chosen.thresholds[[0, -1]], 2)
    assert chosen.keep(scores, [1, 299, 1001, 1e9]).all()
    assert not chosen.keep(scores - 1e-9, [1, 299, 1001, 1e9]).any()


def test_binned_operating_points_survive_json(rng):
    chosen = by_bin(
        *sized_rows(rng, 10_000), variable="SIZE", edges=EDGES, choose=choose_one_in_ten
    )
    again = BinnedOperatingPoint.from_dict(json.loads(json.dumps(chosen.to_dict())))
    assert again.points == chosen.points
    np.testing.assert_array_equal(again.edges, chosen.edges)
    with pytest.raises(InputError, match="edges"):
        BinnedOperatingPoint.from_dict({"variable": "SIZE", "points": []})


def test_a_bin_that_cannot_be_served_is_named(rng):
    y, score, size = sized_rows(rng, 1000)
    with pytest.raises(InputError, match=r"SIZE from 300 to 1000: .* merge bins"):
        by_bin(
            y | ((size >= 300) & (size < 1000)),
            score,
            size,
            variable="SIZE",
            edges=EDGES,
            choose=choose_one_in_ten,
        )
    with pytest.raises(UsageError, match="ascend"):
        by_bin(y, score, size, variable="SIZE", edges=[3, 2], choose=choose_one_in_ten)
    with pytest.raises(InputError, match="row 0"):
        by_bin(
            y,
            score,
            np.full(1000, np.nan),
            variable="SIZE",
            edges=EDGES,
            choose=choose_one_in_ten,
        )
    with pytest.raises(InputError, match="one value per label"):
        by_bin(y, score, size[:-1], variable="SIZE", edges=EDGES, choose=choose_one_in_ten)
