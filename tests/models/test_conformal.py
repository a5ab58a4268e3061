"""Split-conformal quantiles against crepes and MAPIE's definition, and the promise itself."""

import math

import crepes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.bundle_schema import Training
from skysift.core.conformal import promises_from_bytes, promises_to_bytes
from skysift.core.errors import BundleError, InputError, UsageError
from skysift.models.conformal import (
    FEWEST,
    adaptive_scores,
    calibrate,
    class_sets_of,
    conformal_quantile,
    covered,
    lac_scores,
    limits_of,
    set_texts,
)
from skysift.models.promised_rows import check_later, class_rows, error_rows, split_rows

ON_RECORD = Training(
    data="made up", sha256="0" * 64, n_rows=1, split="held out", seed=1, command="skysift"
)
CLASSES = ("quiet", "flare")


def labelled(n, seed, *, shift=0.0):
    """Probabilities of two classes that are honest at shift 0, and harder in half of the group."""
    rng = np.random.default_rng(seed)
    group = rng.uniform(0, 2, n)
    odds = rng.normal(0, np.where(group < 1, 3.0, 1.0))
    p = 1 / (1 + np.exp(-odds))
    truth = (rng.random(n) < 1 / (1 + np.exp(-(odds + shift)))).astype(np.int64)
    return np.column_stack([1 - p, p]), truth, group


def rows_of(n, seed, **given):
    probability, truth, group = labelled(n, seed, **given)
    blocks = np.arange(n)
    return class_rows(
        "set", probability, truth, CLASSES, blocks=blocks, by="x", group=group, groups=2
    )


@settings(max_examples=40)
@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    coverage=st.floats(0.01, 0.99),
)
def test_the_quantile_is_the_order_statistic_of_one_row_more(scores, coverage):
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    wanted = math.inf if rank > len(scores) else sorted(scores)[rank - 1]
    assert conformal_quantile(scores, coverage) == wanted


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 2.0])
def test_a_coverage_is_between_none_and_all(coverage):
    with pytest.raises(UsageError, match="cannot be kept"):
        conformal_quantile([1.0, 2.0], coverage)


@pytest.mark.parametrize("coverage", [0.68, 0.9, 0.95])
def test_sets_are_those_of_crepes_by_class_and_group(coverage):
    known, new = rows_of(1003, 1), rows_of(400, 2)
    promise = calibrate(known, ON_RECORD)
    edge = known.edges[0]
    found = new.scores <= limits_of(promise, coverage, new.group, len(new))
    for column in range(2):
        mine = known.truth == column
        peer = crepes.ConformalClassifier()
        peer.fit(known.scores[mine, column], bins=known.group[mine] >= edge)
        answer = peer.predict_set(
            new.scores[:, column], bins=new.group >= edge, confidence=coverage, smoothing=False
        )
        np.testing.assert_array_equal(found[:, column], np.asarray(answer, dtype=bool).ravel())


def test_intervals_are_those_of_crepes():
    rng = np.random.default_rng(3)
    sigma = rng.uniform(0.5, 2.0, 503)
    residual = rng.standard_t(3, 503) * sigma
    promise = calibrate(
        error_rows("length", "interval", np.abs(residual) / sigma, blocks=np.arange(503)), ON_RECORD
    )
    peer = crepes.ConformalRegressor()
    peer.fit(residuals=residual, sigmas=sigma)
    widths = np.array([0.7, 1.3])
    bounds = peer.predict_int(np.zeros(2), sigmas=widths, confidence=0.9)
    mine = widths * limits_of(promise, 0.9, None, 2)[:, 0]
    np.testing.assert_allclose(bounds[:, 1], mine, rtol=1e-6)  # stored with seven decimals


def test_adaptive_scores_are_the_probability_of_all_that_are_as_probable():
    p = np.random.default_rng(4).dirichlet(np.ones(5), 50)
    order = np.argsort(-p, axis=1)
    wanted = np.empty_like(p)
    np.put_along_axis(wanted, order, np.cumsum(np.take_along_axis(p, order, 1), axis=1), axis=1)
    np.testing.assert_allclose(adaptive_scores(p), wanted)


@pytest.mark.parametrize("score", [lac_scores, adaptive_scores])
def test_the_truth_is_covered_as_promised_on_average_over_calibrations(score):
    probability, truth, _ = labelled(40_000, 5)
    own = score(probability)[np.arange(len(truth)), truth].reshape(400, 100)
    shares = [np.mean(row[50:] <= conformal_quantile(row[:50], 0.8)) for row in own]
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) > 41 / 51 - 4 * error
    if score is lac_scores:  # which has no ties
        assert np.mean(shares) < 41 / 51 + 4 * error


def test_each_class_is_covered_whatever_its_share():
    """And each group: one limit for all of them would not do."""
    known, new = rows_of(20_000, 6), rows_of(20_000, 7)
    promise = calibrate(known, ON_RECORD)
    rare = new.take(np.flatnonzero((new.truth == 0) | (np.arange(len(new)) % 20 == 0)))
    inside, _ = covered(rare, promise, 0.9)
    for column in range(2):
        assert np.mean(inside[rare.truth == column]) == pytest.approx(0.9, abs=0.02)
    one_for_all = conformal_quantile(known.scores[np.arange(len(known)), known.truth], 0.9)
    pooled = rare.scores[np.arange(len(rare)), rare.truth] <= one_for_all
    hard = rare.group >= 1
    apart = [np.mean(one[~hard]) - np.mean(one[hard]) for one in (pooled, inside)]
    assert apart[0] > 0.02  # one limit for all gives the easy group what the hard one lacks
    assert abs(apart[1]) < 0.01


