"""The weights of the baseline networks out of their ONNX graphs, so that training can go on.

The regressor's graph holds them as they are. That of the cleaner holds what upsampling and
convolution are together, which is linear in the weights and has more numbers than these: least
squares give them back, to the rounding of a float.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError, UsageError
from skysift.models.persist.onnx_weights import GraphWeights
from skysift.models.sky.baseline.folding import Taps, phase_taps, transpose_taps
from skysift.models.sky.baseline.layers import (
    Convolution,
    Dense,
    Layer,
    Weights,
    check_weights,
    cleaner_layers,
)
from skysift.models.sky.baseline.variants import Variant

__all__ = ["weights_of_cleaner", "weights_of_layers"]

Floats = NDArray[np.float32]
Operands = tuple[NDArray[Any], ...]


def weights_of_layers(data: bytes, layers: Sequence[Layer]) -> Weights:
    """Return what :func:`~skysift.models.sky.baseline.export.export_layers` wrote.

    Raises
    ------
    BundleError
        If the graph is not that of these layers.
    MissingExtraError
        If onnx is not installed.
    """
    graph = GraphWeights(data)
    convolved, dense = iter(graph.operands("Conv")), iter(graph.operands("Gemm"))
    weights: Weights = {}
    for number, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            weights |= _named(number, next(convolved, ()))
        elif isinstance(layer, Dense):
            weights |= _named(number, next(dense, ()))
    return _checked(layers, weights)


def weights_of_cleaner(data: bytes, variant: Variant) -> Weights:
    """Return what :func:`~skysift.models.sky.baseline.export.export_folded_cleaner` wrote.

    Raises
    ------
    BundleError
        If the graph is not that of a cleaner of the variant.
    MissingExtraError
        If onnx is not installed.
    """
    layers = cleaner_layers(kernel=variant.kernel, output=variant.output)
    numbers = [n for n, layer in enumerate(layers) if isinstance(layer, Convolution)]
    graph = GraphWeights(data)
    nodes = [*graph.operands("Conv"), *graph.operands("ConvTranspose")]
    weights: Weights = {}
    for number, operands in zip(numbers, nodes, strict=False):
        weights |= _named(number, operands)
    if len(nodes) == len(numbers):
        try:
            weights = _without_blocks(layers, weights, numbers, variant.kernel)
        except ValueError as error:  # of another number of channels
            raise _other_graph() from error
    return _checked(layers, weights)


def _named(number: int, operands: Operands) -> Weights:
    return dict(zip((f"{number}.weight", f"{number}.bias"), operands, strict=False))


def _without_blocks(
    layers: Sequence[Layer], weights: Weights, numbers: Sequence[int], kernel: int
) -> Weights:
    """Return weights without the zeros that fill up blocks of channels, and unfolded."""
    plain: Weights = {}
    *_, upsampled, last = numbers
    for number in numbers:
        layer, nothing = layers[number], np.empty(0, dtype=np.float32)
        weight, bias = (weights.get(f"{number}.{what}", nothing) for what in ("weight", "bias"))
        if weight.ndim != 4 or not isinstance(layer, Convolution):  # noqa: PLR2004  # of an image
            continue
        inputs, outputs = layer.inputs, layer.outputs
        if number == upsampled:
            phases = weight[: 4 * outputs, :inputs].reshape(
                2, 2, outputs, inputs, *weight.shape[2:]
            )
            weight = _unfolded(phases.transpose(2, 3, 0, 4, 1, 5), phase_taps(kernel))
        elif number == last:
            phases = weight.reshape(2, 2, inputs, outputs, *weight.shape[2:])
            weight = _unfolded(phases.transpose(3, 2, 0, 4, 1, 5), transpose_taps(kernel))
        plain[f"{number}.weight"] = np.ascontiguousarray(weight[:outputs, :inputs])
        plain[f"{number}.bias"] = bias[:outputs]
    return plain


def _unfolded(folded: NDArray[Any], taps: Taps) -> Floats:
    """Return kernels, shape (o, i, k, k), of folded ones by row and column of each parity."""
    outputs, inputs, *_ = folded.shape
    counts = taps.counts.reshape(-1, taps.counts.shape[-1]).astype(np.float64)
    back = np.linalg.pinv(counts)
    flat = folded.reshape(outputs, inputs, len(counts), len(counts)).astype(np.float64)
    return np.asarray(back @ flat @ back.T, dtype=np.float32)


def _checked(layers: Sequence[Layer], weights: Weights) -> Weights:
    try:
        check_weights(layers, weights)
    except UsageError as error:
        raise _other_graph() from error
    # What is read of a graph cannot be written to, as torch wants it.
    return {name: np.array(array, dtype=np.float32) for name, array in weights.items()}


def _other_graph() -> BundleError:
    return BundleError(
        "The graph is not that of the published networks.",
        "Fetch the bundle again, or make it again.",
    )
