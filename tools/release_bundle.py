"""Put a trained bundle into the package, with what it does on the fixed test rows on its label.

    skysift train gamma-hadron --data magic --model blend --out bundles/default
    python tools/release_bundle.py bundles/default

The test rows are scored here, once, when the bundle is finished; nothing is chosen by the result.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from skysift.core.results import Metric
from skysift.data.fetch import fetch
from skysift.tasks.gamma_hadron.model import OnnxPredictor, load_bundle
from skysift.tasks.gamma_hadron.options import ReadOptions
from skysift.tasks.gamma_hadron.reader import read_events
from skysift.tasks.gamma_hadron.scoring import has_impossible_concentration
from skysift.tasks.gamma_hadron.task import GammaHadron

SHIPPED = Path(__file__).parents[1] / "src/skysift/tasks/gamma_hadron/bundles"
KEPT = ("auc", "efficiency", "log_loss", "ece", "acceptance")


def main(folder: Path) -> None:
    """Evaluate on the test rows and write the bundle into the package."""
    task, model = GammaHadron(), load_bundle(folder)
    paths = [file.path for file in fetch("magic").files]
    test = read_events(paths, ReadOptions(rows="test"), None, purpose="evaluate")
    possible = test.take(
        ~has_impossible_concentration(test.table), "test rows without the impossible ones"
    )
    measured: list[Metric] = []
    for rows in (test, possible):
        rng = np.random.default_rng(0)
        found = task.evaluate(rows, model, rng, split=f"MAGIC, {rows.split}").metrics
        measured += [m for m in found if m.name.startswith(KEPT) and np.isfinite(m.value)]
    if model.bundle is None:
        raise SystemExit("the bundle was not loaded from a folder")
    data = model.bundle.read_bytes("model.onnx")
    labelled = replace(
        model,
        name=folder.name,
        predictor=OnnxPredictor(data, int(model.parameters.get("chunk", 65_536))),
        metrics=(*model.metrics, *measured),
        training=model.training.model_copy(
            update={
                "command": model.training.command.replace(str(folder), f"bundles/{folder.name}")
            }
        ),
    )
    task.save(labelled, SHIPPED / folder.name)
    for metric in measured:
        sys.stdout.write(f"{metric.split}: {metric}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
