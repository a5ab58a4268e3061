"""A cross-fitted ensemble as one ONNX graph, so that it runs without the libraries that trained it.

The graph takes the features, shape (n, n_features), and gives gammaness-like probabilities and
their error, shape (n,) each: exactly :meth:`skysift.models.cross_fitting.CrossFitted
.predict_with_error`, in single precision.
"""

from itertools import takewhile
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from skysift.core.errors import BundleError
from skysift.models.calibration import BetaCalibration
from skysift.models.cross_fitting import CrossFitted
from skysift.models.graph_builder import GraphBuilder
from skysift.models.log_odds_mean import LogOddsMean
from skysift.models.periodic_mlp import PeriodicMlpClassifier
from skysift.models.scaled_parameters import (
    LARGEST_INPUT,
    LARGEST_OUTPUT,
    LOG_SPREAD,
    ScaledParameters,
)

__all__ = ["export_cross_fitted"]

_LARGEST_LOG_ODDS = 13.8155
_FLOOR = 1e-7


def export_cross_fitted(model: CrossFitted, names: tuple[str, str]) -> bytes:
    """Return a serialised ONNX model.

    Parameters
    ----------
    model : CrossFitted
        Its members are pipelines of :class:`ScaledParameters` (or nothing) and a
        :class:`PeriodicMlpClassifier`, an ``LGBMClassifier``, or the mean of both.
    names : tuple of str
        Names of the two outputs.

    Raises
    ------
    BundleError
        If a member is of another kind.
    """
    graph = GraphBuilder()
    columns = []
    for member in model.members:
        steps = [step for _, step in member.steps] if isinstance(member, Pipeline) else [member]
        features = "features"
        for step in steps[:-1]:
            features = _scaled_parameters(graph, step, features)
        probability = graph("Sigmoid", _log_odds(graph, steps[-1], features))
        columns.append(_calibrated(graph, probability, model.calibration))
    each = graph("Concat", *columns, axis=1)
    graph.output(names[0], graph.mean(each, axis=1, keep=False))
    deviation = graph("Sub", each, graph.mean(each, axis=1, keep=True))
    total = graph("ReduceSum", graph("Mul", deviation, deviation), graph.integers([1]), keepdims=0)
    spread = graph("Mul", total, graph.constant(1.0 / max(len(columns) - 1, 1)))
    graph.output(names[1], graph("Sqrt", spread))
    return graph.serialise(_n_features(model.members[0]))


def _scaled_parameters(graph: GraphBuilder, step: Any, features: str) -> str:
    """Add the residuals to the features, shape (n, n_features + n_targets)."""
    if not isinstance(step, ScaledParameters):
        raise BundleError(
            f"A {type(step).__name__} has no ONNX graph.", "Store the model as skops."
        )
    shifted = graph("Sub", features, graph.constant(step.mean_))
    z = graph("Div", shifted, graph.constant(step.scale_))
    z = graph.clip(z, -LARGEST_INPUT, LARGEST_INPUT)
    seen = graph("Gather", z, graph.integers(step.context_), axis=1)
    hidden = graph("Unsqueeze", seen, graph.integers([0]))
    for layer, (weight, bias) in enumerate(zip(step.weights_, step.biases_, strict=True)):
        hidden = graph("Add", graph("MatMul", hidden, graph.constant(weight)), graph.constant(bias))
        if layer < len(step.weights_) - 1:
            hidden = graph.silu(hidden)
    columns = [target for target, _ in step.targets]
    shape = graph.integers([step.folds, len(columns), -1])
    mean, log_spread = (
        graph("Reshape", graph("Gather", hidden, graph.integers([i]), axis=2), shape)
        for i in (0, 1)
    )
    spread = graph("Exp", graph.clip(log_spread, *LOG_SPREAD))
    wanted = graph("Gather", z, graph.integers(columns), axis=1)
    wanted = graph("Transpose", wanted, perm=[1, 0])
    residual = graph("Div", graph("Sub", wanted, mean), spread)
    residual = graph.mean(graph.clip(residual, -LARGEST_OUTPUT, LARGEST_OUTPUT), axis=0, keep=False)
    return graph("Concat", features, graph("Transpose", residual, perm=[1, 0]), axis=1)


def _log_odds(graph: GraphBuilder, model: Any, features: str) -> str:
    """Add a classifier and return its log-odds, shape (n, 1)."""
    if isinstance(model, LogOddsMean):
        parts = [_log_odds(graph, part, features) for part in (model.network_, model.trees_)]
        return graph("Mul", graph("Add", *parts), graph.constant(0.5))
    if isinstance(model, PeriodicMlpClassifier):
        odds = _periodic_mlp(graph, model, features)
    elif type(model).__module__.startswith("lightgbm."):
        odds = _boosted_trees(graph, model, features)
    else:
        raise BundleError(
            f"A {type(model).__name__} has no ONNX graph.", "Store the model as skops."
        )
    return graph.clip(odds, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)


