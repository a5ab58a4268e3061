"""What was decided: alerts with their revisions, and why there was none.

One transaction holds all that a batch of answers leads to, with the number of the batch: killed
before it, nothing was decided and the batch is read again; killed after it, everything is here.
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from skysift.serve.alerts.content import Content, Kind
from skysift.serve.alerts.database import LedgerDatabase
from skysift.serve.alerts.formats import Documents
from skysift.serve.alerts.options import Tense
from skysift.serve.alerts.rows import Row

__all__ = ["AlertLedger", "Decision", "KnownAlert", "Revision"]

_MOST_DECISIONS = 100_000


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """An alert as it stands.

    Parameters
    ----------
    id, tense
        As of :class:`~skysift.serve.alerts.content.Content`.
    retracted : bool
    trigger : float
        When the data of its first revision begin, Unix time [s].
    issued : float
        When its first revision was decided, Unix time [s].
    seen : float
        End of the last data that showed its source, Unix time [s].
    window, source : str
        Of the last row that showed it.
    revision : int
        The last one.
    row : Row
        What that one says.
    """

    id: str
    tense: Tense
    retracted: bool
    trigger: float
    issued: float
    seen: float
    window: str
    source: str
    revision: int
    row: Row


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of an alert that was decided."""

    alert: str
    revision: int
    kind: Kind
    issued: bool
    decided: float
    record: str
    documents: Documents


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on rows of one source, and how often.

    Parameters
    ----------
    what : str
        The source, or the record where there is no source.
    verdict : str
        Name of the veto, or ``initial``, ``update``, ``same``, ``weak``, ``retracted``,
        ``rate-limit``.
    reason : str
        In words.
    alert : str
        Id of the alert that the source has, if it has one.
    """

    what: str
    verdict: str
    reason: str
    row: Row
    alert: str = ""


class AlertLedger(LedgerDatabase):
    """The ledger of the alerts of one sink.

    Parameters
    ----------
    path : Path
        See :func:`~skysift.serve.alerts.database.ledger_path`.
    create : bool
        Make it where it is not there.

    Raises
    ------
    ReadError
        If it is not there, damaged, or of another version.
    OutputError
        If it cannot be written.
    """

    @contextmanager
    def change(self) -> Iterator[None]:
        """Let all that is done inside be there together, or not at all."""
        with self._transaction():
            yield

    # --- facts ----------------------------------------------------------------------------------

    def fact(self, name: str) -> str:
        """Return what was noted under a name; nothing if nothing was."""
        row = self._one("SELECT value FROM facts WHERE name = ?", (name,))
        return "" if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Note a fact in place of what was noted before."""
        self._rows(
            "INSERT INTO facts (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    @property
    def version(self) -> int:
        """Another number whenever anybody has changed the ledger."""
        others = self._one("PRAGMA data_version")[0]
        return int(others) + self._database.total_changes

    @property
    def position(self) -> int:
        """Number of the last batch that was dealt with."""
        return int(self.fact("position") or 0)

    @property
    def identity(self) -> str:
        """What ids are made from, so that no other sink has them; drawn when it is first asked."""
        with self.change():
            if not self.fact("identity"):
                self.note("identity", secrets.token_hex(16))
            return self.fact("identity")

    # --- alerts ---------------------------------------------------------------------------------

    def alert(self, name: str) -> KnownAlert | None:
        """Return an alert by its id."""
        found = self._known("alerts.id = ?", (name,))
        return found[0] if found else None

    def of_source(self, source: str, tense: Tense | None = None) -> KnownAlert | None:
        """Return the last alert of a tracked source, of one tense if that is given."""
        condition = "alerts.id IN (SELECT alert FROM sources WHERE name = ?) AND ? IN ('', tense)"
        found = self._known(condition, (source, tense or ""), 1)
        return found[0] if found else None

    def seen_since(self, moment: float, tense: Tense) -> list[KnownAlert]:
        """Return the alerts of a tense whose sources were seen since, the last first."""
        return self._known("alerts.seen >= ? AND tense = ?", (moment, tense))

    def every(self, most: int = 1000) -> list[KnownAlert]:
        """Return the alerts, the last first."""
        return self._known("1", (), most)

    def ids_like(self, beginning: str) -> list[str]:
        """Return the ids of the alerts that begin so; all of the last thousand of nothing."""
        rows = self._rows(
            "SELECT id FROM alerts WHERE substr(id, 1, ?) = ? ORDER BY seen DESC LIMIT 1000",
            (len(beginning), beginning),
        )
        return [row[0] for row in rows]

    def of_record(self, record: str) -> list[str]:
        """Return the ids of the alerts of which a revision says what a record showed."""
        rows = self._rows("SELECT DISTINCT alert FROM revisions WHERE record = ?", (record,))
        return [row[0] for row in rows]

    def _known(self, condition: str, values: Sequence[Any], most: int = 1000) -> list[KnownAlert]:
        rows = self._rows(
            "SELECT id, tense, retracted, trigger, (SELECT min(decided) FROM revisions "  # noqa: S608  # our own words
            "WHERE alert = id), seen, window, source, revision, row FROM alerts "
            "JOIN revisions ON alert = id AND revision = "
            "(SELECT max(revision) FROM revisions WHERE alert = id) "
            f"WHERE {condition} ORDER BY seen DESC, id LIMIT {most:d}",
            values,
        )
        return [
            KnownAlert(
                id=found[0],
                tense=found[1],
                retracted=bool(found[2]),
                trigger=found[3],
                issued=found[4],
                seen=found[5],
                window=found[6],
                source=found[7],
                revision=found[8],
                row=Row.from_json(found[9]),
            )
            for found in rows
        ]

    def see(self, alert: str, row: Row, seen: float) -> None:
        """Note that a row shows the source of an alert; in a change."""
        self._rows(
            "UPDATE alerts SET seen = max(seen, ?), window = ?, source = ? WHERE id = ?",
            (seen, row.window, row.source, alert),
        )
        if row.source:
            self._rows(
                "INSERT INTO sources (name, tense, alert) SELECT ?, tense, id FROM alerts "
                "WHERE id = ? ON CONFLICT (name, tense) DO UPDATE SET alert = excluded.alert",
                (row.source, alert),
            )

    # --- revisions ------------------------------------------------------------------------------

    def prepare(self, content: Content, documents: Documents, destinations: Sequence[str]) -> None:
        """Note a revision that is to be issued, and who is to be told; in a change."""
        row = content.row
        seen = content.decided if row.ended is None else row.ended
        self._rows(
            "INSERT INTO alerts (id, tense, trigger, seen) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO NOTHING",
            (content.id, content.tense, content.trigger_time, seen),
        )
        self._rows(
            "INSERT INTO revisions (alert, revision, kind, decided, record, row, json, xml, reg) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                content.id,
                content.revision,
                content.kind,
                content.decided,
                row.record,
                row.to_json(),
                documents.json,
                documents.xml,
                documents.reg,
            ),
        )
        if content.kind == "retraction":
            self._rows(
                "UPDATE alerts SET retracted = 1, reason = ? WHERE id = ?",
                (content.reason, content.id),
            )
        for destination in destinations:
            self._rows(
                "INSERT INTO deliveries (alert, revision, destination, due, since) "
                "VALUES (?, ?, ?, ?, ?)",
                (content.id, content.revision, destination, content.decided, content.decided),
            )

    def to_issue(self) -> list[Revision]:
        """Return the revisions that were decided and whose files may not be there yet."""
        return self._revisions("issued = 0 ORDER BY decided, alert, revision", ())

    def revisions(self, alert: str) -> list[Revision]:
        """Return the revisions of an alert in their order."""
        return self._revisions("alert = ? ORDER BY revision", (alert,))

    def _revisions(self, condition: str, values: Sequence[Any]) -> list[Revision]:
        rows = self._rows(
            "SELECT alert, revision, kind, issued, decided, record, json, xml, reg "  # noqa: S608  # our own words
            f"FROM revisions WHERE {condition}",
            values,
        )
        return [
            Revision(alert, number, kind, bool(issued), decided, record, Documents(*documents))
            for alert, number, kind, issued, decided, record, *documents in rows
        ]

    def issued(self, alert: str, revision: int) -> None:
        """Note that the files of a revision are there."""
        with self.change():
            self._rows(
                "UPDATE revisions SET issued = 1 WHERE alert = ? AND revision = ?",
                (alert, revision),
            )

    def decided_since(self, moment: float, kind: Kind) -> int:
        """Return how many revisions of a kind were decided since."""
        row = self._one(
            "SELECT count(*) FROM revisions WHERE decided > ? AND kind = ?", (moment, kind)
        )
        return int(row[0])

    # --- decisions ------------------------------------------------------------------------------

    def decide(self, decision: Decision, now: float, times: int = 1) -> bool:
        """Note a decision, or that it was made again; tell whether it is new; in a change."""
        row = decision.row
        named = (decision.what, decision.verdict)
        before = self._one("SELECT 1 FROM decisions WHERE what = ? AND verdict = ?", named)
        self._rows(
            "INSERT INTO decisions (what, verdict, reason, times, first, last, record, input, ra, "
            "dec, far, score, alert) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (what, verdict) DO UPDATE SET reason = excluded.reason, "
            "times = times + excluded.times, last = excluded.last, record = excluded.record, "
            "input = excluded.input, ra = excluded.ra, dec = excluded.dec, far = excluded.far, "
            "score = excluded.score, alert = excluded.alert",
            (
                *named,
                decision.reason,
                times,
                now,
                now,
                row.record,
                row.input,
                row.ra,
                row.dec,
                row.far,
                row.score,
                decision.alert,
            ),
        )
        return before is None

    def forget(self, before: float) -> None:
        """Forget decisions that were last made before a moment, and the oldest of very many."""
        self._rows("DELETE FROM decisions WHERE last < ?", (before,))
        self._rows(
            "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?",
            (_MOST_DECISIONS,),
        )

    def decisions(self, about: str = "", most: int = 1000) -> list[Mapping[str, Any]]:
        """Return decisions, the last first, about a source, record, input or alert if one is named.

        Parameters
        ----------
        about : str
            The beginning of its name or id.
        most : int
            No more than so many.
        """
        names = ["what", "verdict", "reason", "times", "first", "last"]
        names += ["record", "input", "ra", "dec", "far", "score", "alert"]
        asked = [f"substr({name}, 1, ?) = ?" for name in ("what", "record", "input", "alert")]
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM decisions WHERE {' OR '.join(asked)} "  # noqa: S608  # our own words
            "ORDER BY last DESC, number DESC LIMIT ?",
            (*(len(about), about) * len(asked), most),
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    # --- retracted records ----------------------------------------------------------------------

    def retract_record(self, record: str, reason: str, now: float) -> bool:
        """Note that the answers to a record do not count; tell whether that is new; in a change."""
        before = self._one("SELECT 1 FROM retracted WHERE record = ?", (record,))
        self._rows(
            "INSERT INTO retracted (record, reason, time) VALUES (?, ?, ?) "
            "ON CONFLICT (record) DO NOTHING",
            (record, reason, now),
        )
        return before is None

    def retracted_records(self) -> dict[str, tuple[str, float]]:
        """Return the retracted records with reason and Unix time [s]."""
        rows = self._rows("SELECT record, reason, time FROM retracted ORDER BY time, record")
        return {record: (reason, time) for record, reason, time in rows}

    def reason_of_record(self, record: str) -> str | None:
        """Return why a record was retracted; None if it was not."""
        row = self._one("SELECT reason FROM retracted WHERE record = ?", (record,))
        return None if row is None else str(row[0])

    def reason_of_alert(self, alert: str) -> str:
        """Return why an alert was retracted; nothing if it was not."""
        row = self._one("SELECT reason FROM alerts WHERE id = ?", (alert,))
        return "" if row is None else str(row[0])

    # --- options --------------------------------------------------------------------------------

    def note_options(self, options: Mapping[str, Any]) -> None:
        """Note with which options alerts are issued, for what is issued without the service."""
        text = json.dumps(options)
        if self.fact("options") != text:
            with self.change():
                self.note("options", text)

    def options(self) -> dict[str, Any] | None:
        """Return them; None if no service has issued alerts here."""
        text = self.fact("options")
        return dict(json.loads(text)) if text else None
