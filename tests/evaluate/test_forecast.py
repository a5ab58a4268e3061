"""Scores of forecasts: known cases, peers, and intervals that know of blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from skysift.core.errors import InputError
from skysift.evaluate.forecast import (
    Contingency,
    best_threshold,
    brier_skill_score,
    contingency,
    forecast_skill,
    full_disk_probability,
)


def sample(rng, n=400, regions=60):
    region = rng.integers(regions, size=n)
    activity = rng.normal(size=regions)[region]
    p = 1 / (1 + np.exp(-(activity - 1.0)))
    return rng.random(n) < p, np.round(p, 2), region


def test_chance_and_certainty_have_no_and_full_skill():
    assert Contingency(10, 90, 10, 90).tss == 0
    assert Contingency(10, 90, 10, 90).hss == 0
    perfect = Contingency(5, 0, 0, 95)
    assert (perfect.tss, perfect.hss, perfect.frequency_bias) == (1, 1, 1)
    assert np.isnan(Contingency(0, 0, 5, 95).false_alarm_ratio)


def test_the_true_skill_does_not_know_how_rare_events_are():
    rare, common = Contingency(8, 20, 2, 180), Contingency(80, 20, 20, 180)
    assert rare.tss == pytest.approx(common.tss)
    assert rare.hss < common.hss - 0.2


def test_scores_are_those_of_peers(rng):
    event, p, region = sample(rng)
    skill = forecast_skill(
        event, p, threshold=0.3, climatology=event.mean(), blocks=region, rng=rng, n_bootstrap=50
    )
    table = contingency(event, p, 0.3)
    assert skill["hss"].value == pytest.approx(cohen_kappa_score(event, p >= 0.3))
    assert skill["auc"].value == pytest.approx(roc_auc_score(event, p))
    assert skill["tss"].value == pytest.approx(table.tss)
    assert skill["accuracy"].value == pytest.approx(table.accuracy)
    assert skill["bss"].value == pytest.approx(
        1 - np.mean((p - event) ** 2) / np.mean((event.mean() - event) ** 2)
    )
    assert skill["hss"].value == pytest.approx(table.hss)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30))
def test_no_threshold_is_better_than_the_best(rows):
    event, p = (np.array(column) for column in zip(*rows, strict=True))
    if event.all() or not event.any():
        with pytest.raises(InputError):
            best_threshold(event, p)
        return
    best = contingency(event, p, best_threshold(event, p)).tss
    tried = [contingency(event, p, value).tss for value in np.append(p, 2.0)]
    assert best >= max(tried) - 1e-12


def test_the_threshold_weighs_rows(rng):
    event, p, _ = sample(rng)
    weight = rng.integers(1, 4, len(p))
    repeated = best_threshold(np.repeat(event, weight), np.repeat(p, weight))
    assert best_threshold(event, p, weight) == pytest.approx(repeated)


def test_blocks_widen_the_interval(rng):
    """Each row ten times over is no more information, if the copies are drawn together."""
    event, p, _ = sample(rng, n=150, regions=150)
    many = (np.repeat(event, 10), np.repeat(p, 10))
    row = np.repeat(np.arange(150), 10)
    settings = {"threshold": 0.3, "climatology": 0.3}
    once = forecast_skill(event, p, **settings, blocks=np.arange(150), rng=rng)["tss"]
    copies = forecast_skill(*many, **settings, blocks=row, rng=rng)["tss"]
    naive = forecast_skill(*many, **settings, blocks=np.arange(1500), rng=rng)["tss"]
    width = [one.high - one.low for one in (once, copies, naive)]
    assert width[1] == pytest.approx(width[0], rel=0.15)
    assert width[2] < 0.5 * width[1]


def test_the_interval_covers_the_truth(rng):
    """Of repeated samples of blocks, about 95 % have the long-run skill within their limits."""
    event, p, region = sample(rng, n=200_000, regions=20_000)
    truth = contingency(event, p, 0.3).tss
    rows = np.argsort(region, kind="stable")
    parts = np.array_split(rows, 150)  # about 133 regions each
    inside = [
        truth
        in forecast_skill(
            event[part],
            p[part],
            threshold=0.3,
            climatology=0.3,
            blocks=region[part],
            rng=rng,
            n_bootstrap=200,
        )["tss"]
        for part in parts
    ]
    assert 0.88 <= np.mean(inside) <= 0.99


def test_the_reference_may_change_from_row_to_row():
    event, p = [0, 1, 1], [0.1, 0.8, 0.6]
    one = brier_skill_score(event, p, 0.5)
    assert brier_skill_score(event, p, [0.5] * 3) == pytest.approx(one)
    with pytest.raises(InputError, match="for 3 forecasts"):
        brier_skill_score(event, p, [0.5, 0.5])


def test_a_certain_region_makes_a_certain_disk():
    disks, p = full_disk_probability([1.0, 0.2, 0.0], [7, 7, 3])
    assert disks.tolist() == [3, 7]
    assert p.tolist() == [0.0, 1.0]


def test_a_climatology_that_is_right_in_every_row_is_no_reference(rng):
    event, p = [0, 1], [0.2, 0.4]
    with pytest.raises(InputError, match="no forecast has skill beyond it"):
        brier_skill_score(event, p, [0.0, 1.0])
    with pytest.raises(InputError, match="no forecast has skill beyond it"):
        forecast_skill(
            event, p, threshold=0.3, climatology=[0.0, 1.0], blocks=[0, 1], rng=rng, n_bootstrap=10
        )
    assert np.isfinite(brier_skill_score(event, p, [0.0, 0.5]))
