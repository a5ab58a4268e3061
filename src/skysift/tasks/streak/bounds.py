"""What a prediction says of streaks at a stated coverage."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skysift.data.table import FeatureTable
from skysift.models.conformal import class_sets_of, limits_of
from skysift.tasks.streak.model import StreakModel
from skysift.tasks.streak.stamps import CLASSES

__all__ = ["LENGTH", "SET", "SNR", "TRAIL", "bounds"]

SET, LENGTH = "set", "length"
"""Names of the promises."""
SNR, TRAIL = "snr", "trail_significance"
"""What groups are made by: for classes and for lengths."""


def bounds(model: StreakModel, said: FeatureTable, coverage: float) -> Mapping[str, Any]:
    """Return the columns that keep the promises, by name.

    Parameters
    ----------
    model : StreakModel
        With a calibration.
    said : FeatureTable
        As :func:`~skysift.tasks.streak.prediction.answers` returns.
    coverage : float
        Probability of the truth.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    probability = said.matrix([f"p_{name}" for name in CLASSES])
    off = limits_of(model.promise(LENGTH), coverage, said[TRAIL], len(said))[:, 0]
    reach = off * said["length_err"]
    return {
        "set": class_sets_of(model.promise(SET), probability, coverage, said[SNR]),
        "length_low": np.maximum(said["length"] - reach, 0.0),
        "length_high": said["length"] + reach,
    }
