"""A trained sky network as a bundle, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import BundleSpec, DataLicence, InputColumn, ModelEntry, Training
from skysift.core.config import Config
from skysift.core.continuation import Origin
from skysift.core.errors import BundleError
from skysift.core.provenance import package_versions
from skysift.core.results import Metric
from skysift.models.persist import load_arrays, save_arrays
from skysift.models.sky.network.architecture import (
    SkyNetworkSettings,
    check_weights,
    with_centre_head,
)
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.training import NetworkHistory, NetworkTrainingOptions
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.model import (
    CENTRES_CALIBRATED,
    NETWORK_FILE,
    TASK,
    loaded_trials,
    stored_trials,
)
from skysift.tasks.gamma_sky.training_fields import PoolOptions

__all__ = [
    "HeadHistory",
    "NetworkBundle",
    "NetworkOptions",
    "TrainedNetwork",
    "load_network_bundle",
    "save_network_bundle",
    "save_recalibrated",
]

_WEIGHTS, _SETTINGS, _TRIALS = (
    "weights.safetensors",
    "settings.json",
    "calibration.safetensors",
)
_OF_CENTRES = "centre_"  # before the names of the arrays of their calibration
_SIMULATED = "fields simulated on the fly; the digest is that of the validation maps"
_OF_SIMULATIONS = DataLicence(
    licence="BSD-3-Clause", citation="simulated by skysift from analytic formulas"
)


class NetworkOptions(Config):
    """How the network is trained.

    Parameters
    ----------
    settings : SkyNetworkSettings
        The network.
    pool, validation_pool : PoolOptions
        Instruments and fields; those of the validation are drawn apart.
    training : NetworkTrainingOptions
        Steps and rates.
    validation_maps : int
        Fixed maps that decide when to stop.
    empty_maps : int
        Fields without sources, of all exposures together, that calibrate the false alarms.
    head : NetworkTrainingOptions or None
        Of what places the centres, where it was trained once more, with all else kept.
    """

    settings: SkyNetworkSettings = SkyNetworkSettings()
    pool: PoolOptions = PoolOptions()
    validation_pool: PoolOptions = PoolOptions(instruments=24, fields=8)
    training: NetworkTrainingOptions = NetworkTrainingOptions()
    validation_maps: int = 128
    empty_maps: int = 10_000
    head: NetworkTrainingOptions | None = None


@dataclass(frozen=True)
class HeadHistory:
    """What happened when what places the centres was trained once more, with all else kept.

    Parameters
    ----------
    history : NetworkHistory
        Loss of the whole network, from the untrained head at step 0 on.
    seed : int
        Of the generator.
    digest : str
        SHA-256 of the counts of the validation maps.
    n_rows_before : int
        Maps that the network had seen before.
    """

    history: NetworkHistory
    seed: int
    digest: str
    n_rows_before: int


@dataclass(frozen=True)
class TrainedNetwork:
    """A network after its training.

    Parameters
    ----------
    options : NetworkOptions
        How it was trained.
    weights : mapping of str to array
        Best on the validation maps.
    history : NetworkHistory
        What happened.
    trials : TrialsTable
        Calibration of the false alarms.
    digest : str
        SHA-256 of the counts of the validation maps.
    centre_trials : TrialsTable or None
        What the search that tests the centres states its false alarms by: as measured, or the
        bound that `trials` is.
    head : HeadHistory or None
        Of what places the centres, where it was trained once more.
    """

    options: NetworkOptions
    weights: Mapping[str, NDArray[np.float32]]
    history: NetworkHistory
    trials: TrialsTable
    digest: str
    centre_trials: TrialsTable | None = None
    head: HeadHistory | None = None


@dataclass(frozen=True)
class NetworkBundle:
    """A stored network.

    Parameters
    ----------
    network : SkyNetwork
        Ready to run.
    trials : TrialsTable
        Calibration of its false alarms.
    weights : mapping of str to array
        For further training.
    bundle : Bundle
        Where it was loaded from.
    options : NetworkOptions
        How it was trained.
    centre_trials : TrialsTable or None
        The same of the search that tests its centres; None of bundles from before there was one.
    """

    network: SkyNetwork
    trials: TrialsTable
    weights: Mapping[str, NDArray[np.float32]]
    bundle: Bundle
    options: NetworkOptions
    centre_trials: TrialsTable | None = None


def save_network_bundle(
    trained: TrainedNetwork,
    folder: str | Path,
    *,
    seed: int,
    command: str,
    card: str = "",
    metrics: Sequence[Metric] = (),
    overwrite: bool = False,
    origin: Origin | None = None,
) -> Bundle:
    """Write a trained network as a bundle.

    Parameters
    ----------
    trained : TrainedNetwork
        The network.
    folder : path-like
        The folder to make.
    seed : int
        Of the generator that trained it.
    command : str
        That trained it.
    card : str
        Text for people, in Markdown.
    metrics : sequence of Metric
        What was measured.
    overwrite : bool
        Replace a bundle that is there.
    origin : Origin, optional
        The network that it goes on from, and the data that it has learned.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    options = trained.options
    history = trained.history
    members = {
        NETWORK_FILE: export_network(options.settings, trained.weights),
        _WEIGHTS: save_arrays(trained.weights),
        _SETTINGS: _settings_file(options),
        _TRIALS: save_arrays(_stored_trials(trained.trials, trained.centre_trials)),
    }
    parameters: dict[str, Any] = {
        "settings": options.settings.model_dump(mode="json"),
        "parameters": int(sum(array.size for array in trained.weights.values())),
        "steps": list(history.steps),
        "loss": list(history.loss),
        "validation_loss": list(history.validation_loss),
        CENTRES_CALIBRATED: trained.centre_trials is not None,
    }
    n_rows = history.steps[-1] * options.training.batch_size
    if trained.head is not None and options.head is not None:
        again = trained.head.history
        parameters["head"] = {
            "seed": trained.head.seed,
            "steps": list(again.steps),
            "validation_loss": list(again.validation_loss),
            "sha256": trained.head.digest,
        }
        n_rows = trained.head.n_rows_before + again.steps[-1] * options.head.batch_size
    spec = BundleSpec(
        name="gamma-sky-network",
        task=TASK,
        created=datetime.now(UTC).replace(microsecond=0),
        summary="Network background for fields with camera defects, and a likelihood search on it",
        model=ModelEntry(
            format="onnx",
            file=NETWORK_FILE,
            family="residual U-Net",
            parameters=parameters,
            outputs=("factor", "source", "heat"),
        ),
        inputs=(
            InputColumn(name="RA", unit="deg", description="reconstructed ICRS right ascension"),
            InputColumn(name="DEC", unit="deg", description="reconstructed ICRS declination"),
            InputColumn(name="ENERGY", unit="TeV", description="reconstructed energy"),
        ),
        classes=("background", "source"),
        positive_class="source",
        metrics=tuple(metrics),
        training=Training(
            data=_SIMULATED if origin is None else origin.data,
            sha256=trained.digest,
            n_rows=n_rows,
            split="validation instruments and fields drawn apart",
            seed=seed,
            command=command,
        ),
        packages=package_versions(),
        data_licence=_OF_SIMULATIONS if origin is None else origin.licence,
        lineage=None if origin is None else origin.lineage,
    )
    return write_bundle(folder, spec, members, render_card(spec, card), overwrite=overwrite)


