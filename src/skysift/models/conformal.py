"""Split-conformal prediction on scores: sets of classes, bounds and regions of stated coverage.

Nothing is fitted here: a model that is trained gives scores of rows that it has not seen, and their
quantile bounds what later rows may score. If these are exchangeable with the calibration rows, the
truth of a new row is covered with probability at least the stated one, whatever the model is worth
(Vovk et al. 2005; Lei et al. 2018, JASA 113, 1094, theorem 2.2). With a quantile of its own for
each class and group ("Mondrian"; Vovk 2013, Machine Learning 92, 349), this holds within each of
them, and that of a class whatever the share of the classes is.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.bundle_schema import Training
from skysift.core.conformal import Promise, PromisedRows, Stratum
from skysift.core.errors import InputError, UsageError

__all__ = [
    "FEWEST",
    "adaptive_scores",
    "calibrate",
    "class_sets_of",
    "conformal_quantile",
    "covered",
    "has_answer",
    "lac_scores",
    "limits_of",
    "set_texts",
]

FEWEST = 10
"""Rows that a class needs in a group for a quantile of its own; else it gets that of all groups.

A quantile of few rows scatters but is right on average, and infinite where they are too few for the
coverage; that of all groups would leave a small and difficult one uncovered for sure."""

_MOST_SCORES = 1000
_ROUNDING = 1e7

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """Return the score that a new row stays below or at with the stated probability.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Of calibration rows.
    coverage : float
        Between 0 and 1.

    Returns
    -------
    float
        The ``ceil((n + 1) coverage)``-th smallest score (Lei et al. 2018, eq. 4); infinite where n
        is too small for the coverage.

    Raises
    ------
    UsageError
        If the coverage is not between 0 and 1.

    Examples
    --------
    >>> conformal_quantile(range(1, 10), 0.8), conformal_quantile(range(1, 10), 0.95)
    (8.0, inf)
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    return _at_rank(values, len(values), _rank(len(values), coverage))


def lac_scores(probability: ArrayLike) -> Floats:
    """Return the least ambiguous score of each class, 1 - p: sets are the smallest on average.

    Sadinle, Lei & Wasserman 2019, JASA 114, 223.

    Parameters
    ----------
    probability : array_like, shape (n, k)
        Of each class.
    """
    return 1.0 - np.asarray(probability, dtype=np.float64)


def adaptive_scores(probability: ArrayLike) -> Floats:
    """Return the adaptive score of each class: the probability of all that are as probable or more.

    Romano, Sesia & Candes 2020, NeurIPS 33, eq. 5, without the randomisation: a row has the same
    answer each time, and sets are a little too large. Sets grow where the model is in doubt.

    Parameters
    ----------
    probability : array_like, shape (n, k)
        Of each class.

    Examples
    --------
    >>> adaptive_scores([[0.7, 0.1, 0.2]]).round(6).tolist()
    [[0.7, 1.0, 0.9]]
    """
    p = np.asarray(probability, dtype=np.float64)
    as_probable = p[:, None, :] >= p[:, :, None]
    return np.asarray(np.where(as_probable, p[:, None, :], 0.0).sum(axis=2))


def class_sets_of(
    promise: Promise, probability: Floats, coverage: float, group: ArrayLike | None = None
) -> NDArray[np.str_]:
    """Return the classes that rows are typical of, comma-separated, shape (n,).

    Parameters
    ----------
    promise : Promise
        Of a set.
    probability : array, shape (n, k)
        Of each class; rows of NaN have an empty set.
    coverage : float
        Between 0 and 1.
    group : array_like, shape (n,), optional
        What groups are made by.
    """
    limits = limits_of(promise, coverage, group, len(probability))
    return set_texts(lac_scores(probability) <= limits, promise.classes)


def calibrate(rows: PromisedRows, calibrated_on: Training) -> Promise:
    """Return the promise that rests on the scores of the true classes of rows.

    Each class and each group that has `FEWEST` rows gets a quantile of its own; the others, and
    rows of which the group is unknown, that of the class in all groups.

    Parameters
    ----------
    rows : PromisedRows
        That the model was never trained on.
    calibrated_on : Training
        What they are, for the record.

    Raises
    ------
    InputError
        If no row of a class has a score.
    """
    strata = []
    known = has_answer(rows)
    quantity = _known_group(rows.group, len(rows))
    for column, label in enumerate(rows.classes or ("",)):
        among = known & (rows.truth == column)
        if not among.any():
            raise InputError(
                f"No row of the class '{label}' has an answer.", "Give labelled rows of each class."
            )
        scores = rows.scores[:, column]
        strata.append(_stratum(scores[among], label))
        for low, high in _groups(rows.edges):
            inside = among & _within(quantity, low, high)
            if int(inside.sum()) >= FEWEST:
                strata.append(_stratum(scores[inside], label, low, high))
    return Promise(
        name=rows.name,
        kind=rows.kind,
        score=rows.score,
        classes=rows.classes,
        by=rows.by,
        strata=tuple(strata),
        calibrated_on=calibrated_on,
    )


