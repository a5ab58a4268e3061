"""The file of the ledger of alerts, ``.skysift/alerts.sqlite`` in the sink."""

import sqlite3
from pathlib import Path
from typing import ClassVar

from skysift.serve.alerts.ledger_schema import APPLICATION, SCHEMA, SCHEMA_VERSION
from skysift.serve.config import state_folder
from skysift.serve.database import SpoolDatabase
from skysift.serve.schema import prepare_tables

__all__ = ["LedgerDatabase", "ledger_path"]


def ledger_path(sink: Path) -> Path:
    """Return where the ledger of a sink is."""
    return state_folder(sink) / "alerts.sqlite"


class LedgerDatabase(SpoolDatabase):
    """The ledger as a database; several processes and threads may each have it open."""

    what: ClassVar[str] = "ledger of alerts"

    @staticmethod
    def _prepare(database: sqlite3.Connection, path: Path) -> None:
        prepare_tables(
            database,
            path,
            what=LedgerDatabase.what,
            schema=SCHEMA,
            application=APPLICATION,
            version=SCHEMA_VERSION,
        )
