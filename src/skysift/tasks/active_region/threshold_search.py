"""Choose the thresholds of the search without a network, on training disks only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.detection import Detections, best_f1_threshold
from skysift.models.solar.candidates import maxima
from skysift.models.solar.strength import DISK_GRID, brightness_excess
from skysift.tasks.active_region.detection import DetectionSettings

__all__ = ["tuned_settings"]

_SMOOTHINGS = (2.0, 3.0, 4.0, 6.0)  # grid pixels
_APART = (4, 7, 10)
_FAINTEST = 0.05

Floats = NDArray[np.float64]


def tuned_settings(
    ratios: NDArray[np.float32], truth: Sequence[Floats], profile: Floats, *, limit: float
) -> DetectionSettings:
    """Return the smoothing, distance and threshold of the highest F1.

    Parameters
    ----------
    ratios : array, shape (n, 256, 256)
        Brightness over that of the disk, less 1.
    truth : sequence of array, shape (m, 2)
        How far west and north regions with spots lie on each disk [radius].
    profile : array
        Brightness of quiet disks.
    limit : float
        Of a match [radius].
    """
    settings, best = DetectionSettings(), -1.0
    for smoothing in _SMOOTHINGS:
        excess = [
            brightness_excess(
                one, profile, smoothing=smoothing, highest=settings.brightness_highest
            )
            for one in ratios
        ]
        for apart in _APART:
            found = [maxima(one, least=_FAINTEST, apart=apart) for one in excess]
            places = [
                np.stack([np.asarray(axis) for axis in DISK_GRID.offsets(one.column, one.row)], 1)
                for one in found
            ]
            seen = Detections.match(places, [one.score for one in found], truth, limit=limit)
            if not seen.hit.any():
                continue
            threshold = best_f1_threshold(seen)
            hits, alarms, misses = seen.counts(threshold).sum(axis=0)
            f1 = 2 * hits / (2 * hits + alarms + misses)
            if f1 > best:
                best = f1
                settings = DetectionSettings(
                    brightness_smoothing=smoothing, brightness_apart=apart, least_excess=threshold
                )
    return settings
