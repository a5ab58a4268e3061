"""The jobs of flare that end in a report: evaluate, explore, audit, compare."""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import InputError
from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.data.table import FeatureTable
from skysift.evaluate.audit import audit as audit_table
from skysift.evaluate.audit import finding_rows
from skysift.report.run_folder import RunRecord, read_run, write_run
from skysift.tasks.flare.comparison import compare_forecasts
from skysift.tasks.flare.evaluation import SCORES, evaluate_scores, score
from skysift.tasks.flare.gallery import disk_pictures, pictures_of
from skysift.tasks.flare.image_features import FEATURES
from skysift.tasks.flare.made_up import MADE_UP, made_up_regions
from skysift.tasks.flare.model import TASK, FlareModel
from skysift.tasks.flare.options import CompareOptions, ReadOptions
from skysift.tasks.flare.pages import draw, evaluation_of
from skysift.tasks.flare.region_tables import find_images, read_region_table, text
from skysift.tasks.flare.regions import LEVELS, Regions, read_labelled

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]

_INSTEAD = (
    "Real regions are compared instead of made-up ones where SKYSIFT_MIRROR names a folder with "
    "solar/aia211_regions.csv and its images."
)
_PLURALS = ("flaring regions", "quiet regions")
_DEMO = 480
_MADE_UP_BOUNDARY = date(2011, 4, 20)
_REAL_SINCE, _REAL_BOUNDARY = date(2013, 7, 1), date(2014, 7, 1)


