"""The jobs of active-region that end in a report: evaluate, explore, audit, compare."""

from collections.abc import Sequence
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
from skysift.models.solar.patch_features import PATCH_FEATURES
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.active_region.comparison import compare_models
from skysift.tasks.active_region.demonstration import demonstrate
from skysift.tasks.active_region.evaluation import evaluate_scores, score
from skysift.tasks.active_region.model import F1_POINT, TASK, ActiveRegionModel
from skysift.tasks.active_region.occlusion import hidden_patches
from skysift.tasks.active_region.options import CompareOptions, ReadOptions
from skysift.tasks.active_region.pages.build import draw, evaluation_of
from skysift.tasks.active_region.pictures import pictures_of
from skysift.tasks.active_region.reader import SolarDisks, read_disks

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]


def evaluate(
    disks: SolarDisks, model: ActiveRegionModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure a model on labelled disks that it has not been trained on."""
    return evaluate_scores(
        score(disks, model),
        _thresholds(model),
        climatology={"patch": model.prior, "big_region": model.big_share},
        rng=rng,
        model=model.name,
        data=disks.name,
        split=split,
    )


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions,
    model: ActiveRegionModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate a model on files; with a folder, write the report there."""
    provenance = Provenance.start(
        command, inputs=_files(paths, options), config=options.model_dump(mode="json")
    )
    progress(0.0, "read disks")
    disks = read_disks(paths, options)
    progress(0.6, "search disks")
    scores = score(disks, model)
    split = _span(disks)
    facts = _facts(disks, model, split)
    notes = (*disks.checked.notes("disk"), *_warnings(disks, model))
    if folder is None:
        found = evaluate_scores(
            scores,
            _thresholds(model),
            climatology=facts["climatology"],
            rng=rng,
            model=model.name,
            data=disks.name,
            split=split,
        )
        return Run(_title(disks, model), found.to_rows(), notes)
    progress(0.9, "draw")
    facts |= {
        "notes": list(notes),
        "pictures": pictures_of(disks, scores, facts["thresholds"][F1_POINT]),
        "hidden": hidden_patches(disks, model),
    }
    record = RunRecord.finished(folder, TASK, "evaluate", facts, provenance)
    write_run(record, scores.tables())
    return render(folder)


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Describe labelled disks and write the report."""
    del rng  # nothing is drawn at random
    provenance = Provenance.start(
        command, inputs=_files(paths, options), config=options.model_dump(mode="json")
    )
    progress(0.0, "read disks")
    disks = read_disks(paths, options)
    rows = _counts(disks)
    facts: dict[str, Any] = {
        "title": f"{disks.name}: {len(disks):,} disks, {_span(disks)}",
        "rows": rows,
        "notes": list(disks.checked.notes("disk")),
        "pictures": pictures_of(disks, None, 0.0),
    }
    patches = FeatureTable.from_columns(
        {
            "is_region": disks.patches.is_region,
            **{
                name: disks.patches.features[:, PATCH_FEATURES.index(name)]
                for name in ("max_64px_smooth1", "mean_64px_smooth1", "std_64px_smooth1")
            },
        }
    )
    record = RunRecord.finished(folder, TASK, "explore", facts, provenance)
    write_run(record, {"regions": disks.regions, "patches": patches})
    return render(folder)


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Search labelled patches for duplicates and for what reveals a region."""
    disks = read_disks(paths, options)
    progress(0.5, "search for leaks")
    table = FeatureTable.from_columns(
        dict(zip(PATCH_FEATURES, disks.patches.features.T, strict=True))
    )
    report = audit_table(
        table, disks.patches.is_region, classes=("region", "quiet patch"), rng=rng
    ).to_dict()
    title = f"Audit of {disks.name}: {len(disks.patches):,} patches of {len(disks):,} disks"
    return Run(
        title, finding_rows(report, ("regions", "quiet patches")), tuple(report.get("notes", ()))
    )


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
    """Train models before a day, score them from then on, and write the report."""
    config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
    provenance = Provenance.start(command, inputs=_files(paths, reading), config=config, seed=seed)
    progress(0.0, "read disks")
    disks = read_disks(paths, reading)
    compared = compare_models(disks, comparing, seed=seed, command=command, progress=progress)
    facts = {
        **_facts(compared.later, compared.model, _span(compared.later)),
        "standings": compared.standings,
        "published": compared.published,
        "notes": list(disks.checked.notes("disk")),
        "pictures": pictures_of(
            compared.later, compared.scores, compared.model.threshold(F1_POINT)
        ),
        "hidden": hidden_patches(compared.later, compared.model),
    }
    record = RunRecord.finished(folder, TASK, "compare", facts, provenance)
    write_run(record, compared.scores.tables())
    progress(0.99, "report")
    return render(folder)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Search real disks where they can be had, and made-up ones."""
    return demonstrate(folder, seed=seed, command=command, progress=progress)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results."""
    record = read_run(folder)
    page = draw(record).write(folder / "report.html")
    notes = tuple(record.facts.get("notes", ()))
    if record.kind in {"explore", "demo"}:
        return Run(record.facts["title"], record.facts["rows"], notes, page)
    title = f"{record.facts['model']} on {record.facts['data']}, {record.facts['split']}"
    if record.kind == "compare":
        return Run(title, record.facts["standings"], notes, page)
    return Run(title, evaluation_of(record).to_rows(), notes, page)


def _facts(disks: SolarDisks, model: ActiveRegionModel, split: str) -> dict[str, Any]:
    return {
        "model": model.name,
        "data": disks.name,
        "split": split,
        "thresholds": _thresholds(model),
        "climatology": {"patch": model.prior, "big_region": model.big_share},
        "trained": model.training.split,
    }


def _thresholds(model: ActiveRegionModel) -> dict[str, float]:
    return {point.name: point.threshold for point in model.operating_points}


def _span(disks: SolarDisks) -> str:
    days = np.sort(disks.times.astype("datetime64[D]"))
    return f"{days[0]} to {days[-1]}"


def _title(disks: SolarDisks, model: ActiveRegionModel) -> str:
    return f"{model.name} bundle on {disks.name}: {len(disks):,} disks, {_span(disks)}"


def _files(paths: Sequence[Path], options: ReadOptions) -> list[Path]:
    """Return what is hashed for the record: single files and tables."""
    given = [*paths, *(Path(one) for one in (options.regions, options.quiet) if one)]
    return [path for path in given if path.is_file()]


def _counts(disks: SolarDisks) -> list[dict[str, Any]]:
    section = disks.regions["section"].astype(str)
    return [
        {"what": "disks", "n": len(disks)},
        {"what": "disks with a region with spots", "n": int(disks.has_spots.sum())},
        {"what": "disks with a region of 200 millionths", "n": int(disks.has_big.sum())},
        {"what": "regions with spots", "n": int((section == "I").sum())},
        {"what": "regions of plage only", "n": int((section == "IA").sum())},
        {"what": "patches of regions", "n": int(disks.patches.is_region.sum())},
        {"what": "quiet patches", "n": int((~disks.patches.is_region).sum())},
    ]


def _warnings(disks: SolarDisks, model: ActiveRegionModel) -> tuple[str, ...]:
    """Warn where the model has seen the years that it is measured on."""
    first, last = (np.datetime64(one) for one in model.training.split.split(" to "))
    times = disks.times
    seen = int(((times >= first) & (times <= last)).sum())
    if not seen or disks.name != model.training.data.partition(", ")[0]:
        return ()
    warning = (
        f"Warning: {seen} of the disks lie in the time that the bundle was trained on, so these "
        "numbers flatter it. Give --since."
    )
    return (warning,)
