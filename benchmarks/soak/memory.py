"""Let a service answer small records for a long time, and measure how its memory grows.

Records are small tables of made-up events that arrive one after the other; the service, its worker
and the model are the real ones. The resident memory of both processes is noted each few seconds.
Growth is judged after a warm-up, in which caches fill, by the median of all slopes (Theil 1950, Sen
1968) with its distribution-free interval; samples are thinned to the time over which they are
correlated, or the interval would be too short::

    python benchmarks/soak/memory.py --minutes 60 --out benchmarks/soak/memory.json
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import theilslopes

from skysift import __version__
from skysift.core.registry import load_task
from skysift.serve.health import health
from skysift.serve.ledger import ledger_of
from skysift.serve.metrics import latency, resident
from skysift.serve.service_state import read_state

SCRIPT = "benchmarks/soak/memory.py"
KEPT = 2000  # files that lie in the folder: a source that is never cleared is another test
VARIANTS = 200  # tables that are made before the start, and then sent again and again


class Producer(threading.Thread):
    """Puts small tables into a folder at a steady rate, and takes old ones away."""

    def __init__(self, folder: Path, rate: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.rate = rate
        self.stopping = threading.Event()
        self.sent = 0
        self.texts = list(made_up(seed))

    def run(self) -> None:
        """Put one record after the other."""
        begun = time.monotonic()
        while not self.stopping.wait(max(0.0, begun + self.sent / self.rate - time.monotonic())):
            header, *rows = self.texts[self.sent % VARIANTS]
            # One column more, of its number: each record is new, with the same work to do.
            lines = [f"{header},serial", *(f"{row},{self.sent:09}" for row in rows), ""]
            temporary = self.folder / f".{self.sent:09}.tmp"
            temporary.write_text("\n".join(lines))
            temporary.rename(self.folder / f"{self.sent:09}.csv")
            if self.sent >= KEPT:
                (self.folder / f"{self.sent - KEPT:09}.csv").unlink(missing_ok=True)
            self.sent += 1


def made_up(seed: int) -> Iterator[list[str]]:
    """Yield the lines of small tables of events."""
    task = load_task("gamma-hadron")
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(VARIANTS):
            path = task.write_synth(task.synth(40, rng), Path(folder) / "events.csv")
            yield path.read_text().splitlines()


def growth(seconds: np.ndarray, size: np.ndarray, warm_up: float) -> dict[str, object]:
    """Return the growth of a process after the warm-up, as a share of what it had then."""
    after = seconds >= warm_up
    x, y = seconds[after], size[after]
    lag = correlated(y)
    x, y = x[::lag], y[::lag]
    slope, _, low, high = theilslopes(y, x, alpha=0.95)
    span, base = float(seconds[-1] - warm_up), float(np.median(size[after][: max(1, len(x) // 10)]))
    percent = 100 * span / base
    return {
        "first_mib": round(size[0] / 2**20, 2),
        "after_warm_up_mib": round(base / 2**20, 2),
        "last_mib": round(size[-1] / 2**20, 2),
        "most_mib": round(size.max() / 2**20, 2),
        "growth_percent": round(slope * percent, 3),
        "growth_percent_95": [round(low * percent, 3), round(high * percent, 3)],
        "kib_per_hour": round(slope * 3600 / 1024, 1),
        "samples": int(after.sum()),
        "independent_samples": len(x),
    }


def correlated(values: np.ndarray) -> int:
    """Return after how many samples departures from the straight line are uncorrelated."""
    places = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(places, values, 1), places)
    variance = float(rest @ rest)
    for lag in range(1, len(values) // 8):
        if variance == 0 or float(rest[lag:] @ rest[:-lag]) / variance < 0.1:
            return lag
    return max(1, len(values) // 8)


def watched(folder: Path) -> tuple[int, int] | None:
    """Return the processes of a service that is ready, and of its worker."""
    state = read_state(folder)
    if state is None or not state.workers or not health(folder).alive:
        return None
    return state.process, state.workers[0]


def soak(folder: Path, given: argparse.Namespace) -> dict[str, object]:
    """Run it all and return how memory went."""
    incoming, found = folder / "incoming", folder / "found"
    incoming.mkdir(parents=True)
    producer = Producer(incoming, given.rate, given.seed)
    # -P: 'skysift' is the installed package whatever lies in the folder of the caller
    command = [sys.executable, "-P", "-m", "skysift", "watch", str(incoming), "--to", str(found)]
    command += ["--task", "gamma-hadron", "--set", "source.settle=0", "--set", "source.poll=0.2"]
    command += ["--set", "operations.listen=0", "--set", "drift.false_alarms=0.001"]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        patience = time.monotonic() + 300
        while watched(found) is None and time.monotonic() < patience:
            time.sleep(0.2)
        if watched(found) is None:
            raise SystemExit((folder / "log").read_text())
        producer.start()
        seconds, sizes, workers = sampled(found, given.minutes * 60, given.every)
        lasted = len(workers) == 1 and service.poll() is None
        producer.stopping.set()
        producer.join()
        settled(found, producer.sent)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait()
    if given.samples is not None:
        table = np.column_stack([seconds, sizes])
        np.savetxt(given.samples, table, "%.1f", ",", header="seconds,service,worker")
    warm_up = given.minutes * 60 / 6
    summary = latency(found)
    with ledger_of(found) as ledger:
        counts = ledger.counts()
        ledger.check()
    if counts["done"] != producer.sent:
        raise SystemExit(
            f"Not all of {producer.sent} were answered, the rate is too high: {counts}"
        )
    events = [json.loads(line)["event"] for line in (folder / "log").read_text().splitlines()]
    return {
        "command": f"python {SCRIPT} --minutes {given.minutes:g} --rate {given.rate:g}",
        "minutes": given.minutes,
        "records_per_second": given.rate,
        "sent": producer.sent,
        "states": counts,
        "worker_replaced": not lasted,
        "follower_failures": events.count("follower-failed"),
        "service": growth(seconds, sizes[:, 0], warm_up),
        "worker": growth(seconds, sizes[:, 1], warm_up),
        "p99_seconds": summary.p99,
        "spool_mib": round((found / ".skysift" / "spool.sqlite").stat().st_size / 2**20, 1),
        "every_seconds": given.every,
        "warm_up_seconds": warm_up,
        "cores": os.cpu_count(),
        "seed": given.seed,
        "skysift": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def sampled(found: Path, span: float, every: float) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Return moments [s], memory of service and worker [byte], shape (n, 2), and the workers."""
    begun = time.monotonic()
    rows, workers = [], set()
    while (passed := time.monotonic() - begun) < span:
        processes = watched(found)
        sizes = [resident(process) for process in processes] if processes else []
        if processes is not None and None not in sizes:
            workers.add(processes[1])
            rows.append((passed, *sizes))
        time.sleep(every)
    if len(rows) < 40:
        raise SystemExit("The service was not there to be measured.")
    table = np.array(rows, dtype=float)
    return table[:, 0], table[:, 1:], workers


def settled(found: Path, sent: int) -> None:
    """Wait until all that was sent has come to an end."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        time.sleep(1)
        with ledger_of(found) as ledger:
            if ledger.backlog() == 0 and sum(ledger.counts().values()) == sent:
                return


def main() -> None:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=10.0, help="records per second")
    parser.add_argument("--every", type=float, default=2.0, help="s between samples")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--samples", type=Path, help="table of what was measured, CSV")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="skysift-memory-"))
    try:
        result = soak(folder, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(result, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
