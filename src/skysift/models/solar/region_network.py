"""A small network that finds active regions on a disk, written once for torch and for ONNX.

It sees the disk on a grid of 128 pixels, as means and maxima over blocks of the finer grid, with
the distance from the centre and from the equator of the disk. A residual U-Net of two scales (He et
al. 2016, arXiv:1512.03385; Ronneberger et al. 2015, arXiv:1505.04597) and a mean over a quarter of
the disk give two maps of 64 pixels: the log-odds that the centre of a region with sunspots, or of
one with plage only, lies in each (Zhou et al. 2019, arXiv:1904.07850).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.models.graph_builder import GraphBuilder
from skysift.models.persist.onnx_graph import check_onnx_graph
from skysift.models.persist.onnx_session import open_session
from skysift.models.sky.network.architecture import Operations
from skysift.models.sky.network.export import GraphOperations
from skysift.models.solar.strength import DISK_GRID, distance_map
from skysift.preprocess.solar.disk_grid import DiskGrid, shrunk

__all__ = [
    "HEAT_GRID",
    "KINDS",
    "RegionNetwork",
    "apply_network",
    "export_region_network",
    "initial_weights",
    "network_input",
]

KINDS = ("spots", "plage")
"""What each map of the network is the heat of."""

NETWORK_GRID = DiskGrid(128, DISK_GRID.half_width)
HEAT_GRID = DiskGrid(64, DISK_GRID.half_width)
"""Of the heat; a pixel is about 37 arcsec."""

PLANES = 4
_FINE, _COARSE, _PIXELS = 16, 32, 8  # channels
_DILATIONS = (1, 2)
_FAR = 8  # coarse pixels to a side of the region that the surroundings are averaged over
_RARE = -4.0  # log-odds of a centre before training
_HIGHEST = 1.2  # radius beyond which the distance does not grow
_INPUT, _OUTPUT = "disks", "heat"
_MIRRORS = (None, 2, 3)  # as it is, north to south, east to west
_HEAT_SHAPE = (len(KINDS), HEAT_GRID.side, HEAT_GRID.side)

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


def network_input(ratio: Floats) -> Floats:
    """Return what the network sees of a disk, shape (4, 128, 128).

    Parameters
    ----------
    ratio : array, shape (256, 256)
        Of :func:`~skysift.models.solar.strength.brightness_ratio`.

    Raises
    ------
    UsageError
        If it is on another grid.
    """
    if ratio.shape != (DISK_GRID.side, DISK_GRID.side):
        raise UsageError(f"A disk of shape {ratio.shape}.", "Put it on DISK_GRID.")
    step = DISK_GRID.side // NETWORK_GRID.side
    blocks = ratio.reshape(NETWORK_GRID.side, step, NETWORK_GRID.side, step)
    mean = blocks.mean(axis=(1, 3))
    return np.stack([mean, blocks.max(axis=(1, 3)) - mean, *_PLACES]).astype(np.float32)


def _places() -> tuple[Floats, Floats]:
    """Return squared distances from the centre, and distances from the equator of the disk."""
    step = DISK_GRID.side // NETWORK_GRID.side
    squared = np.minimum(distance_map(DISK_GRID), np.float32(_HIGHEST)) ** 2
    _, north = DISK_GRID.offsets(0.0, np.arange(DISK_GRID.side, dtype=np.float64))
    rows = np.abs(np.asarray(north, dtype=np.float32))[:, None]
    equator = np.broadcast_to(rows, squared.shape)
    return shrunk(squared, step), shrunk(np.ascontiguousarray(equator), step)


_PLACES = _places()


def apply_network(ops: Operations, disks: Any) -> Any:
    """Apply the network to disks, shape (n, 4, 128, 128); log-odds have shape (n, 2, 64, 64)."""
    pixels = ops.function("relu", ops.convolve(disks, "pixels"))
    hidden = ops.function("relu", ops.convolve(pixels, "stem", stride=2))
    fine = _residual(ops, hidden, "fine")
    coarse = ops.function("relu", ops.convolve(fine, "down", stride=2))
    for dilation in _DILATIONS:
        coarse = _residual(ops, coarse, f"coarse_{dilation}", dilation)
    far = ops.function("relu", ops.convolve(ops.pool(coarse, _FAR), "far_1"))
    coarse = ops.add(coarse, ops.repeat(ops.convolve(far, "far_2"), _FAR))
    up = ops.repeat(ops.convolve(coarse, "up"), 2)
    merged = _residual(ops, ops.function("relu", ops.add(fine, up)), "merged")
    return ops.convolve(ops.concatenate([merged, hidden]), "head")


def _residual(ops: Operations, value: Any, name: str, dilation: int = 1) -> Any:
    inner = ops.function("relu", ops.convolve(value, f"{name}_1", dilation=dilation))
    return ops.function("relu", ops.add(value, ops.convolve(inner, f"{name}_2")))


def weight_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Return the shape (out, in, k, k) of each kernel."""
    shapes = {
        "pixels": (_PIXELS, PLANES, 3, 3),
        "stem": (_FINE, _PIXELS, 2, 2),
        "down": (_COARSE, _FINE, 2, 2),
        "far_1": (_COARSE, _COARSE, 1, 1),
        "far_2": (_COARSE, _COARSE, 1, 1),
        "up": (_FINE, _COARSE, 1, 1),
        "head": (len(KINDS), 2 * _FINE, 1, 1),
    }
    for part in ("1", "2"):
        shapes[f"fine_{part}"] = shapes[f"merged_{part}"] = (_FINE, _FINE, 3, 3)
        for dilation in _DILATIONS:
            shapes[f"coarse_{dilation}_{part}"] = (_COARSE, _COARSE, 3, 3)
    return shapes


