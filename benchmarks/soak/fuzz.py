"""Damage files of every kind that is read, by the thousand, and see that only plain errors come.

Seeded mutations of small sound files: bit flips, cuts, insertions, splices, lengths, cards of FITS
headers with extremes, nodes of JSON. Each goes to what reads it in service, in a worker process
with bounds of time and memory. Whatever is no answer and no :class:`SkysiftError` is a fault: a
signal, a hang, running out of memory, any other exception. A case is made again from its number::

    python benchmarks/soak/fuzz.py --cases 20000 --seed 6 --out benchmarks/soak/fuzz.json
    python benchmarks/soak/fuzz.py --seed 6 --case 1234 --keep case
    python benchmarks/soak/fuzz.py --join part-0.json part-1.json --out benchmarks/soak/fuzz.json
"""

import argparse
import contextlib
import gzip
import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_mutations import mutated, mutated_json
from fuzz_seeds import KINDS, Kind, make_seeds

from skysift import __version__
from skysift.core.errors import SkysiftError
from skysift.serve.bounds import bound_memory, bounded_time

SECONDS = 5.0  # of a core, or of waiting: the wall clock of a busy machine says little
PATIENCE = 60.0  # of the wall clock: for what waits and does nothing
MEMORY = 512 * 2**20
START_SECONDS = 300.0  # to load all bundles
KEPT = 40  # faults of which all is told


def damage(seeds: Path, seed: int, number: int) -> tuple[Kind, str, bytes]:
    """Return the kind, the name and the content of a case."""
    rng = np.random.default_rng([seed, number])
    kind = list(KINDS.values())[number % len(KINDS)]
    files = sorted(seeds.glob(f"{kind.name}.*"))
    chosen = files[rng.integers(len(files))]
    data = chosen.read_bytes()
    if kind.is_json and rng.random() < 0.8:  # the rest is damaged as bytes
        return kind, chosen.name, mutated_json(data, rng)
    others = [file.read_bytes() for file in files]
    if kind.is_gzip and rng.random() < 0.5:  # half
        plain = mutated(
            gzip.decompress(data), list(map(gzip.decompress, others)), rng, is_fits=True
        )
        return kind, chosen.name, gzip.compress(plain, 1)
    return kind, chosen.name, mutated(data, others, rng, is_fits=kind.is_fits)


def work(seeds: Path, seed: int) -> None:
    """Read the numbers of cases, and tell of each what came of it, one JSON object a line."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for kind in KINDS.values():  # what is loaded once, for all cases, is not bounded
        for file in sorted(seeds.glob(f"{kind.name}.*")):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"case-0-{file.name}"
                path.write_bytes(file.read_bytes())
                kind.read(path)
    bound_memory(MEMORY)
    replies.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        number = int(line)
        kind, name, data = damage(seeds, seed, number)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"case-{number}-{name}"
            path.write_bytes(data)
            begun = time.monotonic()
            before, queued = time.process_time(), in_queue()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            with bounded_time(PATIENCE):
                said = outcome(kind, path)
            signal.setitimer(signal.ITIMER_PROF, 0)
            seconds, wall = time.process_time() - before, time.monotonic() - begun
            idle = max(0.0, wall - seconds - (in_queue() - queued))
            if idle > SECONDS:
                said = {"end": "fault", "fault": "hang", "text": f"waited {idle:.1f} s"}
        replies.write(
            json.dumps(
                {"case": number, "seconds": round(seconds, 4), "idle": round(idle, 3), **said}
            )
            + "\n"
        )


def in_queue() -> float:
    """Return for how long this thread has been ready to run and others ran [s], where it is told.

    The wall clock less this and less what it ran is what it waited for something else.
    """
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def outcome(kind: Kind, path: Path) -> dict[str, str]:
    """Read a case and say what came of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind.read(path)
    except SkysiftError as error:
        return {"end": type(error).__name__, "text": str(error)[:300]}
    except RecursionError as error:
        return {"end": "fault", "fault": "RecursionError", "text": str(error)[:300]}
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "skysift" in frame.filename] or list(where)
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        text = f"{error}"[:300]
        return {"end": "fault", "fault": f"{type(error).__name__} at {place}", "text": text}
    return {"end": "answered"}


class Worker:
    """A process that reads cases, started again when it dies.

    Parameters
    ----------
    seeds : Path
        Sound files.
    seed : int
        Of the damage.
    """

    def __init__(self, seeds: Path, seed: int) -> None:
        self._command = [sys.executable, __file__, "--work", str(seeds), "--seed", str(seed)]
        self._process: subprocess.Popen[str] | None = None

    def read(self, number: int) -> dict[str, Any]:
        """Return what came of a case; of one that ends the process, how it did."""
        if self._process is None:
            self._start()
        process = self._process
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if line.endswith("\n"):
            return json.loads(line)
        code = process.wait()
        self._process = None
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        end = "hang" if name in {"SIGALRM", "SIGPROF"} else name
        return {"case": number, "seconds": SECONDS, "end": "fault", "fault": end, "text": ""}

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not self._process.stdout.readline():
            raise SystemExit("The worker cannot read the sound files: see --work.")


