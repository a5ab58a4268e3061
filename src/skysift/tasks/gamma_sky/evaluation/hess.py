"""Real runs: the H.E.S.S. test data release 1, above 0.4 TeV.

This work made use of data from the H.E.S.S. DL3 public test data release 1 (HESS DL3 DR1, H.E.S.S.
collaboration, 2018). Its terms allow to test software with it and no scientific claim about the
sources; nothing of it but the numbers below leaves this study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import DataUnavailableError
from skysift.core.task import Progress, silent
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import Circle, reflected_on_off, reflected_regions
from skysift.evaluate.ellipse import ErrorEllipse, ellipse_scale
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.localisation import (
    ellipse_containment,
    error_quantile,
    mahalanobis_squared,
    poisson_interval,
    quantile_of_bounds,
)
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN, NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import (
    Observed,
    StudyResult,
    as_facts,
    rows_table,
    statistic_of,
)
from skysift.tasks.gamma_sky.methods import FieldSetup, Method, make_method
from skysift.tasks.gamma_sky.reference import GammapySearch, gammapy_on_off, gammapy_search
from skysift.tasks.gamma_sky.simulation.field import Field

__all__ = ["ATTRIBUTION", "FLARE_RUNS", "STEADY_RUNS", "evaluate_hess"]

BoolArray = NDArray[np.bool_]

ATTRIBUTION = (
    "This work made use of data from the H.E.S.S. DL3 public test data release 1 "
    "(HESS DL3 DR1, H.E.S.S. collaboration, 2018)."
)
_CRAB = (83.633083, 22.0145)
_PKS_2155 = (329.716938, -30.225588)
STEADY_RUNS = {
    23523: _CRAB,
    23559: _CRAB,
    47802: _PKS_2155,
    47803: _PKS_2155,
    47804: _PKS_2155,
    47827: _PKS_2155,
    47829: _PKS_2155,
}
"""Runs that are searched whole, and the catalogue positions [deg] of their sources."""
FLARE_RUNS = (*range(33787, 33793), *range(33794, 33799), 33800, 33801)
"""PKS 2155-304 in its flare of July 2006, searched in windows."""
_SOURCES = {"Crab Nebula", "PKS 2155-304", "MSH 15-5-02", "MSH15-52", "RXJ 1713.7-3946"}
_BANDS = np.geomspace(0.4, 20.0, 7)
_WINDOW = 100.0  # s
_SHORTEST = 0.9  # of a window that still counts
_FOUND_WITHIN = 0.2
_STATED = 0.68
_NOT_FOUND = dict.fromkeys(("error", "squared", "stated68", "excess"), float("nan"))
_APERTURE = 0.1  # deg
_CENTROID_RADIUS, _CENTROID_RING = 0.12, (0.25, 0.45)  # deg
_CENTROID_STEPS = 30
_LOW_PEAK = 4.0
_FALSE_ALARMS = 0.01
_LOOSE = 0.5  # so that a source below the threshold still has a significance


@dataclass(frozen=True)
class _Run:
    """A run above 0.4 TeV, with its response."""

    obs_id: int
    events: EventList
    grid: TangentGrid
    path: Path
    response: InstrumentResponse

    @classmethod
    def read(cls, index: ObservationIndex, obs_id: int) -> "_Run":
        events = index.read(obs_id).events.in_energy(float(_BANDS[0]), float(_BANDS[-1]))
        location = index.locate(obs_id, "events")
        if location is None:
            raise DataUnavailableError(
                f"Run {obs_id} has no events.", "Give the whole test data release."
            )
        grid = TangentGrid(events.pointing.ra, events.pointing.dec)
        return cls(obs_id, events, grid, location.path, GadfResponse.read(location.path))

    def methods(
        self, livetime: float, trials: TrialsTable, false_alarms: float = _FALSE_ALARMS
    ) -> dict[str, Method]:
        """Return the default search with the run's response, and without any."""
        found = {}
        for name, response in ((KNOWN, self.response), (FREE, None)):
            setup = FieldSetup(self.grid, self.events.pointing, _BANDS, livetime, response)
            settings = SearchSettings(false_alarms=false_alarms)
            found[name] = make_method(KNOWN, setup, trials, settings)
        return found

    def observed(self, events: EventList) -> Observed:
        """Return some of the events as the searches get them."""
        pointing = events.pointing
        setup = FieldSetup(self.grid, pointing, _BANDS, events.livetime)
        return Observed.of(Field(pointing, max(events.livetime, 1.0)), events, setup)


