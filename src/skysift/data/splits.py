"""Splits that do not leak: rows of one group stay on one side, classes stay in proportion."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError, UsageError

__all__ = ["distinct_groups", "hold_out", "stratified_group_folds"]


def distinct_groups(matrix: ArrayLike) -> NDArray[np.int64]:
    """Return group identifiers that equal rows share.

    Parameters
    ----------
    matrix : array_like, shape (n, n_columns)
        Numbers. NaN equals NaN and -0 equals 0.

    Returns
    -------
    array of int, shape (n,)
        Consecutive from 0; two rows have the same one if and only if all their columns are equal.

    Examples
    --------
    >>> distinct_groups([[1, 2], [3, 4], [1, 2]]).tolist()
    [0, 1, 0]
    """
    rows = np.asarray(matrix)
    if rows.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise InputError(f"The matrix has shape {rows.shape}.", "Give rows and columns.")
    n = len(rows)
    columns = [np.unique(column, return_inverse=True)[1] for column in rows.T]
    if n == 0 or not columns:
        return np.zeros(n, dtype=np.int64)
    order = np.lexsort(columns[::-1])
    new = np.zeros(n, dtype=bool)
    for column in columns:
        new[1:] |= np.diff(column[order]) != 0
    groups = np.empty(n, dtype=np.int64)
    groups[order] = np.cumsum(new)
    return groups


def stratified_group_folds(
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_splits: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal rows into folds of nearly equal make-up, all rows of a group into the same fold.

    Parameters
    ----------
    y : array_like, shape (n,)
        Classes.
    groups : array_like, shape (n,), optional
        Rows of equal group are kept together; each row is its own group by default.
    n_splits : int
        Number of folds, >= 2.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array of int, shape (n,)
        Fold of each row, 0 to n_splits - 1.

    Raises
    ------
    UsageError
        If `n_splits` is less than 2.
    InputError
        If a class has rows in fewer than `n_splits` groups, or the arrays do not fit together.

    Notes
    -----
    Groups with the same numbers of rows of each class are interchangeable: they are shuffled and
    dealt out equally, which settles all but a remainder of fewer than `n_splits` of each kind. A
    remainder goes, larger groups first, where there is least of what it holds. A million rows take
    about a second.
    """
    if n_splits < 2:  # noqa: PLR2004 - one fold is no split
        raise UsageError(f"n_splits = {n_splits} is too few.", "Use at least 2 folds.")
    group, make_up = _make_up(y, groups)
    rarest = int((make_up > 0).sum(axis=0).min())
    if rarest < n_splits:
        raise InputError(
            f"A class has rows in {rarest} groups only, fewer than the {n_splits} folds.",
            "Use fewer folds.",
        )
    return _deal(make_up, np.full(n_splits, 1 / n_splits), rng)[group]


def hold_out(
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    fraction: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Choose rows to hold out: a part of each class, whole groups only.

    Parameters
    ----------
    y, groups, rng
        As for :func:`stratified_group_folds`.
    fraction : float
        Part to hold out, 0 < fraction < 1.

    Returns
    -------
    array of bool, shape (n,)
        True for the rows held out.

    Raises
    ------
    UsageError
        If the fraction is out of range.
    InputError
        If a class is left without rows on either side, or the arrays do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> test = hold_out([0] * 50 + [1] * 10, fraction=0.2, rng=np.random.default_rng(1))
    >>> int(test[:50].sum()), int(test[50:].sum())
    (10, 2)
    """
    if not 0.0 < fraction < 1.0:
        raise UsageError(f"fraction = {fraction} is not between 0 and 1.", "Use e.g. 0.2.")
    group, make_up = _make_up(y, groups)
    side = _deal(make_up, np.array([1 - fraction, fraction]), rng)
    for k, name in enumerate(("to train on", "held out")):
        if not make_up[side == k].sum(axis=0).all():
            raise InputError(
                f"A class has no rows {name}.", "Change the fraction, or give more groups."
            )
    return np.asarray(side[group] == 1)


def _make_up(y: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each row, (n,), and the rows of each class in it, (n_groups, k)."""
    given = np.asarray(y)
    if given.ndim != 1 or len(given) == 0:
        raise InputError(f"The classes have shape {given.shape}.", "Give one class for each row.")
    members = np.arange(len(given)) if groups is None else np.asarray(groups)
    if members.shape != given.shape:
        raise InputError(
            f"There are {len(given)} rows, but the groups have shape {members.shape}.",
            "Give one group for each row.",
        )
    classes, label = np.unique(given, return_inverse=True)
    group = np.unique(members, return_inverse=True)[1].astype(np.int64)
    n_groups, n_classes = int(group.max()) + 1, len(classes)
    make_up = np.bincount(group * n_classes + label, minlength=n_groups * n_classes)
    return group, make_up.reshape(n_groups, n_classes).astype(np.int64)


def _deal(
    make_up: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal groups, make-up (n_groups, k), to hands of the given shares; return the hand of each."""
    kinds, kind = np.unique(make_up, axis=0, return_inverse=True)
    shuffled = rng.permutation(len(make_up))
    by_kind = shuffled[np.argsort(kind.ravel()[shuffled], kind="stable")]
    starts = np.searchsorted(kind.ravel()[by_kind], np.arange(len(kinds) + 1))
    # Parts of each class, so that a rare class weighs as much as a common one.
    parts = kinds / make_up.sum(axis=0)
    held = np.zeros((len(shares), make_up.shape[1]))
    hand = np.empty(len(make_up), dtype=np.int64)
    for k in np.argsort(-kinds.sum(axis=1), kind="stable"):
        groups = by_kind[starts[k] : starts[k + 1]]
        # The small term keeps 0.2 * 50 from becoming 9.
        whole = np.floor(len(groups) * shares + 1e-9).astype(np.int64)
        held += whole[:, np.newaxis] * parts[k]
        dealt = np.repeat(np.arange(len(shares)), whole)
        rest = [_take(held, parts[k], shares, rng) for _ in groups[len(dealt) :]]
        hand[groups] = np.concatenate([dealt, np.array(rest, dtype=np.int64)])
    return hand


def _take(
    held: NDArray[np.float64],
    part: NDArray[np.float64],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> int:
    """Give one more group to the hand that then holds least of its classes; return that hand."""
    filled = (held + part) @ part / shares
    tied = np.flatnonzero(filled <= filled.min() * (1 + 1e-9))
    chosen = int(rng.choice(tied))
    held[chosen] += part
    return chosen
