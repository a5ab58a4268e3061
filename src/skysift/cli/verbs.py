"""The verbs that work on a task.

Each one checks what can be checked before the long work, calls the task, and prints. Heavy modules
are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from skysift.cli.arguments import AsJson, BundleName, Data, Folder, Seed, TaskName
from skysift.cli.console import Console
from skysift.cli.continuation import check_options_of_training, train_from
from skysift.cli.job import Job, build_options, finish, generator, given_to, typed_command
from skysift.cli.paths import (
    bundle_path,
    check_new_bundle,
    check_new_folder,
    plain_path,
    readable,
)
from skysift.cli.scale import (
    Dask,
    Memory,
    Part,
    Retry,
    Scale,
    Together,
    Workers,
    names_a_table,
    predict_partitions,
    refuse_idle,
    spreading,
)
from skysift.cli.stress import STRESS, drawn
from skysift.core.config import Config, load_config, parse_assignments
from skysift.core.errors import UsageError
from skysift.core.registry import find_options, load_options, load_task, manifest

__all__ = [
    "audit",
    "compare",
    "evaluate",
    "explore",
    "predict",
    "report",
    "simulate",
    "train",
]


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
    job = Job(console, task, data, folder)
    options = job.options("ReadOptions", task_options)
    with console.progress("explore") as progress:
        run = job.task.explore(
            job.paths, options, folder, generator(seed), command=typed_command(), progress=progress
        )
    finish(console, run)


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

    Any labelled table, or folder of images, in place of a task: skysift audit images.csv --help
    """
    console = Console(as_json=json)
    job = Job(console, task, data, None)
    options = job.options("ReadOptions", task_options)
    with console.progress("audit") as progress:
        run = job.task.audit(job.paths, options, generator(seed), progress=progress)
    finish(console, run)


