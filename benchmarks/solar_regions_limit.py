"""What limits the search for active regions on disks in EUV, asked of the training years alone.

    SKYSIFT_MIRROR=DIR python benchmarks/solar_regions_limit.py --networks 3

Three runs in time are each searched by networks that learned from the others, as in training. Asked
are: what a search has that knows every numbered place but not which of them have spots; what has
one that knows which of its candidates are right; what more networks bring, and a second look at
each candidate (brightness about it at four scales, where on the disk it lies, what is beside it) by
three classifiers; what a network of fewer disks has, after as many steps; and which regions are
missed. Thresholds are the best of the rows that they are judged on, so that every F1 here is a
little too good, each by as much. Nothing is chosen by what this finds. It takes two minutes of a
core for each network and run.

The result is benchmarks/solar_regions_limit.json.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, logit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from measure import mirror_folder
from skysift.core.files import write_atomic
from skysift.data.chronological import time_blocks
from skysift.evaluate.detection import (
    Detections,
    best_f1_threshold,
    detection_skill,
    match_places,
    nearest_within,
    nearness_skill,
)
from skysift.evaluate.intervals import Interval
from skysift.models.solar.region_network import (
    HEAT_GRID,
    RegionNetwork,
    export_region_network,
    network_input,
)
from skysift.models.solar.region_training import RegionTraining, train_region_network
from skysift.models.solar.strength import DISK_GRID
from skysift.tasks.active_region.learning import (
    LIMIT,
    Candidates,
    Runs,
    candidates_of,
    ratios_of,
    runs_of,
)
from skysift.tasks.active_region.options import ReadOptions, TrainOptions
from skysift.tasks.active_region.reader import SolarDisks, read_disks
from skysift.tasks.active_region.training import BLOCK

BEFORE = date(2014, 7, 1)
SCALES = (1.5, 3.0, 6.0, 12.0)
"""Of the brightness about a candidate [grid pixel]."""

NEAR = (0.2, 0.4)
"""What is beside a candidate [radius of the disk]."""

SHARES = (0.25, 0.5)
"""Of the disks that a network learns from."""

LONGITUDES = (0, 30, 50, 70, 80, 90)
AREAS = (0, 20, 50, 100, 200, 10_000)

Floats = NDArray[np.float64]
Heats = NDArray[np.float32]


@dataclass(frozen=True)
class Question:
    """Disks, what is on them, and how their answers are judged."""

    disks: SolarDisks
    ratios: NDArray[np.float32]
    runs: Runs

    @property
    def truth(self) -> list[Floats]:
        """Where regions with spots lie on each disk."""
        return self.disks.spots()

    def skill(self, places: Sequence[Floats], scores: Sequence[Floats]) -> dict[str, Any]:
        """Return F1 of pairs and by distance alone, at the threshold that is best for pairs."""
        truth, rng = self.truth, np.random.default_rng(1)
        found = Detections.match(places, scores, truth, limit=LIMIT)
        threshold = best_f1_threshold(found)
        blocks = time_blocks(self.disks.times, BLOCK)
        pairs = detection_skill(found, threshold=threshold, blocks=blocks, rng=rng)
        sides: list[tuple[int, int, int, int]] = []
        for true, place, score in zip(truth, places, scores, strict=True):
            kept = place[score >= threshold]
            right, caught = _near(kept, true), _near(true, kept)
            sides.append((right, len(kept), caught, len(true)))
        near, n_found, seen, n_true = np.array(sides).T
        alone = nearness_skill((near, n_found), (seen, n_true), blocks=blocks, rng=rng)
        return {
            "pairs": {name: told(one) for name, one in pairs.items()},
            "distance alone": {name: told(one) for name, one in alone.items()},
            "threshold": round(threshold, 4),
        }


def _near(places: Floats, others: Floats) -> int:
    return int(np.sum(nearest_within(places, others, np.ones(len(others)), limit=LIMIT) > 0))


def told(found: Interval) -> dict[str, float]:
    """Return a value and its interval."""
    bounds = {"value": found.value, "low": found.low, "high": found.high}
    return {name: round(float(one), 4) for name, one in bounds.items()}


def unseen_heats(asked: Question, epochs: int, seed: int, share: float = 1.0) -> Heats:
    """Return the heat of each disk by a network that learned from a share of the other runs."""
    seen = np.stack([network_input(one) for one in asked.ratios])
    centres = asked.disks.centres()
    heats = np.zeros((len(seen), 2, HEAT_GRID.side, HEAT_GRID.side), dtype=np.float32)
    for number, (train, test) in enumerate(asked.runs):
        rng = np.random.default_rng([seed, number])
        rows = np.flatnonzero(train)
        rows = rows if share >= 1 else np.sort(rng.permutation(rows)[: round(share * len(rows))])
        weights = train_region_network(
            seen[rows],
            [centres[row] for row in rows],
            training=RegionTraining(epochs=round(epochs / share)),
            rng=rng,
        )
        network = RegionNetwork(export_region_network(weights))
        for row in np.flatnonzero(test):
            heats[row] = network.heat(asked.ratios[row])
        sys.stderr.write(f"network {seed}, run {number}\n")
    return heats


def odds(p: NDArray[Any]) -> Floats:
    """Return log-odds of probabilities that may be 0 or 1."""
    return np.asarray(logit(np.clip(np.asarray(p, np.float64), 1e-4, 1 - 1e-4)))


def about(ratio: NDArray[np.float32], heat: Heats, places: Floats, score: Floats) -> Floats:
    """Return what is about each candidate of a disk, shape (n, n_features)."""
    disk = np.stack([np.asarray(one) for one in DISK_GRID.places(*places.T)][::-1])
    warm = np.stack([np.asarray(one) for one in HEAT_GRID.places(*places.T)][::-1])

    def at(image: NDArray[Any], where: Floats, order: int = 1) -> Floats:
        return np.asarray(ndimage.map_coordinates(image, where, order=order, mode="nearest"))

    blurred = [ndimage.gaussian_filter(ratio, scale) for scale in SCALES]
    steep = ndimage.gaussian_filter(ndimage.gaussian_gradient_magnitude(ratio, SCALES[0]), 4)
    west, north = places.T
    radius = np.hypot(west, north)
    distance = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    np.fill_diagonal(distance, np.inf)
    higher = np.where(score > score[:, None], distance, np.inf).min(axis=1, initial=np.inf)
    n = len(places)
    return np.column_stack(
        [
            odds(score),
            *(at(odds(ndimage.gaussian_filter(heat[0], scale)), warm) for scale in (1, 2, 4)),
            at(odds(ndimage.gaussian_filter(heat[1], 0.7)), warm),
            *(at(one, disk) for one in blurred),
            at(ndimage.maximum_filter(blurred[0], size=25), disk, order=0),
            at(steep, disk),
            *(radius, np.abs(north), np.abs(west), np.sqrt(np.clip(1 - radius**2, 0, 1))),
            *(np.minimum(one, 1) for one in (distance.min(axis=1, initial=np.inf), higher)),
            *((distance < limit) @ score for limit in NEAR),
            np.arange(n),
            np.full((n, 3), [score.sum(), np.median(ratio), ratio.max()]),
        ]
    )


def second_looks() -> list[Callable[[], Any]]:
    """Return the classifiers whose log-odds are averaged."""
    ranks = partial(QuantileTransformer, output_distribution="normal", n_quantiles=200)
    return [
        lambda: make_pipeline(ranks(), LogisticRegression(C=0.1, max_iter=2000)),
        partial(ExtraTreesClassifier, 400, min_samples_leaf=5, random_state=1),
        partial(
            HistGradientBoostingClassifier,
            max_iter=120,
            learning_rate=0.05,
            max_leaf_nodes=8,
            l2_regularization=5.0,
            random_state=1,
        ),
    ]


def looked_at_again(asked: Question, heats: Heats, found: Candidates) -> list[Floats]:
    """Return scores of candidates by classifiers that learned from the other runs."""
    columns = [
        about(*disk) for disk in zip(asked.ratios, heats, found.places, found.heat, strict=True)
    ]
    scores = [np.zeros(len(one)) for one in columns]
    for _, test in asked.runs:
        others, these = np.flatnonzero(~test), np.flatnonzero(test)
        x, y = (
            np.concatenate([part[row] for row in others]) for part in (columns, found.is_region)
        )
        fitted = [build().fit(x, y) for build in second_looks()]
        for row in these[[len(columns[row]) > 0 for row in these]]:
            said = [odds(one.predict_proba(columns[row])[:, 1]) for one in fitted]
            scores[row] = expit(np.mean(said, axis=0))
    return scores


def missed(asked: Question, found: Candidates, threshold: float) -> list[dict[str, Any]]:
    """Return the share of regions with spots that are found, by longitude and by area."""
    table = asked.disks.regions
    spots = table.take(table["section"].astype(str) == "I")
    caught = []
    for true, place, score in zip(asked.truth, found.places, found.heat, strict=True):
        kept = score >= threshold
        hit = match_places(place[kept], score[kept], true, limit=LIMIT)
        caught.append(np.isin(np.arange(len(true)), hit))
    hit = np.concatenate(caught)
    rows = []
    for name, value, edges in (
        ("longitude [deg]", np.abs(spots["lon"]), LONGITUDES),
        ("area [millionths]", spots["area"], AREAS),
    ):
        for low, high in pairwise(edges):
            inside = (value >= low) & (value < high)
            share = round(float(hit[inside].mean()), 4)
            rows.append(
                {"by": name, "from": low, "to": high, "n": int(inside.sum()), "found": share}
            )
    return rows


def of_networks(asked: Question, heats: Heats) -> tuple[dict[str, Any], Candidates]:
    """Return the skill of a search, and of a second look at what it finds."""
    found = candidates_of(list(heats), asked.truth)
    again = looked_at_again(asked, heats, found)
    return {
        "as it is": asked.skill(found.places, found.heat),
        "second look": asked.skill(found.places, again),
    }, found


def fewer_disks(asked: Question, epochs: int, share: float) -> dict[str, Any]:
    """Return the skill of a search by a network of a share of the disks."""
    found = candidates_of(list(unseen_heats(asked, epochs, 0, share)), asked.truth)
    return {"share": share, **asked.skill(found.places, found.heat)}


def knowing(asked: Question, found: Candidates) -> dict[str, Any]:
    """Return F1 of searches that know more than any picture tells."""
    section = asked.disks.regions["section"].astype(str)
    spots, plage = int((section == "I").sum()), int((section == "IA").sum())
    right = int(sum(one.sum() for one in found.is_region))
    return {
        "regions with spots": spots,
        "plage": plage,
        "every numbered place, not which have spots": round(2 * spots / (2 * spots + plage), 4),
        "which candidates are right": round(2 * right / (right + spots), 4),
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    folder = mirror_folder() / "solar"
    options = TrainOptions()
    disks = read_disks(
        [folder / "aia211_fulldisk"],
        ReadOptions(
            regions=str(folder / "aia211_regions.csv"),
            quiet=str(folder / "aia211_quiet_patches.csv"),
            before=BEFORE,
        ),
    )
    asked = Question(disks, ratios_of(disks), runs_of(disks.times, options.folds))
    heats = [unseen_heats(asked, options.epochs, seed) for seed in range(given.networks)]
    single = [of_networks(asked, one) for one in heats]
    together = expit(np.mean([odds(one) for one in heats], axis=0)).astype(np.float32)
    found = {
        "command": f"python benchmarks/{Path(__file__).name} --networks {given.networks}",
        "disks": len(disks),
        "split": f"before {BEFORE}, {options.folds} runs in time, out of fold",
        "networks": [told for told, _ in single],
        "mean of the networks": of_networks(asked, together)[0],
        "fewer disks": [fewer_disks(asked, options.epochs, share) for share in SHARES],
        "knowing": knowing(asked, single[0][1]),
        "found": missed(asked, single[0][1], single[0][0]["as it is"]["threshold"]),
    }
    write_atomic(given.out, json.dumps(found, indent=1) + "\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
