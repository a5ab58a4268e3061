"""False candidates of empty sliding windows against the formula: makes the table of a stream.

    python benchmarks/live_trials.py --seed 6 --out src/skysift/tasks/gamma_sky/live/trials.json

takes half an hour on one core.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from skysift.core.registry import bundle_folder
from skysift.evaluate.localisation import poisson_interval
from skysift.tasks.gamma_sky.live.calibration import search_empty
from skysift.tasks.gamma_sky.live.schedule import WindowLength
from skysift.tasks.gamma_sky.model import load_bundle

SEARCHES = {1.0: 4000, 10.0: 6000, 100.0: 6000, 600.0: 4000, 1800.0: 3000}
LEVELS = (0.3, 0.1, 0.03, 0.01)
FEWEST = 10  # clumps that a ratio rests on
ONE_SIGMA = 0.6827


def main() -> None:
    """Search empty streams and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--scale", type=float, default=1.0, help="times the number of searches")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    trials = load_bundle(bundle_folder("gamma-sky")).trials
    rows: list[dict[str, float]] = []
    for length, searches in SEARCHES.items():
        rng = np.random.default_rng([options.seed, int(length)])
        n = max(int(options.scale * searches), 50)
        measured: list[dict[str, float]] = []
        empty = search_empty(WindowLength.of(length), n, rng, trials, LEVELS)
        for level in LEVELS:
            found, expected = empty.clumps(level), empty.expected(level)
            interval = poisson_interval(found, confidence=ONE_SIGMA)
            single = int(np.sum(empty.found[:, 3] <= level))
            print(
                f"{length:6g} s, {level:5g} per search: {single} candidates "
                f"({level * n:.1f} expected) in {found} clumps ({expected:.1f} expected), "
                f"ratio {found / expected:.2f} "
                f"[{interval.low / expected:.2f}, {interval.high / expected:.2f}]",
                flush=True,
            )
            if found >= FEWEST:
                measured.append(
                    {
                        "length": length,
                        "step": empty.length.step,
                        "searches": n,
                        "level": level,
                        "found": found,
                        "expected": round(expected, 2),
                        "factor": round(interval.high / expected, 3),
                    }
                )
        # The formula is least right for the strong ones: the level that is worst decides.
        rows.append(max(measured, key=lambda row: row["factor"]))
    command = f"python {' '.join(sys.argv)}"
    record = {"command": command, "seed": options.seed, "lengths": rows}
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
