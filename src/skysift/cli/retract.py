"""``skysift retract``: take back an alert, or all that was said of a record."""

from typing import Annotated

import typer

from skysift.cli.arguments import AsJson, Sink
from skysift.cli.console import Console

__all__ = ["retract"]


def retract(
    folder: Sink,
    name: Annotated[
        str, typer.Argument(metavar="ID", help="The beginning of the id of an alert or a record.")
    ],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for everybody to read.")],
    json: AsJson = False,
) -> None:
    """Take back an alert, or a record with all alerts that say what it showed.

    The retraction goes to all who were told of the alert: by the running service, or at once if
    none runs. Tables of answers stay as they are; docs/alerts.md says how readers leave out what
    was retracted. To retract twice is to retract once.

    Example: skysift retract candidates 20261121-5e3a --reason "a satellite"
    """
    from skysift.serve.alerts.retraction import deliver
    from skysift.serve.alerts.retraction import retract as take_back

    done = take_back(folder, name, reason)
    arrived = deliver(folder) if done.alerts else 0
    lines = [f"{alert}: retracted" for alert in done.alerts]
    lines += [f"{alert}: was retracted before" for alert in done.before]
    if done.record:
        lines.append(f"record {done.record[:12]}: retracted{'' if done.new else ' before'}")
    if done.alerts:
        told = "the service tells the destinations" if arrived is None else f"{arrived:,} told"
        lines.append(told)
    Console(as_json=json).result(
        {
            "alerts": list(done.alerts),
            "before": list(done.before),
            "record": done.record,
            "new": done.new,
            "arrived": arrived,
        },
        lines,
    )
