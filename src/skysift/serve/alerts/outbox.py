"""Who has been told what: the queue of messages to destinations, on disk, in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skysift.serve.alerts.content import Kind
from skysift.serve.alerts.database import LedgerDatabase
from skysift.serve.alerts.options import Format, Tense

__all__ = ["Message", "Outbox"]


@dataclass(frozen=True, slots=True)
class Message:
    """A revision that one destination is to be told of.

    Parameters
    ----------
    alert, revision, kind, tense
        Of the revision.
    body : bytes
        The format that the destination wants.
    format : str
    attempts : int
        How often it was tried, this time included.
    since : float
        Unix time [s] of the decision.
    """

    alert: str
    revision: int
    kind: Kind
    tense: Tense
    body: bytes
    format: Format
    attempts: int
    since: float

    @property
    def key(self) -> str:
        """The same for each attempt, for receivers to know what they have."""
        return f"{self.alert}-{self.revision}-{self.format}"


class Outbox(LedgerDatabase):
    """The deliveries in the ledger; each thread that delivers opens it for itself."""

    def claim(
        self, destination: str, format_: Format, *, now: float, lease: float
    ) -> Message | None:
        """Return the next message that is due, and leave it alone for the lease; None if none is.

        Revisions of an alert come in their order. Should we die with the message in hand, it is due
        again after the lease.
        """
        with self._transaction():
            row = self._one(
                "SELECT alert, revision, attempts, since FROM deliveries AS this "
                "WHERE destination = ? AND state = 'pending' AND due <= ? "
                "AND EXISTS (SELECT 1 FROM revisions AS r WHERE r.alert = this.alert "
                "AND r.revision = this.revision AND r.issued = 1) "
                "AND NOT EXISTS (SELECT 1 FROM deliveries AS earlier "
                "WHERE earlier.destination = this.destination AND earlier.alert = this.alert "
                "AND earlier.revision < this.revision AND earlier.state = 'pending') "
                "ORDER BY due, since, alert, revision LIMIT 1",
                (destination, now),
            )
            if row is None:
                return None
            alert, revision, attempts, since = row
            self._rows(
                "UPDATE deliveries SET due = ?, attempts = attempts + 1 "
                "WHERE destination = ? AND alert = ? AND revision = ?",
                (now + lease, destination, alert, revision),
            )
            kind, tense, *bodies = self._one(
                "SELECT kind, tense, json, xml, reg FROM revisions JOIN alerts ON id = alert "
                "WHERE alert = ? AND revision = ?",
                (alert, revision),
            )
        body = dict(zip(("json", "xml", "reg"), bodies, strict=True))[format_]
        return Message(alert, revision, kind, tense, body, format_, attempts + 1, since)

    def delivered(self, destination: str, message: Message, now: float) -> None:
        """Note that a message has arrived."""
        self._finish(destination, message, "delivered", now, "")

    def given_up(self, destination: str, message: Message, now: float, error: str) -> None:
        """Note that a message will not be tried again."""
        self._finish(destination, message, "given-up", now, error)

    def _finish(
        self, destination: str, message: Message, state: str, now: float, error: str
    ) -> None:
        with self._transaction():
            self._rows(
                "UPDATE deliveries SET state = ?, finished = ?, error = ? "
                "WHERE destination = ? AND alert = ? AND revision = ?",
                (state, now, error, destination, message.alert, message.revision),
            )

    def postpone(self, destination: str, message: Message, until: float, error: str) -> None:
        """Note why a message has not arrived, and when it is to be tried again."""
        with self._transaction():
            self._rows(
                "UPDATE deliveries SET due = ?, error = ? "
                "WHERE destination = ? AND alert = ? AND revision = ? AND state = 'pending'",
                (until, error, destination, message.alert, message.revision),
            )

    def due_now(self, now: float) -> None:
        """Let all that waits be due: those who had it in hand, or waited to try again, are gone."""
        with self._transaction():
            self._rows(
                "UPDATE deliveries SET due = ? WHERE state = 'pending' AND due > ?", (now, now)
            )

    def retry(self, alert: str, now: float) -> int:
        """Let what was given up of an alert be tried again; return how many messages."""
        with self._transaction():
            again = self._rows(
                "UPDATE deliveries SET state = 'pending', due = ?, since = ?, finished = NULL "
                "WHERE alert = ? AND state = 'given-up' RETURNING revision",
                (now, now, alert),
            )
        return len(again)

    def next_due(self, destination: str) -> float | None:
        """Return when the next message is due, Unix time [s]; None if none waits."""
        row = self._one(
            "SELECT min(due) FROM deliveries WHERE destination = ? AND state = 'pending'",
            (destination,),
        )
        return None if row[0] is None else float(row[0])

    def waiting(self) -> dict[str, int]:
        """Return how many messages wait for each destination."""
        return dict(
            self._rows(
                "SELECT destination, count(*) FROM deliveries WHERE state = 'pending' "
                "GROUP BY destination"
            )
        )

    def of_alert(self, alert: str) -> list[Mapping[str, Any]]:
        """Return what became of the messages of an alert."""
        names = ("revision", "destination", "state", "attempts", "finished", "error")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM deliveries WHERE alert = ? "  # noqa: S608  # our own words
            "ORDER BY revision, destination",
            (alert,),
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def undelivered(self) -> list[Mapping[str, Any]]:
        """Return all messages that have not arrived, given up or not."""
        names = ("alert", "revision", "destination", "state", "attempts", "since", "error")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM deliveries WHERE state <> 'delivered' "  # noqa: S608  # our own words
            "ORDER BY since, alert, revision, destination LIMIT 1000"
        )
        return [dict(zip(names, row, strict=True)) for row in rows]
