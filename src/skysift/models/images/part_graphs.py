"""Classifiers of measured shapes as ONNX graphs: forests, support vectors, logistic regression.

A graph needs neither scikit-learn nor skops, whose imports take seconds, and runs small forests
several times as fast.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler

from skysift.core.errors import BundleError
from skysift.models.graph_builder import GraphBuilder

__all__ = ["export_pipeline"]

_FARTHEST = 1e6
"""Beyond so many quartile ranges a shape is absurd; its square still fits single precision."""


def export_pipeline(pipeline: Pipeline, output: str) -> bytes:
    """Return a pipeline that ends in a classifier of two classes as an ONNX graph.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted. Steps: ``SimpleImputer``, ``RobustScaler``, ``FunctionTransformer`` of ``arcsinh``,
        ``StandardScaler``. Classifiers: ``RandomForestClassifier``, ``ExtraTreesClassifier``,
        ``LogisticRegression``, and an ``SVC`` with Gaussian kernel in a
        ``CalibratedClassifierCV`` that is fitted once.
    output : str
        Name of the probability of the second class, shape (n, 1).

    Raises
    ------
    BundleError
        If a step is of another kind.
    """
    graph = GraphBuilder()
    columns = "features"
    for step in pipeline[:-1]:
        columns = _export(_STEPS, step)(graph, step, columns)
    last = pipeline[-1]
    graph.output(output, _export(_CLASSIFIERS, last)(graph, last, columns), ("n", 1))
    return graph.serialise(int(pipeline[0].n_features_in_))


Export = Callable[[GraphBuilder, Any, str], str]


def _export(known: Mapping[type, Export], step: Any) -> Export:
    found = known.get(type(step))
    if found is None:
        raise BundleError(
            f"A {type(step).__name__} has no ONNX graph.", "Store the model as skops."
        )
    return found


def _exact(graph: GraphBuilder, values: Any) -> str:
    return graph.constant(values, exact=True)


def _imputed(graph: GraphBuilder, step: SimpleImputer, columns: str) -> str:
    return graph("Where", graph("IsNaN", columns), _exact(graph, step.statistics_), columns)


def _by_quartiles(graph: GraphBuilder, step: RobustScaler, columns: str) -> str:
    shifted = graph("Sub", columns, _exact(graph, step.center_))
    return graph.clip(graph("Div", shifted, _exact(graph, step.scale_)), -_FARTHEST, _FARTHEST)


def _drawn_in(graph: GraphBuilder, step: FunctionTransformer, columns: str) -> str:
    if step.func is not np.arcsinh:
        raise BundleError("A function other than arcsinh has no ONNX graph.", "Store it as skops.")
    return graph("Asinh", columns)


def _standardised(graph: GraphBuilder, step: StandardScaler, columns: str) -> str:
    shifted = graph("Sub", columns, _exact(graph, step.mean_))
    return graph("Div", shifted, _exact(graph, step.scale_))


def _forest(
    graph: GraphBuilder, forest: RandomForestClassifier | ExtraTreesClassifier, columns: str
) -> str:
    """Add trees: a row goes left where its value is at most the split."""
    nodes: dict[str, list[Any]] = {f"nodes_{key}": [] for key in _NODE_KEYS}
    leaves: dict[str, list[Any]] = {f"target_{key}": [] for key in _LEAF_KEYS}
    for number, fitted in enumerate(forest.estimators_):
        tree = fitted.tree_
        count = tree.node_count
        is_leaf = tree.children_left < 0
        entries = (
            np.full(count, number),
            np.arange(count),
            np.where(is_leaf, 0, tree.feature),
            np.where(is_leaf, 0.0, _largest_single_below(tree.threshold)),
            np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
            np.where(is_leaf, 0, tree.children_left),
            np.where(is_leaf, 0, tree.children_right),
        )
        for key, values in zip(nodes, entries, strict=True):
            nodes[key] += values.tolist()
        parts = tree.value[is_leaf, 0]
        share = parts[:, 1] / parts.sum(axis=1) / len(forest.estimators_)
        at = np.flatnonzero(is_leaf)
        for key, values in zip(
            leaves, (np.full(len(at), number), at, np.zeros_like(at), share), strict=True
        ):
            leaves[key] += values.tolist()
    return graph(
        "TreeEnsembleRegressor", columns, domain="ai.onnx.ml", n_targets=1, **nodes, **leaves
    )


def _largest_single_below(values: Any) -> Any:
    """Return the largest float32 not above each split: no single-precision row changes sides."""
    single = values.astype(np.float32)
    above = single.astype(np.float64) > values
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single)


def _support_vectors(graph: GraphBuilder, model: CalibratedClassifierCV, columns: str) -> str:
    """Add sum_i a_i exp(-gamma |x - v_i|^2) + b, and the sigmoid that calibrates it."""
    (fitted,) = model.calibrated_classifiers_  # of ensemble=False
    machine, (sigmoid,) = fitted.estimator, fitted.calibrators
    vectors = machine.support_vectors_
    product = graph("MatMul", columns, _exact(graph, 2.0 * vectors.T))
    own = graph("ReduceSum", graph("Mul", columns, columns), graph.integers([1]), keepdims=1)
    distance = graph("Sub", graph("Add", own, _exact(graph, (vectors**2).sum(axis=1))), product)
    kernel = graph("Exp", graph("Mul", distance, _exact(graph, -machine._gamma)))  # noqa: SLF001  # "scale" resolved
    margin = graph("MatMul", kernel, _exact(graph, machine.dual_coef_.T))
    margin = graph("Add", margin, _exact(graph, machine.intercept_))
    odds = graph("Mul", margin, _exact(graph, -sigmoid.a_))
    return graph("Sigmoid", graph("Add", odds, _exact(graph, -sigmoid.b_)))


def _linear(graph: GraphBuilder, model: LogisticRegression, columns: str) -> str:
    odds = graph("MatMul", columns, _exact(graph, model.coef_.T))
    return graph("Sigmoid", graph("Add", odds, _exact(graph, model.intercept_)))


_NODE_KEYS = (
    "treeids",
    "nodeids",
    "featureids",
    "values",
    "modes",
    "truenodeids",
    "falsenodeids",
)
_LEAF_KEYS = ("treeids", "nodeids", "ids", "weights")

_STEPS: Mapping[type, Export] = {
    SimpleImputer: _imputed,
    RobustScaler: _by_quartiles,
    FunctionTransformer: _drawn_in,
    StandardScaler: _standardised,
}
_CLASSIFIERS: Mapping[type, Export] = {
    RandomForestClassifier: _forest,
    ExtraTreesClassifier: _forest,
    CalibratedClassifierCV: _support_vectors,
    LogisticRegression: _linear,
}
