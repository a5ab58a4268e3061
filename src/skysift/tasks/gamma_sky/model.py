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
    "loaded_trials",
    "require_search",
    "save_bundle",
    "stored_trials",
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
    data = save_arrays(stored_trials(model.trials))
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


def stored_trials(trials: TrialsTable, prefix: str = "") -> dict[str, NDArray[np.float64]]:
    """Return a calibration as arrays, to be stored.

    Parameters
    ----------
    trials : TrialsTable
        Calibration.
    prefix : str
        Of the names of the arrays, where there are several calibrations in a file.
    """
    stored = {f"{prefix}level": trials.level, f"{prefix}factor": trials.factor}
    if trials.skewness is not None:
        stored[f"{prefix}skewness"] = trials.skewness
    return stored if trials.told is None else stored | stored_trials(trials.told, f"{prefix}told_")


def loaded_trials(
    arrays: Mapping[str, NDArray[np.float64]], prefix: str = ""
) -> TrialsTable | None:
    """Return the calibration that `stored_trials` made arrays of; None where they hold none.

    Parameters
    ----------
    arrays : mapping of str to array
        Of a file.
    prefix : str
        Of their names.
    """
    if {f"{prefix}level", f"{prefix}factor"} - arrays.keys():
        return None
    told = loaded_trials(arrays, f"{prefix}told_")
    skewness = arrays.get(f"{prefix}skewness")
    return TrialsTable(arrays[f"{prefix}level"], arrays[f"{prefix}factor"], told, skewness)


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
    trials = loaded_trials(load_arrays(bundle.read_bytes(_FILE)))
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
