"""Time and memory of the whole command ``skysift predict`` on a large Parquet file.

python benchmarks/predict_file.py --out runs/bench/predict_file.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.core.registry import shipped_bundles
from skysift.data.fetch import fetch
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.reader import read_events

TASK = "gamma-hadron"
ROWS_AT_A_TIME = 500_000
COMMAND = "from skysift.cli.main import main; main()"


def main() -> None:
    """Make the file, run the command, print and write what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--bundle", default="fast", help="name of a bundle, or its folder")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    console = Console()
    shipped = {folder.name for folder in shipped_bundles(TASK)}
    if arguments.bundle not in shipped and not Path(arguments.bundle).is_dir():
        console.print(f"Skipped: the bundle '{arguments.bundle}' does not ship with this version.")
        return
    provenance = Provenance.start(command="benchmarks/predict_file.py")
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "events.parquet", Path(name) / "gammaness.parquet"
        console.print(f"write {arguments.rows:,} rows ...", style="dim")
        write_events(source, arguments.rows)
        facts = run_predict(source, target, arguments.bundle, arguments.threads)
        facts["rows"] = pq.read_metadata(target).num_rows
        facts["input_mb"] = source.stat().st_size / 1e6
    facts["rows_per_second"] = facts["rows"] / facts["seconds"]
    console.print(
        f"{facts['rows']:,.0f} rows, {facts['input_mb']:,.0f} MB of Parquet in, "
        f"{arguments.bundle} bundle, {arguments.threads} thread(s): {facts['seconds']:.1f} s, "
        f"{facts['rows_per_second']:,.0f} rows/s, {facts['processor_seconds']:.1f} s of processor "
        f"time, peak memory {facts['peak_mb']:,.0f} MB"
    )
    if arguments.out is not None:
        record = {"machine": provenance.finish().to_dict(), **facts}
        write_atomic(arguments.out, json.dumps(record, indent=1) + "\n")


def write_events(path: Path, n: int) -> None:
    """Write rows of the MAGIC table, drawn again with 1 % of jitter, a part at a time."""
    files = [file.path for file in fetch("magic").files]
    events = read_events(files, ReadOptions(rows="all"), None, purpose="explore")
    columns = {name: events.table[name] for name in events.column_map.columns}
    rng = np.random.default_rng(0)
    writer = None
    for start in range(0, n, ROWS_AT_A_TIME):
        size = min(ROWS_AT_A_TIME, n - start)
        rows = rng.integers(len(events), size=size)
        part = pa.table(
            {
                name: (values[rows] * rng.normal(1.0, 0.01, size)).astype(np.float32)
                for name, values in columns.items()
            }
        )
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    if writer is not None:
        writer.close()


def run_predict(source: Path, target: Path, bundle: str, threads: int) -> dict[str, float]:
    """Run the command in a process of its own and return what it took."""
    command = [sys.executable, "-c", COMMAND, "predict", TASK, str(source), "--out", str(target)]
    command += ["--bundle", bundle, "--threads", str(threads)]
    start = time.perf_counter()
    child = subprocess.Popen(command)  # noqa: S603  # our own command, on files made here
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if child.returncode != 0:
        raise SystemExit(f"skysift predict failed with {child.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, KiB here
    return {
        "seconds": seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * (1.0 if sys.platform == "darwin" else 1.024) / unit,
    }


if __name__ == "__main__":
    main()
