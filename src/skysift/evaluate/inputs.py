"""Labels, scores and weights, checked once at the door."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError, UsageError

__all__ = [
    "BoolArray",
    "FloatArray",
    "as_groups",
    "as_labels",
    "as_probability",
    "as_score",
    "as_weight",
    "require_fraction",
]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def as_labels(y: ArrayLike, *, both_classes: bool = True) -> BoolArray:
    """Return the labels as bool, True for signal, shape (n,).

    Raises
    ------
    InputError
        If `y` is not one-dimensional, holds anything but 0 and 1, or (with `both_classes`) lacks
        signal or background.
    """
    given = np.asarray(y)
    if given.ndim != 1:
        raise InputError(
            f"The labels have shape {given.shape}.", "Give one label per row, shape (n,)."
        )
    labels = given.astype(bool)
    if given.dtype != bool:
        strange = np.flatnonzero(given != labels)
        if strange.size:
            raise InputError(
                f"The label {given[strange[0]]!r} is neither 0 nor 1.",
                "Give 1 for signal and 0 for background.",
                row=int(strange[0]),
            )
    if both_classes and not (labels.any() and not labels.all()):
        there = "no rows" if not len(labels) else ("signal" if labels[0] else "background")
        raise InputError(
            f"The labels hold {there} only.", "Evaluate on rows of both signal and background."
        )
    return labels


def as_score(score: ArrayLike, n: int) -> FloatArray:
    """Return the scores as float64, shape (n,), all finite.

    Raises
    ------
    InputError
        If there is not one score per label, or one is not finite.
    """
    values = _one_per_row("score", score, n)
    _refuse(~np.isfinite(values), values, "score", "Reject or repair such rows before scoring.")
    return values


def as_probability(score: ArrayLike, n: int) -> FloatArray:
    """Return probabilities of signal as float64, shape (n,), all within [0, 1].

    Raises
    ------
    InputError
        If there is not one per label, or one lies outside [0, 1].
    """
    values = as_score(score, n)
    _refuse(
        (values < 0) | (values > 1),
        values,
        "probability of signal",
        "Calibrate the score first: a probability lies between 0 and 1.",
    )
    return values


def as_weight(sample_weight: ArrayLike | None, y: BoolArray) -> FloatArray:
    """Return the weights as float64, shape (n,): ones where none are given.

    Raises
    ------
    InputError
        If there is not one per label, one is negative or not finite, or a class that has rows has
        no weight.
    """
    if sample_weight is None:
        return np.ones(len(y))
    weight = _one_per_row("weight", sample_weight, len(y))
    _refuse(~(np.isfinite(weight) & (weight >= 0)), weight, "weight", "Give weights >= 0.")
    for name, members in (("signal", y), ("background", ~y)):
        if members.any() and not weight[members].any():
            raise InputError(f"All weights of the {name} are zero.", "Give some of them weight.")
    return weight


def as_groups(groups: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return group identifiers as consecutive integers from 0, shape (n,).

    Raises
    ------
    InputError
        If there is not one identifier per row.
    """
    given = np.asarray(groups)
    if given.shape != (n,):
        raise InputError(
            f"There are {n} rows, but the groups have shape {given.shape}.",
            "Give one group identifier per row.",
        )
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def require_fraction(name: str, value: float) -> float:
    """Return `value` if it lies strictly between 0 and 1.

    Raises
    ------
    UsageError
        If it does not.
    """
    if not 0.0 < value < 1.0:
        raise UsageError(f"{name} = {value} is not between 0 and 1.", f"Give 0 < {name} < 1.")
    return float(value)


def _one_per_row(name: str, values: ArrayLike, n: int) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (n,):
        raise InputError(
            f"There are {n} labels, but the {name}s have shape {array.shape}.",
            f"Give one {name} per label, shape (n,).",
        )
    return array


def _refuse(bad: BoolArray, values: FloatArray, name: str, remedy: str) -> None:
    where = np.flatnonzero(bad)
    if where.size:
        raise InputError(
            f"{where.size} of {len(values)} values cannot be a {name}; the first is "
            f"{values[where[0]]}.",
            remedy,
            row=int(where[0]),
        )
