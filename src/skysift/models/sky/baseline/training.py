"""How the published networks are trained: Adam on batches of 32, until validation stops gaining."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.layers import Weights
from skysift.models.sky.baseline.torch_network import import_torch

__all__ = ["Samples", "TrainingHistory", "TrainingOptions", "train"]

_KERAS_EPSILON = 1e-7  # of Adam, where torch has 1e-8
_MAPS = 4  # dimensions of maps, and of the weights of a convolution


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The original's settings.

    Parameters
    ----------
    epochs : int
        Passes over the maps at most.
    batch_size : int
        Maps per step.
    learning_rate : float
        Of Adam (Kingma & Ba 2015, arXiv:1412.6980).
    patience : int
        Stop after so many epochs without a lower validation loss; the last weights are kept, as
        Keras does unless it is told otherwise.
    device : str
        Where to train, as torch names it.

    Raises
    ------
    UsageError
        If a number is not positive.
    """

    epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int = 3
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "patience"):
            if not getattr(self, name) > 0:
                raise UsageError(
                    f"Training with {name} = {getattr(self, name)} makes no sense.",
                    "Give a positive number.",
                )


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """The mean loss of each epoch.

    Parameters
    ----------
    loss, validation_loss : tuple of float
        On the batches while they were trained on, and on the validation maps after the epoch.
    """

    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Samples:
    """Maps that are made ready a batch at a time, so that memory holds them once.

    Parameters
    ----------
    size : int
        How many there are.
    batch : callable
        Takes row numbers and returns the network's input, shape (n, channels, n_y, n_x), and
        after it what the loss needs.
    """

    size: int
    batch: Callable[[NDArray[np.int64]], tuple[NDArray[np.float32], ...]]


def train(
    network: Callable[..., Any],
    weights: Weights,
    loss: Callable[..., Any],
    samples: Samples,
    validation: Samples,
    *,
    rng: np.random.Generator,
    options: TrainingOptions,
) -> tuple[Weights, TrainingHistory]:
    """Return the trained weights and what happened.

    Parameters
    ----------
    network : callable
        Takes the weights, a batch of inputs and, in training, ``generator``, a torch.Generator;
        gives the output before its last activation. All are tensors.
    weights : mapping of str to array
        Where to begin.
    loss : callable
        Takes that output and what a batch holds beyond the input; returns a scalar tensor.
    samples, validation : Samples
        What is trained on, and what decides when to stop.
    rng : numpy.random.Generator
        Draws the order of the maps and what is dropped.
    options : TrainingOptions
        Numbers of epochs and so on.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    UsageError
        If there are no maps, or the loss is not finite.
    """
    torch = import_torch()
    if min(samples.size, validation.size) == 0:
        raise UsageError("There are no maps to train or to validate on.", "Give some of each.")
    generator = torch.Generator(options.device).manual_seed(int(rng.integers(2**31)))

    def tensor(array: NDArray[np.float32]) -> Any:
        found = torch.from_numpy(array).to(options.device)
        # Channels next to each other in memory: a step takes two thirds of the time or less.
        return found.to(memory_format=torch.channels_last) if found.ndim == _MAPS else found

    parameters = {name: torch.nn.Parameter(tensor(array.copy())) for name, array in weights.items()}
    optimiser = torch.optim.Adam(
        list(parameters.values()), lr=options.learning_rate, eps=_KERAS_EPSILON
    )

    def step(rows: NDArray[np.int64]) -> float:
        inputs, *targets = map(tensor, samples.batch(rows))
        value = loss(network(parameters, inputs, generator=generator), *targets)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        return float(value.detach())

    def validate(rows: NDArray[np.int64]) -> float:
        inputs, *targets = map(tensor, validation.batch(rows))
        with torch.inference_mode():
            return float(loss(network(parameters, inputs), *targets))

    losses: list[float] = []
    validation_losses: list[float] = []
    for _ in range(options.epochs):
        order = rng.permutation(samples.size)
        losses.append(_mean_over_batches(step, order, options.batch_size))
        everything = np.arange(validation.size)
        validation_losses.append(_mean_over_batches(validate, everything, options.batch_size))
        if _has_stopped_gaining(validation_losses, options.patience):
            break
    trained = {name: value.detach().cpu().numpy().copy() for name, value in parameters.items()}
    return trained, TrainingHistory(tuple(losses), tuple(validation_losses))


def _mean_over_batches(
    work: Callable[[NDArray[np.int64]], float], rows: NDArray[np.int64], size: int
) -> float:
    total = 0.0
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        total += work(part) * len(part)
    mean = total / len(rows)
    if not math.isfinite(mean):
        raise UsageError(
            "The loss is not finite: training went astray.", "Lower the learning rate."
        )
    return mean


def _has_stopped_gaining(losses: Sequence[float], patience: int) -> bool:
    return len(losses) - 1 - int(np.argmin(losses)) >= patience
