"""Labelled rows as a promise of coverage takes them: scores, groups, and what stays together."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.bundle_schema import Training
from skysift.core.conformal import PromisedRows
from skysift.core.errors import InputError, UsageError
from skysift.models.conformal import lac_scores

__all__ = ["check_later", "class_rows", "error_rows", "group_edges", "split_rows"]

Floats = NDArray[np.float64]


def check_later(times: NDArray[np.datetime64], name: str, training: Training) -> None:
    """Refuse rows of the data that trained a bundle, unless all are later than those.

    Parameters
    ----------
    times : array of datetime64, shape (n,)
        Of the rows.
    name : str
        Of their data.
    training : Training
        Whose split is "FIRST to LAST", unless the bundle went on from another.

    Raises
    ------
    UsageError
        If some are as early, or the record does not tell.
    """
    if name != training.data:
        return
    try:
        last = np.datetime64(training.split.rpartition(" to ")[2])
    except ValueError as error:
        raise UsageError(
            f"Some rows of {name} trained the bundle, and its record does not tell which.",
            "Give rows that did not, in a file of another name.",
        ) from error
    if (times <= last).any():
        raise UsageError(
            f"Some of these rows trained the bundle, which saw {name} until {last}.",
            "Give later ones with --since.",
        )


def class_rows(
    name: str,
    probability: Floats,
    truth: NDArray[np.int64],
    classes: tuple[str, ...],
    *,
    blocks: NDArray[np.int64],
    by: str = "",
    group: Floats | None = None,
    groups: int = 4,
    time: NDArray[np.datetime64] | None = None,
    split: str = "",
) -> PromisedRows:
    """Return labelled probabilities as the rows that a promise of sets rests on.

    Parameters
    ----------
    name : str
        Of the promise.
    probability : array, shape (n, k)
        Of each class.
    truth : array of int, shape (n,)
        Place of the true class.
    classes : tuple of str, length k
    blocks : array of int, shape (n,)
        Equal for rows that are not independent.
    by : str
        What groups are made by.
    group : array, shape (n,), optional
        That quantity; its quantiles are the edges.
    groups : int
        How many.
    time : array of datetime64, shape (n,), optional
        Where the future is to be answered by the past.
    split : str
        What the rows are.
    """
    return PromisedRows(
        name=name,
        kind="set",
        score="1 - probability of the class",
        scores=lac_scores(probability),
        truth=truth,
        blocks=blocks,
        classes=classes,
        by=by,
        group=group,
        edges=() if group is None else group_edges(group, groups),
        time=time,
        split=split,
    )


def error_rows(
    name: str,
    kind: Literal["interval", "ellipse"],
    scores: Floats,
    *,
    blocks: NDArray[np.int64],
    by: str = "",
    group: Floats | None = None,
    groups: int = 4,
    split: str = "",
) -> PromisedRows:
    """Return errors in stated standard deviations as the rows that a promise of bounds rests on.

    Parameters
    ----------
    name : str
        Of the promise.
    kind : {"interval", "ellipse"}
        Of a number, or of a place.
    scores : array, shape (n,)
        ``|truth - estimate| / error``, or the Mahalanobis distance; NaN without an answer.
    blocks, by, group, groups, split
        As of :func:`class_rows`.
    """
    return PromisedRows(
        name=name,
        kind=kind,
        score="distance from the truth in stated standard deviations",
        scores=scores[:, None],
        truth=np.zeros(len(scores), dtype=np.int64),
        blocks=blocks,
        by=by,
        group=group,
        edges=() if group is None else group_edges(group, groups),
        split=split,
    )


def group_edges(quantity: ArrayLike, groups: int) -> tuple[float, ...]:
    """Return edges between groups of about equal size, rounded to three digits.

    Examples
    --------
    >>> group_edges(np.arange(1000), 4)
    (250.0, 500.0, 749.0)
    """
    values = np.asarray(quantity, dtype=np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return ()
    levels = np.arange(1, groups) / groups
    return tuple(sorted({float(f"{edge:.3g}") for edge in np.quantile(known, levels)}))


def split_rows(
    rows: PromisedRows, share: float, rng: np.random.Generator
) -> tuple[PromisedRows, PromisedRows]:
    """Part rows into those that calibrate and those that check, blocks whole.

    Parameters
    ----------
    rows : PromisedRows
        With times, the earlier ones calibrate; else blocks are drawn.
    share : float
        Of rows that calibrate.
    rng : numpy.random.Generator
        Draws the blocks.

    Raises
    ------
    InputError
        If one of the parts would be empty.
    """
    names, block = np.unique(rows.blocks, return_inverse=True)
    if rows.time is None:
        order = rng.permutation(len(names))
    else:
        first = np.full(len(names), np.datetime64("9999", "s"))
        np.minimum.at(first, block, rows.time.astype("datetime64[s]"))
        order = np.argsort(first, kind="stable")
    sizes = np.bincount(block, minlength=len(names))[order]
    chosen = order[np.cumsum(sizes) <= share * len(rows)]
    first_part = np.isin(block, chosen)
    if first_part.all() or not first_part.any():
        raise InputError(
            f"{len(names)} independent blocks of rows cannot be parted.", "Give more labelled rows."
        )
    return rows.take(first_part), rows.take(~first_part)
