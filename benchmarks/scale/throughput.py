"""Throughput past one process: workers, rows, memory; results for `docs/scale.md`.

python benchmarks/scale/throughput.py --out benchmarks/scale/gamma-hadron.json
python benchmarks/scale/throughput.py --task star-galaxy --rows 2000 8000 32000 \
    --rows-of-part 2000 --out benchmarks/scale/star-galaxy.json

Partitions of made-up events or cutouts are predicted by `skysift predict --workers`, that is by
:func:`skysift.scale.run.predict_partitions`, in a cluster whose workers have loaded the model: the
seconds that it takes to start are told apart. All files of a run are links to one, so that no disk
is timed; each is read, hashed, predicted and written. On a machine that others use, wall times say
little: the efficiency is told of processor time too.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.config import build_config
from skysift.core.files import write_atomic
from skysift.core.jobs import Piece
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.scale.cluster import open_client
from skysift.scale.run import make_job, predict_partitions
from skysift.scale.workers import DaskWorkers

MEMORY = "1.5GB"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", default="gamma-hadron", choices=("gamma-hadron", "star-galaxy"))
    parser.add_argument("--bundle", help="the fast one of gamma-hadron, else the default")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--rows-of-part", type=int, default=100_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="of the smaller runs")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    bundle = arguments.bundle or ("fast" if arguments.task == "gamma-hadron" else "default")
    provenance = Provenance.start(command="benchmarks/scale/throughput.py", seed=1)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), arguments.task, bundle, arguments.rows_of_part)
        runs = [
            run
            for workers in arguments.workers
            for run in bench.with_workers(workers, arguments.rows, arguments.repeats)
        ]
    facts = {
        "task": arguments.task,
        "bundle": bundle,
        "rows_of_part": arguments.rows_of_part,
        "memory_limit": MEMORY,
        "load_of_the_machine": os.getloadavg(),
        "client": bench.client,
        "runs": runs,
        "summary": summary(runs),
    }
    print(json.dumps({**facts["summary"], "client": bench.client}, indent=1))
    if arguments.out is not None:
        record = {"machine": provenance.finish().to_dict(), **facts}
        write_atomic(arguments.out, json.dumps(record, indent=1) + "\n")


class Bench:
    """Files, and runs over some of them."""

    def __init__(self, folder: Path, task: str, bundle: str, rows: int) -> None:
        self.folder = folder
        self.task = load_task(task)
        self.bundle = bundle_folder(task, bundle)
        self.model = self.task.load(self.bundle)
        self.rows = rows
        self.client: list[dict[str, float]] = []
        sample = self.task.synth(rows, np.random.default_rng(1))
        written = self.task.write_synth(sample, self._empty("sample") / "sample.parquet")
        self.sample = written if written.is_file() else next(written.iterdir())

    def with_workers(
        self, workers: int, sizes: Sequence[int], repeats: int
    ) -> list[dict[str, Any]]:
        """Return what runs of some sizes took, with so many workers."""
        start = time.perf_counter()
        with open_client(workers=workers, memory=MEMORY) as client:
            pool = DaskWorkers(client)
            self._run(pool, 2 * workers)  # each loads the model
            begun = time.perf_counter() - start
            self.client.append({"workers": workers, **client_cost(pool)})
            found = []
            for rows in sizes:
                files = max(1, rows // self.rows)
                for _ in range(repeats if rows < max(sizes) else 1):
                    measured = self._run(pool, files)
                    found.append({"workers": workers, "start_seconds": begun, **measured})
                    print(found[-1])
        return found

    def _run(self, pool: DaskWorkers, files: int) -> dict[str, Any]:
        folder = self._empty("files")
        paths = [folder / f"{number:06}{self.sample.suffix}" for number in range(files)]
        for path in paths:
            path.hardlink_to(self.sample)
        read, predict = (
            build_config(load_options(self.task.name, kind), {})
            for kind in ("ReadOptions", "PredictOptions")
        )
        out = self._empty("out")
        job = make_job(
            self.task.name, self.model, self.bundle, read, predict, out=out, command="benchmark"
        )
        before, start = _own_processor(), time.perf_counter()
        summary = predict_partitions(job, [Piece(path) for path in paths], pool)
        seconds = time.perf_counter() - start
        assert summary.states == {"written": files}, summary.states
        return {
            "rows": summary.rows,
            "partitions": files,
            "seconds": seconds,
            "rows_per_second": summary.rows / seconds,
            "processor_seconds": summary.processor_seconds,
            "processor_microseconds_per_row": 1e6 * summary.processor_seconds / summary.rows,
            "client_processor_seconds": _own_processor() - before,
            "peak_memory_mb": summary.peak_memory / 1e6,
        }

    def _empty(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return efficiency, cost per row by size, and memory; medians over the repeats."""
    sizes = sorted({run["rows"] for run in runs})
    workers = sorted({run["workers"] for run in runs})

    def median(name: str, rows: int, n: int) -> float:
        return float(
            np.median([run[name] for run in runs if (run["rows"], run["workers"]) == (rows, n)])
        )

    cost = {rows: median("processor_microseconds_per_row", rows, workers[0]) for rows in sizes}
    largest, few, many = sizes[-1], workers[0], workers[-1]
    wall = median("rows_per_second", largest, many) / median("rows_per_second", largest, few)
    processor = median("processor_seconds", largest, few) / median(
        "processor_seconds", largest, many
    )
    return {
        "processor_microseconds_per_row": cost,
        "largest_over_smallest_cost": max(cost.values()) / min(cost.values()),
        "rows_per_second": {n: median("rows_per_second", largest, n) for n in workers},
        "efficiency_by_the_clock": wall * few / many,
        "efficiency_by_processor_time": processor,
        "peak_memory_mb": max(run["peak_memory_mb"] for run in runs),
    }


def client_cost(pool: DaskWorkers, parts: int = 500, idle: float = 5.0) -> dict[str, float]:
    """Return what this process, scheduler included, spends idle, and on a part beyond that."""
    before = _own_processor()
    time.sleep(idle)
    share = (_own_processor() - before) / idle
    before, start = _own_processor(), time.perf_counter()
    assert sum(1 for _ in pool.unordered(abs, range(parts))) == parts
    spent = _own_processor() - before - share * (time.perf_counter() - start)
    return {"idle_share_of_a_core": share, "ms_of_a_part": 1e3 * spent / parts}


def _own_processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
