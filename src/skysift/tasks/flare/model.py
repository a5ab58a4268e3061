"""A trained flare model: regions, SHARP maps or disks in, probabilities out; as a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import InputColumn, ModelEntry
from skysift.core.classifier import Classifier, stored
from skysift.core.errors import BundleError
from skysift.core.registry import task_folder
from skysift.models.flare_history import HISTORY_COLUMNS
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.tasks.flare.heads import Head, RegionHead
from skysift.tasks.flare.image_features import CUTOUT_SIDE, DISK_RADIUS, FEATURES
from skysift.tasks.flare.magnetograms import MAGNETOGRAM_FEATURES
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = ["CLASSES", "TASK", "FlareModel", "load_bundle", "save_bundle"]

TASK = "flare"
CLASSES: Final = ("quiet", "flare")
"""Negative and positive class: no flare of class C or stronger within 24 h, or one."""

_FILE = "weights.safetensors"
FAMILY = "logistic regressions on normal scores"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FlareModel(Classifier):
    """A model, and all that a user of its numbers must know.

    Parameters
    ----------
    regions : mapping of str to RegionHead
        By class of the flare, C and M: of regions on EUV images.
    magnetograms : mapping of str to Head
        By kind of input, see `MAGNETOGRAM_FEATURES`: flares of class M or stronger; may be empty.
    """

    regions: Mapping[str, RegionHead]
    magnetograms: Mapping[str, Head] = field(default_factory=dict)

    def probabilities(self, regions: Regions) -> dict[str, Floats]:
        """Return columns of probabilities of regions, each of shape (n,); NaN without an image."""
        columns = {}
        known = regions.has_history
        for level in LEVELS:
            both, alone = self.regions[level].probabilities(
                regions.image_features, regions.history, known
            )
            columns[f"p_{level.lower()}24"] = both
            columns[f"p_{level.lower()}24_image_only"] = alone
        return columns


def save_bundle(model: FlareModel, folder: Path) -> Bundle:
    """Write a model as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    arrays: dict[str, Floats] = {}
    for level, head in model.regions.items():
        arrays |= head.arrays(level)
    for kind, part in model.magnetograms.items():
        arrays |= part.regressions.arrays(kind)
    entry = ModelEntry(
        format="safetensors",
        file=_FILE,
        family=model.family,
        parameters=dict(model.parameters),
        outputs=("p_c24", "p_m24", "p_c24_image_only", "p_m24_image_only"),
    )
    spec = model.spec(
        TASK,
        f"flares of class C or M within 24 h, by {model.family}",
        entry,
        preprocessing={
            "cutout_side": CUTOUT_SIDE,
            "disk_radius": DISK_RADIUS,
            "regions": {level: head.to_dict() for level, head in model.regions.items()},
            "magnetograms": {kind: head.numbers() for kind, head in model.magnetograms.items()},
        },
        inputs=(
            InputColumn(name="x", unit="pix", description="column in the image, from the left"),
            InputColumn(name="y", unit="pix", description="row in the image, from the top"),
            *(
                InputColumn(
                    name=name,
                    dtype="str" if name in {"mcintosh", "hale"} else "float64",
                    description=f"{about}; optional",
                )
                for name, about in HISTORY_COLUMNS.items()
            ),
        ),
        features=FEATURES,
        classes=CLASSES,
    )
    body = (task_folder(TASK) / "card.md").read_text(encoding="utf-8")
    text = body.format(data=model.training.data, prior=f"{model.prior:.1%}")
    return write_bundle(
        folder, spec, {_FILE: save_arrays(arrays), **model.kept}, render_card(spec, text)
    )


def load_bundle(folder: Path) -> FlareModel:
    """Load a bundle.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task or version.
    """
    bundle = Bundle.load(folder, task=TASK)
    label = stored(bundle, CLASSES[1])
    made = bundle.manifest.preprocessing
    regions: Any = made.get("regions")
    magnetograms: Any = made.get("magnetograms")
    if (
        bundle.manifest.features != FEATURES
        or not isinstance(regions, dict)
        or set(regions) != set(LEVELS)
        or not isinstance(magnetograms, dict)
        or not set(magnetograms) <= set(MAGNETOGRAM_FEATURES)
    ):
        raise BundleError(
            "The bundle does not have the features and parts of this version.",
            "Train the bundle again.",
            path=folder,
        )
    arrays = load_arrays(bundle.read_bytes(bundle.manifest.model.file))
    return FlareModel(
        **label,
        regions={level: RegionHead.of_stored(arrays, level, regions[level]) for level in LEVELS},
        magnetograms={
            kind: Head.of_stored(arrays, kind, len(MAGNETOGRAM_FEATURES[kind]), numbers)
            for kind, numbers in magnetograms.items()
        },
    )
