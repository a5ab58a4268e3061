"""Boosting that goes on from log-odds that any trained model gives.

Friedman's (2001, Ann. Stat. 29, 1189) trees are each fitted to what those before them left over;
where these came from does not matter. So a boosted model goes on with more trees, and a model whose
weights cannot be moved, such as a stored graph of forests, gets trees that correct it. Each leaf
takes a Newton step (Chen & Guestrin 2016, KDD, eq. 5), made smaller by the learning rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from skysift.models.fine_tuning import TuningOptions
from skysift.models.lessons import Mixed
from skysift.models.plain_export import plain_regressions
from skysift.models.plain_trees import Trees

__all__ = ["Boosted", "boost_on"]

Floats = NDArray[np.float64]

_LEAVES = 8
_LEAST_ROWS = 20
_LEAST_CURVATURE = 1e-6


@dataclass(frozen=True, slots=True)
class Boosted:
    """Trees to be added to log-odds.

    Parameters
    ----------
    trees : Trees or None
        One for each column of the log-odds in turn; None where the first already hurts.
    losses : tuple of float
        Mean log loss of the rows that decide when to stop, before the first round and after each.
    best : int
        Rounds that are kept.
    """

    trees: Trees | None
    losses: tuple[float, ...]
    best: int

    def told(self, where: str) -> str:
        """Return in words what moved.

        Examples
        --------
        >>> Boosted(None, (0.4, 0.5), 0).told("on its log-odds")
        'nothing, as no tree on its log-odds gained on held-out rows'
        """
        if not self.best:
            return f"nothing, as no tree {where} gained on held-out rows"
        return f"{self.best} trees {where}"


def boost_on(
    start: Floats,
    mixed: Mixed,
    options: TuningOptions,
    rng: np.random.Generator,
    *,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Boosted:
    """Add trees to log-odds while rows that are not fitted gain.

    Parameters
    ----------
    start : array, shape (n, 1) or (n, n_classes)
        Log-odds of the rows: of the second of two classes, or of each class.
    mixed : Mixed
        Rows with the number of their class, in parts.
    options : TuningOptions
        Learning rate, rounds and patience.
    rng : numpy.random.Generator
        Orders columns where splits are equally good.
    progress : callable
        Called with the fraction done.
    """
    from sklearn.tree import DecisionTreeRegressor  # noqa: PLC0415  # slow, for this alone

    rows, width = np.asarray(mixed.rows.features, dtype=np.float64), start.shape[1]
    truth = mixed.rows.label.astype(np.int64)
    wanted = truth[:, None] == (np.arange(width) if width > 1 else np.array([1]))
    odds, fit = start.copy(), mixed.fit
    grown: list[Trees] = []
    losses, best = [_loss(odds, truth, mixed)], 0
    for number in range(1, options.rounds + 1):
        chance = expit(odds) if width == 1 else softmax(odds, axis=1)
        left_over = wanted - chance
        curvature = np.maximum(chance * (1 - chance), _LEAST_CURVATURE)
        fitted = [
            DecisionTreeRegressor(
                max_leaf_nodes=_LEAVES,
                min_samples_leaf=min(_LEAST_ROWS, max(len(fit) // 4, 1)),
                random_state=int(rng.integers(2**31)),
            ).fit(
                rows[fit],
                (left_over / curvature)[fit, column],
                sample_weight=(mixed.weight[:, None] * curvature)[fit, column],
            )
            for column in range(width)
        ]
        trees = plain_regressions(fitted, options.rate)
        grown.append(trees)
        odds += trees.value[trees.leaves(rows, trees.levels()), 0]
        losses.append(_loss(odds, truth, mixed))
        progress(number / options.rounds)
        if losses[-1] < losses[best]:
            best = number
        if number - best >= options.patience:
            break
    return Boosted(reduce(Trees.followed_by, grown[:best]) if best else None, tuple(losses), best)


def _loss(odds: Floats, truth: NDArray[Any], mixed: Mixed) -> float:
    """Return the weighted mean log loss of the rows that decide when to stop."""
    some = odds[mixed.stop]
    if odds.shape[1] == 1:
        sign = np.where(truth[mixed.stop] > 0, 1.0, -1.0)
        loss = np.logaddexp(0.0, -sign * some[:, 0])
    else:
        loss = -log_softmax(some, axis=1)[np.arange(len(some)), truth[mixed.stop]]
    return float(np.average(loss, weights=mixed.weight[mixed.stop]))
