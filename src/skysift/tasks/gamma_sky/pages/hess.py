"""Real runs."""

import numpy as np

from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page
from skysift.report.plots.localisation import plot_error_distribution
from skysift.tasks.gamma_sky.pages.reading import COLOURS, Facts, estimate, only, per_cent, radius

__all__ = ["add_hess"]

_ARCSEC = 3600.0


def add_hess(page: Page, facts: Facts, windows: FeatureTable | None) -> None:
    """Add the H.E.S.S. runs."""
    study = facts["hess"]
    section = page.section(
        "On the real sky",
        lead=f"H.E.S.S. runs above {study['lowest']:g} TeV where no other energy is given. "
        f"{study['attribution']} They are here to test software; nothing is claimed about the "
        "sources.",
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
            Column("gammapy_fit_distance", "gammapy, fit", format=".4f"),
            Column("gammapy_fit_error", "error", format=".4f"),
            Column("centroid_distance", "Centroid", format=".4f"),
            Column("centroid_error", "error", format=".4f"),
        ],
        caption="Distances from the catalogue position in degrees, beside the 68 % radius that the "
        "search states; gammapy's peak states none. *gammapy, fit*: its own likelihood fit of a "
        "point source with the whole response, begun at the catalogue position. *Centroid*: the "
        "mean of the photons within 0.12 deg less an even background, which supposes nothing of "
        "the instrument. Errors are those of a coordinate. Where both are as far off as the "
        "search, the photons are.",
    )


def _add_flare(block: Block, study: Facts, windows: FeatureTable | None) -> None:
    if windows is None or not study["flare"]:
        return
    verdict = only(
        study["flare"], lowest=study["flare"][0]["lowest"], runs=study["flare"][0]["runs"]
    )
    lowest, runs = verdict[0]["lowest"], verdict[0]["runs"]
    shown = (windows["lowest"] == lowest) & np.isin(windows["run"], verdict[0]["obs_ids"])
    errors = {
        row["method"]: windows["error"][shown & (windows["method"] == row["method"])]
        for row in verdict
    }
    block.figure(
        plot_error_distribution(
            errors, label="Distance from the catalogue position [deg]", colors=COLOURS
        ),
        caption=f"**The flare in windows of {study['window']:g} s**, above {lowest:g} TeV, runs "
        f"{runs}: share of all windows in which the source is found within a distance.",
        alt="Cumulative distribution of position errors in short windows of the flare.",
    )
    told = "\n".join(f"- *{row['method']}*: {_told(row)}" for row in verdict)
    block.callout(
        "note",
        f"PKS 2155-304 on 29 July 2006, cut into windows of {study['window']:g} s, above "
        f"{lowest:g} TeV, in runs {runs}:\n\n{told}",
        title="A flare, minute by minute",
    )
    if study.get("followed") is not None:
        block.callout("note", _followed(study["followed"], study["window"]), title="As a stream")
    _add_choices(block, study)


def _followed(found: Facts, window: float) -> str:
    """Say what a stream makes of the same runs, which knows where the source was."""
    return (
        f"A window that is searched by itself has to find the source anew. The same runs as a "
        f"stream (`--windows {window:g}s --light-curve {window:g}s`), which tells each source by a "
        f"name and measures it where earlier windows saw it: of {found['bins']} whole bins of "
        f"{window:g} s, the source is known at the end of {per_cent(estimate(found['known']), 1)} "
        f"and above {found['level']:.2f} standard deviations (1 % by chance at one place) in "
        f"{per_cent(estimate(found['measured']), 1)}; the weakest bin has "
        f"{found['weakest']:.1f}. It got another name {found['renamed']} times within a run."
    )


def _told(row: Facts) -> str:
    return (
        f"found in {per_cent(estimate(row['found']), 1)} of {row['windows']} windows, 68 % error "
        f"{radius(estimate(row['error68']))}; {_allowed(row)} 68 % ellipses hold the catalogue "
        f"position in {per_cent(estimate(row['containment68']))}. {_pointing(row)}{_missed(row)}"
    )


def _allowed(row: Facts) -> str:
    if row["bound68"] is None:
        return ""
    return (
        f"no unbiased method can be below {row['bound68']:.4f} deg with these photons (Cramer-Rao)."
    )


def _pointing(row: Facts) -> str:
    """Say whether the ellipses or the pointing of whole runs explain what they do not hold."""
    if row["pointing"] is None:
        return ""
    value, low, high = (_ARCSEC * row["pointing"][key] for key in ("value", "low", "high"))
    return (
        f"Windows scatter in their runs with {row['scatter_in_runs']:.2f} times the stated "
        f"variance; whole runs lie off by {value:.0f} arcsec ({low:.0f} to {high:.0f}) per "
        "coordinate besides, an error of the pointing that no ellipse of photons has. "
    )


def _add_choices(block: Block, study: Facts) -> None:
    """Add what other energies and runs give, so that nobody has to trust one choice."""
    block.table(
        [
            {
                **row,
                **{
                    key: estimate(row[key])
                    for key in ("found", "error68", "containment68", "containment95")
                },
                "n_missed": len(row["missed"]),
                "li_ma": float(np.median(row["missed"])) if row["missed"] else None,
            }
            for row in study["flare"]
        ],
        columns=[
            Column("lowest", "Above", format="g", unit="TeV"),
            Column("runs", "Runs"),
            Column("method", "Method"),
            Column("windows", "Windows", format="d"),
            Column("found", "Found", format=".1%"),
            Column("error68", "68 % error", format=".4f", unit="deg"),
            Column("bound68", "Bound", format=".4f", unit="deg"),
            Column("stated68", "Stated", format=".4f", unit="deg"),
            Column("containment68", "In 68 %", format=".1%"),
            Column("containment95", "In 95 %", format=".1%"),
            Column("n_missed", "Missed", format="d"),
            Column("li_ma", "Li & Ma there", format=".1f"),
        ],
        caption="Every choice of energies and runs. *Brighter than the Crab*: the whole run has "
        "more counts, over those that its response gives the Crab Nebula, than run 23523 of the "
        "Crab Nebula has. *Bound*: Cramer-Rao, from the counts of each window at "
        "the known place. *Stated*: what the ellipses amount to. *Li & Ma there*: at the known "
        "place, the middle of the windows that are missed; a blind search needs about five.",
    )


def _missed(row: Facts) -> str:
    """Say how strong the source was, at its known place, where it was not found."""
    missed = row["missed"]
    if not missed:
        return "None is missed."
    runs = ", ".join(map(str, row["missed_in"]))
    return (
        f"In the {len(missed)} windows without it, of runs {runs}, Li & Ma at the known place "
        f"gives {min(missed):.1f} to {max(missed):.1f} standard deviations, "
        f"{np.median(missed):.1f} in the middle."
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
