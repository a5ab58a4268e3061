"""Each check of the audit on its own, against planted artefacts and honest look-alikes."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, mannwhitneyu

from skysift.data.table import FeatureTable
from skysift.evaluate.audit import Severity
from skysift.evaluate.audit.combinations import simple_combinations
from skysift.evaluate.audit.duplicates import exact_groups, find_duplicates
from skysift.evaluate.audit.edges import pure_regions
from skysift.evaluate.audit.number_format import find_number_format, significant_digits
from skysift.evaluate.audit.regions import find_point_masses, find_pure_regions
from skysift.evaluate.audit.statistics import cross_fitted_auc, one_sided_fisher, rank_auc
from skysift.evaluate.audit.subject import Subject


def subject_of(rng, y, **columns):
    return Subject.of(FeatureTable.from_columns(columns), y, None, rng)


def best(values, y):
    return min(pure_regions(values, y), key=lambda region: region.p_value)


def test_an_edge_of_a_ratio_is_found_where_neither_feature_has_one(rng):
    n = 8000
    y = np.repeat([True, False], n // 2)
    total = rng.lognormal(size=n)
    fraction = np.where(y, 0.5 + 0.5 * rng.beta(1, 3, n), 0.45 + 0.55 * rng.beta(1.2, 3, n))
    subject = subject_of(rng, y, total=total, part=total * fraction)
    (finding,) = find_pure_regions(subject)
    assert finding.evidence["combination"] == "part/total"
    assert finding.severity is Severity.HIGH
    assert finding.evidence["high"] == pytest.approx(0.5, abs=2e-3)
    assert finding.n_background == np.count_nonzero(~y & (fraction < finding.evidence["high"]))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_few_strays_do_not_hide_an_edge(rng, sign):
    stops = np.concatenate([rng.uniform(0, 1, 8000), [-0.05, -0.12]])
    crosses = rng.uniform(-0.2, 1, 8000)
    y = np.repeat([True, False], [8002, 8000])
    region = best(sign * np.concatenate([stops, crosses]), y)
    assert (region.pure, region.n_other) == (False, 2)
    assert region.p_value < 1e-12
    edge = region.high if sign > 0 else -region.low
    assert edge == pytest.approx(0, abs=2e-3)


def test_a_gap_that_only_one_class_fills_is_found(rng):
    holed = rng.uniform(0, 1, 9000)
    holed = holed[(holed < 0.4) | (holed > 0.45)]
    y = np.repeat([True, False], [len(holed), 9000])
    region = best(np.concatenate([holed, rng.uniform(0, 1, 9000)]), y)
    assert region.p_value < 1e-20
    assert (region.low, region.high) == (
        pytest.approx(0.4, abs=1e-3),
        pytest.approx(0.45, abs=1e-3),
    )


HONEST = {
    "gaussian, far apart": lambda r, n: (r.normal(4, 1, n), r.normal(0, 1, n)),
    "gaussian, wider": lambda r, n: (r.normal(0, 1, n), r.normal(0, 4, n)),
    "log-normal": lambda r, n: (r.lognormal(0, 2, n), r.lognormal(2, 1.5, n)),
    "exponential": lambda r, n: (r.exponential(1, n), r.exponential(10, n)),
    "near zero within a common range": lambda r, n: (
        np.abs(r.normal(0, 8, n)),
        r.uniform(0, 90, n),
    ),
    "counts": lambda r, n: (r.poisson(3, n).astype(float), r.poisson(12, n).astype(float)),
    "heavy tails": lambda r, n: (r.standard_t(3, n), r.standard_t(2, n) * 3),
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_separation_is_no_edge(rng, kind):
    n = 6000
    signal, background = HONEST[kind](rng, n)
    y = np.repeat([True, False], n)
    values = np.concatenate([signal, background])
    # Many of these have large pure regions: purity alone must not be enough.
    assert all(region.p_value * region.n_tested > 1e-6 for region in pure_regions(values, y))


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_an_edge_does_not_depend_on_the_unit(scale, shift):
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.uniform(0, 1, 2000), rng.uniform(-0.2, 1, 2000)])
    y = np.repeat([True, False], 2000)
    here, there = best(values - 2, y), best(scale * (values - 2) - scale * abs(shift), y)
    assert there.n_pure == here.n_pure
    assert there.high == pytest.approx(scale * (here.high - abs(shift)))


def test_sums_are_formed_only_within_a_unit(rng):
    matrix = rng.uniform(1, 2, (100, 3))
    kinds = [
        str(one) for one, _ in simple_combinations(("a", "b", "c"), matrix, ("mm", "mm", "deg"))
    ]
    assert "a - b" in kinds
    assert "a + b" in kinds
    assert not any("c" in kind and ("+" in kind or " - " in kind) for kind in kinds)
    assert sum("/" in kind for kind in kinds) == 3


def test_a_default_value_of_one_class_is_a_point_mass(rng):
    y = np.repeat([True, False], 2000)
    values = rng.normal(size=4000)
    values[:100] = 0.125
    (finding,) = find_point_masses(subject_of(rng, y, x=values))
    assert (finding.n_signal, finding.n_background) == (100, 0)
    assert finding.evidence["value"] == 0.125
    assert finding.severity is Severity.HIGH


def test_a_default_value_of_both_classes_is_not(rng):
    y = np.repeat([True, False], 2000)
    values = rng.normal(size=4000)
    values[::40] = 0.125
    assert find_point_masses(subject_of(rng, y, x=values)) == []


def test_copies_conflicts_and_near_copies_are_told_apart(rng):
    y = np.repeat([True, False], 1000)
    x = rng.normal(size=(2000, 4))
    x[10:20] = x[20:30]
    x[1010] = x[40]
    x[100:120] = x[200:220].astype(np.float32)
    columns = {name: x[:, j] for j, name in enumerate("abcd")}
    split = np.zeros(2000, dtype=int)
    split[:15] = 1
    found = {
        one.code: one.evidence["n_pairs"]
        for one in find_duplicates(subject_of(rng, y, **columns), split)
    }
    assert found == {
        "duplicate-rows": 11,
        "duplicate-label-conflict": 1,
        "duplicates-across-split": 5,
        "near-duplicate-rows": 20,
    }


def test_coarse_or_few_features_repeat_honestly(rng):
    y = rng.random(3000) < 0.5
    assert find_duplicates(subject_of(rng, y, x=rng.uniform(size=3000)), None) == []
    counts = {name: rng.poisson(3, 3000).astype(float) for name in "ab"}
    assert find_duplicates(subject_of(rng, y, **counts), None) == []


def test_rows_with_the_same_gaps_are_equal():
    matrix = np.array([[1.0, np.nan], [1.0, -np.nan], [0.0, 2.0], [-0.0, 2.0], [1.0, 0.0]])
    group = exact_groups(matrix)
    assert group[0] == group[1]
    assert group[2] == group[3]
    assert len(set(group.tolist())) == 3


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_digits_are_those_of_the_shortest_text(value):
    expected = len(Decimal(repr(value)).normalize().as_tuple().digits) if value else 0
    assert significant_digits([repr(value)], trailing_zeros=False).tolist() == [expected]


@pytest.mark.parametrize("format_", ["{:.4f}", "{:.6g}", "{!r}"])
def test_one_format_for_both_classes_is_no_finding_however_different_the_sizes(rng, format_):
    y = np.repeat([True, False], 4000)
    text = [format_.format(float(v)) for v in rng.lognormal(4 * y, 1)]
    subject = subject_of(rng, y, x=np.array(text, dtype=float))
    assert find_number_format(subject, None) == []
    assert find_number_format(subject, {"x": text}) == []


def test_two_formats_are_found_though_the_values_are_alike(rng):
    y = np.repeat([True, False], 2000)
    values = rng.uniform(100, 900, 4000)
    text = [f"{v:.6g}" if s else f"{v:.4f}" for v, s in zip(values, y, strict=True)]
    (finding,) = find_number_format(subject_of(rng, y, x=np.array(text, dtype=float)), None)
    assert finding.evidence["digits"] == 6
    assert finding.n_signal == 0
    assert finding.n_background > 1500


def test_trailing_zeros_show_in_the_text_alone(rng):
    y = np.repeat([True, False], 500)
    values = rng.integers(10, 99, 1000).astype(float)
    text = [f"{v:.1f}" if s else f"{v:.3f}" for v, s in zip(values, y, strict=True)]
    subject = subject_of(rng, y, x=values)
    assert find_number_format(subject, None) == []
    (finding,) = find_number_format(subject, {"x": text})
    assert (finding.n_signal, finding.n_background) == (0, 500)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=4, max_size=40))
def test_the_rank_auc_is_mann_whitney(rows):
    scores = np.array([row[0] for row in rows], dtype=float)
    y = np.array([row[1] for row in rows])
    if y.all() or not y.any():
        assert rank_auc(scores, y) == 0.5
        return
    expected = mannwhitneyu(scores[y], scores[~y]).statistic / (y.sum() * (~y).sum())
    assert rank_auc(scores, y) == pytest.approx(expected)


@given(*[st.integers(0, 30)] * 4)
def test_the_one_sided_fisher_is_scipys(pure, other, pure_near, other_near):
    table = [[other, pure], [other_near, pure_near]]
    expected = fisher_exact(table, alternative="less").pvalue
    assert one_sided_fisher(pure, other, pure_near, other_near) == pytest.approx(expected)


def test_many_rare_categories_gain_nothing_by_chance(rng):
    y = rng.random(4000) < 0.3
    assert cross_fitted_auc(rng.integers(0, 1000, 4000), y, rng) == pytest.approx(0.5, abs=0.05)
    assert cross_fitted_auc(y.astype(np.int64), y, rng) == 1.0
