"""An update replays half of the reference rows, is judged on the others, and may be refused."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import InputError, RefusedError
from skysift.evaluate.updating import judge, paired_loss, sample, update
from skysift.models.lessons import Rows

ORIGIN = Origin(
    Lineage(parent="one", parent_hash="0" * 64, verb="update", method="none"),
    "new data",
    DataLicence(licence="MIT", citation="us"),
)


def some_rows(n, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    group = np.arange(n) if groups is None else rng.integers(groups, size=n)
    return Rows(rng.normal(size=(n, 1)), rng.integers(2, size=n).astype(float), group)


@dataclass
class Pupil:
    """A model whose loss on every row is a number, and what it was given to learn."""

    harm: float
    seen: object = None
    lineage: object = None

    def losses(self, rows, model):
        noise = np.random.default_rng(0).normal(0, 0.05, len(rows))
        return np.full(len(rows), 0.3) + (0.0 if model is self else model.harm + noise)

    def go_on(self, parent, new, replay, options, rng, *, origin, progress):
        return replace(parent, seen=replay, lineage=origin.lineage)


def run(pupil, reference, **options):
    return update(
        pupil,
        pupil,
        some_rows(20, seed=9),
        reference,
        ContinueOptions(),
        rng=np.random.default_rng(0),
        origin=ORIGIN,
        **options,
    )


def test_half_is_replayed_and_the_other_half_judges():
    reference = some_rows(100)
    model, judgement = run(Pupil(0.0), reference)
    assert len(model.seen) == judgement.n == 50
    assert model.lineage.replayed == 50
    assert judgement.accepted
    assert not set(model.seen.group) - set(reference.group)


def test_rows_that_are_learned_do_not_judge():
    """Nor do others of their groups, however they are labelled."""
    new = some_rows(20, seed=9)
    flipped = replace(new.take(np.arange(6)), label=1 - new.label[:6])
    reference = some_rows(60, groups=30).followed_by(flipped)
    model, judgement = run(Pupil(0.0), reference, margin=1.0)
    assert len(model.seen) + judgement.n == 60
    with pytest.raises(InputError, match="not among the new data"):
        run(Pupil(0.0), flipped)


def test_a_worse_model_is_refused_with_the_numbers():
    with pytest.raises(RefusedError, match=r"\+0\.1.*margin is 0\.02"):
        run(Pupil(0.1), some_rows(100))


def test_a_wider_margin_accepts_it():
    _, judgement = run(Pupil(0.1), some_rows(100), margin=0.2)
    assert judgement.accepted
    assert judgement.difference.value == pytest.approx(0.1, abs=0.02)


def test_too_few_rows_to_tell_are_a_refusal():
    with pytest.raises(RefusedError):
        run(Pupil(0.0), some_rows(6))


def test_one_group_is_no_reference():
    with pytest.raises(InputError, match="independent"):
        run(Pupil(0.0), some_rows(10, groups=1))


def test_a_model_that_is_worse_by_the_margin_passes_one_time_in_twenty():
    rng = np.random.default_rng(1)
    n, trials = 80, 2000
    changes = rng.normal(0.02, 0.1, (trials, n))
    old = np.zeros(n)
    passed = sum(judge(old, change, np.arange(n), margin=0.02).accepted for change in changes)
    assert 0.03 < passed / trials < 0.075


def test_rows_of_a_group_do_not_make_it_surer():
    rng = np.random.default_rng(1)
    change = np.repeat(rng.normal(0, 0.1, 50), 10)
    alone = judge(np.zeros(500), change, np.arange(500)).difference
    grouped = judge(np.zeros(500), change, np.repeat(np.arange(50), 10)).difference
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


def test_a_sample_keeps_whole_groups():
    rows = some_rows(300, groups=60)
    found = sample(rows, 100, np.random.default_rng(0))
    assert 80 < len(found) <= 100
    for group in np.unique(found.group):
        assert (found.group == group).sum() == (rows.group == group).sum()
    assert sample(rows, 300, np.random.default_rng(0)) is rows


def test_paired_loss_knows_the_sign():
    truth = np.array([True, False] * 50)
    sure, even = np.where(truth, 0.9, 0.1), np.full(100, 0.5)
    metric = paired_loss(truth, sure, even, split="s")
    assert metric.value == pytest.approx(np.log(0.5) - np.log(0.9))
    assert metric.split == "s, child minus parent"
