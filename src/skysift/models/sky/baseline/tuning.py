"""The published networks go on with other maps, by their published losses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.models.fine_tuning import FineTuned, TuningOptions, fine_tune
from skysift.models.lessons import Mixed
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.layers import Layer, Weights
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.torch_network import forward, forward_folded_cleaner, import_torch
from skysift.models.sky.baseline.training import Samples

__all__ = ["Tunable", "tunable_cleaner", "tunable_regressor"]

_AT_A_TIME = 16  # maps


class Tunable:
    """A network, and maps that are ready for it.

    Parameters
    ----------
    network : callable
        Takes weights as tensors, inputs, and ``generator``, a torch.Generator or None; returns the
        output before its last activation.
    loss : callable
        Takes that output and what a batch holds beyond the inputs; returns a loss for each map.
    samples : Samples
        The maps.
    last : sequence of str
        The arrays of the last layer.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        loss: Callable[..., Any],
        samples: Samples,
        last: Sequence[str],
    ) -> None:
        self._torch = import_torch()
        self._network, self._loss, self._samples, self._last = network, loss, samples, tuple(last)

    def losses(self, weights: Weights) -> NDArray[np.float64]:
        """Return the loss of each map, shape (n,)."""
        tensors = {name: self._torch.from_numpy(array) for name, array in weights.items()}
        with self._torch.inference_mode():
            found = self._apart(tensors, np.arange(self._samples.size))
        return np.asarray(found.numpy(), dtype=np.float64)

    def tuned(
        self,
        weights: Weights,
        mixed: Mixed,
        options: TuningOptions,
        rng: np.random.Generator,
        *,
        frozen: bool,
        progress: Callable[[float], None],
    ) -> FineTuned:
        """Return weights that have gone on; where `frozen`, the last layer's alone.

        Parameters
        ----------
        weights : mapping of str to array
            Where to begin.
        mixed : Mixed
            The maps in parts, with their weights.
        options : TuningOptions
            Steps.
        rng : numpy.random.Generator
            Draws the order, and what is dropped.
        frozen : bool
            Whether only the last layer moves.
        progress : callable
            Called with the fraction done.
        """
        torch = self._torch
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))

        def losses(live: Mapping[str, Any], rows: NDArray[np.int64]) -> Any:
            if torch.is_grad_enabled():
                return self._of(live, rows, generator)
            return self._apart(live, rows)

        return fine_tune(
            weights,
            losses,
            fit=mixed.fit,
            stop=mixed.stop,
            weight=mixed.weight,
            options=options,
            rng=rng,
            moving=self._last if frozen else None,
            progress=progress,
        )

    def _of(self, live: Mapping[str, Any], rows: NDArray[np.int64], generator: Any) -> Any:
        inputs, *targets = (self._torch.from_numpy(one) for one in self._samples.batch(rows))
        return self._loss(self._network(live, inputs, generator=generator), *targets)

    def _apart(self, live: Mapping[str, Any], rows: NDArray[np.int64]) -> Any:
        """Return the losses of many maps, some at a time."""
        parts = np.array_split(rows, -(-len(rows) // _AT_A_TIME))
        return self._torch.cat([self._of(live, part, None) for part in parts])


def tunable_cleaner(cleaner: CnnCleaner, samples: Samples) -> Tunable:
    """Return a cleaner with maps; the loss is the mean over the pixels of each."""
    layers, loss = cleaner.layers, cleaner.pixel_losses()

    def network(tensors: Any, inputs: Any, *, generator: Any) -> Any:
        del generator  # nothing is dropped
        return forward_folded_cleaner(layers, tensors, inputs, logits=True)

    def of_maps(*values: Any) -> Any:
        return loss(*values).mean(dim=(1, 2, 3))

    return Tunable(network, of_maps, samples, _last(layers))


def tunable_regressor(regressor: CnnRegressor, samples: Samples, width: float) -> Tunable:
    """Return a regressor with maps so wide [deg]; the loss is the mean error of x and y [deg]."""
    layers, torch = regressor.layers, import_torch()

    def network(tensors: Any, inputs: Any, *, generator: Any) -> Any:
        return forward(layers, tensors, inputs, generator=generator, logits=True)

    def of_maps(output: Any, target: Any) -> Any:
        return width * (torch.sigmoid(output) - target).abs().mean(dim=1)

    return Tunable(network, of_maps, samples, _last(layers))


def _last(layers: Sequence[Layer]) -> tuple[str, str]:
    number = len(layers) - 1
    return f"{number}.weight", f"{number}.bias"
