"""Disks of the Sun from February 2015 on, by a network of regions that went on with those before.

``python -m benchmarks.learn_on.active_region --data aia211_fulldisk --regions aia211_regions.csv
--quiet aia211_quiet_patches.csv``: the shipped bundle has learnt from disks before July 2014. It
goes on with those up to January 2015. Intervals are by fortnight.
"""

import argparse
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.learn_on.curves import ORIGIN, Curve, Floats, options, write

from skysift.core.progress import silent
from skysift.core.registry import bundle_folder
from skysift.evaluate.detection import f1_change
from skysift.models.solar.disk_lessons import DiskLessons
from skysift.models.solar.region_network import export_region_network
from skysift.models.solar.region_training import RegionTraining, train_region_network
from skysift.tasks.active_region import detector_continuation as detector
from skysift.tasks.active_region.model import F1_POINT, ActiveRegionModel, load_bundle
from skysift.tasks.active_region.options import ReadOptions
from skysift.tasks.active_region.reader import read_disks

REPEATS = 3
FIRST, NEXT = date(2014, 7, 1), date(2015, 2, 1)


def main() -> None:
    """Run the study and write its file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("--data", "--regions", "--quiet"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/learn_on/active_region.json"))
    given = parser.parse_args()
    labels = {"regions": str(given.regions), "quiet": str(given.quiet)}
    parent = load_bundle(bundle_folder("active-region"))
    new, test = (
        read_disks([given.data], ReadOptions(since=since, before=before, **labels))
        for since, before in ((FIRST, NEXT), (NEXT, None))
    )
    told = f"new, {new.times.min()} to {new.times.max()}"
    lessons, judged = detector.lessons(new, parent), detector.lessons(test, parent)
    curve, found = Curve(), []
    answer = partial(detector.losses, judged)
    for repeat in range(REPEATS):
        curve.add("parent", 0, repeat, lambda: parent, answer=answer)
        for body in ("frozen", "free"):
            child = gone_on(parent, lessons, body, repeat, told)
            curve.add(body, len(lessons), repeat, lambda one=child: one, answer=answer)
            found.append({"way": body, "repeat": repeat, **regions_found(parent, child, judged)})
        curve.add("scratch", len(lessons), repeat, fresh, lessons, repeat, answer=answer_of(judged))
    facts = {
        "old": parent.training.split,
        "new": f"{len(new)} disks from {FIRST} to {NEXT}",
        "test": f"{len(test)} disks of {len(np.unique(judged.group))} fortnights from {NEXT} on",
        "repeats": REPEATS,
        "f1_minus_parent": found,
    }
    command = f"python -m benchmarks.learn_on.active_region --data {given.data.name}"
    command += f" --regions {given.regions.name} --quiet {given.quiet.name}"
    points = curve.points([judged.group] * REPEATS)
    write(given.out, "regions of 2010-14 to later in 2014", points, facts, command)


def gone_on(
    parent: ActiveRegionModel, lessons: DiskLessons, body: str, seed: int, told: str
) -> ActiveRegionModel:
    """Return the parent after new disks."""
    rng = np.random.default_rng(seed)
    origin = type(ORIGIN)(ORIGIN.lineage, told, ORIGIN.licence)
    return detector.go_on(parent, lessons, None, options(body), rng, origin=origin, progress=silent)


def fresh(lessons: DiskLessons, seed: int) -> bytes:
    """Return the graph of a network of the new disks alone, trained as the shipped one was."""
    weights = train_region_network(
        lessons.seen,
        lessons.centres,
        training=RegionTraining(epochs=50),
        rng=np.random.default_rng(seed),
    )
    return export_region_network(weights)


def answer_of(judged: DiskLessons) -> Any:
    """Return what asks a graph for its losses."""
    return lambda graph: detector.region_losses(graph, judged)


def regions_found(
    parent: ActiveRegionModel, child: ActiveRegionModel, judged: DiskLessons
) -> dict[str, Floats | float]:
    """Return F1 less that of the parent, with its interval by fortnight."""
    change = f1_change(
        *(detector.detections_of(one, judged) for one in (child, parent)),
        threshold=parent.threshold(F1_POINT),
        blocks=judged.group,
        rng=np.random.default_rng(0),
    )
    return {"value": change.value, "low": change.low, "high": change.high}


if __name__ == "__main__":
    main()
