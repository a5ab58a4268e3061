"""The two published networks as lists of layers: what trains, exports or counts them reads these.

The layers, their order and sizes are those of `astroAI <https://github.com/ambra-dipiano/astroAI>`_
(``astroai/models/cnn.py``: ``create_bkg_cleaner`` with encoder 2 and decoder 1, and
``create_loc_regressor``), the conventions those of Keras.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError

__all__ = [
    "REGRESSOR_HIDDEN",
    "Activation",
    "Convolution",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "Pooling",
    "Upsampling",
    "Weights",
    "check_cleaner_shape",
    "check_weights",
    "cleaner_layers",
    "initial_weights",
    "multiply_accumulates",
    "output_shape",
    "parameter_count",
    "regressor_layers",
    "same_padding",
]

Weights = dict[str, NDArray[np.float32]]
"""The arrays of a network: ``{i}.weight`` and ``{i}.bias`` for layer number i."""

Activation = Literal["relu", "sigmoid", "softplus"]

_CLEANER_CHANNELS = 12
_CLEANER_STEP = 4  # pixels: two poolings by two
_REGRESSOR_CHANNELS = 12
_REGRESSOR_CONVOLUTIONS = 4
REGRESSOR_HIDDEN = 10_000
"""Width of the regressor's dense layer."""
_DROPOUT = 0.2


@dataclass(frozen=True, slots=True)
class Convolution:
    """A square convolution of stride one: padded with zeros to the ``same`` size, or ``valid``."""

    inputs: int
    outputs: int
    kernel: int
    padding: Literal["same", "valid"]
    activation: Activation


@dataclass(frozen=True, slots=True)
class Pooling:
    """The average or maximum over blocks of two by two; an odd last row or column is left out."""

    kind: Literal["average", "max"]


@dataclass(frozen=True, slots=True)
class Upsampling:
    """Each pixel becomes a block of two by two."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """In training, a share of the values is set to zero and the rest scaled up."""

    share: float


@dataclass(frozen=True, slots=True)
class Flatten:
    """All values of a map in one row."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer and its activation."""

    inputs: int
    outputs: int
    activation: Activation


Layer = Convolution | Pooling | Upsampling | Dropout | Flatten | Dense


def same_padding(kernel: int) -> tuple[int, int]:
    """Return the rows (or columns) of zeros before and after: TensorFlow's ``same``.

    An even kernel gets the odd one after, so its output sits half a pixel towards the origin.

    Examples
    --------
    >>> same_padding(2), same_padding(3)
    ((0, 1), (1, 1))
    """
    return (kernel - 1) // 2, kernel // 2


def cleaner_layers(*, kernel: int = 2, output: Activation = "sigmoid") -> tuple[Layer, ...]:
    """Return CNN-cleaner: counts map in, source map of the same size out.

    Parameters
    ----------
    kernel : int
        Size of all five kernels; the original has 2.
    output : {"sigmoid", "softplus"}
        Activation of the last layer: a share of the brightest pixel as in the original, or counts.
    """

    def convolution(inputs: int, outputs: int, activation: Activation) -> Convolution:
        return Convolution(inputs, outputs, kernel, "same", activation)

    width = _CLEANER_CHANNELS
    return (
        convolution(1, width, "relu"),
        Pooling("average"),
        convolution(width, width, "relu"),
        Pooling("average"),
        convolution(width, width, "relu"),
        Upsampling(),
        convolution(width, width, "relu"),
        Upsampling(),
        convolution(width, 1, output),
    )


