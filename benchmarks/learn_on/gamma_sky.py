"""A sky network trained on simulations, on empty H.E.S.S. runs with injected sources.

``python -m benchmarks.learn_on.gamma_sky --runs hess-dl3-dr1`` goes on from the shipped network
with some runs and tests on others. Training from scratch gets the same maps, three times the steps
and ten times the rate.
This work made use of data from the H.E.S.S. DL3 public test data release 1 (HESS DL3 DR1, H.E.S.S.
collaboration, 2018); it tests software and makes no claim about the sky.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, Floats, measured, write
from numpy.typing import NDArray

from skysift.core.continuation import ContinueOptions
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder
from skysift.data.sky.gadf_index import open_index
from skysift.models.sky.network.architecture import initial_weights
from skysift.tasks.gamma_sky import continuation
from skysift.tasks.gamma_sky.continuation import NetworkModel
from skysift.tasks.gamma_sky.observations import read_observations
from skysift.tasks.gamma_sky.off_maps import Maps
from skysift.tasks.gamma_sky.options import ReadOptions

SIZES = (6, 16)
TEST_RUNS = 8
ROUNDS = 5
_SOURCES = {"Crab Nebula", "PKS 2155-304", "MSH 15-5-02", "MSH15-52", "RXJ 1713.7-3946"}


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/gamma_sky.json"))
    given = parser.parse_args()
    parent = continuation.load_parent(bundle_folder("gamma-sky", "network"))
    # A study of the loss needs no calibration of false alarms.
    parent = replace(parent, options=parent.options.model_copy(update={"empty_maps": 50}))
    runs = runs_of(given.runs)
    test, pool = (maps_of(given.runs, some, parent) for some in runs)
    before = continuation.losses(test, parent)
    points = [point("parent", 0, before, before, test.group)]
    print(len(test), "test maps,", len(pool), "new ones; parent", before.mean(), flush=True)
    for n in SIZES:
        new = pool.take(np.flatnonzero(pool.group < n))
        for way in ("frozen", "free", "scratch"):
            model = learned(parent, new, way)
            points.append(point(way, n, continuation.losses(test, model), before, test.group))
            print(points[-1], flush=True)
    facts = {
        "target": "loss of the sky network on halves of the photons of runs of other nights",
        "test": f"{len(test)} maps of {TEST_RUNS} runs",
        "rounds": ROUNDS,
        "attribution": (
            "This work made use of data from the H.E.S.S. DL3 public test data release 1 "
            "(HESS DL3 DR1, H.E.S.S. collaboration, 2018)."
        ),
    }
    command = f"python -m benchmarks.learn_on.gamma_sky --runs {given.runs.name}"
    write(given.out, "gamma-sky simulations to H.E.S.S. OFF runs", points, facts, command)


def runs_of(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the runs without known sources that test, and those that teach."""
    index = open_index(folder)
    empty = [i for i, one in index.observations.items() if one.target not in _SOURCES]
    order = np.random.default_rng(0).permutation(empty)
    return order[:TEST_RUNS], order[TEST_RUNS : TEST_RUNS + max(SIZES)]


def maps_of(folder: Path, runs: NDArray[np.int64], parent: NetworkModel) -> Maps:
    """Return maps of some runs, above 0.4 TeV."""
    reading = ReadOptions(obs_id=tuple(int(one) for one in runs), emin=0.4, emax=20.0, bands=6)
    return continuation.lessons(read_observations([folder], reading), parent)


def learned(parent: NetworkModel, new: Maps, way: str) -> NetworkModel:
    """Return the network after new maps; from scratch it begins at random and moves faster."""
    body = "frozen" if way == "frozen" else "free"
    options = ContinueOptions(body=body, rounds=ROUNDS, patience=ROUNDS)
    start = parent
    if way == "scratch":
        weights = initial_weights(parent.options.settings, np.random.default_rng(0))
        start = NetworkModel(parent.options, weights, parent.trials)
        options = options.model_copy(update={"rounds": 3 * ROUNDS, "rate": 2e-3})
    return continuation.go_on(
        start, new, None, options, np.random.default_rng(0), origin=ORIGIN, progress=silent
    )


def point(
    way: str, n: int, loss: Floats, before: Floats, group: NDArray[np.int64]
) -> dict[str, object]:
    """Return one row of the result; intervals are by run."""
    return {"way": way, "n": n, **measured(loss, before, group)}


if __name__ == "__main__":
    main()
