"""Weights come back out of the graphs that they were stored in."""

import numpy as np
import pytest

from skysift.core.errors import BundleError
from skysift.models.distillation import DistilledNetwork, Expansion, Polar
from skysift.models.distilled_tuning import network_of_graph
from skysift.models.graph_builder import GraphBuilder
from skysift.models.images.cnn_network import (
    CnnShape,
    Standardisation,
    export_networks,
    initial_weights,
)
from skysift.models.images.cnn_tuning import holds_networks, networks_of_graph
from skysift.models.persist.onnx_weights import GraphWeights

NAMES = ("p", "err")


def a_network(rng, *, polar):
    expansion = Expansion(
        ("length", "alpha", "dist"),
        polar=(Polar("dist", "alpha", "miss", "along"),) if polar else (),
        logs=({"length": 1.0}, {"dist": 1.0, "": 0.5}),
        ratios=(("length", "dist"),),
    )
    width = expansion(np.ones((1, 3))).shape[1]
    sizes = ((width, 8), (8, 8), (8, 2))
    return DistilledNetwork(
        expansion,
        np.array([3.0, 0.0, 5.0], np.float32),
        np.array([300.0, 90.0, 400.0], np.float32),
        tuple(rng.normal(0, 0.2, size).astype(np.float32) for size in sizes),
        tuple(rng.normal(0, 0.2, size[1]).astype(np.float32) for size in sizes),
    )


@pytest.mark.parametrize("polar", [True, False])
def test_distilled_network_comes_back_from_its_graph(polar):
    rng = np.random.default_rng(1)
    network = a_network(rng, polar=polar)
    found = network_of_graph(network.to_onnx(NAMES), network.expansion)
    rows = np.column_stack(
        [rng.uniform(1, 350, 200), rng.uniform(0, 90, 200), rng.uniform(1, 450, 200)]
    )
    for one, other in zip(
        network.predict_with_error(rows), found.predict_with_error(rows), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-5)
    np.testing.assert_allclose(found.low, network.low, rtol=1e-5, atol=1e-5)
    for one, other in zip(network.weights, found.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_graph_of_other_columns_is_refused():
    network = a_network(np.random.default_rng(1), polar=True)
    with pytest.raises(BundleError, match="not that of a distilled network"):
        network_of_graph(network.to_onnx(NAMES), Expansion(("length", "alpha")))


def test_stamp_networks_come_back_exactly():
    rng = np.random.default_rng(2)
    shape = CnnShape(planes=2, side=11, numbers=2)
    n = shape.n_features
    standard = Standardisation(
        *(rng.uniform(0.5, 2.0, n).astype(np.float32) for _ in ("fill", "mean", "scale"))
    )
    networks = [initial_weights(shape, rng) for _ in range(2)]
    data = export_networks(shape, standard, networks, "probability")
    found_shape, found_standard, found = networks_of_graph(data)
    assert holds_networks(data)
    assert found_shape == shape
    np.testing.assert_array_equal(found_standard.scale, standard.scale)
    for one, other in zip(networks, found, strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_a_constant_in_half_precision_is_found_where_it_is_used():
    values = np.arange(5000, dtype=np.float32).reshape(50, 100) / 1000  # large ones are halved
    graph = GraphBuilder()
    graph.output("y", graph("MatMul", "features", graph.constant(values)), ("n", 100))
    ((found,),) = GraphWeights(graph.serialise(50)).operands("MatMul")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=1e-3)


def test_the_number_of_layers_is_checked():
    graph = GraphBuilder()
    graph.output("y", graph("MatMul", "features", graph.constant(np.eye(3))), ("n", 3))
    weights = GraphWeights(graph.serialise(3))
    assert len(weights.layers("MatMul", n=1, what="a line")) == 1
    with pytest.raises(BundleError, match="a network has 2"):
        weights.layers("MatMul", n=2, what="a network")


def test_what_is_no_graph_is_refused():
    with pytest.raises(BundleError):
        GraphWeights(b"not a graph")
