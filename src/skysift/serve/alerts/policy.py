"""From rows to alerts: what is new, what is better known than before, what is held back and why."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from skysift.core.errors import SkysiftError
from skysift.serve.alerts.answers import Answers
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.formats import render
from skysift.serve.alerts.ledger import AlertLedger, Decision, KnownAlert
from skysift.serve.alerts.matching import same_place
from skysift.serve.alerts.options import AlertOptions, Tense
from skysift.serve.alerts.origin import header_marks
from skysift.serve.alerts.rows import Row
from skysift.serve.alerts.vetoes import Veto, is_injection, vetoes
from skysift.serve.journal import log

__all__ = ["Origin", "Policy", "Provenance"]

_HOUR = 3600.0
_ARCSEC = 3600.0
_DIGITS = 12
_FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the spool knows of a record.

    Parameters
    ----------
    path : Path or None
        Its file.
    arrived : float
        Unix time [s].
    """

    path: Path | None
    arrived: float


Origin = Callable[[str], Provenance | None]
"""Returns what the spool knows of a record, None if it does not know it."""


class Policy:
    """Decides on the rows of one batch at a time.

    Parameters
    ----------
    ledger : AlertLedger
        What was decided before.
    options : AlertOptions
    clock : callable
        Returns Unix time [s].

    Notes
    -----
    What is decided on a batch depends on the batch, the ledger and the clock, and is in the ledger
    with the number of the batch in one transaction. An id is made of the first row of its source,
    so that a batch that is read again gives the alerts that it would have given.
    """

    def __init__(
        self,
        ledger: AlertLedger,
        options: AlertOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._options = options
        self._clock = clock
        self._identity = ledger.identity
        self._told_of_rate = 0.0

    def decide(self, number: int, answers: Answers, origin: Origin) -> None:
        """Decide on a batch and note that it is dealt with, all or nothing.

        Parameters
        ----------
        number : int
            Of the batch.
        answers : Answers
            What it holds.
        origin : callable
            Returns what the spool knows of a record, None if it does not know it.
        """
        headers: dict[Path, tuple[frozenset[str], str] | None] = {}
        rows = [self._whole(row, origin, headers) for row in answers.rows]
        now = self._clock()
        with self._ledger.change():
            self._tell_without(answers.without, now)
            for known, seen in self._sources(rows, now):
                self._decide_source(known, seen, now)
            self._ledger.forget(now - self._options.keep)
            self._ledger.note("position", str(number))

    def give_up(self, number: int, reason: str) -> None:
        """Note that nothing will be decided on a batch, and why; loudly."""
        now = self._clock()
        log(logging.ERROR, "alerts-not-decided", batch=number, reason=reason)
        with self._ledger.change():
            what = f"batch {number}"
            self._ledger.decide(Decision(what, "missing", reason, Row("", "", "")), now)
            self._ledger.note("position", str(number))

    # --- rows -----------------------------------------------------------------------------------

    def _whole(
        self,
        row: Row,
        origin: Origin,
        headers: dict[Path, tuple[frozenset[str], str] | None],
    ) -> Row:
        """Return a row that is strong enough with what the spool and the file's header add to it.

        For a live alert, a FITS file whose header cannot be read is as bad as one of a test.
        """
        known = origin(row.record) if self._strong(row) else None
        if known is None:
            return row
        if self._options.rule is not None and row.start is None:
            row = replace(row, arrived=known.arrived)
        if known.path is None or not row.input.lower().endswith(_FITS):
            return row
        if known.path not in headers:
            headers[known.path] = header_marks(known.path)
        found = headers[known.path]
        if found is None:
            return replace(row, marks=row.marks | {"unreadable"})
        marks, name = found
        return replace(row, marks=row.marks | marks, label=f"{row.label} {name}".strip())

    def _strong(self, row: Row) -> bool:
        rule = self._options.rule
        if rule is not None:
            return row.score is None or row.score > rule.above
        return row.far is None or row.far <= self._options.far

    def _tell_without(self, rows: int, now: float) -> None:
        if not rows:
            return
        rule = self._options.rule
        name = "far" if rule is None else "score"
        column = "far" if rule is None else rule.column
        reason = f"There is no column '{column}'."
        decision = Decision("answers without it", name, reason, Row("", "", ""))
        self._ledger.decide(decision, now, rows)

    # --- sources --------------------------------------------------------------------------------

    def _sources(
        self, rows: Iterable[Row], now: float
    ) -> list[tuple[KnownAlert | None, list[Row]]]:
        """Return the rows that nothing forbids, by the source that they show."""
        allowed = [row for row in rows if self._allowed(row, now)]
        named = [self._of_name(row) for row in allowed]
        # Rows of sources that have an alert by name come first: a second candidate of the same
        # window is then another source, however near it is.
        order = sorted(range(len(allowed)), key=lambda place: named[place] is None)
        groups: list[tuple[KnownAlert | None, list[Row]]] = []
        for place in order:
            row = allowed[place]
            known = named[place] or self._of_place(row, groups)
            for other, members in groups:
                if known is None or other is None:
                    one = known is other and self._one_source(members, row)
                else:
                    one = known.id == other.id
                if one:
                    members.append(row)
                    break
            else:
                groups.append((known, [row]))
        return groups

    def _allowed(self, row: Row, now: float) -> bool:
        """Tell whether a row may lead to an alert; if not, note why."""
        if not self._strong(row):
            self._reject(row, Veto("weak", self._weakness(row)), now)
            return False
        found = vetoes(row, self._options, now=now)
        reason = self._ledger.reason_of_record(row.record)
        if reason is not None:
            found.insert(0, Veto("retracted", f"Its record was retracted: {reason}"))
        if found:
            self._reject(row, found[0], now, others=found[1:])
        return not found

    def _of_name(self, row: Row) -> KnownAlert | None:
        """Return the alert of a tracked source, unless that is too long ago.

        What is injected, and what is a test, has alerts of its own: neither may keep those of the
        sky quiet.
        """
        known = self._ledger.of_source(row.source, self._tense(row)) if row.source else None
        if known is not None and known.seen >= (row.begun or 0.0) - self._options.memory:
            return known
        return None

    def _of_place(
        self, row: Row, groups: Iterable[tuple[KnownAlert | None, list[Row]]]
    ) -> KnownAlert | None:
        """Return the alert whose source is where a row is, and is not beside it in one window."""
        radius = self._options.match_radius / _ARCSEC
        since = (row.begun or 0.0) - self._options.memory
        for known in self._ledger.seen_since(since, self._tense(row)):
            beside = known.window and known.window == row.window and known.source != row.source
            shown = [
                row for other, rows in groups if other and other.id == known.id for row in rows
            ]
            if not beside and not _beside(shown, row) and same_place(known.row, row, radius=radius):
                return known
        return None

    def _one_source(self, members: list[Row], row: Row) -> bool:
        """Tell whether a row shows the source of others, of which none has an alert."""
        if self._tense(row) != self._tense(members[0]):
            return False
        if row.source and any(member.source == row.source for member in members):
            return True
        radius = self._options.match_radius / _ARCSEC
        return not _beside(members, row) and any(
            same_place(member, row, radius=radius) for member in members
        )

    # --- alerts ---------------------------------------------------------------------------------

    def _decide_source(self, known: KnownAlert | None, rows: list[Row], now: float) -> None:
        """Decide on all rows of a batch that show one source: the strongest speaks for it."""
        best = min(rows, key=self._rank)
        if known is None:
            content = Content(self._new_id(best), 1, "initial", self._tense(best), best, now)
            self._issue(content, rows, "It is the first of its source.")
            return
        for row in rows:
            self._ledger.see(known.id, row, row.ended or now)
        if known.retracted:
            reason = f"The alert of its source, {known.id}, was retracted."
            self._ledger.decide(Decision(_what(best), "retracted", reason, best, known.id), now)
            return
        news = self._news(known.row, best)
        if not news:
            reason = f"The alert of its source, {known.id}, says as much."
            self._ledger.decide(Decision(_what(best), "same", reason, best, known.id), now)
            return
        content = Content(
            known.id, known.revision + 1, "update", known.tense, best, now, trigger=known.trigger
        )
        self._issue(content, rows, news)

    def _news(self, before: Row, now: Row) -> str:
        """Return in which way a row is worth an update; nothing if it is not."""
        if now.error < before.error and now.error * self._options.update_error <= before.error:
            return "Its position is better known."
        if before.far is not None and now.far is not None:
            was, far = self._floored(before.far), self._floored(now.far)
            if far < was and far * self._options.update_far <= was:
                return "A false alarm is less likely."
        return ""

    def _floored(self, far: float) -> float:
        """Return a false-alarm rate, but none that is beyond doubt."""
        return max(far, self._options.certain)

    def _rank(self, row: Row) -> tuple[float, float, float]:
        """Order rows from the strongest: by false-alarm rate, then by error, then by score."""
        far = float("inf") if row.far is None else self._floored(row.far)
        return far, row.error, -(row.score or 0.0)

    def _issue(self, content: Content, rows: list[Row], why: str) -> None:
        """Prepare a revision, unless there are too many."""
        ledger, row, now = self._ledger, content.row, content.decided
        if ledger.decided_since(now - _HOUR, content.kind) >= self._options.per_hour:
            known = content.id if content.kind == "update" else ""
            what = "updates" if known else "alerts"
            reason = f"There were {self._options.per_hour} {what} within the hour before."
            ledger.decide(Decision(_what(row), "rate-limit", reason, row, known), now)
            if now - self._told_of_rate > _HOUR:
                self._told_of_rate = now
                log(logging.WARNING, "alerts-held-back", per_hour=self._options.per_hour)
            return
        try:
            documents = render(content, self._options)
        except SkysiftError as error:  # no alert is better than one that nobody can read
            self._reject(row, Veto("format", str(error)), now)
            return
        ledger.prepare(content, documents, tuple(self._options.destinations))
        for member in rows:
            ledger.see(content.id, member, member.ended or now)
        ledger.decide(Decision(_what(row), content.kind, why, row, content.id), now)

    def _tense(self, row: Row) -> Tense:
        return "injection" if is_injection(row, self._options) else self._options.tense

    def _new_id(self, row: Row) -> str:
        day = datetime.fromtimestamp(row.begun or 0.0, UTC)
        text = f"{self._identity}\n{row.to_json()}"
        return f"{day:%Y%m%d}-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"

    # --- reasons --------------------------------------------------------------------------------

    def _reject(self, row: Row, veto: Veto, now: float, others: Iterable[Veto] = ()) -> None:
        reason = " ".join([veto.reason, *(f"Also: {other.reason}" for other in others)])
        new = self._ledger.decide(Decision(_what(row), veto.name, reason, row), now)
        if new and veto.name != "weak":
            log(logging.INFO, "alert-vetoed", veto=veto.name, reason=reason, source=_what(row))

    def _weakness(self, row: Row) -> str:
        limit = self._options.far
        return f"Its false-alarm rate is {row.far:.3g} Hz; an alert has {limit:.3g} Hz or less."


def _beside(members: Iterable[Row], row: Row) -> bool:
    """Tell whether a row was found beside others, in one search of one window."""
    return any(
        member.window == row.window and member.source != row.source
        for member in members
        if row.window
    )


def _what(row: Row) -> str:
    """Return what a decision is about: the source, or the place in the record."""
    if row.source:
        return row.source
    if row.ra is None or row.dec is None:
        return row.record
    return f"{row.record[:16]} {row.ra:.3f} {row.dec:+.3f}"