def save_recalibrated(
    parent: NetworkBundle,
    folder: str | Path,
    *,
    trials: TrialsTable,
    empty_maps: int,
    command: str,
    card: str = "",
    metrics: Sequence[Metric] = (),
    overwrite: bool = False,
) -> Bundle:
    """Write a network with another calibration; weights and graph stay as they are to the last bit.

    Parameters
    ----------
    parent : NetworkBundle
        The network.
    folder : path-like
        The folder to make.
    trials : TrialsTable
        Calibration of the false alarms; for the search of the centres it is a bound.
    empty_maps : int
        Fields without sources that it was measured on.
    command : str
        That made the parent, and then this.
    card : str
        Text for people, in Markdown.
    metrics : sequence of Metric
        What was measured: what hangs on a threshold holds no longer.
    overwrite : bool
        Replace a bundle that is there.

    Raises
    ------
    BundleError
        If the parent is damaged.
    OutputError
        If the folder exists or cannot be written.
    """
    bundle = parent.bundle
    known = bundle.manifest
    options = parent.options.model_copy(update={"empty_maps": empty_maps})
    members = {name: bundle.read_bytes(name) for name in (NETWORK_FILE, _WEIGHTS)}
    members[_SETTINGS] = _settings_file(options)
    members[_TRIALS] = save_arrays(_stored_trials(trials, trials))
    parameters = {**known.model.parameters, CENTRES_CALIBRATED: True}
    described = known.model_dump(exclude={"files", "schema_version"})
    spec = BundleSpec.model_validate(described).model_copy(
        update={
            "created": datetime.now(UTC).replace(microsecond=0),
            "model": known.model.model_copy(update={"parameters": parameters}),
            "metrics": tuple(metrics),
            "training": known.training.model_copy(update={"command": command}),
            "packages": package_versions(),
        }
    )
    return write_bundle(folder, spec, members, render_card(spec, card), overwrite=overwrite)


def _settings_file(options: NetworkOptions) -> bytes:
    return (options.model_dump_json(indent=2) + "\n").encode()


def _stored_trials(
    trials: TrialsTable, centre_trials: TrialsTable | None
) -> dict[str, NDArray[np.float64]]:
    of_centres = {} if centre_trials is None else stored_trials(centre_trials, _OF_CENTRES)
    return stored_trials(trials) | of_centres


def load_network_bundle(
    folder: str | Path, *, threads: int = 1, device: str = "cpu"
) -> NetworkBundle:
    """Load a network, to run on a device: "cpu" or "cuda".

    Raises
    ------
    BundleError
        If the bundle is damaged, holds what is not allowed, or holds no sky network.
    UsageError
        If the device is not available.
    """
    bundle = Bundle.load(folder, task=TASK)
    if bundle.manifest.model.file != NETWORK_FILE:
        raise BundleError(
            "The bundle holds no sky network.", "Give the folder of one.", path=bundle.folder
        )
    options = NetworkOptions.model_validate_json(bundle.read_bytes(_SETTINGS))
    weights = with_centre_head(options.settings, load_arrays(bundle.read_bytes(_WEIGHTS)))
    check_weights(options.settings, weights)
    arrays = load_arrays(bundle.read_bytes(_TRIALS))
    trials = loaded_trials(arrays)
    if trials is None:
        raise BundleError(
            "The calibration is not complete.", "Train the network again.", path=bundle.folder
        )
    graph = bundle.read_bytes(NETWORK_FILE)
    network = SkyNetwork(graph, options.settings, threads=threads, device=device)
    of_centres = loaded_trials(arrays, _OF_CENTRES)
    return NetworkBundle(network, trials, weights, bundle, options, of_centres)