def run(cases: Sequence[int], seed: int) -> dict[str, Any]:
    """Read the cases and return the counts."""
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    faults: list[dict[str, Any]] = []
    kinds, slowest, begun = list(KINDS.values()), (0.0, -1), time.monotonic()
    longest_idle = 0.0
    with prepared() as seeds, contextlib.closing(_Stopped(Worker(seeds, seed))) as worker:
        for number in cases:
            said = worker.read(number)
            kind = kinds[number % len(kinds)].name
            ends[kind][said["end"]] += 1
            slowest = max(slowest, (said["seconds"], number))
            longest_idle = max(longest_idle, said.get("idle", 0.0))
            if said["end"] == "fault":
                faults.append({"kind": kind, **said})
                print(json.dumps(faults[-1]), file=sys.stderr, flush=True)
    total: Counter[str] = sum(ends.values(), Counter())
    return {
        "cases": len(cases),
        "first": cases[0] if len(cases) else 0,
        "seed": seed,
        "faults": len(faults),
        "ends": dict(total.most_common()),
        "kinds": {kind: dict(counts.most_common()) for kind, counts in sorted(ends.items())},
        "slowest_seconds": slowest[0],
        "slowest_case": slowest[1],
        "longest_idle_seconds": longest_idle,
        "seconds": round(time.monotonic() - begun, 1),
        "bounds": {"seconds": SECONDS, "memory": MEMORY},
        "told": faults[:KEPT],
    }


class _Stopped:
    """A worker that is closed at the end."""

    def __init__(self, worker: Worker) -> None:
        self.read = worker.read
        self.close = worker.stop


@contextlib.contextmanager
def prepared() -> Iterator[Path]:
    """Give a folder of sound files."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        seeds = Path(name)
        make_seeds(seeds)
        yield seeds


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of runs over consecutive cases of one seed as those of one run."""
    parts = sorted(parts, key=lambda part: part["first"])
    for one, following in itertools.pairwise(parts):
        if following["seed"] != one["seed"] or following["first"] != one["first"] + one["cases"]:
            raise SystemExit("These are not parts of one run.")
    slowest = max(parts, key=lambda part: part["slowest_seconds"])
    ends: Counter[str] = sum((Counter(part["ends"]) for part in parts), Counter())
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        for kind, counts in part["kinds"].items():
            kinds[kind].update(counts)
    cases = sum(part["cases"] for part in parts)
    first = f" --first {parts[0]['first']}" if parts[0]["first"] else ""
    command = f"python benchmarks/soak/fuzz.py --cases {cases} --seed {parts[0]['seed']}{first}"
    return {
        **parts[0],
        "command": command,
        "cases": cases,
        "parts": len(parts),
        "faults": sum(part["faults"] for part in parts),
        "ends": dict(ends.most_common()),
        "kinds": {kind: dict(counts.most_common()) for kind, counts in kinds.items()},
        "slowest_seconds": slowest["slowest_seconds"],
        "slowest_case": slowest["slowest_case"],
        "longest_idle_seconds": max(part["longest_idle_seconds"] for part in parts),
        "seconds": round(sum(part["seconds"] for part in parts), 1),
        "told": [fault for part in parts for fault in part["told"]][:KEPT],
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", type=int, help="write one case and read it here")
    parser.add_argument("--keep", type=Path, help="folder for that case")
    parser.add_argument("--join", type=Path, nargs="+", help="results of parts of a run")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.seed)
        return
    if options.case is not None:
        with prepared() as seeds:
            kind, name, data = damage(seeds, options.seed, options.case)
            folder = options.keep or Path(tempfile.mkdtemp())
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"case-{options.case}-{name}"
            path.write_bytes(data)
            print(path, flush=True)
            print(kind.read(path))
        return
    if options.join:
        whole = joined([json.loads(path.read_text()) for path in options.join])
        options.out.write_text(json.dumps(whole, indent=2) + "\n")
        return
    result = run(range(options.first, options.first + options.cases), options.seed)
    command = f"python benchmarks/soak/fuzz.py --cases {options.cases} --seed {options.seed}"
    first = f" --first {options.first}" if options.first else ""
    about = {
        "command": command + first,
        "skysift": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
    text = json.dumps({**about, **result}, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    sys.exit(1 if result["faults"] else 0)


if __name__ == "__main__":
    main()
