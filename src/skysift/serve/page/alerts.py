"""What the page knows of alerts, and how it takes one back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.ledger import AlertLedger, KnownAlert
from skysift.serve.alerts.retraction import retract

__all__ = ["AlertView", "AlertsSource", "retract_candidate"]

_SHOWN = 200
_MADE = {"initial", "update", "same"}  # verdicts that led to an alert, or would have again


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert as people see it.

    Parameters
    ----------
    id, source : str
        Of the alert and of its candidate.
    time : float
        When it was first issued, Unix time [s].
    far : float or None
        [Hz].
    state : str
        ``live-alert``, ``test`` or ``retracted``, for its looks.
    label : str
        The same in words.
    """

    id: str
    source: str
    time: float
    far: float | None
    state: str
    label: str


class AlertsSource:
    """Follows the ledger of alerts.

    Parameters
    ----------
    sink : Path
        The folder that a service writes to.

    Attributes
    ----------
    shown : sequence of AlertView
        The alerts, the last first.
    held : sequence of mapping
        Why others are none, the last first; see
        :meth:`skysift.serve.alerts.ledger.AlertLedger.decisions`.
    """

    def __init__(self, sink: Path) -> None:
        self._path = ledger_path(sink)
        self._ledger: AlertLedger | None = None
        self._version: int | None = None
        self.shown: Sequence[AlertView] = ()
        self.held: Sequence[Mapping[str, Any]] = ()

    def read(self) -> bool:
        """Read what has changed; tell whether something has.

        Raises
        ------
        SkysiftError
            If the ledger cannot be read.
        """
        if self._ledger is None:
            if not self._path.is_file():
                return False
            self._ledger = AlertLedger(self._path, create=False)
        version = self._ledger.version
        if version == self._version:
            return False
        self._version = version
        before = (self.shown, self._reasons)
        self.shown = [_view(alert) for alert in self._ledger.every(_SHOWN)]
        self.held = [
            decision
            for decision in self._ledger.decisions(most=_SHOWN)
            if decision["verdict"] not in _MADE
        ]
        return before != (self.shown, self._reasons)

    @property
    def _reasons(self) -> set[tuple[str, str]]:
        """What there is to tell, without how often: that grows with each batch."""
        return {(decision["what"], decision["reason"]) for decision in self.held}

    def held_of(self, source: str) -> Sequence[Mapping[str, Any]]:
        """Return why there was no alert of a candidate, the last reason first."""
        return [decision for decision in self.held if decision["what"] == source]

    def by_source(self) -> Mapping[str, AlertView]:
        """Return the last alert of each candidate."""
        return {alert.source: alert for alert in reversed(self.shown) if alert.source}

    def close(self) -> None:
        """Let go of the ledger."""
        if self._ledger is not None:
            self._ledger.close()
        self._ledger = None
        self._version = None


def retract_candidate(sink: Path, candidate: str, reason: str) -> str:
    """Retract the alert of a candidate and return its id; nothing if there was no alert.

    Raises
    ------
    SkysiftError
        If it cannot be retracted.
    """
    path = ledger_path(sink)
    if not path.is_file():
        return ""
    with AlertLedger(path, create=False) as ledger:
        known = ledger.of_source(candidate)
    if known is None:
        return ""
    retract(sink, known.id, reason)
    return known.id


def _view(alert: KnownAlert) -> AlertView:
    state = "retracted" if alert.retracted else {"live": "live-alert"}.get(alert.tense, "test")
    words = {"live-alert": "alert", "test": alert.tense, "retracted": "retracted"}
    return AlertView(alert.id, alert.source, alert.issued, alert.row.far, state, words[state])
