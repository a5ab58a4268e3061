"""Training the network: AdamW, a warm start, a cosine, and the best weights on a fixed set."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.config import Config
from skysift.core.errors import UsageError
from skysift.models.sky.baseline.torch_network import import_torch
from skysift.models.sky.network.architecture import SkyNetworkSettings, check_weights
from skysift.models.sky.network.loss import PARTS, network_loss
from skysift.models.torch_ranks import ALONE, Ranks

__all__ = ["NetworkHistory", "NetworkTrainingOptions", "train_weights"]

Batch = Mapping[str, NDArray[np.float32]]


class NetworkTrainingOptions(Config):
    """How the network is trained.

    Parameters
    ----------
    steps : int
        Of the optimiser.
    batch_size : int
        Maps per step.
    learning_rate : float
        Highest one of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    weight_decay : float
        Of the kernels.
    warm_up : int
        Steps in which the rate rises.
    validate_every : int
        Steps between looks at the validation maps.
    patience : int
        Looks without gain after which training stops.
    """

    steps: int = 4000
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warm_up: int = 100
    validate_every: int = 400
    patience: int = 5


@dataclass(frozen=True, slots=True)
class NetworkHistory:
    """What happened.

    Parameters
    ----------
    steps : tuple of int
        When the validation maps were looked at.
    loss, validation_loss : tuple of float
        Mean since the look before, and on the validation maps.
    parts : tuple of dict
        Of the validation loss.
    """

    steps: tuple[int, ...]
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    parts: tuple[dict[str, float], ...] = field(default=())


def train_weights(
    settings: SkyNetworkSettings,
    weights: Mapping[str, NDArray[np.float32]],
    draw: Callable[[int], Batch],
    validation: Sequence[Batch],
    *,
    options: NetworkTrainingOptions,
    importance: Sequence[float] | None = None,
    moving: Collection[str] | None = None,
    progress: Callable[[int, float], None] | None = None,
    ranks: Ranks = ALONE,
) -> tuple[dict[str, NDArray[np.float32]], NetworkHistory]:
    """Train, and return the weights that were best on the validation maps.

    Parameters
    ----------
    settings : SkyNetworkSettings
        Of the network.
    weights : mapping of str to array
        Where to begin.
    draw : callable
        Takes a number of maps and returns a fresh batch; see `loss.network_loss`.
    validation : sequence of batches
        Fixed.
    options : NetworkTrainingOptions
        Steps and rates.
    importance : sequence of float, optional
        Of each batch of the validation; its number of maps if left out.
    moving : collection of str, optional
        Layers that move, of a trained network that goes on: the others stay, and so do all where
        no step gains. Without it all move, and the network is first looked at after some steps.
    progress : callable, optional
        Is told the step and its loss.
    ranks : Ranks, optional
        The processes that train together: each calls this with the same weights and options, and a
        `draw` of its own, which is asked for its share of a batch. All return the same.

    Raises
    ------
    UsageError
        If the loss is not finite, there are no validation maps, or a batch cannot be shared.
    MissingExtraError
        If torch is not installed.
    """
    torch = import_torch()
    check_weights(settings, weights)
    if not validation:
        raise UsageError("There are no maps to validate on.", "Give some.")
    judges = _judges(validation, importance)
    live = {
        name: torch.nn.Parameter(torch.from_numpy(array.copy()).to(ranks.device))
        for name, array in weights.items()
    }
    kernels = [value for name, value in live.items() if name.endswith(".weight")]
    biases = [value for name, value in live.items() if name.endswith(".bias")]
    optimiser = torch.optim.AdamW(
        [
            {"params": kernels, "weight_decay": options.weight_decay},
            {"params": biases, "weight_decay": 0.0},
        ],
        lr=options.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, options))
    looks = _Looks(options.patience)
    if moving is not None:
        for name, value in live.items():
            value.requires_grad_(name.rpartition(".")[0] in moving)
        begin = _validate(settings, live, judges, ranks)
        looks.add(0, begin[0], *begin, live)
    total, since = 0.0, 0
    loss_of = ranks.joined(_loss_module(torch, settings, live))
    n = ranks.share(options.batch_size)
    for step in range(1, options.steps + 1):
        value = loss_of(_tensors(torch, draw(n), ranks.device))
        loss = ranks.mean(float(value.detach()))
        if not math.isfinite(loss):
            raise UsageError("The loss is not finite.", "Lower the learning rate.")
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_([one for one in live.values() if one.requires_grad], 1.0)
        optimiser.step()
        schedule.step()
        total, since = total + loss, since + 1
        if progress is not None:
            progress(step, loss)
        if step % options.validate_every == 0 or step == options.steps:
            looks.add(step, total / since, *_validate(settings, live, judges, ranks), live)
            total, since = 0.0, 0
            if looks.should_stop:
                break
    return looks.best, looks.history


class _Looks:
    """What the validation maps said so far, and the weights that they liked best."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._rows: list[tuple[int, float, float, dict[str, float]]] = []
        self.best: dict[str, NDArray[np.float32]] = {}

    def add(self, step: int, loss: float, value: float, parts: dict[str, float], live: Any) -> None:
        if not self._rows or value < min(row[2] for row in self._rows):
            self.best = {
                name: tensor.detach().cpu().numpy().copy() for name, tensor in live.items()
            }
        self._rows.append((step, loss, value, parts))

    @property
    def should_stop(self) -> bool:
        values = [row[2] for row in self._rows]
        return len(values) - 1 - int(np.argmin(values)) >= self._patience

    @property
    def history(self) -> NetworkHistory:
        steps, losses, values, parts = zip(*self._rows, strict=True)
        return NetworkHistory(steps, losses, values, parts)


