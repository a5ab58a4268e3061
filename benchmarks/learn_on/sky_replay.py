"""What the sky network forgets of its simulations when it learns empty H.E.S.S. runs.

``python -m benchmarks.learn_on.sky_replay --runs hess-dl3-dr1`` goes on from the shipped network
with some runs, with and without a replay of fields that are simulated anew, and tests on other runs
and on other simulated fields.
This work made use of data from the H.E.S.S. DL3 public test data release 1 (HESS DL3 DR1, H.E.S.S.
collaboration, 2018); it tests software and makes no claim about the sky.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, write
from benchmarks.learn_on.gamma_sky import ROUNDS, SIZES, learned, maps_of, point, runs_of

from skysift.core.continuation import ContinueOptions
from skysift.core.registry import bundle_folder
from skysift.evaluate.updating import update
from skysift.tasks.gamma_sky import continuation

WIDE = 1000.0  # margin: what is measured here is not to be refused


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--new", type=int, default=max(SIZES), help="runs to learn from")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/sky_replay.json"))
    given = parser.parse_args()
    parent = continuation.load_parent(bundle_folder("gamma-sky", "network"))
    # A study of the loss needs no calibration of false alarms.
    parent = replace(parent, options=parent.options.model_copy(update={"empty_maps": 50}))
    test_runs, new_runs = runs_of(given.runs)
    new = maps_of(given.runs, new_runs[: given.new], parent)
    reference, fields = (continuation.simulated(parent, np.random.default_rng(s)) for s in (1, 2))
    assert reference is not None
    assert fields is not None
    tests = {"runs": maps_of(given.runs, test_runs, parent), "simulated": fields}
    updated, judgement = update(
        continuation,
        parent,
        new,
        reference,
        ContinueOptions(rounds=ROUNDS, patience=ROUNDS),
        rng=np.random.default_rng(0),
        origin=ORIGIN,
        margin=WIDE,
    )
    ways = {"parent": parent, "replay": updated, "plain": learned(parent, new, "free")}
    points = []
    for rows, test in tests.items():
        before = continuation.losses(test, parent)
        for way, model in ways.items():
            found = point(way, given.new, continuation.losses(test, model), before, test.group)
            points.append({"rows": rows, "maps": len(test), **found})
            print(points[-1], flush=True)
    facts = {
        "judged": judgement.metric("simulated maps that were not replayed").to_dict(),
        "attribution": (
            "This work made use of data from the H.E.S.S. DL3 public test data release 1 "
            "(HESS DL3 DR1, H.E.S.S. collaboration, 2018)."
        ),
    }
    command = f"python -m benchmarks.learn_on.sky_replay --runs {given.runs.name} --new {given.new}"
    write(given.out, "sky network: replay of simulations", points, facts, command)


if __name__ == "__main__":
    main()
