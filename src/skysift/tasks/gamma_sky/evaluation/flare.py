"""The flare of PKS 2155-304 in the night of 29 July 2006, cut into windows of 100 s.

What is the flare, and what is seen of it, is fixed by two rules that look at no window:

- Energies are those of the published light curves of the flares of that summer, above 0.2 TeV
  (Aharonian et al. 2007, ApJ 664, L71); a window of a search for transients has no reason to
  throw photons away. Above 0.4 TeV, where runs at all zenith angles see, is stated beside it.
- The flare is on in runs in which the source is brighter than the Crab Nebula in its own run of the
  release, both measured alike. The whole night, which ends below that, is stated beside it.

Each row has what the photons allow: the Cramer-Rao bound of each window, from the counts at the
known place and the run's response, and the significance at the known place where it is missed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.gadf_index import ObservationIndex
from skysift.evaluate.ellipse import ellipse_scale
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.localisation import (
    ellipse_containment,
    error_quantile,
    mahalanobis_squared,
    quantile_of_bounds,
)
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.refine import expected_information
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN, NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.hess_run import (
    CRAB,
    PKS_2155,
    Run,
    li_ma_at,
    nearest,
    stated_radius,
)
from skysift.tasks.gamma_sky.evaluation.pointing import pointing_error
from skysift.tasks.gamma_sky.evaluation.study import Observed, as_facts, photons_in

__all__ = ["CRAB_RUN", "FLARE_RUNS", "LOWEST", "WINDOW", "flare_facts", "flare_windows"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

FLARE_RUNS = (*range(33787, 33793), *range(33794, 33799), 33800, 33801)
"""PKS 2155-304 in one night."""
CRAB_RUN = 23523
"""The Crab Nebula at the same offset from the pointing."""
LOWEST = (0.2, 0.4)
"""Energies [TeV] from which windows are searched; the first is that of the verdict."""
WINDOW = 100.0
"""Length [s]."""

_SHORTEST = 0.9  # of a window that still counts
_STATED = 0.68
_NOT_FOUND = dict.fromkeys(("error", "east", "north", "squared", "stated68"), float("nan"))
_TINY = 1e-12


def flare_windows(
    index: ObservationIndex, obs_id: int, lowest: float, trials: TrialsTable
) -> list[dict[str, Any]]:
    """Return a row per window and method of a run.

    Parameters
    ----------
    index : ObservationIndex
        Of the release.
    obs_id : int
        One of `FLARE_RUNS`.
    lowest : float [TeV]
        From where photons count.
    trials : TrialsTable
        Of the searches, which list 0.01 false candidates per field.
    """
    run = Run.read(index, obs_id, lowest)
    methods = run.methods(WINDOW * run.events.live_fraction, trials)
    bounds = _Bounds(run)
    start, stop = float(run.events.gti.start[0]), float(run.events.gti.stop[-1])
    flux = run.in_crabs(PKS_2155)
    rows = []
    for begin in np.arange(start, stop, WINDOW):
        window = run.events.between(begin, begin + WINDOW)
        if window.gti.duration < _SHORTEST * WINDOW:
            continue
        observed = run.observed(window)
        known = {
            "run": obs_id,
            "lowest": lowest,
            "flux": flux,
            "start": float(begin - start),
            "li_ma": li_ma_at(window, PKS_2155),
            "bound": bounds.of(observed),
        }
        for name, method in methods.items():
            result = method(observed.counts, observed.photons)
            near = nearest(observed, result.candidates, PKS_2155)
            found = _NOT_FOUND if near is None else _measured(observed, *near)
            others = len(result.candidates) - (near is not None)
            rows.append({**known, "method": name, **found, "others": others})
    return rows


class _Bounds:
    """Cramer-Rao bounds of the windows of a run, with its response and its measured spectrum."""

    def __init__(self, run: Run) -> None:
        folded = run.setup.folded()
        self._bands = folded.bands
        self._search: SkySearch = folded.search(NO_TRIALS, SearchSettings())
        by_band = np.maximum(self._counts(run.observed(run.events)), 0.0)
        place = self._place(run.observed(run.events))
        shape = self._search.local_source(self._search.offset_of(*place))
        self._source = LocalSource(by_band / by_band.sum(), shape.density, shape.step)

    def of(self, observed: Observed) -> float:
        """Return the bound on a coordinate [deg], from the counts that a window has."""
        counts = max(float(self._counts(observed).sum()), 1.0)
        xi, eta = self._place(observed)
        background = self._search.background.fit(observed.counts[self._bands])
        row, column = self._search.places.pixel(np.array([xi]), np.array([eta]))
        here = background.counts[:, row[0], column[0]].astype(np.float64)
        level = np.maximum(here / observed.grid.pixel_size**2, _TINY)
        return float(expected_information(self._source, level, counts)[1] ** -0.5)

    def _counts(self, observed: Observed) -> FloatArray:
        photons = photons_in(observed.photons, self._bands)
        counts = observed.counts[self._bands]
        return forced_counts(self._search, counts, photons, self._place(observed)).by_band

    @staticmethod
    def _place(observed: Observed) -> tuple[float, float]:
        xi, eta = observed.grid.to_plane(*PKS_2155)
        return float(xi), float(eta)


def _measured(observed: Observed, error: float, found: Candidate) -> dict[str, float]:
    xi, eta = observed.grid.to_plane(*PKS_2155)
    squared = mahalanobis_squared([(found.xi - xi, found.eta - eta)], found.covariance)
    return {
        "error": error,
        "east": float(found.xi - xi),
        "north": float(found.eta - eta),
        "squared": float(squared[0]),
        "stated68": stated_radius(found),
    }


def flare_facts(rows: Sequence[dict[str, Any]], index: ObservationIndex) -> list[dict[str, Any]]:
    """Return a row for each energy, choice of runs and method: the verdict's first.

    Parameters
    ----------
    rows : sequence of mapping
        From `flare_windows`.
    index : ObservationIndex
        For the run of the Crab.
    """
    facts = []
    for lowest in dict.fromkeys(row["lowest"] for row in rows):
        crab = Run.read(index, CRAB_RUN, lowest).in_crabs(CRAB)
        above = [row for row in rows if row["lowest"] == lowest]
        bright = [row for row in above if row["flux"] > crab]
        for runs, chosen in (("brighter than the Crab", bright), ("whole night", above)):
            for name in (KNOWN, FREE):
                mine = [row for row in chosen if row["method"] == name]
                if mine:
                    about = {"method": name, "lowest": lowest, "runs": runs}
                    facts.append({**about, **_facts_of(mine)})
    return facts


def _facts_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    error, squared, stated, bound = (
        np.array([row[key] for row in rows]) for key in ("error", "squared", "stated68", "bound")
    )
    found = np.isfinite(error)
    contained = {
        f"containment{100 * level:.0f}": as_facts(*ellipse_containment(squared, level))
        for level in (0.68, 0.95)
    }
    return {
        "windows": len(rows),
        "obs_ids": sorted({row["run"] for row in rows}),
        "found": as_facts(wilson_interval(int(found.sum()), len(rows)), len(rows)),
        "error68": as_facts(error_quantile(error[found]), int(found.sum())),
        "bound68": _quantile(bound[found]),
        "stated68": _quantile(stated[found] / ellipse_scale(_STATED)),
        **contained,
        **_pointing_facts([row for row in rows if np.isfinite(row["error"])]),
        "missed": [round(float(row["li_ma"]), 2) for row in rows if np.isnan(row["error"])],
        "missed_in": sorted({row["run"] for row in rows if np.isnan(row["error"])}),
        "others": sum(row["others"] for row in rows),
    }


def _pointing_facts(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how windows scatter in their runs, and runs about the catalogue position."""
    run = np.array([row["run"] for row in found])
    if len(np.unique(run)) < 2:  # noqa: PLR2004 one run tells nothing of the pointing
        return {"scatter_in_runs": None, "pointing": None, "mean_displacement": None}
    away = np.array([(row["east"], row["north"]) for row in found])
    stated = np.array([row["stated68"] for row in found]) / ellipse_scale(_STATED)
    told = pointing_error(away, stated**2, run)
    return {
        "scatter_in_runs": told.within,
        "pointing": as_facts(told.between, len(np.unique(run))),
        "mean_displacement": list(told.mean),
    }


def _quantile(spread: FloatArray) -> float | None:
    """Return the 68 % error that deviations of a coordinate amount to, all windows together."""
    return quantile_of_bounds(spread, _STATED) if len(spread) else None
