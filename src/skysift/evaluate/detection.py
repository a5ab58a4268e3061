"""Did a search find what is there? Matches of found places with true ones, and their counts.

A found place counts once, and so does a true one: in order of falling score, each found place takes
the nearest true one within a limit that is still free, as the searches of Everingham et al. 2010
(IJCV 88, 303), section 4.2, are judged. Whatever is left over is a false alarm, or was missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.evaluate.inputs import as_groups
from skysift.evaluate.intervals import Interval
from skysift.evaluate.resampling import bootstrap_rows

__all__ = [
    "Detections",
    "best_f1_threshold",
    "detection_skill",
    "f1_change",
    "match_places",
    "nearest_within",
    "nearness_skill",
]

_NAMES = ("f1", "precision", "recall")

Floats = NDArray[np.float64]
Places = NDArray[np.float64]


def match_places(
    found: ArrayLike, score: ArrayLike, truth: ArrayLike, *, limit: float
) -> NDArray[np.int64]:
    """Return which true place each found one is, shape (n,); -1 where it is none.

    Parameters
    ----------
    found : array_like, shape (n, 2)
        Found places, e.g. in pixels.
    score : array_like, shape (n,)
        How sure each is.
    truth : array_like, shape (m, 2)
        True places.
    limit : float
        Places as far apart are not the same.

    Raises
    ------
    InputError
        If the shapes do not fit.

    Examples
    --------
    Two found places lie near one that is true; the surer one is it, though it is farther.

    >>> match_places([[0, 0], [3, 0]], [0.2, 0.9], [[1, 0]], limit=5).tolist()
    [-1, 0]
    """
    places, true = (np.asarray(one, np.float64).reshape(-1, 2) for one in (found, truth))
    sure = np.asarray(score, dtype=np.float64)
    if sure.shape != (len(places),):
        raise InputError(
            f"There are {len(places)} places, and the scores have shape {sure.shape}.",
            "Give one score for each.",
        )
    matched = np.full(len(places), -1, dtype=np.int64)
    free = np.ones(len(true), dtype=bool)
    for row in np.argsort(-sure, kind="stable"):
        if not free.any():
            break
        distance = np.where(free, np.hypot(*(true - places[row]).T), np.inf)
        nearest = int(np.argmin(distance))
        if distance[nearest] < limit:
            matched[row], free[nearest] = nearest, False
    return matched


def nearest_within(
    places: ArrayLike, others: ArrayLike, score: ArrayLike, *, limit: float
) -> Floats:
    """Return the highest score of those others that lie within a limit, shape (n,), or 0.

    Parameters
    ----------
    places : array_like, shape (n, 2)
        E.g. true places, in pixels.
    others : array_like, shape (m, 2)
        E.g. found places.
    score : array_like, shape (m,)
        Of the others, above 0.
    limit : float
        Those as far apart do not count.

    Examples
    --------
    >>> nearest_within([[0, 0], [9, 0]], [[1, 0], [2, 0]], [0.4, 0.7], limit=3).tolist()
    [0.7, 0.0]
    """
    here, there = (np.asarray(one, np.float64).reshape(-1, 2) for one in (places, others))
    if not len(there):
        return np.zeros(len(here))
    distance = np.hypot(*(here[:, None] - there).transpose(2, 0, 1))
    return np.asarray(np.where(distance < limit, np.asarray(score, np.float64), 0.0).max(axis=1))


@dataclass(frozen=True, slots=True)
class Detections:
    """What became of the places that were found on many images.

    Parameters
    ----------
    image : array of int, shape (n,)
        The image of each found place, from 0.
    score : array, shape (n,)
        How sure each is.
    hit : array of bool, shape (n,)
        Whether it is a true place.
    n_true : array of int, shape (n_images,)
        True places on each image.
    """

    image: NDArray[np.int64]
    score: Floats
    hit: NDArray[np.bool_]
    n_true: NDArray[np.int64]

    @classmethod
    def match(
        cls,
        found: Sequence[Places],
        score: Sequence[Floats],
        truth: Sequence[Places],
        *,
        limit: float,
        ignored: Sequence[Places] | None = None,
    ) -> "Detections":
        """Match image by image; the parameters are sequences of those of :func:`match_places`.

        What is found at an `ignored` place, and at no true one, is neither a hit nor a false alarm.
        """
        images, scores, hits = [], [], []
        for number, (places, sure, true) in enumerate(zip(found, score, truth, strict=True)):
            hit = match_places(places, sure, true, limit=limit) >= 0
            kept = np.ones(len(hit), dtype=bool)
            if ignored is not None:
                excused = match_places(places[~hit], sure[~hit], ignored[number], limit=limit)
                kept[np.flatnonzero(~hit)[excused >= 0]] = False
            images.append(np.full(int(kept.sum()), number))
            scores.append(np.asarray(sure, dtype=np.float64)[kept])
            hits.append(hit[kept])
        return cls(
            np.concatenate([np.empty(0, dtype=np.int64), *images]),
            np.concatenate([np.empty(0), *scores]),
            np.concatenate([np.empty(0, dtype=bool), *hits]),
            np.array([len(true) for true in truth], dtype=np.int64),
        )

    def counts(self, threshold: float) -> NDArray[np.int64]:
        """Return hits, false alarms and misses of each image, shape (n_images, 3)."""
        chosen = self.score >= threshold
        n = len(self.n_true)
        hits = np.bincount(self.image[chosen & self.hit], minlength=n)
        alarms = np.bincount(self.image[chosen & ~self.hit], minlength=n)
        return np.stack([hits, alarms, self.n_true - hits], axis=1).astype(np.int64)

    def curve(self) -> tuple[Floats, Floats, Floats]:
        """Return threshold, precision and recall, shape (k,) each, from the surest place down."""
        order = np.argsort(-self.score, kind="stable")
        value, hit = self.score[order], self.hit[order]
        last = np.append(np.diff(value) != 0, True)[: len(value)]
        found = np.arange(1, len(value) + 1)[last]
        hits = np.cumsum(hit)[last]
        return value[last], hits / found, hits / max(int(self.n_true.sum()), 1)


def best_f1_threshold(detections: Detections) -> float:
    """Return the threshold with the highest F1; to be asked of training data only.

    Raises
    ------
    InputError
        If nothing was found.

    Examples
    --------
    >>> seen = Detections(np.array([0, 0, 1]), np.array([0.9, 0.2, 0.8]),
    ...                   np.array([True, False, True]), np.array([1, 1]))
    >>> best_f1_threshold(seen)
    0.5
    """
    threshold, precision, recall = detections.curve()
    if not len(threshold):
        raise InputError("Nothing was found.", "Search with a lower threshold.")
    best = int(np.argmax(_f1(precision, recall)))
    below = threshold[best + 1] if best + 1 < len(threshold) else threshold[best]
    return float((threshold[best] + below) / 2)


def detection_skill(
    detections: Detections,
    *,
    threshold: float,
    blocks: ArrayLike,
    rng: np.random.Generator,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Mapping[str, Interval]:
    """Return F1, precision and recall at a threshold, with intervals.

    Where nothing is found, precision is 0.

    Parameters
    ----------
    detections : Detections
        On n images.
    threshold : float
        From training data; see :func:`best_f1_threshold`.
    blocks : array_like, shape (n,)
        Images of one block, e.g. of a solar rotation, show the same regions: they are drawn
        together.
    rng : numpy.random.Generator
    n_bootstrap : int
    confidence : float

    Raises
    ------
    InputError
        If the blocks do not fit, or there is one only.
    """
    counts = detections.counts(threshold).astype(np.float64)

    def scores(weight: Floats) -> Floats:
        hits, alarms, misses = (weight @ counts).T
        precision = hits / np.maximum(hits + alarms, 1)  # 0 where nothing is found
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold nothing to find
            recall = hits / (hits + misses)
            return np.stack([2 * hits / (2 * hits + alarms + misses), precision, recall], axis=1)

    n = len(counts)
    drawn = bootstrap_rows(scores, n, rng=rng, groups=as_groups(blocks, n), n_bootstrap=n_bootstrap)
    return {
        name: drawn.interval(column, confidence=confidence) for column, name in enumerate(_NAMES)
    }


def nearness_skill(
    right: tuple[ArrayLike, ArrayLike],
    caught: tuple[ArrayLike, ArrayLike],
    *,
    blocks: ArrayLike,
    rng: np.random.Generator,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Mapping[str, Interval]:
    """Return F1, precision and recall where distance alone decides, with intervals.

    One found place may stand for two true ones that lie close together, and the other way round:
    a laxer count than that of :func:`detection_skill`, and the one of searches that do not match.

    Parameters
    ----------
    right : pair of array_like, shape (n,)
        Found places of each image with a true one near them, and all found places.
    caught : pair of array_like, shape (n,)
        True places of each image with a found one near them, and all true places.
    blocks, rng, n_bootstrap, confidence
        As for :func:`detection_skill`.

    Raises
    ------
    InputError
        If the blocks do not fit, or there is one only.
    """
    counts = np.stack([np.asarray(one, np.float64) for one in (*right, *caught)], axis=1)

    def scores(weight: Floats) -> Floats:
        near, found, seen, true = (weight @ counts).T
        precision = near / np.maximum(found, 1)
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold nothing to find
            recall = seen / true
        return np.stack([_f1(precision, recall), precision, recall], axis=1)

    n = len(counts)
    drawn = bootstrap_rows(scores, n, rng=rng, groups=as_groups(blocks, n), n_bootstrap=n_bootstrap)
    return {
        name: drawn.interval(column, confidence=confidence) for column, name in enumerate(_NAMES)
    }


def f1_change(
    new: Detections,
    old: Detections,
    *,
    threshold: float,
    blocks: ArrayLike,
    rng: np.random.Generator,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Return F1 of one search minus that of another on the same images, with its interval.

    Parameters
    ----------
    new, old : Detections
        On the same n images.
    threshold : float
        Of both; the other parameters are those of :func:`detection_skill`.

    Raises
    ------
    InputError
        If the blocks do not fit, or there is one only.
    """
    both = [one.counts(threshold).astype(np.float64) for one in (new, old)]

    def change(weight: Floats) -> Floats:
        scores = []
        for counts in both:
            hits, alarms, misses = (weight @ counts).T
            scores.append(2 * hits / np.maximum(2 * hits + alarms + misses, 1))
        return np.asarray(scores[0] - scores[1])[:, None]

    n = len(both[0])
    drawn = bootstrap_rows(change, n, rng=rng, groups=as_groups(blocks, n), n_bootstrap=n_bootstrap)
    return drawn.interval(0, confidence=confidence)


def _f1(precision: Floats, recall: Floats) -> Floats:
    return np.asarray(2 * precision * recall / np.maximum(precision + recall, 1e-12))
