"""Training the network of active regions on catalogued centres.

The loss is that of centre-point networks (Law & Deng 2018, arXiv:1808.01244, eq. 1): a cell that
holds a centre is positive, and the cells about it count less as negatives the nearer they are. A
plage without spots is half a negative where spots are asked for: whether it has a spot that day is
a matter of the telescope.

Brightness knows neither the sign of the hemisphere nor that of the rotation, so disks are mirrored
from north to south and from east to west; besides they are turned, shifted and stretched a little,
and made brighter or darker.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.core.extras import import_extra
from skysift.models.one_cycle import one_cycle
from skysift.models.sky.network.torch_operations import TorchOperations
from skysift.models.solar.region_network import (
    HEAT_GRID,
    KINDS,
    apply_network,
    initial_weights,
)

__all__ = [
    "Centres",
    "RegionTraining",
    "disk_losses",
    "random_views",
    "targets",
    "train_region_network",
]

_TURN, _STRETCH, _SHIFT = 12.0, 0.08, 0.08  # degrees, logarithm, half widths of the grid
_GAIN, _OFFSET = 0.18, 0.12  # of the brightness: logarithm, quiet disks
_SPREAD = 1.5  # of a centre [heat pixel]
_NEAR = 4  # power by which cells near a centre count less
_FOCUS = 2  # power by which what is right already counts less
_PLAGE_EXCUSE, _PLAGE_WEIGHT = 0.5, 0.5
_STEEPEST = 1.0  # length of a gradient
_WEIGHT_DECAY = 1e-2
_IMAGES = 4  # dimensions

Floats = NDArray[np.float32]
Weights = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Centres:
    """Where the regions of one disk lie.

    Parameters
    ----------
    spots, plage : array, shape (n, 2)
        How far west and north of the centre of the disk [radius].
    """

    spots: NDArray[np.float64]
    plage: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RegionTraining:
    """How the network is trained.

    Parameters
    ----------
    epochs, batch_size, learning_rate
        Of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with a rise and a cosine.
    """

    epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 3e-3


def train_region_network(
    disks: Floats,
    centres: Sequence[Centres],
    *,
    training: RegionTraining,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> Weights:
    """Train one network and return its weights after the last epoch: nothing is held out.

    Parameters
    ----------
    disks : array, shape (n, 4, 128, 128)
        Of :func:`~skysift.models.solar.region_network.network_input`.
    centres : sequence of Centres, shape (n,)
        Where their regions lie.
    training : RegionTraining
        How.
    rng : numpy.random.Generator
        Draws weights, order and views.
    progress : callable, optional
        Is told the share that is done.

    Raises
    ------
    UsageError
        If disks and centres do not fit each other, or the loss is not finite.
    MissingExtraError
        If torch is not installed.
    """
    if len(disks) != len(centres) or not len(disks):
        raise UsageError(f"{len(disks)} disks, centres of {len(centres)}.", "Give one each.")
    torch = import_extra("torch", extra="train")
    live = {
        # Channels last: convolutions of few channels are faster so.
        name: torch.nn.Parameter(_channels_last(torch, torch.from_numpy(weight)))
        for name, weight in initial_weights(rng).items()
    }
    size = min(training.batch_size, len(disks))
    per_epoch = len(disks) // size
    optimiser = torch.optim.AdamW(_groups(live), lr=training.learning_rate)
    schedule = one_cycle(torch, optimiser, training.learning_rate, training.epochs * per_epoch)
    for epoch in range(training.epochs):
        order = rng.permutation(len(disks))
        for start in range(0, per_epoch * size, size):
            chosen = order[start : start + size]
            some = [centres[row] for row in chosen]
            seen, heat, hits = random_views(torch, torch.from_numpy(disks[chosen]), some, rng)
            loss = _loss(torch, apply_network(TorchOperations(live), seen), heat, hits)
            if not math.isfinite(float(loss.detach())):
                raise UsageError("The loss is not finite.", "Lower the learning rate.")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(live.values()), _STEEPEST)
            optimiser.step()
            schedule.step()
        if progress is not None:
            progress((epoch + 1) / training.epochs)
    return {name: np.ascontiguousarray(value.detach().numpy()) for name, value in live.items()}


def random_views(
    torch: Any, disks: Any, centres: Sequence[Centres], rng: np.random.Generator
) -> tuple[Any, Any, Any]:
    """Return disks as random views show them, and what :func:`targets` says of these.

    Parameters
    ----------
    torch : module
    disks : tensor, shape (n, 4, 128, 128)
    centres : sequence of Centres, shape (n,)
    rng : numpy.random.Generator
        Draws mirrors, turns, shifts, sizes and brightness.
    """
    views = [_View.draw(rng) for _ in centres]
    seen = _seen(torch, disks, views, rng)
    heat, hits = _targets(centres, views)
    return seen, torch.from_numpy(heat), torch.from_numpy(hits)


def targets(centres: Sequence[Centres]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how near each cell is to a centre, and which hold one, (n, 2, 64, 64), of disks."""
    return _targets(centres, [_View(np.eye(2), np.zeros(2)) for _ in centres])


