"""The verbs of the command line.

Each one checks what can be checked before the long work, calls the task, and prints. Heavy modules
are imported inside, so that ``--help`` stays quick.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from skysift.cli.console import Console
from skysift.core.config import Config, build_config, load_config, parse_assignments
from skysift.core.errors import OutputError, ReadError, UsageError
from skysift.core.registry import (
    bundle_folder,
    list_tasks,
    load_options,
    load_task,
    manifest,
)
from skysift.core.task import Run

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


def explore(
    task: TaskName,
    *,
    data: Data = None,
    out: Folder = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Look at labelled data before any model does: distributions, separation, artefacts.

    Example: skysift explore gamma-hadron --data magic --out runs/explore
    """
    console = Console(as_json=json)
    folder = out or Path("runs") / f"{task}-explore"
    job = _Job(console, task, data, folder)
    options = job.options("ReadOptions", task_options)
    with console.progress("explore") as progress:
        run = job.task.explore(
            job.paths, options, folder, _generator(seed), command=_command(), progress=progress
        )
    _finish(console, run)


def audit(
    task: TaskName,
    *,
    data: Data = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Search labelled data for leaks: duplicates, and fields that reveal the class.

    Example: skysift audit gamma-hadron --data magic
    """
    console = Console(as_json=json)
    job = _Job(console, task, data, None)
    options = job.options("ReadOptions", task_options)
    with console.progress("audit") as progress:
        run = job.task.audit(job.paths, options, _generator(seed), progress=progress)
    _finish(console, run)


def train(
    task: TaskName,
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    config: Annotated[Path | None, typer.Option("--config", help="Training options, TOML.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="One option as key=value; repeatable.")
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Train a model and write it as a bundle.

    Example: skysift train gamma-hadron --data my.h5 --columns map.toml --out my-bundle
    """
    console = Console(as_json=json)
    job = _Job(console, task, data, None)
    read_options = job.options("ReadOptions", task_options)
    given = _of(load_options(task, "TrainOptions"), task_options)
    options = load_config(
        load_options(task, "TrainOptions"), config, {**parse_assignments(assign or []), **given}
    )
    _new_bundle_folder(out)
    rows = job.task.read(job.paths, read_options, labelled=True)
    with console.progress("train") as progress:
        model = job.task.fit(
            rows, options, _generator(seed), progress=progress, seed=seed, command=_command()
        )
    job.task.save(model, out)
    console.table([metric.to_dict() for metric in model.metrics])
    console.result(
        {"bundle": str(out), "metrics": [metric.to_dict() for metric in model.metrics]},
        [f"Bundle: {out}"],
    )


def evaluate(
    task: TaskName,
    *,
    data: Data = None,
    bundle: BundleName = None,
    out: Folder = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Measure a bundle on labelled data, with intervals.

    Example: skysift evaluate gamma-hadron --data magic --out runs/evaluate
    """
    console = Console(as_json=json)
    job = _Job(console, task, data, out)
    options = job.options("ReadOptions" if job.paths else "EvaluateOptions", task_options)
    model = job.task.load(_bundle(task, bundle))
    with console.progress("evaluate") as progress:
        run = job.task.evaluate_files(
            job.paths,
            options,
            model,
            out,
            _generator(seed),
            command=_command(),
            progress=progress,
        )
    _finish(console, run)


def predict(
    task: TaskName,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Files to read.")],
    *,
    out: Annotated[
        Path, typer.Option("--out", help="File to write: .parquet, .ecsv, .fits, .vot or .csv.")
    ],
    bundle: BundleName = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the model.")] = 1,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Apply a bundle to files and write a table.

    Example: skysift predict gamma-hadron events.parquet --out gammaness.ecsv
    """
    from skysift.core.provenance import Provenance
    from skysift.data.io import check_writable

    console = Console(as_json=json)
    loaded = load_task(task)
    read_options = _options(task, "ReadOptions", task_options)
    options = _options(task, "PredictOptions", task_options)
    for path in inputs:
        _readable(path)
    check_writable(out, inputs=inputs)
    folder = _bundle(task, bundle)
    model = loaded.load(folder, threads=threads)
    provenance = Provenance.start(
        command=_command(),
        inputs=[_plain_path(path) for path in inputs],
        config={**read_options.model_dump(mode="json"), **options.model_dump(mode="json")},
        bundle={"name": model.bundle.name, "hash": model.bundle.hash},
    )
    with console.progress("predict") as progress:
        counts = loaded.predict_files(
            inputs, out, model, read_options, options, provenance=provenance, progress=progress
        )
    summary = ", ".join(f"{value:,} {name}" for name, value in counts.items())
    console.result({"out": str(out), "rows": dict(counts)}, [f"{out}: {summary}"])


def simulate(
    task: TaskName,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Simulate what an observer would have, with the truth beside it.

    Example: skysift simulate gamma-sky --out night --fields 5
    """
    console = Console(as_json=json)
    loaded = load_task(task)
    options = _options(task, "SimulateOptions", task_options)
    if out.exists():
        raise OutputError("The folder exists.", "Choose another for --out, or move it.", path=out)
    _writable_folder(out.parent)
    with console.progress("simulate") as progress:
        run = loaded.simulate(out, options, seed=seed, command=_command(), progress=progress)
    _finish(console, run)


def compare(
    task: TaskName,
    *,
    data: Data = None,
    out: Folder = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Train and score several models on the same rows, side by side, with paired tests.

    Example: skysift compare gamma-hadron --data magic --quick --out runs/compare
    """
    console = Console(as_json=json)
    folder = out or Path("runs") / f"{task}-compare"
    job = _Job(console, task, data, folder)
    read_options = job.options("ReadOptions", task_options)
    options = job.options("CompareOptions", task_options)
    with console.progress("compare") as progress:
        run = job.task.compare(
            job.paths,
            read_options,
            options,
            folder,
            seed=seed,
            command=_command(),
            progress=progress,
        )
    _finish(console, run)


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of an earlier run.")],
    *,
    json: AsJson = False,
) -> None:
    """Draw the report of an earlier run again from its stored results; nothing is trained."""
    from skysift.report.run_folder import read_run

    run = load_task(read_run(folder).task).render(folder)
    _finish(Console(as_json=json), run)


def demo(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK]...", help="Tasks; all if left out.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder for the reports.")] = Path("runs/demo"),
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Run the main job of each task on real data where that can be had, in a few minutes."""
    console = Console(as_json=json)
    for name in names or [item.name for item in list_tasks()]:
        folder = out / name
        loaded = load_task(name)
        _writable_folder(folder)
        with console.progress(name) as progress:
            run = loaded.demo(folder, seed=seed, command=_command(), progress=progress)
        _finish(console, run)


def doctor(*, json: AsJson = False) -> None:
    """Tell what is installed, what the machine has, and which folders can be written."""
    from skysift.cli.doctor import examine

    checks = examine()
    console = Console(as_json=json)
    console.table([check.to_row() for check in checks])
    console.result({"checks": [check.to_row() for check in checks]})
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(1)


class _Job:
    """A task, the files it works on and where it writes: checked before the long work."""

    def __init__(
        self, console: Console, name: str, data: Sequence[str] | None, out: Path | None
    ) -> None:
        self.name = name
        self.task = load_task(name)
        if out is not None:
            from skysift.report.run_folder import check_run_folder

            _writable_folder(out)
            check_run_folder(out)
        default = manifest(name).default_data
        self.paths = _resolve(console, data or ([default] if default else []))

    def options(self, kind: str, given: Mapping[str, Any]) -> Config:
        return _options(self.name, kind, given)


def _options(name: str, kind: str, given: Mapping[str, Any]) -> Config:
    options = load_options(name, kind)
    return build_config(options, _of(options, given))


def _of(kind: type[Config], given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in kind.model_fields}


def _resolve(console: Console, names: Sequence[str]) -> list[Path]:
    """Turn file names and names of data sets into files that can be read."""
    from skysift.data.registry import list_datasets

    registered = {item.name for item in list_datasets()}
    paths: list[Path] = []
    for name in names:
        if name in registered:
            from skysift.data.fetch import fetch as fetch_data

            result = fetch_data(name)
            console.note(f"{name}: {result.dataset.licence}. Cite: {result.dataset.citation}")
            paths += [file.path for file in result.files]
        else:
            paths.append(_readable(Path(name), registered))
    return paths


def _readable(path: Path, names: set[str] | None = None) -> Path:
    if not _plain_path(path).exists():
        from skysift.core.suggest import did_you_mean

        hint = did_you_mean(str(path), names or set())
        known = f" Data sets: {', '.join(sorted(names))}." if names else ""
        raise ReadError("There is no such file.", f"{hint}Check the path.{known}", path=path)
    return path


def _plain_path(path: Path) -> Path:
    """Return the file without the ``#extension`` that chooses a table in it."""
    return path if path.exists() else Path(str(path).partition("#")[0])


def _bundle(task: str, name: str | None) -> Path:
    if name is not None and (Path(name).is_dir() or os.sep in name):
        return Path(name)
    return bundle_folder(task, name)


def _new_bundle_folder(folder: Path) -> None:
    """Check, before the training, that a bundle can be written to a folder and named after it."""
    from skysift.core.bundle_schema import BundleSpec

    name = folder.resolve().name.lower()
    if re.fullmatch(BundleSpec.model_json_schema()["properties"]["name"]["pattern"], name) is None:
        raise OutputError(
            f"A bundle is named after its folder, and '{name}' is not a plain name.",
            "Use letters, digits, dots, hyphens and underscores, with a letter or digit first.",
            path=folder,
        )
    if folder.exists():
        raise OutputError(
            "The folder exists.", "Choose another for --out, or move it.", path=folder
        )
    _writable_folder(folder.parent)


def _writable_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder: {error.strerror}.", "Choose another for --out.", path=folder
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError("The folder is not writable.", "Choose another for --out.", path=folder)


def _generator(seed: int) -> Any:
    import numpy as np

    if seed < 0:
        raise UsageError("A seed is 0 or more.", "Give e.g. --seed 1.")
    return np.random.default_rng(seed)


def _command() -> str:
    return shlex.join(["skysift", *sys.argv[1:]])


def _finish(console: Console, run: Run) -> None:
    console.table(run.rows, title=run.title)
    lines = [*run.notes]
    if run.page is not None:
        lines.append(f"Report: {run.page}")
    console.result(
        {
            "title": run.title,
            "rows": [dict(row) for row in run.rows],
            "notes": list(run.notes),
            "report": None if run.page is None else str(run.page),
        },
        lines,
    )
