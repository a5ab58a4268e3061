"""The trained model of active regions, as a bundle: what finds them, and what judges patches."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import InputColumn, ModelEntry
from skysift.core.classifier import Classifier, stored
from skysift.core.errors import BundleError
from skysift.core.registry import task_folder
from skysift.models.calibration import BetaCalibration
from skysift.models.persist.arrays import load_arrays, save_arrays
from skysift.models.plain_classifiers import PlainClassifier
from skysift.models.plain_state import plain_from_state
from skysift.models.solar.patch_features import PATCH_FEATURES
from skysift.models.solar.region_network import RegionNetwork
from skysift.tasks.active_region.detection import (
    DetectionSettings,
    Found,
    regions_by_network,
    regions_by_threshold,
)
from skysift.tasks.active_region.disks import DiskMap

__all__ = [
    "CLASSES",
    "DETECTOR",
    "DISK_FEATURES",
    "F1_POINT",
    "PATCHES",
    "POSITIVE",
    "TASK",
    "TSS_POINT",
    "ActiveRegionModel",
    "disk_features",
    "load_bundle",
    "save_bundle",
]

TASK = "active-region"
POSITIVE = "region"
CLASSES = ("quiet", POSITIVE)
"""Of a patch, in the order of the model's outputs."""

PATCHES, DETECTOR = "patches", "detector"
"""Parts of a model that go on."""

F1_POINT, TSS_POINT, BIG_POINT = "detection-f1", "patch-tss", "big-region-tss"
"""Names of the operating points: of scores, of patches, and of disks."""

DISK_FEATURES = ("sum_of_scores", "highest_score", "second_score", "brightest", "bright_share")
"""What the probability of a big region on the disk is made of."""

