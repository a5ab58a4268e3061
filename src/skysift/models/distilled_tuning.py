"""Take a distilled network out of its ONNX graph, and go on training it on labelled rows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra
from skysift.models.distillation import DistilledNetwork, Expansion
from skysift.models.fine_tuning import FineTuned, TuningOptions, fine_tune
from skysift.models.lessons import Mixed
from skysift.models.persist.onnx_weights import GraphWeights

__all__ = ["network_of_graph", "tune_network"]

Floats = NDArray[np.float32]

_SMALLEST = 1e-6
_GEMMS_OF_POLAR, _GEMMS_OF_LOGS, _GEMMS_OF_RATIOS = 2, 1, 2


def network_of_graph(data: bytes, expansion: Expansion) -> DistilledNetwork:
    """Return the network that :meth:`DistilledNetwork.to_onnx` wrote.

    Parameters
    ----------
    data : bytes
        The graph.
    expansion : Expansion
        What the network derives from its columns.

    Raises
    ------
    BundleError
        If the graph is not that of such a network.
    MissingExtraError
        If onnx is not installed.
    """
    n_columns = len(expansion.columns)
    gemms = GraphWeights(data).operands("Gemm")
    derived = (
        _GEMMS_OF_POLAR * bool(expansion.polar)
        + _GEMMS_OF_LOGS * bool(expansion.logs)
        + _GEMMS_OF_RATIOS * bool(expansion.ratios)
    )
    shares, layers = gemms[:1], gemms[1 + derived :]
    width = expansion(np.ones((1, n_columns))).shape[1]
    shapes = [layer[0].shape for layer in layers if len(layer) == 2]  # noqa: PLR2004  # and a bias
    inputs = [shape[0] for shape in shapes]
    outputs = [shape[1] for shape in shapes]
    if (
        not layers
        or len(shapes) != len(layers)
        or shares[0][0].shape != (n_columns, n_columns)
        or [width, *outputs] != [*inputs, 2]
    ):
        raise BundleError(
            "The graph is not that of a distilled network of these columns.",
            "Train the bundle again.",
        )
    scale, shift = np.diag(shares[0][0]), shares[0][1]
    span = (1.0 / scale).astype(np.float32)
    low = (-shift * span).astype(np.float32)
    weights = [layer[0].astype(np.float32) for layer in layers]
    biases = [layer[1].astype(np.float32) for layer in layers]
    # The graph's first layer takes shares of the columns' range; ours takes columns.
    weights[0] = weights[0].copy()
    weights[0][:n_columns] /= span[:, None]
    biases[0] = biases[0] - low @ weights[0][:n_columns]
    return DistilledNetwork(expansion, low, low + span, tuple(weights), tuple(biases))


def tune_network(
    network: DistilledNetwork,
    mixed: Mixed,
    options: TuningOptions,
    rng: np.random.Generator,
    *,
    frozen: bool,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> tuple[DistilledNetwork, FineTuned]:
    """Go on training a network on labelled rows; its error is kept as it was.

    Parameters
    ----------
    network : DistilledNetwork
        Where to begin.
    mixed : Mixed
        Rows of its columns, labelled 0 or 1, in parts.
    options : TuningOptions
        Steps.
    rng : numpy.random.Generator
        Shuffles the rows.
    frozen : bool
        Move the last layer only.
    progress : callable
        Called with the fraction done.
    """
    torch = import_extra("torch", extra="train")
    columns = np.asarray(mixed.rows.features, dtype=np.float32)
    seen = network.expansion(np.clip(columns, network.low, network.high))
    mean, scale = seen.mean(axis=0), seen.std(axis=0) + np.float32(_SMALLEST)
    _, error = network.predict_with_error(columns)
    rows = torch.from_numpy((seen - mean) / scale)
    target = np.stack([np.asarray(mixed.rows.label, dtype=np.float32), error], axis=1)
    wanted = torch.from_numpy(target.astype(np.float32))
    last = len(network.weights) - 1

    def losses(live: Any, index: NDArray[np.int64]) -> Any:
        hidden = rows[index]
        for number in range(last):
            hidden = torch.relu(
                torch.addmm(live[f"bias.{number}"], hidden, live[f"weight.{number}"])
            )
        log_odds = torch.addmm(live[f"bias.{last}"], hidden, live[f"weight.{last}"])
        return torch.nn.functional.binary_cross_entropy_with_logits(
            log_odds, wanted[index], reduction="none"
        ).sum(dim=1)

    tuned = fine_tune(
        _in_spreads(network, mean, scale),
        losses,
        fit=mixed.fit,
        stop=mixed.stop,
        weight=mixed.weight,
        options=options,
        rng=rng,
        moving={f"weight.{last}", f"bias.{last}"} if frozen else None,
        progress=progress,
    )
    return _with_weights(network, tuned.weights, mean, scale), tuned


def _in_spreads(network: DistilledNetwork, mean: Floats, scale: Floats) -> dict[str, Floats]:
    """Return weights for standardised columns: these differ in size by a factor of a thousand."""
    start = {f"weight.{k}": value for k, value in enumerate(network.weights)}
    start |= {f"bias.{k}": value for k, value in enumerate(network.biases)}
    start["bias.0"] = start["bias.0"] + mean @ start["weight.0"]
    start["weight.0"] = start["weight.0"] * scale[:, None]
    return start


def _with_weights(
    network: DistilledNetwork, moved: Mapping[str, Floats], mean: Floats, scale: Floats
) -> DistilledNetwork:
    """Return a network with weights for standardised columns put back to its own."""
    weights = [moved[f"weight.{k}"] for k in range(len(network.weights))]
    biases = [moved[f"bias.{k}"] for k in range(len(network.biases))]
    weights[0] = weights[0] / scale[:, None]
    biases[0] = biases[0] - mean @ weights[0]
    return replace(network, weights=tuple(weights), biases=tuple(biases))