def evaluate_hess(
    folder: str | Path,
    progress: Progress = silent,
    *,
    trials: TrialsTable = NO_TRIALS,
    flare_runs: Sequence[int] = FLARE_RUNS,
    off_runs: Sequence[int] | None = None,
) -> StudyResult:
    """Search the runs of the release: steady sources, a flare in short windows, empty fields.

    Parameters
    ----------
    folder : path-like
        With the index of the release.
    progress : callable
    trials : TrialsTable
        Of the searches, which list 0.01 false candidates per field.
    flare_runs, off_runs : sequence of int
        Which; if `off_runs` is left out, all that were not taken on a known source.

    Returns
    -------
    StudyResult
        Facts ``steady`` (a row per run), ``flare`` and ``off`` (a row per method).

    Raises
    ------
    ReadError, UnknownNameError
        If the folder is not that of the release.
    """
    index = open_index(folder)
    if off_runs is None:
        off_runs = [i for i, o in index.observations.items() if o.target not in _SOURCES]
    total = len(STEADY_RUNS) + len(flare_runs) + len(off_runs)
    steady = []
    for number, (obs_id, place) in enumerate(STEADY_RUNS.items()):
        progress(number / total, f"run {obs_id}")
        steady.append(_steady(_Run.read(index, obs_id), place, trials))
    windows: list[dict[str, Any]] = []
    for number, obs_id in enumerate(flare_runs):
        progress((len(steady) + number) / total, f"run {obs_id}")
        windows += _flare(_Run.read(index, obs_id), trials)
    alarms: list[dict[str, Any]] = []
    for number, obs_id in enumerate(off_runs):
        progress((len(steady) + len(flare_runs) + number) / total, f"run {obs_id}")
        alarms += _empty(_Run.read(index, obs_id), trials)
    facts = {
        "attribution": ATTRIBUTION,
        "energies": [float(_BANDS[0]), float(_BANDS[-1])],
        "window": _WINDOW,
        "stated": _FALSE_ALARMS,
        "steady": steady,
        "flare": _flare_facts(windows),
        "off": _off_facts(alarms, len(off_runs)),
    }
    table = rows_table(windows, {"error": "deg", "start": "s"}) if windows else None
    return StudyResult("hess", facts, table)


def _steady(run: _Run, place: tuple[float, float], trials: TrialsTable) -> dict[str, Any]:
    """Return significances and distances of a whole run by every method."""
    observed = run.observed(run.events)
    row: dict[str, Any] = {"run": run.obs_id, "photons": len(run.events)}
    offset = separation(run.events.pointing.ra, run.events.pointing.dec, *place)
    row["offset"] = float(offset)
    for name, method in run.methods(run.events.livetime, trials, _LOOSE).items():
        result = method(observed.counts, observed.photons)
        near = _nearest(observed, result.candidates, place)
        listed = [one for one in result.candidates if one.false_alarms <= _FALSE_ALARMS]
        key = "known" if name == KNOWN else "free"
        row[f"{key}_significance"] = None if near is None else statistic_of(result, near[1])
        row[f"{key}_distance"] = None if near is None else near[0]
        row[f"{key}_err68"] = None if near is None else _stated(near[1])
        row[f"{key}_listed"] = near is not None and any(near[1] is one for one in listed)
        row[f"{key}_others"] = len(listed) - row[f"{key}_listed"]
    on = Circle(*place, _APERTURE)
    ours = _li_ma(run.events, on)
    row["li_ma"] = ours if np.isfinite(ours) else None
    row["centroid_distance"], row["centroid_error"] = _centroid(run.events, place)
    return row | _gammapy_row(run, on)


def _centroid(events: EventList, place: tuple[float, float]) -> tuple[float, float]:
    """Return how far the mean of a source's photons lies from a place, and its error [deg].

    A judge that supposes no point spread function and no filter: the mean of the photons within a
    circle about itself, less an even background from a ring.
    """
    x, y = TangentGrid(*place).to_plane(events.ra, events.dec)
    centre = np.zeros(2)
    spread = np.nan
    for _ in range(_CENTROID_STEPS):
        away = np.stack([x, y]) - centre[:, None]
        radius = np.hypot(*away)
        inside = radius < _CENTROID_RADIUS
        inner, outer = _CENTROID_RING
        around = int(np.sum((radius > inner) & (radius < outer)))
        behind = around * _CENTROID_RADIUS**2 / (outer**2 - inner**2)
        excess = max(float(inside.sum()) - behind, 1.0)
        centre += away[:, inside].sum(axis=1) / excess
        spread = float(np.sqrt((away[:, inside] ** 2).sum() / 2)) / excess
    return float(np.hypot(*centre)), spread


def _gammapy_row(run: _Run, on: Circle) -> dict[str, Any]:
    """Return gammapy's Li & Ma significance at the position, and the peak of its blind search."""
    if find_spec("gammapy") is None:
        return dict.fromkeys(("gammapy_li_ma", "gammapy_peak", "gammapy_distance"))
    theirs = gammapy_on_off(run.events, on)
    search = GammapySearch(run.grid, _BANDS, threshold=_LOW_PEAK, background="ring")
    found = gammapy_search(run.events, search, run.path).candidates
    sky = [(float(a), float(b)) for a, b in (run.grid.from_plane(c.xi, c.eta) for c in found)]
    away = [float(separation(*one, on.ra, on.dec)) for one in sky]
    near = int(np.argmin(away)) if away else None
    return {
        "gammapy_li_ma": None if theirs is None else theirs.significance,
        "gammapy_peak": None if near is None else float(np.sqrt(found[near].ts)),
        "gammapy_distance": None if near is None else away[near],
    }


