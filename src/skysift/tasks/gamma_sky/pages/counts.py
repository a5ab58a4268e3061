"""How many photons did it send: bias and pull of the counts, and the two faults that are gone."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from skysift.data.table import FeatureTable
from skysift.report import Block, Column, Page
from skysift.report.plots.counts import plot_bias, plot_pulls
from skysift.report.plots.series import Series
from skysift.tasks.gamma_sky.pages.reading import (
    COLOURS,
    FREE,
    KNOWN,
    Facts,
    estimate,
    only,
    series,
    signed,
)

__all__ = ["add_counts"]

_LABELS = {
    "zenith": "Zenith angle [deg]",
    "exposure": "Exposure [s]",
    "flux": "Flux [Crab]",
    "offset": "Offset from the pointing [deg]",
}
_TWO_PEAKS = 0.05


def add_counts(page: Page, facts: Facts, table: FeatureTable) -> None:
    """Add the study of the source counts."""
    study = facts["counts"]
    groups = study["groups"]
    overall = only(groups, by="all", method=FREE)[0]
    bias, width = estimate(overall["bias"]), estimate(overall["pull_width"])
    lead = ""
    if bias is not None and width is not None:
        lead = (
            f"Over all conditions, without a response: bias {signed(bias.value)} % "
            f"({signed(bias.low)} to {signed(bias.high)}), pull width {width.value:.2f} "
            f"({width.low:.2f} to {width.high:.2f}), {overall['bias']['n']:,} sources. Counts are "
            "measured at the true place whether or not a search would have found the source."
        )
    section = page.section("How many photons?", lead=lead)
    for by, label in _LABELS.items():
        section.figure(
            _bias_plot(groups, by, label),
            caption=f"**Bias by {by}.** Band: 3 %. Zenith angles 0 to 60 deg, exposures 30 to "
            "1800 s, fluxes from 0.1 Crab, all mixed."
            if by == "zenith"
            else f"**Bias by {by}.** Band: 3 %.",
            alt=f"Relative bias of source counts by {by}.",
        )
    pulls = {
        name: (table["counts"][mine] - table["expected"][mine]) / table["error"][mine]
        for name in (KNOWN, FREE)
        if (mine := table["method"] == name).any()
    }
    section.figure(
        plot_pulls(pulls, colors=COLOURS),
        caption="**Pulls of the counts**, all conditions. The width is 1 where the stated errors "
        "are right. At random zenith angles the published network's residuals have two peaks; "
        f"Silverman's test finds {_peaks(study, 'two_peaks_p_any_zenith')} here.",
        alt="Histogram of pulls of source counts with a standard normal curve.",
    )
    suspect = table["zenith"] == study["suspect_zenith"]
    residuals = {
        name: (table["counts"] - table["expected"])[suspect & (table["method"] == name)]
        / table["error"][suspect & (table["method"] == name)]
        for name in pulls
    }
    section.figure(
        plot_pulls(residuals, colors=COLOURS),
        caption=f"**The same at zenith {study['suspect_zenith']:g} deg alone**: "
        f"{_peaks(study, 'two_peaks_p')}.",
        alt="Histogram of pulls at one zenith angle.",
    )
    section.figure(
        _uneven_plot(study["faults"]),
        caption=f"**Bias by the number of counts, at zenith {study['suspect_zenith']:g} deg**, "
        "where the published network loses counts unevenly. A fifth of the sources each. Band: "
        "3 %.",
        alt="Relative bias of source counts by expected counts at one zenith angle.",
    )
    _add_faults(section, study)
    every = section.details("Bias and pull under every condition")
    _add_table(every, groups)
    _add_cells(every, study["cells"])


def _bias_plot(groups: Sequence[Facts], by: str, label: str) -> Axes:
    places = sorted({row["at"] for row in only(groups, by=by)})
    curves: dict[str, Series] = {}
    for name in (KNOWN, FREE):
        rows = [{**row, "x": places.index(row["at"])} for row in only(groups, by=by, method=name)]
        one = series(rows, "x", "bias")
        if one is not None:
            curves[name] = one
    return plot_bias(curves, [f"{place:g}" for place in places], label=label, colors=COLOURS)


def _peaks(study: Facts, test: str) -> str:
    single = all(one[test] > _TWO_PEAKS for one in study["faults"].values())
    return "one peak" if single else "more than one peak"


def _uneven_plot(faults: Facts) -> Axes:
    shown = {name: faults[name]["by_counts"] for name in (KNOWN, FREE) if name in faults}
    curves: dict[str, Series] = {}
    for name, parts in shown.items():
        one = series([{**row, "x": place} for place, row in enumerate(parts)], "x", "bias")
        if one is not None:
            curves[name] = one
    places = [f"{row['low']:.0f} to {row['high']:.0f}" for row in next(iter(shown.values()))]
    return plot_bias(curves, places, label="Expected counts of the source", colors=COLOURS)


def _add_faults(block: Block, study: Facts) -> None:
    parts = []
    sound = True
    for name, fault in study["faults"].items():
        gap = estimate(fault["unevenness"])
        if gap is None:
            continue
        even = gap.low <= 0 <= gap.high
        single = min(fault["two_peaks_p"], fault["two_peaks_p_any_zenith"]) > _TWO_PEAKS
        sound &= even and single
        parts.append(
            f"- *{name}*, {fault['n']:,} sources: bias of the brighter half less that of the "
            f"fainter {signed(gap.value)} % ({signed(gap.low)} to {signed(gap.high)}); one peak "
            f"of the pulls rather than two: p = {fault['two_peaks_p']:.2f} (Silverman's test), at "
            f"all zenith angles p = {fault['two_peaks_p_any_zenith']:.2f}"
        )
    text = (
        f"At zenith {study['suspect_zenith']:g} deg the published cleaning network loses counts "
        "unevenly, and at random zenith angles its residuals have two peaks.\n\n" + "\n".join(parts)
    )
    block.callout("finding" if sound else "warning", text, title="Two known faults")


def _add_table(block: Block, groups: Sequence[Facts]) -> None:
    block.table(
        [
            {
                "method": row["method"],
                "by": row["by"],
                "at": row.get("at"),
                **{key: estimate(row[key]) for key in ("bias", "pull_mean", "pull_width")},
                "n": row["bias"]["n"],
            }
            for row in groups
        ],
        columns=[
            Column("method", "Method"),
            Column("by", "By"),
            Column("at", "At", format="g"),
            Column("bias", "Bias", format="+.2%"),
            Column("pull_mean", "Mean pull", format="+.2f"),
            Column("pull_width", "Pull width", format=".2f"),
            Column("n", "Sources", format=",d"),
        ],
        caption="Bias: all counts over all that were expected, less 1. Intervals: 95 %. Where all "
        "but the point spread function is unknown, what is left of the bias is the background's.",
    )


def _add_cells(block: Block, cells: Sequence[Facts]) -> None:
    block.table(
        [
            {
                **{key: row.get(key) for key in ("method", "zenith", "exposure", "flux")},
                **{key: estimate(row[key]) for key in ("bias", "pull_width")},
                "error": row["relative_error"],
                "n": row["bias"]["n"],
            }
            for row in cells
        ],
        columns=[
            Column("method", "Method"),
            Column("zenith", "Zenith", format="g", unit="deg"),
            Column("flux", "Flux", format="g", unit="Crab"),
            Column("exposure", "Exposure", format="g", unit="s"),
            Column("bias", "Bias", format="+.2%"),
            Column("error", "Error of a source", format=".0%"),
            Column("pull_width", "Pull width", format=".2f"),
            Column("n", "Sources", format=",d"),
        ],
        caption="By two conditions at once.",
    )
