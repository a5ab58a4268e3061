"""Numbers that a catalogue maker asks for, each with a bootstrap by object.

The general ones (AUC, log loss, Brier score, calibration error) are those of
:func:`skysift.evaluate.binary.evaluate_binary`; here are those of star/galaxy separation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skysift.core.results import Evaluation
from skysift.evaluate.binary import evaluate_binary
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.probability import log_losses
from skysift.evaluate.resampling import bootstrap_rows
from skysift.tasks.star_galaxy.matched import MATCHED, matched_columns, matched_weights

__all__ = ["CONTAMINATION", "FAINT", "MAGNITUDE_EDGES", "abstention", "by_magnitude", "evaluate"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Column = Callable[[Floats], Floats]

CONTAMINATION = 0.005
"""Share of galaxies in the sample of stars whose completeness is quoted."""

FAINT = 18.5
"""Beyond it galaxies look most like stars [mag]."""

MAGNITUDE_EDGES = (9.0, 15.0, 16.0, 17.0, 18.0, 18.5, 19.0, 20.5)
"""Bins of magnitude, the last three of them half a magnitude."""

_EVEN = 0.5
_DRAWS = 1000
_NORMAL_FROM = 1000  # objects


@dataclass(frozen=True, slots=True)
class _Rows:
    is_galaxy: Bools
    probability: Floats
    ambiguous: Bools
    magnitude: Floats

    @property
    def right(self) -> Bools:
        return np.asarray((self.probability > _EVEN) == self.is_galaxy)


def evaluate(
    is_galaxy: Bools,
    probability: Floats,
    ambiguous: Bools,
    magnitude: Floats,
    groups: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    model: str,
    data: str,
    split: str,
) -> Evaluation:
    """Measure a model on labelled objects that it has not been trained on.

    Parameters
    ----------
    is_galaxy : array of bool, shape (n,)
        The truth.
    probability : array, shape (n,)
        Of a galaxy.
    ambiguous : array of bool, shape (n,)
        What the model leaves open.
    magnitude : array, shape (n,)
        NaN where unknown.
    groups : array of int, shape (n,)
        Equal for cutouts that are not independent: they are drawn together.
    rng : numpy.random.Generator
        Draws the bootstrap.
    model, data, split : str
        Names of the model, of the data and of these rows.

    Returns
    -------
    Evaluation
        ``accuracy``, ``auc``, ``log_loss``, ``brier``, ``ece``, ``star_completeness@0.005``,
        ``ambiguous`` (share of all), ``accuracy_unambiguous``, ``error@i>18.5``,
        ``accuracy@...`` in bins of magnitude that hold objects, and ``accuracy@matched``,
        ``auc@matched``, ``log_loss@matched`` with both classes equally bright. Of fewer than
        1,000 objects log loss and Brier score get bootstrap intervals, too: a few large losses
        make most of them, and normal errors could reach below 0.
    """
    common = evaluate_binary(
        is_galaxy,
        probability,
        rng=rng,
        model=model,
        data=data,
        split=split,
        acceptances=(0.01,),
        groups=groups,
        n_bootstrap=_DRAWS,
    )
    rows = _Rows(is_galaxy, probability, ambiguous, magnitude)
    losses = _losses(rows) if len(is_galaxy) < _NORMAL_FROM else {}
    own = {**_columns(rows), **losses}
    drawn = bootstrap_rows(
        lambda weight: np.stack([column(weight) for column in own.values()], axis=1),
        len(is_galaxy),
        rng=rng,
        groups=groups,
        n_bootstrap=_DRAWS,
    )
    metrics = []
    for place, name in enumerate(own):
        n, limits = _number(name, rows), drawn.interval(place)
        if limits.low == limits.high and name not in losses:
            # All right, or none: no draw can show the doubt that is left.
            limits = wilson_interval(limits.value * n, n)
        metrics.append(limits.metric(name, n=n, split=split))
    kept = {"auc", "log_loss", "brier", "ece"} - own.keys()
    metrics += [metric for metric in common.metrics if metric.name in kept]
    return replace(common, metrics=tuple(metrics))


def by_magnitude(magnitude: Floats) -> dict[str, Bools]:
    """Return which objects, shape (n,), lie in each bin of magnitude that holds any."""
    found = {}
    for low, high in pairwise(MAGNITUDE_EDGES):
        inside = (magnitude >= low) & (magnitude < high)
        if inside.any():
            found[f"{low:g}-{high:g}"] = inside
    return found


def abstention(is_galaxy: Bools, probability: Floats) -> tuple[Floats, Floats]:
    """Return accuracy of the rest against the share that is set aside, the most doubtful first.

    Returns
    -------
    share, accuracy : arrays, shape (n,)
        From nothing set aside to all but one.
    """
    right = ((probability > _EVEN) == is_galaxy).astype(np.float64)
    order = np.argsort(-np.minimum(probability, 1 - probability), kind="stable")
    n = len(order)
    from_the_sure_end = np.cumsum(right[order[::-1]])[::-1]
    aside = np.arange(n)
    return aside / n, from_the_sure_end / (n - aside)


def _columns(rows: _Rows) -> Mapping[str, Column]:
    """Return the statistics, each a function of weights, shape (b, n), to values, shape (b,)."""
    everything = np.ones(len(rows.is_galaxy), dtype=bool)
    found: dict[str, Column] = {
        "accuracy": _mean(rows.right, everything),
        f"star_completeness@{CONTAMINATION:g}": _completeness(rows),
        "ambiguous": _mean(rows.ambiguous, everything),
        "accuracy_unambiguous": _mean(rows.right, ~rows.ambiguous),
    }
    faint = rows.magnitude > FAINT
    if faint.any():
        found[f"error@i>{FAINT:g}"] = _mean(~rows.right, faint)
    for name, inside in by_magnitude(rows.magnitude).items():
        found[f"accuracy@{name}"] = _mean(rows.right, inside)
    return found | matched_columns(rows.is_galaxy, rows.probability, rows.magnitude)


def _losses(rows: _Rows) -> Mapping[str, Column]:
    everything = np.ones(len(rows.is_galaxy), dtype=bool)
    return {
        "log_loss": _mean(log_losses(rows.is_galaxy, rows.probability), everything),
        "brier": _mean((rows.probability - rows.is_galaxy) ** 2, everything),
    }


def _number(name: str, rows: _Rows) -> int:
    """Return the number of objects that a statistic rests on."""
    if name == "accuracy_unambiguous":
        return max(int((~rows.ambiguous).sum()), 1)
    if name.startswith("error@"):
        return int((rows.magnitude > FAINT).sum())
    if name.startswith("star_completeness"):
        return max(int((~rows.is_galaxy).sum()), 1)
    if name.endswith(f"@{MATCHED}"):
        matched = matched_weights(np.ones((1, len(rows.is_galaxy))), rows.is_galaxy, rows.magnitude)
        return round(float(matched.sum()))
    part = by_magnitude(rows.magnitude).get(name.removeprefix("accuracy@"))
    return len(rows.is_galaxy) if part is None else int(part.sum())


def _mean(values: Bools | Floats, among: Bools) -> Column:
    some = np.where(among, values, 0.0)
    those = among.astype(np.float64)

    def column(weight: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight @ some) / (weight @ those))

    return column


def _completeness(rows: _Rows) -> Column:
    """Return the share of stars below the threshold that lets in few enough galaxies."""
    order = np.argsort(rows.probability, kind="stable")
    galaxy = rows.is_galaxy[order].astype(np.float64)
    values = rows.probability[order]
    ends = np.append(values[1:] > values[:-1], [True])

    def column(weight: Floats) -> Floats:
        drawn = weight[:, order]
        galaxies = np.cumsum(drawn * galaxy, axis=1)
        stars = np.cumsum(drawn * (1 - galaxy), axis=1)
        allowed = (galaxies <= CONTAMINATION * (galaxies + stars)) & ends
        best = np.max(np.where(allowed, stars, 0.0), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(best / stars[:, -1])

    return column
