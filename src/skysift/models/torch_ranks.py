"""Training in several processes, one for each GPU or core: torch's DistributedDataParallel.

``torchrun`` starts the processes and tells each its number; here they find one another. Each
computes the gradient of its share of a batch, and all take the step of their mean, which is that of
the whole batch. So a training in many processes is the training in one, sooner.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from skysift.core.errors import UsageError
from skysift.core.extras import import_extra

__all__ = ["ALONE", "Ranks", "join_ranks"]


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes that train together, seen from one of them.

    Parameters
    ----------
    number : int
        Of this process, from 0.
    total : int
        How many there are.
    device : str
        Where this one computes, as torch names it.

    Examples
    --------
    >>> Ranks(number=1, total=4).share(32)
    8
    """

    number: int = 0
    total: int = 1
    device: str = "cpu"

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all have made."""
        return self.number == 0

    def share(self, batch_size: int) -> int:
        """Return how many samples of a batch this process draws.

        Raises
        ------
        UsageError
            If they do not come out even: the mean of the gradients would not be that of the batch.
        """
        if batch_size % self.total:
            raise UsageError(
                f"A batch of {batch_size} cannot be shared evenly by {self.total} processes.",
                f"Use a batch of {self.total * max(1, round(batch_size / self.total))}, or fewer.",
            )
        return batch_size // self.total

    def generator(self, rng: np.random.Generator) -> np.random.Generator:
        """Return random numbers of this process alone; the same generator where it is alone."""
        return rng if self.total == 1 else rng.spawn(self.total)[self.number]

    def joined(self, module: Any) -> Any:
        """Return a module whose gradients are those of all processes, the first one's weights."""
        if self.total == 1:
            return module
        torch = import_extra("torch", extra="train")
        on_gpu = None if self.device == "cpu" else [self.device]
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=on_gpu)

    def mean(self, value: float) -> float:
        """Return the mean over all processes; each has to ask."""
        if self.total == 1:
            return value
        torch = import_extra("torch", extra="train")
        tensor = torch.tensor([value], device=self.device)
        torch.distributed.all_reduce(tensor)
        return float(tensor) / self.total

    def of_first(self, values: list[float]) -> list[float]:
        """Return the numbers that the first process gives; each gives as many."""
        if self.total == 1:
            return values
        torch = import_extra("torch", extra="train")
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.broadcast(tensor, 0)
        return [float(value) for value in tensor]


ALONE = Ranks()
"""One process."""


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; be alone where it did not.

    They talk by NCCL where each has a GPU, by gloo where there is none.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    UsageError
        If there are GPUs, but fewer than processes of this machine.
    """
    total = int(os.environ.get("WORLD_SIZE", "1"))
    if total == 1:
        yield ALONE
        return
    torch = import_extra("torch", extra="train")
    local, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if 0 < gpus < here:
        raise UsageError(
            f"There are {gpus} GPUs for {here} processes.", f"Use --nproc-per-node {gpus}."
        )
    device = f"cuda:{local}" if gpus else "cpu"
    if gpus:
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("nccl" if gpus else "gloo")
    try:
        yield Ranks(int(os.environ["RANK"]), total, device)
    finally:
        torch.distributed.destroy_process_group()
