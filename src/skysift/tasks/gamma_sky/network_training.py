"""Train the sky network on simulated fields, calibrate its false alarms, store it as a bundle.

``python -m skysift.tasks.gamma_sky.network_training FOLDER --seed 3 --steps 5000`` makes the bundle
that ships. ``torchrun --nproc-per-node 4 -m skysift.tasks.gamma_sky.network_training FOLDER`` does
it in four processes, each with its GPU where there are some.
"""

import argparse
import hashlib
import sys
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
from skysift.core.progress import Progress, silent
from skysift.core.provenance import package_versions
from skysift.core.results import Metric
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.persist import load_arrays, save_arrays
from skysift.models.sky.network.architecture import (
    SkyNetworkSettings,
    check_weights,
    initial_weights,
)
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.network.training import (
    NetworkHistory,
    NetworkTrainingOptions,
    train_weights,
)
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.models.torch_ranks import ALONE, Ranks, join_ranks
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import measure_trials
from skysift.tasks.gamma_sky.methods import NETWORK_POWERS, FieldSetup
from skysift.tasks.gamma_sky.model import NETWORK_FILE
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse
from skysift.tasks.gamma_sky.training_fields import FieldPool, PoolOptions

__all__ = [
    "NetworkBundle",
    "NetworkOptions",
    "TrainedNetwork",
    "calibrate_network",
    "load_network_bundle",
    "save_network_bundle",
    "train_network",
]

TASK = "gamma-sky"
_WEIGHTS, _SETTINGS, _TRIALS = (
    "weights.safetensors",
    "settings.json",
    "calibration.safetensors",
)
_SIMULATED = "fields simulated on the fly; the digest is that of the validation maps"
_OF_SIMULATIONS = DataLicence(
    licence="BSD-3-Clause", citation="simulated by skysift from analytic formulas"
)
_VALIDATION_BATCH = 8
_UNCALIBRATED = TrialsTable(np.array([3.0]), np.array([1.0]))
_CALIBRATED_EXPOSURE = 100.0  # s


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
        Fields without sources that calibrate the false alarms.
    """

    settings: SkyNetworkSettings = SkyNetworkSettings()
    pool: PoolOptions = PoolOptions()
    validation_pool: PoolOptions = PoolOptions(instruments=24, fields=8)
    training: NetworkTrainingOptions = NetworkTrainingOptions()
    validation_maps: int = 128
    empty_maps: int = 3000


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
    """

    options: NetworkOptions
    weights: Mapping[str, NDArray[np.float32]]
    history: NetworkHistory
    trials: TrialsTable
    digest: str


def train_network(
    options: NetworkOptions,
    rng: np.random.Generator,
    *,
    start: Mapping[str, NDArray[np.float32]] | None = None,
    progress: Progress = silent,
    ranks: Ranks = ALONE,
) -> TrainedNetwork:
    """Train the network on fields drawn on the fly.

    Parameters
    ----------
    options : NetworkOptions
        Sizes.
    rng : numpy.random.Generator
        Draws instruments, fields, counts, and the first weights.
    start : mapping of str to array, optional
        Weights to go on from.
    progress : callable
        Called with the fraction done and what is being done.
    ranks : Ranks, optional
        The processes that train together; each draws fields of its own. The first calibrates.

    Raises
    ------
    UsageError
        If the loss is not finite, the weights to go on from do not fit, or a batch cannot be
        shared.
    MissingExtraError
        If torch is not installed.
    """
    settings, training = options.settings, options.training
    progress(0.0, "simulate instruments")
    drawn, fields, empty = rng.spawn(3)
    pool = FieldPool(options.pool, settings, drawn)
    validation = _validation(options, drawn)
    mine = ranks.generator(fields)
    recent: list[float] = []

    def tell(step: int, loss: float) -> None:
        recent.append(loss)
        mean = float(np.mean(recent[-training.validate_every :]))
        progress(step / training.steps, f"step {step}, loss {mean:.3f}")

    weights, history = train_weights(
        settings,
        initial_weights(settings, drawn) if start is None else start,
        lambda n: pool.batch(n, mine),
        validation,
        options=training,
        progress=tell,
        ranks=ranks,
    )
    progress(1.0, "calibrate on empty fields")
    network = SkyNetwork(export_network(settings, weights), settings)
    trials = _UNCALIBRATED
    if ranks.is_first:
        trials = calibrate_network(network, options.empty_maps, empty)
    digest = hashlib.sha256(b"".join(batch["counts"].tobytes() for batch in validation))
    return TrainedNetwork(options, weights, history, trials, digest.hexdigest())