def _flare(run: _Run, trials: TrialsTable) -> list[dict[str, Any]]:
    """Return a row per window and method of a run of the flare."""
    methods = run.methods(_WINDOW * run.events.live_fraction, trials)
    start, stop = float(run.events.gti.start[0]), float(run.events.gti.stop[-1])
    on = Circle(*_PKS_2155, _APERTURE)
    rows = []
    for begin in np.arange(start, stop, _WINDOW):
        window = run.events.between(begin, begin + _WINDOW)
        if window.gti.duration < _SHORTEST * _WINDOW:
            continue
        observed = run.observed(window)
        known = {"run": run.obs_id, "start": float(begin - start), "li_ma": _li_ma(window, on)}
        for name, method in methods.items():
            result = method(observed.counts, observed.photons)
            near = _nearest(observed, result.candidates, _PKS_2155)
            rows.append(
                {
                    **known,
                    "method": name,
                    **(_NOT_FOUND if near is None else _measured(observed, *near)),
                    "others": len(result.candidates) - (near is not None),
                }
            )
    return rows


def _li_ma(events: EventList, on: Circle) -> float:
    """Return the significance at a place that is known, NaN where it cannot be measured."""
    found = reflected_on_off(events, on, reflected_regions(on, events.pointing))
    return float("nan") if found is None else found.significance


def _measured(observed: Observed, error: float, found: Candidate) -> dict[str, float]:
    return {
        "error": error,
        "squared": _squared(observed, found, _PKS_2155),
        "stated68": _stated(found),
        "excess": found.excess,
    }


def _stated(found: Candidate) -> float:
    """Return the 68 % radius [deg] that a candidate states."""
    return float(ErrorEllipse.of_covariance(found.covariance).radius(_STATED)[0])


def _empty(run: _Run, trials: TrialsTable) -> list[dict[str, Any]]:
    observed = run.observed(run.events)
    return [
        {
            "run": run.obs_id,
            "method": name,
            "candidates": [
                {"false_alarms": one.false_alarms, "excess": one.excess, "flags": one.flags}
                for one in method(observed.counts, observed.photons).candidates
            ],
        }
        for name, method in run.methods(run.events.livetime, trials).items()
    ]


def _nearest(
    observed: Observed, candidates: Sequence[Candidate], place: tuple[float, float]
) -> tuple[float, Candidate] | None:
    """Return the candidate that is the source, and its distance [deg]."""
    found = []
    for one in candidates:
        ra, dec = observed.grid.from_plane(one.xi, one.eta)
        found.append((float(separation(ra, dec, *place)), one))
    near = [pair for pair in found if pair[0] < _FOUND_WITHIN]
    return min(near, key=lambda pair: pair[0]) if near else None


def _squared(observed: Observed, found: Candidate, place: tuple[float, float]) -> float:
    xi, eta = observed.grid.to_plane(*place)
    return float(mahalanobis_squared([(found.xi - xi, found.eta - eta)], found.covariance)[0])


def _flare_facts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    facts = []
    for name in (KNOWN, FREE):
        mine = [row for row in rows if row["method"] == name]
        if not mine:
            continue
        error = np.array([row["error"] for row in mine])
        squared = np.array([row["squared"] for row in mine])
        found = np.isfinite(error)
        contained = {
            f"containment{100 * stated:.0f}": as_facts(*ellipse_containment(squared, stated))
            for stated in (0.68, 0.95)
        }
        facts.append(
            {
                "method": name,
                "windows": len(mine),
                "found": as_facts(wilson_interval(int(found.sum()), len(mine)), len(mine)),
                "error68": as_facts(error_quantile(error[found]), int(found.sum())),
                **contained,
                "stated68": _quantile_of_stated(mine, found),
                "missed": [round(float(row["li_ma"]), 2) for row in mine if np.isnan(row["error"])],
                "others": sum(row["others"] for row in mine),
            }
        )
    return facts


def _quantile_of_stated(rows: Sequence[dict[str, Any]], found: BoolArray) -> float | None:
    """Return the 68 % error that the stated ellipses amount to, all windows together."""
    if not found.any():
        return None
    radius = np.array([row["stated68"] for row in rows])[found]
    return quantile_of_bounds(radius / ellipse_scale(_STATED), _STATED)


def _off_facts(rows: Sequence[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    facts = []
    for name in (KNOWN, FREE):
        found = [one for row in rows if row["method"] == name for one in row["candidates"]]
        facts.append(
            {
                "method": name,
                "runs": n,
                "candidates": len(found),
                "expected": _FALSE_ALARMS * n,
                "within": _FALSE_ALARMS * n in poisson_interval(len(found)),
                "strongest": min((one["false_alarms"] for one in found), default=None),
                "runs_with": sorted(
                    {row["run"] for row in rows if row["method"] == name and row["candidates"]}
                ),
            }
        )
    return facts
