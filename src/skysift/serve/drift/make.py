"""Makes the reference of a bundle of data that are known to be good.

    python -m skysift.serve.drift.make gamma-hadron nights/*.csv --out own.json --data "12 nights"

The files are answered by the bundle, as a service would, and the columns of the answers, with what
the task measures beside them, become the reference. For scores, give data that the bundle was not
trained on: of its training data it is surer than it will ever be again. Written beside a bundle, as
``NAME.reference.json`` beside the folder ``NAME``, it is found there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.bundle import Bundle
from skysift.core.config import build_config, parse_assignments
from skysift.core.errors import InputError, SkysiftError, UsageError
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.core.stream import DescribingPredictor, RecordPredictor
from skysift.serve.drift.profile import count_values
from skysift.serve.drift.reference import Quantity, Reference

__all__ = ["Sample", "main", "quantity_of", "sample_of"]

MOST_ROWS = 1_000_000
_PARTS = 20

Sample = Mapping[str, NDArray[np.float64]]
"""Values by quantity, shape (n,) each."""


def sample_of(predict: RecordPredictor, paths: Iterable[Path]) -> tuple[Sample, int]:
    """Answer files and return all numbers in the answers, and how many files were refused.

    Parameters
    ----------
    predict : RecordPredictor
        The task with its bundle.
    paths : iterable of Path
        Records; no more are read when a million rows have been.
    """
    parts: dict[str, list[NDArray[np.float64]]] = {}
    rows = refused = 0
    for path in paths:
        try:
            tables = list(predict(path))
        except InputError:
            refused += 1
            tables = []
        measured = predict.described() if isinstance(predict, DescribingPredictor) else {}
        if tables:
            rows += sum(table.num_rows for table in tables)
            for name, values in _numbers(tables, measured):
                parts.setdefault(name, []).append(values)
        if rows >= MOST_ROWS:
            break
    return {name: np.concatenate(some) for name, some in parts.items()}, refused


def _numbers(
    tables: Iterable[pa.Table], measured: Mapping[str, ArrayLike]
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the numeric columns of answers and what was measured beside them, by name."""
    columns = [
        (name, table.column(name).to_numpy()) for table in tables for name in table.column_names
    ]
    for name, values in [*columns, *((name, np.asarray(some)) for name, some in measured.items())]:
        if values.dtype.kind in "biuf":
            yield name, values.astype(np.float64)


def quantity_of(values: NDArray[np.float64]) -> Quantity | None:
    """Return bins with about equal numbers of values; None if all are equal or not finite.

    Examples
    --------
    >>> quantity_of(np.arange(100.0)).counts[:3], quantity_of(np.zeros(9)) is None
    ((5.0, 5.0, 5.0), True)
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    levels = np.arange(1, _PARTS) / _PARTS
    edges = np.unique(np.quantile(finite, levels, method="inverted_cdf"))
    edges = edges[edges < finite.max()]  # nothing would lie beyond
    if not len(edges):
        return None
    return Quantity(edges=tuple(edges.tolist()), counts=tuple(count_values(values, edges).tolist()))


def _wanted(bundle: Bundle, sample: Sample, only: Collection[str]) -> list[str]:
    """Return the quantities that are asked for, or those that the bundle knows of."""
    for name in only:
        if name not in sample:
            raise UsageError(
                f"No answer has numbers called '{name}'.", f"There are: {', '.join(sample)}."
            )
    if only:
        return list(only)
    manifest = bundle.manifest
    known = {*manifest.features, *manifest.reference, *manifest.model.outputs}
    found = [name for name in sample if name in known]
    if not found:
        raise UsageError(
            "The bundle does not say which quantities matter.",
            f"Name them with --only; there are: {', '.join(sample)}.",
        )
    return found


def _reference(given: argparse.Namespace) -> tuple[Reference, int]:
    named = given.bundle is not None and Path(given.bundle).is_dir()
    folder = Path(given.bundle) if named else bundle_folder(given.task, given.bundle)
    bundle = Bundle.load(folder, task=given.task)
    task = load_task(given.task)
    settings = parse_assignments(given.set)
    options = []
    for section, kind in (("read", "ReadOptions"), ("predict", "PredictOptions")):
        values: dict[str, Any] = {
            key.partition(".")[2]: value
            for key, value in settings.items()
            if key.startswith(f"{section}.")
        }
        options.append(build_config(load_options(given.task, kind), values))
    predict = task.stream(task.load(folder), *options)
    sample, refused = sample_of(predict, given.files)
    quantities = {}
    for name in _wanted(bundle, sample, given.only):
        quantity = quantity_of(sample[name])
        if quantity is not None:
            quantities[name] = quantity
    if not quantities:
        raise InputError("There is nothing to compare with.", "Give more data.")
    reference = Reference(
        task=given.task,
        bundle=bundle.hash,
        data=given.data,
        made_by=f"python -m skysift.serve.drift.make {shlex.join(sys.argv[1:])}"[:2000],
        created=datetime.now(UTC).replace(microsecond=0),
        quantities=quantities,
    )
    return reference, refused


def main() -> int:
    """Make a reference; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("task")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--bundle", help="a folder, or the name of one that ships with the task")
    parser.add_argument("--data", required=True, help="what the files are, in plain words")
    parser.add_argument("--only", action="append", default=[], help="a quantity; may be repeated")
    parser.add_argument("--set", action="append", default=[], help="e.g. read.emin=0.1")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        reference, refused = _reference(given)
        given.out.write_text(reference.to_json(), encoding="utf-8")
    except SkysiftError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    rows = max(int(quantity.rows) for quantity in reference.quantities.values())
    summary = {"out": str(given.out), "rows": rows, "refused": refused}
    sys.stdout.write(json.dumps({**summary, "quantities": list(reference.quantities)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
