"""The least time of CNN-cleaner on a GPU: counted from its layers, and measured where one is.

Arithmetic: two operations for each multiplication of its convolutions. Memory: a version that is
fused into one pass reads each map once and writes it once; one that runs layer by layer writes and
reads what lies between them as well.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.folding import phase_taps
from skysift.models.sky.baseline.layers import (
    Convolution,
    Layer,
    Upsampling,
    multiply_accumulates,
    output_shape,
)
from skysift.models.sky.baseline.torch_network import forward, forward_folded_cleaner

__all__ = ["floor_of", "measure_gpu"]

SHAPE = (200, 200)
HALF = 2
"""Bytes of a number in half precision."""
RATES = {
    "reached": (790e12, 4.3e12),
    "of the data sheet": (989e12, 4.8e12),
}
"""An H200 in half precision: operations and bytes per second, as large products and copies reach
them and as NVIDIA states them (without sparsity)."""


def floor_of(layers: Sequence[Layer], n: int) -> dict[str, Any]:
    """Return operations and bytes of n maps, layer by layer, and the times they take at least.

    Parameters
    ----------
    layers : sequence of Layer
        The cleaner.
    n : int
        Maps.
    """
    rows = []
    shape: tuple[int, ...] = (1, *SHAPE)
    previous: Layer | None = None
    for layer in layers:
        after = output_shape([layer], shape)
        operations = 2 * multiply_accumulates([layer], shape)
        rows.append(
            {
                "layer": type(layer).__name__.lower(),
                "shape": list(after),
                "operations": operations,
                "folded": operations * _kept(previous, layer),
                "bytes": HALF * int(np.prod(shape) + np.prod(after)),
            }
        )
        shape, previous = after, layer
    arithmetic = n * sum(row["operations"] for row in rows)
    folded = n * sum(row["folded"] for row in rows)
    fused = n * HALF * 2 * int(np.prod(SHAPE))
    unfused = n * sum(row["bytes"] for row in rows)
    return {
        "maps": n,
        "layers": rows,
        "operations": arithmetic,
        "operations_folded": folded,
        "bytes": fused,
        "bytes_layer_by_layer": unfused,
        "microseconds": {
            name: {
                "arithmetic": 1e6 * arithmetic / operations,
                "arithmetic, folded": 1e6 * folded / operations,
                "memory": 1e6 * fused / memory,
                "memory, layer by layer": 1e6 * unfused / memory,
            }
            for name, (operations, memory) in RATES.items()
        },
    }


def _kept(previous: Layer | None, layer: Layer) -> float:
    """Return the share of multiplications that is left where an upsampling is folded in."""
    if not (isinstance(previous, Upsampling) and isinstance(layer, Convolution)):
        return 1.0
    places = phase_taps(layer.kernel).counts.any(axis=2).sum() / 2  # per axis, mean of the phases
    return float((places / layer.kernel) ** 2)


def measure_gpu(cleaner: CnnCleaner, n: int, repeats: int) -> list[dict[str, Any]]:
    """Return the time of n maps that are on the GPU, beside what arithmetic and memory take."""
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU here.")
    weights = {
        name: torch.from_numpy(array).cuda().half() for name, array in cleaner.weights_.items()
    }
    maps = torch.rand(n, 1, *SHAPE, device="cuda", dtype=torch.half)

    def network(inputs: torch.Tensor) -> Any:
        return forward(cleaner.layers, weights, inputs)

    def folded(inputs: torch.Tensor) -> Any:
        return forward_folded_cleaner(cleaner.layers, weights, inputs)

    contenders = {
        "torch eager": network,
        "torch compiled": torch.compile(network, mode="max-autotune"),
        "torch eager, folded": folded,
        "torch compiled, folded": torch.compile(folded, mode="max-autotune"),
    }
    least = floor_of(cleaner.layers, n)["microseconds"]["reached"]
    rows: list[dict[str, Any]] = [
        {"contender": f"floor: {name}", "microseconds": time} for name, time in least.items()
    ]
    for name, run in contenders.items():
        with torch.inference_mode():
            for _ in range(3):
                run(maps)
            seconds = [_seconds_on_gpu(run, maps) for _ in range(repeats)]
        rows.append({"contender": name, "maps": n, "microseconds": min(seconds) * 1e6})
    return rows


def _seconds_on_gpu(run: Callable[[Any], Any], maps: Any) -> float:
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run(maps)
    stop.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(stop)) / 1e3
