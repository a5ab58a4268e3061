"""How fast CNN-cleaner runs: our runtime beside the same layers in ONNX Runtime, torch and Keras.

    python benchmarks/gamma_sky_cleaner.py --out runs/bench/gamma_sky_cleaner.json
    python benchmarks/gamma_sky_cleaner.py --gpu

The contenders take turns, so that a busy machine slows all of them alike: what compares is the
ratio of times within a turn, of one thread that of its processor time. Each gets maps of 200 x 200
pixels in memory and gives maps. Keras runs if it is installed (``pip install tensorflow-cpu``; its
torch backend will do: KERAS_BACKEND=torch). All give the same to 1e-5. With --gpu, torch runs maps
that are on the GPU in half precision, beside the least time that arithmetic and memory allow.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cleaner_floor import SHAPE, floor_of, measure_gpu
from measure import in_own_process
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.export import INPUT, export_folded_cleaner, export_layers
from skysift.models.sky.baseline.layers import initial_weights
from skysift.models.sky.baseline.runtime import CleanerRuntime

BATCH = 32
"""Maps per call of the peers where there are more: the original's batch, and Keras' default."""
TOLERANCE = 1e-5
OURS = "skysift, folded"
PEERS = ("onnxruntime", "torch", "keras", "tensorflow-cpu", "tensorflow")

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
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
    machine = f"{provenance.cpu}, {provenance.cores} cores, Python {provenance.python}"
    console.print(machine)
    cleaner = untrained_cleaner()
    floor = floor_of(cleaner.layers, max(arguments.maps))
    results: list[dict[str, Any]] = []
    load = [os.getloadavg()[0]]
    if arguments.gpu:
        results = measure_gpu(cleaner, max(arguments.maps), arguments.repeats)
        for row in results:
            console.print(f"{row['contender']:40} {row['microseconds']:10.1f} us")
    else:
        for threads in arguments.threads:  # a process each: TensorFlow's threads are set once
            rows = in_own_process(
                measure_threads, threads, arguments.maps, arguments.repeats, threads=threads
            )
            load.append(os.getloadavg()[0])
            console.print(render(rows, threads, arguments.maps))
            results += rows
    if arguments.out:
        report = {
            "command": f"python benchmarks/gamma_sky_cleaner.py --repeats {arguments.repeats}",
            "machine": machine,
            "versions": versions(),
            "load": [round(one, 2) for one in load],
            "floor": floor,
            "results": results,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out, json.dumps(report, indent=1) + "\n")


def untrained_cleaner() -> CnnCleaner:
    """Return the published cleaner with weights as they are before training."""
    cleaner = CnnCleaner()
    cleaner.weights_ = initial_weights(cleaner.layers, np.random.default_rng(0))
    return cleaner


def versions() -> dict[str, str]:
    """Return the versions of what is compared; what is not installed is left out."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def measure_threads(threads: int, sizes: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Return maps per second of each contender and size of call, in a process of its own."""
    torch.set_num_threads(threads)
    cleaner = untrained_cleaner()
    maps = np.random.default_rng(1).random((max(*sizes, BATCH), *SHAPE), dtype=np.float32)
    contenders = dict(make_contenders(cleaner, threads))
    expected = cleaner.run_network(maps[:BATCH])
    worst = {}
    for name, run in contenders.items():
        given = np.empty_like(expected)
        run(maps[:BATCH], given)
        worst[name] = float(np.abs(given - expected).max())
        if worst[name] > TOLERANCE:
            raise SystemExit(f"{name} differs by {worst[name]}")
    return [
        row | {"threads": threads, "differs": worst[row["contender"]]}
        for size in sizes
        for row in _rows(size, _take_turns(contenders, maps[:size], repeats))
    ]


def _rows(size: int, seconds: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return rates, and how many times as long each contender takes as ours in the same turn."""
    rows = []
    for name, (wall, processor) in seconds.items():
        row: dict[str, Any] = {"contender": name, "maps": size, "turns": len(wall)}
        row |= {"fastest": size / wall.min(), "median": size / float(np.median(wall))}
        row["per_processor_second"] = size / float(np.median(processor))
        for which, times, ours in zip(
            ("behind", "behind_processor"), (wall, processor), seconds[OURS], strict=True
        ):
            ratio = times / ours
            row[which] = {
                "value": float(np.median(ratio)),
                "low": float(ratio.min()),
                "high": float(ratio.max()),
            }
        rows.append(row)
    return rows


def _take_turns(
    contenders: Mapping[str, Contender], maps: Floats, repeats: int
) -> dict[str, Array]:
    """Return wall and processor seconds of a call of each, shape (2, repeats)."""
    seconds = {name: np.empty((2, repeats)) for name in contenders}
    result = np.empty_like(maps)
    calls = max(1, BATCH // len(maps))  # a few single maps in a turn
    for run in contenders.values():
        run(maps[:BATCH], result[:BATCH])
    for turn in range(repeats):
        for name, run in contenders.items():
            start = np.array([time.perf_counter(), time.process_time()])
            for _ in range(calls):
                run(maps, result)
            stop = np.array([time.perf_counter(), time.process_time()])
            seconds[name][:, turn] = (stop - start) / calls
    return seconds


def make_contenders(cleaner: CnnCleaner, threads: int) -> Iterable[tuple[str, Contender]]:
    """Yield what runs the layers."""
    folded = export_folded_cleaner(cleaner.variant, cleaner.weights_, SHAPE)
    yield OURS, CleanerRuntime(folded, threads=threads).predict
    graph = export_layers(cleaner.layers, cleaner.weights_, SHAPE)
    levels = onnxruntime.GraphOptimizationLevel
    yield "ONNX Runtime", _onnx(graph, threads, levels.ORT_ENABLE_ALL)
    yield "ONNX Runtime, extended level", _onnx(graph, threads, levels.ORT_ENABLE_EXTENDED)
    yield "torch eager", _torch_eager(cleaner)
    keras = dict(_keras(cleaner, threads))
    if not keras:
        Console().print("Keras is not installed: not measured.")
    yield from keras.items()


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


def _keras(cleaner: CnnCleaner, threads: int) -> Iterable[tuple[str, Contender]]:
    """Yield Keras' predict and what is below it, nothing where Keras is not installed."""
    for pool in ("INTRAOP", "INTEROP"):  # read when TensorFlow starts
        os.environ[f"TF_NUM_{pool}_THREADS"] = str(threads)
    try:
        import keras  # noqa: PLC0415  # a peer that need not be there
    except ModuleNotFoundError:
        return
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

    def predict(maps: Floats, result: Floats) -> None:
        result[:] = network.predict(maps[..., None], verbose=0)[..., 0]

    def by_batch(maps: Floats, result: Floats) -> None:
        for start in range(0, len(maps), BATCH):
            part = slice(start, start + BATCH)
            result[part] = network.predict_on_batch(maps[part, ..., None])[..., 0]

    backend = keras.backend.backend()
    yield f"Keras predict ({backend})", predict
    yield f"Keras predict_on_batch ({backend})", by_batch


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


if __name__ == "__main__":
    main()
