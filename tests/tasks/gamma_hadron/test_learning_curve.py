"""A learning curve: nested parts of the events, one held-out fifth."""

import numpy as np
import pytest

from skysift.core.bundle_schema import DataLicence
from skysift.tasks.gamma_hadron.comparison import learning_curve
from skysift.tasks.gamma_hadron.options import CompareOptions
from skysift.tasks.gamma_hadron.task import GammaHadron


@pytest.fixture(scope="module")
def curve():
    events = GammaHadron().synth(2000, np.random.default_rng(3))
    return learning_curve(
        events,
        CompareOptions(models=("logistic-regression",), tune=False),
        seed=1,
        command="x",
        licence=DataLicence(licence="none", citation="made up"),
        progress=lambda _fraction, _what: None,
    )


def test_the_sizes_end_with_all_that_is_not_held_out(curve):
    first, last = curve["n"]
    assert first == 1000
    assert abs(last - 1600) <= 5  # a fifth of each class is held out, rounded


def test_every_point_lies_within_its_interval(curve):
    (found,) = curve["models"].values()
    assert len(found["auc"]) == 2
    for auc, low, high in zip(found["auc"], found["low"], found["high"], strict=True):
        assert 0.8 < low < auc < high <= 1
