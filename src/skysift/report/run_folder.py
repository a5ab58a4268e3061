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
from typing import Any, Self

from skysift.core.errors import OutputError, ReadError
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.data.io import open_writer, read_table
from skysift.data.table import FeatureTable

__all__ = ["RunRecord", "check_run_folder", "read_run", "write_run"]

_FILE = "run.json"
_SCHEMA = 1
_PARTS = {"task": str, "kind": str, "facts": dict, "provenance": dict}
_LARGEST = 64 * 2**20
_REMEDY = "Name the folder that was given to --out."


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

    @classmethod
    def finished(
        cls, folder: Path, task: str, kind: str, facts: Mapping[str, Any], provenance: Provenance
    ) -> Self:
        """Return the record of a run that has just come to its end."""
        return cls(folder, task, kind, facts, provenance.finish().to_dict())

    def table(self, name: str) -> FeatureTable:
        """Read one of the tables of the run."""
        return read_table(self.folder / f"{name}.parquet")

    def has_table(self, name: str) -> bool:
        """Tell whether the run stored a table of this name."""
        return (self.folder / f"{name}.parquet").is_file()


def check_run_folder(folder: Path) -> None:
    """Check that a run may be written to a folder, before the long work: it would replace tables.

    Raises
    ------
    OutputError
        If the folder holds tables that no run wrote, e.g. the data themselves.
    """
    foreign = set(folder.glob("*.parquet")) - set(_tables_of_run(folder))
    if foreign:
        names = ", ".join(sorted(path.name for path in foreign))
        raise OutputError(
            f"The folder holds tables that no run wrote: {names}.",
            "Choose another for --out, so that none is overwritten.",
            path=folder,
        )


def write_run(record: RunRecord, tables: Mapping[str, FeatureTable]) -> None:
    """Write a run: the tables first, the description last, so that a half-written run is none.

    An earlier run in the same folder is replaced, its tables too.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds tables that no run wrote.
    """
    check_run_folder(record.folder)
    try:
        record.folder.mkdir(parents=True, exist_ok=True)
        for stale in _tables_of_run(record.folder):
            stale.unlink(missing_ok=True)
        (record.folder / _FILE).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot write to the folder: {error.strerror}.",
            "Choose another for --out.",
            path=record.folder,
        ) from error
    for name, table in tables.items():
        with open_writer(record.folder / f"{name}.parquet") as writer:
            writer.write(table)
    document = {
        "schema": _SCHEMA,
        "task": record.task,
        "kind": record.kind,
        "tables": sorted(tables),
        "facts": record.facts,
        "provenance": record.provenance,
    }
    write_atomic(record.folder / _FILE, json.dumps(document, indent=1, default=str) + "\n")


def _tables_of_run(folder: Path) -> list[Path]:
    """Return the tables that the run in a folder wrote, none if there is no readable run."""
    try:
        document = _document(folder / _FILE)
    except ReadError:
        return []
    return [folder / f"{Path(str(name)).name}.parquet" for name in document.get("tables", [])]


def read_run(folder: Path) -> RunRecord:
    """Read what an earlier run left.

    Raises
    ------
    ReadError
        If the folder holds no run, or one of another version.
    """
    document = _document(Path(folder) / _FILE)
    for name, kind in _PARTS.items():
        if name not in document:
            raise ReadError(f"The run does not say '{name}'.", _REMEDY, path=Path(folder) / _FILE)
        if not isinstance(document[name], kind):
            raise ReadError(
                f"What the run says of '{name}' makes no sense.",
                "Run the command again.",
                path=Path(folder) / _FILE,
            )
    return RunRecord(Path(folder), **{name: document[name] for name in _PARTS})


def _document(path: Path) -> dict[str, Any]:
    """Return the description of a run, of our schema."""
    if not path.is_file():
        raise ReadError("This folder holds no run.", _REMEDY, path=path.parent)
    if path.stat().st_size > _LARGEST:
        raise ReadError("This is too large to be the description of a run.", _REMEDY, path=path)
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = document["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReadError(f"The run cannot be read: {error!r}.", _REMEDY, path=path) from error
    if schema != _SCHEMA:
        raise ReadError(
            f"The run has the schema {schema}, not {_SCHEMA}.", "Run the command again.", path=path
        )
    return document
