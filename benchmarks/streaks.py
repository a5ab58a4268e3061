"""Streaks told apart on real skies: injected trails, satellites and cosmic rays, real sources.

Satellites, glints, cosmic rays, hot pixels, bad subtractions and the asteroids of the training are
SIMULATED: no labelled set is free. The stamps are those of streaks_samples.py. All numbers of the
trees and the cuts are of stamps whose object, or exposure, the model did not see. What is known of
real streaks is checked with the shipped bundle, as `skysift evaluate streak --real` does.

Run: SKYSIFT_MIRROR=DIR python benchmarks/streaks.py --out benchmarks/streaks.json
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from measure import mirror_folder
from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder, load_task
from skysift.evaluate.intervals import Interval, mcnemar, wilson_interval
from skysift.evaluate.resampling import bootstrap_rows
from skysift.models.images.streaks.classifier import (
    STREAK_CLASSES,
    boosted_streaks,
    streaks_by_cuts,
)
from skysift.models.images.streaks.features import streak_table
from skysift.models.images.streaks.measurement import fit_trail
from skysift.models.images.streaks.segments import Place
from skysift.tasks.streak.evaluation import turn
from skysift.tasks.streak.options import ReadOptions
from skysift.tasks.streak.real_checks import check_real
from skysift.tasks.streak.stamps import REACH
from streaks_samples import LARGE, STILL, Sample, alerts, cutouts, injected, still

COMMAND = "SKYSIFT_MIRROR=DIR python benchmarks/streaks.py --out benchmarks/streaks.json"
SPLIT = (
    "5-fold cross-validation by object and exposure, whole objects drawn again; bogus alerts and "
    "known asteroids by models trained without their objects, Wilson intervals"
)
SEED = 20261121
REAL = (
    "rubin_alerts/rubin_alerts.parquet",
    "ztf_alerts/ztf_alerts.parquet",
    "streaks/astride_long.fits.gz",
)
BRIGHTNESS = ((6, 12), (12, 30), (30, 200))  # signal-to-noise ratio
LENGTHS = ((0.0, 2.0), (2.0, 4.0), (4.0, 99.0))  # full widths at half maximum of a point
DIGITS = 4

Floats = NDArray[np.float64]
Names = NDArray[np.str_]


def told(interval: Interval, n: int) -> dict[str, float]:
    """Return a number with its interval and the stamps that it rests on."""
    limits = {name: round(getattr(interval, name), DIGITS) for name in ("value", "low", "high")}
    return {**limits, "n": n}


def share(hits: Sequence[bool] | NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of hits with Wilson's interval."""
    n = len(hits)
    return told(wilson_interval(int(np.sum(hits)), n), n)


def median(values: Floats, rng: np.random.Generator) -> dict[str, float]:
    """Return the median with the interval of the bootstrap."""
    draws = np.median(rng.choice(values, (1000, len(values))), axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return told(Interval(float(np.median(values)), float(low), float(high)), len(values))


def counted(values: Names) -> dict[str, int]:
    """Return how often each answer was given."""
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


# --- told apart -----------------------------------------------------------------------------------


def measured(samples: Sequence[Sample]) -> Floats:
    """Return the features of the samples."""
    return streak_table([s.pixels for s in samples], [s.point_spread for s in samples], reach=REACH)


def out_of_fold(samples: Sequence[Sample], table: Floats) -> Names:
    """Return the answers of models that did not see the group of each sample."""
    labels = np.array([s.label for s in samples])
    groups = np.array([s.group for s in samples])
    answers = np.empty_like(labels)
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        table, labels, groups
    ):
        model = boosted_streaks().fit(table[train], labels[train])
        answers[test] = model.predict(table[test])
    return answers


