"""The three pages, put together from their sections."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.data.table import FeatureTable
from skysift.evaluate.explore import explore
from skysift.report import Block, Column, KeyNumber, Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.plots.explore import plot_feature_distributions, plot_separation
from skysift.report.run_folder import RunRecord
from skysift.tasks.star_galaxy.options import DEFAULT
from skysift.tasks.star_galaxy.pages.sections import (
    add_abstention,
    add_by_magnitude,
    add_calibration,
    add_comparison,
    add_errors,
)
from skysift.tasks.star_galaxy.pages.study import CLASSES, SEED, Study
from skysift.tasks.star_galaxy.scoring import Scored

__all__ = ["compare_page", "evaluate_page", "explore_page"]

_LABEL = "is_galaxy"
_MOST_PANELS = 12


def compare_page(record: RunRecord) -> Page:
    """Return the report of a comparison.

    Parameters
    ----------
    record : RunRecord
        Holds the table and facts ``scores``, and the facts ``reference`` and ``errors``.
    """
    study = Study(Scored.from_run(record), record.facts["reference"])
    page = Page(
        title="Stars and galaxies",
        subtitle=f"{len(study.evaluations)} models on {study.rows}",
        provenance=provenance_facts(record),
    )
    best = "" if study.reference == DEFAULT else " Of those compared it has the least log loss."
    _tell(page, record, study, best)
    return page


def evaluate_page(record: RunRecord) -> Page:
    """Return the report of one model on labelled cutouts; `record` as for a comparison."""
    study = Study(Scored.from_run(record), record.facts["reference"])
    page = Page(
        title=f"Stars and galaxies by {study.label}",
        subtitle=study.rows,
        provenance=provenance_facts(record),
    )
    _tell(page, record, study)
    return page


def explore_page(record: RunRecord) -> Page:
    """Return the report of labelled cutouts before any model.

    Parameters
    ----------
    record : RunRecord
        Holds the table ``objects`` with the column ``is_galaxy``, and the fact ``audit``.
    """
    objects = record.table("objects")
    is_galaxy = np.asarray(objects[_LABEL], dtype=bool)
    audit = record.facts["audit"]
    page = Page(
        title="Stars and galaxies: the data",
        subtitle=f"{len(objects):,} cutouts",
        provenance=provenance_facts(record),
    )
    page.hero(
        "What the shapes of the cutouts tell before any model is trained, and what else would "
        "tell the classes apart.",
        [
            KeyNumber("Stars", f"{int((~is_galaxy).sum()):,}"),
            KeyNumber("Galaxies", f"{int(is_galaxy.sum()):,}"),
            KeyNumber("Findings of the audit", str(len(audit["findings"]))),
        ],
    )
    _add_shapes(page, objects, is_galaxy)
    _add_audit(page.section("What the audit found"), audit["findings"])
    add_how_to_repeat(page, record)
    return page


def _tell(page: Page, record: RunRecord, study: Study, closing: str = "") -> None:
    name = study.reference
    accuracy = study.metric(name, "accuracy")
    opened = study.metric(name, "ambiguous")
    sure = study.metric(name, "accuracy_unambiguous")
    title = study.label[:1].upper() + study.label[1:]
    opening = (
        f"**{title}** is right about **{accuracy.value:.1%}** of "
        f"{len(study.scored.is_galaxy):,} objects. It leaves {opened.value:.1%} of them open, and "
        f"is right about **{sure.value:.1%}** of the others.{closing}"
    )
    page.hero(
        opening,
        [
            KeyNumber("Accuracy", f"{accuracy.value:.4f}", interval=_span(accuracy)),
            *(
                KeyNumber(
                    label,
                    f"{study.metric(name, key).value:.4f}",
                    interval=_span(study.metric(name, key)),
                )
                for label, key in (("AUC", "auc"), ("Log loss", "log_loss"))
            ),
        ],
    )
    warning = record.facts.get("warning")
    if warning:
        page.section("Before the numbers").callout("warning", warning)
    add_comparison(page, study)
    add_calibration(page, study)
    add_by_magnitude(page, study)
    add_abstention(page, study)
    add_errors(page, record.facts.get("errors", ()))
    section = add_how_to_repeat(page, record)
    for note in record.facts.get("notes", ()):
        section.text(note)


def _span(metric: Any) -> str:
    return f"{metric.low:.4f} to {metric.high:.4f}" if metric.low is not None else ""


def _add_shapes(page: Page, objects: FeatureTable, is_galaxy: Any) -> None:
    names = [name for name in objects.columns if name != _LABEL]
    found = explore(objects, is_galaxy, names, rng=np.random.default_rng(SEED))
    known = [one for one in found.separations if np.isfinite(one.separation)]
    best = [one.feature for one in sorted(known, key=lambda one: -one.separation)][:_MOST_PANELS]
    section = page.section("Shapes", lead="What astronomers have told stars from galaxies by.")
    section.figure(
        plot_feature_distributions(found, features=best, classes=CLASSES),
        caption="**Each feature by class, the best separating first**, normalised to one.",
        alt=f"Histograms of {', '.join(best)} for galaxies and stars.",
        wide=True,
    )
    section.figure(
        plot_separation(found),
        caption="**One feature alone.** Magnitude is among them: faint objects of the sample are "
        "mostly galaxies, which is how it was chosen and not how the sky is. <S²>: separation of "
        "the two distributions, 0 (equal) to 1.",
        alt="Area under the ROC curve of each feature by itself.",
        wide=True,
    )


def _add_audit(block: Block, findings: Sequence[Mapping[str, Any]]) -> None:
    if not findings:
        block.text("Nothing that tells the class without being physics.")
        return
    block.table(
        [dict(one) for one in findings],
        columns=[
            Column("severity", "Weight"),
            Column("title", "Finding"),
            Column("n_signal", "Galaxies", format=",d"),
            Column("n_background", "Stars", format=",d"),
            Column("advice", "Advice"),
        ],
        caption="Ways to tell the class that may be no physics, and the cutouts they concern.",
    )
