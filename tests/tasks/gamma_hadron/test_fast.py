"""The fast model answers as its teacher; its operating points owe nothing to what it saw."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score

from skysift.core.bundle_schema import DataLicence
from skysift.core.errors import UsageError
from skysift.tasks.gamma_hadron.fast import distil, expansion_for, measured_features
from skysift.tasks.gamma_hadron.model import load_bundle, save_bundle
from skysift.tasks.gamma_hadron.options import TrainOptions
from skysift.tasks.gamma_hadron.task import GammaHadron
from skysift.tasks.gamma_hadron.training import train

LICENCE = DataLicence(licence="none", citation="none")
RECORD = {"seed": 0, "command": "test", "licence": LICENCE}


def teacher_of(events, model="hist-gradient-boosting", mode="source-dependent"):
    options = TrainOptions(model=model, mode=mode, folds=3)
    return train(events, options, np.random.default_rng(0), **RECORD)


def student_of(teacher, events, *, synthetic_rows=12_000, epochs=6):
    rng = np.random.default_rng(1)
    return distil(teacher, events, rng, synthetic_rows=synthetic_rows, epochs=epochs, **RECORD)


@pytest.fixture(scope="module")
def events():
    return GammaHadron().synth(1500, np.random.default_rng(5))


@pytest.fixture(scope="module")
def unseen():
    return GammaHadron().synth(1500, np.random.default_rng(6))


@pytest.fixture(scope="module")
def pair(events):
    teacher = teacher_of(events)
    return teacher, student_of(teacher, events)


def test_it_answers_as_its_teacher_on_events_that_neither_has_seen(pair, unseen):
    teacher, student = pair
    wanted, _ = teacher.gammaness(unseen.table)
    found, error = student.gammaness(unseen.table)
    assert np.corrcoef(wanted, found)[0, 1] > 0.95
    lost = roc_auc_score(unseen.is_gamma, wanted) - roc_auc_score(unseen.is_gamma, found)
    assert lost < 0.015
    assert (error >= 0).all()


def test_it_sees_measured_columns_only_and_never_the_brightest_pixel(pair):
    _, student = pair
    assert "concentration_one_pixel" not in student.needed
    assert set(student.features) == {
        *("log_size", "length", "width", "concentration_two_pixel", "asymmetry", "m3_long"),
        *("abs_m3_trans", "alpha", "dist"),
    }


def test_without_the_source_it_knows_neither_alpha_nor_dist(events, unseen):
    teacher = teacher_of(events, "logistic-regression", "source-independent")
    student = student_of(teacher, events, synthetic_rows=1000, epochs=1)
    assert student.mode == "source-independent"
    assert {"alpha", "dist"}.isdisjoint(student.needed)
    blind = unseen.table.select([n for n in unseen.table.columns if n not in {"alpha", "dist"}])
    assert np.isfinite(student.gammaness(blind)[0]).all()


def test_a_bundle_gives_the_same_answers(pair, unseen, tmp_path):
    _, student = pair
    save_bundle(student, tmp_path / "fast", card="", summary="a test")
    loaded = load_bundle(tmp_path / "fast")
    for found, wanted in zip(
        loaded.gammaness(unseen.table), student.gammaness(unseen.table), strict=True
    ):
        assert_allclose(found, wanted, rtol=1e-6)
    assert loaded.operating_points == student.operating_points


def test_operating_points_hold_on_events_that_it_has_not_seen(pair):
    _, student = pair
    many = GammaHadron().synth(20_000, np.random.default_rng(7))
    gammaness, _ = student.gammaness(many.table)
    point = next(p for p in student.operating_points if p.name == "acceptance-0.1")
    passing = np.mean(gammaness[~many.is_gamma] >= point.threshold)
    assert 0.06 < passing < 0.14  # 530 hadrons chose the threshold: 1.3 % of scatter
    assert "out of fold" in point.chosen_on


def test_a_teacher_that_learns_by_heart_cannot_flatter_the_operating_points(events):
    """Nearest neighbours know their training rows; the record must not."""
    rng = np.random.default_rng(3)
    chance = np.where(events.table["alpha"] < 30, 0.65, 0.35)
    noisy = replace(events, is_gamma=rng.random(len(events)) < chance)
    teacher = teacher_of(noisy, model="knn")
    student = student_of(teacher, noisy, synthetic_rows=6000, epochs=30)
    (auc,) = student.metrics
    honest = roc_auc_score(noisy.is_gamma, teacher.predictor.out_of_fold)
    flattering = roc_auc_score(noisy.is_gamma, student.gammaness(noisy.table)[0])
    assert abs(auc.value - honest) < 0.04
    assert flattering > auc.value + 0.1


def test_a_teacher_must_know_which_rows_its_members_have_seen(events, tmp_path):
    save_bundle(
        teacher_of(events, "logistic-regression"), tmp_path / "teacher", card="", summary="a test"
    )
    with pytest.raises(UsageError, match="loaded from a bundle"):
        student_of(load_bundle(tmp_path / "teacher"), events)


def test_other_events_than_those_of_the_teacher_are_refused(pair, unseen):
    with pytest.raises(UsageError, match="other events"):
        student_of(pair[0], unseen)


def test_other_telescopes_get_what_their_columns_allow():
    names = measured_features(["log_size", "length", "width", "skewness_trans", "time_gradient"])
    assert names == ("log_size", "length", "width", "abs_skewness_trans", "abs_time_gradient")
    expansion = expansion_for(names)
    assert expansion.polar == ()
    assert expansion.ratios == (("width", "length"),)
    assert expansion(np.ones((3, 5))).shape == (3, 5 + 3 + 1)
