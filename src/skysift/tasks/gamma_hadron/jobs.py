"""The jobs of gamma-hadron that end in a report: evaluate, explore, audit, compare.

To draw, to search for leaks and to train takes much more code than to predict; :mod:`.task` imports
this module when one of these jobs is asked for.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, shipped_bundles, task_folder
from skysift.core.results import Evaluation
from skysift.data.fetch import fetch
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import audit as audit_table
from skysift.evaluate.audit import finding_rows
from skysift.evaluate.binary import evaluate_binary
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.gamma_hadron.comparison import (
    compare_models,
    cross_validate,
    learning_curve,
    split_events,
)
from skysift.tasks.gamma_hadron.coverage import trained_on
from skysift.tasks.gamma_hadron.licence import licence_of
from skysift.tasks.gamma_hadron.model import TASK, GammaHadronModel, load_bundle
from skysift.tasks.gamma_hadron.options import CompareOptions, ReadOptions
from skysift.tasks.gamma_hadron.pages import (
    compare_page,
    evaluate_page,
    explore_page,
    result_rows,
    study_of,
)
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.reader import MAGIC, Events, read_events
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored, measure

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]

_MAIN_POINT = "acceptance-0.01"
_PLURALS = ("gammas", "hadrons")
_CROSS_VALIDATION = "results/cross_validation.json"


def evaluate(
    events: Events, model: GammaHadronModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure a model on labelled events that it has not been trained on."""
    gammaness, _ = model.gammaness(events.table)
    stored = next((p for p in model.operating_points if p.name == _MAIN_POINT), None)
    return evaluate_binary(
        events.is_gamma,
        gammaness,
        rng=rng,
        model=model.name,
        data=events.name,
        split=split,
        groups=events.groups,
        operating_point=None
        if stored is None
        else measure(stored, events.is_gamma, gammaness, split),
    )


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions,
    model: GammaHadronModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate a model on files; with a folder, write the report there."""
    del progress  # seconds at most
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    events = read_events(
        paths,
        options,
        model.needed,
        purpose="evaluate",
        training_range=model.training_range,
        fallback=model.column_map,
    )
    evaluation = evaluate(events, model, rng, split=events.split)
    page = None
    if folder is not None:
        origin = "shipped bundle" if _is_shipped(model) else "bundle"
        scored = _score(model, events, f"{model.name} bundle", origin)
        facts = {
            "scores": scored.to_facts(),
            "reference": model.name,
            "metrics": [metric.to_dict() for metric in evaluation.metrics],
        }
        record = RunRecord.finished(folder, TASK, "evaluate", facts, provenance)
        write_run(record, {"scores": scored.to_table()})
        page = evaluate_page(record, study_of(record)).write(folder / "report.html")
    return Run(
        f"{model.name} bundle on {events.name}, {events.split}, {len(events):,} events",
        _metric_rows(evaluation),
        (*events.checked.notes(), *_warnings(events, model)),
        page,
    )


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Describe labelled events and write the report."""
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    events = read_events(paths, options, None, purpose="explore")
    progress(0.3, "audit")
    findings = _audit(events, rng)
    record = RunRecord.finished(folder, TASK, "explore", {"audit": findings}, provenance)
    write_run(record, {"events": _event_table(events)})
    progress(0.6, "report")
    page = explore_page(record).write(folder / "report.html")
    return Run(
        f"{events.name}: {len(events):,} events, {events.is_gamma.mean():.1%} gammas",
        finding_rows(findings, _PLURALS),
        events.checked.notes(),
        page,
    )


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Search labelled events for duplicates and for what reveals the class."""
    del progress  # seconds at most
    events = read_events(paths, options, None, purpose="explore")
    findings = _audit(events, rng)
    title = f"Audit of {events.name}: {len(events):,} events"
    return Run(title, finding_rows(findings, _PLURALS), tuple(findings.get("notes", ())))


def compare(
    paths: Sequence[Path],
    reading: ReadOptions,
    comparing: CompareOptions,
    folder: Path,
    *,
    seed: int,
    command: str,
    progress: Progress,
) -> Run:
    """Train and score several models on the same rows and write the report."""
    config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
    provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
    rng = np.random.default_rng(seed)
    everything = read_events(paths, _rows(reading, "all"), None, purpose="explore")
    if everything.name == MAGIC:
        training = read_events(paths, _rows(reading, "train"), None, purpose="train")
        test = read_events(paths, _rows(reading, "test"), None, purpose="evaluate")
    else:
        training, test = split_events(everything, rng)
    scored = compare_models(
        training,
        test,
        comparing,
        seed=seed,
        command=command,
        licence=licence_of(everything.name),
        progress=lambda fraction, what: progress(0.8 * fraction, what),
    )
    tables = {"scores": scored.to_table(), "events": _event_table(everything)}
    facts: dict[str, Any] = {
        "scores": scored.to_facts(),
        "reference": _reference(scored),
        "audit": _audit(everything, rng),
        "notes": everything.checked.notes(),
    }
    if comparing.cv:
        cross, facts["cross_validation"] = _cross_validation(
            everything, comparing, seed=seed, command=command, progress=progress
        )
        tables["scores_cv"], facts["scores_cv"] = cross.to_table(), cross.to_facts()
    elif everything.name == MAGIC:
        if comparing.mode == "source-dependent":
            independent = _score_independent(test)
            tables["scores_independent"] = independent.to_table()
            facts["scores_independent"] = independent.to_facts()
        facts["cross_validation"] = _stored_cross_validation()
    write_run(RunRecord.finished(folder, TASK, "compare", facts, provenance), tables)
    progress(0.85, "report")
    return render(folder)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results."""
    record = read_run(folder)
    target = folder / "report.html"
    if record.kind == "explore":
        page = explore_page(record).write(target)
        return Run(record.kind, finding_rows(record.facts["audit"], _PLURALS), (), page)
    study = study_of(record)
    draw = {"compare": compare_page, "evaluate": evaluate_page}
    page = draw[record.kind](record, study).write(target)
    scored = study.scored
    title = f"{scored.data}, {scored.split}: {len(scored.is_gamma):,} events"
    return Run(title, result_rows(study), tuple(record.facts.get("notes", ())), page)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Explore, train the five and more on the quick grid, compare with the shipped bundles."""
    progress(0.0, "fetch the MAGIC table")
    return compare(
        [file.path for file in fetch("magic").files],
        ReadOptions(),
        CompareOptions(quick=True),
        folder,
        seed=seed,
        command=command,
        progress=progress,
    )


def _cross_validation(
    events: Events, options: CompareOptions, *, seed: int, command: str, progress: Progress
) -> tuple[Scored, dict[str, Any]]:
    """Score every event by models that had not seen it, and say what came out."""
    licence = licence_of(events.name)
    cross = cross_validate(
        events, options, seed=seed, command=command, licence=licence, progress=progress
    )
    facts: dict[str, Any] = {
        "command": command,
        "split": cross.split,
        "rows": result_rows(Study.of(cross, _reference(cross))),
    }
    if options.learning_curve:
        facts["learning_curve"] = learning_curve(
            events, options, seed=seed, command=command, licence=licence, progress=progress
        )
    return cross, facts


def _score(model: GammaHadronModel, events: Events, title: str, origin: str) -> Scored:
    gammaness, error = model.gammaness(events.table)
    contestant = Contestant.of(model, title, origin)
    return Scored.start(events).add(contestant, gammaness, error)


def _score_independent(test: Events) -> Scored:
    """Score the test rows by the shipped bundle that does not know where the source is."""
    model = load_bundle(bundle_folder(TASK, "source-independent"))
    return _score(model, test, f"skysift {model.name}", "shipped bundle")


def _stored_cross_validation() -> Any:
    path = task_folder(TASK) / _CROSS_VALIDATION
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _reference(scored: Scored) -> str:
    """Return the model that the others are compared with: the default, or the best blend there."""
    for name in ("default", "blend", "mlp-ensemble", "random-forest"):
        if name in scored.contestants:
            return name
    return next(iter(scored.contestants))


def _rows(options: ReadOptions, rows: str) -> ReadOptions:
    return options.model_copy(update={"rows": rows})


def _image_parameters(events: Events) -> FeatureTable:
    return events.table.select([name for name in events.column_map.columns if name in events.table])


def _event_table(events: Events) -> FeatureTable:
    return _image_parameters(events).with_columns({"is_gamma": events.is_gamma})


def _audit(events: Events, rng: np.random.Generator) -> dict[str, Any]:
    report = audit_table(
        _image_parameters(events), events.is_gamma, classes=("gamma", "hadron"), rng=rng
    )
    return report.to_dict()


def _metric_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the metrics as rows, without the number of events, which the title gives."""
    return [
        {name: value for name, value in row.items() if name != "n"} for row in evaluation.to_rows()
    ]


def _warnings(events: Events, model: GammaHadronModel) -> tuple[str, ...]:
    """Warn where the model may have seen the rows that it is measured on."""
    if trained_on(events.distinct(), model):
        remedy = "Leave out what it has seen: --rows test."
        if events.name != MAGIC:
            remedy = "Give it others."
        warning = "Warning: the bundle was trained on these rows, so these numbers flatter it."
        return (f"{warning} {remedy}",)
    return () if events.name == MAGIC else model.warnings_on(events.name)


def _is_shipped(model: GammaHadronModel) -> bool:
    return model.bundle is not None and model.bundle.folder in shipped_bundles(TASK)
