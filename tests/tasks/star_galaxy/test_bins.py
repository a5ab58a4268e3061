"""Every measure in bins of magnitude: those of the rows of the bin, with limits that can be."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from skysift.report import Page
from skysift.tasks.star_galaxy.pages.sections import add_by_magnitude
from skysift.tasks.star_galaxy.pages.study import Study
from skysift.tasks.star_galaxy.scoring import Contestant, Scored

N = 900
MEASURES = ("auc", "log_loss", "brier", "ece", "star_completeness@0.005")


def scored(magnitude, is_galaxy, probability, groups):
    n = len(magnitude)
    names = np.array([f"object-{k}" for k in range(n)])
    empty = Scored(names, is_galaxy, magnitude, groups, {}, {}, {}, {}, "data", "split")
    model = Contestant("m", "the model", "bundle", "pixels")
    return empty.add(model, probability, np.zeros(n), np.zeros(n, dtype=bool))


@pytest.fixture
def study(rng):
    """Sure of bright objects, in doubt of faint ones; four galaxies only are the brightest."""
    magnitude = np.repeat([14.0, 16.5, 18.7], N // 3)
    is_galaxy = rng.random(N) < 0.5
    is_galaxy[: N // 3] = np.arange(N // 3) < 4
    spread = np.repeat([0.02, 0.02, 0.25], N // 3)
    probability = np.clip(np.abs(~is_galaxy - np.abs(rng.normal(0.0, spread))), 0.001, 0.999)
    return Study(scored(magnitude, is_galaxy, 1 - probability, np.arange(N)), "m")


def test_measures_are_those_of_the_objects_in_the_bin(study):
    assert list(study.bins) == ["16-17", "18.5-19"]  # of four galaxies most measures say nothing
    for name, rows in (("16-17", slice(N // 3, 2 * N // 3)), ("18.5-19", slice(2 * N // 3, N))):
        found = study.bins[name]
        y, p = study.scored.is_galaxy[rows], study.scored.probability["m"][rows]
        assert found["auc"].value == pytest.approx(roc_auc_score(y, p))
        assert found["log_loss"].value == pytest.approx(log_loss(y, p))
        assert found["brier"].value == pytest.approx(brier_score_loss(y, p))
        for measure in MEASURES:
            assert 0 <= found[measure].low <= found[measure].value <= found[measure].high
    assert study.bins["16-17"]["brier"].high < study.bins["18.5-19"]["brier"].low


def test_a_single_bad_error_gives_no_limit_below_zero(rng):
    is_galaxy = np.arange(200) % 2 == 0
    probability = np.where(is_galaxy, 0.999, 0.001)
    probability[0] = 0.001
    study = Study(scored(np.full(200, 18.7), is_galaxy, probability, np.arange(200)), "m")
    for found in (study.bins["18.5-19"], study.evaluations["m"]):
        for measure in ("log_loss", "brier"):
            assert 0 <= found[measure].low < found[measure].high


def test_one_loss_for_all_is_no_count_of_successes():
    is_galaxy = np.arange(200) % 2 == 0
    found = Study(scored(np.full(200, 18.7), is_galaxy, np.full(200, 0.5), np.arange(200)), "m")
    loss = found.bins["18.5-19"]["log_loss"]
    np.testing.assert_allclose([loss.low, loss.value, loss.high], np.log(2))


def test_a_bin_of_one_group_is_left_out():
    is_galaxy = np.arange(200) % 2 == 0
    magnitude = np.repeat([16.5, 18.7], 100)
    groups = np.repeat([0, 1], [100, 100]) + np.repeat([0, 1], [150, 50])
    study = Study(scored(magnitude, is_galaxy, np.where(is_galaxy, 0.9, 0.1), groups), "m")
    assert list(study.bins) == ["18.5-19"]


def test_the_page_has_them_whichever_bins_are_empty(study):
    page = Page(title="t", subtitle="s")
    add_by_magnitude(page, study)
    html = page.to_html()
    assert "the model in each bin" in html
    assert "Stars kept: with 0.5 % galaxies" in html
