"""A calibrated search as a bundle, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import (
    BundleSpec,
    DataLicence,
    Distribution,
    InputColumn,
    ModelEntry,
    OperatingPoint,
    Training,
)
from skysift.core.conformal import CONFORMAL_FILE, Promise, promises_of, promises_to_bytes
from skysift.core.errors import BundleError, UsageError
from skysift.core.provenance import package_versions
from skysift.core.registry import bundle_folder, task_folder
from skysift.core.results import Metric
from skysift.models.persist import load_arrays, save_arrays
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.options import CENTRES, NETWORK, PUBLISHED

__all__ = [
    "CENTRES_CALIBRATED",
    "NETWORK_FILE",
    "REGRESSOR_FILE",
    "TASK",
    "GammaSkyModel",
    "is_published",
    "load_bundle",
    "require_search",
    "save_bundle",
]

TASK = "gamma-sky"
_FILE = "calibration.safetensors"
REGRESSOR_FILE = "regressor.onnx"
"""The model of a bundle of published networks."""
NETWORK_FILE = "network.onnx"
"""The model of a bundle of the network that corrects the background."""
CENTRES_CALIBRATED = "centres_calibrated"
"""Parameter of such a bundle: whether the false alarms of the centres that it names are known."""
_ASKING = {REGRESSOR_FILE: PUBLISHED, NETWORK_FILE: (CENTRES, NETWORK)}
_INPUTS = (
    InputColumn(name="TIME", unit="s", description="arrival"),
    InputColumn(name="RA", unit="deg", description="reconstructed ICRS right ascension"),
    InputColumn(name="DEC", unit="deg", description="reconstructed ICRS declination"),
    InputColumn(name="ENERGY", unit="TeV", description="reconstructed energy"),
)
_SUMMARY = "Likelihood-ratio search for point sources, calibrated on empty simulated fields"


@dataclass(frozen=True)
class GammaSkyModel:
    """A search with its calibration.

    Parameters
    ----------
    name : str
        Of the bundle.
    trials : TrialsTable
        False alarms.
    training : Training
        Which simulations calibrated it.
    operating_points : tuple of OperatingPoint
        The threshold, and what is found above it.
    metrics : tuple of Metric
        What was measured on simulations.
    reference : mapping of str to Distribution
        Quantiles of the energies of simulated photons.
    bundle : Bundle or None
        Where it was loaded from.
    promises : tuple of Promise
        What regions and bounds of stated coverage rest on.
    """

    name: str
    trials: TrialsTable
    training: Training
    operating_points: tuple[OperatingPoint, ...] = ()
    metrics: tuple[Metric, ...] = ()
    reference: Mapping[str, Distribution] = field(default_factory=dict)
    bundle: Bundle | None = field(default=None, compare=False)
    promises: tuple[Promise, ...] = field(default=(), repr=False)

    @property
    def asking(self) -> tuple[str, ...]:
        """The methods that ask networks, where the bundle holds such; the main one is the last."""
        if self.bundle is None:
            return ()
        entry = self.bundle.manifest.model
        known = entry.parameters.get(CENTRES_CALIBRATED, False)
        return tuple(one for one in _ASKING.get(entry.file, ()) if known or one != CENTRES)

    @property
    def networks(self) -> Path | None:
        """The folder of networks, where the bundle holds such."""
        return self.bundle.folder if self.bundle is not None and self.asking else None


def save_bundle(model: GammaSkyModel, folder: Path) -> Bundle:
    """Write a calibrated search as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    data = save_arrays(_stored_trials(model.trials))
    spec = BundleSpec(
        name=model.name,
        task=TASK,
        created=datetime.now(UTC).replace(microsecond=0),
        summary=_SUMMARY,
        model=ModelEntry(
            format="safetensors",
            file=_FILE,
            family="likelihood-ratio filter with maximum-likelihood fit",
            outputs=("candidates",),
        ),
        inputs=_INPUTS,
        classes=("background", "source"),
        positive_class="source",
        operating_points=model.operating_points,
        metrics=model.metrics,
        training=model.training,
        reference=dict(model.reference),
        packages=package_versions(),
        data_licence=DataLicence(
            licence="BSD-3-Clause", citation="simulated by skysift from analytic formulas"
        ),
    )
    body = task_folder(TASK) / "card.md"
    card = render_card(spec, body.read_text(encoding="utf-8"))
    promised = {CONFORMAL_FILE: promises_to_bytes(model.promises)} if model.promises else {}
    return write_bundle(folder, spec, {_FILE: data, **promised}, card)


def _stored_trials(trials: TrialsTable) -> dict[str, NDArray[np.float64]]:
    stored: dict[str, NDArray[np.float64]] = {}
    for name, table in (("", trials), ("told_", trials.told)):
        if table is not None:
            stored |= {f"{name}level": table.level, f"{name}factor": table.factor}
            if table.skewness is not None:
                stored[f"{name}skewness"] = table.skewness
    return stored


def _loaded_trials(arrays: Mapping[str, NDArray[np.float64]], name: str = "") -> TrialsTable | None:
    if {f"{name}level", f"{name}factor"} - arrays.keys():
        return None
    told = None if name else _loaded_trials(arrays, "told_")
    skewness = arrays.get(f"{name}skewness")
    return TrialsTable(arrays[f"{name}level"], arrays[f"{name}factor"], told, skewness)


def is_published(bundle: Bundle) -> bool:
    """Say whether a bundle holds published networks, which bring no calibration of their own."""
    return bundle.manifest.model.file == REGRESSOR_FILE


def require_search(model: GammaSkyModel) -> None:
    """Refuse a bundle of networks where only a calibrated search makes sense.

    Raises
    ------
    UsageError
        If the bundle holds networks.
    """
    if model.networks is not None:
        raise UsageError(
            f"This is of the default search; the bundle {model.name} holds networks for others.",
            f"Name another bundle; skysift evaluate {TASK} --bundle measures networks.",
        )


def load_bundle(folder: Path) -> GammaSkyModel:
    """Load a bundle; for one of networks, with the calibration of the default search.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task.
    """
    bundle = Bundle.load(folder, task=TASK)
    manifest = bundle.manifest
    if manifest.model.file in _ASKING:
        calibrated = load_bundle(bundle_folder(TASK))
        return GammaSkyModel(
            manifest.name, calibrated.trials, manifest.training, (), manifest.metrics, {}, bundle
        )
    if manifest.model.file != _FILE:
        raise BundleError(
            "The bundle holds no calibration of a search.", "Train it again.", path=folder
        )
    trials = _loaded_trials(load_arrays(bundle.read_bytes(_FILE)))
    if trials is None:
        raise BundleError("The calibration is not complete.", "Train it again.", path=folder)
    return GammaSkyModel(
        manifest.name,
        trials,
        manifest.training,
        manifest.operating_points,
        manifest.metrics,
        manifest.reference,
        bundle,
        promises=promises_of(bundle),
    )