def train(
    task: TaskName,
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    config: Annotated[Path | None, typer.Option("--config", help="Training options, TOML.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="One option as key=value; repeatable.")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--from", help="A bundle to go on from, in place of training afresh."),
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Train a model and write it as a bundle.

    Example: skysift train gamma-hadron --data my.h5 --columns map.toml --out my-bundle
    """
    console = Console(as_json=json)
    check_options_of_training(parent, config, assign, task=task, given=task_options)
    job = Job(console, task, data, None)
    if parent is not None:
        check_new_bundle(out)
        train_from(console, job, parent, out, seed=seed, given=task_options)
        return
    read_options = job.options("ReadOptions", task_options)
    given = given_to(load_options(task, "TrainOptions"), task_options)
    options = load_config(
        load_options(task, "TrainOptions"), config, {**parse_assignments(assign or []), **given}
    )
    check_new_bundle(out)
    rows = job.task.read(job.paths, read_options, labelled=True)
    with console.progress("train") as progress:
        model = job.task.fit(
            rows, options, generator(seed), progress=progress, seed=seed, command=typed_command()
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
    workers: Workers = None,
    dask: Dask = None,
    memory: Memory = "auto",
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Measure a bundle on labelled data, with intervals.

    Example: skysift evaluate gamma-hadron --data magic --out runs/evaluate
    """
    console = Console(as_json=json)
    job = Job(console, task, data, out)
    options = job.options(_kind_of_evaluation(task, has_data=bool(job.paths)), task_options)
    _refuse_idle(options, task_options, has_data=bool(job.paths))
    model = job.task.load(bundle_path(task, bundle))
    scale = Scale(workers, dask, memory)
    with spreading(scale, console, job.task, "evaluate"), console.progress("evaluate") as progress:
        run = job.task.evaluate_files(
            job.paths,
            options,
            model,
            out,
            generator(seed),
            command=typed_command(),
            progress=progress,
        )
    finish(console, run)


def _kind_of_evaluation(task: str, *, has_data: bool) -> str:
    """Return the kind of options: that of data is how to read them, where a task has none."""
    if not has_data:
        return "EvaluateOptions"
    own = "EvaluateDataOptions"
    return "ReadOptions" if find_options(task, own) is None else own


def _refuse_idle(options: Config, given: Mapping[str, Any], *, has_data: bool) -> None:
    """Refuse options that say nothing of this evaluation: some are of data, some of simulations."""
    idle = sorted(given.keys() - type(options).model_fields.keys())
    if idle:
        flag = f"--{idle[0].replace('_', '-')}"
        raise UsageError(
            f"{flag} is of evaluations {'without' if has_data else 'on'} data of one's own.",
            f"Leave out {flag}, or {'leave out' if has_data else 'give'} --data.",
        )


def predict(
    task: TaskName,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, quoted globs, @LIST with a file on each line, HATS catalogues.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="File to write: .parquet, .ecsv, .fits, .vot or .csv; past one process, a folder.",
        ),
    ],
    bundle: BundleName = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the model.")] = 1,
    workers: Workers = None,
    dask: Dask = None,
    memory: Memory = "auto",
    part: Part = None,
    files_per_part: Together = 1,
    retry: Retry = False,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Apply a bundle to files and write a table.

    Example: skysift predict gamma-hadron events.parquet --out gammaness.ecsv

    Many files: skysift predict gamma-hadron 'night/*.h5' --out gammaness --workers 8
    """
    from skysift.cli.preview import preview_of
    from skysift.core.provenance import Provenance
    from skysift.data.contract import check_answered
    from skysift.data.io import check_writable
    from skysift.scale.inputs import expand

    console = Console(as_json=json)
    loaded = load_task(task)
    read_options = build_options(task, "ReadOptions", task_options)
    options = build_options(task, "PredictOptions", task_options)
    paths = expand(inputs)
    for path in paths:
        readable(path)
    scale = Scale(workers, dask, memory)
    folder = bundle_path(task, bundle)
    if part is not None or (scale and not names_a_table(out)):
        predict_partitions(
            console,
            loaded,
            paths,
            model=loaded.load(folder, threads=threads),
            bundle=folder,
            options=(read_options, options),
            out=out,
            scale=scale,
            part=part,
            together=files_per_part,
            retry=retry,
            threads=threads,
        )
        return
    refuse_idle(together=files_per_part, retry=retry)
    check_writable(out, inputs=paths)
    model = loaded.load(folder, threads=threads)
    provenance = Provenance.start(
        command=typed_command(),
        inputs=[plain_path(path) for path in paths],
        config={**read_options.model_dump(mode="json"), **options.model_dump(mode="json")},
        bundle={"name": model.bundle.name, "hash": model.bundle.hash},
    )
    with spreading(scale, console, loaded, "predict"), console.progress("predict") as progress:
        counts = loaded.predict_files(
            paths, out, model, read_options, options, provenance=provenance, progress=progress
        )
    seen = preview_of(out, manifest(task).shown)
    console.line(f"{out}: " + ", ".join(f"{value:,} {name}" for name, value in counts.items()))
    console.table(seen.rows)
    document = {"out": str(out), "rows": dict(counts), "flags": seen.flags}
    console.result(document, seen.lines(loaded.flag_words))
    check_answered(counts, out)


def simulate(
    task: TaskName,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")],
    seed: Seed = 0,
    workers: Workers = None,
    dask: Dask = None,
    memory: Memory = "auto",
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Simulate what an observer would have, with the truth beside it.

    Example: skysift simulate gamma-sky --out night --fields 5
    """
    console = Console(as_json=json)
    loaded = load_task(task)
    options = build_options(task, "SimulateOptions", task_options)
    check_new_folder(out)
    scale = Scale(workers, dask, memory)
    with spreading(scale, console, loaded, "simulate"), console.progress("simulate") as progress:
        run = loaded.simulate(out, options, seed=seed, command=typed_command(), progress=progress)
    finish(console, run)


def compare(
    task: TaskName,
    *,
    data: Data = None,
    out: Folder = None,
    seed: Seed = 0,
    workers: Workers = None,
    dask: Dask = None,
    memory: Memory = "auto",
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Train and score several models on the same rows, side by side, with paired tests.

    Example: skysift compare gamma-hadron --data magic --quick --out runs/compare
    """
    console = Console(as_json=json)
    folder = out or Path("runs") / f"{task}-compare"
    job = Job(console, task, data, folder)
    read_options = job.options("ReadOptions", task_options)
    options = job.options("CompareOptions", task_options)
    scale = Scale(workers, dask, memory)
    with spreading(scale, console, job.task, "compare"), console.progress("compare") as progress:
        run = job.task.compare(
            job.paths,
            read_options,
            options,
            folder,
            seed=seed,
            command=typed_command(),
            progress=progress,
        )
    finish(console, run)


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of an earlier run.")],
    *,
    json: AsJson = False,
) -> None:
    """Draw the report of an earlier run again from its stored results; nothing is trained."""
    from skysift.report.run_folder import read_run

    record = read_run(folder)
    is_stress = record.kind == STRESS  # which is the same page for every task
    run = drawn(record) if is_stress else load_task(record.task).render(folder)
    finish(Console(as_json=json), run)