def initial_weights(rng: np.random.Generator) -> Weights:
    """Draw weights to begin with (He et al. 2015, arXiv:1502.01852): centres are rare."""
    weights: Weights = {}
    for name, shape in weight_shapes().items():
        spread = np.sqrt(2.0 / np.prod(shape[1:]))
        if name == "head":
            spread *= 0.05
        elif name.endswith("_2"):  # a residual branch begins weak
            spread *= 0.3
        weights[f"{name}.weight"] = rng.normal(0.0, spread, shape).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], dtype=np.float32)
    weights["head.bias"] += np.float32(_RARE)
    return weights


def export_region_network(weights: Mapping[str, Floats] | list[Weights]) -> bytes:
    """Return a serialised ONNX model: the mean log-odds of one or more networks.

    Each sees the disk as it is and mirrored from north to south and from east to west: brightness
    does not tell the hemispheres apart.

    Parameters
    ----------
    weights : mapping of str to array, or list of such
        Of the networks.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    """
    networks = weights if isinstance(weights, list) else [dict(weights)]
    graph = GraphBuilder()
    # All views at once, one after the other along the first axis, so that weights are stored once.
    views = graph("Concat", *(_mirrored(graph, _INPUT, axis) for axis in _MIRRORS), axis=0)
    maps = []
    for one in networks:
        seen = apply_network(GraphOperations(graph, one), views)
        parts = graph("Reshape", seen, graph.integers([len(_MIRRORS), -1, *_HEAT_SHAPE]))
        for number, axis in enumerate(_MIRRORS):
            part = graph("Gather", parts, graph.integers(number), axis=0)
            maps.append(_mirrored(graph, part, axis))
    mean = graph("Mul", graph("Sum", *maps), graph.constant(1 / len(maps)))
    graph.output(_OUTPUT, graph("Sigmoid", mean), ("n", *_HEAT_SHAPE))
    return graph.serialise_input(_INPUT, ("n", PLANES, NETWORK_GRID.side, NETWORK_GRID.side))


def _mirrored(graph: GraphBuilder, value: str, axis: int | None) -> str:
    if axis is None:
        return value
    start, stop, step = (graph.integers([one]) for one in (-1, -(2**31), -1))
    return graph("Slice", value, start, stop, graph.integers([axis]), step)


class RegionNetwork:
    """A trained network, ready to run.

    Parameters
    ----------
    data : bytes
        What :func:`export_region_network` made.
    threads : int
        For one call.

    Raises
    ------
    BundleError
        If the graph is damaged or asks for what is not allowed.
    """

    def __init__(self, data: bytes, *, threads: int = 1) -> None:
        check_onnx_graph(data)
        self._session = open_session(data, threads=threads)

    def heat(self, ratio: Floats) -> Floats:
        """Return the probability of a centre in each pixel, shape (2, 64, 64), of `KINDS`.

        Parameters
        ----------
        ratio : array, shape (256, 256)
            Of :func:`~skysift.models.solar.strength.brightness_ratio`.
        """
        found = self._session.run([_OUTPUT], {_INPUT: network_input(ratio)[None]})[0]
        return np.asarray(found[0], dtype=np.float32)
