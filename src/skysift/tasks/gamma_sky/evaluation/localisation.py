"""Where is it, how sure is that, and how faint may it be: three answers from the same fields."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress, silent
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.evaluate.localisation import (
    detection_efficiency,
    ellipse_containment,
    error_quantile,
    quantile_of_bounds,
    threshold_for,
)
from skysift.tasks.gamma_sky.evaluation.sources import (
    ORACLE,
    empty_statistics,
    search_fields,
)
from skysift.tasks.gamma_sky.evaluation.study import Contestant, StudyResult, as_facts
from skysift.tasks.gamma_sky.field_setup import FieldSetup

__all__ = [
    "FALSE_ALARMS",
    "FLUXES",
    "FOUND_WITHIN",
    "efficiency_facts",
    "localisation_facts",
    "locate_sources",
    "outliers",
    "thresholds_of",
]

BoolArray = NDArray[np.bool_]

FLUXES = (0.03, 0.06, 0.1, 0.3, 1.0)
FALSE_ALARMS = 0.01
"""Share of fields without sources on which a method may have a candidate."""
FOUND_WITHIN = 0.2
"""Distance [deg] of a candidate from the source up to which it counts as found."""
_STATED = (0.68, 0.95)
_OFFSET_EDGES = (0.0, 0.5, 1.0, 1.5, 2.0)
_FEWEST = 10


def locate_sources(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    n_empty: int = 1000,
    fluxes: Sequence[float] = FLUXES,
) -> StudyResult:
    """Measure errors against the bound, containment of the ellipses, and detection efficiency.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    contestants : sequence of Contestant
        With thresholds low enough for most fields to have a candidate.
    n : int
        Fields at each flux.
    rng : numpy.random.Generator
    progress : callable
    n_empty : int
        Fields without sources, on which the threshold of each method is set by its own statistic.
    fluxes : sequence of float [Crab]

    Returns
    -------
    StudyResult
        Facts ``thresholds``, ``localisation``, ``by_offset`` and ``efficiency``.
    """
    share = n_empty / (n_empty + n * len(fluxes))
    empty = empty_statistics(
        setup, contestants, n_empty, rng, progress=lambda done, what: progress(share * done, what)
    )
    thresholds = thresholds_of(empty)
    table = search_fields(
        setup,
        contestants,
        fluxes,
        n,
        rng,
        with_oracle=True,
        progress=lambda done, what: progress(share + (1 - share) * done, what),
    )
    # The oracle answers on the fields where the first contestant has found something.
    levels = {**thresholds, ORACLE: thresholds[contestants[0].name]}
    facts = {
        "false_alarms": FALSE_ALARMS,
        "found_within": FOUND_WITHIN,
        "n": n,
        "n_empty": n_empty,
        "thresholds": {name: as_facts(one, n_empty) for name, one in thresholds.items()},
        **localisation_facts(table, levels),
        "efficiency": efficiency_facts(table, thresholds),
    }
    return StudyResult("localisation", facts, table)


def thresholds_of(empty: Mapping[str, NDArray[np.float64]]) -> dict[str, Interval]:
    """Return the threshold of each method from its statistics on empty fields."""
    return {name: threshold_for(values, FALSE_ALARMS) for name, values in empty.items()}


def localisation_facts(
    table: FeatureTable, thresholds: Mapping[str, Interval]
) -> dict[str, list[dict[str, Any]]]:
    """Return errors, bounds and containment of every method by flux, and by flux and offset.

    Parameters
    ----------
    table : FeatureTable
        From `search_fields`.
    thresholds : mapping of str to Interval
        By method; those left out are not reported.
    """
    by_flux, by_offset = [], []
    for name, threshold in thresholds.items():
        of_method = table["method"] == name
        for flux in np.unique(table["flux"]):
            chosen = of_method & (table["flux"] == flux)
            above = chosen & (table["statistic"] > threshold.value)
            by_flux.append({"method": name, "flux": float(flux), **_measured(table, chosen, above)})
            for low, high in pairwise(_OFFSET_EDGES):
                here = (table["offset"] >= low) & (table["offset"] < high)
                row = {"method": name, "flux": float(flux), "low": low, "high": high}
                by_offset.append(row | _measured(table, chosen & here, above & here))
    return {"localisation": by_flux, "by_offset": by_offset}


def _measured(table: FeatureTable, chosen: BoolArray, above: BoolArray) -> dict[str, Any]:
    """Return the numbers of one method at one flux."""
    found = above & (table["error"] <= FOUND_WITHIN)
    n = int(found.sum())
    error = error_quantile(table["error"][found])
    strongest = chosen & (table["error"] <= FOUND_WITHIN)
    facts: dict[str, Any] = {
        "maps": int(chosen.sum()),
        "found": as_facts(wilson_interval(n, int(chosen.sum())), int(chosen.sum())),
        "error68": as_facts(error, n),
        "error68_any": as_facts(error_quantile(table["error"][strongest]), int(strongest.sum())),
        "far": int(np.sum(above & (table["error"] > FOUND_WITHIN))),
        "bound68_all": quantile_of_bounds(table["bound"][chosen]) if chosen.any() else None,
        "bound68": None,
        "ratio": None,
    }
    if n >= _FEWEST:
        bound = quantile_of_bounds(table["bound"][found])
        facts["bound68"] = bound
        limits = (error.value / bound, error.low / bound, error.high / bound)
        facts["ratio"] = as_facts(Interval(*limits), n)
    for stated in _STATED:
        share, ellipses = ellipse_containment(table["squared"][found], stated)
        facts[f"containment{100 * stated:.0f}"] = as_facts(share, ellipses) if ellipses else None
    return facts


def efficiency_facts(
    table: FeatureTable, thresholds: Mapping[str, Interval]
) -> list[dict[str, Any]]:
    """Return the share of sources found, by method and flux.

    A source is found if the strongest candidate is above the threshold and near it.
    """
    rows = []
    near = table["error"] <= FOUND_WITHIN
    statistic = np.where(near, table["statistic"], -np.inf)
    for name, threshold in thresholds.items():
        for flux in np.unique(table["flux"]):
            chosen = (table["method"] == name) & (table["flux"] == flux)
            found = detection_efficiency(statistic[chosen], threshold)
            rows.append({"method": name, "flux": float(flux), **as_facts(found, int(chosen.sum()))})
    return rows


def outliers(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    flux: float = 1.0,
) -> StudyResult:
    """Count sources of 1 Crab that are placed more than 0.2 deg off, anywhere on the sky.

    A third of the fields lie at a pole, a third across right ascension 0.
    """
    table = search_fields(setup, contestants, (flux,), n, rng, progress=progress)
    facts = []
    for one in contestants:
        error = table["error"][table["method"] == one.name]
        far = int(np.sum(~(error <= FOUND_WITHIN)))  # a source that is not found is one as well
        facts.append(
            {
                "method": one.name,
                "outliers": far,
                "share": as_facts(wilson_interval(far, len(error)), len(error)),
                "largest": float(np.nanmax(error)) if np.isfinite(error).any() else None,
            }
        )
    return StudyResult("outliers", {"flux": flux, "n": n, "methods": facts}, table)
