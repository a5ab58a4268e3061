"""A small convolutional network on the cutouts, the learned rival of the statistics.

It sees 96 pixels about a region in means of 3 x 3, in the disk's own scale of brightness, and the
distance from the limb. It is trained on the eight views of each cutout by turns and mirrors: flares
do not ask where north is, but the tilt of a region, which a mirror turns round, is lost to it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.data.chronological import chronological_split
from skysift.evaluate.forecast import best_threshold
from skysift.models.calibration import BetaCalibration
from skysift.models.images.cnn import StampCnnClassifier
from skysift.tasks.flare.image_features import CUTOUT_SIDE, Cutouts
from skysift.tasks.flare.options import CompareOptions
from skysift.tasks.flare.regions import Regions

__all__ = ["network_scores"]

SIDE: Final = 32
"""Side of what the network sees [pixel]."""

_BINNED = 3
_FAINTEST, _BRIGHTEST = -3.0, 8.0  # quartile distances of the disk
_HELD_OUT = 0.25

Floats = NDArray[np.float64]


def network_scores(
    past: Regions, future: Regions, options: CompareOptions, rng: np.random.Generator
) -> tuple[Floats, float]:
    """Train on the earlier past, calibrate on its last quarter, and forecast the future.

    Parameters
    ----------
    past, future : Regions
        Labelled regions to learn from, n regions to judge.
    options : CompareOptions
        The class of flares, and for how many epochs.
    rng : numpy.random.Generator
        Draws the first weights.

    Returns
    -------
    probability : array, shape (n,)
    threshold : float
        With the highest TSS on the last quarter.

    Raises
    ------
    MissingExtraError
        If torch or onnx is not installed.
    """
    later = np.quantile(past.time.astype(np.int64), 1 - _HELD_OUT)
    part = chronological_split(
        past.time,
        [np.datetime64(int(later), "s")],
        purge=np.timedelta64(72, "h"),
        groups=past.noaa,
    )
    event, rows = past.flared(options.level), planes(past.cutouts)
    network = StampCnnClassifier(
        side=SIDE,
        epochs=options.network_epochs,
        dropout=0.4,
        random_state=int(rng.integers(2**31)),
    )
    network.fit(rows[part == 0], event[part == 0])
    held_out = network.predict_proba(rows[part == 1])[:, 1]
    calibration = BetaCalibration.fit(held_out, event[part == 1])
    threshold = best_threshold(event[part == 1], calibration(held_out))
    return calibration(network.predict_proba(planes(future.cutouts))[:, 1]), threshold


def planes(cutouts: Cutouts) -> NDArray[np.float32]:
    """Return what the network sees, shape (n, 32 * 32 + 1): pixels, then mu."""
    start = (CUTOUT_SIDE - SIDE * _BINNED) // 2
    seen = np.nan_to_num(cutouts.contrast()[:, start:-start, start:-start])
    seen = np.clip(seen, _FAINTEST, _BRIGHTEST)
    small = seen.reshape(-1, SIDE, _BINNED, SIDE, _BINNED).mean(axis=(2, 4))
    columns = [small.reshape(len(small), -1), cutouts.mu[:, None]]
    return np.concatenate(columns, axis=1).astype(np.float32)
