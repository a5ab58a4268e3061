"""Where is it, and how faint may it be: every method against the bound."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from skysift.report import Block, Column, Page
from skysift.report.plots.detection import plot_detection
from skysift.report.plots.localisation import plot_containment, plot_position_error
from skysift.report.plots.series import Series
from skysift.tasks.gamma_sky.options import PUBLISHED
from skysift.tasks.gamma_sky.pages.reading import (
    COLOURS,
    FREE,
    GAMMAPY,
    KNOWN,
    ORACLE,
    Facts,
    estimate,
    only,
    series,
)
from skysift.tasks.gamma_sky.pages.summary import methods_of, result_rows

__all__ = ["add_comparison", "add_efficiency", "add_far", "add_precision"]

_SHOWN = (
    *(KNOWN, FREE, "matched-filter, IRF-free", "smoothed-maximum", GAMMAPY),
    *("network, IRF-free", *PUBLISHED),
)
_FAINT = 0.1  # Crab
_STATED = ((0.68, "containment68"), (0.95, "containment95"))
_BY_OFFSET = (KNOWN, FREE, GAMMAPY)
_BOUND_AT = 1.0  # Crab, for the figure by offset


def add_comparison(page: Page, facts: Facts) -> None:
    """Add the table of all methods."""
    study = facts["localisation"]
    section = page.section(
        "Every method, the same photons",
        lead=f"{study['n']:,} fields at each flux, {study['n_empty']:,} empty ones to set each "
        "method's threshold by its own statistic, so that all have the same false alarms: one "
        "field in a hundred.",
    )
    fluxes = sorted({row["flux"] for row in study["localisation"]})
    shown = [flux for flux in fluxes if flux in (0.1, 0.3, 1.0)] or fluxes
    section.table(
        result_rows(facts),
        columns=[
            Column("method", "Method"),
            *(
                Column(f"error68@{f:g}", f"Error, {f:g} Crab", format=".4f", best="min")
                for f in reversed(shown)
            ),
            *(
                Column(f"efficiency@{f:g}", f"Found, {f:g} Crab", format=".0%", best="max")
                for f in fluxes
                if f == _FAINT
            ),
            Column("ms", "ms", format=".0f", best="min"),
        ],
        caption="Error: the 68 % radius in degrees, of sources above the threshold and within "
        "0.2 deg. Intervals: 95 %, order statistics for errors, Wilson's with the threshold's own "
        "for efficiencies; ms: median time of a field. A dot marks the best. A search without a "
        "response (*IRF-free*) knows nothing of the instrument that the simulation used.",
    )


def add_precision(page: Page, facts: Facts) -> None:
    """Add errors against the bound, and the containment of the ellipses."""
    study = facts["localisation"]
    section = page.section(
        "Where is it?",
        lead="No unbiased method can do better than the Cramer-Rao bound. Fields lie all over the "
        "sky, a third at the poles, a third across right ascension 0.",
    )
    methods = [name for name in _SHOWN if name in methods_of(facts)]
    rows = study["localisation"]
    curves = _curves(rows, methods, "flux", "error68")
    oracle = only(rows, method=ORACLE)
    limit = Series([row["flux"] for row in oracle], [row["bound68_all"] for row in oracle])
    section.figure(
        plot_position_error(curves, bound=limit, colors=COLOURS),
        caption="**Error against flux.** The shaded region is out of reach for anyone. Faint "
        "sources can seem to enter it: only the lucky ones pass the threshold.",
        alt="68 % position error of each method against flux, with the Cramer-Rao bound.",
    )
    at = _nearest_flux(rows, _BOUND_AT)
    section.figure(
        _by_offset(study, [one for one in methods if one in _BY_OFFSET], at),
        caption=f"**Error against offset** from the pointing, sources of {at:g} Crab. Bands of "
        "half a degree.",
        alt="68 % position error of each method against offset, with the Cramer-Rao bound.",
    )
    _add_ellipses(section, rows, methods)
    _add_bound_table(section.details("Each method over the bound"), rows, [*methods, ORACLE])


def _curves(
    rows: Sequence[Facts], methods: Sequence[str], x: str, y: str | None
) -> dict[str, Series]:
    found = {name: series(only(rows, method=name), x, y) for name in methods}
    return {name: one for name, one in found.items() if one is not None}


def _nearest_flux(rows: Sequence[Facts], wanted: float) -> float:
    return float(min({row["flux"] for row in rows}, key=lambda flux: abs(flux - wanted)))


def _by_offset(study: Facts, methods: Sequence[str], flux: float) -> Axes:
    rows = [
        {**row, "offset": (row["low"] + row["high"]) / 2}
        for row in only(study["by_offset"], flux=flux)
    ]
    bound = [row for row in only(rows, method=ORACLE) if row["bound68_all"] is not None]
    limit = Series([row["offset"] for row in bound], [row["bound68_all"] for row in bound])
    return plot_position_error(
        _curves(rows, methods, "offset", "error68"),
        bound=limit if bound else None,
        label="Offset from the pointing [deg]",
        log=False,
        colors=COLOURS,
    )


def _add_ellipses(block: Block, rows: Sequence[Facts], methods: Sequence[str]) -> None:
    points: dict[str, dict[float, Series]] = {}
    for name in methods:
        levels = {stated: series(only(rows, method=name), "flux", key) for stated, key in _STATED}
        known = {stated: one for stated, one in levels.items() if one is not None}
        if known:
            points[name] = known
    if not points:
        return
    block.figure(
        plot_containment(points, colors=COLOURS),
        caption="**Do the ellipses keep their word?** Share of 68 and 95 % ellipses that hold the "
        "true position. Bands: three points either way.",
        alt="Containment of 68 and 95 % error ellipses by method and flux.",
    )


def _add_bound_table(block: Block, rows: Sequence[Facts], methods: Sequence[str]) -> None:
    block.table(
        [
            {
                "method": row["method"],
                "flux": row["flux"],
                "error68": estimate(row["error68"]),
                "bound68": row["bound68"],
                "ratio": estimate(row["ratio"]),
                "any": estimate(row["error68_any"]),
                "containment68": estimate(row["containment68"]),
                "containment95": estimate(row["containment95"]),
                "n": row["error68"]["n"],
            }
            for name in methods
            for row in only(rows, method=name)
        ],
        columns=[
            Column("method", "Method"),
            Column("flux", "Flux", format="g", unit="Crab"),
            Column("error68", "68 % error", format=".4f", unit="deg"),
            Column("bound68", "Bound", format=".4f", unit="deg"),
            Column("ratio", "Over the bound", format=".2f"),
            Column("any", "68 % error without a threshold", format=".4f", unit="deg"),
            Column("containment68", "In 68 %", format=".1%"),
            Column("containment95", "In 95 %", format=".1%"),
            Column("n", "Found", format=",d"),
        ],
        caption="The bound is that of the very fields in which the method found the source. The "
        "*oracle* starts at the true place and knows response and background: what it misses of "
        "the bound nobody can have. Without a threshold: the strongest candidate of each field, "
        "if within 0.2 deg.",
    )


def add_far(page: Page, facts: Facts) -> None:
    """Add the largest errors of bright sources anywhere on the sky."""
    study = facts["outliers"]
    worst = max(study["methods"], key=lambda row: row["outliers"])
    text = (
        f"{study['n']:,} sources of {study['flux']:g} Crab all over the sky, poles and right "
        "ascension 0 included. "
    )
    told = "; ".join(
        f"*{row['method']}*: {row['outliers']} more than 0.2 deg off, the largest error "
        f"{row['largest']:.4f} deg"
        for row in study["methods"]
    )
    kind = "finding" if worst["outliers"] == 0 else "warning"
    section = page.section("How wrong can it be?")
    section.callout(kind, f"{text}{told}.", title="Far off")  # type: ignore[arg-type]


def add_efficiency(page: Page, facts: Facts) -> None:
    """Add detection efficiency against flux."""
    study = facts["localisation"]
    rows = study["efficiency"]
    compared = methods_of(facts)
    # All of a comparison of others, which may be any of the methods.
    methods = [name for name in _SHOWN if name in compared] or list(compared)
    at = _nearest_flux(rows, _FAINT)
    section = page.section("How faint may it be?", lead=_faint(rows, at))
    section.figure(
        plot_detection(_curves(rows, methods, "flux", None), colors=COLOURS),
        caption="**Sources found against flux**, at one false alarm in a hundred empty fields for "
        f"every method. {study['n']:,} fields at each flux.",
        alt="Detection efficiency of each method against flux.",
    )
    bias = study.get("selection_bias", [])
    if bias:
        section.details("Why a discovery seems brighter than it is").table(
            [{**row, "bias": estimate(row)} for row in bias],
            columns=[
                Column("method", "Method"),
                Column("flux", "Flux", format="g", unit="Crab"),
                Column("bias", "Bias of the counts", format="+.1%"),
                Column("n", "Found", format=",d"),
            ],
            caption="Of sources near the threshold only those pass that chance has made brighter "
            "(Eddington 1913). That is selection, not a fault of the photometry, which the next "
            "section measures without it.",
        )


def _faint(rows: Sequence[Facts], flux: float) -> str:
    told = [
        f"*{name}* {100 * one.value:.0f} %"
        for name in (KNOWN, FREE, GAMMAPY)
        for row in only(rows, method=name, flux=flux)
        if (one := estimate(row)) is not None
    ]
    return f"At {flux:g} Crab in 100 s: {', '.join(told)} of the sources."
