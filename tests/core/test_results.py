"""Numbers carry their interval, and both survive JSON."""

import json

import pytest

from skysift.core.results import Evaluation, Metric

AUC = Metric("auc", 0.94781, 0.94449, 0.95114, n=18905, split="5-fold CV", method="DeLong")


def test_a_metric_prints_its_interval():
    assert str(AUC) == "auc = 0.9478 [0.9445, 0.9511]"
    assert AUC.format(2) == "0.95 [0.94, 0.95]"


@pytest.mark.parametrize("limits", [{}, {"low": 0.1}, {"high": 0.9}])
def test_half_an_interval_is_none(limits):
    assert Metric("x", 0.5, **limits).format() == "0.5000"


def test_a_metric_survives_json():
    assert Metric(**json.loads(json.dumps(AUC.to_dict()))) == AUC


def test_an_evaluation_finds_its_metrics_by_name_and_keeps_detail_out_of_json():
    evaluation = Evaluation("m", "d", "test", (AUC,), {"curve": object()})
    assert evaluation["auc"] is AUC
    assert json.loads(json.dumps(evaluation.to_dict())) == {
        "model": "m",
        "data": "d",
        "split": "test",
        "metrics": [AUC.to_dict()],
    }
    with pytest.raises(KeyError):
        evaluation["brier"]
