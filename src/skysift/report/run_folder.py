"""The folder that a run leaves behind: what was done, and all that its report is drawn from.

::

    runs/compare/
      run.json          what, when, with which versions and options
      NAME.parquet      the tables that the report needs
      report.html       drawn from the above; ``skysift report`` draws it again
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysift.core.errors import ReadError
from skysift.core.files import write_atomic
from skysift.data.io import open_writer, read_table
from skysift.data.table import FeatureTable

__all__ = ["RunRecord", "read_run", "write_run"]

_FILE = "run.json"
_SCHEMA = 1
_LARGEST = 64 * 2**20


@dataclass(frozen=True)
class RunRecord:
    """What a run was, and its tables.

    Parameters
    ----------
    folder : Path
        Where it is.
    task, kind : str
        The task, and the verb that made the run.
    facts : mapping
        What the task wrote down: JSON.
    provenance : mapping
        Command, inputs, versions, times.
    """

    folder: Path
    task: str
    kind: str
    facts: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def table(self, name: str) -> FeatureTable:
        """Read one of the tables of the run."""
        return read_table(self.folder / f"{name}.parquet")

    def has_table(self, name: str) -> bool:
        """Tell whether the run stored a table of this name."""
        return (self.folder / f"{name}.parquet").is_file()


def write_run(record: RunRecord, tables: Mapping[str, FeatureTable]) -> None:
    """Write a run: the tables first, the description last, so that a half-written run is none.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    record.folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with open_writer(record.folder / f"{name}.parquet") as writer:
            writer.write(table)
    document = {
        "schema": _SCHEMA,
        "task": record.task,
        "kind": record.kind,
        "facts": record.facts,
        "provenance": record.provenance,
    }
    write_atomic(record.folder / _FILE, json.dumps(document, indent=1, default=str) + "\n")


def read_run(folder: Path) -> RunRecord:
    """Read what an earlier run left.

    Raises
    ------
    ReadError
        If the folder holds no run, or one of another version.
    """
    path = Path(folder) / _FILE
    remedy = "Name the folder that was given to --out."
    if not path.is_file():
        raise ReadError("This folder holds no run.", remedy, path=folder)
    if path.stat().st_size > _LARGEST:
        raise ReadError("This is too large to be the description of a run.", remedy, path=path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != _SCHEMA:
            raise ReadError(
                f"The run has the schema {document['schema']}, not {_SCHEMA}.",
                "Run the command again.",
                path=path,
            )
        return RunRecord(
            Path(folder),
            document["task"],
            document["kind"],
            document["facts"],
            document["provenance"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReadError(f"The run cannot be read: {error!r}.", remedy, path=path) from error
