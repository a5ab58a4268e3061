"""The verbs that tell what there is: tasks, data sets, and the state of the installation.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from typing import Annotated

import typer

from skysift.cli.arguments import AsJson
from skysift.cli.console import Console
from skysift.core.registry import list_tasks

__all__ = ["data_list", "doctor", "fetch", "tasks"]


def tasks(*, json: AsJson = False) -> None:
    """List the tasks: what goes in, what comes out."""
    items = list_tasks()
    console = Console(as_json=json)
    console.table(
        [
            {"task": item.name, "what": item.summary, "in": item.inputs, "out": item.outputs}
            for item in items
        ]
    )
    console.result({"tasks": [item.model_dump() for item in items]})


def data_list(*, json: AsJson = False) -> None:
    """List the registered data sets with their licences."""
    from skysift.data.registry import list_datasets

    console = Console(as_json=json)
    found = list_datasets()
    console.table(
        [
            {
                "name": item.name,
                "what": item.title,
                "tasks": ", ".join(item.tasks),
                "size [MB]": round(sum(file.bytes for file in item.files) / 1e6, 1),
                "licence": item.licence,
                "DOI": item.doi,
            }
            for item in found
        ]
    )
    console.result({"datasets": [item.model_dump(mode="json") for item in found]})


def fetch(
    name: Annotated[str, typer.Argument(help="A data set: see 'skysift data list'.")],
    *,
    json: AsJson = False,
) -> None:
    """Fetch a data set, check it against its SHA-256, and print its licence and citation.

    SKYSIFT_MIRROR=DIR makes a local folder the first mirror.
    """
    from skysift.data.fetch import fetch as fetch_data

    result = fetch_data(name)
    lines = [f"{file.path}  ({file.source})" for file in result.files]
    lines += [f"Licence: {result.dataset.licence}", f"Cite: {result.dataset.citation}"]
    Console(as_json=json).result(result.to_dict(), lines)


def doctor(*, json: AsJson = False) -> None:
    """Tell what is installed, what the machine has, and which folders can be written."""
    from skysift.cli.doctor import examine

    checks = examine()
    console = Console(as_json=json)
    console.table([check.to_row() for check in checks])
    console.result({"checks": [check.to_row() for check in checks]})
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)