def disk_losses(torch: Any, log_odds: Any, heat: Any, hits: Any) -> Any:
    """Return the loss of each disk by itself, shape (n,), over the number of its regions.

    Parameters
    ----------
    torch : module
    log_odds : tensor, shape (n, 2, 64, 64)
        Of the network.
    heat, hits : tensor, shape (n, 2, 64, 64)
        Of :func:`targets`.
    """
    spots, plage = (cells.sum(dim=(1, 2)) for cells in _gains(torch, log_odds, heat, hits))
    n_spots, n_plage = hits.sum(dim=(2, 3)).clamp(min=1).T
    return -spots / n_spots - _PLAGE_WEIGHT * plage / n_plage


@dataclass(frozen=True, slots=True)
class _View:
    """How a disk is shown: ``of the disk = matrix @ of the view + shift``, in half widths."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "_View":
        angle = math.radians(rng.normal(0, _TURN))
        turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        mirror = np.diag(rng.choice([-1.0, 1.0], 2))
        stretch = math.exp(rng.normal(0, _STRETCH))
        return cls(np.array(turn) @ mirror * stretch, rng.uniform(-_SHIFT, _SHIFT, 2))

    def cells(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return columns and rows of the heat, shape (n, 2), of places west and north."""
        half_widths = places / HEAT_GRID.half_width
        shown = np.linalg.solve(self.matrix, (half_widths - self.shift).T).T
        return np.asarray((shown + 1) * HEAT_GRID.side / 2 - 0.5)


def _seen(torch: Any, disks: Any, views: Sequence[_View], rng: np.random.Generator) -> Any:
    """Return disks as the views show them, of changed brightness."""
    affine = np.stack([np.column_stack([view.matrix, view.shift]) for view in views])
    grid = torch.nn.functional.affine_grid(
        torch.from_numpy(affine.astype(np.float32)), disks.shape, align_corners=False
    )
    shown = torch.nn.functional.grid_sample(disks, grid, padding_mode="border", align_corners=False)
    n = len(views)
    gain = np.exp(rng.normal(0, _GAIN, (n, 1, 1, 1))).astype(np.float32)
    offset = rng.normal(0, _OFFSET, (n, 1, 1, 1)).astype(np.float32)
    mean = shown[:, :1] * torch.from_numpy(gain) + torch.from_numpy(offset)
    seen = torch.cat([mean, shown[:, 1:2] * torch.from_numpy(gain), shown[:, 2:]], dim=1)
    return _channels_last(torch, seen)


def _channels_last(torch: Any, value: Any) -> Any:
    return value.to(memory_format=torch.channels_last) if value.ndim == _IMAGES else value


def _targets(
    centres: Sequence[Centres], views: Sequence[_View]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how near each cell is to a centre, and which cells hold one, (n, 2, side, side)."""
    side = HEAT_GRID.side
    heat = np.zeros((len(views), len(KINDS), side, side), dtype=np.float32)
    hits = np.zeros(heat.shape, dtype=bool)
    axis = np.arange(side)
    for row, (centre, view) in enumerate(zip(centres, views, strict=True)):
        for kind, places in enumerate((centre.spots, centre.plage)):
            for x, y in view.cells(places.reshape(-1, 2)):
                column, line = round(x), round(y)
                if not (0 <= column < side and 0 <= line < side):
                    continue
                squared = (axis - x) ** 2 + (axis[:, None] - y) ** 2
                near = np.exp(-squared / (2 * _SPREAD**2)).astype(np.float32)
                np.maximum(heat[row, kind], near, out=heat[row, kind])
                hits[row, kind, line, column] = True
    return heat, hits


def _gains(torch: Any, log_odds: Any, heat: Any, hits: Any) -> tuple[Any, Any]:
    """Return what each cell adds to the likelihood of spots and of plage, (n, side, side)."""
    probability = torch.sigmoid(log_odds)
    found = (1 - probability) ** _FOCUS * torch.nn.functional.logsigmoid(log_odds) * hits
    negative = (1 - heat) ** _NEAR * probability**_FOCUS
    negative = negative * torch.nn.functional.logsigmoid(-log_odds) * ~hits
    spots = found[:, 0] + negative[:, 0] * (1 - _PLAGE_EXCUSE * heat[:, 1])
    return spots, found[:, 1] + negative[:, 1]


def _loss(torch: Any, log_odds: Any, heat: Any, hits: Any) -> Any:
    spots, plage = _gains(torch, log_odds, heat, hits)
    n_spots, n_plage = (max(int(hits[:, kind].sum()), 1) for kind in range(len(KINDS)))
    return -spots.sum() / n_spots - _PLAGE_WEIGHT * plage.sum() / n_plage


def _groups(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    kernels = [value for name, value in live.items() if name.endswith(".weight")]
    biases = [value for name, value in live.items() if name.endswith(".bias")]
    return [
        {"params": kernels, "weight_decay": _WEIGHT_DECAY},
        {"params": biases, "weight_decay": 0.0},
    ]
