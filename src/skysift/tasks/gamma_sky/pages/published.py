"""What the published networks do, and what each of their faults costs: results that ship."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from skysift.report import Block, Column, Page
from skysift.report.plots import plot_comparison
from skysift.report.plots.localisation import plot_position_error
from skysift.report.plots.residuals import plot_residuals
from skysift.report.plots.series import Series
from skysift.report.plots.style import BACKGROUND, SERIES, SIGNAL
from skysift.tasks.gamma_sky.baseline.table import training_told
from skysift.tasks.gamma_sky.pages.reading import Facts, estimate, radius

__all__ = ["add_published", "stored_costs"]

_FILE = "results/published_networks.json"
_ORIGINAL, _CORRECTED, _OURS = "original", "corrected", "refined likelihood, IRF-free"
_COLOURS = {_ORIGINAL: BACKGROUND, _CORRECTED: SERIES[1], _OURS: SIGNAL, "gammapy": SERIES[3]}
_SOURCE = "the published networks, CNN-cleaner and CNN-regressor of astroAI (Di Piano et al.)"


def stored_costs() -> Facts | None:
    """Return the stored results, None where none ship."""
    path = Path(str(files("skysift.tasks.gamma_sky"))) / _FILE
    found: Facts | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def add_published(page: Page, facts: Facts) -> None:
    """Add the table of the published networks, fault by fault.

    Parameters
    ----------
    page : Page
        The report.
    facts : mapping
        Of ``skysift.tasks.gamma_sky.baseline.study``.
    """
    rows = facts["rows"]
    section = page.section(
        "What the published networks cost",
        lead=f"{facts['maps']:,} test maps of the data set of {_SOURCE}: one source of 1 Crab in "
        "100 s at 20 to 60 deg from the zenith. **Quoted, not made in this run.**",
    )
    section.text(_reading(rows))
    section.figure(
        plot_comparison(
            {row["method"]: one for row in rows if (one := estimate(row["error68"])) is not None},
            label="68 % position error [deg]",
            higher_is_better=False,
            reference=_ORIGINAL,
            digits=3,
            colors={
                row["method"]: BACKGROUND if row["group"] == "network" else SIGNAL for row in rows
            },
        ),
        caption="**Errors of all maps**, wrong answers included. Networks as published and with "
        "faults mended, and the methods that they are held against. Line: the original.",
        alt="68 % position error of each network and method.",
        wide=True,
    )
    _add_table(section, rows)
    _add_faults(section, rows)
    section.text(_budget(facts))


def _reading(rows: Sequence[Facts]) -> str:
    """Return the result in words."""
    named = {row["method"]: row for row in rows}
    if not {_ORIGINAL, _CORRECTED, _OURS} <= named.keys():
        return "Each network was trained with the same number of maps and steps."
    first, mended, ours = (
        radius(estimate(named[name]["error68"])) for name in (_ORIGINAL, _CORRECTED, _OURS)
    )
    before, after = (f"{named[name]['kept']['value']:.2f}" for name in (_ORIGINAL, _CORRECTED))
    return (
        f"The refined likelihood, without a response, places the source within **{ours}**; the "
        f"networks as published within {first}, and with a fixed grid, odd kernels, raw counts and "
        f"a target without the noise of the map within {mended}. What the faults cost is seen in "
        f"the cleaned maps, whose counts are {before} times the true ones in the original and "
        f"{after} times in the corrected one, and in the smoothed maximum, which needs no "
        "training, on both grids."
    )


def _add_table(section: Block, rows: Sequence[Facts]) -> None:
    section.table(
        [
            {
                "method": row["method"],
                "error68": estimate(row["error68"]),
                "outliers": estimate(row["outliers"]),
                "peak68": estimate(row["peak68"]),
                "kept": estimate(row["kept"]),
            }
            for row in rows
        ],
        columns=[
            Column("method", "Method"),
            Column("error68", "68 % error", format=".4f", unit="deg", best="min"),
            Column("outliers", "Beyond 0.2 deg", format=".1%", best="min"),
            Column("peak68", "Cleaned map's top", format=".3f", unit="deg"),
            Column("kept", "Counts kept", format=".2f"),
        ],
        caption="Intervals: 95 %, maps drawn again a thousand times, the same for all methods; "
        "Wilson's for shares. *Cleaned map's top*: 68 % error of the brightest place of the "
        "cleaned map, the regressor left out. *Counts kept*: sum of the cleaned counts within "
        "0.4 deg of the source over that of the true ones; for the likelihood the fitted counts.",
    )


def _add_faults(section: Block, rows: Sequence[Facts]) -> None:
    """Add the two faults that were known of the original, and errors by zenith angle."""
    shown = [row for row in rows if row["method"] in _COLOURS]
    residuals = [row for row in shown if row["residuals"]]
    if residuals:
        section.figure(
            plot_residuals(
                {row["method"]: row["residuals"]["across"] for row in residuals},
                residuals[0]["residuals"]["edges"],
                label="Found less true place, along columns [deg]",
                colors=_COLOURS,
            ),
            caption="**Residuals.** The original is known for two peaks at random zenith angles.",
            alt="Histograms of the residuals of the place.",
        )
    curves = {row["method"]: _by_zenith(row["by_zenith"], "error68") for row in shown}
    section.figure(
        plot_position_error(curves, label="Zenith angle [deg]", log=False, colors=_COLOURS),
        caption="**Errors against zenith angle**, in bands of 10 deg.",
        alt="68 % position error against zenith angle.",
    )
    table = [
        {"method": row["method"], **_kept_by_zenith(row)} for row in rows if row["kept"] is not None
    ]
    bands = [key for key in (table[0] if table else {}) if key != "method"]
    section.details("Counts kept, by zenith angle").table(
        table,
        columns=[
            Column("method", "Method"),
            *(Column(band, f"{band} deg", format=".2f") for band in bands),
        ],
        caption="Counts kept over the true ones. A loss that depends on the zenith angle is known "
        "of the original.",
    )


def _by_zenith(rows: Sequence[Facts], key: str) -> Series:
    known = [(row, one) for row in rows if (one := estimate(row[key])) is not None]
    return Series(
        [(row["low"] + row["high"]) / 2 for row, _ in known],
        [one.value for _, one in known],
        [one.low for _, one in known],
        [one.high for _, one in known],
    )


def _kept_by_zenith(row: Facts) -> dict[str, Any]:
    return {
        f"{band['low']:.0f} to {band['high']:.0f}": estimate(band["kept"])
        for band in row["by_zenith"]
    }


def _budget(facts: Facts) -> str:
    """Return how long was trained, and the command."""
    return (
        f"{training_told(facts)} Each was trained once: another start would end elsewhere. Sources "
        f"and background are simulated with '{facts['response']}'. Command: `{facts['command']}`."
    )
