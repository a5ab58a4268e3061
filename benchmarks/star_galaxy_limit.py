"""What limits star-galaxy: the draw of the folds, and labels that no model gets right.

    python benchmarks/star_galaxy_limit.py folds
    python benchmarks/star_galaxy_limit.py default --seeds 6
    skysift compare star-galaxy --data ztf-cutouts --out runs/compare
    python benchmarks/star_galaxy_limit.py labels --run runs/compare --gallery missed.png

`folds` repeats the five-fold cross-validation by object with other partitions into folds, of what
trains in seconds; `default` does so for the default blend. `labels` takes the
stored cross-validation of all models and asks what the objects cost that every learned model
misses. They are picked for being missed: what would be right without them, or with their labels
exchanged, is a bound and no result. Nothing is chosen by what this finds.

Each command replaces its part of benchmarks/star_galaxy_limit.json.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.core.progress import silent
from skysift.data.fetch import fetch
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.probability import log_losses
from skysift.preprocess.images.shapes import ShapeFeatures
from skysift.report.run_folder import read_run
from skysift.tasks.star_galaxy.blend import mean_probability, sober_log_odds
from skysift.tasks.star_galaxy.comparison import cross_validate
from skysift.tasks.star_galaxy.gallery import most_confident_errors, plot_gallery
from skysift.tasks.star_galaxy.options import CompareOptions, ReadOptions
from skysift.tasks.star_galaxy.reader import Cutouts, read_cutouts
from skysift.tasks.star_galaxy.scoring import Scored

PARTS = ("random-forest", "extra-trees", "gp-shapes", "svm")
"""Of the default blend those that train in seconds; the process has 100 neighbours, not 50."""

COMPARED = {"folds": (*PARTS, "fwhm-cut"), "default": ("blend",)}
MEAN = "mean of four"
UNLEARNED = ("fwhm-cut", "magnitude")
DEFAULT = "blend"
AIMS = {"accuracy": 0.990, "auc": 0.997, "unambiguous": 0.995}
AIM_OF_PROCESS = {"gp-shapes": 0.987}

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def measures(is_galaxy: Bools, probability: Floats) -> dict[str, float]:
    """Return the numbers that do not need an interval here: they are compared with each other."""
    return {
        "errors": int(np.sum((probability > 0.5) != is_galaxy)),
        "accuracy": round(float(np.mean((probability > 0.5) == is_galaxy)), 5),
        "auc": round(auc_interval(is_galaxy, probability).value, 5),
        "log_loss": round(float(log_losses(is_galaxy, probability).mean()), 5),
    }


def one_partition(
    cutouts: Cutouts, models: tuple[str, ...], seed: int
) -> dict[str, dict[str, float]]:
    """Return what each model reaches in a cross-validation with this seed."""
    scored = cross_validate(cutouts, CompareOptions(models=models), seed=seed, progress=silent)
    found = {}
    for name in models:
        probability, sure = scored.probability[name], ~scored.ambiguous[name]
        right = (probability > 0.5) == scored.is_galaxy
        found[name] = measures(scored.is_galaxy, probability)
        found[name]["unambiguous"] = round(float(right[sure].mean()), 5)
    if set(PARTS) <= set(models):
        odds = [sober_log_odds(scored.probability[name]) for name in PARTS]
        found[MEAN] = measures(scored.is_galaxy, mean_probability(odds))
    return found


def over_partitions(rows: Sequence[dict[str, dict[str, float]]]) -> Iterator[dict[str, Any]]:
    """Yield mean, spread and range of each number of each model, and how often an aim is met."""
    for model in rows[0]:
        for name in (*AIMS, "log_loss"):
            values = np.array([row[model][name] for row in rows if name in row[model]])
            if not len(values):
                continue
            aim = AIM_OF_PROCESS.get(model, AIMS["accuracy"]) if name == "accuracy" else None
            aim = AIMS.get(name) if aim is None else aim
            yield {
                "model": model,
                "measure": name,
                "mean": round(float(values.mean()), 5),
                "sd": round(float(values.std(ddof=1)), 5),
                "least": float(values.min()),
                "most": float(values.max()),
                "aim": aim,
                "reached": None if aim is None else int(np.sum(values >= aim)),
                "of": len(values),
            }


def all_missed(scored: Scored) -> Bools:
    """Return which objects all models miss that look at shapes or seeing-matched pixels."""
    looking = [
        name
        for name, told in scored.contestants.items()
        if name not in UNLEARNED and told.representation != "pixels as they are"
    ]
    wrong = [(scored.probability[name] > 0.5) != scored.is_galaxy for name in looking]
    return np.asarray(np.all(wrong, axis=0))


def beside_equals(cutouts: Cutouts, magnitude: Floats, row: int) -> dict[str, float]:
    """Return the width of an object, and how many equally bright stars and galaxies have less.

    Equally bright is half a magnitude to either side.
    """
    width = ShapeFeatures(["fwhm_excess"]).matrix(cutouts.images)[:, 0]
    near = np.abs(magnitude - magnitude[row]) < 0.5
    near[row] = False
    classes = {"stars": ~cutouts.is_galaxy, "galaxies": cutouts.is_galaxy}
    found = {"fwhm_excess": round(float(width[row]), 3)}
    for name, members in classes.items():
        equals = width[near & members]
        found[f"{name}_as_bright"] = len(equals)
        found[f"{name}_narrower"] = int(np.sum(equals < width[row]))
    return found


def of_labels(cutouts: Cutouts, run: Path, gallery: Path | None) -> dict[str, Any]:
    """Return which objects are missed by all, and what the default has without them."""
    scored = Scored.from_run(read_run(run))
    rows = cutouts.distinct()
    missed = all_missed(scored)
    probability = scored.probability[DEFAULT]
    if gallery is not None:
        few = Scored.start(rows.take(missed, rows.split)).add(
            scored.contestants[DEFAULT],
            probability[missed],
            scored.error[DEFAULT][missed],
            scored.ambiguous[DEFAULT][missed],
        )
        errors = most_confident_errors(few, rows.images.take(missed), DEFAULT)
        plot_gallery(errors).savefig(gallery, dpi=150)
    return {
        "missed": [
            {
                "file": str(scored.identifiers[row]),
                "magnitude": round(float(scored.magnitude[row]), 2),
                "p_galaxy": round(float(probability[row]), 4),
                "ambiguous": bool(scored.ambiguous[DEFAULT][row]),
                **beside_equals(rows, scored.magnitude, int(row)),
            }
            for row in np.flatnonzero(missed)
        ],
        "as it is": measures(scored.is_galaxy, probability),
        "left out (a bound)": measures(scored.is_galaxy[~missed], probability[~missed]),
        "labels exchanged (a bound)": measures(scored.is_galaxy ^ missed, probability),
    }


def store(path: Path, part: str, found: Any) -> None:
    """Put one part into the file of results."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_atomic(path, json.dumps(known | {part: found}, indent=1) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=(*COMPARED, "labels"))
    parser.add_argument("--seeds", type=int, default=20, help="seeds 1 to this, of the folds")
    parser.add_argument("--run", type=Path, default=Path("runs/compare"))
    parser.add_argument("--gallery", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    cutouts = read_cutouts([file.path for file in fetch("ztf-cutouts").files], ReadOptions())
    if given.part == "labels":
        store(given.out, "labels", of_labels(cutouts, given.run, given.gallery))
        return
    seeds = range(1, given.seeds + 1)
    rows = []
    for seed in seeds:
        rows.append(one_partition(cutouts, COMPARED[given.part], seed))
        accuracies = {name: row["accuracy"] for name, row in rows[-1].items()}
        sys.stderr.write(f"seed {seed}: {accuracies}\n")
    found = {"seeds": [seeds[0], seeds[-1]], "measures": list(over_partitions(rows))}
    store(given.out, given.part, found)


if __name__ == "__main__":
    main()
