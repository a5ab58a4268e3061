"""What drift is measured by: false alarms as stated, shifts found, honest references."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import Distribution
from skysift.core.errors import BundleError, ReadError
from skysift.core.registry import bundle_folder, shipped_bundles
from skysift.serve.drift.profile import count_values
from skysift.serve.drift.reference import (
    beside,
    find_reference,
    of_distribution,
)
from skysift.serve.drift.statistics import compare_counts, psi

EDGES = tuple(stats.norm.ppf(np.arange(1, 20) / 20).tolist())


def blocks_of(values, blocks=20):
    return [count_values(part, EDGES) for part in np.array_split(values, blocks)]


def test_psi_and_distance_are_those_of_the_peers():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=20_000), rng.normal(0.3, 1.1, size=5000)
    reference, window = count_values(first, EDGES), count_values(second, EDGES)
    p, q = (reference[:-1] + 0.5) / (20_000 + 10), (window[:-1] + 0.5) / (5000 + 10)
    entropies = stats.entropy(p, q) + stats.entropy(q, p)
    assert psi(reference[:-1], window[:-1]) == pytest.approx(entropies, rel=1e-12)
    found = compare_counts(reference, blocks_of(second))
    exact = stats.ks_2samp(first, second)
    assert found.distance <= exact.statistic
    assert found.distance == pytest.approx(exact.statistic, abs=0.01)


@pytest.mark.parametrize(("rows", "size"), [(500, 20_000), (5000, 20_000), (5000, 1195)], ids=str)
def test_chance_alarms_no_more_often_than_is_stated(rows, size):
    rng = np.random.default_rng(2)
    windows = 800
    p = np.empty((windows, 2))
    for row in p:
        reference = np.append(rng.multinomial(size, [0.05] * 20), 0)
        blocks = np.hstack([rng.multinomial(rows // 20, [0.05] * 20, 20), np.zeros((20, 1))])
        found = compare_counts(reference, blocks)
        row[:] = found.p_psi, found.p_distance
    for column in p.T:
        for level in (0.05, 0.01):
            alarms = int((column < level).sum())
            # so many would be exceeded with a probability of 1e-4 if chance kept to the level
            assert alarms <= stats.binom.isf(1e-4, windows, level)
    assert (p < 0.5).mean(axis=0).min() > 0.02  # these are tests at all


@pytest.mark.parametrize(("likeness", "naively"), [(0.1, 4), (0.3, 30)])
def test_rows_that_come_in_likeness_do_not_alarm_more_often(likeness, naively):
    """Cutouts of an exposure share its seeing: each block has a mean of its own."""
    rng = np.random.default_rng(3)
    p, naive = np.empty((200, 2)), 0
    for row in p:
        reference = count_values(rng.normal(0, np.hypot(1, likeness), 20_000), EDGES)
        values = [rng.normal(rng.normal(0, likeness), 1, 250) for _ in range(20)]
        blocks = [count_values(block, EDGES) for block in values]
        found = compare_counts(reference, blocks)
        row[:] = found.p_psi, found.p_distance
        whole = np.sum(blocks, axis=0)[:-1]
        naive += stats.chi2.sf(psi(reference[:-1], whole) / (1 / 5000 + 1 / 20_000), 19) < 0.01
    for column in p.T:
        assert (column < 0.01).sum() <= stats.binom.isf(1e-4, 200, 0.01)
    assert naive >= naively  # of 2 that there should be, if rows are taken for independent


def test_a_shift_is_found_and_more_rows_find_a_smaller_one():
    rng = np.random.default_rng(4)
    reference = count_values(rng.normal(size=20_000), EDGES)

    def found(shift, rows):
        return np.mean(
            [
                compare_counts(reference, blocks_of(rng.normal(shift, 1, rows))).p < 1e-5
                for _ in range(40)
            ]
        )

    assert found(0.2, 5000) == 1
    assert found(0.2, 500) < 0.9
    assert found(0.1, 20_000) > 0.5
    assert compare_counts(reference, blocks_of(rng.normal(0.3, 1, 50_000))).psi == pytest.approx(
        0.09,
        abs=0.01,  # of two normal distributions: the square of the shift, here in bins
    )


def test_missing_values_alarm_although_none_was_expected():
    reference = np.append(np.full(20, 500), 0)
    good = np.append(np.full(20, 25), 0)
    bad = np.append(np.full(20, 24), 20)
    assert compare_counts(reference, [good] * 10).p == 1
    found = compare_counts(reference, [good] * 5 + [bad] * 5)
    assert found.missing == pytest.approx(0.02)
    assert found.p < 0.01
    assert compare_counts(reference, [bad] * 10).p < 1e-6


@given(
    values=st.lists(st.floats(), max_size=60),
    edges=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_every_value_is_in_one_bin(values, edges):
    counts = count_values(values, edges)
    finite = [value for value in values if np.isfinite(value)]
    assert counts.sum() == len(values)
    assert counts[-1] == len(values) - len(finite)
    for place in range(len(edges) + 1):
        low = -np.inf if place == 0 else edges[place - 1]
        high = np.inf if place == len(edges) else edges[place]
        assert counts[place] == sum(low < value <= high for value in finite)


@given(st.lists(st.integers(0, 200), min_size=2, max_size=12), st.integers(1, 6))
def test_too_little_is_never_an_alarm_and_nothing_breaks(counts, blocks):
    found = compare_counts(counts, [counts] * blocks)
    assert 0 <= found.p <= 1
    if sum(counts) * blocks < 100:
        assert found.p == 1


def test_quantiles_with_ties_become_bins_whose_shares_are_known():
    values = np.concatenate([np.zeros(700), np.linspace(0.1, 1, 300)])
    levels = np.round(np.linspace(0, 1, 21), 2)
    quantiles = Distribution(levels=tuple(levels), values=tuple(np.quantile(values, levels)))
    quantity = of_distribution(quantiles, 1000)
    counted = count_values(values, quantity.edges)
    assert np.abs(counted - np.asarray(quantity.counts)).max() <= 1
    constant = Distribution(levels=(0, 0.5, 1), values=(2, 2, 2))
    assert of_distribution(constant, 10) is None


def test_references_of_shipped_bundles_are_usable_or_plainly_absent():
    for task in ("gamma-hadron", "star-galaxy", "gamma-sky", "flare", "streak", "active-region"):
        for folder in shipped_bundles(task):
            bundle = Bundle.load(folder)
            found = find_reference(bundle)
            assert bool(found) == bool(bundle.manifest.reference or beside(folder).exists())
            if found is not None:
                assert found.bundle == bundle.hash
                assert all(quantity.counts for quantity in found.quantities.values())


def test_a_reference_of_another_bundle_or_of_nonsense_is_refused(tmp_path):
    bundle = Bundle.load(bundle_folder("gamma-hadron"))
    path = tmp_path / "own.json"
    own = find_reference(bundle)
    path.write_text(own.to_json())
    assert find_reference(bundle, path) == own
    path.write_text(own.model_copy(update={"bundle": "0" * 64}).to_json())
    with pytest.raises(BundleError, match="for a bundle with the hash 0000"):
        find_reference(bundle, path)
    for nonsense in ("", "[" * 10_000, "{}", '{"quantities": {}}', "\xff", "NaN"):
        path.write_text(nonsense)
        with pytest.raises(ReadError):
            find_reference(bundle, path)
    with pytest.raises(ReadError):
        find_reference(bundle, tmp_path / "none.json")
