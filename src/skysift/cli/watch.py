"""``skysift watch``: predict what arrives in a folder or on Kafka, until it is stopped."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from skysift.cli.arguments import AsJson, BundleName
from skysift.cli.console import Console, logged_to
from skysift.cli.job import given_to, typed_command
from skysift.core.config import load_config, parse_assignments
from skysift.core.errors import UsageError
from skysift.core.registry import load_options

__all__ = ["watch"]


def watch(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOURCE]", help="The folder to watch, or kafka://BROKER:PORT/TOPIC,TOPIC."
        ),
    ] = None,
    *,
    task: Annotated[str | None, typer.Option("--task", help="See 'skysift tasks'.")] = None,
    bundle: BundleName = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder for the answers, with the spool in it.")
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option("--publish", help="Send the rows to kafka://BROKER:PORT/TOPIC as well."),
    ] = None,
    format_: Annotated[
        Literal["parquet", "jsonl"] | None,
        typer.Option("--format", help="Of the answers. [default: parquet]"),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when all that is there is done.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="All of this as TOML: see docs/watch.md.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", help="One more key of it as key=value, e.g. source.settle=0."),
    ] = None,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Predict what arrives in a folder or on Kafka, for as long as it is left running.

    Each file or message is answered once, however often the service is stopped or killed. What
    cannot be answered is kept with the reason: see 'skysift quarantine'. The log, on stderr, is
    lines of JSON. SIGTERM or Ctrl-C stops it cleanly.

    Example: skysift watch incoming --task gamma-sky --to candidates
    """
    given = {"task": task, "bundle": bundle, "sink.folder": to, "sink.format": format_}
    settings = {key: value for key, value in given.items() if value is not None}
    names = {"task": "--task", "sink.folder": "--to"}
    missing = ["the source"] if source is None else []
    missing += [name for key, name in names.items() if key not in settings]
    if config is None and missing:
        raise UsageError(
            f"Not given: {', '.join(missing)}.",
            "Write e.g. 'skysift watch incoming --task gamma-sky --to candidates', or --config.",
        )
    if task is not None:
        for section, kind in (("read", "ReadOptions"), ("predict", "PredictOptions")):
            options = given_to(load_options(task, kind), task_options)
            settings |= {f"{section}.{key}": value for key, value in options.items()}
    from skysift.serve.config import WatchConfig
    from skysift.serve.heap import tidy_heap
    from skysift.serve.service import Service, stopped_by_signals

    tidy_heap()
    if source is not None:
        settings |= _source_settings(source)
    if publish is not None:
        settings |= _topic_settings(publish)
    loaded = load_config(WatchConfig, config, {**settings, **parse_assignments(assign or [])})
    with logged_to(logging.StreamHandler(sys.stderr)):
        service = Service(loaded, command=typed_command())
        with stopped_by_signals(service):
            counts = service.run(once=once)
    summary = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    Console(as_json=json).result(
        {"to": str(loaded.sink.folder), "records": counts}, [f"{loaded.sink.folder}: {summary}"]
    )


def _source_settings(source: str) -> dict[str, Any]:
    """Return the keys of the configuration that a source on the command line stands for."""
    from skysift.serve.source_options import kafka_place

    place = kafka_place(source)
    if place is not None:
        servers, topics = place
        return {"source.kind": "kafka", "source.servers": servers, "source.topics": topics}
    if "://" in source:
        raise UsageError(
            f"'{source}' is no source.", "Name a folder, or kafka://BROKER:PORT/TOPIC."
        )
    return {"source.folder": source}


def _topic_settings(place: str) -> dict[str, Any]:
    from skysift.serve.source_options import kafka_place

    found = kafka_place(place)
    if found is None or len(found[1]) != 1:
        raise UsageError(f"'{place}' is no topic.", "Write kafka://BROKER:PORT/TOPIC.")
    servers, (topic,) = found
    return {"topic.servers": servers, "topic.topic": topic}
