"""The three pages, put together from their sections."""

from typing import Any

from skysift.data.table import FeatureTable
from skysift.report import KeyNumber, Page
from skysift.report.closing import provenance_facts
from skysift.report.run_folder import RunRecord
from skysift.tasks.gamma_hadron.options import Mode
from skysift.tasks.gamma_hadron.pages.artefacts import add_artefacts
from skysift.tasks.gamma_hadron.pages.calibration import add_calibration
from skysift.tasks.gamma_hadron.pages.closing import add_features, add_repeat
from skysift.tasks.gamma_hadron.pages.comparison import add_comparison
from skysift.tasks.gamma_hadron.pages.events import LABEL, add_data
from skysift.tasks.gamma_hadron.pages.further import add_cross_validation, add_source_independent
from skysift.tasks.gamma_hadron.pages.opening import add_opening
from skysift.tasks.gamma_hadron.pages.operating import add_operating_points
from skysift.tasks.gamma_hadron.pages.single import add_result
from skysift.tasks.gamma_hadron.pages.size import add_by_size
from skysift.tasks.gamma_hadron.pages.sky import add_sky
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.pages.words import share
from skysift.tasks.gamma_hadron.scoring import Scored

__all__ = ["compare_page", "evaluate_page", "explore_page", "study_of"]


def study_of(record: RunRecord) -> Study:
    """Return the models of a stored run, measured; its facts name the reference."""
    return Study.of(Scored.from_run(record), record.facts.get("reference"))


def compare_page(record: RunRecord, study: Study) -> Page:
    """Return the report of a comparison.

    Parameters
    ----------
    record : RunRecord
        Holds the table and facts ``scores``; optionally ``scores_independent``, the table
        ``events`` and the facts ``audit``, ``reference``, ``cross_validation`` and ``notes``.
        Sections of what is absent are left out.
    study : Study
        Of its models: `study_of`.
    """
    page = Page(
        title="Gammas from hadrons",
        subtitle=f"{len(study.metrics)} models on {study.rows}",
        provenance=provenance_facts(record),
    )
    _tell(page, record, study)
    return page


def evaluate_page(record: RunRecord, study: Study) -> Page:
    """Return the report of one model on labelled events.

    Parameters
    ----------
    record, study
        As for :func:`compare_page`, with one model.
    """
    page = Page(
        title=f"Gammas from hadrons by {study.label}",
        subtitle=study.rows,
        provenance=provenance_facts(record),
    )
    _tell(page, record, study)
    return page


def explore_page(record: RunRecord) -> Page:
    """Return the report of labelled events before any model.

    Parameters
    ----------
    record : RunRecord
        Holds the table ``events`` with the column ``is_gamma``, and the fact ``audit``.
    """
    events = record.table("events")
    gammas = int(events[LABEL].sum())
    audit = record.facts.get("audit")
    page = Page(
        title="Gammas and hadrons: the data",
        subtitle=f"{len(events):,} events",
        provenance=provenance_facts(record),
    )
    found = audit["counts"] if audit else {}
    numbers = [
        KeyNumber("Gammas", f"{gammas:,}", note=f"{share(gammas / len(events))} of the events"),
        KeyNumber("Hadrons", f"{len(events) - gammas:,}"),
    ]
    if audit:
        grave = found.get("high", 0)
        numbers.append(KeyNumber("Grave findings", str(grave), note="of the audit"))
    page.hero(_explored(audit), numbers)
    add_data(page, events)
    add_artefacts(page, None, events, audit)
    add_features(page, events.columns, "source-dependent")
    add_repeat(page, record, None)
    return page


def _explored(audit: dict[str, Any] | None) -> str:
    if not audit:
        return "What the image parameters are and how well each tells gammas from hadrons."
    findings = audit["findings"]
    if not findings:
        return "The audit found nothing that tells the class of an event without being physics."
    return (
        "Before any model: is there a way to tell the classes apart that is no physics? The audit "
        f"found **{len(findings)}**. The gravest: *{findings[0]['title']}*."
    )


def _tell(page: Page, record: RunRecord, study: Study) -> None:
    """Add all sections of a page about models, in the order of the story."""
    facts = record.facts
    events: FeatureTable | None = record.table("events") if record.has_table("events") else None
    add_opening(page, study)
    if events is not None:
        add_data(page, events)
    if len(study.metrics) > 1:
        add_comparison(page, study)
    else:
        add_result(page, study)
    add_calibration(page, study)
    points = add_operating_points(page, study)
    add_by_size(points, study)
    add_sky(points, study)
    add_artefacts(page, study, events, facts.get("audit"))
    if record.has_table("scores_independent") and "scores_independent" in facts:
        add_source_independent(page, study, Scored.from_run(record, "scores_independent"))
    if facts.get("cross_validation"):
        add_cross_validation(page, facts["cross_validation"])
    columns = None if events is None else events.columns
    mode: Mode = (
        "source-independent"
        if study.contestant.mode == "source-independent"
        else "source-dependent"
    )
    add_features(page, columns, mode)
    add_repeat(page, record, study.rows)
