"""The verb ``stress``: how the metrics of a bundle move under the shifts that happen.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Data, Seed
from skysift.cli.bundle_argument import BundleArgument, named_bundle
from skysift.cli.console import Console
from skysift.cli.job import build_options, finish, generator, typed_command
from skysift.cli.paths import check_writable_folder, resolve
from skysift.core.errors import ReadError
from skysift.core.jobs import Run
from skysift.core.registry import load_task, manifest

if TYPE_CHECKING:
    from skysift.core.stress import Answered, Shift
    from skysift.evaluate.stress import Stressed
    from skysift.report.run_folder import RunRecord

__all__ = ["STRESS", "drawn", "stress"]

STRESS = "stress"
"""What a run of this verb says that it is."""


def stress(
    bundle: BundleArgument,
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the page and its numbers.")],
    most: Annotated[
        int, typer.Option("--most", min=20, help="Most rows that are put under each shift.")
    ] = 2000,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Show how each metric of a bundle moves when the instrument, the sky or the sample shifts.

    Example: skysift stress gamma-hadron/default --data magic --rows test --out runs/stress
    """
    from skysift.core.provenance import Provenance
    from skysift.evaluate.stress import stress as stressed
    from skysift.report.run_folder import RunRecord, check_run_folder, write_run

    console = Console(as_json=json)
    name, folder = named_bundle(bundle)
    options = build_options(name, "ReadOptions", task_options)
    check_writable_folder(out)
    check_run_folder(out)
    task = load_task(name)
    model = task.load(folder)
    default = manifest(name).default_data
    paths = resolve(console, data or ([default] if default else []))
    provenance = Provenance.start(
        typed_command(), inputs=paths, config=options.model_dump(mode="json")
    )
    test = task.stress
    with console.progress("stress") as progress:
        given = task.read(paths, options, labelled=True) if paths else None
        prepared = test.prepared(given, model, generator(seed), most)
        base, found = stressed(test, prepared, model, seed=seed, progress=progress)
    facts = {
        "model": model.name,
        "bundle": model.bundle.hash,
        "data": f"{getattr(given, 'name', 'simulated')}, {len(base.blocks):,} rows",
        **_facts(test.shifts(prepared), base, found),
    }
    record = RunRecord.finished(out, name, STRESS, facts, provenance)
    write_run(record, {})
    finish(console, drawn(record))


def _facts(
    shifts: "Sequence[Shift]", base: "Answered", found: "Sequence[Stressed]"
) -> dict[str, Any]:
    """Return what the page is drawn from: JSON."""
    told = ("name", "title", "quantity", "sizes", "none", "reason")
    return {
        "shifts": [{name: getattr(one, name) for name in told} for one in shifts],
        "measures": {
            name: {"title": one.title, "wanted": one.wanted} for name, one in base.measures.items()
        },
        "rows": [one.to_dict() for one in found],
    }


def drawn(record: "RunRecord") -> Run:
    """Write the page of a stress test from what it stored, and return what is to be printed.

    Raises
    ------
    ReadError
        If what it stored has been damaged.
    """
    from skysift.report.stress import stress_page

    try:
        page = stress_page(record).write(record.folder / "report.html")
        certain = [
            {name: value for name, value in row.items() if name != "is_certain"}
            for row in record.facts["rows"]
            if row["is_certain"]
        ]
        title = f"{record.facts['model']} under stress: changes for sure"
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ReadError(
            f"The report cannot be drawn of what the run holds ({error!r}).",
            "Run the command again.",
            path=record.folder,
        ) from error
    return Run(title, certain, (), page)
