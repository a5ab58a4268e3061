"""The arguments and options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "BundleName", "Data", "Folder", "Seed", "Sink", "TaskName"]

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A task: see 'skysift tasks'.")]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data", help="A file, or the name of a registered data set. May be given several times."
    ),
]
BundleName = Annotated[
    str | None,
    typer.Option("--bundle", help="A bundle folder, or the name of one that ships with the task."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random numbers.")]
Folder = Annotated[Path | None, typer.Option("--out", help="Folder for the report and its data.")]
Sink = Annotated[Path, typer.Argument(metavar="FOLDER", help="What 'skysift watch' writes to.")]
