"""Measures on objects weighted such that stars and galaxies are equally bright.

Where one class is brighter than the other, brightness alone tells many apart, and a model may live
on that. Within each bin of magnitude the more frequent class is weighed down to the total of the
other: what is left cannot be told by magnitude, beyond the width of a bin.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.probability import log_losses

__all__ = ["MATCHED", "matched_columns", "matched_weights"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MATCHED = "matched"
"""What the names of these measures end in, after an @."""

_WIDTH = 0.5  # of a bin [mag]
_EVEN = 0.5


def matched_weights(weight: Floats, is_galaxy: Bools, magnitude: Floats) -> Floats:
    """Return weights under which both classes have the same total in each bin of magnitude.

    Parameters
    ----------
    weight : array, shape (b, n)
        How often each object counts before, in each of b replicates.
    is_galaxy : array of bool, shape (n,)
        The truth.
    magnitude : array, shape (n,)
        An object of unknown magnitude gets no weight.

    Returns
    -------
    array, shape (b, n)
        Never more than before.

    Examples
    --------
    >>> is_galaxy = np.array([True, False, False, False])
    >>> matched_weights(np.ones((1, 4)), is_galaxy, np.array([18.1, 18.2, 18.3, 15.0])).tolist()
    [[1.0, 0.5, 0.5, 0.0]]
    """
    known = np.isfinite(magnitude)
    bins = np.floor(np.where(known, magnitude, 0.0) / _WIDTH).astype(np.int64)
    _, place = np.unique(bins, return_inverse=True)
    inside = (place[:, np.newaxis] == np.arange(place.max() + 1)) & known[:, np.newaxis]
    totals = [weight @ (inside & chosen[:, np.newaxis]) for chosen in (~is_galaxy, is_galaxy)]
    common = np.minimum(*totals)
    factors = [
        np.divide(common, total, out=np.zeros_like(common), where=total > 0) for total in totals
    ]
    factor = np.where(is_galaxy, factors[1][:, place], factors[0][:, place])
    return np.asarray(weight * np.where(known, factor, 0.0))


def matched_columns(
    is_galaxy: Bools, probability: Floats, magnitude: Floats
) -> dict[str, Callable[[Floats], Floats]]:
    """Return measures as functions of weights, shape (b, n), to values, shape (b,).

    ``accuracy``, ``auc`` and ``log_loss`` at ``@matched``; none where no bin has both classes.

    Parameters
    ----------
    is_galaxy : array of bool, shape (n,)
        The truth.
    probability : array, shape (n,)
        Of a galaxy.
    magnitude : array, shape (n,)
        NaN where unknown.
    """
    if not matched_weights(np.ones((1, len(is_galaxy))), is_galaxy, magnitude).any():
        return {}
    right = ((probability > _EVEN) == is_galaxy).astype(np.float64)
    losses = log_losses(is_galaxy, probability)

    def mean_of(values: Floats) -> Callable[[Floats], Floats]:
        def column(weight: Floats) -> Floats:
            matched = matched_weights(weight, is_galaxy, magnitude)
            with np.errstate(invalid="ignore"):
                return np.asarray((matched @ values) / matched.sum(axis=1))

        return column

    def auc(weight: Floats) -> Floats:
        return _auc(matched_weights(weight, is_galaxy, magnitude), is_galaxy, probability)

    return {
        f"accuracy@{MATCHED}": mean_of(right),
        f"auc@{MATCHED}": auc,
        f"log_loss@{MATCHED}": mean_of(losses),
    }


def _auc(weight: Floats, is_galaxy: Bools, probability: Floats) -> Floats:
    """Return the weighted share of pairs in order, equal values counting half, shape (b,)."""
    order = np.argsort(probability, kind="stable")
    values, weight, galaxy = probability[order], weight[:, order], is_galaxy[order]
    stars = np.cumsum(weight * ~galaxy, axis=1)
    stars = np.concatenate([np.zeros((len(weight), 1)), stars], axis=1)
    below = stars[:, np.searchsorted(values, values, side="left")]
    up_to = stars[:, np.searchsorted(values, values, side="right")]
    galaxies = weight * galaxy
    with np.errstate(invalid="ignore"):
        pairs = np.sum(galaxies * (below + up_to) / 2, axis=1)
        return np.asarray(pairs / (galaxies.sum(axis=1) * stars[:, -1]))
