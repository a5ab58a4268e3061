"""``skysift alerts``: what was alerted, who was told, and why there was no alert."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Sink
from skysift.cli.console import Console
from skysift.core.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from skysift.serve.alerts.ledger import AlertLedger, KnownAlert

__all__ = ["alerts_app"]

Most = Annotated[int, typer.Option("--most", min=1, max=1000, help="No more than so many.")]


def alerts_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help="What a service has alerted, and why not.", no_args_is_help=True)
    app.command("list")(_list)
    app.command("show")(_show)
    app.command("why")(_why)
    app.command("undelivered")(_undelivered)
    app.command("retry")(_retry)
    return app


def _list(folder: Sink, *, most: Most = 100, json: AsJson = False) -> None:
    """List the alerts, the last first."""
    with _ledger(folder) as ledger:
        alerts = [_described(ledger, alert) for alert in ledger.every(most)]
    console = Console(as_json=json)
    shown = ("alert", "state", "revision", "seen", "ra", "dec", "far", "source")
    console.table([{name: alert[name] for name in shown} for alert in alerts])
    console.result(
        {"alerts": alerts}, [] if alerts else [f"{folder}: no alert; see 'skysift alerts why'."]
    )


def _show(
    folder: Sink,
    alert: Annotated[str, typer.Argument(metavar="ID", help="The beginning of its id.")],
    *,
    json: AsJson = False,
) -> None:
    """Show an alert with its revisions, and who was told of them."""
    from skysift.serve.alerts.database import ledger_path
    from skysift.serve.alerts.outbox import Outbox
    from skysift.serve.alerts.publishing import alert_folder

    with _ledger(folder) as ledger, Outbox(ledger_path(folder)) as outbox:
        name = _chosen(ledger, alert)
        known = ledger.alert(name)
        described = {} if known is None else _described(ledger, known)
        revisions: list[dict[str, Any]] = [
            {
                "revision": one.revision,
                "type": one.kind,
                "decided": _when(one.decided),
                "record": one.record,
                "state": "issued" if one.issued else "prepared",
            }
            for one in ledger.revisions(name)
        ]
        deliveries = [
            dict(one) | {"finished": _when(one["finished"])} for one in outbox.of_alert(name)
        ]
    console = Console(as_json=json)
    width = max(map(len, described), default=0)
    for key, value in described.items():
        console.line(f"{key:<{width}}  {'' if value is None else value}")
    console.line(f"{'files':<{width}}  {alert_folder(folder, name)}")
    console.table([one | {"record": one["record"][:12]} for one in revisions], title="Revisions")
    console.table(deliveries, title="Destinations")
    console.result({**described, "revisions": revisions, "deliveries": deliveries})


def _why(
    folder: Sink,
    about: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="The beginning of a source, record, file or alert; all if left out.",
        ),
    ] = "",
    *,
    most: Most = 100,
    json: AsJson = False,
) -> None:
    """Tell what was decided and why, above all where there was no alert."""
    with _ledger(folder) as ledger:
        decisions = [
            dict(one) | {"first": _when(one["first"]), "last": _when(one["last"])}
            for one in ledger.decisions(about, most)
        ]
    console = Console(as_json=json)
    shown = ("last", "what", "input", "verdict", "times", "reason")
    console.table([{name: one[name] for name in shown} for one in decisions])
    console.result(
        {"decisions": decisions},
        [] if decisions else [f"{folder}: nothing was decided{f' on {about}' if about else ''}."],
    )


def _undelivered(folder: Sink, *, json: AsJson = False) -> None:
    """List the messages that have not arrived, those that were given up included."""
    from skysift.serve.alerts.database import ledger_path
    from skysift.serve.alerts.outbox import Outbox

    with _ledger(folder), Outbox(ledger_path(folder)) as outbox:
        found = [dict(one) | {"since": _when(one["since"])} for one in outbox.undelivered()]
    console = Console(as_json=json)
    console.table(found)
    console.result({"undelivered": found}, [] if found else [f"{folder}: all have arrived."])


def _retry(
    folder: Sink,
    alert: Annotated[str, typer.Argument(metavar="ID", help="The beginning of its id.")],
    *,
    json: AsJson = False,
) -> None:
    """Tell destinations of an alert again that were given up."""
    import time

    from skysift.serve.alerts.database import ledger_path
    from skysift.serve.alerts.outbox import Outbox
    from skysift.serve.alerts.retraction import deliver

    with _ledger(folder) as ledger, Outbox(ledger_path(folder)) as outbox:
        again = outbox.retry(_chosen(ledger, alert), time.time())
    arrived = deliver(folder) if again else 0
    words = "a service sees to it" if arrived is None else f"{arrived:,} arrived"
    Console(as_json=json).result(
        {"again": again, "arrived": arrived}, [f"{again:,} to be tried again, {words}"]
    )


def _ledger(folder: Path) -> "AlertLedger":
    from skysift.serve.alerts.database import ledger_path
    from skysift.serve.alerts.ledger import AlertLedger

    return AlertLedger(ledger_path(folder), create=False)


def _chosen(ledger: "AlertLedger", beginning: str) -> str:
    found = ledger.ids_like(beginning)
    if not found or not beginning:
        raise UnknownNameError("alert", beginning, ledger.ids_like("")[:20])
    if len(found) > 1 and beginning not in found:
        raise UsageError(f"Several alerts begin with '{beginning}'.", "Give more digits.")
    return beginning if beginning in found else found[0]


def _described(ledger: "AlertLedger", alert: "KnownAlert") -> dict[str, Any]:
    row = alert.row
    return {
        "alert": alert.id,
        "state": "retracted" if alert.retracted else alert.tense,
        "tense": alert.tense,
        "revision": alert.revision,
        "seen": _when(alert.seen),
        "ra": row.ra,
        "dec": row.dec,
        "error": row.error,
        "far": row.far,
        "source": alert.source,
        "record": row.record,
        "input": row.input,
        "bundle": row.bundle,
        "reason": ledger.reason_of_alert(alert.id),
    }


def _when(moment: float | None) -> str | None:
    from skysift.serve.clock import iso_time

    if moment is None:
        return None
    return iso_time(moment)
