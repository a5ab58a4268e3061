"""The jobs of streak that end in a report: evaluate, explore, audit, compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import audit as audit_table
from skysift.evaluate.audit import finding_rows
from skysift.models.images.streaks.features import STREAK_FEATURES
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.streak.comparison import cross_validate, standings
from skysift.tasks.streak.evaluation import evaluate_scores, score
from skysift.tasks.streak.gallery import examples, most_confident_errors
from skysift.tasks.streak.made_up import MADE_UP, made_up_stamps
from skysift.tasks.streak.model import TASK, StreakModel
from skysift.tasks.streak.options import CompareOptions, ReadOptions
from skysift.tasks.streak.pages import draw, evaluation_of
from skysift.tasks.streak.real_checks import check_real
from skysift.tasks.streak.stamps import CLASSES, SIMULATED, Stamps, read_stamps

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]

_DEMO = 400
_PLURALS = ("asteroids", "others")


def evaluate(
    stamps: Stamps, model: StreakModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure a model on labelled stamps that it has not been trained on."""
    return evaluate_scores(
        score(stamps, model.probability(stamps.measured)),
        rng=rng,
        model=model.name,
        data=stamps.name,
        split=split,
    )


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions,
    model: StreakModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate a model on files; with a folder, write the report there."""
    real = [Path(path) for path in options.real]
    provenance = Provenance.start(
        command, inputs=[*paths, *real], config=options.model_dump(mode="json")
    )
    stamps = read_stamps(paths, options)
    progress(0.1, "fit a trail to each stamp")
    scores = score(stamps, model.probability(stamps.measured))
    progress(0.7, "check against real streaks")
    checks = check_real(real, model, options.seeing)
    found = evaluate_scores(scores, rng=rng, model=model.name, data=stamps.name, split=stamps.split)
    notes = (
        *_notes(stamps),
        *(f"{check['title']}: {check['text']}" for check in checks),
        *model.warnings_on(stamps.name),
    )
    page = None
    if folder is not None:
        warning = " ".join(model.warnings_on(stamps.name))
        facts = {**_facts(stamps, scores, model.name), "real": checks, "warning": warning}
        facts["notes"] = list(notes)
        record = RunRecord.finished(folder, TASK, "evaluate", facts, provenance)
        write_run(record, {"scores": scores})
        page = draw(record).write(folder / "report.html")
    title = f"{model.name} bundle on {stamps.name}: {len(stamps):,} stamps"
    return Run(title, found.to_rows(), notes, page)


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Describe labelled stamps and write the report."""
    del rng  # nothing is drawn
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    stamps = read_stamps(paths, options)
    progress(0.1, "fit a trail to each stamp")
    measured = stamps.measured.with_columns({"label": stamps.label, "kind": stamps.kind})
    title = f"{stamps.name}: {len(stamps):,} stamps"
    shown = FeatureTable.from_columns(
        {
            "id": stamps.images.identifiers,
            "kind": stamps.kind,
            "label": stamps.label,
            "class": stamps.label,
            **{f"p_{name}": (stamps.label == name).astype(float) for name in CLASSES},
        }
    )
    facts: dict[str, Any] = {
        "title": title,
        "simulated": _is_simulated(stamps),
        "skies": _skies(stamps),
        "examples": examples(stamps.images, shown),
        "notes": _notes(stamps),
        "rows": _kinds(stamps),
    }
    record = RunRecord.finished(folder, TASK, "explore", facts, provenance)
    write_run(record, {"measured": measured})
    page = draw(record).write(folder / "report.html")
    return Run(title, facts["rows"], tuple(facts["notes"]), page)


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Search labelled stamps for duplicates and for what reveals an asteroid."""
    stamps = read_stamps(paths, options)
    progress(0.1, "fit a trail to each stamp")
    is_asteroid = stamps.label == "asteroid"
    table = stamps.measured.select(list(STREAK_FEATURES))
    report = audit_table(table, is_asteroid, classes=("asteroid", "other"), rng=rng).to_dict()
    title = f"Audit of {stamps.name}: {len(stamps):,} stamps"
    return Run(title, finding_rows(report, _PLURALS), tuple(report.get("notes", ())))


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
    """Score several models on the same stamps by cross-validation and write the report."""
    config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
    provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
    stamps = read_stamps(paths, reading)
    return _compare(stamps, comparing, folder, seed=seed, provenance=provenance, progress=progress)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Compare models on streaks on made-up skies: there is no labelled set of real ones."""
    options = CompareOptions(folds=3)
    config = options.model_dump(mode="json")
    provenance = Provenance.start(command, config=config, seed=seed)
    stamps = made_up_stamps(_DEMO, np.random.default_rng(seed))
    return _compare(stamps, options, folder, seed=seed, provenance=provenance, progress=progress)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results."""
    record = read_run(folder)
    page = draw(record).write(folder / "report.html")
    notes = tuple(record.facts.get("notes", ()))
    if record.kind == "explore":
        return Run(record.facts["title"], record.facts["rows"], notes, page)
    title = f"{record.facts['data']}, {record.facts['split']}"
    if record.kind == "compare":
        return Run(title, _printed(record.facts["standings"]), notes, page)
    return Run(title, evaluation_of(record).to_rows(), notes, page)


def _compare(
    stamps: Stamps,
    options: CompareOptions,
    folder: Path,
    *,
    seed: int,
    provenance: Provenance,
    progress: Progress,
) -> Run:
    seen = cross_validate(stamps, options, seed=seed, progress=progress)
    learned = next((name for name in options.models if name != "cuts"), options.models[0])
    scores = score(stamps, seen[learned]).with_columns(
        {
            f"p_{one} of {name}": values[:, k]
            for name, values in seen.items()
            for k, one in enumerate(CLASSES)
        }
    )
    rows = standings(scores, options.models)
    facts = {
        **_facts(stamps, scores, learned),
        "split": f"{options.folds}-fold cross-validation by object",
        "standings": rows,
        "notes": _notes(stamps),
    }
    record = RunRecord.finished(folder, TASK, "compare", facts, provenance)
    write_run(record, {"scores": scores})
    progress(0.95, "report")
    return render(folder)


def _facts(stamps: Stamps, scores: FeatureTable, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "data": stamps.name,
        "split": stamps.split,
        "simulated": _is_simulated(stamps),
        "skies": _skies(stamps),
        "examples": examples(stamps.images, scores),
        "errors": most_confident_errors(stamps.images, scores),
    }


def _notes(stamps: Stamps) -> list[str]:
    """Return what the contract found, and what is not from the sky."""
    told = [SIMULATED, _skies(stamps)] if _is_simulated(stamps) else []
    return [*stamps.checked.notes("stamp"), *told]


def _is_simulated(stamps: Stamps) -> bool:
    """Tell whether anything was put into the stamps, by the names of the simulation."""
    return any(str(kind).startswith("simulated ") for kind in stamps.kind)


def _skies(stamps: Stamps) -> str:
    """Say what the streaks lie on, by the names that the simulation gave the skies."""
    made_up = stamps.name == MADE_UP or all(str(one).startswith("sky-") for one in stamps.group)
    if made_up:
        return "The skies are MADE UP, too: no number here says anything about the sky."
    return "The skies under them are corners of real difference stamps."


def _kinds(stamps: Stamps) -> list[dict[str, Any]]:
    kinds, counts = np.unique(stamps.kind, return_counts=True)
    return [
        {"kind": str(kind), "class": str(stamps.label[stamps.kind == kind][0]), "stamps": int(n)}
        for kind, n in zip(kinds, counts, strict=True)
    ]


def _printed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the standings as rows of plain values."""
    printed = []
    for row in rows:
        line: dict[str, Any] = {"model": row["model"]}
        for name in ("accuracy", "log_loss"):
            entry = row[name] or {}
            line |= {name: entry.get("value"), f"{name}_low": entry.get("low")}
            line[f"{name}_high"] = entry.get("high")
        printed.append(line)
    return printed
