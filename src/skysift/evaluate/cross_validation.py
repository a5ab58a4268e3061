"""Out-of-fold scores: every row scored by a model that saw neither it nor its group."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.data.splits import stratified_group_folds
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.inputs import FloatArray, as_labels
from skysift.evaluate.intervals import Interval
from skysift.evaluate.roc import auc

__all__ = ["Classifier", "OutOfFold", "cross_val_scores"]


class Classifier(Protocol):
    """What cross-validation needs of an estimator: scikit-learn's binary classifiers have it."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Learn from rows, shape (n, n_columns), and labels, shape (n,)."""
        ...

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Return probabilities, shape (n, 2), signal last."""
        ...


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of rows that their model had not seen.

    Parameters
    ----------
    score : array, shape (n,)
        Probability of signal.
    fold : array of int, shape (n,)
        Fold of each row: it was scored by the model that learned from all the others.
    """

    score: FloatArray
    fold: NDArray[np.int64]

    def pooled_auc(
        self, y: ArrayLike, *, groups: ArrayLike | None = None, confidence: float = 0.95
    ) -> Interval:
        """Return the AUC of all scores together, with DeLong's interval.

        It compares scores of different models, so it also asks whether their scales agree; the
        interval takes the models as given.

        Parameters
        ----------
        y : array_like of bool, shape (n,)
            True for signal.
        groups : array_like, shape (n,), optional
            Rows that are not independent.
        confidence : float
            Confidence level.
        """
        return auc_interval(y, self.score, groups=groups, confidence=confidence)

    def fold_aucs(self, y: ArrayLike) -> FloatArray:
        """Return the AUC within each fold, shape (n_splits,)."""
        signal = as_labels(y)
        if len(signal) != len(self.score):
            raise InputError("The labels do not belong to these scores.", "Give one per row.")
        folds = range(int(self.fold.max()) + 1)
        return np.array([auc(signal[self.fold == k], self.score[self.fold == k]) for k in folds])

    def mean_fold_auc(self, y: ArrayLike) -> float:
        """Return the mean of the AUCs within the folds.

        No interval is given: the folds' models share most of their training rows, and no unbiased
        estimate of the variance of their mean exists (Bengio & Grandvalet 2004, JMLR 5, 1089).
        """
        return float(self.fold_aucs(y).mean())

    @classmethod
    def of(cls, score: FloatArray, fold: NDArray[np.int64]) -> Self:
        """Return the scores with their folds after checking that no row was left out."""
        left_out = np.flatnonzero(~np.isfinite(score))
        if left_out.size:
            raise InputError(
                f"{left_out.size} rows have no finite out-of-fold score.",
                "Look at what the estimator returns for them.",
                row=int(left_out[0]),
            )
        return cls(score, fold)


def cross_val_scores(
    make_estimator: Callable[[], Classifier],
    X: ArrayLike,  # noqa: N803 - scikit-learn's name
    y: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    n_splits: int = 5,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] | None = None,
) -> OutOfFold:
    """Score every row by a model that learned from the other folds.

    Parameters
    ----------
    make_estimator : callable
        Returns a fresh, unfitted estimator with `fit` and `predict_proba`.
    X : array_like, shape (n, n_columns)
        Rows.
    y : array_like of bool, shape (n,)
        True for signal.
    groups : array_like, shape (n,), optional
        Rows of equal group stay in one fold, e.g. duplicates from
        :func:`skysift.data.splits.distinct_groups`.
    n_splits : int
        Number of folds.
    rng : numpy.random.Generator
        Deals the folds. Seed the estimators in `make_estimator`.
    progress : callable, optional
        Called as ``progress(done, n_splits)`` after each fold.

    Returns
    -------
    OutOfFold

    Raises
    ------
    InputError
        If the arrays do not fit together, or an estimator returns no two columns of probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(1)
    >>> y = rng.random(500) < 0.5
    >>> x = rng.normal(size=(500, 1)) + y[:, None]
    >>> found = cross_val_scores(LogisticRegression, x, y, rng=rng)
    >>> bool(abs(found.pooled_auc(y).value - found.mean_fold_auc(y)) < 0.02)
    True
    """
    rows, signal = np.asarray(X), as_labels(y)
    if len(rows) != len(signal):
        raise InputError(
            f"There are {len(rows)} rows but {len(signal)} labels.", "Give one label per row."
        )
    fold = stratified_group_folds(signal, groups, n_splits=n_splits, rng=rng)
    score = np.full(len(signal), np.nan)
    for k in range(n_splits):
        here = fold == k
        estimator = make_estimator()
        estimator.fit(rows[~here], signal[~here].astype(np.int64))
        score[here] = _signal_column(estimator.predict_proba(rows[here]), int(here.sum()))
        if progress is not None:
            progress(k + 1, n_splits)
    return OutOfFold.of(score, fold)


def _signal_column(probability: Sequence[Any] | NDArray[Any], n: int) -> FloatArray:
    columns = np.asarray(probability, dtype=np.float64)
    if columns.shape != (n, 2):
        raise InputError(
            f"The estimator returned probabilities of shape {columns.shape} for {n} rows.",
            "It must return one column for background and one for signal.",
        )
    return columns[:, 1]
