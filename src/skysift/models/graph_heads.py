"""A stored graph whose weights stay as they are, with a new last step: a calibration, or trees.

The graph takes features and gives a probability and its error. The error follows the probability
by its slope: what a calibration stretches, it stretches too.
"""

import numpy as np

from skysift.models.calibration import BetaCalibration
from skysift.models.graph_builder import GraphBuilder
from skysift.models.plain_trees import Trees

__all__ = ["boosted_graph", "recalibrated_graph"]

_FLOOR = 1e-7


def recalibrated_graph(
    data: bytes, names: tuple[str, str], calibration: BetaCalibration, n_features: int
) -> bytes:
    """Return a graph whose probability is calibrated once more.

    Parameters
    ----------
    data : bytes
        The graph, of an input ``features``.
    names : tuple of str
        Its outputs: the probability and its error.
    calibration : BetaCalibration
        What is done to the probability.
    n_features : int
        Of the input.
    """
    graph = GraphBuilder(data)
    logs, rests = _logarithms(graph, f"p_{names[0]}")
    odds = graph(
        "Sub",
        graph("Mul", logs, graph.constant(calibration.a)),
        graph("Mul", rests, graph.constant(calibration.b)),
    )
    return _finished(graph, names, graph("Add", odds, graph.constant(calibration.c)), n_features)


def boosted_graph(data: bytes, names: tuple[str, str], trees: Trees, n_features: int) -> bytes:
    """Return a graph to whose log-odds trees of its features are added.

    Parameters
    ----------
    data, names, n_features
        As for :func:`recalibrated_graph`.
    trees : Trees
        With one value a leaf.
    """
    graph = GraphBuilder(data)
    logs, rests = _logarithms(graph, f"p_{names[0]}")
    added = graph("TreeEnsembleRegressor", "features", domain="ai.onnx.ml", **_ensemble(trees))
    added = graph("Squeeze", added, graph.integers([1]))
    return _finished(graph, names, graph("Add", graph("Sub", logs, rests), added), n_features)


def _logarithms(graph: GraphBuilder, probability: str) -> tuple[str, str]:
    p = graph.clip(probability, _FLOOR, 1 - _FLOOR)
    return graph("Log", p), graph("Log", graph("Sub", graph.constant(1.0), p))


def _finished(graph: GraphBuilder, names: tuple[str, str], odds: str, n_features: int) -> bytes:
    old = graph.clip(f"p_{names[0]}", _FLOOR, 1 - _FLOOR)
    new = graph("Sigmoid", odds)
    slope = graph("Div", _spread(graph, new), _spread(graph, old))
    graph.output(names[0], new)
    graph.output(names[1], graph("Mul", f"p_{names[1]}", slope))
    return graph.serialise(n_features)


def _spread(graph: GraphBuilder, p: str) -> str:
    return graph("Mul", p, graph("Sub", graph.constant(1.0), p))


def _ensemble(trees: Trees) -> dict[str, list[float] | list[int] | list[str] | int]:
    """Return the attributes of an ensemble in ONNX; nodes are numbered within their tree."""
    n = len(trees.feature)
    tree = np.searchsorted(trees.roots, np.arange(n), side="right") - 1
    own = np.arange(n) - trees.roots[tree]
    is_leaf = trees.left == np.arange(n)
    single = trees.threshold.astype(np.float32)
    below = np.nextafter(single, np.float32(-np.inf))
    # The largest single-precision number that is not above the split: no row changes sides.
    split = np.where(single.astype(np.float64) > trees.threshold, below, single)
    leaves = np.flatnonzero(is_leaf)
    return {
        "n_targets": 1,
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": own.tolist(),
        "nodes_featureids": trees.feature.tolist(),
        "nodes_values": split.tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(is_leaf, 0, trees.left - trees.roots[tree]).tolist(),
        "nodes_falsenodeids": np.where(is_leaf, 0, trees.right - trees.roots[tree]).tolist(),
        "nodes_missing_value_tracks_true": trees.missing_left.astype(np.int64).tolist(),
        "target_treeids": tree[leaves].tolist(),
        "target_nodeids": own[leaves].tolist(),
        "target_ids": np.zeros_like(leaves).tolist(),
        "target_weights": trees.value[leaves, 0].tolist(),
    }
