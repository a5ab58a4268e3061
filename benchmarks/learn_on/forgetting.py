"""What a network forgets with and without a replay: events of a telescope whose optics got worse.

``python -m benchmarks.learn_on.forgetting`` simulates both telescopes; nothing is read.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, measured, write

from skysift.core.continuation import ContinueOptions
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, load_task
from skysift.evaluate.updating import update
from skysift.models.lessons import Rows
from skysift.tasks.gamma_hadron import continuation
from skysift.tasks.gamma_hadron.model import GammaHadronModel

N = 3000
BLUR, FAINTER = 25.0, 0.3
OPTIONS = ContinueOptions(rate=3e-3, rounds=12, patience=5)


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/forgetting.json"))
    given = parser.parse_args()
    shipped = load_task("gamma-hadron").load(bundle_folder("gamma-hadron", "fast"))

    def sample(seed: int, blur: float, fainter: float) -> Rows:
        events = load_task("gamma-hadron").synth(N, np.random.default_rng(seed))
        table = events.table
        worse = {name: np.hypot(table[name], blur) for name in ("length", "width")}
        worse["log_size"] = table["log_size"] - fainter
        return continuation.lessons(replace(events, table=table.with_columns(worse)), shipped)

    old, old_test = sample(1, 0.0, 0.0), sample(2, 0.0, 0.0)
    new, new_test = sample(3, BLUR, FAINTER), sample(4, BLUR, FAINTER)

    def go_on(parent: GammaHadronModel, rows: Rows, options: ContinueOptions) -> GammaHadronModel:
        rng = np.random.default_rng(0)
        return continuation.go_on(parent, rows, None, options, rng, origin=ORIGIN, progress=silent)

    parent = go_on(shipped, old, OPTIONS.model_copy(update={"rounds": 40}))
    updated, _ = update(
        continuation, parent, new, old, OPTIONS, rng=np.random.default_rng(0), origin=ORIGIN,
        margin=1.0,
    )  # fmt: skip
    points = []
    for way, model in (
        ("parent", parent),
        ("replay", updated),
        ("plain", go_on(parent, new, OPTIONS)),
    ):
        for rows, test in (("old", old_test), ("new", new_test)):
            loss, before = continuation.losses(test, model), continuation.losses(test, parent)
            points.append({"way": way, "rows": rows, **measured(loss, before)})
    facts = {"rows": f"{N} simulated events of each sample"}
    write(given.out, "forgetting", points, facts, "python -m benchmarks.learn_on.forgetting")


if __name__ == "__main__":
    main()
