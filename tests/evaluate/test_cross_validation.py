"""Out-of-fold scores do not leak."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from skysift.core.errors import InputError
from skysift.data.splits import distinct_groups
from skysift.evaluate.cross_validation import cross_val_scores


class OneColumn:
    """Returns probabilities of one class only, and what it is told."""

    def __init__(self, value=0.5, columns=1):
        self.value, self.columns = value, columns

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.full((len(x), self.columns), self.value)


def test_each_row_is_scored_by_a_model_of_the_other_folds(rng):
    y = rng.random(600) < 0.4
    x = rng.normal(size=(600, 2)) + y[:, None]
    found = cross_val_scores(LogisticRegression, x, y, n_splits=4, rng=rng)
    for k in range(4):
        here = found.fold == k
        model = LogisticRegression().fit(x[~here], y[~here])
        np.testing.assert_allclose(found.score[here], model.predict_proba(x[here])[:, 1])
    assert found.pooled_auc(y).value == pytest.approx(roc_auc_score(y, found.score))
    assert found.fold_aucs(y) == pytest.approx(
        [roc_auc_score(y[found.fold == k], found.score[found.fold == k]) for k in range(4)]
    )
    assert found.mean_fold_auc(y) == pytest.approx(found.fold_aucs(y).mean())


def test_duplicates_betray_their_labels_unless_they_are_grouped(rng):
    # Labels are noise, so an honest AUC is 0.5; each row comes twice.
    x = np.repeat(rng.normal(size=(400, 3)), 2, axis=0)
    y = np.repeat(rng.random(400) < 0.5, 2)

    def nearest():
        return KNeighborsClassifier(n_neighbors=1)

    leaking = cross_val_scores(nearest, x, y, rng=rng)
    honest = cross_val_scores(nearest, x, y, distinct_groups(x), rng=rng)
    assert leaking.pooled_auc(y).value > 0.8
    assert 0.5 in honest.pooled_auc(y, groups=distinct_groups(x))


def test_progress_is_told_after_each_fold(rng):
    told = []
    y = np.arange(30) % 2
    cross_val_scores(
        LogisticRegression,
        rng.normal(size=(30, 1)),
        y,
        n_splits=3,
        rng=rng,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_estimators_that_do_not_answer_are_refused(rng):
    y, x = np.arange(30) % 2, rng.normal(size=(30, 1))
    with pytest.raises(InputError, match="one column for background"):
        cross_val_scores(OneColumn, x, y, rng=rng)
    with pytest.raises(InputError, match="no finite"):
        cross_val_scores(lambda: OneColumn(np.nan, 2), x, y, rng=rng)
    with pytest.raises(InputError, match="29 rows"):
        cross_val_scores(LogisticRegression, x[1:], y, rng=rng)
    found = cross_val_scores(LogisticRegression, x, y, rng=rng)
    with pytest.raises(InputError, match="do not belong"):
        found.fold_aucs(y[1:])