_PATCHES, _NETWORK, _DISKS = "patches.safetensors", "regions.onnx", "disks.safetensors"
_BRIGHT = 0.8  # over the disk's median

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ActiveRegionModel(Classifier):
    """What finds active regions, and all that a user of its numbers must know.

    Parameters
    ----------
    patches : PlainClassifier
        Of the columns `PATCH_FEATURES`.
    network : bytes
        ONNX model of :mod:`skysift.models.solar.region_network`.
    calibration : BetaCalibration
        From the heat of the network to the probability of a region with spots.
    disks : PlainClassifier
        Of the columns `DISK_FEATURES`: a region of 200 millionths or more is on the disk.
    profile : array, shape (n_rings,)
        Brightness of quiet disks from centre to edge.
    settings : DetectionSettings
        Of the search by a threshold.
    big_share : float
        Of training disks that have a big region.
    """

    patches: PlainClassifier
    network: bytes = field(repr=False)
    calibration: BetaCalibration
    disks: PlainClassifier
    profile: Floats = field(repr=False)
    settings: DetectionSettings
    big_share: float

    @cached_property
    def _network(self) -> RegionNetwork:
        return RegionNetwork(self.network)

    def threshold(self, name: str) -> float:
        """Return an operating point's threshold."""
        return next(point.threshold for point in self.operating_points if point.name == name)

    def heat(self, ratio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the heat of a disk, shape (2, 64, 64)."""
        return self._network.heat(ratio)

    def region_score(self, heat: Floats) -> Floats:
        """Return the probability that maxima of the heat are regions with spots, shape (n,)."""
        return self.calibration(heat)

    def patch_probability(self, features: Floats) -> Floats:
        """Return the probability that patches show a region, shape (n,)."""
        return probability_of(self.patches, features)

    def find(self, one: DiskMap, *, method: str = "best") -> Found:
        """Return all that is found on a disk, however low its score.

        Parameters
        ----------
        one : DiskMap
            With a disk.
        method : {"best", "threshold"}
            Whether the network is asked; for magnetograms and the continuum there is none.

        Raises
        ------
        ContractError
            If the image shows no disk.
        """
        strength = one.activity
        if method == "threshold" or not one.has_network:
            return regions_by_threshold(one, strength, self.profile, self.settings)
        return regions_by_network(one, strength, self)

    def big_region(self, one: DiskMap, found: Found) -> float:
        """Return the probability that a big region is on a disk; NaN without a network."""
        if not one.has_network or one.strength is None:
            return float("nan")
        return float(probability_of(self.disks, disk_features(found.score, one.strength)[None])[0])


def disk_features(score: Floats, ratio: NDArray[np.float32]) -> Floats:
    """Return the columns `DISK_FEATURES` of one disk, shape (5,), from scores and brightness."""
    first = np.sort(np.append(score, [0.0, 0.0]))[::-1]
    bright = ratio > _BRIGHT
    return np.array([score.sum(), first[0], first[1], np.percentile(ratio, 99.5), bright.mean()])


def probability_of(estimator: Any, features: Floats) -> Floats:
    """Return the probability of the class 1, shape (n,)."""
    if not len(features):
        return np.empty(0)
    said = np.asarray(estimator.predict_proba(features), dtype=np.float64)
    return said[:, 1] if said.shape[1] > 1 else np.full(len(said), float(estimator.classes_[0]))


def save_bundle(model: ActiveRegionModel, folder: Path) -> Bundle:
    """Write a model as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    BundleError
        If the model is of a kind that cannot be stored without code.
    """
    patches, patch_arrays = model.patches.state()
    disks, disk_arrays = model.disks.state()
    entry = ModelEntry(
        format="safetensors",
        file=_PATCHES,
        family=model.family,
        parameters=dict(model.parameters),
        outputs=("probability",),
    )
    spec = model.spec(
        TASK,
        f"active regions by a network, patches by {model.family}",
        entry,
        preprocessing={
            "profile": [float(one) for one in model.profile],
            "big_share": model.big_share,
            "settings": model.settings.model_dump(mode="json"),
            "classifiers": {"patches": patches, "disks": disks},
            "calibration": asdict(model.calibration),
            "disk_features": list(DISK_FEATURES),
        },
        inputs=(
            InputColumn(name="disk", dtype="float32", description="full disk, AIA 211 A browse"),
            InputColumn(name="patch", dtype="float32", description="64 x 64 pixels of it"),
        ),
        features=PATCH_FEATURES,
        classes=CLASSES,
    )
    text = (task_folder(TASK) / "card.md").read_text(encoding="utf-8")
    card = text.format(
        family=model.family,
        data=model.training.data,
        rows=f"{model.training.n_rows} {_learned(model)}",
        prior=f"{model.prior:.1%}",
        split=model.training.split,
    )
    members = {
        _PATCHES: save_arrays(patch_arrays),
        _DISKS: save_arrays(disk_arrays),
        _NETWORK: model.network,
    }
    return write_bundle(folder, spec, {**members, **model.kept}, render_card(spec, card))


def _learned(model: ActiveRegionModel) -> str:
    """Return what the last training learned from."""
    of_disks = model.lineage is None or model.parameters.get("part") == DETECTOR
    return "disks" if of_disks else "patches"


def load_bundle(folder: Path) -> ActiveRegionModel:
    """Load a bundle.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task.
    """
    bundle = Bundle.load(folder, task=TASK)
    label = stored(bundle, POSITIVE)
    manifest = bundle.manifest
    prepared = manifest.preprocessing
    profile: Any = prepared.get("profile")
    calibration: Any = prepared.get("calibration")
    big_share: Any = prepared.get("big_share")
    names = {point.name for point in manifest.operating_points}
    if (
        manifest.features != PATCH_FEATURES
        or not isinstance(calibration, dict)
        or set(calibration) != {"a", "b", "c"}
        or prepared.get("disk_features") != list(DISK_FEATURES)
        or not isinstance(profile, list)
        or not isinstance(prepared.get("settings"), dict)
        or not isinstance(big_share, float)
        or not {F1_POINT, TSS_POINT} <= names
    ):
        raise BundleError(
            "The bundle does not say what this version needs: features, the brightness of quiet "
            "disks, settings and operating points.",
            "Train the bundle again.",
            path=folder,
        )
    network = bundle.read_bytes(_NETWORK)
    try:
        numbers: dict[str, Any] = {
            "calibration": BetaCalibration(**{key: float(calibration[key]) for key in "abc"}),
            "profile": np.array(profile, dtype=np.float64),
        }
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"The bundle's calibration or profile holds no numbers ({error}).",
            "Train the bundle again.",
            path=folder,
        ) from error
    model = ActiveRegionModel(
        **label,
        **numbers,
        patches=_classifier(bundle, _PATCHES, len(PATCH_FEATURES)),
        disks=_classifier(bundle, _DISKS, len(DISK_FEATURES)),
        network=network,
        settings=_settings(bundle),
        big_share=big_share,
    )
    RegionNetwork(network)  # what is damaged is refused now
    return model


def _settings(bundle: Bundle) -> DetectionSettings:
    try:
        return DetectionSettings.model_validate(bundle.manifest.preprocessing["settings"])
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BundleError(
            f"The settings of the search make no sense at {where}: {problem['msg']}.",
            "Train the bundle again.",
            path=bundle.folder,
        ) from error


def _classifier(bundle: Bundle, file: str, n_features: int) -> PlainClassifier:
    described: Any = bundle.manifest.preprocessing.get("classifiers")
    known = described if isinstance(described, dict) else {}
    found = plain_from_state(known.get(Path(file).stem), load_arrays(bundle.read_bytes(file)))
    if not {*found.classes_.tolist()} <= {0, 1} or found.n_features_in_ != n_features:
        raise BundleError(
            f"The classifier {file} is of other classes or features.",
            "Train the bundle again.",
            path=bundle.folder,
        )
    return found
