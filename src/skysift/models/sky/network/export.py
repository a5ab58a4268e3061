"""The network as an ONNX graph.

Its one input ``maps``, shape (n, 2 n_bands + 2, n_y, n_x), holds counts, smooth background, and the
two conditions, one value per pixel, which the graph averages over blocks.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from skysift.models.graph_builder import GraphBuilder
from skysift.models.sky.network.architecture import (
    BLOCK,
    SkyNetworkSettings,
    check_weights,
    network,
)

__all__ = ["INPUT", "OUTPUTS", "GraphOperations", "export_network"]

INPUT = "maps"
OUTPUTS = ("factor", "source", "heat")

_FUNCTIONS = {"relu": "Relu", "sqrt": "Sqrt", "log": "Log", "exp": "Exp"}


class GraphOperations:
    """The operations as nodes of a graph.

    Parameters
    ----------
    graph : GraphBuilder
        Where they are added.
    weights : mapping of str to array
        Of the network.
    """

    def __init__(self, graph: GraphBuilder, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._graph = graph
        self._weights = weights

    def convolve(self, value: str, name: str, *, stride: int = 1, dilation: int = 1) -> str:
        """Convolve with a named kernel; 'same' padding at stride 1, none otherwise."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        size = weight.shape[2]
        padding = dilation * (size // 2) if stride == 1 else 0
        return self._graph(
            "Conv",
            value,
            self._graph.constant(weight, exact=True),
            self._graph.constant(bias, exact=True),
            kernel_shape=[size, size],
            strides=[stride, stride],
            dilations=[dilation, dilation],
            pads=[padding] * 4,
        )

    def add(self, one: str, other: str) -> str:
        """Add two values."""
        return self._graph("Add", one, other)

    def subtract(self, one: str, other: str) -> str:
        """Subtract the second from the first."""
        return self._graph("Sub", one, other)

    def shifted(self, value: str, constant: float) -> str:
        """Add a number."""
        return self._graph("Add", value, self._graph.constant(constant))

    def scaled(self, value: str, constant: float) -> str:
        """Multiply by a number."""
        return self._graph("Mul", value, self._graph.constant(constant))

    def function(self, name: str, value: str) -> str:
        """Apply ``relu``, ``sqrt``, ``log`` or ``exp``."""
        return self._graph(_FUNCTIONS[name], value)

    def clip(self, value: str, low: float, high: float) -> str:
        """Limit a value."""
        return self._graph.clip(value, low, high)

    def concatenate(self, values: list[str]) -> str:
        """Join channels."""
        return self._graph("Concat", *values, axis=1)

    def pool(self, value: str, size: int) -> str:
        """Average over blocks."""
        return self._graph("AveragePool", value, kernel_shape=[size, size], strides=[size, size])

    def repeat(self, value: str, size: int) -> str:
        """Repeat each pixel over a block."""
        scales = self._graph.constant([1.0, 1.0, size, size])
        return self._graph(
            "Resize",
            value,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def spread(self, value: str, size: int) -> str:
        """Turn channels into the pixels of a block."""
        return self._graph("DepthToSpace", value, blocksize=size, mode="CRD")

    def take(self, value: str, start: int, stop: int) -> str:
        """Take channels."""
        integers = self._graph.integers
        return self._graph("Slice", value, integers([start]), integers([stop]), integers([1]))


def export_network(
    settings: SkyNetworkSettings, weights: Mapping[str, NDArray[np.float32]]
) -> bytes:
    """Return a serialised ONNX model.

    Its outputs are ``factor``, background over smooth background, and ``source``, counts, both of
    shape (n, n_bands, n_y, n_x), and ``heat``, shape (n, 6, n_y / 4, n_x / 4); see
    `architecture.network`.

    Parameters
    ----------
    settings : SkyNetworkSettings
        Of the network.
    weights : mapping of str to array
        Of the network.

    Raises
    ------
    UsageError
        If the weights are not those of the network.
    MissingExtraError
        If onnx is not installed.
    """
    check_weights(settings, weights)
    bands, (n_y, n_x) = settings.n_bands, settings.shape
    rows, columns = settings.blocks
    graph = GraphBuilder()
    ops = GraphOperations(graph, weights)
    counts = ops.take(INPUT, 0, bands)
    expected = ops.take(INPUT, bands, 2 * bands)
    conditions = ops.pool(ops.take(INPUT, 2 * bands, 2 * bands + 2), BLOCK)
    correction, log_source, heat = network(ops, settings, counts, expected, conditions)
    graph.output(OUTPUTS[0], ops.function("exp", correction), ("n", bands, n_y, n_x))
    graph.output(OUTPUTS[1], ops.function("exp", log_source), ("n", bands, n_y, n_x))
    graph.output(OUTPUTS[2], heat, ("n", 6, rows, columns))
    return graph.serialise_input(INPUT, ("n", 2 * bands + 2, n_y, n_x))
