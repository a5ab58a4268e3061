"""Give each task files that unpack to far more than they are, and measure what a refusal costs.

Each bomb is read by what answers in service, in a process of its own: seconds and the growth of
its memory (``getrusage``) until it is refused; the bound is on seconds of a core, as the wall clock
of a busy machine says little. Then all of them go through ``skysift watch``, and one of each task
through ``skysift predict``::

    python benchmarks/soak/bombs.py --out benchmarks/soak/bombs.json
"""

import argparse
import gc
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import astropy.io.votable  # else the first table or alert would wait for the import
import fastavro
from bomb_files import make_bombs

from skysift import __version__
from skysift.core.errors import SkysiftError
from skysift.core.registry import bundle_folder, load_task
from skysift.core.stream import RecordPredictor
from skysift.serve.bounds import bound_memory
from skysift.serve.service import spool_of

READY = (astropy.io.votable.parse, fastavro.reader)
SECONDS, BYTES = 1.0, 200 * 2**20
_KIB = 1024
_PATIENCE = 30  # s, after which a bomb has won


def measured(predict: RecordPredictor, path: Path, bound: int) -> dict[str, Any]:
    """Read a bomb in a child of this process; return how it ended and what that cost."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as reply:
            text = reply.read()
        _, status = os.waitpid(child, 0)
        if text:
            return json.loads(text)
        end = f"fault: signal {signal.Signals(os.WTERMSIG(status)).name}"
        cost = {"seconds": float(_PATIENCE), "cpu_seconds": float(_PATIENCE), "mebibytes": 0.0}
        return {"end": end, "text": "", **cost}
    os.close(reading)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if bound:
        bound_memory(bound)
    signal.setitimer(signal.ITIMER_PROF, _PATIENCE)
    begun, used = time.monotonic(), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = sum(piece.num_rows for piece in predict(path))
        said = {"end": "answered", "text": f"{rows} rows"}
    except SkysiftError as error:
        said = {"end": type(error).__name__, "text": str(error).replace(f"{path}: ", "")}
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is told and not raised
        said = {"end": f"fault: {type(error).__name__}", "text": str(error)[:300]}
    seconds = time.monotonic() - begun
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    cpu = round(time.process_time() - used, 3)
    said |= {"seconds": round(seconds, 3), "cpu_seconds": cpu, "mebibytes": round(growth / _KIB, 1)}
    with os.fdopen(writing, "w") as reply:
        json.dump(said, reply)
    os._exit(0)


def in_process(task: str, bombs: list[tuple[str, Path]], bound: int) -> list[dict[str, Any]]:
    """Return what each bomb costs a task."""
    loaded = load_task(task)
    model = loaded.load(bundle_folder(task))
    predict = loaded.stream(model, loaded.read_options(), loaded.predict_options())
    rows = []
    gc.collect()
    gc.freeze()  # else a child copies all of it when it looks for garbage
    for name, path in bombs:
        cost = measured(predict, path, bound)
        rows.append({"task": task, "bomb": name, "bytes": path.stat().st_size, **cost})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def watched(task: str, bombs: list[tuple[str, Path]], folder: Path) -> dict[str, str]:
    """Return why each bomb was quarantined by the real service."""
    incoming, found = folder / f"in-{task}", folder / f"found-{task}"
    incoming.mkdir()
    for _, path in bombs:
        os.link(path, incoming / path.name)
    command = ["watch", str(incoming), "--task", task, "--to", str(found), "--once"]
    subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "skysift", *command], check=False, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with spool_of(found) as spool:
        reasons = {record.name: record.reason for record in spool.in_state("quarantined")}
    said = {name: reasons.get(path.name, "") for name, path in bombs}
    return {name: reason.replace(f"{folder}/", "") for name, reason in said.items()}


def predicted(task: str, path: Path, folder: Path) -> dict[str, Any]:
    """Return exit code and last words of ``skysift predict``."""
    out = folder / f"answers-{task}.parquet"
    done = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "skysift", "predict", task, str(path), "--out", str(out)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stderr.strip().replace(f"{folder}/", "")
    return {"exit_code": done.returncode, "said": said[-300:]}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--task", action="append", help="only these")
    parser.add_argument("--bomb", action="append", help="only these")
    parser.add_argument("--bound", type=int, default=0, help="address space of a child [MiB]")
    parser.add_argument("--no-commands", action="store_true", help="in process only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bombs-") as name:
        folder = Path(name)
        of_task: dict[str, list[tuple[str, Path]]] = {}
        for bomb, tasks, path in make_bombs(folder, options.bomb):
            for task in tasks:
                of_task.setdefault(task, []).append((bomb, path))
        chosen = options.task or list(of_task)
        rows, watching, predicting = [], {}, {}
        for task in chosen:
            rows += in_process(task, of_task[task], options.bound * 2**20)
            if not options.no_commands:
                watching[task] = watched(task, of_task[task], folder)
                predicting[task] = predicted(task, of_task[task][0][1], folder)
    faults = [
        row
        for row in rows
        if row["end"] not in {"ReadError", "InputError", "ContractError"}
        or row["mebibytes"] * 2**20 > BYTES
        or row["cpu_seconds"] > SECONDS
    ]
    faults += [
        {"task": task, "bomb": bomb, "end": "not quarantined"}
        for task, reasons in watching.items()
        for bomb, reason in reasons.items()
        if not reason
    ]
    # Tasks of images answer a bad file with a row that says so; the others refuse it.
    faults += [
        {"task": task, "end": "predict", **said}
        for task, said in predicting.items()
        if said["exit_code"] not in {0, 2} or "Traceback" in said["said"]
    ]
    result = {
        "command": "python benchmarks/soak/bombs.py",
        "skysift": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "bounds": {"seconds": SECONDS, "bytes": BYTES},
        "bombs": len(rows),
        "faults": faults,
        "most_seconds": max(row["seconds"] for row in rows),
        "most_cpu_seconds": max(row["cpu_seconds"] for row in rows),
        "most_mebibytes": max(row["mebibytes"] for row in rows),
        "rows": rows,
        "watched": watching,
        "predicted": predicting,
    }
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
