"""The published network on our regions: its own protocol, and the same judged on later years.

It was trained on about 111 pictures of flares and of regions without one, tested on about 20 drawn
at random, ten times, and its accuracy after the last epoch was quoted. Here as many cutouts of as
many flaring and quiet regions are drawn; of the same training pictures, the accuracy is then taken
on rows of later years as well, and with the classes as rare as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.forecast import best_threshold, contingency
from skysift.evaluate.probability import log_loss
from skysift.evaluate.roc import auc
from skysift.models.solar.published import REGION_SIZE, train_published
from skysift.tasks.flare.image_features import CUTOUT_SIDE, Cutouts
from skysift.tasks.flare.options import CompareOptions
from skysift.tasks.flare.regions import Regions

__all__ = ["PICTURES", "best_start", "protocol_of", "published_starts", "repetitions"]

PICTURES: Final = 131
"""Pictures of the original, training and test together."""

FLARING: Final = 0.35
"""Share of flares among them."""

_TEST_SHARE = 0.15
_HALF = 0.5
_REGION = 64  # pixel

Floats = NDArray[np.float64]
Start = tuple[float, Floats, float]
"""Of one start: the mean log loss of its training rows, what it says of others, a threshold."""


def published_starts(
    past: Regions,
    future: Regions,
    options: CompareOptions,
    draws: Sequence[np.random.Generator],
) -> list[Callable[[], Start]]:
    """Return the training of the network on all past cutouts, to be called once per generator."""
    train = partial(
        _train,
        seen=pictures(past.cutouts),
        event=past.flared(options.level),
        unseen=pictures(future.cutouts),
        epochs=options.published_epochs,
    )
    return [partial(train, draw) for draw in draws]


def best_start(starts: Sequence[Start]) -> tuple[Floats, float]:
    """Return what the network says that fits its own training rows best, and its threshold.

    Many starts end with the same answer to every picture, which can be seen without later rows. As
    it has no rows to choose on, the threshold is the best on those it was trained on.
    """
    _, said, threshold = min(starts, key=lambda start: start[0])
    return said, threshold


def _train(
    rng: np.random.Generator,
    *,
    seen: NDArray[np.float32],
    event: NDArray[np.bool_],
    unseen: NDArray[np.float32],
    epochs: int,
) -> Start:
    network = train_published(seen, event, size=REGION_SIZE, epochs=epochs, rng=rng)
    told = network.predict(seen)
    return log_loss(event, told), network.predict(unseen), best_threshold(event, told)


def repetitions(
    past: Regions,
    future: Regions,
    options: CompareOptions,
    draws: Sequence[np.random.Generator],
) -> list[Callable[[], dict[str, float]]]:
    """Return the published protocol to be called once for each generator, in any process.

    Each call draws pictures of the past, trains on most of them and judges the network on the rest
    and on all later rows. What it returns is named as in :func:`protocol_of`.
    """
    repeat = partial(
        _repeat,
        seen=pictures(past.cutouts),
        event=past.flared(options.level),
        unseen=pictures(future.cutouts),
        later=future.flared(options.level),
        epochs=options.published_epochs,
    )
    return [partial(repeat, draw) for draw in draws]


def protocol_of(
    repeats: Sequence[Mapping[str, float]], past: Regions, future: Regions, level: str
) -> dict[str, Any]:
    """Return what the repetitions came to.

    Returns
    -------
    dict
        ``random``, ``later_balanced``, ``later``: accuracies of each repeat, ``tss_later`` and
        ``auc_later``; ``pictures``; ``majority`` and ``majority_later``: what "no flare" always
        would have. Empty if there are none.
    """
    if not repeats:
        return {}
    return {
        **{name: [repeat[name] for repeat in repeats] for name in repeats[0]},
        "pictures": min(PICTURES, len(past)),
        "majority": 1 - FLARING,
        "majority_later": float(1 - future.flared(level).mean()),
    }


def _repeat(
    rng: np.random.Generator,
    *,
    seen: NDArray[np.float32],
    event: NDArray[np.bool_],
    unseen: NDArray[np.float32],
    later: NDArray[np.bool_],
    epochs: int,
) -> dict[str, float]:
    chosen = _draw(event, PICTURES, rng)
    n_test = round(_TEST_SHARE * len(chosen))
    test, train = chosen[:n_test], chosen[n_test:]
    network = train_published(seen[train], event[train], size=REGION_SIZE, epochs=epochs, rng=rng)
    said = network.predict(unseen)
    alike = _draw(later, PICTURES, rng)
    return {
        "random": _accuracy(event[test], network.predict(seen[test])),
        "later_balanced": _accuracy(later[alike], said[alike]),
        "later": _accuracy(later, said),
        "tss_later": contingency(later, said, _HALF).tss,
        "auc_later": float(auc(later, said)),
    }


def pictures(cutouts: Cutouts) -> NDArray[np.float32]:
    """Return the 64-pixel middles of cutouts, as the thumbnails of the original."""
    start = (CUTOUT_SIDE - _REGION) // 2
    return np.nan_to_num(cutouts.pixels[:, start : start + _REGION, start : start + _REGION])


def _draw(event: NDArray[np.bool_], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return rows in random order, flares among them as often as in the original."""
    flaring, quiet = np.flatnonzero(event), np.flatnonzero(~event)
    n_flaring = min(round(FLARING * n), len(flaring))
    n_quiet = min(n - round(FLARING * n), len(quiet))
    rows = np.concatenate(
        [
            rng.choice(flaring, n_flaring, replace=False),
            rng.choice(quiet, n_quiet, replace=False),
        ]
    )
    return np.asarray(rng.permutation(rows), dtype=np.int64)


def _accuracy(event: NDArray[np.bool_], probability: Floats) -> float:
    return float(((probability >= _HALF) == event).mean())
