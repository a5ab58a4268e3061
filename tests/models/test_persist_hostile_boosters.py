"""Boosted trees of XGBoost that were made to harm are refused before the library sees them."""

import json

import pytest
from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from skysift.core.errors import BundleError
from skysift.models.persist import save_model
from skysift.models.persist.xgboost_format import load_xgboost

FEATURES, Y = make_classification(100, 5, random_state=0)


@pytest.fixture(scope="module")
def boosted():
    model = XGBClassifier(n_estimators=3, max_depth=3, n_jobs=1).fit(FEATURES, Y)
    return save_model(model)[1]["model.json"]


def first_tree(document):
    return document["learner"]["gradient_booster"]["model"]["trees"][0]


def set_in_tree(name, index, value):
    def change(document):
        first_tree(document)[name][index] = value

    return change


def categorical(document):
    tree = first_tree(document)
    tree["split_type"][0] = 1
    tree["categories_nodes"].append(0)
    tree["categories_segments"].append(10**6)
    tree["categories_sizes"].append(10**6)


HARM = {
    "left outside": set_in_tree("left_children", 0, 10**6),
    "left negative": set_in_tree("left_children", 0, -5),
    "right outside": set_in_tree("right_children", 0, 10**6),
    "cycle": set_in_tree("left_children", 1, 0),
    "parent outside": set_in_tree("parents", 1, 10**7),
    "parent of the root": set_in_tree("parents", 0, 5),
    "feature outside": set_in_tree("split_indices", 0, 10**6),
    "no integers": set_in_tree("left_children", 0, 1.5),
    "nested": set_in_tree("left_children", 0, [1, 2]),
    "huge number": set_in_tree("left_children", 0, 10**40),
    "half a leaf": set_in_tree("right_children", -1, 1),
    "categorical": categorical,
    "short": lambda document: first_tree(document)["right_children"].pop(),
    "many nodes": lambda document: first_tree(document)["tree_param"].update(num_nodes="1000000"),
    "deleted": lambda document: first_tree(document)["tree_param"].update(num_deleted="3"),
    "no trees": lambda document: document["learner"]["gradient_booster"].update(name="gblinear"),
    "objective": lambda document: document["learner"]["objective"].update(name="rank:map"),
    "class outside": lambda document: document["learner"]["gradient_booster"]["model"].update(
        tree_info=[0, 10**6, 0]
    ),
    "iterations": lambda document: document["learner"]["gradient_booster"]["model"].update(
        iteration_indptr=[0, 1, 2, 10**6]
    ),
    "no learner": lambda document: document.pop("learner"),
}


@pytest.mark.parametrize("name", HARM)
def test_boosted_trees_that_would_crash_the_library_are_refused(boosted, name):
    document = json.loads(boosted)
    HARM[name](document)
    with pytest.raises(BundleError):
        load_xgboost(json.dumps(document).encode())
    load_xgboost(boosted)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 200_000, b"null"])
def test_what_is_no_booster_is_refused(data):
    with pytest.raises(BundleError):
        load_xgboost(data)


def test_the_binary_format_is_refused(boosted):
    booster = load_xgboost(boosted)._booster
    with pytest.raises(BundleError):
        load_xgboost(bytes(booster.save_raw("ubj")))
