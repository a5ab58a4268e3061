"""The bootstrap: its laws, and that its shortcuts change nothing."""

import numpy as np
import pytest

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.inputs import as_labels
from skysift.evaluate.ranking import Ladder, RankingStatistics, bootstrap_ranking
from skysift.evaluate.resampling import Bootstrap, bootstrap, bootstrap_rows
from skysift.evaluate.roc import auc, efficiency_at_acceptance, partial_auc


def keep_weights(weights):
    return weights


def weighted_mean_of(values):
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, np.newaxis]


def test_a_draw_keeps_the_number_of_rows_in_each_stratum(rng):
    strata = np.repeat([0, 1, 2], [5, 20, 75])
    drawn = bootstrap(keep_weights, strata, rng=rng, n_bootstrap=50).replicates
    for stratum, size in enumerate([5, 20, 75]):
        assert np.all(drawn[:, strata == stratum].sum(axis=1) == size)


@pytest.mark.parametrize("size", [3, 40])  # drawn row by row, and as one multinomial
def test_counted_units_follow_the_multinomial_law(rng, size):
    counts = np.array([1, 2, 3, 6]) * size // 3
    drawn = bootstrap(keep_weights, np.zeros(4), rng=rng, counts=counts, n_bootstrap=20_000)
    share = counts / counts.sum()
    np.testing.assert_array_equal(drawn.value, counts)
    np.testing.assert_allclose(drawn.replicates.mean(axis=0), counts, rtol=0.03)
    expected = counts.sum() * (np.diag(share) - np.outer(share, share))
    np.testing.assert_allclose(np.cov(drawn.replicates.T), expected, atol=0.04 * counts.sum() / 4)


def test_the_error_of_a_mean_is_the_one_of_the_textbook(rng):
    values = rng.normal(size=400)
    found = bootstrap_rows(weighted_mean_of(values), 400, rng=rng, n_bootstrap=4000)
    assert found.replicates.std() == pytest.approx(values.std() / 20, rel=0.05)
    assert found.value[0] == pytest.approx(values.mean())


def test_groups_are_drawn_whole(rng):
    values = np.repeat(rng.normal(size=100), 10)
    groups = np.repeat(np.arange(100), 10)
    by_group = bootstrap_rows(weighted_mean_of(values), 1000, rng=rng, groups=groups)
    by_row = bootstrap_rows(weighted_mean_of(values), 1000, rng=rng)
    assert by_group.replicates.std() == pytest.approx(values.std() / 10, rel=0.1)
    assert by_row.replicates.std() == pytest.approx(values.std() / np.sqrt(1000), rel=0.1)


