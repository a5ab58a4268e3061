"""The sky network on real runs: the H.E.S.S. test data release 1, above 0.4 TeV.

``python -m skysift.tasks.gamma_sky.network_runs BUNDLE HESS_FOLDER`` prints a row for each known
source and method, and one for the empty runs. The terms of the release allow to test software.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skysift.data.sky.gadf_index import open_index
from skysift.evaluate.intervals import Interval
from skysift.evaluate.localisation import poisson_interval
from skysift.models.sky.search import SearchSettings
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.hess import LOWEST_ENERGY, STEADY_RUNS, empty_runs
from skysift.tasks.gamma_sky.evaluation.hess_run import FALSE_ALARMS, Run, nearest, stated_radius
from skysift.tasks.gamma_sky.evaluation.study import statistic_of
from skysift.tasks.gamma_sky.methods import Method, make_method
from skysift.tasks.gamma_sky.options import CENTRES, NETWORK

__all__ = ["EmptyRuns", "SourceInRun", "search_empty", "search_steady"]

FREE = "no response"
_METHODS = (NETWORK, CENTRES)


@dataclass(frozen=True, slots=True)
class SourceInRun:
    """A known source in a run.

    Parameters
    ----------
    run : int
        Of the release.
    method : str
        What searched, and whether it was told the response.
    significance : float or None
        Of the candidate within 0.2 deg of the catalogue position.
    distance, err68 : float or None [deg]
        From that position, and the 68 % radius that is stated.
    others : int
        Further candidates of the run.
    """

    run: int
    method: str
    significance: float | None
    distance: float | None
    err68: float | None
    others: int

    def __str__(self) -> str:
        if self.significance is None or self.distance is None or self.err68 is None:
            return f"{self.run} {self.method}: not found, {self.others} others"
        return (
            f"{self.run} {self.method}: {self.significance:.1f} sigma, {self.distance:.3f} deg "
            f"off, stated {self.err68:.3f}, {self.others} others"
        )


@dataclass(frozen=True, slots=True)
class EmptyRuns:
    """What a method shows in runs without a known source.

    Parameters
    ----------
    method : str
        What searched, and whether it was told the response.
    runs : int
        How many.
    candidates : Interval
        Of all runs together, where 0.01 a run are stated.
    shown_by : tuple of int
        Runs with a candidate.
    """

    method: str
    runs: int
    candidates: Interval
    shown_by: tuple[int, ...]

    def __str__(self) -> str:
        shown = (
            f", shown by {', '.join(str(one) for one in self.shown_by)}" if self.shown_by else ""
        )
        return f"{self.runs} empty runs, {self.method}: {self.candidates} candidates{shown}"


def search_steady(run: Run, place: tuple[float, float], networks: Path) -> list[SourceInRun]:
    """Search a run on a known source by the methods that ask the network.

    Parameters
    ----------
    run : Run
        Whole.
    place : tuple of float [deg]
        Catalogue position.
    networks : Path
        Bundle of the network.
    """
    observed = run.observed(run.events)
    rows = []
    for name, method in _methods(run, networks):
        result = method(observed.counts, observed.photons)
        near = nearest(observed, result.candidates, place)
        others = len(result.candidates) - (near is not None)
        if near is None:
            rows.append(SourceInRun(run.obs_id, name, None, None, None, others))
            continue
        distance, found = near
        statistic = statistic_of(result, found)
        radius = stated_radius(found)
        rows.append(SourceInRun(run.obs_id, name, statistic, distance, radius, others))
    return rows


def search_empty(runs: Sequence[Run], networks: Path) -> list[EmptyRuns]:
    """Search runs without a known source by the methods that ask the network.

    Parameters
    ----------
    runs : sequence of Run
    networks : Path
        Bundle of the network.
    """
    found: dict[str, dict[int, int]] = {}
    for run in runs:
        observed = run.observed(run.events)
        for name, method in _methods(run, networks):
            shown = len(method(observed.counts, observed.photons).candidates)
            found.setdefault(name, {})[run.obs_id] = shown
    return [
        EmptyRuns(
            name,
            len(shown),
            poisson_interval(sum(shown.values())),
            tuple(run for run, candidates in shown.items() if candidates),
        )
        for name, shown in found.items()
    ]


def _methods(run: Run, networks: Path) -> Iterator[tuple[str, Method]]:
    settings = SearchSettings(false_alarms=FALSE_ALARMS)
    for method in _METHODS:
        for name, setup in (
            (method, run.setup),
            (f"{method}, {FREE}", replace(run.setup, response=None)),
        ):
            # They bring their own calibrations.
            yield name, make_method(method, setup, NO_TRIALS, settings, networks=networks)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search the runs of the H.E.S.S. test data release with a sky network."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the network")
    parser.add_argument("runs", type=Path, help="folder of the release, with its index")
    given = parser.parse_args(arguments)
    index = open_index(given.runs)
    for obs_id, place in STEADY_RUNS.items():
        for row in search_steady(Run.read(index, obs_id, LOWEST_ENERGY), place, given.bundle):
            sys.stdout.write(f"{row}\n")
    empty = [Run.read(index, obs_id, LOWEST_ENERGY) for obs_id in empty_runs(index)]
    for of_method in search_empty(empty, given.bundle):
        sys.stdout.write(f"{of_method}\n")


if __name__ == "__main__":
    main()
