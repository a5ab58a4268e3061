"""The convolutional network that was published for both solar tasks, to be measured beside ours.

A grey image, resized to a square of 300 pixels (whole disk: active or not) or 250 pixels (active
region: flare or not), divided by 255, goes through two convolutions of three 3 x 3 kernels, each
with a ReLU and a maximum over 2 x 2 pixels, and one dense unit with a sigmoid. It is trained by
Adam (Kingma & Ba 2015, arXiv:1412.6980) on binary cross-entropy, 10 images at a time for 10 to 15
epochs, with nothing held out to stop on. Weights begin as in the library that it was written in
(Glorot & Bengio 2010, AISTATS, eq. 16).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from skysift.core.errors import UsageError
from skysift.core.extras import import_extra
from skysift.models.graph_builder import GraphBuilder
from skysift.models.persist.onnx_graph import check_onnx_graph
from skysift.models.persist.onnx_session import open_session

__all__ = ["DISK_SIZE", "REGION_SIZE", "PublishedNetwork", "to_square", "train_published"]

DISK_SIZE = 300
"""Side of the square that the network of whole disks sees [pixel]."""

REGION_SIZE = 250
"""Side of the square that the network of active regions sees [pixel]."""

_KERNELS, _KERNEL, _POOL = 3, 3, 2
_LAYERS = ("first", "second")
_WHITE = 255.0
_BATCH = 10
_STACK = 3  # dimensions
_LEARNING_RATE, _EPSILON = 1e-3, 1e-7  # the defaults of the library it was written in
_INPUT, _OUTPUT = "images", "probability"
_CHUNK = 16  # images at a time

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PublishedNetwork:
    """The trained network.

    Parameters
    ----------
    graph : bytes
        An ONNX model of images, shape (n, 1, size, size), 0 to 255.
    size : int
        Side of the square that images are brought to [pixel].

    Raises
    ------
    BundleError
        If the graph is damaged or asks for what is not allowed.
    """

    graph: bytes
    size: int
    _session: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_onnx_graph(self.graph)
        object.__setattr__(self, "_session", open_session(self.graph))

    def predict(self, images: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of the positive class, shape (n,), of images (n, h, w)."""
        squares = to_square(images, self.size)
        parts = [
            self._session.run([_OUTPUT], {_INPUT: squares[start : start + _CHUNK, None]})[0]
            for start in range(0, len(squares), _CHUNK)
        ]
        return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)


def to_square(images: ArrayLike, size: int) -> Floats:
    """Return images resized to squares by linear interpolation, shape (n, size, size).

    Parameters
    ----------
    images : array_like, shape (n, h, w)
        Brightness, 0 to 255; what is no number is black.
    size : int
        [pixel]

    Raises
    ------
    UsageError
        If the images are no stack.

    Examples
    --------
    >>> to_square(np.full((2, 64, 48), 7, np.uint8), 30).shape
    (2, 30, 30)
    """
    stack = np.asarray(images)
    if stack.ndim != _STACK:
        raise UsageError(f"The images have shape {stack.shape}.", "Give grey ones, (n, h, w).")
    squares = np.empty((len(stack), size, size), dtype=np.float32)
    for square, image in zip(squares, stack, strict=True):
        grey = Image.fromarray(np.nan_to_num(image.astype(np.float32)))
        square[:] = np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR))
    return squares