def _periodic_mlp(graph: GraphBuilder, model: PeriodicMlpClassifier, features: str) -> str:
    a = model.arrays_
    members, n_features = model.members, model.n_features_in_
    z = _to_normal(graph, model, features)
    own = graph(
        "Mul", graph("Unsqueeze", z, graph.integers([0])), graph.constant(np.ones((members, 1, 1)))
    )
    phase = graph(
        "Mul",
        graph("Unsqueeze", own, graph.integers([3])),
        graph.constant(2 * np.pi * a["frequency"][:, None]),
    )
    waves = graph("Concat", graph("Cos", phase), graph("Sin", phase), axis=3)
    inside = graph(
        "Add",
        graph("MatMul", waves, graph.constant(a["embed_weight"][:, None])),
        graph.constant(a["embed_bias"][:, None]),
    )
    shape = graph.integers([members, -1, n_features * model.embedding])
    hidden = graph("Concat", own, graph("Reshape", graph("Relu", inside), shape), axis=2)
    for layer in (1, 2, 3):
        hidden = graph("MatMul", hidden, graph.constant(a[f"weight_{layer}"]))
        hidden = graph("Add", hidden, graph.constant(a[f"bias_{layer}"]))
        if layer < 3:  # noqa: PLR2004  # the last layer is linear
            hidden = graph.silu(hidden)
    p = graph.clip(graph.mean(graph("Sigmoid", hidden), axis=0, keep=False), _FLOOR, 1 - _FLOOR)
    return graph("Sub", graph("Log", p), graph("Log", graph("Sub", graph.constant(1.0), p)))


def _to_normal(graph: GraphBuilder, model: PeriodicMlpClassifier, features: str) -> str:
    """Add the piecewise linear map of each column: a sum over its segments."""
    x, z = model.knots_x_.astype(np.float64), model.knots_z_.astype(np.float64)
    width = np.diff(x, axis=1)
    slope = np.divide(np.diff(z, axis=1), width, out=np.zeros_like(width), where=width > 0)
    inside = graph(
        "Sub", graph("Unsqueeze", features, graph.integers([2])), graph.constant(x[:, :-1])
    )
    inside = graph("Min", graph("Relu", inside), graph.constant(width))
    risen = graph("Mul", inside, graph.constant(slope))
    total = graph("ReduceSum", risen, graph.integers([2]), keepdims=0)
    return graph("Add", total, graph.constant(z[:, 0]))


def _boosted_trees(graph: GraphBuilder, model: Any, features: str) -> str:
    """Add the trees of a LGBMClassifier: a row goes left where its value is at most the split."""
    rows: dict[str, list[Any]] = {key: [] for key in (*_NODE_KEYS, *_LEAF_KEYS)}
    for number, tree in enumerate(model.booster_.dump_model()["tree_info"]):
        _add_node(rows, number, tree["tree_structure"])
    return graph("TreeEnsembleRegressor", features, domain="ai.onnx.ml", n_targets=1, **rows)


def _add_node(rows: dict[str, list[Any]], tree: int, node: dict[str, Any]) -> int:
    """Add a node and all below it, and return its number in its tree."""
    number = sum(1 for _ in takewhile(lambda t: t == tree, reversed(rows["nodes_treeids"])))
    leaf = "leaf_value" in node
    if not leaf and node["decision_type"] != "<=":
        raise BundleError("A categorical split has no ONNX graph.", "Train on numbers only.")
    entries: tuple[Any, ...] = (tree, number, 0, 0.0, "LEAF", 0, 0)
    if not leaf:
        split = _largest_single_below(node["threshold"])
        entries = (tree, number, node["split_feature"], split, "BRANCH_LEQ", 0, 0)
    for key, entry in zip(_NODE_KEYS, entries, strict=True):
        rows[key].append(entry)
    if leaf:
        for key, entry in zip(_LEAF_KEYS, (tree, number, 0, node["leaf_value"]), strict=True):
            rows[key].append(entry)
        return number
    place = len(rows["nodes_treeids"]) - 1
    rows["nodes_truenodeids"][place] = _add_node(rows, tree, node["left_child"])
    rows["nodes_falsenodeids"][place] = _add_node(rows, tree, node["right_child"])
    return number


def _largest_single_below(value: float) -> float:
    """Return the largest float32 that is not above a split, so that no row changes sides."""
    single = np.float32(value)
    # float(), because numpy compares a float32 with a Python number in single precision.
    return float(np.nextafter(single, np.float32(-np.inf)) if float(single) > value else single)


_NODE_KEYS = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_values",
    "nodes_modes",
    "nodes_truenodeids",
    "nodes_falsenodeids",
)
_LEAF_KEYS = ("target_treeids", "target_nodeids", "target_ids", "target_weights")


def _calibrated(graph: GraphBuilder, probability: str, calibration: BetaCalibration) -> str:
    p = graph.clip(probability, _FLOOR, 1 - _FLOOR)
    rest = graph("Log", graph("Sub", graph.constant(1.0), p))
    odds = graph(
        "Sub",
        graph("Mul", graph("Log", p), graph.constant(calibration.a)),
        graph("Mul", rest, graph.constant(calibration.b)),
    )
    return graph("Sigmoid", graph("Add", odds, graph.constant(calibration.c)))


def _n_features(member: Any) -> int:
    first = member.steps[0][1] if isinstance(member, Pipeline) else member
    return int(first.n_features_in_)
