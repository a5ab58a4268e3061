"""What the answer about a patch rests on: some patches with a part of them hidden in turn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.occlusion import occlusion_map
from skysift.models.solar.patch_features import PATCH_FEATURES, patch_features
from skysift.tasks.active_region.model import ActiveRegionModel
from skysift.tasks.active_region.pictures import packed
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["hidden_patches"]

_EACH = 3  # regions, quiet patches, and the surest errors
_SQUARE, _STRIDE = 16, 8
_EVEN = 0.5


def hidden_patches(disks: SolarDisks, model: ActiveRegionModel) -> list[dict[str, Any]]:
    """Return patches, and by how much their probability falls where each part is hidden.

    Parts are hidden behind the median of the patch, as if nothing were there.
    """
    patches = disks.patches
    if not len(patches):
        return []
    probability = model.patch_probability(patches.features)
    wrong = np.abs(probability - patches.is_region)
    regions, quiet = np.flatnonzero(patches.is_region), np.flatnonzero(~patches.is_region)
    rows = [
        *_spread(regions[wrong[regions] < _EVEN]),
        *_spread(quiet[wrong[quiet] < _EVEN]),
        *np.argsort(-wrong, kind="stable")[:_EACH],
    ]
    level = patches.features[:, PATCH_FEATURES.index("disk_median")]
    return [
        {
            "title": "region" if patches.is_region[row] else "quiet",
            "p": float(probability[row]),
            "pixels": packed(patches.pixels[row]),
            "change": _change(model, patches.pixels[row], level[row]),
        }
        for row in rows
    ]


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a few of many, evenly."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(_EACH, len(rows))).round().astype(int))
    return rows[chosen] if len(rows) else rows


def _change(
    model: ActiveRegionModel, patch: NDArray[np.float32], level: float
) -> list[list[float]]:
    """Return the change of the probability, one value for each step of the square."""

    def predict(patches: NDArray[np.float32]) -> NDArray[np.float64]:
        return model.patch_probability(patch_features(patches, np.full(len(patches), level)))

    fill = float(np.median(patch))
    change = occlusion_map(predict, patch, patch=_SQUARE, stride=_STRIDE, fill=fill)
    steps: list[list[float]] = np.round(change[::_STRIDE, ::_STRIDE], 4).tolist()
    return steps
