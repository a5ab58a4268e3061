"""Fine-tuning: a trained network goes on with small steps until held-out rows no longer gain.

Round 0 is the network as it came: where no step helps on the held-out rows, it stays as it is
(early stopping: Prechelt 1998, "Early stopping, but when?", LNCS 1524, 55).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.continuation import ContinueOptions
from skysift.core.errors import UsageError
from skysift.core.extras import import_extra

__all__ = ["FineTuned", "TuningOptions", "fine_tune", "what_moved"]

Arrays = dict[str, NDArray[np.float32]]

_ROWS_AT_A_TIME = 8192


@dataclass(frozen=True, slots=True)
class TuningOptions:
    """How weights move.

    Parameters
    ----------
    rate : float
        Step of Adam (Kingma & Ba 2015, arXiv:1412.6980); it falls to nothing along a cosine.
    rounds : int
        Most passes over the rows.
    patience : int
        Rounds without gain after which it stops.
    batch_size : int
        Rows for one step.
    """

    rate: float
    rounds: int = 60
    patience: int = 8
    batch_size: int = 256

    @classmethod
    def of(
        cls, options: ContinueOptions, rate: float, batch_size: int = batch_size
    ) -> "TuningOptions":
        """Return what was asked for, with a rate where none was."""
        return cls(options.rate or rate, options.rounds, options.patience, batch_size)


@dataclass(frozen=True, slots=True)
class FineTuned:
    """Weights that were best on the held-out rows.

    Parameters
    ----------
    weights : dict of str to array
        All of them, moved or not.
    losses : tuple of float
        Mean loss of the held-out rows before the first round and after each.
    best : int
        The round that the weights are of.
    """

    weights: Arrays
    losses: tuple[float, ...]
    best: int


def fine_tune(
    weights: Mapping[str, NDArray[Any]],
    losses: Callable[[Mapping[str, Any], NDArray[np.int64]], Any],
    *,
    fit: NDArray[np.int64],
    stop: NDArray[np.int64],
    weight: NDArray[Any],
    options: TuningOptions,
    rng: np.random.Generator,
    moving: Collection[str] | None = None,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> FineTuned:
    """Move weights down the mean loss of some rows while that of others falls.

    Parameters
    ----------
    weights : mapping of str to array
        Where to begin.
    losses : callable
        Takes the weights as tensors, and numbers of rows; returns a tensor of their losses.
    fit, stop : arrays of int
        Rows to fit, and rows that decide when to stop.
    weight : array, shape (n,)
        Of each row in the means.
    options : TuningOptions
        Steps.
    rng : numpy.random.Generator
        Shuffles the rows.
    moving : collection of str, optional
        The weights that move; all if left out.
    progress : callable
        Called with the fraction done.

    Raises
    ------
    UsageError
        If the loss is not finite.
    MissingExtraError
        If PyTorch is not installed.
    """
    torch = import_extra("torch", extra="train")
    live = _Live(torch, weights, moving, losses, weight)
    optimiser = torch.optim.Adam(live.moving, lr=options.rate)
    size = min(options.batch_size, len(fit))
    steps = options.rounds * -(-len(fit) // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    history, best, found = [live.held_out(stop)], 0, live.kept()
    for number in range(1, options.rounds + 1):
        order = rng.permutation(fit)
        for start in range(0, len(order), size):
            optimiser.zero_grad(set_to_none=True)
            live.mean(order[start : start + size]).backward()
            optimiser.step()
            schedule.step()
        history.append(live.held_out(stop))
        progress(number / options.rounds)
        if history[-1] < history[best]:
            best, found = number, live.kept()
        if number - best >= options.patience:
            break
    return FineTuned(found, tuple(history), best)


def what_moved(what: str, *best: int, unit: str = "round") -> str:
    """Return in words what fine-tuning moved.

    Parameters
    ----------
    what : str
        Which weights of which network.
    *best : int
        Of each network, the round that was best on the held-out rows; 0 is the start.
    unit : str
        What is counted.

    Examples
    --------
    >>> what_moved("all weights", 3, 5)
    'fine-tuning of all weights, round 3, 5'
    >>> what_moved("all weights", 0)
    'nothing, as no round of fine-tuning of all weights gained on held-out rows'
    """
    if not any(best):
        return f"nothing, as no {unit} of fine-tuning of {what} gained on held-out rows"
    return f"fine-tuning of {what}, {unit} {', '.join(map(str, best))}"


class _Live:
    """Weights as tensors, and what they lose."""

    def __init__(
        self,
        torch: Any,
        weights: Mapping[str, NDArray[Any]],
        moving: Collection[str] | None,
        losses: Callable[[Mapping[str, Any], NDArray[np.int64]], Any],
        weight: NDArray[Any],
    ) -> None:
        self._torch, self._losses = torch, losses
        self._weights = {
            name: torch.tensor(
                np.asarray(array, dtype=np.float32), requires_grad=moving is None or name in moving
            )
            for name, array in weights.items()
        }
        self._importance = torch.from_numpy(np.asarray(weight, dtype=np.float32))

    @property
    def moving(self) -> list[Any]:
        """The tensors that move."""
        return [tensor for tensor in self._weights.values() if tensor.requires_grad]

    def mean(self, rows: NDArray[np.int64]) -> Any:
        """Return the weighted mean loss of rows, as a tensor."""
        share = self._importance[rows]
        return (self._losses(self._weights, rows) * share).sum() / share.sum()

    def held_out(self, rows: NDArray[np.int64]) -> float:
        """Return the same as a number, some rows at a time.

        Raises
        ------
        UsageError
            If it is not finite.
        """
        with self._torch.no_grad():
            parts = np.array_split(rows, -(-len(rows) // _ROWS_AT_A_TIME))
            shares = [float(self._importance[part].sum()) for part in parts]
            value = np.average([float(self.mean(part)) for part in parts], weights=shares)
        if not np.isfinite(value):
            raise UsageError("The loss is not finite.", "Lower the learning rate.")
        return float(value)

    def kept(self) -> Arrays:
        """Return a copy of all weights."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self._weights.items()}
