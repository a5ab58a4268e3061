"""Logistic regressions on normal scores: linear models that heed ranks, stored as plain arrays.

Each feature is replaced by the normal quantile of its rank among the training rows, so that
neither its unit, nor the display curve of a picture, nor a single bright pixel matters. Several
regressions, each with a target of its own, may share the features; the mean of their log-odds is
steadier than any of them where the targets are noisy versions of one another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from skysift.core.errors import BundleError, InputError

__all__ = ["NormalScores", "ScoreRegressions"]

Floats = NDArray[np.float64]

_KNOTS = 201
_FURTHEST = 1e-4  # ranks beyond this are the extremes: a normal quantile of 3.7
_PLANE = 2


@dataclass(frozen=True, slots=True, eq=False)
class NormalScores:
    """The map from each feature to the normal quantile of its rank.

    Parameters
    ----------
    knots : array, shape (n_knots, n_features)
        Quantiles of the training rows, rising along the first axis.
    """

    knots: Floats

    @classmethod
    def fit(cls, features: ArrayLike, n_knots: int = _KNOTS) -> Self:
        """Learn the quantiles of rows, shape (n, n_features); NaN are left out.

        Raises
        ------
        InputError
            If a feature is nowhere known.
        """
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != _PLANE or not np.isfinite(rows).any(axis=0).all():
            raise InputError(
                "A feature is known in no row.", "Leave it out, or give rows that have it."
            )
        return cls(np.nanquantile(rows, np.linspace(0.0, 1.0, n_knots), axis=0))

    def __call__(self, features: ArrayLike) -> Floats:
        """Return normal scores, shape (n, n_features); what is not known is 0, the median.

        Examples
        --------
        >>> scores = NormalScores.fit(np.arange(101.0)[:, None])
        >>> scores([[50.0], [97.5], [1e9], [np.nan]]).round(2).ravel().tolist()
        [0.0, 1.96, 3.72, 0.0]
        """
        rows = np.asarray(features, dtype=np.float64)
        ranks = np.linspace(0.0, 1.0, len(self.knots))
        found = np.zeros(rows.shape)
        for column, knots in enumerate(self.knots.T):
            values = rows[:, column]
            # Of equal knots, the middle rank: interpolated from below and from above.
            rank = 0.5 * (
                np.interp(values, knots, ranks) + 1.0 - np.interp(-values, -knots[::-1], ranks)
            )
            known = np.isfinite(values)
            found[known, column] = ndtri(np.clip(rank[known], _FURTHEST, 1.0 - _FURTHEST))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRegressions:
    """Logistic regressions that share their features, answered by the mean of their log-odds.

    Parameters
    ----------
    scores : NormalScores
        Of the features.
    coefficients : array, shape (n_targets, n_features)
    intercepts : array, shape (n_targets,)
    """

    scores: NormalScores
    coefficients: Floats
    intercepts: Floats

    @classmethod
    def fit(
        cls,
        features: ArrayLike,
        targets: Sequence[ArrayLike],
        *,
        inverse_penalty: float,
        samples: Sequence[NDArray[np.integer]] | None = None,
    ) -> Self:
        """Train one regression for each target and sample.

        Parameters
        ----------
        features : array_like, shape (n, n_features)
            NaN where unknown.
        targets : sequence of array_like of bool, each of shape (n,)
            A target with one value only is left out.
        inverse_penalty : float
            scikit-learn's C: the smaller, the nearer the coefficients are to zero.
        samples : sequence of array of int, optional
            Rows of bootstrap samples, e.g. of whole groups; all rows once if left out.

        Raises
        ------
        InputError
            If no target has two values.
        """
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # not to predict

        scores = NormalScores.fit(features)
        seen = scores(features)
        fitted = [
            LogisticRegression(C=inverse_penalty, max_iter=4000).fit(seen[rows], kind[rows])
            for kind in (np.asarray(target, dtype=bool) for target in targets)
            for rows in (samples or [np.arange(len(seen))])
            if kind[rows].any() and not kind[rows].all()
        ]
        if not fitted:
            raise InputError(
                "All training rows have the same label.",
                "Give rows with flares and rows without.",
            )
        return cls(
            scores,
            np.concatenate([one.coef_ for one in fitted]),
            np.concatenate([one.intercept_ for one in fitted]),
        )

    def log_odds(self, features: ArrayLike) -> Floats:
        """Return the mean of the log-odds of rows, shape (n,)."""
        # The mean of lines is a line; a sum along a row does not hang on how many rows there are.
        line = self.coefficients.mean(axis=0)
        return np.asarray((self.scores(features) * line).sum(axis=1) + self.intercepts.mean())

    def arrays(self, prefix: str) -> dict[str, Floats]:
        """Return what is to be stored, by name."""
        return {
            f"{prefix}.knots": self.scores.knots,
            f"{prefix}.coefficients": self.coefficients,
            f"{prefix}.intercepts": self.intercepts,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], prefix: str, n_features: int) -> Self:
        """Put together what :meth:`arrays` took apart.

        Raises
        ------
        BundleError
            If an array is missing, or has another shape than the features.
        """
        try:
            knots, coefficients, intercepts = (
                np.asarray(arrays[f"{prefix}.{name}"], dtype=np.float64)
                for name in ("knots", "coefficients", "intercepts")
            )
        except KeyError as error:
            raise BundleError(
                f"The model has no array {error}.", "Train the bundle again."
            ) from error
        fits = (
            knots.ndim == coefficients.ndim == _PLANE
            and len(knots) > 1
            and knots.shape[1] == coefficients.shape[1] == n_features
            and intercepts.shape == (len(coefficients),)
            and all(np.isfinite(array).all() for array in (knots, coefficients, intercepts))
        )
        if not fits:
            raise BundleError(
                f"The arrays of {prefix} do not fit {n_features} features.",
                "Train the bundle again.",
            )
        return cls(NormalScores(knots), coefficients, intercepts)
