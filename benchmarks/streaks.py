"""Streaks told apart on real skies: injected trails, satellites and cosmic rays, real sources.

Satellites, glints, cosmic rays, hot pixels, bad subtractions and the asteroids of the training are
SIMULATED: no labelled set is free. The skies under them are corners of ZTF difference stamps, the
sources that do not move are real ZTF alerts and real cutouts of stars and galaxies. All numbers are
of stamps whose object, or exposure, the model did not see.

An alert's width of a point is that of its difference image, by its fields `fwhm` and `seeratio`;
cutouts state the seeing of their exposure.

Run: SKYSIFT_MIRROR=DIR python benchmarks/streaks.py --out streaks.json
"""

import argparse
import gzip
import io
import json
import math
import os
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from skysift.data.images.facts import facts_of_ztf
from skysift.evaluate.intervals import Interval, mcnemar, wilson_interval
from skysift.evaluate.resampling import bootstrap_rows
from skysift.models.images.streaks.classifier import (
    STREAK_CLASSES,
    boosted_streaks,
    class_of,
    streaks_by_cuts,
)
from skysift.models.images.streaks.features import streak_table
from skysift.models.images.streaks.injection import Injection, StreakKind, Survey, inject
from skysift.models.images.streaks.measurement import TrailFit, fit_trail
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.segments import Place, find_segment
from skysift.models.images.streaks.sky import trail_on_sky
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_image

NOMINAL = PointSpread.moffat(fwhm=2.0)  # of an alert that lacks the fields which tell it
REACH = 4.5  # pixels from the middle of a stamp
SMALL, LARGE = 20, 31
STILL = "simulated-star"
KINDS = {
    StreakKind.ASTEROID: 0.32,
    StreakKind.SATELLITE: 0.20,
    StreakKind.GLINTS: 0.08,
    StreakKind.COSMIC_RAY: 0.11,
    StreakKind.HOT_PIXELS: 0.06,
    StreakKind.DIPOLE: 0.06,
    StreakKind.RING: 0.04,
    StreakKind.EDGE: 0.01,
    STILL: 0.12,
}


@dataclass(frozen=True)
class Sample:
    """One stamp, what it shows, and the object or exposure that it must not be parted from."""

    pixels: NDArray[np.float64]
    label: str
    kind: str
    group: str
    point_spread: PointSpread
    injection: Injection | None = None
    snr: float = math.nan


def alerts(mirror: Path) -> list[dict[str, Any]]:
    """Return the ZTF alert packets."""
    return pq.read_table(mirror / "ztf_alerts" / "ztf_alerts.parquet").to_pylist()


def image(packed: bytes) -> NDArray[np.float64]:
    """Return the pixels of a packed stamp."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZTF writes SIMPLE cards of its own
        with fits.open(io.BytesIO(gzip.decompress(packed))) as units:
            return np.asarray(units[0].data, dtype=np.float64)


def middle(pixels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the middle of a stamp, a square."""
    y, x = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[y : y + side, x : x + side]


