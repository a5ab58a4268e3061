"""The end of the page: what models see, and how to repeat the run."""

from collections.abc import Sequence

from skysift.report import Column, Page
from skysift.report.closing import add_how_to_repeat
from skysift.report.run_folder import RunRecord
from skysift.tasks.gamma_hadron.features import FEATURES, select
from skysift.tasks.gamma_hadron.options import Mode
from skysift.tasks.gamma_hadron.pages.study import DRAWS, SEED

__all__ = ["add_features", "add_repeat"]


def add_features(page: Page, columns: Sequence[str] | None, mode: Mode) -> None:
    """Add the table of features.

    Parameters
    ----------
    page : Page
        Where to.
    columns : sequence of str, optional
        Columns of the events; features that they do not give are left out.
    mode : {"source-dependent", "source-independent"}
        Mode of the model that the page is about.
    """
    names = {feature.name for feature in FEATURES}
    if columns is not None:
        names = set(select(columns, mode))
    shown = [feature for feature in FEATURES if feature.name in names]
    if not shown:
        return
    section = page.section(
        "What the models see",
        lead=f"{len(shown)} features, each with a reason: the image parameters and what analysts "
        "make of them.",
    )
    section.details(f"All {len(shown)} features").table(
        [
            {
                "name": feature.name,
                "formula": feature.formula,
                "reason": feature.reason,
                "position": "yes" if feature.source_dependent else "",
            }
            for feature in shown
        ],
        columns=[
            Column("name", "Feature"),
            Column("formula", "Formula"),
            Column("reason", "Why"),
            Column("position", "Needs the source position"),
        ],
        caption="Features that can be made of the columns of these events, in the order of the "
        "models' matrix.",
    )


def add_repeat(page: Page, record: RunRecord, rows: str | None) -> None:
    """Add how to repeat the run and draw the page again, and the notes on the run."""
    further = [f"Rows that were scored: {rows}"] if rows else []
    seeds = record.provenance.get("seeds") or {}
    if seeds:
        further.append(f"Seed of the run: {', '.join(str(seed) for seed in seeds.values())}")
    further.append(
        f"Seed of all that this page draws: {SEED}; {DRAWS} bootstrap draws, 95 % intervals"
    )
    section = add_how_to_repeat(page, record, further)
    for note in record.facts.get("notes", []):
        section.callout("note", str(note))
