"""How fast gamma-hadron predicts, beside tree ensembles trained on the same rows.

    python benchmarks/gamma_hadron.py --out runs/bench/gamma_hadron.json

Each model runs in a process of its own with a fixed number of threads. Rows are those of the MAGIC
table, drawn again with 1 % of jitter. Of a bundle two paths are timed: from the columns of a table
in memory, as a user has them, and from a ready matrix of features, as the peers get them.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

import measure
from page import markdown, replace_between
from peers import PEERS
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.core.registry import shipped_bundles
from skysift.data.fetch import fetch
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.fast import measured_features
from skysift.tasks.gamma_hadron.features import compute
from skysift.tasks.gamma_hadron.model import load_bundle
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.reader import Events, read_events

TASK = "gamma-hadron"
MEASURED = (
    "log_size",
    "length",
    "width",
    "concentration_two_pixel",
    "asymmetry",
    "m3_long",
    "m3_trans",
    "alpha",
    "dist",
)
BATCH = 1000
SECONDS_PER_CALL = 10.0
"""A call that would take longer is made on fewer rows, and the table says on how many."""
SECONDS_OF_LATENCY = 2.0
CALLS_OF_LATENCY = 3000

MARKS = ("<!-- tables -->", "<!-- end of tables -->")

Call = Callable[[int], Any]
"""Predicts the first so many rows."""


@dataclass(frozen=True)
class Result:
    """What was measured of one model with one number of threads.

    Parameters
    ----------
    model : str
        Which, and from where its prediction was timed.
    threads : int
        Threads of the process.
    auc : float
        On the fixed test rows.
    rows : int
        Rows of the large table that were predicted at once.
    rows_per_second : mapping
        By size of the call: median, slowest, fastest.
    microseconds : mapping
        Of one row: median, 99th percentile, number of calls.
    memory_mb : float or None
        Extra memory at the peak of the large call.
    """

    model: str
    threads: int
    auc: float
    rows: int
    rows_per_second: dict[str, dict[str, float]] = field(default_factory=dict)
    microseconds: dict[str, float] = field(default_factory=dict)
    memory_mb: float | None = None


@dataclass(frozen=True)
class Job:
    """One model to measure: picklable, as it is sent to a process of its own."""

    model: str
    threads: int
    rows: int
    repeats: int


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--docs", type=Path, help="Markdown page whose tables are to be replaced")
    parser.add_argument(
        "--bundles", nargs="+", default=["fast", "default"], help="names of bundles, or folders"
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the large table")
    parser.add_argument("--repeats", type=int, default=5, help="calls per size")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers to try")
    arguments = parser.parse_args()
    console = Console()
    provenance = Provenance.start(command="benchmarks/gamma_hadron.py")
    console.print(f"{provenance.cpu}, {provenance.cores} cores, Python {provenance.python}")
    results: list[Result] = []
    tables: list[Table] = []
    for threads in arguments.threads:
        for model in _models(arguments.bundles, console):
            console.print(f"measure {model}, {threads} thread(s) ...", style="dim")
            result = measure.in_own_process(
                _measure, Job(model, threads, arguments.rows, arguments.repeats), threads=threads
            )
            if isinstance(result, str):
                console.print(f"{model} is skipped: {result}", style="yellow")
            else:
                results.append(result)
        here = [result for result in results if result.threads == threads]
        tables += [_ratio_table(here, threads), _table(here, threads, arguments.rows)]
        console.print(*tables[-2:])
    if arguments.out is not None:
        facts = {"machine": provenance.finish().to_dict(), "results": list(map(asdict, results))}
        write_atomic(arguments.out, json.dumps(facts, indent=1) + "\n")
        console.print(f"written to {arguments.out}")
    if arguments.docs is not None:
        machine = f"{provenance.cpu}, {provenance.cores} cores, Python {provenance.python}."
        replace_between(arguments.docs, MARKS, [machine, *map(markdown, tables)])


def _models(bundles: Sequence[str], console: Console) -> list[str]:
    models = []
    for bundle in bundles:
        if _folder(bundle) is None:
            console.print(f"The bundle '{bundle}' does not ship with this version: left out.")
        else:
            models += [f"{bundle}, columns", f"{bundle}, features"]
    return [*models, *PEERS]


def _folder(bundle: str) -> Path | None:
    """Return the folder of a shipped bundle, or the folder itself."""
    shipped = {folder.name: folder for folder in shipped_bundles(TASK)}
    if bundle not in shipped and (Path(bundle) / "bundle.json").is_file():
        return Path(bundle)
    return shipped.get(bundle)


def _measure(job: Job) -> Result | str:
    path = [file.path for file in fetch("magic").files]
    training, test = (
        read_events(path, ReadOptions(rows=rows), None, purpose="explore")
        for rows in ("train", "test")
    )
    rng = np.random.default_rng(0)
    try:
        predict, score = _prepared(job, training, _resampled(training, job.rows, rng), test)
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed"
    few = min(BATCH, job.rows)
    short = measure.seconds_per_call(lambda: predict(few), job.repeats)
    rows = job.rows
    while rows > few and np.median(short) * rows / few > SECONDS_PER_CALL:
        rows //= 10
    peak = measure.extra_memory(lambda: predict(rows))
    long = measure.seconds_per_call(lambda: predict(rows), job.repeats)
    one = measure.latency(lambda _: predict(1), budget=SECONDS_OF_LATENCY, most=CALLS_OF_LATENCY)
    return Result(
        model=job.model,
        threads=job.threads,
        auc=float(roc_auc_score(test.is_gamma, score)),
        rows=rows,
        rows_per_second={
            str(BATCH): measure.spread(short, few),
            "large": measure.spread(long, rows),
        },
        microseconds=one,
        memory_mb=peak,
    )


def _prepared(
    job: Job, training: Events, large: FeatureTable, test: Events
) -> tuple[Call, np.ndarray[Any, Any]]:
    """Return what predicts the first rows of the large table, and the scores of the test rows."""
    if job.model in PEERS:
        names = measured_features(MEASURED)
        features = compute(training.distinct().table, names)
        predict = PEERS[job.model](features, training.distinct().is_gamma, job.threads)
        matrix = compute(large, names)
        return lambda n: predict(matrix[:n]), predict(compute(test.table, names))
    name, source = job.model.rsplit(", ", 1)
    folder = _folder(name)
    assert folder is not None
    model = load_bundle(folder, threads=job.threads)
    score, _ = model.gammaness(test.table)
    if source == "columns":
        parts = {n: _first(large, n) for n in (1, BATCH)}
        return lambda n: model.gammaness(parts.get(n) or _first(large, n)), score
    matrix = compute(large, model.features)
    return lambda n: model.predictor.predict_with_error(matrix[:n]), score


def _first(table: FeatureTable, n: int) -> FeatureTable:
    return FeatureTable(table.arrow.slice(0, n), table.meta)


def _resampled(events: Events, n: int, rng: np.random.Generator) -> FeatureTable:
    """Draw rows with replacement and move each value by about 1 %."""
    rows = rng.integers(len(events), size=n)
    return FeatureTable.from_columns(
        {
            name: events.table[name][rows] * rng.normal(1.0, 0.01, n)
            for name in events.column_map.columns
        }
    )


def _table(results: Sequence[Result], threads: int, rows: int) -> Table:
    table = Table(title=f"{threads} thread(s); rows per second, median ± half of the range")
    headings = ("AUC", f"{BATCH:,} rows", f"{rows:,} rows", "1 row [µs]", "99 % [µs]", "MB")
    table.add_column("model")
    for heading in headings:
        table.add_column(heading, justify="right")
    for result in results:
        mark = "" if result.rows == rows else f" (of {result.rows:,})"
        table.add_row(
            result.model,
            f"{result.auc:.4f}",
            _rate(result.rows_per_second[str(BATCH)]),
            _rate(result.rows_per_second["large"]) + mark,
            f"{result.microseconds['median']:,.1f}",
            f"{result.microseconds['p99']:,.0f}",
            "-" if result.memory_mb is None else f"{result.memory_mb:,.0f}",
        )
    return table


def _ratio_table(results: Sequence[Result], threads: int) -> Table:
    """Return how many times as fast the bundles are as each peer."""
    table = Table(title=f"{threads} thread(s): times as fast as each peer")
    table.add_column("bundle")
    table.add_column("at")
    peers = [result for result in results if result.model in PEERS]
    for peer in peers:
        table.add_column(peer.model, justify="right")
    for result in results:
        if result.model in PEERS:
            continue
        for size, heading in (("large", "large table"), (str(BATCH), f"{BATCH:,} rows")):
            own = result.rows_per_second[size]["median"]
            ratios = [own / peer.rows_per_second[size]["median"] for peer in peers]
            table.add_row(result.model, heading, *map(_times, ratios))
        ratios = [p.microseconds["median"] / result.microseconds["median"] for p in peers]
        table.add_row(result.model, "one row", *map(_times, ratios))
    return table


def _rate(rate: dict[str, float]) -> str:
    half = 50 * (rate["fastest"] - rate["slowest"]) / rate["median"]
    return f"{_short(rate['median'])} ± {half:.0f} %"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _short(rate: float) -> str:
    return f"{rate / 1e6:.2f} M" if rate >= 1e6 else f"{rate / 1e3:.3g} k"


if __name__ == "__main__":
    main()
