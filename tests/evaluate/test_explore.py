"""Exploration: known distributions and peers as oracles."""

import json

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, spearmanr

from skysift.data.table import FeatureTable
from skysift.evaluate.explore import binned_separation, explore


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(20261121)
    n = 20_000
    y = np.repeat([True, False], [n // 4, 3 * n // 4])
    columns = {
        "shifted": rng.normal(size=n) + y,
        "wider": rng.normal(size=n) * np.where(y, 1, 3),
        "falling": -2.0 * y + rng.normal(size=n),
        "counts": rng.poisson(np.where(y, 2, 6)).astype(float),
        "constant": np.ones(n),
    }
    columns["shifted"][:100] = np.nan
    table = FeatureTable.from_columns(columns, units={"shifted": "mm"})
    return table, y, explore(table, y, rng=rng)


def test_separation_of_gaussians_is_the_known_one(found):
    _, _, exploration = found
    shifted, wider, falling, _, constant = exploration.separations
    assert shifted.auc.low < norm.cdf(1 / np.sqrt(2)) < shifted.auc.high
    assert shifted.kolmogorov_smirnov == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.02)
    # The AUC is blind to a difference in width, the separation is not.
    assert wider.auc.low < 0.5 < wider.auc.high
    x = np.linspace(-15, 15, 6001)
    s, b = norm.pdf(x), norm.pdf(x, scale=3)
    assert wider.separation == pytest.approx(
        0.5 * np.trapezoid((s - b) ** 2 / (s + b), x), abs=0.015
    )
    assert falling.auc.value < 0.5
    assert falling.power.value == pytest.approx(1 - falling.auc.value)
    assert falling.power.low < falling.power.value < falling.power.high
    assert constant.auc.value == pytest.approx(0.5)
    assert constant.separation == 0.0


def test_best_feature_comes_first_in_the_rows(found):
    _, _, exploration = found
    rows = exploration.to_rows()
    assert rows[-1]["feature"] == "constant"
    assert [row["separation"] for row in rows] == sorted(
        (row["separation"] for row in rows), reverse=True
    )


def test_counts_gaps_and_prior(found):
    table, y, exploration = found
    signal, background = exploration.summaries[:2]
    assert (signal.label, signal.n, signal.missing) == ("signal", 4900, 100)
    assert (background.n, background.missing) == (15_000, 0)
    assert exploration.prior == 0.25
    zeros = {(one.feature, one.label): one.zeros for one in exploration.summaries}
    assert zeros["counts", "signal"] == np.count_nonzero(table["counts"][y] == 0)


def test_histograms_lose_no_row(found):
    _, _, exploration = found
    summaries = {(one.feature, one.label): one for one in exploration.summaries}
    for one in exploration.distributions:
        assert len(one.edges) == len(one.counts["signal"]) + 1
        for label, counts in one.counts.items():
            assert counts.sum() + one.outside[label] == summaries[one.feature, label].n


def test_whole_numbers_get_a_bin_each(found):
    table, y, exploration = found
    one = exploration.distributions[3]
    assert np.all(np.diff(one.edges) == 1)
    np.testing.assert_array_equal(
        one.counts["signal"],
        np.bincount(table["counts"][y].astype(int), minlength=len(one.edges) - 1),
    )


def test_one_wild_value_does_not_spoil_the_histogram(rng):
    values = np.append(rng.normal(size=999), 1e9)
    table = FeatureTable.from_columns({"x": values})
    one = explore(table, rng.random(1000) < 0.5, rng=rng).distributions[0]
    assert one.edges[-1] < 10
    assert sum(one.outside.values()) >= 1


def test_correlations_agree_with_peers(found):
    table, y, exploration = found
    complete = table.matrix(["wider", "falling", "counts"])
    spearman = exploration.correlations["spearman"]
    np.testing.assert_allclose(spearman["all"][1:4, 1:4], spearmanr(complete).statistic, atol=1e-12)
    np.testing.assert_allclose(
        exploration.correlations["pearson"]["background"][1:4, 1:4],
        np.corrcoef(complete[~y].T),
        atol=1e-12,
    )
    # Rows without a value are left out pair by pair.
    seen = np.isfinite(table["shifted"])
    expected = spearmanr(table["shifted"][seen], table["wider"][seen]).statistic
    assert spearman["all"][0, 1] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(spearman["all"][4]).all()


def test_duplicates_are_counted(rng):
    x = rng.normal(size=(500, 2))
    x[1:4] = x[0]
    table = FeatureTable.from_columns({"a": x[:, 0], "b": x[:, 1]})
    assert explore(table, rng.random(500) < 0.5, rng=rng).n_duplicates == 3


def test_the_kolmogorov_smirnov_distance_is_scipys(found):
    table, y, exploration = found
    expected = ks_2samp(table["counts"][y], table["counts"][~y], method="asymp").statistic
    assert exploration.separations[3].kolmogorov_smirnov == pytest.approx(expected)


def test_a_feature_that_one_class_lacks_does_not_stop_the_rest(rng):
    y = rng.random(400) < 0.5
    table = FeatureTable.from_columns(
        {"only_background": np.where(y, np.nan, 1.0), "x": rng.normal(size=400)}
    )
    exploration = explore(table, y, rng=rng)
    assert np.isnan(exploration.separations[0].auc.value)
    assert exploration.to_rows()[-1]["feature"] == "only_background"
    written = json.loads(json.dumps(exploration.to_dict(), allow_nan=False))
    assert written["separations"][0]["separation"] is None
    assert written["summaries"][0]["mean"] is None


def test_equal_classes_have_the_expected_residual_separation(rng):
    k, n = 50, 2000
    draws = [binned_separation(*rng.multinomial(n, np.full(k, 1 / k), size=2)) for _ in range(200)]
    assert np.mean(draws) == pytest.approx((k - 1) / (2 * n), rel=0.05)
    assert np.isnan(binned_separation([0, 0], [1, 2]))


@pytest.mark.mirror
def test_alpha_separates_best_in_magic(mirror):
    names = ["fLength", "fWidth", "fSize", "fConc", "fConc1"]
    names += ["fAsym", "fM3Long", "fM3Trans", "fAlpha", "fDist"]
    path = mirror / "magic" / "magic04.data"
    rows = [line.split(",") for line in path.read_text().split()]
    y = np.array([row[-1] == "g" for row in rows])
    matrix = np.array([row[:-1] for row in rows], dtype=float)
    table = FeatureTable.from_columns({name: matrix[:, j] for j, name in enumerate(names)})
    exploration = explore(table, y, rng=np.random.default_rng(0))
    assert exploration.to_rows()[0]["feature"] == "fAlpha"
    assert (exploration.n_signal, exploration.n_background) == (12_332, 6_688)
    assert exploration.n_duplicates == 115
    zero_width = {one.label: one.zeros for one in exploration.summaries if one.feature == "fWidth"}
    assert zero_width == {"signal": 78, "background": 20}
