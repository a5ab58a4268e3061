"""Real runs: the H.E.S.S. test data release 1, above 0.4 TeV.

This work made use of data from the H.E.S.S. DL3 public test data release 1 (HESS DL3 DR1, H.E.S.S.
collaboration, 2018). Its terms allow to test software with it and no scientific claim about the
sources; nothing of it but the numbers below leaves this study.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import Circle
from skysift.evaluate.localisation import poisson_interval
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN, NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.flare import (
    FLARE_RUNS,
    LOWEST,
    WINDOW,
    flare_facts,
    flare_windows,
)
from skysift.tasks.gamma_sky.evaluation.followed import followed_facts
from skysift.tasks.gamma_sky.evaluation.hess_run import (
    APERTURE,
    CRAB,
    FALSE_ALARMS,
    HIGHEST,
    PKS_2155,
    Run,
    li_ma_at,
    nearest,
    stated_radius,
)
from skysift.tasks.gamma_sky.evaluation.study import StudyResult, rows_table, statistic_of
from skysift.tasks.gamma_sky.reference import GammapySearch, gammapy_on_off, gammapy_search
from skysift.tasks.gamma_sky.reference_fit import gammapy_point_fit

__all__ = ["ATTRIBUTION", "LOWEST_ENERGY", "STEADY_RUNS", "empty_runs", "evaluate_hess"]

ATTRIBUTION = (
    "This work made use of data from the H.E.S.S. DL3 public test data release 1 "
    "(HESS DL3 DR1, H.E.S.S. collaboration, 2018)."
)
STEADY_RUNS = {
    23523: CRAB,
    23559: CRAB,
    47802: PKS_2155,
    47803: PKS_2155,
    47804: PKS_2155,
    47827: PKS_2155,
    47829: PKS_2155,
}
"""Runs that are searched whole, and the catalogue positions [deg] of their sources."""
_SOURCES = {"Crab Nebula", "PKS 2155-304", "MSH 15-5-02", "MSH15-52", "RXJ 1713.7-3946"}
LOWEST_ENERGY = 0.4
"""Energy [TeV] from which whole runs are searched."""
_CENTROID_RADIUS, _CENTROID_RING = 0.12, (0.25, 0.45)  # deg
_CENTROID_STEPS = 30
_LOW_PEAK = 4.0
_OF_GAMMAPY = (
    "gammapy_li_ma",
    "gammapy_peak",
    "gammapy_distance",
    "gammapy_fit_distance",
    "gammapy_fit_error",
)
_LOOSE = 0.5  # so that a source below the threshold still has a significance


def evaluate_hess(
    folder: str | Path,
    progress: Progress = silent,
    *,
    trials: TrialsTable = NO_TRIALS,
    steady_runs: Mapping[int, tuple[float, float]] = STEADY_RUNS,
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
    steady_runs : mapping of int to (float, float)
        Runs that are searched whole, and the catalogue positions [deg] of their sources.
    flare_runs, off_runs : sequence of int
        Which; if `off_runs` is left out, all that were not taken on a known source.

    Returns
    -------
    StudyResult
        Facts ``steady`` (a row per run), ``flare`` (a row per energy, choice of runs and method),
        ``followed`` (the first of these as a stream) and ``off`` (a row per method).

    Raises
    ------
    ReadError, UnknownNameError
        If the folder is not that of the release.
    """
    index = open_index(folder)
    if off_runs is None:
        off_runs = empty_runs(index)
    total = len(steady_runs) + len(LOWEST) * len(flare_runs) + len(off_runs)
    steady = []
    for number, (obs_id, place) in enumerate(steady_runs.items()):
        progress(number / total, f"run {obs_id}")
        steady.append(_steady(Run.read(index, obs_id, LOWEST_ENERGY), place, trials))
    windows: list[dict[str, Any]] = []
    cuts = [(obs_id, lowest) for lowest in LOWEST for obs_id in flare_runs]
    for number, (obs_id, lowest) in enumerate(cuts):
        progress((len(steady) + number) / total, f"run {obs_id} above {lowest:g} TeV")
        windows += flare_windows(index, obs_id, lowest, trials)
    alarms: list[dict[str, Any]] = []
    for number, obs_id in enumerate(off_runs):
        progress((len(steady) + len(cuts) + number) / total, f"run {obs_id}")
        alarms += _empty(Run.read(index, obs_id, LOWEST_ENERGY), trials)
    flare = flare_facts(windows, index)
    followed = None
    if flare:
        followed = followed_facts(
            index,
            flare[0]["obs_ids"],
            flare[0]["lowest"],
            trials,
            lambda _, what: progress(1, what),
        )
    facts = {
        "attribution": ATTRIBUTION,
        "lowest": LOWEST_ENERGY,
        "window": WINDOW,
        "stated": FALSE_ALARMS,
        "steady": steady,
        "flare": flare,
        "followed": followed,
        "off": _off_facts(alarms, len(off_runs)),
    }
    table = rows_table(windows, {"error": "deg", "start": "s"}) if windows else None
    return StudyResult("hess", facts, table)


