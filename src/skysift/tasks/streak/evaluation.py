"""How well streaks are told apart and measured, with intervals from whole objects drawn again."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.results import Evaluation, Metric
from skysift.data.table import FeatureTable
from skysift.evaluate.binary import calibration_interval
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.probability import (
    ReliabilityCurve,
    calibration_edges,
    calibration_error_floor,
)
from skysift.evaluate.probability import reliability_curve as curve_of
from skysift.evaluate.resampling import bootstrap_rows
from skysift.tasks.streak.model import by_cuts
from skysift.tasks.streak.prediction import RESOLVED, answers
from skysift.tasks.streak.stamps import CLASSES, TRUTH, Stamps, scale_of

__all__ = [
    "LENGTH_EDGES",
    "confusion",
    "evaluate_scores",
    "found_by_length",
    "reliability",
    "score",
    "turn",
]

LENGTH_EDGES = (0.0, 4.0, 6.0, 9.0, 13.0, 25.0)
"""Bins of the length of a trail [arcsec]."""

FAINT, BRIGHT = (6.0, 20.0), (20.0, np.inf)
"""Total signal-to-noise ratio of a streak in its stamp."""

_DRAWS = 500
_TINY = 1e-7
_ECE, _BINS = "ece@", 10

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]


def turn(difference: NDArray[Any]) -> Floats:
    """Return the difference of two directions without arrows, -90 to 90 degrees.

    Examples
    --------
    >>> turn(np.array([170.0, -100.0, 30.0])).tolist()
    [-10.0, 80.0, 30.0]
    """
    return np.asarray((np.asarray(difference) + 90.0) % 180.0 - 90.0)


def score(stamps: Stamps, probability: Floats) -> FeatureTable:
    """Return what a model and the cuts say of labelled stamps, beside the truth.

    Parameters
    ----------
    stamps : Stamps
        n labelled stamps.
    probability : array, shape (n, 5)
        Of each class, by a model that has not seen the objects.
    """
    said = answers(stamps.images, stamps.measured, probability)
    table = said.with_columns(
        {
            "label": stamps.label,
            "kind": stamps.kind,
            "group": stamps.group,
            "class_by_cuts": by_cuts(stamps.measured),
            "pixel_scale": scale_of(stamps.images),
        }
    )
    return table.with_columns({name: stamps.truth[name] for name in TRUTH}, units=TRUTH)


def evaluate_scores(
    scores: FeatureTable, *, rng: np.random.Generator, model: str, data: str, split: str
) -> Evaluation:
    """Measure what a model says of labelled stamps that it has not been trained on.

    Parameters
    ----------
    scores : FeatureTable
        As :func:`score` returns.
    rng : numpy.random.Generator
        Draws the bootstrap.
    model, data, split : str
        Names of the model, of the data and of these rows.

    Returns
    -------
    Evaluation
        ``accuracy``, ``accuracy_by_cuts``, ``log_loss``, ``moving`` (share of what moves or does
        not that is told so), ``recall@CLASS``, ``precision@CLASS``, ``ece@CLASS``, and of resolved
        injected asteroids ``length_error`` and ``angle_error`` (medians of the absolute error),
        ``length_bias`` and ``length_coverage``, ``angle_coverage`` (share within one standard
        deviation).
    """
    known = scores["class"].astype(np.str_) != ""
    rows = scores.take(np.asarray(known))
    columns = {**_class_columns(rows), **_trail_columns(rows), **_calibration_columns(rows)}
    drawn = bootstrap_rows(
        lambda weight: np.stack([column(weight) for column, _ in columns.values()], axis=1),
        len(rows),
        rng=rng,
        groups=np.unique(rows["group"].astype(np.str_), return_inverse=True)[1],
        n_bootstrap=_DRAWS,
    )
    metrics = []
    for place, (name, (_, n)) in enumerate(columns.items()):
        limits = drawn.interval(place)
        if name.startswith(("recall", "precision", "accuracy")) and limits.low == limits.high:
            limits = wilson_interval(limits.value * n, n)  # all right: no draw shows the doubt
        elif name.startswith(_ECE):
            floor = calibration_error_floor(rows[f"p_{name.removeprefix(_ECE)}"], n_bins=_BINS)
            limits = calibration_interval(drawn, place, limits.value, floor)
        metrics.append(limits.metric(name, n=n, split=split))
    return Evaluation(
        model, data, split, tuple(metrics), detail={"unmeasured": int((~known).sum())}
    )


def probabilities(scores: FeatureTable) -> Floats:
    """Return the probabilities of all classes, shape (n, 5)."""
    return scores.matrix([f"p_{name}" for name in CLASSES])


def reliability(scores: FeatureTable) -> dict[str, ReliabilityCurve]:
    """Return observed against stated probability of each class."""
    label = scores["label"].astype(np.str_)
    return {name: curve_of(label == name, scores[f"p_{name}"], n_bins=5) for name in CLASSES}


def confusion(scores: FeatureTable) -> NDArray[np.int64]:
    """Return counts, shape (5, 5): rows are the true class, columns the chosen one."""
    place = {name: k for k, name in enumerate(CLASSES)}
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    for true, chosen in zip(scores["label"], scores["class"], strict=True):
        if chosen:
            counts[place[str(true)], place[str(chosen)]] += 1
    return counts


def found_by_length(scores: FeatureTable, answer: str) -> dict[str, list[Metric | None]]:
    """Return the share of injected asteroids that is found, by brightness and bin of length.

    Parameters
    ----------
    scores : FeatureTable
        As :func:`score` returns.
    answer : str
        Column of the answers: ``class`` or ``class_by_cuts``.
    """
    length, snr = scores["true_length"], scores["true_snr"]
    right = scores[answer].astype(np.str_) == "asteroid"
    is_asteroid = (scores["label"].astype(np.str_) == "asteroid") & np.isfinite(length)
    found: dict[str, list[Metric | None]] = {}
    for name, (faint, bright) in {"snr 6 to 20": FAINT, "snr above 20": BRIGHT}.items():
        bins: list[Metric | None] = []
        for low, high in pairwise(LENGTH_EDGES):
            inside = is_asteroid & (length >= low) & (length < high)
            inside &= (snr >= faint) & (snr < bright)
            n = int(inside.sum())
            share = wilson_interval(int(right[inside].sum()), n) if n else None
            bins.append(None if share is None else share.metric(name, n=n, split=""))
        found[name] = bins
    return found


def resolved_asteroids(scores: FeatureTable) -> NDArray[np.bool_]:
    """Tell which rows are injected asteroids that are no point to the fit, shape (n,)."""
    is_asteroid = scores["label"].astype(np.str_) == "asteroid"
    known = np.isfinite(scores["true_length"]) & np.isfinite(scores["length"])
    return np.asarray(is_asteroid & known & (scores["trail_significance"] >= RESOLVED))


def trail_errors(scores: FeatureTable) -> Mapping[str, Floats]:
    """Return errors of length [arcsec] and angle [deg], and both over their stated deviations."""
    length = scores["length"] - scores["true_length"]
    angle = turn(scores["angle_pixel"] - scores["true_angle"])
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "length": length,
            "angle": angle,
            "length_pull": length / scores["length_err"],
            "angle_pull": angle / scores["angle_err"],
        }


def _class_columns(rows: FeatureTable) -> dict[str, tuple[Statistic, int]]:
    label, chosen = rows["label"].astype(np.str_), rows["class"].astype(np.str_)
    cuts = rows["class_by_cuts"].astype(np.str_)
    n = len(rows)
    everything = np.ones(n, dtype=bool)
    truth = np.array([CLASSES.index(name) for name in label])
    losses = -np.log(np.clip(probabilities(rows)[np.arange(n), truth], _TINY, 1.0))
    moving = np.isin(label, ("asteroid", "satellite"))
    said = np.isin(chosen, ("asteroid", "satellite"))
    found: dict[str, tuple[Statistic, int]] = {
        "accuracy": (_mean(label == chosen, everything), n),
        "accuracy_by_cuts": (_mean(label == cuts, everything), n),
        "log_loss": (_mean(losses, everything), n),
        "moving": (_mean(moving == said, everything), n),
    }
    for name in CLASSES:
        among, given = label == name, chosen == name
        if among.any():
            found[f"recall@{name}"] = (_mean(given, among), int(among.sum()))
        if given.any():
            found[f"precision@{name}"] = (_mean(among, given), int(given.sum()))
    return found


def _trail_columns(rows: FeatureTable) -> dict[str, tuple[Statistic, int]]:
    use = resolved_asteroids(rows)
    n = int(use.sum())
    if not n:
        return {}
    errors = trail_errors(rows)
    inside = {
        name: np.abs(np.nan_to_num(errors[f"{name}_pull"], nan=np.inf)) < 1.0
        for name in ("length", "angle")
    }
    return {
        "length_error": (_median(np.abs(errors["length"]), use), n),
        "length_bias": (_median(errors["length"], use), n),
        "length_coverage": (_mean(inside["length"], use), n),
        "angle_error": (_median(np.abs(errors["angle"]), use), n),
        "angle_coverage": (_mean(inside["angle"], use), n),
    }


def _calibration_columns(rows: FeatureTable) -> dict[str, tuple[Statistic, int]]:
    label = rows["label"].astype(np.str_)
    return {
        f"{_ECE}{name}": (_calibration_error(label == name, rows[f"p_{name}"]), len(rows))
        for name in CLASSES
    }


def _calibration_error(is_one: NDArray[np.bool_], probability: Floats) -> Statistic:
    """Return the expected calibration error as a function of weights."""
    edges = calibration_edges(probability, n_bins=_BINS)
    inside = np.searchsorted(edges[1:-1], probability, side="right")[:, None] == np.arange(
        len(edges) - 1
    )
    excess = np.where(inside, (is_one - probability)[:, None], 0.0)

    def column(weight: Floats) -> Floats:
        return np.asarray(np.abs(weight @ excess).sum(axis=1) / weight.sum(axis=1))

    return column


def _mean(values: NDArray[Any], among: NDArray[np.bool_]) -> Statistic:
    some = np.where(among, values, 0).astype(np.float64)
    those = among.astype(np.float64)

    def column(weight: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight @ some) / (weight @ those))

    return column


def _median(values: Floats, among: NDArray[np.bool_]) -> Statistic:
    rows = np.flatnonzero(among)
    rows = rows[np.argsort(values[rows], kind="stable")]

    def column(weight: Floats) -> Floats:
        summed = np.cumsum(weight[:, rows], axis=1)
        total = summed[:, -1:]
        place = (summed >= 0.5 * total).argmax(axis=1)
        return np.where(total[:, 0] > 0, values[rows][place], np.nan)

    return column