def _validation(
    options: NetworkOptions, rng: np.random.Generator
) -> list[dict[str, NDArray[np.float32]]]:
    pool = FieldPool(options.validation_pool, options.settings, rng)
    sizes = [_VALIDATION_BATCH] * (options.validation_maps // _VALIDATION_BATCH)
    rest = options.validation_maps % _VALIDATION_BATCH
    return [pool.batch(n, rng) for n in [*sizes, *([rest] if rest else [])]]


def calibrate_network(network: SkyNetwork, n_maps: int, rng: np.random.Generator) -> TrialsTable:
    """Measure the false alarms on empty fields, some of them with defects.

    Parameters
    ----------
    network : SkyNetwork
        Trained.
    n_maps : int
        Fields of 100 s.
    rng : numpy.random.Generator
        Draws them.
    """
    n_y, n_x = network.settings.shape
    pointing = Pointing(0.0, 0.0, 20.0)
    grid = TangentGrid(0.0, 0.0, n_x, n_y, network.settings.pixel_size)
    setup = FieldSetup(grid, pointing, energy_bands(), _CALIBRATED_EXPOSURE)
    classical = setup.folded().search(_UNCALIBRATED, SearchSettings(), powers=NETWORK_POWERS)
    search = NetworkSearch(classical, network, livetime=_CALIBRATED_EXPOSURE)
    ready = FoldedResponse(AnalyticResponse(), energy_bands())
    plain = FieldDistribution(sources=(0, 0))
    highest = np.empty(n_maps)
    for number in range(n_maps):
        drawn = draw_field(rng, plain)
        field = Field(
            pointing,
            _CALIBRATED_EXPOSURE,
            background_scale=drawn.background_scale,
            gradient=drawn.gradient,
            dead_sectors=drawn.dead_sectors,
            star_holes=drawn.star_holes,
        )
        highest[number] = search.highest(draw_counts(expect(field, ready, grid).background, rng))
    typical = expect(Field(pointing, _CALIBRATED_EXPOSURE), ready, grid).background
    mean = typical[:, search.searched].mean(axis=1).astype(np.float64)
    return measure_trials(highest, search, search.filter.roughness(mean))


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
    """

    network: SkyNetwork
    trials: TrialsTable
    weights: Mapping[str, NDArray[np.float32]]
    bundle: Bundle


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
        _SETTINGS: (options.model_dump_json(indent=2) + "\n").encode(),
        _TRIALS: save_arrays({"level": trained.trials.level, "factor": trained.trials.factor}),
    }
    parameters: dict[str, Any] = {
        "settings": options.settings.model_dump(mode="json"),
        "parameters": int(sum(array.size for array in trained.weights.values())),
        "steps": list(history.steps),
        "loss": list(history.loss),
        "validation_loss": list(history.validation_loss),
    }
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
            n_rows=history.steps[-1] * options.training.batch_size,
            split="validation instruments and fields drawn apart",
            seed=seed,
            command=command,
        ),
        packages=package_versions(),
        data_licence=_OF_SIMULATIONS if origin is None else origin.licence,
        lineage=None if origin is None else origin.lineage,
    )
    return write_bundle(folder, spec, members, render_card(spec, card), overwrite=overwrite)


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
    weights = load_arrays(bundle.read_bytes(_WEIGHTS))
    check_weights(options.settings, weights)
    trials = load_arrays(bundle.read_bytes(_TRIALS))
    if {"level", "factor"} - trials.keys():
        raise BundleError(
            "The calibration is not complete.", "Train the network again.", path=bundle.folder
        )
    graph = bundle.read_bytes(NETWORK_FILE)
    network = SkyNetwork(graph, options.settings, threads=threads, device=device)
    return NetworkBundle(network, TrialsTable(trials["level"], trials["factor"]), weights, bundle)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a network and write its bundle."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the bundle to make")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--steps", type=int, default=NetworkTrainingOptions().steps)
    parser.add_argument("--instruments", type=int, default=PoolOptions().instruments)
    parser.add_argument("--empty-maps", type=int, default=NetworkOptions().empty_maps)
    given = parser.parse_args(arguments)
    options = NetworkOptions(
        pool=PoolOptions(instruments=given.instruments),
        training=NetworkTrainingOptions(steps=given.steps),
        empty_maps=given.empty_maps,
    )
    last = ""

    def show(fraction: float, what: str) -> None:
        nonlocal last
        stage = f"{100 * fraction:.0f} %"
        if stage != last:
            sys.stderr.write(f"{stage:>6} {what}\n")
            sys.stderr.flush()
            last = stage

    with join_ranks() as ranks:
        rng = np.random.default_rng(given.seed)
        heard = show if ranks.is_first else silent
        trained = train_network(options, rng, progress=heard, ranks=ranks)
    if not ranks.is_first:
        return
    for row in zip(trained.history.steps, trained.history.validation_loss, strict=True):
        sys.stderr.write(f"step {row[0]}: validation loss {row[1]:.4f}\n")
    program = "python" if ranks.total == 1 else f"torchrun --nproc-per-node {ranks.total}"
    command = (
        f"{program} -m {__spec__.name} {given.folder.name} --seed {given.seed} "
        f"--steps {given.steps} --instruments {given.instruments} "
        f"--empty-maps {given.empty_maps}"
    )
    save_network_bundle(trained, given.folder, seed=given.seed, command=command, overwrite=True)


if __name__ == "__main__":
    main()
