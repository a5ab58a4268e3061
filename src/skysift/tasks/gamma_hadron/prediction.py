"""Gammaness for tables without labels: in memory, and from files to a file in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.stream import RecordPredictor
from skysift.data.columns import load_map
from skysift.data.contract import Checked
from skysift.data.io import check_writable, open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.contract import Conventions, check
from skysift.tasks.gamma_hadron.coverage import class_sets
from skysift.tasks.gamma_hadron.model import GammaHadronModel
from skysift.tasks.gamma_hadron.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_hadron.reader import batches

__all__ = ["predict_files", "predict_table", "record_predictor"]

_DESCRIPTIONS = {
    "gammaness": "probability of being a gamma ray, at the prior of the provenance",
    "gammaness_err": "standard deviation over the members of the model",
    "set": "classes that the event is typical of, by the coverage of the provenance",
    "flags": "what the input contract found, empty if nothing",
}


def predict_table(
    table: FeatureTable,
    model: GammaHadronModel,
    options: PredictOptions,
    conventions: Conventions | None = None,
) -> FeatureTable:
    """Return the table with the columns ``gammaness``, ``gammaness_err`` and ``flags`` added.

    Parameters
    ----------
    table : FeatureTable
        Canonical columns; others pass through.
    model : GammaHadronModel
        What predicts.
    options : PredictOptions
        The prior of the sample.
    conventions : Conventions, optional
        Of the file that the table is a part of.

    Returns
    -------
    FeatureTable
        All rows in their order; a rejected row has NaN and the reason in its flags.

    Raises
    ------
    ContractError
        If a needed column is missing, or most rows lie outside the training range.
    """
    answer, _ = _predict(table, model, options, conventions)
    return answer


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: GammaHadronModel,
    read_options: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Predict batch by batch; the output appears whole, or not at all.

    Returns
    -------
    mapping of str to int
        Numbers of rows: accepted, repaired, rejected.
    """
    check_writable(out, inputs=paths)
    counts = {"accepted": 0, "repaired": 0, "rejected": 0}
    with open_writer(out, provenance=_provenance(provenance, model, options)) as writer:
        done = 0
        for number, path in enumerate(paths):
            for batch in batches(
                path, read_options, fallback=model.column_map, batch_rows=options.batch_rows
            ):
                answer, found = _predict(batch.table, model, options, batch.conventions)
                writer.write(answer)
                for verdict, rows in found.counts.items():
                    counts[verdict] += rows
                done += len(answer)
                progress(number / len(paths), f"{done:,} events")
    return counts


def record_predictor(
    model: GammaHadronModel, read_options: ReadOptions, options: PredictOptions
) -> RecordPredictor:
    """Return what predicts one table of events after the other.

    Raises
    ------
    ConfigError, UnknownNameError
        If the column map cannot be used.
    """
    if read_options.columns is not None:
        load_map(read_options.columns)  # what is wrong with it is told before the first table

    def predict(path: Path) -> Iterator[pa.Table]:
        for batch in batches(
            path, read_options, fallback=model.column_map, batch_rows=options.batch_rows
        ):
            answer, _ = _predict(batch.table, model, options, batch.conventions)
            yield answer.arrow

    return predict


def _predict(
    table: FeatureTable,
    model: GammaHadronModel,
    options: PredictOptions,
    conventions: Conventions | None,
) -> tuple[FeatureTable, Checked]:
    checked = check(table, model.needed, conventions, training_range=model.training_range)
    gammaness, error = _apply(checked, model)
    sets = {}
    if options.coverage is not None:  # of the training prior: a class is covered under any
        sets["set"] = class_sets(model, gammaness, table, options.coverage)
    if options.prior is not None:
        from skysift.evaluate.purity import prior_shift_with_error  # noqa: PLC0415  # SciPy

        rows = checked.usable
        gammaness[rows], error[rows] = prior_shift_with_error(
            gammaness[rows], error[rows], prior=model.prior, new_prior=options.prior
        )
    answer = table.with_columns(
        {
            "gammaness": gammaness,
            "gammaness_err": error,
            **sets,
            "flags": np.array(checked.flags(), dtype=str),  # text, also where there is no row
        },
        descriptions=_DESCRIPTIONS,
    )
    return answer, checked


def _apply(checked: Checked, model: GammaHadronModel) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return gammaness and error, shape (n,) each, NaN where the row was rejected."""
    if len(checked.table) and checked.usable.all():
        return model.gammaness(checked.table)
    full = [np.full(len(checked.table), np.nan) for _ in range(2)]
    if checked.usable.any():
        found = model.gammaness(checked.table.take(checked.usable))
        for target, values in zip(full, found, strict=True):
            target[checked.usable] = values
    return full[0], full[1]


def _provenance(
    provenance: Provenance, model: GammaHadronModel, options: PredictOptions
) -> dict[str, Any]:
    return {
        **provenance.so_far().to_dict(),
        "positive_class": "gamma",
        "prior": model.prior if options.prior is None else options.prior,
        "mode": model.mode,
        "coverage": options.coverage,
        "operating_points": [point.model_dump() for point in model.operating_points],
    }
