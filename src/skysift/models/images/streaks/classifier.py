"""Asteroid, satellite, artefact or a source that does not move: by cuts, and by learning.

The cuts are what a pipeline without training data would do; a learned model is worth its trouble
where it beats them.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.models.images.streaks.features import STREAK_FEATURES
from skysift.models.images.streaks.injection import StreakKind

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["STREAK_CLASSES", "boosted_streaks", "class_of", "streaks_by_cuts"]

STREAK_CLASSES = ("source", "asteroid", "satellite", "artefact")
"""What a stamp may show: a star or galaxy, an asteroid's trail, a satellite, no light at all."""

_CLASS_OF_KIND = {
    StreakKind.ASTEROID: "asteroid",
    StreakKind.SATELLITE: "satellite",
    StreakKind.GLINTS: "satellite",
    StreakKind.COSMIC_RAY: "artefact",
    StreakKind.HOT_PIXELS: "artefact",
    StreakKind.DIPOLE: "artefact",
    StreakKind.RING: "artefact",
    StreakKind.EDGE: "artefact",
}
_UNBLURRED = 0.65  # of the width of a point: half-way to what a single pixel measures
_CLEAR = 7.0  # noise alone reaches 4 to 5
_TRAILED = 5.0  # standard deviations
_SHORTEST = 0.8  # of the full width: an ellipticity of a tenth looks like 0.6 of it
_NEGATIVE = 0.3
_GAPS = 0.7


def class_of(kind: StreakKind | str) -> str:
    """Return the class of an injected kind.

    Examples
    --------
    >>> class_of("glints")
    'satellite'
    """
    return _CLASS_OF_KIND[StreakKind(kind)]


def streaks_by_cuts(features: ArrayLike) -> NDArray[np.str_]:
    """Return the class of each stamp by fixed cuts, shape (n,).

    An artefact is narrower than the seeing or has a negative side; of the rest, a trail that
    leaves the stamp, or has gaps, is a satellite's; one that is better than a point by five
    standard deviations, and longer than an oval point-spread function looks, is an asteroid's;
    all else is a source. A stamp that could not be
    measured, a row of NaN, is an artefact.

    Parameters
    ----------
    features : array, shape (n, 18)
        From :func:`~skysift.models.images.streaks.features.streak_table`.

    Raises
    ------
    InputError
        If there are not as many columns as features.
    """
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != len(STREAK_FEATURES):  # noqa: PLR2004 - a table has two axes
        raise InputError(
            f"The features have shape {table.shape}.", f"Give {len(STREAK_FEATURES)} columns."
        )
    column = dict(zip(STREAK_FEATURES, table.T, strict=True))
    labels = np.full(len(table), "source", dtype="<U9")
    trailed = (column["trail_significance"] > _TRAILED) & (column["length"] > _SHORTEST)
    labels[trailed] = "asteroid"
    leaves = column["ends_inside"] < 2.0  # noqa: PLR2004 - both ends
    labels[trailed & (leaves | (column["coverage"] < _GAPS))] = "satellite"
    # The width of what hardly stands out of the noise is itself noise.
    narrow = (column["width"] < _UNBLURRED) & (column["segment_snr"] > _CLEAR)
    labels[narrow | (column["negative_share"] > _NEGATIVE)] = "artefact"
    labels[np.isnan(table).any(axis=1)] = "artefact"
    return labels


def boosted_streaks() -> "HistGradientBoostingClassifier":
    """Return an untrained classifier for the features: trees, the classes weighted alike.

    It has no random part, so the same rows give the same model; rows of NaN pass.
    """
    # What predicts by cuts, or by stored trees, does not wait for scikit-learn.
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    return HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=12,
        min_samples_leaf=8,
        l2_regularization=1.0,
        class_weight="balanced",
        early_stopping=False,
        random_state=0,
    )
