"""The file of the ledger of alerts, ``.skysift/alerts.sqlite`` in the sink."""

from pathlib import Path
from typing import ClassVar

from skysift.serve.alerts.ledger_schema import LAYOUT
from skysift.serve.config import state_folder
from skysift.serve.database import ServiceDatabase
from skysift.serve.schema import Layout

__all__ = ["LedgerDatabase", "ledger_path"]


def ledger_path(sink: Path) -> Path:
    """Return where the ledger of a sink is."""
    return state_folder(sink) / "alerts.sqlite"


class LedgerDatabase(ServiceDatabase):
    """The ledger as a database; several processes and threads may each have it open."""

    layout: ClassVar[Layout] = LAYOUT
