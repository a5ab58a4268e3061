"""How fast CNN-cleaner runs: our runtime beside the same layers in ONNX Runtime, torch and Keras.

    python benchmarks/gamma_sky_cleaner.py --out runs/bench/gamma_sky_cleaner.json
    python benchmarks/gamma_sky_cleaner.py --gpu

The contenders take turns, so that a busy machine slows all of them alike; the rate is that of the
fastest turn. Each gets maps of 200 x 200 pixels in memory and gives maps. Keras runs if it is
installed (its torch backend will do: KERAS_BACKEND=torch). All give the same to 1e-5. With --gpu,
torch runs maps that are on the GPU in half precision, beside the least time that arithmetic and
memory allow.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.export import INPUT, export_folded_cleaner, export_layers
from skysift.models.sky.baseline.layers import initial_weights, multiply_accumulates
from skysift.models.sky.baseline.runtime import CleanerRuntime
from skysift.models.sky.baseline.torch_network import forward, forward_folded_cleaner

SHAPE = (200, 200)
BATCH = 32
"""Maps per call of the peers where there are more: the original's batch, and Keras' default."""
TOLERANCE = 1e-5
OURS = "skysift, folded"
HALF_PRECISION_RATE = 790e12
MEMORY_RATE = 4.3e12
"""What an H200 reaches in half precision, in operations and in bytes per second."""

Floats = NDArray[np.float32]
Contender = Callable[[Floats, Floats], Any]
"""Takes maps and an array for the results."""


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--maps", type=int, nargs="+", default=[1, 32, 1000], help="sizes of calls")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender")
    parser.add_argument("--gpu", action="store_true", help="torch in half precision on a GPU alone")
    arguments = parser.parse_args()
    console = Console()
    provenance = Provenance.start(command="benchmarks/gamma_sky_cleaner.py")
    console.print(f"{provenance.cpu}, {provenance.cores} cores, Python {provenance.python}")
    rng = np.random.default_rng(0)
    cleaner = CnnCleaner()
    cleaner.weights_ = initial_weights(cleaner.layers, rng)
    if arguments.gpu:
        results = measure_gpu(cleaner, max(arguments.maps), arguments.repeats)
        for row in results:
            console.print(f"{row['contender']:40} {row['microseconds']:10.1f} us")
    else:
        maps = rng.random((max(arguments.maps), *SHAPE), dtype=np.float32)
        results = []
        for threads in arguments.threads:
            rows = measure_threads(cleaner, maps, threads, arguments.maps, arguments.repeats)
            console.print(render(rows, threads, arguments.maps))
            results += rows
    if arguments.out:
        report = {"provenance": provenance.finish().to_dict(), "results": results}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out, json.dumps(report, indent=2) + "\n")


def measure_threads(
    cleaner: CnnCleaner, maps: Floats, threads: int, sizes: Iterable[int], repeats: int
) -> list[dict[str, Any]]:
    """Return maps per second of each contender and size of call."""
    torch.set_num_threads(threads)
    contenders = dict(make_contenders(cleaner, threads))
    expected = cleaner.run_network(maps[:BATCH])
    for name, run in contenders.items():
        given = np.empty_like(expected)
        run(maps[:BATCH], given)
        worst = float(np.abs(given - expected).max())
        if worst > TOLERANCE:
            raise SystemExit(f"{name} differs by {worst}")
    rows = []
    for size in sizes:
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        result = np.empty((size, *SHAPE), np.float32)
        for _ in range(repeats):
            for name, run in contenders.items():
                calls = max(1, BATCH // size)  # a few single maps in a turn
                start = time.perf_counter()
                for _ in range(calls):
                    run(maps[:size], result)
                seconds[name].append((time.perf_counter() - start) / calls)
        rows += [
            {
                "contender": name,
                "threads": threads,
                "maps": size,
                "fastest": size / min(times),
                "median": size / float(np.median(times)),
            }
            for name, times in seconds.items()
        ]
    return rows


def make_contenders(cleaner: CnnCleaner, threads: int) -> Iterable[tuple[str, Contender]]:
    """Yield what runs the layers."""
    folded = export_folded_cleaner(cleaner.variant, cleaner.weights_, SHAPE)
    yield OURS, CleanerRuntime(folded, threads=threads).predict
    graph = export_layers(cleaner.layers, cleaner.weights_, SHAPE)
    levels = onnxruntime.GraphOptimizationLevel
    yield "ONNX Runtime", _onnx(graph, threads, levels.ORT_ENABLE_ALL)
    yield "ONNX Runtime, extended level", _onnx(graph, threads, levels.ORT_ENABLE_EXTENDED)
    yield "torch eager", _torch_eager(cleaner)
    keras = _keras(cleaner)
    if keras is None:
        Console().print("Keras is not installed: not measured.")
    else:
        yield f"Keras predict ({os.environ.get('KERAS_BACKEND', 'tensorflow')})", keras


def _onnx(graph: bytes, threads: int, level: Any) -> Contender:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(maps: Floats, result: Floats) -> None:
        for start in range(0, len(maps), BATCH):
            part = slice(start, start + BATCH)
            (output,) = session.run(None, {INPUT: maps[part, None]})
            result[part] = output[:, 0]

    return run


def _torch_eager(cleaner: CnnCleaner) -> Contender:
    """Return the network as one would write it with torch's modules."""
    nn = torch.nn

    def convolution(number: int) -> list[torch.nn.Module]:
        weight, bias = (cleaner.weights_[f"{number}.{part}"] for part in ("weight", "bias"))
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
        layer.weight.data[:], layer.bias.data[:] = torch.from_numpy(weight), torch.from_numpy(bias)
        return [nn.ZeroPad2d((0, 1, 0, 1)), layer]

    network = nn.Sequential(
        *(*convolution(0), nn.ReLU(), nn.AvgPool2d(2), *convolution(2), nn.ReLU()),
        *(nn.AvgPool2d(2), *convolution(4), nn.ReLU(), nn.Upsample(scale_factor=2)),
        *(*convolution(6), nn.ReLU(), nn.Upsample(scale_factor=2), *convolution(8), nn.Sigmoid()),
    )

    def run(maps: Floats, result: Floats) -> None:
        with torch.inference_mode():
            for start in range(0, len(maps), BATCH):
                part = slice(start, start + BATCH)
                result[part] = network(torch.from_numpy(maps[part, None]))[:, 0].numpy()

    return run


