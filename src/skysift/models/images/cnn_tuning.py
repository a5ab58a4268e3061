"""Take networks of stamps out of their ONNX graph, and go on training them on labelled rows."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra
from skysift.models.fine_tuning import TuningOptions, fine_tune
from skysift.models.images.cnn_network import (
    CnnShape,
    Standardisation,
    Weights,
    export_networks,
    log_odds,
    mean_log_odds,
    square_views,
)
from skysift.models.lessons import Mixed
from skysift.models.persist.onnx_weights import GraphWeights

__all__ = ["holds_networks", "networks_of_graph", "tune_networks"]

_CONVOLUTIONS, _PRODUCTS = 3, 3


def holds_networks(data: bytes) -> bool:
    """Tell whether a graph is that of networks of stamps: no other part has convolutions."""
    return bool(GraphWeights(data).operands("Conv"))


def networks_of_graph(data: bytes) -> tuple[CnnShape, Standardisation, list[Weights]]:
    """Return what :func:`~skysift.models.images.cnn_network.export_networks` wrote.

    Raises
    ------
    BundleError
        If the graph is not that of such networks.
    MissingExtraError
        If onnx is not installed.
    """
    graph = GraphWeights(data)
    convolutions, products = graph.operands("Conv"), graph.operands("MatMul")
    sums = graph.operands("Add")
    n = len(convolutions) // _CONVOLUTIONS
    try:
        ((fill, *_),) = graph.operands("Where")
        mean, scale = graph.operands("Sub")[0][0], graph.operands("Div")[0][0]
        networks = [
            _network(convolutions[3 * k : 3 * k + 3], products[3 * k :], sums[2 * k :])
            for k in range(n)
        ]
        first = networks[0]
        numbers, hidden = first["numbers"].shape
        planes = first["conv_1"].shape[1]
        side = math.isqrt((len(fill) - numbers) // planes)
        widths = [first[f"conv_{k}"].shape[0] for k in (1, 2, 3)]
        shape = CnnShape(planes, side, numbers, (widths[0], widths[1], widths[2]), hidden)
        fits = (
            len(convolutions) == n * _CONVOLUTIONS
            and len(products) == n * _PRODUCTS
            and shape.n_features == len(fill)
            and all(one["image"].shape == (shape.n_convolved, hidden) for one in networks)
        )
    except (ValueError, IndexError) as error:
        raise _other_graph() from error
    if not fits:
        raise _other_graph()
    return shape, Standardisation(fill, mean, scale), networks


def tune_networks(
    data: bytes,
    mixed: Mixed,
    options: TuningOptions,
    rng: np.random.Generator,
    *,
    output: str,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> bytes:
    """Return a graph whose networks have gone on training.

    Parameters
    ----------
    data : bytes
        The graph.
    mixed : Mixed
        Rows as the graph sees them, labelled 0 or 1, in parts.
    options : TuningOptions
        Steps.
    rng : numpy.random.Generator
        Shuffles rows and draws views of stamps.
    output : str
        Name of the output.
    progress : callable
        Called with the fraction done.
    """
    torch = import_extra("torch", extra="train")
    shape, standardisation, networks = networks_of_graph(data)
    rows = torch.from_numpy(standardisation(np.asarray(mixed.rows.features, dtype=np.float32)))
    truth = torch.from_numpy((mixed.rows.label > 0).astype(np.float32))
    views = torch.from_numpy(square_views(shape.planes, shape.side))

    def losses(live: Mapping[str, Any], index: NDArray[np.int64]) -> Any:
        some = rows[index]
        if torch.is_grad_enabled():  # each row in a random one of its views
            drawn = views[torch.from_numpy(rng.integers(len(views), size=len(index)))]
            pixels = some[:, : shape.n_pixels].gather(1, drawn)
            odds = log_odds(torch, shape, live, (pixels, some[:, shape.n_pixels :]))
        else:
            odds = mean_log_odds(torch, shape, live, some, views)
        return torch.nn.functional.binary_cross_entropy_with_logits(
            odds, truth[index], reduction="none"
        )

    tuned = []
    for number, weights in enumerate(networks):
        found = fine_tune(
            weights,
            losses,
            fit=mixed.fit,
            stop=mixed.stop,
            weight=mixed.weight,
            options=options,
            rng=rng,
        )
        tuned.append(found.weights)
        progress((number + 1) / len(networks))
    return export_networks(shape, standardisation, tuned, output)


def _network(
    convolutions: list[tuple[NDArray[Any], ...]],
    products: list[tuple[NDArray[Any], ...]],
    sums: list[tuple[NDArray[Any], ...]],
) -> Weights:
    """Return the weights of one network from what its nodes take."""
    weights: Weights = {}
    for number, (kernel, bias) in enumerate(convolutions):
        weights[f"conv_{number + 1}"], weights[f"conv_{number + 1}_bias"] = kernel, bias
    for name, (values, *_) in zip(("image", "numbers", "out"), products[:3], strict=True):
        weights[name] = values
    weights["image_bias"], weights["out_bias"] = sums[0][0], sums[1][0]
    return weights


def _other_graph() -> BundleError:
    return BundleError(
        "The graph is not that of networks of stamps.", "Fetch the bundle again, or train it again."
    )