def injected(
    packets: Sequence[dict[str, Any]], corners: int, rng: np.random.Generator
) -> Iterator[Sample]:
    """Put streaks on the corners of difference stamps, away from the alert's own source."""
    kinds, shares = list(KINDS), list(KINDS.values())
    for packet in packets:
        stamp = image(packet["cutoutDifference"])
        if stamp.shape != (63, 63):
            continue
        for corner in rng.permutation(4)[:corners]:
            y, x = 32 * (corner // 2), 32 * (corner % 2)
            side = LARGE if rng.random() < 0.6 else SMALL
            sky = middle(stamp[y : y + LARGE, x : x + LARGE], side)
            if np.isfinite(sky).mean() < 0.8:
                continue
            # Half the stamps are as ZTF samples its seeing, half as finer pixels would.
            width = 2.0 if rng.random() < 0.5 else float(rng.uniform(2.0, 4.0))
            assumed = PointSpread.moffat(width)
            seeing = PointSpread.moffat(
                width * math.exp(rng.normal(0.0, 0.12)), float(rng.uniform(3.0, 4.5))
            )
            kind = kinds[int(rng.choice(len(kinds), p=shares))]
            if kind == STILL:
                pixels, snr = with_point(sky, seeing, rng)
                yield Sample(pixels, "source", STILL, packet["objectId"], assumed, None, snr)
            else:
                pixels, truth = inject(sky, kind, seeing, Survey.ztf(), rng=rng)
                label, group = class_of(kind), packet["objectId"]
                yield Sample(pixels, label, str(kind), group, assumed, truth, truth.snr)


def with_point(
    sky: NDArray[np.float64], seeing: PointSpread, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Add a point source, near the middle, as bright as streaks are; return how bright."""
    y, x = 0.5 * (np.array(sky.shape) - 1.0) + rng.uniform(-2.0, 2.0, 2)
    point = trail_image(Trail(float(x), float(y), 1.0, 0.0, 0.0), sky.shape, seeing)
    low, high = Survey.ztf().snr
    wanted = math.exp(rng.uniform(math.log(low), math.log(high)))
    factor = wanted * prepare_stamp(sky).noise / math.sqrt(float(np.sum(point**2)))
    return sky + factor * point, wanted


def seeing_of(packet: dict[str, Any]) -> PointSpread:
    """Return what a point looks like in the difference image of an alert."""
    width = facts_of_ztf(packet.get, of_template=False).get("difference_fwhm")
    known = isinstance(width, float) and 0.0 < width < LARGE
    return PointSpread.moffat(width) if known else NOMINAL


def still(packets: Sequence[dict[str, Any]]) -> Iterator[Sample]:
    """Give the alerts' own sources, which are points."""
    for packet in packets:
        stamp = middle(image(packet["cutoutDifference"]), LARGE)
        seeing = seeing_of(packet)
        if packet["label_solar_system"]:
            yield Sample(stamp, "source", "solar-system", packet["objectId"], seeing)
        elif packet["drb"] is not None and packet["drb"] < 0.5:
            yield Sample(stamp, "artefact", "bogus", packet["objectId"], seeing)
        else:
            yield Sample(stamp, "source", "alert", packet["objectId"], seeing)


def cutouts(mirror: Path, limit: int, rng: np.random.Generator) -> Iterator[Sample]:
    """Give stars and galaxies of science images, with the seeing of their exposure."""
    with tarfile.open(mirror / "ztf" / "cutouts.tar.gz") as archive:
        members = [m for m in archive.getmembers() if m.name.endswith(".fits")]
        chosen = {members[k].name for k in rng.permutation(len(members))[:limit]}
        for member in members:
            if member.name not in chosen:
                continue
            with fits.open(io.BytesIO(archive.extractfile(member).read())) as units:
                header, pixels = units[0].header, np.asarray(units[0].data, dtype=np.float64)
            kind = Path(member.name).name.partition("_")[0]
            seeing = PointSpread.moffat(float(header["SEEING"]))
            yield Sample(pixels, "source", kind, f"{header['OBSMJD']}", seeing)


def measured(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Return the features of the samples."""
    return streak_table([s.pixels for s in samples], [s.point_spread for s in samples], reach=REACH)


def out_of_fold(samples: Sequence[Sample], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities by models that did not see the group of each sample."""
    labels = np.array([s.label for s in samples])
    groups = np.array([s.group for s in samples])
    scores = np.zeros((len(samples), len(STREAK_CLASSES)))
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        table, labels, groups
    ):
        model = boosted_streaks().fit(table[train], labels[train])
        order = [list(model.classes_).index(name) for name in STREAK_CLASSES]
        scores[test] = model.predict_proba(table[test])[:, order]
    return scores


def class_metrics(
    samples: Sequence[Sample], predicted: NDArray[np.str_], rng: np.random.Generator
) -> dict[str, Any]:
    """Return recall and precision of each class, intervals from whole objects drawn again."""
    labels = np.array([s.label for s in samples])
    groups = np.array([s.group for s in samples])

    def statistic(weight: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = []
        for name in STREAK_CLASSES:
            hit = weight @ ((labels == name) & (predicted == name))
            columns += [hit / (weight @ (labels == name)), hit / (weight @ (predicted == name))]
        columns.append((weight @ (labels == predicted)) / weight.sum(axis=-1))
        return np.stack(columns, axis=-1)

    drawn = bootstrap_rows(statistic, len(samples), rng=rng, groups=groups, n_bootstrap=1000)
    found: dict[str, Any] = {"n": len(samples)}
    for k, name in enumerate(STREAK_CLASSES):
        found[f"recall {name}"] = str(drawn.interval(2 * k))
        found[f"precision {name}"] = str(drawn.interval(2 * k + 1))
    found["accuracy"] = str(drawn.interval(2 * len(STREAK_CLASSES)))
    return found


def by_kind(samples: Sequence[Sample], predicted: NDArray[np.str_]) -> dict[str, Any]:
    """Return the share that is right, and all answers, for each kind of stamp."""
    found = {}
    for kind in sorted({s.kind for s in samples}):
        rows = np.array([s.kind == kind for s in samples])
        right = int(np.sum(predicted[rows] == np.array([s.label for s in samples])[rows]))
        answers, counts = np.unique(predicted[rows], return_counts=True)
        found[kind] = {
            "right": str(wilson_interval(right, int(rows.sum()))),
            "answers": dict(zip(answers.tolist(), counts.tolist(), strict=True)),
        }
    return found


def asteroids_found(samples: Sequence[Sample], predicted: NDArray[np.str_]) -> dict[str, str]:
    """Return the share of injected asteroids that is found, by length and brightness."""
    found = {}
    rows = [(s, p) for s, p in zip(samples, predicted, strict=True) if s.kind == "asteroid"]
    for short, long in ((0.0, 2.0), (2.0, 4.0), (4.0, 99.0)):
        for faint, bright in ((6, 12), (12, 30), (30, 200)):
            inside = [
                p == "asteroid"
                for s, p in rows
                if short <= s.injection.trail.length / s.point_spread.fwhm < long
                and faint <= s.injection.snr < bright
            ]
            if inside:
                name = f"{short:g}-{long:g} FWHM, snr {faint}-{bright}"
                found[name] = f"{wilson_interval(sum(inside), len(inside))} of {len(inside)}"
    # The control: points put on the same skies, which nothing but their shape can tell apart.
    for faint, bright in ((6, 12), (12, 30), (30, 200)):
        points = [
            answer == "asteroid"
            for sample, answer in zip(samples, predicted, strict=True)
            if sample.kind == STILL and faint <= sample.snr < bright
        ]
        name = f"simulated stars taken for asteroids, snr {faint}-{bright}"
        found[name] = f"{wilson_interval(sum(points), len(points))} of {len(points)}"
    return found


def turn(difference: float) -> float:
    """Return the difference of two directions, -90 to 90 degrees."""
    return (difference + 90.0) % 180.0 - 90.0


def length_and_angle(samples: Sequence[Sample], rng: np.random.Generator) -> dict[str, Any]:
    """Return bias, scatter and coverage for injected asteroids, by brightness and length."""
    rows = []
    for sample in samples:
        if sample.kind != "asteroid" or sample.pixels.shape[0] != LARGE:
            continue
        truth = sample.injection
        ny, nx = sample.pixels.shape
        fit = fit_trail(
            sample.pixels,
            sample.point_spread,
            near=Place(0.5 * (nx - 1), 0.5 * (ny - 1), REACH),
            free_width=True,
        )
        rows.append(
            (
                truth.trail.length,
                truth.snr,
                fit.trail.length - truth.trail.length,
                fit.length_error,
                turn(fit.trail.angle - truth.trail.angle),
                fit.angle_error,
            )
        )
    table = np.array(rows)
    found = {}
    for name, low, high in (("3-6 px", 0, 6), ("6-12 px", 6, 12), ("12-22 px", 12, 99)):
        for tag, faint, bright in (("snr 6-20", 0, 20), ("snr 20-200", 20, 999)):
            inside = (table[:, 0] >= low) & (table[:, 0] < high)
            inside &= (table[:, 1] >= faint) & (table[:, 1] < bright)
            part = table[inside]
            n = len(part)
            if n < 10:
                continue
            found[f"{name}, {tag}"] = {
                "n": n,
                "median length error [px]": round(float(np.median(part[:, 2])), 3),
                "median |length error| [px]": _median(np.abs(part[:, 2]), rng),
                "median |angle error| [deg]": _median(np.abs(part[:, 4]), rng),
                "length within 1 sigma": str(
                    wilson_interval(int(np.sum(np.abs(part[:, 2]) < part[:, 3])), n)
                ),
                "angle within 1 sigma": str(
                    wilson_interval(int(np.sum(np.abs(part[:, 4]) < part[:, 5])), n)
                ),
            }
    return found


def _median(values: NDArray[np.float64], rng: np.random.Generator) -> str:
    draws = np.median(rng.choice(values, (1000, len(values))), axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return str(Interval(float(np.median(values)), float(low), float(high), method="bootstrap"))


def rubin(mirror: Path, model: Any) -> dict[str, Any]:
    """Fit Rubin's stamps, with their own point-spread function and variance."""
    rows: list[dict[str, Any]] = []
    table = []
    packets = pq.read_table(mirror / "rubin_alerts" / "rubin_alerts.parquet").to_pylist()
    for packet in packets:
        with fits.open(io.BytesIO(packet["cutoutDifference"])) as units:
            pixels, variance = (np.asarray(units[k].data, dtype=np.float64) for k in (0, 1))
            spread, header = PointSpread.from_image(units[2].data), units[0].header
        matrix = [[header["PC1_1"], header["PC1_2"]], [header["PC2_1"], header["PC2_2"]]]
        ny, nx = pixels.shape
        if packet["dia_psfFlux"] < 0:
            pixels = -pixels
        near = Place(0.5 * (nx - 1), 0.5 * (ny - 1), REACH)
        fit = fit_trail(pixels, spread, variance=variance, near=near)
        features = streak_table([pixels], spread, variances=[variance], reach=REACH)
        table.append(features[0])
        rows.append({"packet": packet, "fit": fit, "sky": trail_on_sky(fit.trail, matrix)})
    cuts, learned = streaks_by_cuts(np.array(table)), model.predict(np.array(table))
    trailed = [
        _compared(row, cut, answer)
        for row, cut, answer in zip(rows, cuts, learned, strict=True)
        if row["packet"]["set"] == "faint_trails"
    ]
    others = [r["packet"]["set"] != "faint_trails" for r in rows]
    return {
        "faint_trails": trailed,
        "others by cuts": _counts(cuts[others]),
        "others by the model": _counts(learned[others]),
    }


def real_streak(mirror: Path, model: Any) -> dict[str, Any]:
    """Cut stamps along one real streak, of unknown origin, that crosses them all."""
    with fits.open(mirror / "streaks" / "astride_long.fits.gz") as units:
        pixels = np.asarray(units[0].data, dtype=np.float64)
    coarse = pixels.reshape(128, 4, 128, 4).mean(axis=(1, 3))
    sky = prepare_stamp(coarse)
    # Stars are cut off, so that the faintest pixel of the line counts like the brightest star.
    clipped = prepare_stamp(np.minimum(coarse, sky.background + 4.0 * sky.noise))
    whole = find_segment(clipped, 2.0).trail
    dx, dy = whole.half
    seeing, stamps, angles, errors = PointSpread.moffat(3.0), [], [], []
    for along in np.linspace(-0.9, 0.9, 13):
        x, y = (round(4.0 * value + 1.5) for value in (whole.x + along * dx, whole.y + along * dy))
        stamp = pixels[y - 15 : y + 16, x - 15 : x + 16]
        fit = fit_trail(stamp, seeing, near=Place(15.0, 15.0, 6.0), free_width=True)
        stamps.append(stamp)
        angles.append(turn(fit.trail.angle - whole.angle))
        errors.append(fit.angle_error)
    table = streak_table(stamps, seeing, reach=6.0)
    return {
        "stamps": len(stamps),
        "cuts": _counts(streaks_by_cuts(table)),
        "model": _counts(model.predict(table)),
        "angle less that of the whole [deg]": [round(a, 1) for a in angles],
        "median stated error [deg]": round(float(np.median(errors)), 2),
    }


def _compared(row: dict[str, Any], cut: str, answer: str) -> dict[str, Any]:
    packet, fit = row["packet"], row["fit"]
    assert isinstance(fit, TrailFit)
    length, angle = row["sky"]
    return {
        "catalogue length": round(packet["dia_trailLength"], 2),
        "length": round(length.arcsec, 2),
        "length error": round(fit.length_error * length.arcsec / fit.trail.length, 2),
        "catalogue angle": round(packet["dia_trailAngle"] % 180.0, 1),
        "angle": round(angle.deg, 1),
        "angle error": round(fit.angle_error, 1),
        "angle difference": round(turn(angle.deg - packet["dia_trailAngle"]), 1),
        "trail significance": round(fit.trail_significance, 1),
        "reduced chi2": round(fit.reduced_chi2, 2),
        "cuts": str(cut),
        "model": str(answer),
    }


def _counts(values: NDArray[np.str_]) -> dict[str, int]:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def unmoving(samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Say of ZTF's asteroids what a fit makes of sources that do not trail visibly."""
    rows = []
    for sample in samples:
        near = Place(15.0, 15.0, REACH)
        fit = fit_trail(sample.pixels, sample.point_spread, near=near, free_width=True)
        rows.append(
            {
                "trail significance": round(fit.trail_significance, 1),
                "length [px]": round(fit.trail.length, 2),
                "length error": round(min(fit.length_error, 99.0), 2),
            }
        )
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("streaks.json"))
    parser.add_argument("--corners", type=int, default=3)
    parser.add_argument("--cutouts", type=int, default=500)
    arguments = parser.parse_args()
    mirror = Path(os.environ["SKYSIFT_MIRROR"])
    rng = np.random.default_rng(20261121)
    packets = alerts(mirror)
    own = list(still(packets))
    bogus = [s for s in own if s.kind == "bogus"]
    moving = [s for s in own if s.kind == "solar-system"]
    samples = [
        *injected(packets, arguments.corners, rng),
        *(s for s in own if s.kind == "alert"),
        *cutouts(mirror, arguments.cutouts, rng),
    ]
    table = measured(samples)
    scores = out_of_fold(samples, table)
    learned = np.array(STREAK_CLASSES)[scores.argmax(axis=1)]
    cuts = streaks_by_cuts(table)
    labels = np.array([s.label for s in samples])
    model = boosted_streaks().fit(table, labels)
    held_out = [*bogus, *moving]
    # Their objects may have other packets among the samples: train without them.
    strange = {s.group for s in held_out}
    apart = np.array([s.group not in strange for s in samples])
    clean = boosted_streaks().fit(table[apart], labels[apart])
    strange_table = measured(held_out)
    result = {
        "simulated": "all asteroid trails, satellites, glints, cosmic rays, hot pixels, dipoles, "
        "rings and edges",
        "model": class_metrics(samples, learned, rng),
        "cuts": class_metrics(samples, cuts, rng),
        "model against cuts": asdict(mcnemar(learned == labels, cuts == labels)),
        "model by kind": by_kind(samples, learned),
        "cuts by kind": by_kind(samples, cuts),
        "asteroids found by the model": asteroids_found(samples, learned),
        "asteroids found by the cuts": asteroids_found(samples, cuts),
        "length and angle of injected asteroids": length_and_angle(samples, rng),
        "not in training, model": by_kind(held_out, clean.predict(strange_table)),
        "not in training, cuts": by_kind(held_out, streaks_by_cuts(strange_table)),
        "ZTF asteroids": unmoving(moving),
        "Rubin": rubin(mirror, model),
        "one real streak": real_streak(mirror, model),
    }
    text = json.dumps(result, indent=1)
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
