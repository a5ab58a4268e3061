"""The jobs of star-galaxy that end in a report: evaluate, explore, audit, compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import DataUnavailableError
from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.data.fetch import fetch
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import audit as audit_table
from skysift.evaluate.audit import finding_rows
from skysift.evaluate.probability import log_loss
from skysift.preprocess.images.photometry import aperture_magnitude
from skysift.preprocess.images.shapes import ShapeFeatures
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.star_galaxy.comparison import add_model, cross_validate
from skysift.tasks.star_galaxy.evaluation import evaluate as evaluate_rows
from skysift.tasks.star_galaxy.gallery import most_confident_errors
from skysift.tasks.star_galaxy.made_up import made_up_cutouts
from skysift.tasks.star_galaxy.model import TASK, StarGalaxyModel
from skysift.tasks.star_galaxy.options import DEFAULT, CompareOptions, ReadOptions
from skysift.tasks.star_galaxy.pages import compare_page, evaluate_page, explore_page, result_rows
from skysift.tasks.star_galaxy.reader import CLASSES, Cutouts, read_cutouts
from skysift.tasks.star_galaxy.scoring import Scored

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]

_CLASSES = (CLASSES[1], CLASSES[0])
_PLURALS = ("galaxies", "stars")
_MADE_UP = 600
"""Cutouts of a demo without data."""


def evaluate(
    cutouts: Cutouts, model: StarGalaxyModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure a model on labelled cutouts that it has not been trained on."""
    probability, _ = model.probability(cutouts.images)
    return evaluate_rows(
        cutouts.is_galaxy,
        probability,
        model.ambiguous(probability),
        aperture_magnitude(cutouts.images),
        cutouts.groups,
        rng=rng,
        model=model.name,
        data=cutouts.name,
        split=split,
    )


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions,
    model: StarGalaxyModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate a model on files; with a folder, write the report there."""
    del progress  # seconds at most
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    cutouts = read_cutouts(paths, options)
    evaluation = evaluate(cutouts, model, rng, split=cutouts.split)
    warnings = model.warnings_on(cutouts.name)
    notes = (*cutouts.checked.notes("cutout"), *warnings)
    page = None
    if folder is not None:
        scored = add_model(Scored.start(cutouts), cutouts, model, "bundle")
        facts = _facts(scored, cutouts, model.name, notes) | {"warning": " ".join(warnings)}
        record = RunRecord.finished(folder, TASK, "evaluate", facts, provenance)
        write_run(record, {"scores": scored.to_table()})
        page = evaluate_page(record).write(folder / "report.html")
    title = f"{model.name} bundle on {cutouts.name}, {cutouts.split}: {len(cutouts):,} cutouts"
    return Run(title, evaluation.to_rows(), notes, page)


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Describe labelled cutouts and write the report."""
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    cutouts = read_cutouts(paths, options)
    progress(0.3, "measure shapes")
    table = _feature_table(cutouts)
    progress(0.5, "audit")
    findings = _audit(cutouts, table, rng)
    notes = cutouts.checked.notes("cutout")
    record = RunRecord.finished(
        folder, TASK, "explore", {"audit": findings, "notes": notes}, provenance
    )
    write_run(record, {"objects": table.with_columns({"is_galaxy": cutouts.is_galaxy})})
    page = explore_page(record).write(folder / "report.html")
    title = f"{cutouts.name}: {len(cutouts):,} cutouts, {cutouts.is_galaxy.mean():.1%} galaxies"
    return Run(title, finding_rows(findings, _PLURALS), notes, page)


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Search labelled cutouts for duplicates and for what reveals the class."""
    del progress  # seconds at most
    cutouts = read_cutouts(paths, options)
    findings = _audit(cutouts, _feature_table(cutouts), rng)
    copies = len(cutouts) - len(np.unique(cutouts.groups))
    told = (
        f"{copies:,} cutouts show an object that another cutout shows; every split of this task "
        "keeps them together."
    )
    notes = (told, *findings.get("notes", ()))
    title = f"Audit of {cutouts.name}: {len(cutouts):,} cutouts"
    return Run(title, finding_rows(findings, _PLURALS), notes)


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
    """Score several models on the same objects by cross-validation and write the report."""
    cutouts = read_cutouts(paths, reading)
    config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
    provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
    return _compare(cutouts, comparing, folder, seed=seed, provenance=provenance, progress=progress)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Compare models that train in seconds, on real cutouts of ZTF or on made-up ones."""
    progress(0.0, "fetch the ZTF cutouts")
    note = ""
    try:
        paths = [file.path for file in fetch("ztf-cutouts").files]
        cutouts = read_cutouts(paths, ReadOptions())
    except DataUnavailableError:
        paths = []
        note = (
            "The ZTF cutouts cannot be had here: these are MADE-UP cutouts, and no number on "
            "this page says anything about the sky."
        )
        cutouts = made_up_cutouts(_MADE_UP, np.random.default_rng(seed))
    options = CompareOptions(quick=True)
    config = options.model_dump(mode="json")
    provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
    return _compare(
        cutouts, options, folder, seed=seed, provenance=provenance, progress=progress, note=note
    )


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results."""
    record = read_run(folder)
    draw = {"compare": compare_page, "evaluate": evaluate_page, "explore": explore_page}
    page = draw[record.kind](record).write(folder / "report.html")
    notes = tuple(record.facts.get("notes", ()))
    if record.kind == "explore":
        return Run(record.kind, finding_rows(record.facts["audit"], _PLURALS), notes, page)
    scored = Scored.from_run(record)
    title = f"{scored.data}, {scored.split}: {len(scored.is_galaxy):,} objects"
    return Run(title, result_rows(scored), notes, page)


def _compare(
    cutouts: Cutouts,
    options: CompareOptions,
    folder: Path,
    *,
    seed: int,
    provenance: Provenance,
    progress: Progress,
    note: str = "",
) -> Run:
    """Score models on objects in memory, with a note to be put before the numbers."""
    scored = cross_validate(
        cutouts,
        options,
        seed=seed,
        progress=lambda fraction, what: progress(0.9 * fraction, what),
    )
    given = (note,) if note else ()
    chosen = (told for one in scored.contestants.values() if (told := one.told_choice()))
    notes = (*given, *chosen, *cutouts.checked.notes("cutout"))
    facts = _facts(scored, cutouts.distinct(), _reference(scored), notes)
    if note:
        facts["warning"] = note
    write_run(
        RunRecord.finished(folder, TASK, "compare", facts, provenance),
        {"scores": scored.to_table()},
    )
    progress(0.9, "report")
    return render(folder)


def _facts(
    scored: Scored, cutouts: Cutouts, reference: str, notes: Sequence[str]
) -> dict[str, Any]:
    return {
        "scores": scored.to_facts(),
        "reference": reference,
        "errors": most_confident_errors(scored, cutouts.images, reference),
        "notes": list(notes),
    }


def _reference(scored: Scored) -> str:
    """Return the model that the report is about: the default, else that of the least log loss."""
    if DEFAULT in scored.contestants:
        return DEFAULT
    losses = {
        name: log_loss(scored.is_galaxy, scored.probability[name]) for name in scored.contestants
    }
    return min(losses, key=lambda name: losses[name])


def _feature_table(cutouts: Cutouts) -> FeatureTable:
    shapes = ShapeFeatures().table(cutouts.images)
    return shapes.with_columns(
        {"magnitude": aperture_magnitude(cutouts.images)}, units={"magnitude": "mag"}
    )


def _audit(cutouts: Cutouts, table: FeatureTable, rng: np.random.Generator) -> dict[str, Any]:
    report = audit_table(
        table, cutouts.is_galaxy, classes=_CLASSES, groups=_exposures(cutouts), rng=rng
    )
    return report.to_dict()


def _exposures(cutouts: Cutouts) -> Any:
    """Return the exposures, or nothing where a cutout does not tell its own."""
    known = cutouts.images.facts["image"].astype(np.str_) != ""
    return cutouts.exposures() if known.all() else None
