"""Train a small network in the processes that torchrun started: ``torchrun_training.py OUT``.

Each process gets its share of batches that depend on the step alone.
"""

import sys
from pathlib import Path

import numpy as np

from skysift.models.persist import save_arrays
from skysift.models.sky.network.architecture import SkyNetworkSettings, initial_weights
from skysift.models.sky.network.training import NetworkTrainingOptions, train_weights
from skysift.models.torch_ranks import Ranks, join_ranks

SMALL = SkyNetworkSettings(shape=(40, 40), channels=8, coarse_channels=8, n_bands=3)
OPTIONS = NetworkTrainingOptions(steps=6, batch_size=4, warm_up=2, validate_every=3)


def batch(seed: int) -> dict[str, np.ndarray]:
    """Make up four maps with the rates that are to be found of them."""
    rng = np.random.default_rng(seed)
    bands, (n_y, n_x), n = SMALL.n_bands, SMALL.shape, OPTIONS.batch_size
    expected = rng.uniform(0.5, 2.0, (n, bands, n_y, n_x))
    background = expected * rng.uniform(0.5, 1.5, (n, 1, 1, 1))
    source = rng.uniform(0.0, 0.5, expected.shape)
    centre = np.zeros((n, 3, n_y // 4, n_x // 4))
    centre[:, 0, 1, 2] = 1.0
    found = {
        "counts": rng.poisson(background + source),
        "expected": expected,
        "background": background,
        "source": source,
        "conditions": rng.normal(size=(n, 2, n_y // 4, n_x // 4)),
        "centre": centre,
    }
    return {name: array.astype(np.float32) for name, array in found.items()}


def train(ranks: Ranks) -> dict[str, np.ndarray]:
    """Train on every so-many-th map of each batch."""
    steps = iter(range(100))

    def draw(n: int) -> dict[str, np.ndarray]:
        mine = slice(ranks.number, None, ranks.total)
        found = {name: array[mine] for name, array in batch(next(steps)).items()}
        assert len(found["counts"]) == n
        return found

    # Only the first one's weights count, whatever the others begin with.
    start = initial_weights(SMALL, np.random.default_rng(5 + ranks.number))
    weights, history = train_weights(
        SMALL, start, draw, [batch(1000)], options=OPTIONS, ranks=ranks
    )
    return {**weights, "validation_loss": np.array(history.validation_loss)}


if __name__ == "__main__":
    with join_ranks() as joined:
        trained = train(joined)
        (Path(sys.argv[1]) / f"rank-{joined.number}.safetensors").write_bytes(save_arrays(trained))
