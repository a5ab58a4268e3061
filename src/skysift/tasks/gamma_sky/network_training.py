"""Train the sky network on simulated fields, calibrate its false alarms, store it as a bundle.

``python -m skysift.tasks.gamma_sky.network_training FOLDER --seed 3 --steps 5000`` makes the bundle
that ships. ``torchrun --nproc-per-node 4 -m skysift.tasks.gamma_sky.network_training FOLDER`` does
it in four processes, each with its GPU where there are some. ``--head-of BUNDLE`` keeps a trained
network as it is, but for what says where in a block a centre is, which alone is trained on.
``--recalibrate BUNDLE`` trains nothing and measures the false alarms of a network anew.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress, silent
from skysift.models.sky.network.architecture import PLACE_LAYERS, initial_weights
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.training import (
    NetworkHistory,
    NetworkTrainingOptions,
    train_weights,
)
from skysift.models.torch_ranks import ALONE, Ranks, join_ranks
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.network_bundle import (
    HeadHistory,
    NetworkBundle,
    NetworkOptions,
    TrainedNetwork,
    load_network_bundle,
    save_network_bundle,
    save_recalibrated,
)
from skysift.tasks.gamma_sky.network_calibration import calibrate_network
from skysift.tasks.gamma_sky.training_fields import FieldPool, PoolOptions

__all__ = ["train_head", "train_network"]

_VALIDATION_BATCH = 8


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
    trials = NO_TRIALS
    if ranks.is_first:
        trials = calibrate_network(network, options.empty_maps, empty)
    return TrainedNetwork(options, weights, history, trials, _digest(validation), trials)


def train_head(
    parent: NetworkBundle,
    training: NetworkTrainingOptions,
    seed: int,
    *,
    progress: Progress = silent,
) -> TrainedNetwork:
    """Train what says where in a block a centre is, with its covariance, and nothing else.

    Background, sources and the chances of centres stay as they are to the last bit, and so does the
    calibration.

    Parameters
    ----------
    parent : NetworkBundle
        The network, whose instruments, fields and sizes are taken again.
    training : NetworkTrainingOptions
        Steps and rates.
    seed : int
        Of the generator, which draws instruments, fields and counts.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    UsageError
        If the loss is not finite.
    MissingExtraError
        If torch is not installed.
    """
    options = parent.options.model_copy(update={"head": training})
    settings = options.settings
    progress(0.0, "simulate instruments")
    drawn, fields = np.random.default_rng(seed).spawn(2)
    pool = FieldPool(options.pool, settings, drawn)
    validation = _validation(options, drawn)
    weights, history = train_weights(
        settings,
        parent.weights,
        lambda n: pool.batch(n, fields),
        validation,
        options=training,
        moving=PLACE_LAYERS,
        progress=lambda step, loss: progress(step / training.steps, f"step {step}, {loss:.3f}"),
    )
    known = parent.bundle.manifest
    return TrainedNetwork(
        options,
        weights,
        _history_of(known.model.parameters),
        parent.trials,
        known.training.sha256,
        parent.trials,
        HeadHistory(history, seed, _digest(validation), known.training.n_rows),
    )


def _digest(maps: Sequence[Mapping[str, NDArray[np.float32]]]) -> str:
    return hashlib.sha256(b"".join(batch["counts"].tobytes() for batch in maps)).hexdigest()


def _history_of(parameters: Mapping[str, Any]) -> NetworkHistory:
    """Return what a bundle tells of the training of its network."""
    return NetworkHistory(
        *(tuple(parameters[name]) for name in ("steps", "loss", "validation_loss"))
    )


def _validation(
    options: NetworkOptions, rng: np.random.Generator
) -> list[dict[str, NDArray[np.float32]]]:
    pool = FieldPool(options.validation_pool, options.settings, rng)
    sizes = [_VALIDATION_BATCH] * (options.validation_maps // _VALIDATION_BATCH)
    rest = options.validation_maps % _VALIDATION_BATCH
    return [pool.batch(n, rng) for n in [*sizes, *([rest] if rest else [])]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train a network and write its bundle."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="the bundle to make")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--steps", type=int, default=NetworkTrainingOptions().steps)
    parser.add_argument("--instruments", type=int, default=PoolOptions().instruments)
    parser.add_argument("--empty-maps", type=int, default=NetworkOptions().empty_maps)
    known = parser.add_mutually_exclusive_group()
    known.add_argument(
        "--head-of",
        type=Path,
        metavar="BUNDLE",
        help="train on what places centres in this one and keep all else of it, its calibration "
        "too; its instruments are taken again",
    )
    known.add_argument(
        "--recalibrate",
        type=Path,
        metavar="BUNDLE",
        help="train nothing: measure the false alarms of this one on --empty-maps fields; what was "
        "measured above its old thresholds is left out",
    )
    given = parser.parse_args(arguments)
    if given.recalibrate is not None:
        _recalibrate(given)
    elif given.head_of is not None:
        _train_head_of(given)
    else:
        _train_all(given)


def _train_all(given: argparse.Namespace) -> None:
    options = NetworkOptions(
        pool=PoolOptions(instruments=given.instruments),
        training=NetworkTrainingOptions(steps=given.steps),
        empty_maps=given.empty_maps,
    )
    with join_ranks() as ranks:
        rng = np.random.default_rng(given.seed)
        heard = _shown() if ranks.is_first else silent
        trained = train_network(options, rng, progress=heard, ranks=ranks)
    if not ranks.is_first:
        return
    _tell(trained.history)
    program = "python" if ranks.total == 1 else f"torchrun --nproc-per-node {ranks.total}"
    command = (
        f"{program} -m {__spec__.name} {given.folder.name} --seed {given.seed} "
        f"--steps {given.steps} --instruments {given.instruments} "
        f"--empty-maps {given.empty_maps}"
    )
    save_network_bundle(trained, given.folder, seed=given.seed, command=command, overwrite=True)


def _train_head_of(given: argparse.Namespace) -> None:
    parent = load_network_bundle(given.head_of)
    training = NetworkTrainingOptions(steps=given.steps)
    trained = train_head(parent, training, given.seed, progress=_shown())
    if trained.head is not None:
        _tell(trained.head.history)
    known = parent.bundle.manifest
    command = (
        f"{known.training.command} && python -m {__spec__.name} {given.folder.name} "
        f"--head-of {given.head_of.name} --seed {given.seed} --steps {given.steps}"
    )
    # What was measured of background and sources still holds.
    save_network_bundle(
        trained,
        given.folder,
        seed=known.training.seed,
        command=command,
        metrics=known.metrics,
        overwrite=True,
    )


def _recalibrate(given: argparse.Namespace) -> None:
    parent = load_network_bundle(given.recalibrate)
    rng = np.random.default_rng(given.seed)
    trials = calibrate_network(parent.network, given.empty_maps, rng, progress=_shown())
    save_recalibrated(
        parent,
        given.folder,
        trials=trials,
        empty_maps=given.empty_maps,
        command=f"{parent.bundle.manifest.training.command} && python -m {__spec__.name} "
        f"{given.folder.name} --recalibrate {given.recalibrate.name} --seed {given.seed} "
        f"--empty-maps {given.empty_maps}",
        overwrite=True,
    )


def _shown() -> Progress:
    """Return what shows each percent once."""
    last = ""

    def show(fraction: float, what: str) -> None:
        nonlocal last
        stage = f"{100 * fraction:.0f} %"
        if stage != last:
            sys.stderr.write(f"{stage:>6} {what}\n")
            sys.stderr.flush()
            last = stage

    return show


def _tell(history: NetworkHistory) -> None:
    for step, loss in zip(history.steps, history.validation_loss, strict=True):
        sys.stderr.write(f"step {step}: validation loss {loss:.4f}\n")


if __name__ == "__main__":
    main()
