"""The verb ``update``: a bundle learns new data and forgets none of the old.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skysift.cli.arguments import AsJson, Data, Seed
from skysift.cli.bundle_argument import BundleArgument, named_bundle
from skysift.cli.console import Console
from skysift.cli.continuation import new_origin, options_of, tell
from skysift.cli.job import build_options, generator
from skysift.cli.paths import check_new_bundle, resolve
from skysift.core.continuation import may_be_kept
from skysift.core.errors import UsageError
from skysift.core.registry import load_task, manifest

if TYPE_CHECKING:
    import numpy as np

    from skysift.core.bundle_schema import DataLicence
    from skysift.core.config import Config
    from skysift.core.continuation import Continuation
    from skysift.core.task import Task

__all__ = ["update"]


def update(
    bundle: BundleArgument,
    *,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Labelled data like those that trained the bundle, half to replay and half to "
            "judge by: a file or a registered name; repeatable. Default: the rows that the bundle "
            "keeps, or else simulations like those that trained it, or its registered data."
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Most that the mean loss of reference rows may rise [default: 0.02 of rows with a "
            "class, 0.4 of sky maps, 0.08 of solar disks, 0.0025 deg of places].",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Rows that the new bundle keeps for its own update [default: 1000 where the "
            "licences of old and new data allow it, else none; of images none].",
        ),
    ] = None,
    seed: Seed = 0,
    json: AsJson = False,
    task_options: Mapping[str, Any],
) -> None:
    """Teach a bundle new data without letting it forget, and write it as a new bundle.

    Rows of the old data are replayed, and others judge the result: where it is not shown to be as
    good as its parent on them, no bundle is written.

    Example: skysift update gamma-hadron/fast --data new-run.h5 --out fast-2
    """
    from skysift.evaluate.updating import update as update_model
    from skysift.evaluate.updating import with_judgement

    console = Console(as_json=json)
    name, folder = named_bundle(bundle)
    if not data:
        raise UsageError("There are no new data.", "Give --data FILE.")
    options = options_of(task_options)
    read_options = build_options(name, "ReadOptions", task_options)
    check_new_bundle(out)
    task = load_task(name)
    model = task.load_parent(folder)
    continuation = task.continuation_of(model, options.part)
    paths = resolve(console, data)
    rng = generator(seed)
    old, licence = _reference(
        console,
        task,
        model,
        reference,
        read_options,
        continuation=continuation,
        rng=rng.spawn(1)[0],
    )
    rows = task.read(paths, read_options, labelled=True)
    new = continuation.lessons(rows, model)
    origin = new_origin(
        model, continuation.origin_of(rows), verb="update", options=options, seed=seed
    )
    if margin is None:
        margin = continuation.MARGIN
    if keep is None:
        may_travel = may_be_kept(licence) and may_be_kept(origin.licence)
        keep = continuation.MOST_KEPT if may_travel else 0
    kept = _memory(continuation, old, new, keep, rng.spawn(1)[0])  # refused before the work
    with console.progress("update") as progress:
        child, judgement = update_model(
            continuation,
            model,
            new,
            old,
            options,
            rng=rng,
            origin=origin,
            margin=margin,
            progress=progress,
        )
    metric = judgement.metric("reference rows that were not replayed, child minus parent")
    child = continuation.remembering(child, kept, with_judgement(child.lineage, metric))
    task.save(child, out)
    verdict = f"Accepted: the reference rows allow for a rise by {margin:g}."
    facts = {"parent": origin.lineage.parent_hash, "reference": metric.to_dict(), "margin": margin}
    tell(console, out, child, facts, verdict)


def _memory(
    continuation: "Continuation[Any, Any]",
    old: Any,
    new: Any,
    most: int,
    rng: "np.random.Generator",
) -> bytes:
    """Return rows for the next update, half of them old; nothing if none are to be kept."""
    from skysift.evaluate.updating import sample

    if not most:
        return b""
    some, others = sample(old, most - most // 2, rng), sample(new, most // 2, rng)
    return continuation.remembered(some.followed_by(others))


def _reference(
    console: Console,
    task: "Task[Any, Any]",
    model: Any,
    given: list[str] | None,
    read_options: "Config",
    *,
    continuation: "Continuation[Any, Any]",
    rng: "np.random.Generator",
) -> tuple[Any, "DataLicence"]:
    """Return what the new model may not forget, and the licence of it.

    Raises
    ------
    UsageError
        If there is nothing to take it from.
    """
    if not given and getattr(model, "replay", None):
        return continuation.recalled(model.replay, model), model.data_licence
    drawn = None if given else continuation.simulated(model, rng)
    if drawn is not None:
        console.note(f"Reference: {len(drawn):,} rows simulated as those of the training.")
        return drawn, model.bundle.manifest.data_licence
    names = given or _registered(task.name, model.training.data)
    rows = task.read(resolve(console, names), read_options, labelled=True)
    return continuation.lessons(rows, model), continuation.origin_of(rows)[1]


def _registered(task: str, trained_on: str) -> list[str]:
    """Return the registered data that a bundle was trained on."""
    from skysift.data.registry import dataset

    default = manifest(task).default_data
    title = dataset(default).title.partition(":")[0] if default else ""
    if default is None or not title.casefold().startswith(trained_on.casefold()):
        raise UsageError(
            f"The bundle keeps no rows of its training data ({trained_on}), and these are not "
            "registered.",
            "Give labelled data like them with --reference FILE. An update made with --keep stores "
            "rows for the next one.",
        )
    return [default]