def _keras(cleaner: CnnCleaner) -> Contender | None:
    try:
        import keras  # noqa: PLC0415  # a peer that need not be there
    except ModuleNotFoundError:
        return None
    layers = keras.layers

    def convolution(channels: int = 12, activation: str = "relu") -> Any:
        return layers.Conv2D(channels, (2, 2), activation=activation, padding="same")

    network = keras.Sequential(
        [
            keras.Input(shape=(*SHAPE, 1)),
            *(convolution(), layers.AveragePooling2D((2, 2), padding="same")),
            *(convolution(), layers.AveragePooling2D((2, 2), padding="same")),
            *(convolution(), layers.UpSampling2D((2, 2))),
            *(convolution(), layers.UpSampling2D((2, 2))),
            convolution(1, "sigmoid"),
        ]
    )
    # Keras holds kernels as (row, column, input, output).
    network.set_weights(
        [
            array.transpose(2, 3, 1, 0) if name.endswith("weight") else array
            for name, array in cleaner.weights_.items()
        ]
    )

    def run(maps: Floats, result: Floats) -> None:
        result[:] = network.predict(maps[..., None], verbose=0)[..., 0]

    return run


def render(rows: list[dict[str, Any]], threads: int, sizes: Iterable[int]) -> Table:
    """Return the rates of one number of threads as a table."""
    table = Table(title=f"maps per second, {threads} thread{'s' * (threads > 1)}")
    table.add_column("maps a call", no_wrap=True)
    for size in sizes:
        table.add_column(f"{size}", justify="right", no_wrap=True)
        table.add_column("/ours", justify="right", no_wrap=True)
    best = {row["maps"]: row["fastest"] for row in rows if row["contender"] == OURS}
    for name in dict.fromkeys(row["contender"] for row in rows):
        cells = []
        for row in rows:
            if row["contender"] == name:
                cells += [f"{row['fastest']:,.0f}", f"{row['fastest'] / best[row['maps']]:.2f}"]
        table.add_row(name, *cells)
    return table


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
    operations = 2 * n * multiply_accumulates(cleaner.layers, (1, *SHAPE))
    rows = [
        {"contender": "floor: arithmetic", "microseconds": operations / HALF_PRECISION_RATE * 1e6},
        {"contender": "floor: memory", "microseconds": 2 * maps.nbytes / MEMORY_RATE * 1e6},
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


if __name__ == "__main__":
    main()
