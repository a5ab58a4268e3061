"""Flares of 2014-15 by models of 2010-13: go on, train afresh on the new months, or retrain.

``python -m benchmarks.learn_on.flare --data aia211_regions.csv`` reads the images beside the table.
The test rows are those from 2014-07-01 on; the new rows are of the six months before. Intervals
are by region.
"""

import argparse
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from benchmarks.learn_on.curves import ORIGIN, Curve, Floats, nested, options, write

from skysift.core.bundle_schema import DataLicence
from skysift.core.progress import silent
from skysift.data.table import FeatureTable
from skysift.models.lessons import Rows
from skysift.tasks.flare import continuation
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.options import ReadOptions, TrainOptions
from skysift.tasks.flare.regions import Regions, read_labelled
from skysift.tasks.flare.training import train

SIZES = (60, 120, 240)
REPEATS = 2
TRAINING = TrainOptions(folds=2, bags=1)


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/flare.json"))
    given = parser.parse_args()
    reading = ReadOptions(sections=("I", "IA"), farthest=82.0)
    regions = read_labelled([given.data], reading)
    regions = regions.take(regions.usable)
    day = regions.time.astype("datetime64[D]")
    old = regions.take(day < np.datetime64(date(2014, 1, 1)))
    new = regions.take(
        (day >= np.datetime64(date(2014, 1, 1))) & (day < np.datetime64(date(2014, 6, 28)))
    )
    test = regions.take((day >= np.datetime64(date(2014, 7, 1))) & regions.has_spots)
    parent = trained(old, 0)
    curve = Curve()
    lessons = continuation.lessons(new, parent)
    answer = partial(loss_of, test)
    groups = []
    for repeat in range(REPEATS):
        groups.append(test.noaa)
        curve.add("parent", 0, repeat, lambda: parent, answer=answer)
        samples = nested(new.noaa, SIZES, np.random.default_rng(repeat))
        for n, rows in zip(SIZES, samples, strict=True):
            some = new.take(rows)
            for body in ("frozen", "free"):
                chosen = lessons.take(rows)
                curve.add(body, n, repeat, gone_on, parent, chosen, body, repeat, answer=answer)
            curve.add("scratch", n, repeat, trained, some, repeat, answer=answer)
            curve.add("retrained", n, repeat, trained, both(old, some), repeat, answer=answer)
    facts = {
        "target": "a flare of class C or stronger within 24 h",
        "old": f"{len(old)} rows before 2014-01-01",
        "test": f"{len(test)} rows of {len(np.unique(test.noaa))} regions from 2014-07-01 on",
        "repeats": REPEATS,
        "seconds": curve.seconds(),
    }
    command = f"python -m benchmarks.learn_on.flare --data {given.data.name}"
    write(given.out, "flare 2010-13 to 2014-15", curve.points(groups), facts, command)


def loss_of(test: Regions, model: FlareModel) -> Floats:
    """Return the log loss of the test rows."""
    said, truth = model.probabilities(test)["p_c24"], test.flared("C")
    return np.asarray(-np.log(np.where(truth, said, 1 - said).clip(1e-7)))


def gone_on(parent: FlareModel, lessons: Rows, body: str, seed: int) -> FlareModel:
    """Return the parent after new rows."""
    rng = np.random.default_rng(seed)
    return continuation.go_on(
        parent, lessons, None, options(body), rng, origin=ORIGIN, progress=silent
    )


def trained(regions: Regions, seed: int) -> FlareModel:
    """Return a model of some rows alone."""
    return train(
        regions,
        TRAINING,
        np.random.default_rng(seed),
        seed=seed,
        command="",
        licence=DataLicence(licence="not stated", citation="not stated"),
        progress=silent,
    )


def both(old: Regions, new: Regions) -> Regions:
    """Return the rows of two periods."""
    table = FeatureTable(pa.concat_tables([old.table.arrow, new.table.arrow]))
    joined = Regions.join([old, new], table, old.name)
    features = np.concatenate([old.image_features, new.image_features])
    joined.__dict__["image_features"] = features  # measured once
    return joined


if __name__ == "__main__":
    main()
