"""Write gammaness the way ctapipe does, so that ctapipe reads it back.

ctapipe keeps the answer of a classifier in one table for each telescope,
``/dl2/event/telescope/classification/<ALGORITHM>/tel_<id>``, with the columns of its
``ParticleClassificationContainer`` behind the prefix ``<ALGORITHM>_tel``
(data model 5 and later; checked against ctapipe 0.28, data model 7.1).
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import OutputError
from skysift.core.files import atomic_path
from skysift.data.io.provenance import provenance_text
from skysift.data.io.pytables_sink import GrowingTable, TableColumn, ensure_root, write_provenance
from skysift.data.table import FeatureTable

__all__ = ["CtapipeDl2Sink", "write_ctapipe_dl2"]

_GROUP = "/dl2/event/telescope/classification"
_ALGORITHM = "SKYSIFT"
_PREDICTION = "gammaness"
_VALID = "is_valid"
_INDEX: dict[str, type[np.signedinteger[Any]]] = {
    "obs_id": np.int32,
    "event_id": np.int64,
    "tel_id": np.int16,
}
_MAX_TEL_ID = 999  # ctapipe writes three digits
_DESCRIPTIONS = {
    "obs_id": "observation ID",
    "event_id": "event ID",
    "tel_id": "telescope ID",
    "prediction": "gammaness: 1 is most like a gamma ray, 0 most like a hadron",
    "is_valid": "true if the prediction is valid",
}


class _Predictions:
    """The classification tables of one algorithm in an open file, one for each telescope."""

    def __init__(self, file: h5py.File, algorithm: str) -> None:
        self._file = file
        self._algorithm = algorithm
        self._tables: dict[int, GrowingTable] = {}

    def append(self, batch: FeatureTable, prediction: str) -> None:
        """Add the rows of a batch, each to the table of its telescope."""
        values = _checked(batch, prediction)
        names = (*_INDEX, f"{self._algorithm}_tel_prediction", f"{self._algorithm}_tel_is_valid")
        for tel_id in np.unique(values["tel_id"]):
            rows = values["tel_id"] == tel_id
            columns = zip(names, values.values(), strict=True)
            self._table(int(tel_id)).append({name: array[rows] for name, array in columns})

    def _table(self, tel_id: int) -> GrowingTable:
        if tel_id not in self._tables:
            path = f"{_GROUP}/{self._algorithm}/tel_{tel_id:03d}"
            if path in self._file:
                raise OutputError(
                    f"The file has predictions of '{self._algorithm}' already.",
                    "Choose another algorithm name, or a source file without them.",
                    path=self._file.filename,
                )
            title = "Storage of TelEventIndexContainer,ParticleClassificationContainer"
            self._tables[tel_id] = GrowingTable(self._file, path, self._columns(), title=title)
        return self._tables[tel_id]

    def _columns(self) -> list[TableColumn]:
        answers: dict[str, type[np.generic]] = {"prediction": np.float64, "is_valid": np.bool_}
        prefixes = dict.fromkeys(_INDEX, "") | dict.fromkeys(answers, f"{self._algorithm}_tel_")
        return [
            # ctapipe finds the field of its container by NAME, the column without its prefix.
            TableColumn(
                f"{prefixes[name]}{name}",
                np.dtype(kind),
                {"NAME": name, "DESC": _DESCRIPTIONS[name]},
            )
            for name, kind in (_INDEX | answers).items()
        ]


class CtapipeDl2Sink:
    """A ``.dl2.h5`` file: `obs_id`, `event_id`, `tel_id` and `gammaness` of each row."""

    def __init__(self, temporary: Path, _final: Path, provenance: str) -> None:
        self._provenance = provenance
        self._file = h5py.File(temporary, "w")
        ensure_root(self._file)
        self._predictions = _Predictions(self._file, _ALGORITHM)

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._predictions.append(FeatureTable(table), _PREDICTION)

    def finish(self) -> None:
        """Complete the file."""
        write_provenance(self._file, self._provenance)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_ctapipe_dl2(
    path: str | Path,
    batches: Iterable[FeatureTable],
    *,
    algorithm: str = _ALGORITHM,
    prediction: str = _PREDICTION,
    source: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write gammaness as ctapipe's telescope-wise particle classification.

    Parameters
    ----------
    path : path-like
        The file to write, e.g. ``run1.dl2.h5``.
    batches : iterable of FeatureTable
        Rows with `obs_id`, `event_id`, `tel_id` and `prediction`; a column `is_valid` if there is
        one, else a prediction is valid where it is finite.
    algorithm : str
        ctapipe's name for the origin of the predictions: the prefix of their columns.
    prediction : str
        The column that holds the gammaness, between 0 and 1.
    source : path-like, optional
        A ctapipe DL1 or DL2 file to copy first. With it the result is complete: ctapipe's
        ``TableLoader`` joins the predictions to the events, in the order of that file.
    provenance : mapping, optional
        What the result was made of and how; stored as JSON.

    Raises
    ------
    OutputError
        If the file cannot be written or holds predictions of that name already.
    ContractError
        If a column is missing.
    """
    if not algorithm.isidentifier():
        raise OutputError(
            f"'{algorithm}' is no name for an algorithm in ctapipe.",
            "Use letters, digits and underscores.",
            path=path,
        )
    with atomic_path(path) as temporary:
        if source is not None:
            shutil.copyfile(source, temporary)
        with h5py.File(temporary, "a") as file:
            ensure_root(file)
            predictions = _Predictions(file, algorithm)
            for batch in batches:
                predictions.append(batch, prediction)
            write_provenance(file, provenance_text(provenance))


def _checked(batch: FeatureTable, prediction: str) -> dict[str, NDArray[Any]]:
    """Return the columns of a batch in ctapipe's order and types."""
    values: dict[str, NDArray[Any]] = {}
    for name, kind in _INDEX.items():
        raw = batch[name]
        highest = _MAX_TEL_ID if name == "tel_id" else int(np.iinfo(kind).max)
        good = np.isfinite(raw) & (raw == np.floor(raw)) & (raw >= 0) & (raw <= highest)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise OutputError(
                f"{name} = {raw[row]} in row {row} is not a whole number from 0 to {highest}.",
                "ctapipe needs whole numbers there; correct the column.",
            )
        values[name] = raw.astype(kind)
    score = batch[prediction].astype(np.float64)
    values["prediction"] = score
    values["is_valid"] = batch[_VALID].astype(bool) if _VALID in batch else np.isfinite(score)
    return values
