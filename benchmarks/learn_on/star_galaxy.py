"""ZTF cutouts to the templates of ZTF alert stamps: go on from the shipped blend, or train afresh.

``python -m benchmarks.learn_on.star_galaxy --alerts ztf_alerts.parquet`` takes the stamps whose
nearest Pan-STARRS source is a star or a galaxy by its score (Tachibana & Miller 2018, PASP 130,
128001), a model's word and not truth. Half of the objects train, half test, in several draws;
intervals are by object.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, Curve, Floats, nested, options, write

from skysift.core.progress import silent
from skysift.core.registry import bundle_folder
from skysift.data.images.alerts import Cutout
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.evaluate.probability import log_losses
from skysift.models.cross_fitting import require_enough
from skysift.models.lessons import Rows
from skysift.tasks.star_galaxy import continuation
from skysift.tasks.star_galaxy.catalogue import CATALOGUE
from skysift.tasks.star_galaxy.fitting import fit_predictor
from skysift.tasks.star_galaxy.model import StarGalaxyModel, load_bundle
from skysift.tasks.star_galaxy.predictors import Predictor
from skysift.tasks.star_galaxy.reader import as_models_know
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

SIZES = (20, 40, 80)
REPEATS = 4
N_SHAPES = len(REPRESENTATIONS["shapes"].names)
FOLDS = 2


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--alerts", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/star_galaxy.json"))
    given = parser.parse_args()
    parent = load_bundle(bundle_folder("star-galaxy", "default"))
    rows = alert_rows(given.alerts, parent.representation)
    curve, groups = Curve(), []
    for repeat in range(REPEATS):
        rng = np.random.default_rng(repeat)
        objects = rng.permutation(np.unique(rows.group))
        is_test = np.isin(rows.group, objects[: len(objects) // 2])
        pool, test = rows.take(~is_test), rows.take(is_test)
        groups.append(test.group)
        said = partial(answer, test)
        curve.add("parent", 0, repeat, lambda: parent, answer=said)
        for n, some in zip(SIZES, nested(pool.group, SIZES, rng), strict=True):
            new = pool.take(some)
            for body in ("frozen", "free"):
                curve.add(body, n, repeat, gone_on, parent, new, body, repeat, answer=said)
            of_forest = partial(answer, shapes_of(test))
            curve.add("scratch", n, repeat, trained, new, repeat, answer=of_forest)
    facts = {
        "target": "a galaxy rather than a star, by the Pan-STARRS score",
        "rows": f"{len(rows)} stamps of {len(np.unique(rows.group))} objects, "
        f"{int((rows.label > 0).sum())} of galaxies",
        "test": "half of the objects, in four draws",
        "repeats": REPEATS,
        "seconds": curve.seconds(),
    }
    command = f"python -m benchmarks.learn_on.star_galaxy --alerts {given.alerts.name}"
    write(
        given.out, "star-galaxy ZTF cutouts to alert stamps", curve.points(groups), facts, command
    )


def alert_rows(path: Path, representation: str) -> Rows:
    """Return what the model sees of the labelled stamps, grouped by object."""
    table = read_table(path)
    images = as_models_know(read_images([path], cutout=Cutout.TEMPLATE).images)
    row_of = {str(name): row for row, name in enumerate(table["candid"])}
    rows = np.array([row_of[str(name)] for name in images.identifiers])
    label = table["label_ps1"][rows].astype(str)
    known = np.isin(label, ("star", "galaxy"))
    _, group = np.unique(table["objectId"][rows].astype(str), return_inverse=True)
    matrix = REPRESENTATIONS[representation].matrix(images.take(known))
    return Rows(matrix, (label[known] == "galaxy").astype(float), group[known].astype(np.int64))


def answer(test: Rows, model: StarGalaxyModel | Predictor) -> Floats:
    """Return the log loss of the test rows."""
    truth = test.label > 0
    predictor = model.predictor if isinstance(model, StarGalaxyModel) else model
    said, _ = predictor.predict_with_error(test.features)
    return np.asarray(log_losses(truth, said))


def shapes_of(rows: Rows) -> Rows:
    """Return rows with what a forest sees of them."""
    return replace(rows, features=rows.features[:, :N_SHAPES])


def gone_on(parent: StarGalaxyModel, new: Rows, body: str, seed: int) -> StarGalaxyModel:
    """Return the parent after new rows."""
    rng = np.random.default_rng(seed)
    return continuation.go_on(parent, new, None, options(body), rng, origin=ORIGIN, progress=silent)


def trained(new: Rows, seed: int) -> Predictor:
    """Return a forest of shapes, trained on new rows alone: few rows train no blend."""
    truth = new.label > 0
    require_enough(truth, FOLDS, rows="objects", data="stamps")
    rng = np.random.default_rng(seed)
    return fit_predictor(
        CATALOGUE["random-forest"].build(),
        new.features[:, :N_SHAPES], truth, new.group, rng, has_posterior=False,
        folds=FOLDS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