def train_published(
    images: ArrayLike,
    labels: ArrayLike,
    *,
    size: int,
    epochs: int,
    rng: np.random.Generator,
) -> PublishedNetwork:
    """Train the network as it was published.

    Parameters
    ----------
    images : array_like, shape (n, h, w)
        Brightness, 0 to 255.
    labels : array_like of bool or {0, 1}, shape (n,)
        The truth.
    size : int
        Side of the square that images are brought to: `DISK_SIZE` or `REGION_SIZE` [pixel].
    epochs : int
        10 to 15 were used.
    rng : numpy.random.Generator
        Draws the first weights and the order of the images.

    Raises
    ------
    UsageError
        If images and labels do not fit each other, or the square is too small.
    MissingExtraError
        If torch or onnx is not installed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dark = rng.uniform(0, 60, (20, 32, 32))
    >>> network = train_published(
    ...     np.concatenate([dark, dark + 150]), np.repeat([0, 1], 20), size=24, epochs=15, rng=rng)
    >>> p = network.predict([dark[0], dark[0] + 150])
    >>> bool(p[0] < p[1])
    True
    """
    torch = import_extra("torch", extra="train")
    squares, truth = to_square(images, size), np.asarray(labels, dtype=np.float32)
    if truth.shape != (len(squares),) or not len(truth):
        raise UsageError(
            f"There are {len(squares)} images, and the labels have shape {truth.shape}.",
            "Give one label for each image.",
        )
    pixels, target = torch.from_numpy(squares[:, None] / _WHITE), torch.from_numpy(truth)
    live = {
        n: torch.nn.Parameter(torch.from_numpy(w)) for n, w in _first_weights(size, rng).items()
    }
    optimiser = torch.optim.Adam(live.values(), lr=_LEARNING_RATE, eps=_EPSILON)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(epochs):
        order = rng.permutation(len(truth))
        for start in range(0, len(order), _BATCH):
            chosen = torch.from_numpy(order[start : start + _BATCH])
            optimiser.zero_grad(set_to_none=True)
            entropy(_log_odds(torch, live, pixels[chosen]), target[chosen]).backward()
            optimiser.step()
    weights = {name: value.detach().numpy() for name, value in live.items()}
    return PublishedNetwork(_graph(weights, size), size)


def _first_weights(size: int, rng: np.random.Generator) -> dict[str, Floats]:
    side, area = size, _KERNEL**2
    for _ in _LAYERS:
        side = (side - _KERNEL + 1) // _POOL
    if side < 1:
        raise UsageError(f"A square of {size} pixels is too small.", "Give 10 pixels or more.")
    shapes = {
        "first": ((_KERNELS, 1, _KERNEL, _KERNEL), area, _KERNELS * area),
        "second": ((_KERNELS, _KERNELS, _KERNEL, _KERNEL), _KERNELS * area, _KERNELS * area),
        "dense": ((_KERNELS * side**2, 1), _KERNELS * side**2, 1),
    }
    weights: dict[str, Floats] = {}
    for name, (shape, fan_in, fan_out) in shapes.items():
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
        outputs = 1 if name == "dense" else _KERNELS
        weights[f"{name}_bias"] = np.zeros(outputs, dtype=np.float32)
    return weights


def _log_odds(torch: Any, weights: Mapping[str, Any], pixels: Any) -> Any:
    value = pixels
    for layer in _LAYERS:
        value = torch.nn.functional.conv2d(value, weights[layer], weights[f"{layer}_bias"])
        value = torch.nn.functional.max_pool2d(value.relu(), _POOL)
    return (value.flatten(1) @ weights["dense"] + weights["dense_bias"])[:, 0]


def _graph(weights: Mapping[str, Floats], size: int) -> bytes:
    graph = GraphBuilder()
    value = graph("Mul", _INPUT, graph.constant(1 / _WHITE))
    for layer in _LAYERS:
        kernel, bias = (graph.constant(weights[n], exact=True) for n in (layer, f"{layer}_bias"))
        value = graph("Conv", value, kernel, bias, kernel_shape=[_KERNEL, _KERNEL])
        value = graph(
            "MaxPool", graph("Relu", value), kernel_shape=[_POOL] * 2, strides=[_POOL] * 2
        )
    value = graph("Flatten", value, axis=1)
    value = graph("MatMul", value, graph.constant(weights["dense"], exact=True))
    value = graph("Sigmoid", graph("Add", value, graph.constant(weights["dense_bias"])))
    graph.output(_OUTPUT, graph("Squeeze", value, graph.integers([1])))
    return graph.serialise_input(_INPUT, ("n", 1, size, size))
