"""Taking back an alert, or all that was said of a record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skysift.core.config import build_config
from skysift.core.errors import OutputError, UnknownNameError, UsageError
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.formats import render
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.outbox import Outbox
from skysift.serve.alerts.publishing import couriers_of, issue
from skysift.serve.config import state_folder
from skysift.serve.lock import alone
from skysift.serve.records import State
from skysift.serve.service import spool_of
from skysift.serve.spool import Spool

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Retraction", "deliver", "retract", "retracted_records"]

_LEAST = 4  # digits of an id


@dataclass(frozen=True, slots=True)
class Retraction:
    """What was taken back.

    Parameters
    ----------
    alerts : tuple of str
        Ids of the alerts that were retracted now.
    before : tuple of str
        Ids of those that had been before.
    record : str
        Id of the record, if one was named.
    new : bool
        Whether anything was retracted now.
    """

    alerts: tuple[str, ...]
    before: tuple[str, ...]
    record: str = ""
    new: bool = True


def retract(
    sink: Path, name: str, reason: str, *, clock: Callable[[], float] = time.time
) -> Retraction:
    """Retract an alert, or a record with all alerts that say what it showed.

    Retractions are issued in all formats. A running service tells the destinations; without one,
    :func:`deliver` does. Whoever retracts twice retracts once.

    Parameters
    ----------
    sink : Path
        What a service writes to.
    name : str
        The beginning of the id of an alert or a record.
    reason : str
        Why, for everybody to read.
    clock : callable
        Returns Unix time [s].

    Raises
    ------
    UnknownNameError
        If there is neither an alert nor a record of this name.
    UsageError
        If several have it, or no reason is given.
    OutputError
        If it cannot be noted or written.
    """
    if not reason.strip():
        raise UsageError("It is not said why.", "Give --reason.")
    if len(name) < _LEAST:
        raise UsageError(f"'{name}' is too short for an id.", f"Give {_LEAST} digits or more.")
    with spool_of(sink) as spool, AlertLedger(ledger_path(sink)) as ledger:
        alerts = ledger.ids_like(name)
        if len(alerts) > 1 and name not in alerts:
            raise UsageError(f"Several alerts begin with '{name}'.", "Give more digits.")
        record = "" if alerts else _record(spool, ledger, name)
        named = [name] if name in alerts else alerts or ledger.of_record(record)
        now = clock()
        with ledger.change():
            new = bool(record) and ledger.retract_record(record, reason, now)
            done = [alert for alert in named if _retract_alert(ledger, alert, reason, now)]
        issue(ledger, sink)
        if record:
            _mark(spool, record, reason)
    before = tuple(alert for alert in named if alert not in done)
    return Retraction(tuple(done), before, record, new or bool(done))


def deliver(sink: Path, *, clock: Callable[[], float] = time.time) -> int | None:
    """Tell the destinations what is due, each once, unless a service runs that does.

    Returns
    -------
    int or None
        How many messages have arrived; None if a service sees to it.
    """
    try:
        with alone(state_folder(sink) / "lock.sqlite"):
            with AlertLedger(ledger_path(sink), create=False) as ledger:
                options = _options(ledger)
            if options is None:
                return 0
            arrived = 0
            with Outbox(ledger_path(sink)) as outbox:
                outbox.due_now(clock())
                for courier in couriers_of(options, outbox.path, clock):
                    arrived += courier.deliver_due(outbox)
                    courier.close()
            return arrived
    except OutputError as error:
        if "Another service" in error.problem:
            return None
        raise


def retracted_records(sink: Path) -> "pa.Table":
    """Return the records that were retracted; see :func:`skysift.serve.alerts.retracted`."""
    import pyarrow as pa  # noqa: PLC0415  # few of those who retract ask for the table

    found: dict[str, tuple[str, float]] = {}
    path = ledger_path(sink)
    if path.is_file():
        with AlertLedger(path, create=False) as ledger:
            found = ledger.retracted_records()
    return pa.table(
        {
            "skysift_record": pa.array(list(found), pa.string()),
            "reason": pa.array([reason for reason, _ in found.values()], pa.string()),
            "retracted": pa.array([moment for _, moment in found.values()], pa.float64()),
        }
    )


def _record(spool: Spool, ledger: AlertLedger, name: str) -> str:
    """Return the id of the record that begins so."""
    try:
        return spool.find(name).id
    except UnknownNameError:
        known: Sequence[str] = ledger.ids_like("")
        raise UnknownNameError("alert or record", name, known[:20]) from None


def _retract_alert(ledger: AlertLedger, alert: str, reason: str, now: float) -> bool:
    """Prepare the retraction of an alert; tell whether it is new."""
    known = ledger.alert(alert)
    options = _options(ledger)
    if known is None or known.retracted or options is None:
        return False
    content = Content(
        alert,
        known.revision + 1,
        "retraction",
        known.tense,
        known.row,
        now,
        reason=reason.strip(),
        trigger=known.trigger,
    )
    ledger.prepare(content, render(content, options), tuple(options.destinations))
    return True


def _options(ledger: AlertLedger) -> AlertOptions | None:
    found = ledger.options()
    return None if found is None else build_config(AlertOptions, found)


def _mark(spool: Spool, record: str, reason: str) -> None:
    """Let the spool know as well that a record does not count."""
    if spool.find(record).state is not State.RETRACTED:
        spool.retract([record], reason)
