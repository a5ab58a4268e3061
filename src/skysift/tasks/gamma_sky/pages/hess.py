"""Real runs."""

from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page
from skysift.tasks.gamma_sky.pages.reading import Facts, estimate, per_cent, radius

__all__ = ["add_hess"]


def add_hess(page: Page, facts: Facts, windows: FeatureTable | None) -> None:
    """Add the H.E.S.S. runs."""
    study = facts["hess"]
    low, high = study["energies"]
    section = page.section(
        "On the real sky",
        lead=f"H.E.S.S. runs between {low:g} and {high:g} TeV. {study['attribution']} They are "
        "here to test software; nothing is claimed about the sources.",
    )
    _add_steady(section, study)
    _add_flare(section, study, windows)
    _add_off(section, study)


def _add_steady(block: Block, study: Facts) -> None:
    block.table(
        study["steady"],
        columns=[
            Column("run", "Run", format="d"),
            Column("offset", "Offset", format=".1f", unit="deg"),
            Column("known_significance", "With response", format=".1f"),
            Column("free_significance", "IRF-free", format=".1f"),
            Column("gammapy_peak", "gammapy, blind", format=".1f"),
            Column("li_ma", "Li & Ma", format=".1f"),
            Column("gammapy_li_ma", "gammapy, Li & Ma", format=".1f"),
            Column("known_distance", "With response", format=".4f", unit="deg"),
            Column("free_distance", "IRF-free", format=".4f", unit="deg"),
            Column("gammapy_distance", "gammapy", format=".4f", unit="deg"),
        ],
        caption="Crab Nebula (23523, 23559) and PKS 2155-304: significances, then distances from "
        "the catalogue position. *Blind*: without knowing the place. *Li & Ma*: eq. 17 with "
        "reflected regions of 0.1 deg at the known place.",
    )


def _add_flare(block: Block, study: Facts, windows: FeatureTable | None) -> None:
    if windows is None:
        return
    told = "\n".join(
        f"- *{row['method']}*: found in {per_cent(estimate(row['found']), 1)} of "
        f"{row['windows']} windows, 68 % error {radius(estimate(row['error68']))}; 68 % ellipses "
        f"hold the catalogue position in {per_cent(estimate(row['containment68']))}"
        for row in study["flare"]
    )
    block.callout(
        "note",
        f"PKS 2155-304 in its flare of July 2006, cut into windows of {study['window']:g} s:\n\n"
        + told,
        title="A flare, minute by minute",
    )


def _add_off(block: Block, study: Facts) -> None:
    block.table(
        [
            {
                **row,
                "verdict": "yes" if row["within"] else "no",
                "in": ", ".join(map(str, row["runs_with"])),
            }
            for row in study["off"]
        ],
        columns=[
            Column("method", "Method"),
            Column("runs", "Runs", format="d"),
            Column("candidates", "Candidates", format="d"),
            Column("expected", "Stated", format=".2f"),
            Column("verdict", "Within the interval"),
            Column("in", "In runs"),
        ],
        caption=f"Runs without a known source, at {study['stated']:g} stated false alarms per "
        "field.",
    )
