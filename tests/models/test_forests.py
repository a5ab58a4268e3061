"""Forests answer as scikit-learn has them answer."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skysift.models.forests import probabilities


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier, LogisticRegression])
@pytest.mark.parametrize("in_a_pipeline", [True, False])
def test_answers_are_those_of_predict_proba(kind, in_a_pipeline, rng):
    columns = rng.normal(size=(300, 5))
    label = np.digitize(columns[:, 0] + 0.3 * rng.normal(size=300), [-0.5, 0.5])  # three classes
    classifier = kind(20, random_state=0) if kind is not LogisticRegression else kind()
    if in_a_pipeline:
        columns[::7, 2] = np.nan
        classifier = make_pipeline(SimpleImputer(), classifier)
    classifier.fit(columns[:200], label[:200])
    np.testing.assert_allclose(
        probabilities(classifier, columns[200:]),
        classifier.predict_proba(columns[200:]),
        rtol=1e-12,
        atol=1e-15,
    )