def empty_runs(index: ObservationIndex) -> list[int]:
    """Return the runs of the release that were not taken on a known source."""
    return [i for i, one in index.observations.items() if one.target not in _SOURCES]


def _steady(run: Run, place: tuple[float, float], trials: TrialsTable) -> dict[str, Any]:
    """Return significances and distances of a whole run by every method."""
    observed = run.observed(run.events)
    row: dict[str, Any] = {"run": run.obs_id, "photons": len(run.events)}
    offset = separation(run.events.pointing.ra, run.events.pointing.dec, *place)
    row["offset"] = float(offset)
    for name, method in run.methods(run.events.livetime, trials, _LOOSE).items():
        result = method(observed.counts, observed.photons)
        near = nearest(observed, result.candidates, place)
        listed = [one for one in result.candidates if one.false_alarms <= FALSE_ALARMS]
        key = "known" if name == KNOWN else "free"
        row[f"{key}_significance"] = None if near is None else statistic_of(result, near[1])
        row[f"{key}_distance"] = None if near is None else near[0]
        row[f"{key}_err68"] = None if near is None else stated_radius(near[1])
        row[f"{key}_listed"] = near is not None and any(near[1] is one for one in listed)
        row[f"{key}_others"] = len(listed) - row[f"{key}_listed"]
    on = Circle(*place, APERTURE)
    ours = li_ma_at(run.events, place)
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


def _gammapy_row(run: Run, on: Circle) -> dict[str, Any]:
    """Return gammapy's Li & Ma significance at the position, its blind peak and its own fit."""
    if find_spec("gammapy") is None:
        return dict.fromkeys(_OF_GAMMAPY)
    grid = run.setup.grid
    theirs = gammapy_on_off(run.events, on)
    search = GammapySearch(grid, run.setup.energy_edges, threshold=_LOW_PEAK, background="ring")
    found = gammapy_search(run.events, search, run.path).candidates
    sky = [(float(a), float(b)) for a, b in (grid.from_plane(c.xi, c.eta) for c in found)]
    away = [float(separation(*one, on.ra, on.dec)) for one in sky]
    near = int(np.argmin(away)) if away else None
    fit = gammapy_point_fit(
        run.events, run.path, (on.ra, on.dec), lowest=LOWEST_ENERGY, highest=HIGHEST
    )
    values = (
        None if theirs is None else theirs.significance,
        None if near is None else float(np.sqrt(found[near].ts)),
        None if near is None else away[near],
        fit.distance(on.ra, on.dec) if fit.converged else None,
        fit.error if fit.converged else None,
    )
    return dict(zip(_OF_GAMMAPY, values, strict=True))


def _empty(run: Run, trials: TrialsTable) -> list[dict[str, Any]]:
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


def _off_facts(rows: Sequence[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    facts = []
    for name in (KNOWN, FREE):
        found = [one for row in rows if row["method"] == name for one in row["candidates"]]
        facts.append(
            {
                "method": name,
                "runs": n,
                "candidates": len(found),
                "expected": FALSE_ALARMS * n,
                "within": FALSE_ALARMS * n in poisson_interval(len(found)),
                "strongest": min((one["false_alarms"] for one in found), default=None),
                "runs_with": sorted(
                    {row["run"] for row in rows if row["method"] == name and row["candidates"]}
                ),
            }
        )
    return facts