def evaluate(
    regions: Regions, model: FlareModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure a model on labelled regions that it has not been trained on."""
    scores = score(_seen(regions), model)
    return evaluate_scores(
        scores,
        scores.meta["thresholds"],
        scores.meta["climatology"],
        rng=rng,
        model=model.name,
        data=regions.name,
        split=split,
    )


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions,
    model: FlareModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate a model on files; with a folder, write the report there."""
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    progress(0.0, "read images")
    regions = read_labelled(paths, options)
    seen = _seen(regions)
    progress(0.6, "forecast")
    scores = score(seen, model)
    facts = {
        "model": model.name,
        "data": regions.name,
        "split": _span(seen),
        "thresholds": scores.meta["thresholds"],
        "climatology": scores.meta["climatology"],
        "notes": [*regions.checked.notes("region"), *_warnings(seen, model)],
    }
    page = None
    if folder is None:
        found = evaluate_scores(
            scores,
            facts["thresholds"],
            facts["climatology"],
            rng=rng,
            model=model.name,
            data=regions.name,
            split=facts["split"],
        )
    else:  # the numbers of its page
        progress(0.8, "report")
        facts["pictures"] = pictures_of(seen, scores, model)
        facts["pictures"]["disks"] = disk_pictures(scores, _images(paths, options))
        record = RunRecord.finished(folder, TASK, "evaluate", facts, provenance)
        write_run(record, {"scores": scores})
        page = draw(record).write(folder / "report.html")
        found = evaluation_of(record)
    title = f"{model.name} bundle on {regions.name}: {len(seen):,} regions"
    return Run(title, found.to_rows(), tuple(facts["notes"]), page)


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Describe labelled regions and write the report."""
    del rng  # nothing is drawn
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    progress(0.0, "read images")
    regions = read_labelled(paths, options)
    seen = _seen(regions)
    rows = _counts(seen)
    columns = dict(zip(FEATURES, seen.image_features.T, strict=True))
    measured = FeatureTable.from_columns(
        {**columns, **{f"event {level}": seen.flared(level) for level in LEVELS}}
    )
    title = f"{regions.name}: {len(seen):,} regions"
    facts: dict[str, Any] = {
        "title": title,
        "rows": rows,
        "notes": list(regions.checked.notes("region")),
    }
    record = RunRecord.finished(folder, TASK, "explore", facts, provenance)
    write_run(record, {"measured": measured})
    page = draw(record).write(folder / "report.html")
    return Run(title, rows, tuple(facts["notes"]), page)


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Search labelled regions for duplicates and for what reveals a flare alone."""
    progress(0.0, "read images")
    seen = _seen(read_labelled(paths, options))
    table = FeatureTable.from_columns(dict(zip(FEATURES, seen.image_features.T, strict=True)))
    report = audit_table(
        table, seen.flared("C"), classes=("flaring region", "quiet region"), rng=rng
    ).to_dict()
    title = f"Audit of {seen.name}: {len(seen):,} regions"
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
    """Train several forecasts on the past, judge them on what came after, write the report."""
    config = {**reading.model_dump(mode="json"), **comparing.model_dump(mode="json")}
    provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
    progress(0.0, "read images")
    regions = _seen(read_labelled(paths, reading))
    facts, scores = compare_forecasts(regions, comparing, seed=seed, progress=progress)
    facts["pictures"]["disks"] = disk_pictures(scores, _images(paths, reading))
    record = RunRecord.finished(folder, TASK, "compare", facts, provenance)
    write_run(record, {"scores": scores})
    return render(folder)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Compare forecasts on two years of real regions where they are, else on made-up suns."""
    real = _real_regions()
    options = CompareOptions(
        boundary=_REAL_BOUNDARY if real else _MADE_UP_BOUNDARY,
        models=("both", "image", "history", "mcintosh", "persistence"),
        published_repeats=0,
        folds=3,
        bags=1,
    )
    if real:
        reading = ReadOptions(since=_REAL_SINCE)
        return compare(
            [real], reading, options, folder, seed=seed, command=command, progress=progress
        )
    config = options.model_dump(mode="json")
    provenance = Provenance.start(command, config=config, seed=seed)
    progress(0.0, "make up suns")
    regions = made_up_regions(_DEMO, np.random.default_rng(seed))
    facts, scores = compare_forecasts(regions, options, seed=seed, progress=progress)
    facts["pictures"]["disks"] = disk_pictures(scores, regions.pictures or {})
    facts["notes"] = [_INSTEAD, *facts["notes"]]
    record = RunRecord.finished(folder, TASK, "compare", facts, provenance)
    write_run(record, {"scores": scores})
    return render(folder)


def _real_regions() -> Path | None:
    """Return the table of real regions of the local mirror, if there is one."""
    mirror = os.environ.get("SKYSIFT_MIRROR", "")
    path = Path(mirror) / "solar" / "aia211_regions.csv"
    return path if mirror and path.is_file() else None


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


def _seen(regions: Regions) -> Regions:
    """Return the regions that have an image.

    Raises
    ------
    InputError
        If there are none.
    """
    if not regions.usable.any():
        raise InputError(
            "No region has an image.", "Name their folder with --images, or copy them there."
        )
    return regions if regions.usable.all() else regions.take(regions.usable)


def _images(paths: Sequence[Path], options: ReadOptions) -> dict[str, Path]:
    """Return where the images of tables lie, by name."""
    found: dict[str, Path] = {}
    for path in paths:
        folder = Path(options.images) if options.images else path.parent
        found |= find_images(text(read_region_table(path), "file"), folder)
    return found


def _span(regions: Regions) -> str:
    time = regions.time[~np.isnat(regions.time)]
    return f"{time.min()} to {time.max()}" if len(time) else "all rows"


def _counts(regions: Regions) -> list[dict[str, Any]]:
    years = regions.time.astype("datetime64[Y]").astype(np.str_)
    rows = []
    for year in np.unique(years):
        inside = years == year
        row: dict[str, Any] = {"year": str(year), "regions": int(inside.sum())}
        row |= {f"flares {level}": int(regions.flared(level)[inside].sum()) for level in LEVELS}
        rows.append(row)
    return rows


def _printed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the standings as rows of plain values."""
    printed = []
    for row in rows:
        line: dict[str, Any] = {"class": row["level"], "forecast": row["forecast"]}
        for name in SCORES:
            line[name] = row[name]["value"]
            if name in {"tss", "bss"}:
                line |= {f"{name}_low": row[name]["low"], f"{name}_high": row[name]["high"]}
        printed.append(line)
    return printed


def _warnings(regions: Regions, model: FlareModel) -> tuple[str, ...]:
    """Warn where the model has seen the time that it is measured on."""
    if MADE_UP in regions.name:
        return ()
    first, _, last = model.training.split.partition(" to ")
    try:
        begin, end = np.datetime64(first), np.datetime64(last)
    except ValueError:
        return ()
    if not ((regions.time >= begin) & (regions.time <= end)).any():
        return ()
    warning = (
        f"Warning: the bundle was trained on {model.training.split}, and some of these rows are of "
        "that time, so these numbers flatter it. Take later ones with --since."
    )
    return (warning,)
