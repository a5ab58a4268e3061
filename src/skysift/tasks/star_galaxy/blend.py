"""A blend of unlike classifiers, each of its own columns, averaged in log-odds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from skysift.models.both_classes import both_classes
from skysift.models.cross_fitting import BinaryModel

__all__ = ["Blend", "mean_probability", "sober_log_odds"]

Floats = NDArray[np.float64]

_FLOOR = 3e-3
"""No part may be surer than this: some labels are wrong, and one part alone must not decide."""


def sober_log_odds(probability: NDArray[Any]) -> Floats:
    """Return log-odds of probabilities that are held to what one part may say.

    Examples
    --------
    >>> sober_log_odds(np.array([0.5, 1.0])).round(2).tolist()
    [0.0, 5.81]
    """
    return np.asarray(logit(np.clip(probability, _FLOOR, 1 - _FLOOR)))


def mean_probability(log_odds: Sequence[Floats]) -> Floats:
    """Return the probability at the mean of the log-odds of several parts, shape (n,)."""
    return np.asarray(expit(np.mean(log_odds, axis=0)))


@dataclass(frozen=True)
class Blend:
    """The mean, in log-odds, of trained classifiers that each see some of the columns.

    Their errors are less correlated than those of the same classifier trained twice, so that the
    mean is better than most of them.

    Parameters
    ----------
    parts : sequence of BinaryModel
        The trained classifiers.
    columns : sequence of (int, int)
        The half-open range of columns that each of them sees.
    """

    parts: Sequence[BinaryModel]
    columns: Sequence[tuple[int, int]]

    def predict_proba(self, features: NDArray[Any]) -> Floats:
        """Return the probabilities of the two classes, shape (n, 2)."""
        odds = [
            sober_log_odds(part.predict_proba(features[:, first:last])[:, 1])
            for part, (first, last) in zip(self.parts, self.columns, strict=True)
        ]
        p = mean_probability(odds)
        return both_classes(p)
