"""The published networks go on with H.E.S.S. runs without known sources, one source injected a map.

``python -m benchmarks.learn_on.gamma_sky_cnn --runs $GAMMAPY_DATA/hess-dl3-dr1`` has the runs of
``benchmarks.learn_on.gamma_sky``: 16 teach, 8 others test. Intervals are by run.
"""

import argparse
from pathlib import Path

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, measured, write
from benchmarks.learn_on.gamma_sky import runs_of
from numpy.typing import NDArray

from skysift.core.continuation import ContinueOptions
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder
from skysift.tasks.gamma_sky.baseline.continuation import (
    PARTS,
    PublishedContinuation,
    PublishedModel,
    continuation_of_part,
    load_published_parent,
)
from skysift.tasks.gamma_sky.observations import read_observations
from skysift.tasks.gamma_sky.off_maps import Maps
from skysift.tasks.gamma_sky.options import ReadOptions

BODIES = ("frozen", "free")
ROUNDS = {"regressor": 60, "cleaner": 6}
"""Most; a round of the cleaner takes ten times as long."""


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/gamma_sky_cnn.json"))
    given = parser.parse_args()
    parent = load_published_parent(bundle_folder("gamma-sky", "cnn"))
    tested, taught = runs_of(given.runs)
    test, new = (maps_of(given.runs, some, parent) for some in (tested, taught))
    points, variant = [], parent.settings.variant
    for part in PARTS:
        for body in BODIES:
            child = learned(parent, new, part, body)
            for judged in PARTS if part == "cleaner" else PARTS[:1]:
                ways = PublishedContinuation(judged, variant)
                loss, before = ways.losses(test, child), ways.losses(test, parent)
                row = {"way": f"{part}, {body}", "loss_of": judged, "n": len(new)}
                points.append({**row, **measured(loss, before, test.group)})
                print(points[-1])
    facts = {
        "target": "place of the source [deg] (regressor), loss of a pixel (cleaner)",
        "rounds": ROUNDS,
        "test": f"{len(test)} maps of {len(tested)} runs",
        "attribution": (
            "This work made use of data from the H.E.S.S. DL3 public test data release 1 "
            "(HESS DL3 DR1, H.E.S.S. collaboration, 2018)."
        ),
    }
    command = f"python -m benchmarks.learn_on.gamma_sky_cnn --runs {given.runs.name}"
    write(given.out, "published gamma-sky networks to H.E.S.S. OFF runs", points, facts, command)


def maps_of(folder: Path, runs: NDArray[np.int64], parent: PublishedModel) -> Maps:
    """Return maps of some runs, above 0.4 TeV."""
    reading = ReadOptions(obs_id=tuple(int(one) for one in runs), emin=0.4, emax=20.0)
    ways = continuation_of_part(parent, "regressor")
    return ways.lessons(read_observations([folder], reading), parent)


def learned(parent: PublishedModel, new: Maps, part: str, body: str) -> PublishedModel:
    """Return the networks after new maps, by the defaults of the command line."""
    ways = continuation_of_part(parent, part)
    options = ContinueOptions.model_validate({"part": part, "body": body, "rounds": ROUNDS[part]})
    rng = np.random.default_rng(0)
    return ways.go_on(parent, new, None, options, rng, origin=ORIGIN, progress=silent)


if __name__ == "__main__":
    main()
