"""Time from a chunk of photons to its candidates, with five windows of up to half an hour.

    python benchmarks/live_windows.py --out benchmarks/live_windows.json

100 Hz of photons in files of a second: 100 of them, after half an hour that fills the windows,
with a flare, a steady source and a dead sector. Beside it, what it would cost to search the same
windows from scratch each second.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skysift.core.provenance import package_versions
from skysift.core.registry import bundle_folder
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.tasks.gamma_sky.live.night import START, Flare, Night, night_events
from skysift.tasks.gamma_sky.live.predictor import LivePredictor
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events

LENGTHS = (1.0, 10.0, 100.0, 600.0, 1800.0)
BEFORE, TIMED = 1800.0, 100
RATE = 1.85  # times the background of the analytic response: 100 Hz
NIGHT = Night(
    rate=RATE,
    flares=(Flare(82.9, 21.75, start=BEFORE + 25.0),),
    step=None,
    dead=None,
    unreadable=(),
)
FROM_SCRATCH = 5  # seconds of which that is timed


def main() -> None:
    """Time and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    trials = load_bundle(bundle_folder("gamma-sky")).trials
    reading, asked = ReadOptions(), PredictOptions(windows=LENGTHS, per="hour", false_alarms=1.0)
    with tempfile.TemporaryDirectory() as folder:
        paths, whole = _files(Path(folder), np.random.default_rng(options.seed))
        predict = LivePredictor(trials, reading, asked)
        for path in reversed(paths[:-TIMED]):
            predict.recall(path)
        list(predict(paths[-TIMED]))  # takes up what was recalled
        wall, cpu, found = [], [], 0
        for path in paths[-TIMED + 1 :]:
            begun, spent = time.perf_counter(), time.process_time()
            found += sum(t.num_rows for t in predict(path) if "false_alarms" in t.column_names)
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - spent)
    scratch = _from_scratch(whole, trials, reading)
    record = {
        "command": f"python {' '.join(sys.argv)}",
        "seed": options.seed,
        "photons_per_second": round(len(whole) / (BEFORE + TIMED), 1),
        "chunks": len(wall),
        "windows": LENGTHS,
        "candidates": found,
        "chunk_to_candidates_ms": _quantiles(wall),
        "of_it_on_the_processor_ms": _quantiles(cpu),
        "five_windows_from_scratch_on_the_processor_ms": _quantiles(scratch),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "cores": len(os.sched_getaffinity(0)),
        "packages": package_versions(),
    }
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))


def _files(folder: Path, rng: np.random.Generator) -> tuple[list[Path], EventList]:
    """Write the night: pieces of a minute at first, then of a second."""
    parts = list(night_events(rng, seconds=BEFORE, chunk=60.0, night=NIGHT))
    later = Night(
        rate=RATE, flares=(Flare(82.9, 21.75, start=25.0),), step=None, dead=None, unreadable=()
    )
    parts += night_events(rng, seconds=TIMED, night=later, start=START + BEFORE)
    paths = [folder / f"chunk-{number:04}.fits" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        write_events(part, path)
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("time", "ra", "dec", "energy")
    )
    gti = GoodTimeIntervals.of([(START, START + BEFORE + TIMED)])
    return paths, EventList(*columns, gti, NIGHT.pointing)


def _from_scratch(whole: EventList, trials: object, reading: ReadOptions) -> list[float]:
    """Return the time that all windows of a second take, each cut out, binned and searched."""
    options, spent = PredictOptions(), []
    for second in range(FROM_SCRATCH + 1):
        end = START + BEFORE + TIMED - second
        begun = time.process_time()
        for length in LENGTHS:
            part = whole.between(end - length, end)
            search_events(part, None, reading, options, trials)  # type: ignore[arg-type]
        spent.append(time.process_time() - begun)
    return spent[1:]  # the first makes what the others share


def _quantiles(seconds: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: round(1e3 * float(np.quantile(seconds, share)), 1) for name, share in shares.items()
    }


if __name__ == "__main__":
    main()
