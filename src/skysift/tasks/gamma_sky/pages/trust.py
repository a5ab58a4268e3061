"""What can be trusted: false alarms, close pairs, wrong responses."""

from collections.abc import Sequence

from skysift.report import Block, Column, Page
from skysift.report.plots import plot_comparison
from skysift.report.plots.detection import plot_detection, plot_false_alarms
from skysift.report.plots.series import Series
from skysift.tasks.gamma_sky.pages.reading import (
    COLOURS,
    FREE,
    KNOWN,
    Facts,
    estimate,
    only,
    series,
)

__all__ = ["add_false_alarms", "add_pairs", "add_robustness"]

_STATED = 0.01
_BRIGHT = 1.0


def add_false_alarms(page: Page, facts: Facts) -> None:
    """Add counted against stated false alarms."""
    study = facts["false_alarms"]
    rows = study["rates"]
    section = page.section(
        "Does it cry wolf?",
        lead=f"Candidates on {study['n']:,} fields without sources at each background level, "
        "against the number that the search states. It is not told the level.",
    )
    for name in (KNOWN, FREE):
        curves: dict[str, Series] = {}
        for scale in sorted({row["scale"] for row in rows}):
            one = series(only(rows, method=name, scale=scale), "stated")
            if one is not None:
                curves[f"background x {scale:g}"] = one
        section.figure(
            plot_false_alarms(curves),
            caption=f"**{name}.** On the line where the search keeps its word. Bars: exact Poisson "
            "intervals, 95 %.",
            alt=f"Counted against stated false alarms of {name}.",
        )
    section.table(
        [
            {
                **row,
                "limits": estimate(row),
                "verdict": "yes" if row["within"] else "no",
            }
            for row in rows
            if row["stated"] == _STATED
        ],
        columns=[
            Column("method", "Method"),
            Column("scale", "Background x", format="g"),
            Column("candidates", "Candidates", format=",d"),
            Column("expected", "Stated", format=",.0f"),
            Column("limits", "Per field", format=".4f"),
            Column("verdict", "Stated rate within"),
        ],
        caption=f"At {_STATED:g} stated false alarms per field, {study['n']:,} fields each.",
    )


def add_pairs(page: Page, facts: Facts) -> None:
    """Add pairs of sources."""
    study = facts["pairs"]
    rows = study["pairs"]
    section = page.section(
        "Two at once",
        lead=f"Two sources of {study['flux']:g} Crab each, {study['n']:,} fields at each "
        "separation: is each found by a candidate of its own?",
    )
    curves = {
        name: one
        for name in (KNOWN, FREE)
        if (one := series(only(rows, method=name), "separation")) is not None
    }
    axes = plot_detection(curves, colors=COLOURS)
    axes.set_xlabel("Separation [deg]")
    axes.set_ylabel("Share of fields with both found")
    section.figure(
        axes,
        caption="**Both found, against separation.** Within 0.1 deg, or half of the separation.",
        alt="Share of fields in which both sources are found, by separation.",
    )
    extra = [row for row in rows if row["more_than_two"] > 0]
    if extra:
        worst = max(extra, key=lambda row: row["more_than_two"])
        section.callout(
            "warning",
            f"More candidates than sources in {100 * worst['more_than_two']:.0f} % of the fields "
            f"at {worst['separation']:g} deg (*{worst['method']}*).",
            title="Ghosts",
        )


def add_robustness(page: Page, facts: Facts) -> None:
    """Add what becomes of the search where its suppositions fail."""
    study = facts["robustness"]
    rows = study["scenarios"]
    flux = max({row["flux"] for row in rows})
    section = page.section(
        "When the response is wrong",
        lead="Point spread functions, arrays, spectra and cameras that the search does not know "
        f"of. {study['n']:,} fields at each flux, {study['n_empty']:,} without sources.",
    )
    bright = only(rows, flux=flux)
    for name in (KNOWN, FREE):
        found = {
            row["scenario"]: one
            for row in only(bright, method=name)
            if (one := estimate(row["error68"])) is not None
        }
        if found:
            section.figure(
                plot_comparison(
                    found,
                    label=f"68 % error at {flux:g} Crab [deg]",
                    higher_is_better=False,
                    reference="as supposed" if "as supposed" in found else None,
                    colors=dict.fromkeys(found, COLOURS[name]),
                ),
                caption=f"**{name}**: position errors, the best on top. Line: all as supposed.",
                alt=f"68 % error of {name} in each scenario.",
                wide=True,
            )
    _add_table(section.details("Errors, ellipses and false alarms in every scenario"), rows)


def _add_table(block: Block, rows: Sequence[Facts]) -> None:
    block.table(
        [
            {
                "scenario": row["scenario"],
                "method": row["method"],
                "flux": row["flux"],
                "found": estimate(row["found"]),
                "error68": estimate(row["error68"]),
                "containment68": estimate(row["containment68"]),
                "containment95": estimate(row["containment95"]),
                "empty": estimate(row["empty"]),
            }
            for row in rows
        ],
        columns=[
            Column("scenario", "Scenario"),
            Column("method", "Method"),
            Column("flux", "Flux", format="g", unit="Crab"),
            Column("found", "Found", format=".1%"),
            Column("error68", "68 % error", format=".4f", unit="deg"),
            Column("containment68", "In 68 %", format=".1%"),
            Column("containment95", "In 95 %", format=".1%"),
            Column("empty", "Candidates per empty field", format=".3f"),
        ],
        caption="At 0.01 stated false alarms per field. Intervals: 95 %.",
    )