def _rate(step: int, options: NetworkTrainingOptions) -> float:
    """Return the share of the highest learning rate."""
    if step < options.warm_up:
        return (step + 1) / options.warm_up
    along = (step - options.warm_up) / max(options.steps - options.warm_up, 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(along, 1.0)))


def _loss_module(torch: Any, settings: SkyNetworkSettings, live: Mapping[str, Any]) -> Any:
    """Return the loss as a module that owns the weights, as several processes need it."""

    class Loss(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ParameterList(live.values())  # names may hold dots

        def forward(self, batch: Mapping[str, Any]) -> Any:
            named = dict(zip(live, self.weights, strict=True))
            return network_loss(settings, named, batch)[0]

    return Loss()


def _judges(
    batches: Sequence[Batch], importance: Sequence[float] | None
) -> list[tuple[float, Batch]]:
    """Return batches with their share of the mean."""
    counted = [len(batch["counts"]) for batch in batches] if importance is None else importance
    return [(one / sum(counted), batch) for one, batch in zip(counted, batches, strict=True)]


def _validate(
    settings: SkyNetworkSettings,
    live: Mapping[str, Any],
    judges: Sequence[tuple[float, Batch]],
    ranks: Ranks,
) -> tuple[float, dict[str, float]]:
    """Return the loss on the validation maps and its parts, as the first process finds them."""
    torch = import_torch()
    total, sums = 0.0, dict.fromkeys(PARTS, 0.0)
    with torch.inference_mode():
        for share, batch in judges if ranks.is_first else ():
            value, parts = network_loss(settings, live, _tensors(torch, batch, ranks.device))
            total += share * float(value)
            for name, part in parts.items():
                sums[name] += share * part
    total, *found = ranks.of_first([total, *sums.values()])
    return total, dict(zip(sums, found, strict=True))


def _tensors(torch: Any, batch: Batch, device: str) -> dict[str, Any]:
    return {
        name: torch.from_numpy(np.ascontiguousarray(array)).to(device)
        for name, array in batch.items()
    }
