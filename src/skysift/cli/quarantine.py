"""``skysift quarantine``: what a service could not answer, why, and what to do with it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Sink
from skysift.cli.console import Console
from skysift.core.errors import UsageError

if TYPE_CHECKING:
    from skysift.serve.records import Record
    from skysift.serve.spool import Spool

__all__ = ["quarantine_app"]

_SHORT = 12  # digits of an id that people read

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="The beginnings of records' ids.")
]
Every = Annotated[bool, typer.Option("--all", help="Every record in quarantine.")]


def quarantine_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help="What a service could not answer.", no_args_is_help=True)
    app.command("list")(_list)
    app.command("show")(_show)
    app.command("replay")(_replay)
    app.command("drop")(_drop)
    return app


def _list(folder: Sink, *, json: AsJson = False) -> None:
    """List the records in quarantine with their reasons."""
    from skysift.serve.records import State
    from skysift.serve.service import spool_of

    with spool_of(folder) as spool:
        records = [_described(record) for record in spool.in_state(State.QUARANTINED)]
    console = Console(as_json=json)
    console.table(
        [
            {"record": str(row["record"])[:_SHORT], "input": row["input"], "reason": row["reason"]}
            for row in records
        ]
    )
    console.result(
        {"quarantined": records}, [] if records else [f"{folder}: nothing is in quarantine."]
    )


def _show(
    folder: Sink,
    record: Annotated[str, typer.Argument(metavar="ID", help="The beginning of its id.")],
    *,
    json: AsJson = False,
) -> None:
    """Show all that is known of a record, in quarantine or not."""
    from skysift.serve.service import spool_of

    with spool_of(folder) as spool:
        described = _described(spool.find(record))
    width = max(map(len, described))
    lines = [f"{key:<{width}}  {value}" for key, value in described.items()]
    Console(as_json=json).result(described, lines)


def _replay(folder: Sink, ids: Ids = None, *, every: Every = False, json: AsJson = False) -> None:
    """Try records again: a running service takes them at once, another when it starts.

    The limit of size is not asked again.
    """
    from skysift.serve.service import spool_of

    with spool_of(folder) as spool:
        done = spool.replay(_chosen(spool, ids, every=every))
    Console(as_json=json).result({"replayed": done}, [f"{done:,} to be tried again"])


def _drop(
    folder: Sink,
    ids: Ids = None,
    *,
    every: Every = False,
    reason: Annotated[str, typer.Option("--reason", help="For the record.")] = "dropped by hand",
    json: AsJson = False,
) -> None:
    """Give records up for good: they are kept as retracted; their files are left alone."""
    from skysift.serve.service import spool_of

    with spool_of(folder) as spool:
        done = spool.drop(_chosen(spool, ids, every=every), reason)
    Console(as_json=json).result({"dropped": done}, [f"{done:,} dropped"])


def _chosen(spool: "Spool", ids: list[str] | None, *, every: bool) -> list[str]:
    from skysift.serve.records import State

    if bool(ids) == every:
        raise UsageError("It is not said which records.", "Give ids, or --all, and not both.")
    if every:
        return [record.id for record in spool.in_state(State.QUARANTINED)]
    found = [spool.find(beginning) for beginning in ids or []]
    for record in found:
        if record.state is not State.QUARANTINED:
            raise UsageError(
                f"The record {record.id[:_SHORT]} is {record.state.value}, not quarantined.",
                "See 'skysift quarantine list'.",
            )
    return [record.id for record in found]


def _described(record: "Record") -> dict[str, Any]:
    from skysift.serve.clock import iso_time

    return {
        "record": record.id,
        "state": record.state.value,
        "input": record.name,
        "path": str(record.path),
        "sha256": record.sha256,
        "bytes": record.size,
        "arrived": iso_time(record.arrived),
        "finished": None if record.finished is None else iso_time(record.finished),
        "bundle": record.bundle,
        "rows": record.rows,
        "reason": record.reason,
    }
