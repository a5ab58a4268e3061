"""What people who watch over a service ask the spool; nothing here changes it."""

from dataclasses import dataclass
from pathlib import Path

from skysift.serve.config import state_folder
from skysift.serve.records import State
from skysift.serve.spool import Spool

__all__ = ["SPOOL", "Ledger", "PublishedBatch", "ledger_of"]

SPOOL = "spool.sqlite"
"""Name of the spool in the state folder of a sink."""


@dataclass(frozen=True, slots=True)
class PublishedBatch:
    """What one batch came to.

    Parameters
    ----------
    number : int
        Of the batch.
    latencies : tuple of float
        From arrival to published answer, of each answered record [s].
    rows, size : int
        Of all answers, and of all answered records [byte].
    files : tuple of str
        Paths relative to the sink.
    """

    number: int
    latencies: tuple[float, ...]
    rows: int
    size: int
    files: tuple[str, ...]


class Ledger(Spool):
    """A spool with the questions of operations, for any process and thread of its own.

    Notes
    -----
    A plus before a column keeps SQLite from an index on it: the latest records are found by the
    index of batches, without sorting all that was ever done.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / SPOOL) as spool:
    ...     print(spool.oldest_pending(), spool.last_arrival(), spool.latest(10))
    None None []
    """

    def oldest_pending(self) -> float | None:
        """Return when the oldest pending record arrived, Unix time [s]; None if there is none."""
        row = self._one(
            "SELECT arrived FROM records WHERE state = ? ORDER BY sequence LIMIT 1",
            (State.PENDING.value,),
        )
        return None if row is None else float(row[0])

    def last_arrival(self) -> float | None:
        """Return when the latest record arrived, Unix time [s]; None if there is none."""
        row = self._one("SELECT arrived FROM records ORDER BY sequence DESC LIMIT 1")
        return None if row is None else float(row[0])

    def last_published(self) -> float | None:
        """Return when an answer was last published, Unix time [s]; None if none was."""
        row = self._one(
            "SELECT finished FROM records WHERE batch IS NOT NULL AND +state = 'done' "
            "ORDER BY batch DESC LIMIT 1"
        )
        return None if row is None else float(row[0])

    def latest(self, most: int) -> list[float]:
        """Return the latencies of the records that were answered last [s], in no order."""
        # The clock may have been set back meanwhile: nothing is answered before it arrives.
        return [
            max(0.0, float(finished) - float(arrived))
            for arrived, finished in self._rows(
                "SELECT arrived, finished FROM records WHERE batch IS NOT NULL AND +state = 'done' "
                "ORDER BY batch DESC LIMIT ?",
                (most,),
            )
        ]

    def batches_after(self, number: int, most: int) -> list[PublishedBatch]:
        """Return published batches of higher numbers, with what became of their records."""
        found = []
        for batch, files in self.published(number, most):
            rows = self._rows(
                "SELECT arrived, finished, rows, size FROM records WHERE batch = ? "
                "AND state = 'done'",
                (batch,),
            )
            found.append(
                PublishedBatch(
                    batch,
                    tuple(max(0.0, float(row[1]) - float(row[0])) for row in rows),
                    sum(int(row[2]) for row in rows),
                    sum(int(row[3]) for row in rows),
                    tuple(file.final for file in files),
                )
            )
        return found


def ledger_of(sink: Path) -> Ledger:
    """Open the spool of a sink, which a service may be using, to ask it.

    Raises
    ------
    ReadError
        If there is none.
    """
    return Ledger(state_folder(sink) / SPOOL, create=False)
