"""The published network of whole disks, by its own protocol and beside it in time.

It was trained and judged ten times on random splits, 85 to 15, by the accuracy after the last
epoch. Neighbouring disks show the same regions, so such a split asks about disks whose like have
been seen; a split in time does not.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.roc import auc
from skysift.models.solar.published import DISK_SIZE, train_published

__all__ = ["published_protocol"]

_HELD = 0.15
_EVEN = 0.5

Mask = NDArray[np.bool_]


def published_protocol(
    images: NDArray[np.uint8],
    labels: Mapping[str, Mask],
    *,
    before: Mask,
    epochs: int,
    repeats: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Return one row for each label and split: accuracy, that of the commoner class, AUC.

    Parameters
    ----------
    images : array of uint8, shape (n, side, side)
        Whole disks.
    labels : mapping of str to array of bool, shape (n,)
        What is asked of them, by a name for people.
    before : array of bool, shape (n,)
        What trains where the split is in time.
    epochs, repeats : int
        Of the network, and of the random split.
    rng : numpy.random.Generator
        Draws splits and weights.
    """
    rows: list[dict[str, Any]] = []
    for name, label in labels.items():
        random = []
        for _ in range(repeats):
            held = np.isin(
                np.arange(len(label)), rng.permutation(len(label))[: round(_HELD * len(label))]
            )
            random.append(_judge(images, label, held, epochs=epochs, rng=rng))
        rows.append(_row(name, f"random, {repeats} times", random))
        in_time = _judge(images, label, ~before, epochs=epochs, rng=rng)
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
