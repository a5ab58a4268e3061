"""Networks of regions go on: out of their ONNX graph, on to other disks, and back into a graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra
from skysift.models.fine_tuning import TuningOptions, fine_tune
from skysift.models.lessons import Mixed
from skysift.models.persist.onnx_weights import GraphWeights
from skysift.models.sky.network.torch_operations import TorchOperations
from skysift.models.solar.disk_lessons import DiskLessons
from skysift.models.solar.region_network import (
    apply_network,
    export_region_network,
    weight_shapes,
)
from skysift.models.solar.region_training import disk_losses, random_views, targets

__all__ = ["TunedRegions", "region_losses", "region_networks_of_graph", "tune_region_networks"]

_ORDER = (
    "pixels", "stem", "fine_1", "fine_2", "down", "coarse_1_1", "coarse_1_2", "coarse_2_1",
    "coarse_2_2", "far_1", "far_2", "up", "merged_1", "merged_2", "head",
)  # fmt: skip
"""Kernels in the order of the computation."""

_LAST = ("head.weight", "head.bias")
_MIRRORS = ((), (2,), (3,))  # axes: as it is, north to south, east to west
_AT_A_TIME = 16  # disks

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


@dataclass(frozen=True, eq=False)
class TunedRegions:
    """Networks that have gone on.

    Parameters
    ----------
    graph : bytes
        ONNX model of all of them.
    rounds : tuple of int
        After how many each was best; 0 for one that stays what it was.
    """

    graph: bytes = field(repr=False)
    rounds: tuple[int, ...]


def region_networks_of_graph(data: bytes) -> list[Weights]:
    """Return what :func:`~skysift.models.solar.region_network.export_region_network` wrote.

    Raises
    ------
    BundleError
        If the graph is not that of such networks.
    MissingExtraError
        If onnx is not installed.
    """
    kernels = GraphWeights(data).operands("Conv")
    n, rest = divmod(len(kernels), len(_ORDER))
    networks = []
    for number in range(n):
        own = kernels[number * len(_ORDER) : (number + 1) * len(_ORDER)]
        weights: Weights = {}
        for name, operands in zip(_ORDER, own, strict=True):
            weights |= zip((f"{name}.weight", f"{name}.bias"), operands, strict=False)
        networks.append(weights)
    shapes = weight_shapes()
    expected: dict[str, tuple[int, ...]] = {f"{name}.weight": one for name, one in shapes.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    found = [{name: array.shape for name, array in one.items()} for one in networks]
    if rest or not networks or any(one != expected for one in found):
        raise BundleError(
            "The graph is not that of networks of regions.",
            "Fetch the bundle again, or train it again.",
        )
    return networks


def region_losses(data: bytes, disks: DiskLessons) -> NDArray[np.float64]:
    """Return the loss of each disk, shape (n,), by the networks of a graph together.

    Parameters
    ----------
    data : bytes
        The graph.
    disks : DiskLessons
        Labelled.

    Raises
    ------
    BundleError
        If the graph is not that of such networks.
    MissingExtraError
        If torch or onnx is not installed.
    """
    torch = import_extra("torch", extra="train")
    networks = [
        {name: torch.tensor(array) for name, array in one.items()}
        for one in region_networks_of_graph(data)
    ]
    labelled = _Disks(torch, disks)
    rows = np.arange(len(disks))
    return np.asarray(labelled.seen_plainly(networks, rows).numpy(), dtype=np.float64)


def tune_region_networks(
    data: bytes,
    disks: DiskLessons,
    mixed: Mixed,
    options: TuningOptions,
    rng: np.random.Generator,
    *,
    frozen: bool = False,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> TunedRegions:
    """Return a graph whose networks have gone on training.

    Parameters
    ----------
    data : bytes
        The graph.
    disks : DiskLessons
        Labelled.
    mixed : Mixed
        The disks in parts, with their weights; what rows hold is not looked at.
    options : TuningOptions
        Steps.
    rng : numpy.random.Generator
        Draws order and views.
    frozen : bool
        Whether the last layer moves alone.
    progress : callable
        Called with the fraction done.

    Raises
    ------
    BundleError
        If the graph is not that of such networks.
    MissingExtraError
        If torch or onnx is not installed.
    """
    torch = import_extra("torch", extra="train")
    labelled = _Disks(torch, disks)

    def losses(live: Mapping[str, Any], rows: NDArray[np.int64]) -> Any:
        if torch.is_grad_enabled():
            return labelled.seen_anyhow(live, rows, rng)
        return labelled.seen_plainly([live], rows)

    networks = region_networks_of_graph(data)
    tuned: list[Weights] = []
    rounds: list[int] = []
    for weights in networks:
        found = fine_tune(
            weights,
            losses,
            fit=mixed.fit,
            stop=mixed.stop,
            weight=mixed.weight,
            options=options,
            rng=rng,
            moving=_LAST if frozen else None,
            progress=lambda share: progress((len(tuned) + share) / len(networks)),
        )
        tuned.append(found.weights)
        rounds.append(found.best)
    return TunedRegions(export_region_network(tuned), tuple(rounds))


class _Disks:
    """Labelled disks, and what networks lose on them."""

    def __init__(self, torch: Any, disks: DiskLessons) -> None:
        self._torch, self._centres = torch, disks.centres
        self._disks = torch.from_numpy(disks.seen)

    def seen_anyhow(
        self, live: Mapping[str, Any], rows: NDArray[np.int64], rng: np.random.Generator
    ) -> Any:
        """Return the losses of disks, each in a random view, as a tensor."""
        centres = [self._centres[row] for row in rows]
        seen, heat, hits = random_views(self._torch, self._disks[rows], centres, rng)
        return disk_losses(self._torch, apply_network(TorchOperations(live), seen), heat, hits)

    def seen_plainly(self, networks: Sequence[Mapping[str, Any]], rows: NDArray[np.int64]) -> Any:
        """Return the losses by the mean log-odds over networks and mirrors, as they are used."""
        torch, found = self._torch, []
        for part in np.array_split(rows, -(-len(rows) // _AT_A_TIME)):
            seen = self._disks[part]
            odds = sum(
                apply_network(TorchOperations(one), seen.flip(axes)).flip(axes)
                for one in networks
                for axes in _MIRRORS
            ) / (len(networks) * len(_MIRRORS))
            heat, hits = targets([self._centres[row] for row in part])
            found.append(disk_losses(torch, odds, torch.from_numpy(heat), torch.from_numpy(hits)))
        return torch.cat(found)
