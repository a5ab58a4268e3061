"""A small convolutional network of stamps: its weights, its training in torch, its ONNX graph.

Three convolutions without padding, the second with stride 2, then a hidden layer that also sees
numbers beside the planes, and the log-odds. A star stays a star when its image is turned or
mirrored: a stamp is drawn in a random one of its eight views (the symmetries of the square, D4) at
each step of the training, and the log-odds of all eight are averaged in the graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.core.extras import import_extra
from skysift.models.graph_builder import GraphBuilder
from skysift.models.one_cycle import one_cycle

__all__ = [
    "CnnShape",
    "CnnTraining",
    "Standardisation",
    "export_networks",
    "initial_weights",
    "log_odds",
    "mean_log_odds",
    "square_views",
    "train_network",
]

Floats = NDArray[np.float32]
Weights = dict[str, Floats]
Drawn = Callable[[NDArray[np.int64], np.random.Generator], Floats]

LARGEST = 6.0
"""Standardised inputs are limited to it, so that one bad pixel does not decide."""

_VIEWS = 8
_KERNEL = 3
_STRIDES = (1, 2, 1)
_LARGEST_LOG_ODDS = 13.8155  # p = 1e-6
_EPOCHS_PER_LOOK = 4


@dataclass(frozen=True, slots=True)
class CnnShape:
    """What a network sees, and how wide it is.

    Parameters
    ----------
    planes, side : int
        Images of a stamp, each of ``side`` x ``side`` pixels.
    numbers : int
        Columns beside the pixels.
    channels : (int, int, int)
        Of the three convolutions.
    hidden : int
        Width of the hidden layer.

    Examples
    --------
    >>> CnnShape(planes=2, side=11, numbers=2).n_features
    244
    """

    planes: int
    side: int
    numbers: int
    channels: tuple[int, int, int] = (8, 16, 24)
    hidden: int = 24

    @property
    def n_pixels(self) -> int:
        """Columns that are pixels, plane after plane, row after row."""
        return self.planes * self.side**2

    @property
    def n_features(self) -> int:
        """All columns: the pixels, then the numbers."""
        return self.n_pixels + self.numbers

    @property
    def n_convolved(self) -> int:
        """Values that the convolutions leave.

        Raises
        ------
        UsageError
            If the stamp is too small for them.
        """
        side = self.side
        for stride in _STRIDES:
            side = (side - _KERNEL) // stride + 1
        if side < 1:
            raise UsageError(f"A stamp of {self.side} pixels is too small.", "Give 9 or more.")
        return self.channels[-1] * side**2


@dataclass(frozen=True, slots=True)
class CnnTraining:
    """How a network is trained.

    Parameters
    ----------
    epochs, batch_size, learning_rate, weight_decay
        Of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with a rise and a cosine.
    dropout : float
        Share of the values before and in the hidden layer that are dropped.
    smoothing : float
        Share of the labels that are taken to be wrong, so that no log-odds must be endless.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    smoothing: float


@dataclass(frozen=True, slots=True)
class Standardisation:
    """What is done to each column before the network, shape (n_features,) each.

    Parameters
    ----------
    fill : array
        Stands for NaN.
    mean, scale : array
        Subtracted, and divided by; the same for pixels that a symmetry exchanges.
    """

    fill: Floats
    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, columns: Floats, shape: CnnShape) -> "Standardisation":
        """Take medians, means and standard deviations of columns, shape (n, n_features)."""
        known = np.isfinite(columns)
        fill = np.array(
            [np.median(c[k]) if k.any() else 0.0 for c, k in zip(columns.T, known.T, strict=True)],
            dtype=np.float32,
        )
        filled = np.where(known, columns, fill).astype(np.float64)
        mean, power = (_symmetric(value.mean(axis=0), shape) for value in (filled, filled**2))
        spread = np.sqrt(np.maximum(power - mean**2, 0.0))
        scale = np.where(spread > 1e-6 * np.maximum(np.abs(mean), 1.0), spread, 1.0)
        return cls(fill, mean.astype(np.float32), scale.astype(np.float32))

    def __call__(self, columns: Floats) -> Floats:
        """Return standardised columns, finite and limited."""
        filled = np.where(np.isnan(columns), self.fill, columns)
        z = np.clip((filled - self.mean) / self.scale, -LARGEST, LARGEST)
        return np.asarray(z, dtype=np.float32)


