"""How long it takes."""

from skysift.report import Column, Page
from skysift.report.plots.timing import plot_stage_times
from skysift.tasks.gamma_sky.pages.reading import Facts, estimate, only

__all__ = ["add_speed"]

_ALL = "all"
_LIMIT = (10.0, "10 ms")


def add_speed(page: Page, facts: Facts) -> None:
    """Add the times of stages and methods."""
    study = facts["timing"]
    section = page.section(
        "How long does it take?",
        lead=f"From {study['photons']:,.0f} photons in memory to candidates with ellipses, one "
        "core, on the machine named below, whatever else it was doing.",
    )
    methods = list(dict.fromkeys(row["method"] for row in study["stages"]))
    stages = {
        name: {
            row["stage"]: row["value"]
            for row in only(study["stages"], method=name)
            if row["stage"] != _ALL
        }
        for name in methods
    }
    section.figure(
        plot_stage_times(stages, limit=_LIMIT),
        caption=f"**Stages of the search.** Medians of {study['n']:,} fields with a source.",
        alt="Stacked bars of the median time of each stage.",
        wide=True,
    )
    section.table(
        [{**row, "median": estimate(row)} for row in study["stages"]],
        columns=[
            Column("method", "Method"),
            Column("stage", "Stage"),
            Column("median", "Median", format=".2f", unit="ms"),
            Column("p99", "99th percentile", format=".2f", unit="ms"),
        ],
        caption="Intervals of the medians: 95 %.",
    )
    if "method_timing" in facts:
        section.table(
            [{**row, "median": estimate(row)} for row in facts["method_timing"]["methods"]],
            columns=[
                Column("method", "Method"),
                Column("median", "Median", format=".1f", unit="ms", best="min"),
                Column("p99", "99th percentile", format=".1f", unit="ms", best="min"),
            ],
            caption="All methods on the same fields, from a counts map to candidates. gammapy: its "
            "response already reduced.",
        )