def test_the_same_seed_gives_the_same_draws():
    values = np.arange(50.0)
    one, two = (
        bootstrap_rows(weighted_mean_of(values), 50, rng=np.random.default_rng(3)).replicates
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_methods_of_interval_on_a_known_set_of_replicates():
    replicates = np.arange(1, 1001.0)[:, np.newaxis]
    found = Bootstrap(np.array([400.0]), replicates)
    percentile, basic = found.interval(), found.interval(method="basic")
    assert (percentile.low, percentile.high) == pytest.approx((25.975, 975.025))
    assert (basic.low, basic.high) == pytest.approx((800 - 975.025, 800 - 25.975))
    assert found.p_value() == pytest.approx(2 / 1001)


def test_undefined_replicates_are_left_out():
    replicates = np.append(np.arange(1, 1001.0), np.full(500, np.nan))[:, np.newaxis]
    assert Bootstrap(np.array([500.0]), replicates).interval().low == pytest.approx(25.975)


def test_bca_of_an_even_distribution_is_the_percentile_interval():
    replicates = np.linspace(-3, 3, 2001)[:, np.newaxis]
    found = Bootstrap(np.array([0.0]), replicates, np.array([[-1.0], [0.0], [1.0]]))
    assert found.interval(method="bca").low == pytest.approx(found.interval().low, abs=0.01)


def test_bca_covers_the_variance_of_a_skew_law_better(rng):
    def second_moment(values):
        return lambda w: (w @ values**2 / w.sum(1) - (w @ values / w.sum(1)) ** 2)[:, np.newaxis]

    hits = {"percentile": 0, "bca": 0}
    for _ in range(150):
        statistic = second_moment(rng.exponential(size=60))
        found = bootstrap_rows(statistic, 60, rng=rng, jackknife_parts=60, n_bootstrap=500)
        for method in hits:
            hits[method] += 1.0 in found.interval(method=method)
    assert hits["bca"] > hits["percentile"]
    assert hits["bca"] > 0.78 * 150


def test_the_jackknife_leaves_each_row_out_once(rng):
    found = bootstrap(keep_weights, np.zeros(2), counts=[3, 7], rng=rng, jackknife_parts=5)
    np.testing.assert_array_equal((np.array([3, 7]) - found.jackknife).sum(axis=0), [3, 7])
    assert np.all(found.jackknife.sum(axis=1) == 8)


def test_bad_requests_are_refused(rng):
    statistic = weighted_mean_of(np.arange(4.0))
    with pytest.raises(UsageError, match="too small"):
        bootstrap_rows(statistic, 4, rng=rng, n_bootstrap=1)
    with pytest.raises(InputError, match="one group"):
        bootstrap_rows(statistic, 4, rng=rng, groups=[1, 1, 1, 1])
    with pytest.raises(UsageError, match="strata or groups"):
        bootstrap_rows(statistic, 4, rng=rng, groups=[1, 1, 2, 2], strata=[0, 0, 1, 1])
    found = bootstrap_rows(statistic, 4, rng=rng)
    with pytest.raises(UsageError, match="jackknife"):
        found.interval(method="bca")
    with pytest.raises(UsageError, match="student"):
        found.interval(method="student")


STATISTICS = RankingStatistics(
    acceptances=(0.01, 0.1), calibration_edges=np.linspace(0, 1, 11), min_acceptance=0.01
)


def probabilities(rng, n, decimals=12):
    y = rng.random(n) < 0.5
    return y, (1 / (1 + np.exp(-2 * (rng.normal(size=n) + 2 * y - 1)))).round(decimals)


@pytest.mark.parametrize("decimals", [1, 12])
def test_each_replicate_has_the_statistics_of_the_rows_that_it_drew(rng, decimals):
    y, p = probabilities(rng, 400, decimals)
    ladder = Ladder.of(y, p)
    times = rng.integers(0, 3, size=(5, 400))
    for draw in times:
        histograms = [
            np.bincount(ladder.rung, weights=draw * members, minlength=len(ladder.score))[None]
            for members in (~y, y)
        ]
        found = dict(zip(STATISTICS.names, STATISTICS(*histograms, ladder.score)[0], strict=True))
        assert found["auc"] == pytest.approx(auc(y, p, draw))
        assert found["efficiency@0.1"] == pytest.approx(efficiency_at_acceptance(y, p, 0.1, draw))
        assert found["partial_auc@0.1"] == pytest.approx(
            partial_auc(y, p, max_acceptance=0.1, standardised=True, sample_weight=draw)
        )


def test_merged_rungs_hardly_move_the_statistics(rng):
    y, p = probabilities(rng, 50_000)
    merged = bootstrap_ranking(y, [(p, STATISTICS)], rng=rng, n_bootstrap=2).value
    ladder = Ladder.of(y, p, max_exact=10**6)
    histograms = [
        np.bincount(ladder.rung, weights=members, minlength=len(ladder.score))[None]
        for members in (~y, y)
    ]
    exact = STATISTICS(*histograms, ladder.score)[0]
    assert len(Ladder.of(y, p, STATISTICS.calibration_edges[:-1]).score) < 5000
    # The quality factor is about 4, the others at most 1; the smallest error here is 0.001.
    scale = np.array([1, 1, 4, 1, 1, 1])
    np.testing.assert_allclose(merged / scale, exact / scale, atol=3e-4)


def test_cells_and_rows_give_the_same_law(rng):
    y, p = probabilities(rng, 1000)
    cells = bootstrap_ranking(y, [(p, STATISTICS)], rng=rng)
    rows = bootstrap_ranking(y, [(p, STATISTICS)], rng=rng, sample_weight=np.ones(1000))
    np.testing.assert_allclose(cells.value, rows.value)
    np.testing.assert_allclose(cells.replicates.mean(0), rows.replicates.mean(0), rtol=0.02)
    np.testing.assert_allclose(cells.replicates.std(0), rows.replicates.std(0), rtol=0.15)


def test_models_are_drawn_together(rng):
    y, p = probabilities(rng, 500)
    twice = bootstrap_ranking(y, [(p, STATISTICS), (p**2, STATISTICS)], rng=rng, n_bootstrap=20)
    first, second = np.split(twice.replicates, 2, axis=1)
    # Squaring keeps the order: all but the calibration error must be the same in every draw.
    np.testing.assert_allclose(first[:, :-1], second[:, :-1])
    assert np.all(first[:, -1] != second[:, -1])


def test_a_draw_of_groups_without_signal_is_undefined(rng):
    y = as_labels([1, 0, 0, 0])
    found = bootstrap_ranking(
        y, [(np.array([0.9, 0.1, 0.2, 0.3]), STATISTICS)], rng=rng, groups=[0, 1, 2, 3]
    )
    missing = np.isnan(found.replicates[:, 0])
    assert np.mean(missing) == pytest.approx(0.75**4 + 0.25**4, abs=0.06)
    assert np.isfinite(found.interval().low)
