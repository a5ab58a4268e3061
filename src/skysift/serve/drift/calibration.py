"""Whether the probabilities that were answered fit the labels that came later.

    python -m skysift.serve.drift.calibration candidates --labels labels.csv --score gammaness

The service asks this of a process of its own whenever the labels have changed: to read tables of
every kind takes memory that answers should have.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, ReadError, SkysiftError
from skysift.serve.staging import RECORD_COLUMN

__all__ = ["Calibration", "calibration", "main"]

MOST_ANSWERS = 200_000
CONFIDENCE = 0.9999
"""Of the interval: a model that is calibrated lies above it for one in 20,000 tables of labels."""
LEAST_ANSWERS = 50
_BINS = 15


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities against labels.

    Parameters
    ----------
    rows : int
        Answers that have a label.
    error : float or None
        Expected calibration error; None if the answers are too few.
    highest : float or None
        What a calibrated model would not exceed.
    alarm : bool
        Whether the error is larger.
    signal : float
        Share of the signal among the labels.
    curve : tuple of dict
        The reliability curve, a point for each bin with answers: ``predicted``, ``observed``, its
        95 % limits ``low`` and ``high``, and ``count``.
    about : str
        In plain words.
    """

    rows: int
    error: float | None = None
    highest: float | None = None
    alarm: bool = False
    signal: float = 0.0
    curve: tuple[dict[str, float], ...] = ()
    about: str = ""


def calibration(
    sink: Path, labels: Path, *, score: str, on: str = RECORD_COLUMN, label: str = "label"
) -> Calibration:
    """Compare the latest answers that have a label.

    Parameters
    ----------
    sink : Path
        Where a service writes to.
    labels : Path
        A table with the columns `on` and `label`; of several rows for one thing, the last counts.
    score : str
        Column of answers with the probability of signal.
    on : str
        Column that labels and answers have in common.
    label : str
        Column of labels, 1 or true for the signal.

    Raises
    ------
    InputError
        If the labels cannot be read, or a column is missing.
    """
    known = _labels(labels, on, label)
    found: list[tuple[float, bool]] = []
    for name, probability in _answers(sink, on, score):
        if name in known and probability is not None and 0 <= probability <= 1:
            found.append((probability, known[name]))
            if len(found) >= MOST_ANSWERS:
                break
    if len(found) < LEAST_ANSWERS:
        about = f"{len(found)} answers have labels; it takes {LEAST_ANSWERS} to compare."
        return Calibration(len(found), about=about)
    stated, true = zip(*found, strict=True)
    return _compared(np.array(stated), np.array(true))


def _compared(probability: NDArray[np.float64], signal: NDArray[np.bool_]) -> Calibration:
    from skysift.evaluate.probability import (  # noqa: PLC0415  # SciPy
        calibration_error_floor,
        reliability_curve,
    )

    curve = reliability_curve(signal, probability, n_bins=_BINS, binning="mass")
    floor = calibration_error_floor(
        probability, n_bins=_BINS, binning="mass", confidence=CONFIDENCE
    )
    error, highest = curve.calibration_error, float(floor.high or 0.0)
    alarm = error > highest
    points = tuple(
        {
            "predicted": float(curve.predicted[place]),
            "observed": float(curve.observed[place]),
            "low": float(curve.low[place]),
            "high": float(curve.high[place]),
            "count": float(curve.count[place]),
        }
        for place in np.flatnonzero(curve.count)
    )
    fits = "do not fit" if alarm else "fit"
    about = (
        f"The probabilities of {len(signal):,} answers {fits} their labels: the calibration error "
        f"is {error:.4f}, and one above {highest:.4f} would be no chance."
    )
    return Calibration(len(signal), error, highest, alarm, float(signal.mean()), points, about)


def _labels(path: Path, on: str, label: str) -> dict[str, bool]:
    from skysift.data.io import read_table  # noqa: PLC0415  # brings all formats

    table = read_table(path)
    names, values = table[on], table[label]
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.full(len(values), np.nan)
    if not np.isin(numbers, (0.0, 1.0)).all():
        raise ContractError(
            f"The column '{label}' holds something else than 0 and 1.",
            "Write 1 for the signal, 0 for the background.",
            path=path,
        )
    return dict(zip(map(str, names.tolist()), (numbers == 1.0).tolist(), strict=True))


def _answers(sink: Path, on: str, score: str) -> Iterator[tuple[str, float | None]]:
    """Yield what is joined on and the probability, newest file first."""
    parts = [*sink.glob("night=*/part-*.parquet"), *sink.glob("night=*/part-*.jsonl")]
    some = False
    for part in sorted(parts, key=lambda part: (part.parent.name, part.name), reverse=True):
        read = _parquet if part.suffix == ".parquet" else _lines
        for row in read(part, on, score):
            if on in row and score in row:
                some = True
                yield str(row[on]), row[score]
    if parts and not some:
        raise ContractError(
            f"No answer has the columns '{on}' and '{score}'.",
            "Name them with drift.labels_on and drift.score.",
            path=sink,
        )


def _parquet(path: Path, on: str, score: str) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # only where it is needed

    with pq.ParquetFile(path) as file:
        wanted = {on, score} & set(file.schema_arrow.names)
        for batch in file.iter_batches(columns=sorted(wanted)):
            yield from batch.to_pylist()


def _lines(path: Path, _on: str, _score: str) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ReadError("A line is no JSON.", path=path) from error


def main() -> int:
    """Print what was found as JSON; return 2 with words if it cannot be told."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("sink", type=Path)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--score", required=True)
    parser.add_argument("--on", default=RECORD_COLUMN)
    parser.add_argument("--label", default="label")
    given = parser.parse_args()
    try:
        found = calibration(
            given.sink, given.labels, score=given.score, on=given.on, label=given.label
        )
    except SkysiftError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(asdict(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
