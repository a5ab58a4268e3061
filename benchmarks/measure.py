"""How the benchmarks measure: own processes, repeated calls, latency of one row, peak memory."""

import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def mirror_folder() -> Path:
    """Return the folder of real data; the script ends here, with a word, where there is none."""
    folder = os.environ.get("SKYSIFT_MIRROR", "")
    if not Path(folder).is_dir() or not folder:
        sys.stderr.write("Left out: SKYSIFT_MIRROR does not name a folder of real data.\n")
        raise SystemExit(0)
    return Path(folder)


def in_own_process(job: Callable[..., Any], *arguments: Any, threads: int) -> Any:
    """Call a job with the threads of all libraries limited from the start.

    Parameters
    ----------
    job : callable
        A function of a module, with arguments and an answer that can be sent to a process.
    threads : int
        Of its libraries.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(job, arguments)


def seconds_per_call(call: Callable[[], Any], repeats: int) -> list[float]:
    """Return the wall time of each of several calls, after one that is not counted."""
    call()
    seconds = []
    gc.collect()
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def spread(seconds: list[float], rows: int) -> dict[str, float]:
    """Return rows per second: the median of the repeats, the slowest and the fastest."""
    return {
        "median": rows / float(np.median(seconds)),
        "slowest": rows / max(seconds),
        "fastest": rows / min(seconds),
    }


def latency(call: Callable[[int], Any], *, budget: float, most: int) -> dict[str, float]:
    """Return the time of single calls in microseconds: median and 99th percentile.

    Parameters
    ----------
    call : callable
        Takes the number of the call.
    budget : float
        Seconds to spend.
    most : int
        Calls at most.
    """
    for number in range(10):
        call(number)
    seconds: list[float] = []
    stop = time.perf_counter() + budget
    while len(seconds) < most and time.perf_counter() < stop:
        start = time.perf_counter()
        call(len(seconds))
        seconds.append(time.perf_counter() - start)
    median, high = np.quantile(seconds, [0.5, 0.99]) * 1e6
    return {"median": float(median), "p99": float(high), "calls": len(seconds)}


def extra_memory(call: Callable[[], Any]) -> float | None:
    """Return by how many MB a call raises the memory of this process at its peak.

    Linux alone can reset the peak; elsewhere None.
    """
    gc.collect()
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return None
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return float(line.split()[1]) / 1024
    raise ValueError(f"{_STATUS} has no {field}")
