"""Time to read a GADF event list: skysift against gammapy, in one process and in turns.

python benchmarks/gamma_sky_read.py [FILES ...] --out runs/bench/gamma_sky_read.json

skysift reads events, good time, dead time and pointing, and checks every row; it is compared with
gammapy's EventList.read alone, and with EventList.read and GTI.read together. Without files it
makes a run of 5,000 events, plain and gzipped.
"""

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from gammapy.data import GTI
from gammapy.data import EventList as GammapyEventList
from rich.console import Console
from rich.table import Table

from skysift.core.files import write_atomic
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals

TARGET = 3.0  # ms for 5,000 events


def main() -> None:
    """Read each file in turns, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="GADF DL3 files")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = arguments.files or _made_up(Path(folder))
        results = [_measure(path, arguments.repeats) for path in files]
    Console().print(_table(results))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out, json.dumps(results, indent=2))


def _measure(path: Path, repeats: int) -> dict[str, Any]:
    ways: dict[str, Callable[[], Any]] = {
        "skysift": lambda: read_events(path),
        "gammapy_events": lambda: GammapyEventList.read(path),
        "gammapy_events_and_gti": lambda: (GammapyEventList.read(path), GTI.read(path)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    gc.collect()
    for _ in range(repeats):
        for name, call in ways.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {
        "file": path.name,
        "events": len(read_events(path).events),
        "gammapy": version("gammapy"),
        "repeats": repeats,
        "median_ms": {name: 1e3 * float(np.median(took)) for name, took in seconds.items()},
        "p90_ms": {name: 1e3 * float(np.quantile(took, 0.9)) for name, took in seconds.items()},
    }


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table(title=f"Reading event lists (median ms; target {TARGET:g} ms for 5,000 events)")
    for heading in ("file", "events", "skysift", "per 5,000", "EventList.read", "ratio",
                    "and GTI.read", "ratio"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "file" else "right")
    for result in results:
        ours, events, both = result["median_ms"].values()
        table.add_row(
            result["file"],
            f"{result['events']:,}",
            f"{ours:.2f}",
            f"{ours * 5000 / max(result['events'], 1):.2f}",
            f"{events:.1f}",
            f"{events / ours:.1f}",
            f"{both:.1f}",
            f"{both / ours:.1f}",
        )
    return table


def _made_up(folder: Path) -> list[Path]:
    rng = np.random.default_rng(5000)
    n = 5000
    events = EventList(
        np.sort(rng.uniform(0, 1800, n)),
        83.6 + rng.uniform(-2, 2, n),
        22.0 + rng.uniform(-2, 2, n),
        10 ** rng.uniform(-1.4, 1.0, n),
        GoodTimeIntervals.of([(0.0, 1800.0)]),
        Pointing(83.6, 22.0, 20.0),
        live_fraction=0.95,
    )
    paths = [folder / "made-up.fits", folder / "made-up.fits.gz"]
    for path in paths:
        write_events(events, path)
    return paths


if __name__ == "__main__":
    main()
