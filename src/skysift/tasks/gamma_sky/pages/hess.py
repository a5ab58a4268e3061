"""Real runs."""

import numpy as np

from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page
from skysift.report.plots.localisation import plot_error_distribution
from skysift.tasks.gamma_sky.pages.reading import COLOURS, Facts, estimate, per_cent, radius

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
        ],
        caption="Crab Nebula (23523, 23559) and PKS 2155-304: significances. *Blind*: without "
        "knowing the place. *Li & Ma*: eq. 17 with reflected regions of 0.1 deg at the known "
        "place.",
    )
    block.table(
        study["steady"],
        columns=[
            Column("run", "Run", format="d"),
            Column("known_distance", "With response", format=".4f"),
            Column("known_err68", "stated", format=".4f"),
            Column("free_distance", "IRF-free", format=".4f"),
            Column("free_err68", "stated", format=".4f"),
            Column("gammapy_distance", "gammapy, blind", format=".4f"),
            Column("centroid_distance", "Centroid", format=".4f"),
            Column("centroid_error", "error", format=".4f"),
        ],
        caption="Distances from the catalogue position in degrees, beside the 68 % radius that the "
        "search states; gammapy states none. *Centroid*: the mean of the photons within 0.12 deg "
        "less an even background, which supposes nothing of the instrument; its error is that of a "
        "coordinate.",
    )


def _add_flare(block: Block, study: Facts, windows: FeatureTable | None) -> None:
    if windows is None:
        return
    told = "\n".join(
        f"- *{row['method']}*: found in {per_cent(estimate(row['found']), 1)} of "
        f"{row['windows']} windows, 68 % error {radius(estimate(row['error68']))}; 68 % ellipses "
        f"hold the catalogue position in {per_cent(estimate(row['containment68']))}, and amount to "
        f"{row['stated68']:.4f} deg together. {_missed(row)}"
        for row in study["flare"]
    )
    errors = {
        row["method"]: windows["error"][windows["method"] == row["method"]]
        for row in study["flare"]
    }
    block.figure(
        plot_error_distribution(
            errors, label="Distance from the catalogue position [deg]", colors=COLOURS
        ),
        caption=f"**The flare in windows of {study['window']:g} s**: share of all windows in which "
        "the source is found within a distance.",
        alt="Cumulative distribution of position errors in short windows of the flare.",
    )
    block.callout(
        "note",
        f"PKS 2155-304 in its flare of July 2006, cut into windows of {study['window']:g} s:\n\n"
        + told,
        title="A flare, minute by minute",
    )


def _missed(row: Facts) -> str:
    """Say how strong the source was, at its known place, where it was not found."""
    missed = row["missed"]
    if not missed:
        return "None is missed."
    return (
        f"In the {len(missed)} windows without it, Li & Ma at the known place gives "
        f"{min(missed):.1f} to {max(missed):.1f} standard deviations, {np.median(missed):.1f} in "
        "the middle."
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