def regressor_layers(
    shape: tuple[int, int],
    *,
    kernel: int = 2,
    pooling: Literal["each", "once"] = "each",
    hidden: int = REGRESSOR_HIDDEN,
) -> tuple[Layer, ...]:
    """Return CNN-regressor: a cleaned map in, the place of one source out.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the map.
    kernel : int
        Size of the kernels; the first one is twice as large if it is even, and two larger if odd.
    pooling : {"each", "once"}
        Pool after each of the four inner convolutions, as the published slides say, or once after
        all of them, as the published code does: then 265 million weights follow.
    hidden : int
        Width of the dense layer: 10,000 in the original.

    Raises
    ------
    UsageError
        If the map is too small for these layers.
    """
    width = _REGRESSOR_CHANNELS
    first = 2 * kernel if kernel % 2 == 0 else kernel + 2
    layers: list[Layer] = [Convolution(1, width // 2, first, "valid", "relu"), Pooling("max")]
    for number in range(_REGRESSOR_CONVOLUTIONS):
        inputs = width // 2 if number == 0 else width
        layers.append(Convolution(inputs, width, kernel, "valid", "relu"))
        if pooling == "each":
            layers.append(Pooling("max"))
    if pooling == "once":
        layers.append(Pooling("max"))
    layers += [Dropout(_DROPOUT), Flatten()]
    (features,) = output_shape(layers, (1, *shape))
    if features == 0:
        raise UsageError(
            f"A map of {shape[0]} x {shape[1]} pixels is too small for the regressor.",
            "Give larger maps: the original's have 200 x 200.",
        )
    return (
        *layers,
        Dense(features, hidden, "relu"),
        Dropout(_DROPOUT),
        Dense(hidden, 2, "sigmoid"),
    )


def check_cleaner_shape(shape: Sequence[int]) -> None:
    """Raise UsageError unless the cleaner gives maps of this size back, shape (n_y, n_x)."""
    if any(length < _CLEANER_STEP or length % _CLEANER_STEP for length in shape):
        raise UsageError(
            f"The cleaner cannot take maps of {shape[0]} x {shape[1]} pixels: it pools twice by 2.",
            "Give maps whose sides are multiples of 4.",
        )


def output_shape(layers: Sequence[Layer], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape, without the batch, after the layers.

    Parameters
    ----------
    layers : sequence of Layer
        The network.
    shape : sequence of int
        Of one input: (channels, n_y, n_x).
    """
    *_, last = _shapes(layers, shape)
    return last


def parameter_count(layers: Sequence[Layer]) -> int:
    """Return the number of trainable weights.

    Examples
    --------
    >>> parameter_count(cleaner_layers())
    1873
    """
    return sum(math.prod(shape) for _, shape, _ in _arrays(layers))


def multiply_accumulates(layers: Sequence[Layer], shape: Sequence[int]) -> int:
    """Return the multiplications of one input, shape (channels, n_y, n_x), biases not counted.

    Examples
    --------
    >>> multiply_accumulates(cleaner_layers(), (1, 200, 200))
    16800000
    """
    total = 0
    for layer, after in zip(layers, list(_shapes(layers, shape))[1:], strict=True):
        if isinstance(layer, Convolution):
            total += layer.kernel**2 * layer.inputs * math.prod(after)
        elif isinstance(layer, Dense):
            total += layer.inputs * layer.outputs
    return total


def initial_weights(layers: Sequence[Layer], rng: np.random.Generator) -> Weights:
    """Return untrained weights as Keras draws them: uniform kernels and biases of zero.

    The half-width is ``sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio 2010, AISTATS, eq. 16).
    """
    weights: Weights = {}
    for name, shape, fans in _arrays(layers):
        bound = math.sqrt(6 / fans) if fans else 0.0
        weights[name] = rng.uniform(-bound, bound, shape).astype(np.float32)
    return weights


def check_weights(layers: Sequence[Layer], weights: Weights) -> None:
    """Raise UsageError unless these are the arrays of these layers."""
    expected = {name: shape for name, shape, _ in _arrays(layers)}
    found = {name: array.shape for name, array in weights.items()}
    if found != expected:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise UsageError(
            f"The weights are not those of this network: {', '.join(wrong)} differ.",
            "Load them with the variant that they were trained as.",
        )


def _shapes(layers: Sequence[Layer], shape: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the shape before the first layer and after each."""
    now = tuple(shape)
    yield now
    for layer in layers:
        now = _shape_after(layer, now)
        yield now


def _shape_after(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    match layer:
        case Convolution():
            lost = layer.kernel - 1 if layer.padding == "valid" else 0
            return (layer.outputs, *(max(length - lost, 0) for length in shape[1:]))
        case Pooling():
            return (shape[0], *(length // 2 for length in shape[1:]))
        case Upsampling():
            return (shape[0], *(2 * length for length in shape[1:]))
        case Flatten():
            return (math.prod(shape),)
        case Dense():
            return (layer.outputs,)
        case Dropout():
            return shape


def _arrays(layers: Sequence[Layer]) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Yield name, shape and fan-in plus fan-out (0 for a bias) of each array."""
    for number, layer in enumerate(layers):
        if isinstance(layer, Convolution):
            area = layer.kernel**2
            shape: tuple[int, ...] = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        elif isinstance(layer, Dense):
            area = 1
            shape = (layer.outputs, layer.inputs)
        else:
            continue
        yield f"{number}.weight", shape, area * (layer.inputs + layer.outputs)
        yield f"{number}.bias", (layer.outputs,), 0