def square_views(planes: int, side: int) -> NDArray[np.int64]:
    """Return the eight views of a stamp as places of its pixels, shape (8, planes * side * side).

    Examples
    --------
    >>> square_views(1, 2).tolist()[:3]
    [[0, 1, 2, 3], [1, 0, 3, 2], [1, 3, 0, 2]]
    """
    places = np.arange(planes * side**2).reshape(planes, side, side)
    turned = [np.rot90(places, turns, axes=(1, 2)) for turns in range(_VIEWS // 2)]
    views = [view for one in turned for view in (one, one[:, :, ::-1])]
    return np.stack([view.reshape(-1) for view in views])


def initial_weights(shape: CnnShape, rng: np.random.Generator) -> Weights:
    """Draw weights to begin with (He et al. 2015, arXiv:1502.01852), and biases of zero."""
    widths = (shape.planes, *shape.channels)
    sizes: dict[str, tuple[int, ...]] = {
        f"conv_{k + 1}": (widths[k + 1], widths[k], _KERNEL, _KERNEL) for k in range(len(_STRIDES))
    }
    sizes |= {
        "image": (shape.n_convolved, shape.hidden),
        "numbers": (shape.numbers, shape.hidden),
        "out": (shape.hidden, 1),
    }
    weights: Weights = {}
    for name, size in sizes.items():
        inputs = np.prod(size[1:]) if name.startswith("conv") else size[0]
        weights[name] = rng.normal(0.0, np.sqrt(2.0 / max(inputs, 1)), size).astype(np.float32)
    weights["out"] *= 0.3  # begins near even odds
    for name in ("conv_1", "conv_2", "conv_3", "image", "out"):
        width = sizes[name][0] if name.startswith("conv") else sizes[name][1]
        weights[f"{name}_bias"] = np.zeros(width, np.float32)
    return weights


def train_network(
    shape: CnnShape,
    columns: Floats,
    is_signal: NDArray[np.bool_],
    *,
    left_out: NDArray[np.bool_],
    training: CnnTraining,
    rng: np.random.Generator,
    drawn: Drawn | None = None,
) -> tuple[Weights, list[float]]:
    """Train one network, and return its weights at the look that was best on other rows.

    Where no rows are left out, those at the end are returned.

    Parameters
    ----------
    shape : CnnShape
        Of the network.
    columns : array, shape (n, n_features)
        Standardised.
    is_signal : array of bool, shape (n,)
        The truth.
    left_out : array of bool, shape (n,)
        Rows that are not trained on; their log loss, after every fourth epoch, chooses.
    training : CnnTraining
        How.
    rng : numpy.random.Generator
        Draws weights, order, views and what is dropped.
    drawn : callable, optional
        Takes the numbers of rows and a generator, and returns these rows, standardised, as they
        might have been: drawn anew at each step. Without it they are what they are.

    Returns
    -------
    weights : dict of str to array
        Of the network.
    losses : list of float
        Log loss of the rows that were left out, after each fourth epoch and the last.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    torch = import_extra("torch", extra="train")
    views = torch.from_numpy(square_views(shape.planes, shape.side))
    live = {
        name: torch.nn.Parameter(torch.from_numpy(value))
        for name, value in initial_weights(shape, rng).items()
    }
    drops = torch.Generator().manual_seed(int(rng.integers(2**31)))
    rows, truth = torch.from_numpy(columns), torch.from_numpy(is_signal.astype(np.float32))
    seen, held = np.flatnonzero(~left_out), torch.from_numpy(np.flatnonzero(left_out))
    targets = truth * (1 - 2 * training.smoothing) + training.smoothing
    size = min(training.batch_size, len(seen))
    steps = training.epochs * (len(seen) // size)
    optimiser = _optimiser(torch, live, training)
    schedule = one_cycle(torch, optimiser, training.learning_rate, steps)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    best: Weights = {}
    losses: list[float] = []
    for epoch in range(1, training.epochs + 1):
        order = rng.permutation(seen)
        for start in range(0, len(seen) - size + 1, size):
            chosen = order[start : start + size]
            view = views[torch.from_numpy(rng.integers(_VIEWS, size=size))]
            some = rows[chosen] if drawn is None else torch.from_numpy(drawn(chosen, rng))
            turned = (some[:, : shape.n_pixels].gather(1, view), some[:, shape.n_pixels :])
            odds = log_odds(torch, shape, live, turned, (training.dropout, drops))
            optimiser.zero_grad(set_to_none=True)
            entropy(odds, targets[chosen]).backward()
            optimiser.step()
            schedule.step()
        if not len(held) or (epoch % _EPOCHS_PER_LOOK and epoch < training.epochs):
            continue
        with torch.inference_mode():
            odds = mean_log_odds(torch, shape, live, rows[held], views)
            losses.append(float(entropy(odds, truth[held])))
        if losses[-1] == min(losses):
            best = _copied(live)
    return best or _copied(live), losses


def _copied(live: Mapping[str, Any]) -> Weights:
    return {name: value.detach().numpy().copy() for name, value in live.items()}


def export_networks(
    shape: CnnShape, standardisation: Standardisation, networks: list[Weights], output: str
) -> bytes:
    """Return an ONNX graph from columns, shape (n, n_features), to the probability of signal.

    NaN are filled, columns standardised, all views seen by all networks, and their log-odds
    averaged: what runs the graph needs nothing else.

    Parameters
    ----------
    shape : CnnShape
        Of the networks.
    standardisation : Standardisation
        Of the columns.
    networks : list of dict of str to array
        Their weights.
    output : str
        Name of the output, shape (n,).
    """
    graph = GraphBuilder()
    filled = graph(
        "Where", graph("IsNaN", "features"), _constant(graph, standardisation.fill), "features"
    )
    shifted = graph("Sub", filled, _constant(graph, standardisation.mean))
    scaled = graph("Div", shifted, _constant(graph, standardisation.scale))
    z = graph.clip(scaled, -LARGEST, LARGEST)
    views = square_views(shape.planes, shape.side)
    pixels = graph("Gather", z, graph.integers(views.reshape(-1).tolist()), axis=1)
    pixels = graph("Reshape", pixels, graph.integers([-1, shape.planes, shape.side, shape.side]))
    numbers = graph(
        "Gather", z, graph.integers(list(range(shape.n_pixels, shape.n_features))), axis=1
    )
    odds = [_network_nodes(graph, shape, weights, pixels, numbers) for weights in networks]
    mean = graph.mean(graph("Concat", *odds, axis=1), axis=1, keep=False)
    limited = graph.clip(mean, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
    graph.output(output, graph("Sigmoid", limited))
    return graph.serialise(shape.n_features)


def _network_nodes(
    graph: GraphBuilder, shape: CnnShape, weights: Mapping[str, Floats], pixels: str, numbers: str
) -> str:
    """Add one network and return its log-odds of each view, shape (n, 8)."""
    value = pixels
    for k, stride in enumerate(_STRIDES):
        name = f"conv_{k + 1}"
        value = graph(
            "Conv",
            value,
            graph.constant(weights[name]),
            graph.constant(weights[f"{name}_bias"]),
            kernel_shape=[_KERNEL, _KERNEL],
            strides=[stride, stride],
        )
        value = graph("Relu", value)
    value = graph("Reshape", value, graph.integers([-1, _VIEWS, shape.n_convolved]))
    value = graph("MatMul", value, graph.constant(weights["image"]))
    beside = graph("MatMul", numbers, graph.constant(weights["numbers"]))
    beside = graph("Add", beside, graph.constant(weights["image_bias"]))
    beside = graph("Unsqueeze", beside, graph.integers([1]))
    value = graph("Relu", graph("Add", value, beside))
    value = graph("MatMul", value, graph.constant(weights["out"]))
    value = graph("Add", value, graph.constant(weights["out_bias"]))
    return graph("Reshape", value, graph.integers([-1, _VIEWS]))


def _constant(graph: GraphBuilder, values: Floats) -> str:
    return graph.constant(values, exact=True)


def _symmetric(columns: NDArray[np.float64], shape: CnnShape) -> NDArray[np.float64]:
    """Average over views what belongs to pixels, shape (n_features,)."""
    views = square_views(shape.planes, shape.side)
    pixels = columns[: shape.n_pixels][views].mean(axis=0)
    return np.concatenate([pixels, columns[shape.n_pixels :]])


def _optimiser(torch: Any, live: Mapping[str, Any], training: CnnTraining) -> Any:
    biases = [value for name, value in live.items() if name.endswith("_bias")]
    kernels = [value for name, value in live.items() if not name.endswith("_bias")]
    groups = [
        {"params": kernels, "weight_decay": training.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def log_odds(
    torch: Any,
    shape: CnnShape,
    weights: Mapping[str, Any],
    rows: tuple[Any, Any],
    dropping: tuple[float, Any] | None = None,
) -> Any:
    """Return log-odds, shape (n,), of one view of the pixels, and the numbers, of each row."""
    pixels, numbers = rows
    value = pixels.reshape(-1, shape.planes, shape.side, shape.side)
    for k, stride in enumerate(_STRIDES):
        name = f"conv_{k + 1}"
        value = torch.nn.functional.conv2d(
            value, weights[name], weights[f"{name}_bias"], stride=stride
        ).relu()
    value = _dropped(torch, value.flatten(1), dropping)
    value = value @ weights["image"] + numbers @ weights["numbers"] + weights["image_bias"]
    value = _dropped(torch, value.relu(), dropping)
    return (value @ weights["out"] + weights["out_bias"])[:, 0]


def mean_log_odds(
    torch: Any, shape: CnnShape, weights: Mapping[str, Any], rows: Any, views: Any
) -> Any:
    """Return log-odds, shape (n,), the mean over the views of each row."""
    pixels, numbers = rows[:, : shape.n_pixels], rows[:, shape.n_pixels :]
    each = [log_odds(torch, shape, weights, (pixels[:, view], numbers)) for view in views]
    return torch.stack(each).mean(0)


def _dropped(torch: Any, value: Any, dropping: tuple[float, Any] | None) -> Any:
    if dropping is None or dropping[0] == 0.0:
        return value
    keep = 1.0 - dropping[0]
    return value * (torch.rand(value.shape, generator=dropping[1]) < keep) / keep