def test_a_shift_breaks_the_promise_and_the_check_sees_it():
    promise = calibrate(rows_of(5000, 8), ON_RECORD)
    inside, _ = covered(rows_of(5000, 9, shift=2.0), promise, 0.9)
    assert np.mean(inside) < 0.85


def test_a_group_of_few_rows_has_the_limits_of_all():
    rows = rows_of(400, 10)
    few = rows.take(np.flatnonzero((rows.group < rows.edges[0]) | (np.arange(len(rows)) < FEWEST)))
    promise = calibrate(few, ON_RECORD)
    groups = {(one.label, one.low, one.high) for one in promise.strata}
    edge = rows.edges[0]
    assert {(label, None, None) for label in CLASSES} <= groups
    assert not any(low == edge for _, low, _ in groups)
    limits = limits_of(promise, 0.8, [edge + 0.1, np.nan], 2)
    np.testing.assert_array_equal(limits[0], limits[1])


def test_too_few_rows_promise_everything():
    promise = calibrate(rows_of(12, 11), ON_RECORD)
    assert np.isinf(limits_of(promise, 0.99, None, 1)).all()
    assert class_sets_of(promise, np.array([[0.5, 0.5]]), 0.99).tolist() == ["quiet,flare"]


def test_rows_without_an_answer_have_no_set_and_make_no_promise():
    rows = rows_of(400, 12)
    scores = rows.scores.copy()
    scores[::2] = np.nan
    broken = class_rows("set", 1 - scores, rows.truth, CLASSES, blocks=rows.blocks)
    promise = calibrate(broken, ON_RECORD)
    assert sum(one.n for one in promise.strata) == 200
    assert class_sets_of(promise, np.full((1, 2), np.nan), 0.9).tolist() == [""]


def test_a_class_without_rows_cannot_be_promised():
    rows = rows_of(200, 13)
    with pytest.raises(InputError, match="No row of the class 'flare'"):
        calibrate(rows.take(rows.truth == 0), ON_RECORD)


def test_the_stored_promise_is_the_same_and_many_scores_are_thinned_to_the_safe_side():
    rows = rows_of(30_000, 14)
    promise = calibrate(rows, ON_RECORD)
    data = promises_to_bytes((promise,))
    assert len(data) < 80_000
    (again,) = promises_from_bytes(data)
    assert again == promise
    own = rows.scores[rows.truth == 1, 1]
    for coverage in (0.5, 0.9, 0.99):
        exact = conformal_quantile(own, coverage)
        stored = limits_of(again, coverage, None, 1)[0, 1]
        assert exact <= stored <= np.quantile(own, min(coverage + 2e-3, 1))


@pytest.mark.parametrize(
    "broken", [b"{", b'{"schema_version": 2, "promises": []}', b'{"promises": [{"name": 3}]}']
)
def test_a_damaged_file_is_refused(broken):
    with pytest.raises(BundleError, match=r"conformal\.json breaks its schema"):
        promises_from_bytes(broken)


def test_time_parts_the_past_from_the_future_with_blocks_whole():
    rows = rows_of(100, 15)
    time = np.datetime64("2014-07-01", "s") + np.arange(100) * np.timedelta64(1, "D")
    timed = class_rows(
        "set", 1 - rows.scores, rows.truth, CLASSES, blocks=np.arange(100) // 7, time=time
    )
    first, second = split_rows(timed, 0.5, np.random.default_rng(0))
    assert first.time.max() < second.time.min()
    assert not set(first.blocks) & set(second.blocks)
    assert abs(len(first) - 50) <= 7


def test_rows_as_early_as_the_training_are_refused_and_so_are_those_of_which_nothing_is_known():
    times = np.array(["2014-07-01", "2014-08-01"], "datetime64[s]")
    seen = ON_RECORD.model_copy(update={"split": "2010-05-01 to 2014-06-30T12:00:00"})
    check_later(times, "made up", seen)
    check_later(times - np.timedelta64(3650, "D"), "another", seen)
    with pytest.raises(UsageError, match="saw made up until 2014-06-30"):
        check_later(times - np.timedelta64(2, "D"), "made up", seen)
    went_on = seen.model_copy(update={"split": "9 rows to stop on, 12 to measure"})
    with pytest.raises(UsageError, match="does not tell which"):
        check_later(times, "made up", went_on)


def test_blocks_that_cannot_be_parted_are_refused():
    rows = rows_of(10, 16)
    one = class_rows("set", 1 - rows.scores, rows.truth, CLASSES, blocks=np.zeros(10, np.int64))
    with pytest.raises(InputError, match="cannot be parted"):
        split_rows(one, 0.5, np.random.default_rng(0))


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=1, max_size=20))
def test_texts_name_the_classes_that_are_in(inside):
    names = ("a", "b", "c")
    texts = set_texts(np.array(inside), names)
    for text, row in zip(texts, inside, strict=True):
        assert str(text) == ",".join(n for n, is_in in zip(names, row, strict=True) if is_in)
