"""What going on is worth in sources found: real empty runs, injected sources, parent and child.

``python -m benchmarks.learn_on.gamma_sky_found --runs hess-dl3-dr1`` lets the shipped network go on
with sixteen runs, as :mod:`benchmarks.learn_on.gamma_sky` does, and searches windows of eight other
runs for sources of a known place. A source counts as found if the strongest candidate lies within
0.1 deg of it, so that no calibration of false alarms is needed; those are counted in the empty
windows. Nothing was chosen by looking at these windows.
This work made use of data from the H.E.S.S. DL3 public test data release 1 (HESS DL3 DR1, H.E.S.S.
collaboration, 2018); it tests software and makes no claim about the sky.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.learn_on import gamma_sky as study
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.counts_map import bin_events
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.intervals import mean_interval
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky import continuation
from skysift.tasks.gamma_sky.continuation import NetworkModel
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup
from skysift.tasks.gamma_sky.methods import Method, make_method
from skysift.tasks.gamma_sky.observations import Observation, read_observations
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

WINDOW = 600.0  # s
FLUXES = (0.05, 0.1, 0.2)  # Crab
PLACES = 8  # of a source in each window, at each flux
LARGEST_OFFSET = 1.5  # deg
NEAR = 0.1  # deg
READING = {"emin": 0.4, "emax": 20.0, "bands": 6}
SETTINGS = SearchSettings(false_alarms=1.0, most=3, psf_known=False)


@dataclass(frozen=True)
class Window:
    """Ten minutes of a run.

    Parameters
    ----------
    run : int
        Windows of one run belong together.
    item : Observation
    counts : array, shape (bands, y, x)
    setup : FieldSetup
    """

    run: int
    item: Observation
    counts: NDArray[np.float32]
    setup: FieldSetup


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/learn_on/gamma_sky_found.json")
    )
    given = parser.parse_args()
    parent = continuation.load_parent(bundle_folder("gamma-sky", "network"))
    test, new = study.runs_of(given.runs)
    child = study.learned(parent, study.maps_of(given.runs, new, parent), "free")
    shares: dict[str, dict[float, list[float]]] = {}
    alarms: dict[str, list[int]] = {}
    groups: list[int] = []
    rng = np.random.default_rng(0)
    for window in windows_of(given.runs, test):
        methods = methods_of(window.setup, parent, child)
        for name, method in methods.items():
            alarms.setdefault(name, []).append(len(method(window.counts).candidates))
        for counts, place, flux in with_sources(window, rng):
            for name, method in methods.items():
                by_flux = shares.setdefault(name, {one: [] for one in FLUXES})
                by_flux[flux].append(is_found(method, counts, place))
        groups += [window.run] * PLACES
        print(
            window.run, {name: np.mean(list(v.values())) for name, v in shares.items()}, flush=True
        )
    rows = list(summary(shares, np.array(groups)))
    facts = {
        "study": "sources found by a sky network that went on with H.E.S.S. OFF runs",
        "command": f"python -m benchmarks.learn_on.gamma_sky_found --runs {given.runs.name}",
        "test": f"{len(groups) // PLACES} windows of {len(test)} other runs, {PLACES} places each",
        "rows": rows,
        "candidates in the empty windows, one a field stated": alarms,
    }
    write_atomic(given.out, json.dumps(facts, indent=1) + "\n")


def windows_of(folder: Path, runs: NDArray[np.int64]) -> Iterator[Window]:
    """Yield the windows of runs, with what a search must know of them."""
    reading = ReadOptions(obs_id=tuple(int(one) for one in runs), **READING)
    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    for run, item in enumerate(read_observations([folder], reading).items):
        events = item.events.in_energy(reading.emin, reading.emax)
        start, stop = events.gti.start[0], events.gti.stop[-1]
        where = item.events.pointing
        grid = TangentGrid(where.ra, where.dec, 200, 200, 0.025)
        for number in range(int((stop - start) // WINDOW)):
            chosen = (events.time - start) // WINDOW == number
            counts, _, _, _ = bin_events(events.take(chosen), grid, edges)
            setup = FieldSetup(grid, where, edges, WINDOW, None)
            yield Window(run, item, counts.astype(np.float32), setup)


def methods_of(setup: FieldSetup, parent: NetworkModel, child: NetworkModel) -> dict[str, Method]:
    """Return the searches that are compared, all without a response."""
    folded = setup.folded()

    def network(model: NetworkModel) -> Method:
        graph = export_network(model.options.settings, model.weights)
        classical = folded.search(model.trials, SETTINGS, untold=NETWORK_PRIOR)
        search = NetworkSearch(
            classical, SkyNetwork(graph, model.options.settings), livetime=setup.livetime
        )
        return smooth.with_search(search)

    smooth = make_method("likelihood-ratio", setup, parent.trials, SETTINGS)
    return {"smooth background": smooth, "parent": network(parent), "child": network(child)}


def with_sources(
    window: Window, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], tuple[float, float], float]]:
    """Yield maps with a source, its place in the plane [deg] and its flux [Crab]."""
    setup, where = window.setup, window.setup.pointing
    response = window.item.response or AnalyticResponse(where.zenith)
    folded = FoldedResponse(response, setup.energy_edges)
    for flux in FLUXES:
        for _ in range(PLACES):
            away, angle = LARGEST_OFFSET * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            xi, eta = away * np.cos(angle), away * np.sin(angle)
            ra, dec = setup.grid.from_plane(xi, eta)
            source = Source(float(ra), float(dec), flux)
            expected = expect(Field(where, WINDOW, (source,)), folded, setup.grid)
            yield window.counts + draw_counts(expected.source, rng), (xi, eta), flux


def is_found(method: Method, counts: NDArray[np.float32], place: tuple[float, float]) -> float:
    """Tell whether the strongest candidate is the source."""
    candidates = method(counts).candidates
    if not candidates:
        return 0.0
    first = candidates[0]
    return float(np.hypot(first.xi - place[0], first.eta - place[1]) < NEAR)


def summary(
    shares: dict[str, dict[float, list[float]]], groups: NDArray[np.int64]
) -> Iterator[dict[str, object]]:
    """Yield the share that each method finds, and the difference from the parent, by run."""
    for name, by_flux in shares.items():
        for flux, found in by_flux.items():
            less = np.array(found) - np.array(shares["parent"][flux])
            share, change = (mean_interval(v, groups=groups) for v in (np.array(found), less))
            yield {
                "method": name, "flux": flux, "n": len(found),
                "found": share.value, "low": share.low, "high": share.high,
                "against_parent": change.value, "against_low": change.low,
                "against_high": change.high,
            }  # fmt: skip


if __name__ == "__main__":
    main()
