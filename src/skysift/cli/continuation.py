"""What ``train --from`` and ``update`` share: the parent, the record of it, and the new bundle.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from skysift.cli.console import Console
from skysift.cli.job import Job, generator, given_to, typed_command
from skysift.cli.paths import bundle_path
from skysift.core.config import build_config
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import UsageError
from skysift.core.registry import load_options

if TYPE_CHECKING:
    from skysift.core.results import Metric

__all__ = ["check_options_of_training", "new_origin", "options_of", "tell", "train_from"]


def check_options_of_training(
    parent: str | None,
    config: Path | None,
    assign: Sequence[str] | None,
    *,
    task: str,
    given: Mapping[str, Any],
) -> None:
    """Refuse what means nothing with, or without, a model to go on from.

    Raises
    ------
    UsageError
        If such an option was given; the message names it.
    """
    if parent is None:
        unused = [name for name in given if name in ContinueOptions.model_fields]
        problem = "is for a model that goes on from another"
        remedy = "Give --from BUNDLE, too."
    else:
        known = {*load_options(task, "ReadOptions").model_fields, *ContinueOptions.model_fields}
        unused = [name for name in given if name not in known]
        unused += [name for name, value in (("config", config), ("set", assign)) if value]
        problem = "is for training afresh: a model that goes on keeps what its parent is"
        remedy = "Leave it out, or leave out --from."
    if unused:
        raise UsageError(f"--{unused[0].replace('_', '-')} {problem}.", remedy)


def options_of(given: Mapping[str, Any]) -> ContinueOptions:
    """Return how the model goes on, validated, from what was typed."""
    return build_config(ContinueOptions, given_to(ContinueOptions, given))


def train_from(
    console: Console, job: Job, parent: str, out: Path, *, seed: int, given: Mapping[str, Any]
) -> None:
    """Go on from a bundle with new data, and write the result as a bundle."""
    options = options_of(given)
    read_options = job.options("ReadOptions", given)
    model = job.task.load_parent(bundle_path(job.name, parent))
    continuation = job.task.continuation_of(model, options.part)
    rows = job.task.read(job.paths, read_options, labelled=True)
    lessons = continuation.lessons(rows, model)
    origin = new_origin(
        model, continuation.origin_of(rows), verb="train", options=options, seed=seed
    )
    with console.progress("train") as progress:
        child = continuation.go_on(
            model, lessons, None, options, generator(seed), origin=origin, progress=progress
        )
    job.task.save(child, out)
    tell(console, out, child, {"parent": origin.lineage.parent_hash})


def new_origin(
    parent: Any,
    of_data: tuple[str, Any],
    *,
    verb: Literal["train", "update"],
    options: ContinueOptions,
    seed: int,
) -> Origin:
    """Return what the record of a new model says of its parent and its data."""
    from skysift.core.bundle_schema import Lineage

    before = parent.bundle.manifest.lineage
    lineage = Lineage(
        parent=parent.bundle.name,
        parent_hash=parent.bundle.hash,
        verb=verb,
        method=f"fine-tuning, {options.body} body",
        generation=1 if before is None else before.generation + 1,
    )
    data, licence = of_data
    return Origin(lineage, data, licence, seed, typed_command())


def tell(
    console: Console, out: Path, child: Any, facts: Mapping[str, Any], verdict: str = ""
) -> None:
    """Print what the new model does, what moved and what that changed, and where it is."""
    rows = [metric.to_dict() for metric in child.metrics]
    console.table(rows)
    changes = [_change(metric) for metric in child.lineage.judged]
    lines = [f"What moved: {child.lineage.method}.", *changes, *([verdict] if verdict else [])]
    console.result({"bundle": str(out), "metrics": rows, **facts}, [*lines, f"Bundle: {out}"])


def _change(metric: "Metric") -> str:
    """Return in words by how much a measure changed from the parent to its child.

    Examples
    --------
    >>> from skysift.core.results import Metric
    >>> _change(Metric("new log_loss", -0.02, -0.031, -0.0092, n=120))
    'On 120 new rows held out the mean loss changes by -0.0200 [-0.0310, -0.0092] (95 %).'
    """
    kind, _, measure = metric.name.partition(" ")
    rows = "new rows held out" if kind == "new" else "reference rows"
    what = "mean loss" if measure.endswith("loss") else measure
    text = _signed(metric.value)
    if metric.low is not None and metric.high is not None:
        limits = f"[{_signed(metric.low)}, {_signed(metric.high)}]"
        text += f" {limits} ({100 * metric.confidence:g} %)"
    return f"On {metric.n:,} {rows} the {what} changes by {text}."


def _signed(value: float) -> str:
    """Return a number with its sign; what rounds to nothing has that of a plus."""
    return f"{round(value, 4) + 0.0:+.4f}"
