"""The published network of whole disks, by its own protocol and beside it in time.

It was trained and judged ten times on random splits, 85 to 15, by the accuracy after the last
epoch. Neighbouring disks show the same regions, so such a split asks about disks whose like have
been seen; a split in time does not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress
from skysift.evaluate.roc import auc
from skysift.models.solar.published import DISK_SIZE, train_published
from skysift.tasks.active_region.reader import SolarDisks

__all__ = ["published_protocol"]

_HELD = 0.15
_EVEN = 0.5

Mask = NDArray[np.bool_]


def published_protocol(
    disks: SolarDisks,
    *,
    before: Mask,
    epochs: int,
    repeats: int,
    rng: np.random.Generator,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Return one row for each label and split: accuracy, that of the commoner class, AUC.

    Parameters
    ----------
    disks : SolarDisks
        n disks.
    before : array of bool, shape (n,)
        What trains where the split is in time.
    epochs, repeats : int
        Of the network, and of the random split.
    rng : numpy.random.Generator
        Draws splits and weights.
    progress : callable
        Called with the fraction done and what is being done.
    """
    images = np.stack([one.square for one in disks.maps if one.square is not None])
    labels = {
        "any region with spots": disks.has_spots,
        "a region of 200 millionths": disks.has_big,
    }
    rows: list[dict[str, Any]] = []
    total, done = len(labels) * (repeats + 1), 0
    for name, label in labels.items():
        random = []
        for _ in range(repeats):
            held = np.isin(
                np.arange(len(label)), rng.permutation(len(label))[: round(_HELD * len(label))]
            )
            random.append(_judge(images, label, held, epochs=epochs, rng=rng))
            done += 1
            progress(done / total, "published network")
        rows.append(_row(name, f"random, {repeats} times", random))
        in_time = _judge(images, label, ~before, epochs=epochs, rng=rng)
        done += 1
        progress(done / total, "published network")
        rows.append(_row(name, "in time", [in_time]))
    return rows


def _judge(
    images: NDArray[np.uint8],
    label: Mask,
    held: Mask,
    *,
    epochs: int,
    rng: np.random.Generator,
) -> tuple[float, float, float, int]:
    """Return accuracy, share of the commoner class, AUC (NaN with one class), and how many."""
    network = train_published(images[~held], label[~held], size=DISK_SIZE, epochs=epochs, rng=rng)
    probability, truth = network.predict(images[held]), label[held]
    accuracy = float(np.mean((probability >= _EVEN) == truth))
    share = float(truth.mean())
    area = auc(truth, probability) if 0 < share < 1 else float("nan")
    return accuracy, max(share, 1 - share), area, len(truth)


def _row(label: str, split: str, results: list[tuple[float, float, float, int]]) -> dict[str, Any]:
    accuracy, commoner, area, n = (np.array(column) for column in zip(*results, strict=True))
    known = area[np.isfinite(area)]
    return {
        "label": label,
        "split": split,
        "accuracy": float(accuracy.mean()),
        "spread": float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
        "commoner_class": float(commoner.mean()),
        "auc": float(known.mean()) if len(known) else None,
        "n": int(n[0]),
    }
