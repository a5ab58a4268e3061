"""Go on from a trained sky network with empty runs of a real telescope, or with other simulations.

The false alarms of the child are calibrated anew on simulated empty fields, as its parent's were.
The default search has learned nothing that could go on: it is calibrated by ``skysift train``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle
from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.evaluate.updating import gain, with_judgement
from skysift.models.fine_tuning import what_moved
from skysift.models.lessons import Mixed, grouped, mix
from skysift.models.sky.baseline.torch_network import import_torch
from skysift.models.sky.network.architecture import PLACE_LAYERS
from skysift.models.sky.network.export import export_network
from skysift.models.sky.network.loss import network_loss
from skysift.models.sky.network.runtime import SkyNetwork
from skysift.models.sky.network.training import (
    NetworkHistory,
    NetworkTrainingOptions,
    train_weights,
)
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.baseline.continuation import PublishedModel, load_published_parent
from skysift.tasks.gamma_sky.model import is_published
from skysift.tasks.gamma_sky.network_bundle import (
    NetworkBundle,
    NetworkOptions,
    TrainedNetwork,
    load_network_bundle,
    save_network_bundle,
)
from skysift.tasks.gamma_sky.network_calibration import calibrate_network
from skysift.tasks.gamma_sky.observations import Observations
from skysift.tasks.gamma_sky.off_maps import Maps, off_maps
from skysift.tasks.gamma_sky.training_fields import FieldPool

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "NetworkModel",
    "go_on",
    "lessons",
    "load_parent",
    "losses",
    "origin_of",
    "recalled",
    "remembered",
    "remembering",
    "save_child",
    "simulated",
]

HEADS = frozenset({"background", "source", "heat"}) | PLACE_LAYERS
"""The last layers: what moves where the body is frozen."""

MARGIN = 0.4
"""The loss of a simulated map is about 10."""

MOST_KEPT = 0
"""Maps are large, and the terms of real telescopes rarely let them travel."""

_RATE = 2e-4  # a tenth of that of the training
_BATCH = 8
_INSTRUMENTS, _MAPS_OF_EACH = 64, 2  # of a reference that is simulated
_LICENCE = DataLicence(licence="not stated", citation="not stated")


@dataclass(frozen=True)
class NetworkModel:
    """A sky network that can go on.

    Parameters
    ----------
    options : NetworkOptions
        How the first of its line was trained.
    weights : mapping of str to array
        Of the network.
    trials : TrialsTable
        Calibration of its false alarms.
    centre_trials : TrialsTable or None
        The same of the search that tests the centres which it names.
    metrics : tuple of Metric
        What was measured.
    bundle : Bundle or None
        Where it was loaded from.
    trained : TrainedNetwork or None
        Of a child, what is stored.
    origin : Origin or None
        Of a child, where it comes from.
    """

    options: NetworkOptions
    weights: Any
    trials: TrialsTable
    centre_trials: TrialsTable | None = None
    metrics: tuple[Metric, ...] = ()
    bundle: Bundle | None = None
    trained: TrainedNetwork | None = None
    origin: Origin | None = None

    @property
    def replay(self) -> bytes | None:
        """No maps are kept: the terms of real telescopes rarely allow it, and they are large."""
        return None

    @property
    def lineage(self) -> Lineage | None:
        """The model that it goes on from."""
        return None if self.origin is None else self.origin.lineage

    @cached_property
    def training(self) -> Any:
        """What its bundle says of its training."""
        return None if self.bundle is None else self.bundle.manifest.training


def load_parent(folder: Path) -> NetworkModel | PublishedModel:
    """Load networks to go on from.

    Raises
    ------
    UsageError
        If the bundle holds a calibrated search.
    """
    bundle = Bundle.load(folder, task="gamma-sky")
    if is_published(bundle):
        return load_published_parent(folder)
    if bundle.manifest.model.family != "residual U-Net":
        raise UsageError(
            f"A {bundle.manifest.model.family} has learned nothing that goes on.",
            "Go on from the bundle 'network' or 'cnn'; calibrate a search anew with skysift train.",
        )
    found: NetworkBundle = load_network_bundle(folder)
    return NetworkModel(
        found.options,
        found.weights,
        found.trials,
        found.centre_trials,
        bundle.manifest.metrics,
        found.bundle,
    )


def save_child(model: NetworkModel | PublishedModel, folder: Path) -> Bundle:
    """Write networks that have gone on as a bundle.

    Raises
    ------
    UsageError
        If they have not.
    """
    if isinstance(model, PublishedModel):
        return model.save(folder)
    if model.trained is None or model.origin is None:
        raise UsageError("This network has not gone on.", "Copy the bundle that it came from.")
    return save_network_bundle(
        model.trained,
        folder,
        seed=model.origin.seed,
        command=model.origin.command,
        metrics=model.metrics,
        origin=model.origin,
    )


def lessons(observations: Observations, parent: NetworkModel) -> Maps:
    """Return maps of runs, with sources injected: the same ones for the same runs."""
    times = [item.events.time[:1].tobytes() for item in observations.items]
    seed = int.from_bytes(hashlib.sha256(b"".join(times)).digest()[:8], "big")
    return off_maps(observations, parent.options.settings, np.random.default_rng(seed))


def origin_of(observations: Observations) -> tuple[str, DataLicence]:
    """Return the name of the data, and their licence: photon lists do not state one."""
    return f"{len(observations)} photon lists with injected sources", _LICENCE


def losses(maps: Maps, model: NetworkModel) -> NDArray[np.float64]:
    """Return the loss of each map, shape (n,); see `skysift.models.sky.network.loss`."""
    torch = import_torch()
    weights = {name: torch.from_numpy(np.asarray(a)) for name, a in model.weights.items()}
    found = []
    with torch.inference_mode():
        for row in range(len(maps)):
            one = {name: torch.from_numpy(a[row : row + 1]) for name, a in maps.arrays.items()}
            found.append(float(network_loss(model.options.settings, weights, one)[0]))
    return np.array(found)


def go_on(
    parent: NetworkModel,
    new: Maps,
    replay: Maps | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> NetworkModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    old = None if replay is None else grouped(replay.group)
    mixed = mix(grouped(new.group), old, held_out=options.held_out, rng=rng)
    maps = new if replay is None else new.followed_by(replay)
    training = _steps(options, len(mixed.fit))
    weights, history = _moved(
        parent, maps, mixed, training, frozen=options.body == "frozen", rng=rng, progress=progress
    )
    trained_options = parent.options.model_copy(update={"training": training, "head": None})
    trials, of_centres = parent.trials, parent.centre_trials
    best = int(np.argmin(history.validation_loss))
    if best > 0:
        settings = parent.options.settings
        network = SkyNetwork(export_network(settings, weights), settings)
        trials = of_centres = calibrate_network(
            network,
            parent.options.empty_maps,
            rng,
            progress=lambda done, what: progress(1.0, f"calibrate on {what}, {100 * done:.0f} %"),
        )
    child = NetworkModel(trained_options, weights, trials, of_centres)
    judged = new.take(mixed.judge)
    change = losses(judged, child) - losses(judged, parent)
    gained = gain(change, judged.group, split=f"{origin.data}, held out", name="new loss")
    moved = "its last layers" if options.body == "frozen" else "all weights"
    method = what_moved(moved, history.steps[best], unit="step")
    lineage = with_judgement(origin.lineage, gained, method=method)
    return replace(
        child,
        metrics=(gained,),
        trained=TrainedNetwork(trained_options, weights, history, trials, new.sha256(), of_centres),
        origin=replace(origin, lineage=lineage),
    )


def simulated(model: NetworkModel, rng: np.random.Generator) -> Maps | None:
    """Return fields drawn anew as those that trained a network; None of one that has gone on.

    Each pair of maps has an instrument of its own, so that pairs are independent.
    """
    if model.bundle is None or model.bundle.manifest.lineage is not None:
        return None
    alone = model.options.pool.model_copy(update={"instruments": 1, "fields": _MAPS_OF_EACH})
    drawn = [
        FieldPool(alone, model.options.settings, rng).batch(_MAPS_OF_EACH, rng)
        for _ in range(_INSTRUMENTS)
    ]
    arrays = {name: np.concatenate([one[name] for one in drawn]) for name in drawn[0]}
    return Maps(arrays, np.repeat(np.arange(_INSTRUMENTS), _MAPS_OF_EACH))


def remembered(maps: Maps) -> bytes:
    """Raise UsageError: maps are not kept in a bundle."""
    del maps
    raise UsageError(
        "Sky maps are not kept in a bundle.", "Leave --keep out; give --reference to an update."
    )


def recalled(data: bytes, model: NetworkModel) -> Maps:
    """Raise UsageError: maps are not kept in a bundle."""
    del data, model
    raise UsageError("Sky maps are not kept in a bundle.", "Give them with --reference.")


def remembering(model: NetworkModel, replay: bytes, lineage: Lineage) -> NetworkModel:
    """Return a model with what was judged."""
    del replay
    return model if model.origin is None else replace(
        model, origin=replace(model.origin, lineage=lineage)
    )  # fmt: skip


def _steps(options: ContinueOptions, n_fit: int) -> NetworkTrainingOptions:
    """Return the training of some rounds over so many maps."""
    of_a_round = max(n_fit // _BATCH, 1)
    return NetworkTrainingOptions(
        steps=options.rounds * of_a_round,
        batch_size=_BATCH,
        learning_rate=options.rate or _RATE,
        warm_up=of_a_round,
        validate_every=of_a_round,
        patience=options.patience,
    )


def _moved(
    parent: NetworkModel,
    maps: Maps,
    mixed: Mixed,
    training: NetworkTrainingOptions,
    *,
    frozen: bool,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Mapping[str, NDArray[np.float32]], NetworkHistory]:
    """Return weights that have moved; new maps and replayed ones count the same, also to stop."""
    chance = mixed.weight[mixed.fit] / mixed.weight[mixed.fit].sum()

    def draw(n: int) -> dict[str, NDArray[np.float32]]:
        return dict(maps.take(rng.choice(mixed.fit, n, p=chance)).arrays)

    weight = mixed.weight[mixed.stop]
    alike = [mixed.stop[weight == one] for one in np.unique(weight)]  # within a batch
    parts = [part for rows in alike for part in np.array_split(rows, -(-len(rows) // _BATCH))]
    return train_weights(
        parent.options.settings,
        parent.weights,
        draw,
        [dict(maps.take(part).arrays) for part in parts],
        options=training,
        importance=[float(mixed.weight[part].sum()) for part in parts],
        moving=HEADS if frozen else {name.rpartition(".")[0] for name in parent.weights},
        progress=lambda step, loss: progress(step / training.steps, f"loss {loss:.3f}"),
    )
