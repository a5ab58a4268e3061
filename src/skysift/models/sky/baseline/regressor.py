"""CNN-regressor: the place of the one source on a cleaned map."""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.layers import Layer, initial_weights, regressor_layers
from skysift.models.sky.baseline.maps import check_maps, check_positions
from skysift.models.sky.baseline.torch_network import forward, import_torch
from skysift.models.sky.baseline.training import Samples, TrainingOptions, train
from skysift.models.sky.baseline.variants import ORIGINAL, Variant

__all__ = ["CnnRegressor"]

Floats = NDArray[np.float32]

_CHUNK = 32


class CnnRegressor(BaseEstimator):  # type: ignore[misc]
    """The published regressor, or a corrected variant of it.

    Parameters
    ----------
    variant : Variant
        Which of the original's choices are kept.
    pooling : {"each", "once"}
        Pool after each inner convolution, as the published slides say, or once after all of them,
        as the published code does, which makes 265 million weights of 3 million.
    shape : (int, int)
        Rows and columns of the maps.
    options : TrainingOptions
        The original's by default.

    Attributes
    ----------
    weights_ : dict of str to array
        The trained network.
    history_ : TrainingHistory
        The loss of each epoch.

    Notes
    -----
    Labels are x and y in pixels over the number of pixels; the loss is their mean absolute error.
    There is always an answer, whether there is a source or not, and always one.
    """

    def __init__(
        self,
        variant: Variant = ORIGINAL,
        *,
        pooling: Literal["each", "once"] = "each",
        shape: tuple[int, int] = (200, 200),
        options: TrainingOptions | None = None,
    ) -> None:
        self.variant = variant
        self.pooling = pooling
        self.shape = shape
        self.options = options

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The network."""
        return regressor_layers(
            self.shape,
            kernel=self.variant.kernel,
            pooling=self.pooling,
            hidden=self.variant.hidden,
        )

    def fit(
        self,
        maps: ArrayLike,
        positions: ArrayLike,
        *,
        validation: tuple[ArrayLike, ArrayLike],
        rng: np.random.Generator,
    ) -> Self:
        """Train.

        Parameters
        ----------
        maps : array, shape (n, n_y, n_x) [counts]
            Cleaned maps.
        positions : array, shape (n, 2) [pixel]
            Column x and row y of the source; the centre of the first pixel is 0.
        validation : (array, array)
            Maps and positions that decide when to stop.
        rng : numpy.random.Generator
            Draws the first weights, the order of the maps, and what is dropped.

        Raises
        ------
        UsageError
            If shapes do not fit, a map is not finite, or a source is outside its map.
        MissingExtraError
            If torch is not installed.
        """
        torch = import_torch()

        def absolute_error(output: Any, target: Any) -> Any:
            return (torch.sigmoid(output) - target).abs().mean()

        layers = self.layers

        def network(tensors: Any, inputs: Any, *, generator: Any = None) -> Any:
            return forward(layers, tensors, inputs, generator=generator, logits=True)

        self.weights_, self.history_ = train(
            network,
            initial_weights(layers, rng),
            absolute_error,
            self.samples(maps, positions),
            self.samples(*validation),
            rng=rng,
            options=self.options or TrainingOptions(),
        )
        return self

    def predict(self, maps: ArrayLike) -> NDArray[np.float64]:
        """Return the (x, y) of the source on each map, shape (n, 2) [pixel]."""
        check_is_fitted(self)
        raw = self._check(maps)
        torch = import_torch()
        weights = {name: torch.from_numpy(array) for name, array in self.weights_.items()}
        shares = np.empty((len(raw), 2))
        with torch.inference_mode():
            for start in range(0, len(raw), _CHUNK):
                part = self.variant.smooth(raw[start : start + _CHUNK])
                inputs = torch.from_numpy(self.variant.network_input(part)[:, None])
                shares[start : start + _CHUNK] = forward(self.layers, weights, inputs).numpy()
        return shares * self._pixels

    @property
    def _pixels(self) -> NDArray[np.float64]:
        """Columns and rows: the unit of x and of y."""
        return np.array(self.shape[::-1], dtype=np.float64)

    def _check(self, maps: ArrayLike) -> NDArray[Any]:
        raw = check_maps(maps)
        if raw.shape[1:] != self.shape:
            raise UsageError(
                f"Maps of {raw.shape[1]} x {raw.shape[2]} pixels do not fit a regressor of "
                f"{self.shape[0]} x {self.shape[1]}.",
                "Give maps of that size.",
            )
        return raw

    def samples(self, maps: ArrayLike, positions: ArrayLike) -> Samples:
        """Return cleaned maps, shape (n, n_y, n_x), and places [pixel], ready for the network.

        Raises
        ------
        UsageError
            If shapes do not fit, a map is not finite, or a source is outside its map.
        """
        raw = self._check(maps)
        shares = (check_positions(positions, raw) / self._pixels).astype(np.float32)
        smoothed = self.variant.smooth(raw)

        def batch(rows: NDArray[np.int64]) -> tuple[Floats, ...]:
            return self.variant.network_input(smoothed[rows])[:, None], shares[rows]

        return Samples(len(raw), batch)
