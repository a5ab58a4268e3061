"""The verb ``calibrate``: a bundle gets sets and bounds of stated coverage.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Data, Seed
from skysift.cli.bundle_argument import BundleArgument, named_bundle
from skysift.cli.console import Console
from skysift.cli.job import build_options, generator, typed_command
from skysift.cli.paths import check_new_bundle, resolve
from skysift.core.errors import UsageError
from skysift.core.registry import load_task, manifest

if TYPE_CHECKING:
    import numpy as np

    from skysift.core.bundle import Bundle
    from skysift.core.bundle_schema import Training
    from skysift.core.conformal import Promise, PromisedRows

__all__ = ["calibrate"]


def calibrate(
    bundle: BundleArgument,
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    share: Annotated[
        float,
        typer.Option(
            min=0.05, max=0.95, help="Of the rows that calibrate; the others check the coverage."
        ),
    ] = 0.5,
    coverage: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="The coverage that is checked.")
    ] = 0.9,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Give a bundle sets and bounds of stated coverage, from labelled rows that it has not seen.

    The model stays as it is. One part of the rows gives the scores that later coverage rests on,
    the other, which for forecasts is the later one, checks it.

    Example: skysift calibrate gamma-hadron/default --data magic --rows test --out with-sets
    """
    from skysift.core.bundle import copy_bundle
    from skysift.core.conformal import CONFORMAL_FILE, promises_to_bytes

    console = Console(as_json=json)
    name, folder = named_bundle(bundle)
    options = build_options(name, "ReadOptions", task_options)
    check_new_bundle(out)
    task = load_task(name)
    model = task.load(folder)
    if model.bundle is None:
        raise UsageError("The model was not loaded from a bundle.", "Name the folder of one.")
    default = manifest(name).default_data
    paths = resolve(console, data or ([default] if default else []))
    with console.progress("calibrate") as progress:
        rows = task.read(paths, options, labelled=True) if paths else None
        rng = generator(seed)
        tested = task.coverage.promised(rows, model, rng, progress=progress)
        promises = tuple(
            _checked(one, rng, share=share, coverage=coverage, bundle=model.bundle, seed=seed)
            for one in tested
        )
    made = copy_bundle(
        model.bundle,
        out,
        {CONFORMAL_FILE: promises_to_bytes(promises)},
        section=_section(promises, coverage),
    )
    metrics = [
        {"promise": one.name, **metric.to_dict()} for one in promises for metric in one.checked
    ]
    console.table(metrics)
    console.result({"bundle": str(out), "hash": made.hash, "metrics": metrics}, [f"Bundle: {out}"])


def _checked(
    rows: "PromisedRows",
    rng: "np.random.Generator",
    *,
    share: float,
    coverage: float,
    bundle: "Bundle",
    seed: int,
) -> "Promise":
    """Return a promise that rests on one part of rows, with what the other says of it."""
    from skysift.evaluate.coverage import measure_coverage
    from skysift.models.conformal import calibrate as promise_on
    from skysift.models.promised_rows import split_rows

    first, second = split_rows(rows, share, rng)
    promise = promise_on(first, _record(first, bundle, seed))
    return promise.model_copy(update={"checked": measure_coverage(second, promise, coverage, rng)})


def _record(rows: "PromisedRows", bundle: "Bundle", seed: int) -> "Training":
    """Return where the scores of a promise come from."""
    import hashlib

    from skysift.core.bundle_schema import Training

    digest = hashlib.sha256(rows.scores.astype("<f8").tobytes() + rows.truth.tobytes())
    return Training(
        data=rows.split,
        sha256=digest.hexdigest(),
        n_rows=len(rows),
        split=f"scores of {bundle.name} ({bundle.hash[:12]}), never trained on",
        seed=seed,
        command=typed_command(),
    )


def _section(promises: Sequence["Promise"], coverage: float) -> str:
    lines = [
        "## Coverage",
        "",
        f"Calibrated for `--coverage`; at {coverage:g}, on rows that gave no score:",
        "",
        "| what | measured [interval] | rows | of |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {promise.name}: {metric.name} | {metric.format(3)} | {metric.n:,} | {metric.split} |"
        for promise in promises
        for metric in promise.checked
    ]
    return "\n".join(lines)
