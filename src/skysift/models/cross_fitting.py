"""Cross-fitting: each member of an ensemble learns from all folds but one.

The rows that a member has not seen calibrate it and set the operating points, so that no row is
given up for validation and none is used twice. The spread of the members is the error of the
probability that comes from the finite training sample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.models.both_classes import both_classes
from skysift.models.calibration import BetaCalibration

__all__ = ["BinaryModel", "CrossFitted", "require_enough"]

Floats = NDArray[np.float64]


def require_enough(y: NDArray[np.bool_], folds: int, *, rows: str, data: str) -> None:
    """Check that each class has two rows for every fold.

    Parameters
    ----------
    y : array of bool, shape (n,)
        The classes of distinct rows.
    folds : int
        How many there shall be.
    rows, data : str
        What the rows are, and what the user would give more of; for the message.

    Raises
    ------
    InputError
        If a class has fewer.
    """
    fewest = int(min(y.sum(), (~y).sum()))
    if fewest < 2 * folds:
        raise InputError(
            f"The rarer class has {fewest} distinct {rows}; {folds} folds need {2 * folds}.",
            f"Give more {data}, or fewer --folds.",
        )


class BinaryModel(Protocol):
    """Anything with scikit-learn's ``predict_proba`` for two classes, background first."""

    def predict_proba(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities, shape (n, 2)."""
        ...


@dataclass(frozen=True)
class CrossFitted:
    """Members that were each trained on all folds but one, and their common calibration.

    Parameters
    ----------
    members : sequence of BinaryModel
        The fitted members.
    calibration : BetaCalibration
        Fitted on scores of rows that the scoring member had not seen.
    out_of_fold : array, shape (n_train,)
        Calibrated probabilities of the training rows, each from the members that had not seen it;
        empty for a model that was loaded.
    """

    members: Sequence[BinaryModel]
    calibration: BetaCalibration
    out_of_fold: Floats

    @classmethod
    def fit(
        cls,
        estimator: Any,
        features: NDArray[Any],
        y: NDArray[np.bool_],
        groups: NDArray[np.int64],
        rng: np.random.Generator,
        *,
        folds: int = 5,
        progress: Callable[[float], None] = lambda _fraction: None,
    ) -> Self:
        """Train one clone of a scikit-learn estimator per fold.

        Parameters
        ----------
        estimator : scikit-learn classifier
            Cloned for each fold; a parameter named ``random_state`` gets a seed of its own.
        features : array, shape (n, n_features)
            What the estimator sees.
        y : array of bool, shape (n,)
            True for signal.
        groups : array of int, shape (n,)
            Rows of one group, e.g. duplicates, stay in one fold.
        rng : numpy.random.Generator
            Seeds the folds and the members.
        folds : int
            Number of members.
        progress : callable
            Called with the fraction done.
        """
        # Here alone: what is already fitted predicts without scikit-learn's slow import.
        from sklearn.base import clone  # noqa: PLC0415
        from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415

        seed = int(rng.integers(2**31))
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        members: list[BinaryModel] = []
        raw = np.empty(len(y))
        for done, (fit_rows, left_out) in enumerate(splitter.split(features, y, groups)):
            member = clone(estimator)
            seeded = [key for key in member.get_params() if key.endswith("random_state")]
            member.set_params(**{key: int(rng.integers(2**31)) for key in seeded})
            member.fit(features[fit_rows], y[fit_rows])
            raw[left_out] = member.predict_proba(features[left_out])[:, 1]
            members.append(member)
            progress((done + 1) / folds)
        calibration = BetaCalibration.fit(raw, y)
        return cls(members, calibration, calibration(raw))

    def predict_with_error(self, features: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the probability of signal and the standard deviation over members.

        Parameters
        ----------
        features : array, shape (n, n_features)
            What the members see.

        Returns
        -------
        probability, error : arrays, shape (n,)
            The mean and the standard deviation of the members' calibrated probabilities.
        """
        each = np.stack(
            [self.calibration(member.predict_proba(features)[:, 1]) for member in self.members]
        )
        spread = each.std(axis=0, ddof=1) if len(each) > 1 else np.zeros(each.shape[1])
        return each.mean(axis=0), spread

    def predict_proba(self, features: NDArray[Any]) -> Floats:
        """Return probabilities of background and signal, shape (n, 2)."""
        probability, _ = self.predict_with_error(features)
        return both_classes(probability)
