"""What bad subtractions in the training of streak do to ZTF's bogus alerts, and to real ones.

Two trainings on SIMULATED streaks that differ in one number, `--bad-subtractions` of ``skysift
simulate streak``: none, as the shipped bundle has it, and a tenth of the stamps. Skies are corners
of ZTF difference stamps, beside them real stars and galaxies. Each alert is asked of trees that saw
no stamp of its object. An alert is bogus where ZTF's own network says so (drb < 0.5), real where it
does not and no known asteroid is near.

Run: SKYSIFT_MIRROR=DIR python benchmarks/streaks_bogus.py --out benchmarks/streaks_bogus.json
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from measure import mirror_folder
from skysift.core.files import write_atomic
from skysift.core.progress import silent
from skysift.data.images.alerts import Cutout
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.evaluate.resampling import bootstrap_rows
from skysift.evaluate.roc import auc
from skysift.tasks.streak.model import raw_probability
from skysift.tasks.streak.options import ReadOptions, SimulateOptions, TrainOptions
from skysift.tasks.streak.simulate import simulate
from skysift.tasks.streak.stamps import CLASSES, FEATURES, Rows, measure, read_stamps
from skysift.tasks.streak.training import build

COMMAND = (
    "SKYSIFT_MIRROR=DIR python benchmarks/streaks_bogus.py --out benchmarks/streaks_bogus.json"
)
SPLIT = (
    "5 folds of the alerts by object, trained on the skies of the others and on stars and galaxies "
    "of other fields; shares with Wilson intervals, AUC with whole objects drawn again"
)
SEED, FOLDS, DRAWS, DIGITS = 11, 5, 1000, 4
TRAININGS = {"without": 0.0, "with": 0.1}
ARTEFACT = CLASSES.index("artefact")

Floats = NDArray[np.float64]


def trained_on(mirror: Path, share: float) -> Rows:
    """Return all stamps that ``skysift simulate streak`` makes, those of both its files."""
    options = SimulateOptions(
        base=(str(mirror / "ztf_alerts/ztf_alerts.parquet"),),
        sources=(str(mirror / "ztf/cutouts.tar.gz"),),
        bad_subtractions=share,
    )
    with TemporaryDirectory() as folder:
        out = Path(folder) / "streaks"
        simulate(out, options, seed=SEED, command=COMMAND, progress=silent)
        files = [out / "train.parquet", out / "test.parquet"]
        return read_stamps(files, ReadOptions()).rows


def asked(mirror: Path) -> tuple[Floats, NDArray[np.bool_], NDArray[np.str_]]:
    """Return features of alerts, shape (n, 19), which of them are bogus, and their objects."""
    path = mirror / "ztf_alerts/ztf_alerts.parquet"
    images, table = read_images([path], cutout=Cutout.DIFFERENCE).images, read_table(path)
    row_of = {str(name): row for row, name in enumerate(table["candid"])}
    rows = np.array([row_of[str(name)] for name in images.identifiers])
    bogus = table["drb"][rows] < 0.5
    features = measure(images, ReadOptions().seeing).matrix(FEATURES)
    known = bogus | (table["label_solar_system"][rows].astype(np.str_) == "")
    known &= np.isfinite(features).all(axis=1)
    return features[known], bogus[known], table["objectId"][rows].astype(np.str_)[known]


def folds(bogus: NDArray[np.bool_], objects: NDArray[np.str_]) -> Iterator[NDArray[np.int64]]:
    """Yield the alerts of each fold: no object in two, as many bogus ones in each."""
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    yield from (held for _, held in split.split(bogus, bogus, objects))


def probabilities(
    rows: Rows, features: Floats, bogus: NDArray[np.bool_], objects: NDArray[np.str_]
) -> Floats:
    """Return those of all classes, shape (n, 5), by trees that saw no stamp of the object."""
    found = np.zeros((len(features), len(CLASSES)))
    for held in folds(bogus, objects):
        others = rows.take(~np.isin(rows.group, objects[held]))
        trees = build(TrainOptions().model, SEED).fit(others.features, others.label)
        found[held] = raw_probability(trees, features[held])
    return found


def told(interval: Interval, n: int) -> dict[str, float]:
    """Return a number with its interval and the alerts that it rests on."""
    limits = {name: round(getattr(interval, name), DIGITS) for name in ("value", "low", "high")}
    return {**limits, "n": n}


def called(said: Floats, some: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of some alerts that is called an artefact."""
    hits = said[some].argmax(axis=1) == ARTEFACT
    return told(wilson_interval(int(hits.sum()), len(hits)), len(hits))


def rankings(
    said: dict[str, Floats], bogus: NDArray[np.bool_], objects: NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """Return the AUC of P(artefact) of each training, bogus beside real, and what it gains."""

    def statistic(weights: Floats) -> Floats:
        areas = [
            [auc(bogus, one[:, ARTEFACT], weight) for one in said.values()] for weight in weights
        ]
        return np.column_stack([areas, np.diff(areas, axis=1)])

    drawn = bootstrap_rows(
        statistic, len(bogus), rng=np.random.default_rng(SEED), groups=objects, n_bootstrap=DRAWS
    )
    names = (*said, "with less without")
    return {name: told(drawn.interval(k), len(bogus)) for k, name in enumerate(names)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    mirror = mirror_folder()
    features, bogus, objects = asked(mirror)
    said = {
        name: probabilities(trained_on(mirror, share), features, bogus, objects)
        for name, share in TRAININGS.items()
    }
    found: dict[str, Any] = {
        "command": COMMAND,
        "split": SPLIT,
        "seed": SEED,
        "simulated": "all that was trained on but stars and galaxies of cutouts",
        "bad subtractions": TRAININGS,
        "bogus called artefacts": {name: called(one, bogus) for name, one in said.items()},
        "real called artefacts": {name: called(one, ~bogus) for name, one in said.items()},
        "AUC of P(artefact)": rankings(said, bogus, objects),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        write_atomic(given.out, text + "\n")


if __name__ == "__main__":
    main()