def has_answer(rows: PromisedRows) -> Bools:
    """Tell which rows have a score for every class, shape (n,)."""
    return np.asarray(np.isfinite(rows.scores).all(axis=1))


def limits_of(promise: Promise, coverage: float, group: ArrayLike | None, n: int) -> Floats:
    """Return the highest score that is still covered, for each row and class.

    Parameters
    ----------
    promise : Promise
        Of a bundle.
    coverage : float
        Between 0 and 1.
    group : array_like, shape (n,), optional
        The quantity that groups are made by, NaN where unknown.
    n : int
        Number of rows.

    Returns
    -------
    array, shape (n, k)
        Infinite where the calibration rows are too few for the coverage.

    Raises
    ------
    UsageError
        If the coverage is not between 0 and 1.
    """
    labels = promise.classes or ("",)
    limits = np.full((n, len(labels)), np.inf)
    quantity = _known_group(group, n)
    whole_first = sorted(promise.strata, key=lambda one: not one.is_whole)
    for stratum in whole_first:
        where = stratum.is_whole | _within(quantity, stratum.low, stratum.high)
        stored = np.asarray(stratum.scores)
        limit = _at_rank(stored, stratum.n, _rank(stratum.n, coverage))
        limits[where, labels.index(stratum.label)] = limit
    return limits


def covered(rows: PromisedRows, promise: Promise, coverage: float) -> tuple[Bools, Floats]:
    """Tell which rows hold their truth, and how large the answer is.

    Parameters
    ----------
    rows : PromisedRows
        Labelled.
    promise : Promise
        Of the same name.
    coverage : float
        Between 0 and 1.

    Returns
    -------
    inside : array of bool, shape (n,)
        False for rows without an answer.
    size : array, shape (n,)
        Number of classes in the set; or how many standard deviations the bounds are away.
    """
    limits = limits_of(promise, coverage, rows.group, len(rows))
    inside = rows.scores <= limits
    truth = np.take_along_axis(inside, rows.truth[:, None], axis=1)[:, 0]
    size = inside.sum(axis=1).astype(np.float64) if rows.classes else limits[:, 0]
    return np.asarray(truth), np.asarray(size)


def set_texts(inside: Bools, classes: Sequence[str]) -> NDArray[np.str_]:
    """Return sets of classes as text, comma-separated, empty where no class is typical.

    Parameters
    ----------
    inside : array of bool, shape (n, k)
        Which classes are in the set.
    classes : sequence of str, length k

    Examples
    --------
    >>> set_texts(np.array([[True, False], [True, True]]), ["star", "galaxy"]).tolist()
    ['star', 'star,galaxy']
    """
    known = [
        ",".join(name for place, name in enumerate(classes) if code >> place & 1)
        for code in range(2 ** len(classes))
    ]
    codes = np.asarray(inside, dtype=np.int64) @ (1 << np.arange(len(classes)))
    return np.array(known, dtype=np.str_)[codes]


def _rank(n: int, coverage: float) -> int:
    if not 0 < coverage < 1:
        raise UsageError(f"A coverage of {coverage} cannot be kept.", "Give e.g. 0.9.")
    # The product may exceed a whole number by rounding alone, e.g. 10 * 0.7.
    return math.ceil((n + 1) * coverage - 1e-9)


def _at_rank(values: Floats, n: int, rank: int) -> float:
    """Return the smallest stored score whose rank among n is at least the one asked for."""
    if rank > n:
        return math.inf
    m = len(values)
    ranks = np.ceil(np.arange(1, m + 1) * (n / m) - 1e-9)
    return float(values[np.searchsorted(ranks, rank)])


def _stratum(
    scores: Floats, label: str, low: float | None = None, high: float | None = None
) -> Stratum:
    values, n = np.sort(scores), len(scores)
    m = min(n, _MOST_SCORES)
    kept = values[np.ceil(np.arange(1, m + 1) * (n / m) - 1e-9).astype(np.int64) - 1]
    return Stratum(label=label, low=low, high=high, n=n, scores=tuple(map(_rounded_up, kept)))


def _rounded_up(value: float) -> float:
    """Return a score with few digits and no smaller: rounding breaks no promise."""
    return math.ceil(value * _ROUNDING) / _ROUNDING


def _groups(edges: Sequence[float]) -> list[tuple[float | None, float | None]]:
    """Return the half-open groups between edges, and beyond them."""
    if not edges:
        return []
    return list(zip([None, *edges], [*edges, None], strict=True))


def _known_group(group: ArrayLike | None, n: int) -> Floats:
    """Return what groups are made by, NaN where nothing is known of it."""
    return np.full(n, np.nan) if group is None else np.asarray(group, dtype=np.float64)


def _within(group: Floats, low: float | None, high: float | None) -> Bools:
    above = group >= (-np.inf if low is None else low)
    return np.asarray(above & (group < (np.inf if high is None else high)))
