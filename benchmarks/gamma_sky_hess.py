"""What the search finds in the public runs of H.E.S.S., in one stored file.

    python -m benchmarks.gamma_sky_hess --runs hess-dl3-dr1

The study is that of ``skysift evaluate gamma-sky --hess FOLDER --studies hess`` (ten minutes); a
page shows the tables. This work made use of data from the H.E.S.S. DL3 public test data release
1 (HESS DL3 DR1, H.E.S.S. collaboration, 2018); it tests software and makes no claim about the sky.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from benchmarks.gamma_sky_targets import rounded

from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_sky.evaluation.run import evaluate_sky
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.options import EvaluateOptions

SEED = 0


def main() -> None:
    """Evaluate and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the test data release")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/gamma_sky_hess.json"))
    given = parser.parse_args()
    trials = load_bundle(bundle_folder(TASK)).trials
    command = f"python -m benchmarks.gamma_sky_hess --runs {given.runs.name}"
    with tempfile.TemporaryDirectory() as folder:
        options = EvaluateOptions(hess=str(given.runs), studies=("hess",))
        rng = np.random.default_rng(SEED)
        evaluate_sky(options, Path(folder) / "run", rng, command=command, trials=trials)
        facts = read_run(Path(folder) / "run").facts["hess"]
    stored = {"command": command, **rounded(facts)}
    write_atomic(given.out, json.dumps(stored, indent=1) + "\n")
    for row in stored["off"]:
        print(row)


if __name__ == "__main__":
    main()
