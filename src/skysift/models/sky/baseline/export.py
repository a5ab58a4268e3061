"""The baseline networks as ONNX graphs: layer by layer, and the cleaner folded for speed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.models.graph_builder import GraphBuilder
from skysift.models.sky.baseline.folding import FoldedKernel, phase_convolution, phase_transpose
from skysift.models.sky.baseline.layers import (
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Pooling,
    Upsampling,
    Weights,
    check_cleaner_shape,
    check_weights,
    cleaner_layers,
    output_shape,
    same_padding,
)
from skysift.models.sky.baseline.variants import Variant

__all__ = ["INPUT", "OUTPUT", "export_folded_cleaner", "export_layers"]

INPUT, OUTPUT = "maps", "output"

Floats = NDArray[np.float32]

_BLOCK = 16  # channels that ONNX Runtime keeps together with AVX-512; 8 with AVX2 divides it
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "softplus": "Softplus"}
_POOLING = {"average": "AveragePool", "max": "MaxPool"}


def export_layers(layers: Sequence[Layer], weights: Weights, shape: tuple[int, int]) -> bytes:
    """Return a serialised ONNX model that runs the layers one by one.

    Its input ``maps`` has the shape (n, 1, n_y, n_x), its output ``output`` (n, 1, n_y, n_x) or
    (n, 2).

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    weights : mapping of str to array
        Its arrays.
    shape : (int, int)
        Rows and columns of a map.

    Raises
    ------
    UsageError
        If the weights are not those of the layers.
    MissingExtraError
        If onnx is not installed.
    """
    check_weights(layers, weights)
    graph = GraphBuilder()
    value = INPUT
    for number, layer in enumerate(layers):
        match layer:
            case Convolution():
                padding = same_padding(layer.kernel) if layer.padding == "same" else (0, 0)
                kernel = FoldedKernel(weights[f"{number}.weight"], padding)
                value = _convolution(graph, value, kernel, weights[f"{number}.bias"])
                value = graph(_ACTIVATIONS[layer.activation], value)
            case Dense():
                weight = graph.constant(weights[f"{number}.weight"], exact=True)
                bias = graph.constant(weights[f"{number}.bias"], exact=True)
                value = graph("Gemm", value, weight, bias, transB=1)
                value = graph(_ACTIVATIONS[layer.activation], value)
            case Pooling():
                value = graph(_POOLING[layer.kind], value, kernel_shape=[2, 2], strides=[2, 2])
            case Upsampling():
                value = _upsampling(graph, value)
            case Flatten():
                value = graph("Flatten", value, axis=1)
            case Dropout():
                pass  # it acts in training alone
    graph.output(OUTPUT, value, ("n", *output_shape(layers, (1, *shape))))
    return graph.serialise_input(INPUT, ("n", 1, *shape))


def export_folded_cleaner(variant: Variant, weights: Weights, shape: tuple[int, int]) -> bytes:
    """Return a serialised ONNX model of the cleaner: the same output in half of the time or less.

    Both upsamplings are folded into the convolutions after them; the full map is made once, by the
    last. Channels are filled up with zeros to whole blocks, so that the runtime's blocked layout
    also holds for the poolings. Input and output are those of :func:`export_layers`.

    Parameters
    ----------
    variant : Variant
        Says which kernels and which last activation.
    weights : mapping of str to array
        Of :func:`skysift.models.sky.baseline.layers.cleaner_layers`.
    shape : (int, int)
        Rows and columns of a map, multiples of 4.

    Raises
    ------
    UsageError
        If the weights are not those of the variant, or the shape does not fit.
    MissingExtraError
        If onnx is not installed.
    """
    layers = cleaner_layers(kernel=variant.kernel, output=variant.output)
    check_weights(layers, weights)
    check_cleaner_shape(shape)
    graph = GraphBuilder()
    value = INPUT
    convolutions = [i for i, layer in enumerate(layers) if isinstance(layer, Convolution)]
    *direct, upsampled, last = convolutions
    for number in direct:
        kernel = FoldedKernel(weights[f"{number}.weight"], same_padding(variant.kernel))
        value = graph("Relu", _blocked(graph, value, kernel, weights[f"{number}.bias"]))
        if isinstance(layers[number + 1], Pooling):
            value = graph("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
    phases = phase_convolution(weights[f"{upsampled}.weight"])
    bias = np.tile(weights[f"{upsampled}.bias"], 4)
    value = graph("Relu", _blocked(graph, value, phases, bias))
    weight, padding = phase_transpose(weights[f"{last}.weight"])
    value = graph(
        "ConvTranspose",
        value,
        graph.constant(weight, exact=True),
        graph.constant(weights[f"{last}.bias"], exact=True),
        strides=[4, 4],
        pads=_both_axes(padding),
    )
    value = graph(_ACTIVATIONS[variant.output], value)
    graph.output(OUTPUT, value, ("n", 1, *shape))
    return graph.serialise_input(INPUT, ("n", 1, *shape))


def _convolution(graph: GraphBuilder, value: str, kernel: FoldedKernel, bias: Floats) -> str:
    return graph(
        "Conv",
        value,
        graph.constant(kernel.weight, exact=True),
        graph.constant(bias, exact=True),
        pads=_both_axes(kernel.padding),
    )


def _blocked(graph: GraphBuilder, value: str, kernel: FoldedKernel, bias: Floats) -> str:
    """Add a convolution whose channels, but for a single input, are whole blocks."""
    outputs, inputs, *_ = kernel.weight.shape
    more_outputs = -outputs % _BLOCK
    more_inputs = 0 if inputs == 1 else -inputs % _BLOCK
    weight = np.pad(kernel.weight, ((0, more_outputs), (0, more_inputs), (0, 0), (0, 0)))
    filled = FoldedKernel(weight, kernel.padding)
    return _convolution(graph, value, filled, np.pad(bias, (0, more_outputs)))


def _both_axes(padding: tuple[int, int]) -> list[int]:
    before, after = padding
    return [before, before, after, after]


def _upsampling(graph: GraphBuilder, value: str) -> str:
    factors = graph.constant([1.0, 1.0, 2.0, 2.0])
    return graph(
        "Resize",
        value,
        "",
        factors,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