def class_metrics(
    samples: Sequence[Sample], predicted: Names, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Return recall and precision of each class, intervals from whole objects drawn again."""
    labels = np.array([s.label for s in samples])
    groups = np.array([s.group for s in samples])
    of = {"accuracy": (np.ones(len(samples), dtype=bool), labels == predicted)}
    for name in STREAK_CLASSES:
        of[f"recall {name}"] = labels == name, predicted == name
        of[f"precision {name}"] = predicted == name, labels == name

    def statistic(weight: Floats) -> Floats:
        return np.stack([weight @ (a & hit) / (weight @ a) for a, hit in of.values()], axis=-1)

    drawn = bootstrap_rows(statistic, len(samples), rng=rng, groups=groups, n_bootstrap=1000)
    return {
        name: told(drawn.interval(column), int(among.sum()))
        for column, (name, (among, _)) in enumerate(of.items())
    }


def by_kind(samples: Sequence[Sample], predicted: Names) -> dict[str, Any]:
    """Return the share that is right, and all answers, for each kind of stamp."""
    labels, kinds = np.array([s.label for s in samples]), np.array([s.kind for s in samples])
    return {
        kind: {
            "right": share((predicted == labels)[kinds == kind]),
            "answers": counted(predicted[kinds == kind]),
        }
        for kind in np.unique(kinds).tolist()
    }


def asteroids_found(samples: Sequence[Sample], predicted: Names) -> dict[str, dict[str, float]]:
    """Return the share of injected asteroids that is found, by length and brightness.

    The control are points put on the same skies, which nothing but their shape can tell apart.
    """
    found = {}
    called = [(s, answer == "asteroid") for s, answer in zip(samples, predicted, strict=True)]
    for short, long in LENGTHS:
        for faint, bright in BRIGHTNESS:
            inside = [
                hit
                for s, hit in called
                if s.kind == "asteroid"
                and short <= s.injection.trail.length / s.point_spread.fwhm < long
                and faint <= s.injection.snr < bright
            ]
            if inside:
                found[f"{short:g}-{long:g} FWHM, snr {faint}-{bright}"] = share(inside)
    for faint, bright in BRIGHTNESS:
        points = [hit for s, hit in called if s.kind == STILL and faint <= s.snr < bright]
        found[f"simulated stars taken for asteroids, snr {faint}-{bright}"] = share(points)
    return found


# --- measured -------------------------------------------------------------------------------------


def trail_errors(samples: Sequence[Sample]) -> Floats:
    """Return length, brightness, errors and stated errors of injected asteroids, shape (n, 6)."""
    rows = []
    for sample in samples:
        if sample.kind != "asteroid" or sample.pixels.shape[0] != LARGE:
            continue
        truth, middle = sample.injection, 0.5 * (LARGE - 1)
        near = Place(middle, middle, REACH)
        fit = fit_trail(sample.pixels, sample.point_spread, near=near, free_width=True)
        longer = fit.trail.length - truth.trail.length
        turned = float(turn(fit.trail.angle - truth.trail.angle))
        rows.append(
            (truth.trail.length, truth.snr, longer, fit.length_error, turned, fit.angle_error)
        )
    return np.array(rows)


def length_and_angle(samples: Sequence[Sample], rng: np.random.Generator) -> dict[str, Any]:
    """Return bias, scatter and coverage for injected asteroids, by brightness and length."""
    table = trail_errors(samples)
    found = {}
    for name, low, high in (("3-6 px", 0, 6), ("6-12 px", 6, 12), ("12-22 px", 12, 99)):
        for tag, faint, bright in (("snr 6-20", 0, 20), ("snr 20-200", 20, 999)):
            inside = (table[:, 0] >= low) & (table[:, 0] < high)
            inside &= (table[:, 1] >= faint) & (table[:, 1] < bright)
            _, _, longer, stated_length, turned, stated_angle = table[inside].T
            if len(longer) < 10:
                continue
            found[f"{name}, {tag}"] = {
                "length error [px]": median(longer, rng),
                "|length error| [px]": median(np.abs(longer), rng),
                "|angle error| [deg]": median(np.abs(turned), rng),
                "length within 1 sigma": share(np.abs(longer) < stated_length),
                "angle within 1 sigma": share(np.abs(turned) < stated_angle),
            }
    return found


# --- real streaks ---------------------------------------------------------------------------------


def real_streaks(mirror: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Return what the shipped bundle makes of the few streaks that are real."""
    model = load_task("streak").load(bundle_folder("streak", "default"))
    rubin, ztf, line = check_real([mirror / name for name in REAL], model, ReadOptions().seeing)
    trailed = rubin["rows"]
    angles = np.array([abs(row["angle difference"]) for row in trailed])
    longer = np.array([row["length"] - row["Rubin length"] for row in trailed])
    return {
        "trailed": {
            "|angle difference| [deg]": median(angles, rng),
            "length less Rubin's [arcsec]": median(longer, rng),
            "called asteroid": share([row["class"] == "asteroid" for row in trailed]),
        },
        "not trailed, called star": share([row["class"] == "star" for row in ztf["rows"]]),
        "checks": [
            {**check, "rows": [_rounded(row) for row in check["rows"]]}
            for check in (rubin, ztf, line)
        ],
    }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, DIGITS) if isinstance(v, float) else v for k, v in row.items()}


def compared(
    samples: Sequence[Sample], held_out: Sequence[Sample], rng: np.random.Generator
) -> dict[str, Any]:
    """Return what trees and cuts make of the samples, and of others that are in no training."""
    table, other_table = measured(samples), measured(held_out)
    trees, cuts = out_of_fold(samples, table), streaks_by_cuts(table)
    labels = np.array([s.label for s in samples])
    # Objects of the others may have packets among the samples: train without them.
    strange = {s.group for s in held_out}
    apart = np.array([s.group not in strange for s in samples])
    clean = boosted_streaks().fit(table[apart], labels[apart])
    answers = {
        "trees": (trees, clean.predict(other_table)),
        "cuts": (cuts, streaks_by_cuts(other_table)),
    }
    found: dict[str, Any] = {
        name: {
            "classes": class_metrics(samples, own, rng),
            "kinds": by_kind(samples, own),
            "asteroids": asteroids_found(samples, own),
            "not in training": by_kind(held_out, other),
        }
        for name, (own, other) in answers.items()
    }
    found["trees against cuts"] = asdict(mcnemar(trees == labels, cuts == labels))
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    given = parser.parse_args()
    mirror = mirror_folder()
    rng = np.random.default_rng(SEED)
    packets = alerts(mirror)
    own = list(still(packets))
    samples = [
        *injected(packets, 3, rng),
        *(s for s in own if s.kind == "alert"),
        *cutouts(mirror, 500, rng),
    ]
    held_out = [s for s in own if s.kind != "alert"]
    found = {
        "command": COMMAND,
        "split": SPLIT,
        "seed": SEED,
        "simulated": "all asteroid trails, satellites, glints, cosmic rays, hot pixels, dipoles, "
        "rings and edges",
        "n": len(samples),
        **compared(samples, held_out, rng),
        "length and angle of injected asteroids": length_and_angle(samples, rng),
        "real": real_streaks(mirror, rng),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        write_atomic(given.out, text + "\n")


if __name__ == "__main__":
    main()
