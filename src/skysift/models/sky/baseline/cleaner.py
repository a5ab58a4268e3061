"""CNN-cleaner: a convolutional autoencoder that takes the background off a counts map."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.layers import (
    Layer,
    check_cleaner_shape,
    cleaner_layers,
    initial_weights,
)
from skysift.models.sky.baseline.maps import check_maps
from skysift.models.sky.baseline.torch_network import (
    forward,
    forward_folded_cleaner,
    import_torch,
)
from skysift.models.sky.baseline.training import Samples, TrainingOptions, train
from skysift.models.sky.baseline.variants import ORIGINAL, Variant, stretch_to_unit

__all__ = ["CnnCleaner"]

Floats = NDArray[np.float32]

_FAINTEST = 1e-6  # counts per pixel that a Poisson likelihood may expect at least
_DARK_START = -6.0  # bias of the last layer: 100 counts on an untrained map, as a source has
_CHUNK = 32


class CnnCleaner(BaseEstimator):  # type: ignore[misc]
    """The published cleaner, or a corrected variant of it.

    Parameters
    ----------
    variant : Variant
        Which of the original's choices are kept.
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
    The original stretches each noisy and each clean map to [0, 1], learns one from the other with
    binary cross-entropy, and returns to counts by the extremes of the noisy map. With the variant
    ``intensity="counts"`` the network gives the source's counts s per pixel, and the loss is that
    of a Poisson distribution: of the map itself with mean s + b, where b = noisy - clean is the
    background that the clean map had subtracted; or, with ``target="expectation"``, of the source
    alone with mean s, averaged over all that might be drawn of its expectation.
    """

    def __init__(
        self, variant: Variant = ORIGINAL, *, options: TrainingOptions | None = None
    ) -> None:
        self.variant = variant
        self.options = options

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The network."""
        return cleaner_layers(kernel=self.variant.kernel, output=self.variant.output)

    def fit(
        self,
        noisy: ArrayLike,
        clean: ArrayLike,
        *,
        validation: tuple[ArrayLike, ArrayLike],
        rng: np.random.Generator,
    ) -> Self:
        """Train.

        Parameters
        ----------
        noisy : array, shape (n, n_y, n_x)
            Raw counts; the sides are multiples of 4.
        clean : array, shape (n, n_y, n_x)
            The same without the background that was expected, or, with the variant
            ``target="expectation"``, the counts that are expected of the source.
        validation : (array, array)
            Noisy and clean maps that decide when to stop.
        rng : numpy.random.Generator
            Draws the first weights and the order of the maps.

        Raises
        ------
        UsageError
            If shapes do not fit, or a map is not finite.
        MissingExtraError
            If torch is not installed.
        """
        weights = initial_weights(self.layers, rng)
        if self.variant.intensity == "counts":
            weights[f"{len(self.layers) - 1}.bias"] += np.float32(_DARK_START)
        layers = self.layers

        def network(tensors: Any, inputs: Any, *, generator: Any = None) -> Any:
            del generator  # nothing is dropped
            return forward_folded_cleaner(layers, tensors, inputs, logits=True)

        self.weights_, self.history_ = train(
            network,
            weights,
            self._loss(),
            self.samples(noisy, clean),
            self.samples(*validation),
            rng=rng,
            options=self.options or TrainingOptions(),
        )
        return self

    def predict(self, noisy: ArrayLike) -> Floats:
        """Return the cleaned maps in counts, shape (n, n_y, n_x), of raw counts of that shape."""
        raw = check_maps(noisy)
        cleaned = np.empty(raw.shape, np.float32)
        for start in range(0, len(raw), _CHUNK):
            part = slice(start, start + _CHUNK)
            smoothed = self.variant.smooth(raw[part])
            cleaned[part] = self.variant.to_counts(
                self.run_network(self.variant.network_input(smoothed)), smoothed
            )
        return cleaned

    def run_network(self, inputs: ArrayLike) -> Floats:
        """Return what the layers alone make of ready inputs, shape (n, n_y, n_x), by torch."""
        check_is_fitted(self)
        maps = check_maps(inputs)
        check_cleaner_shape(maps.shape[1:])
        torch = import_torch()
        weights = {name: torch.from_numpy(array) for name, array in self.weights_.items()}
        result = np.empty(maps.shape, np.float32)
        with torch.inference_mode():
            for start in range(0, len(maps), _CHUNK):
                part = np.ascontiguousarray(maps[start : start + _CHUNK, None], dtype=np.float32)
                output = forward(self.layers, weights, torch.from_numpy(part))
                result[start : start + _CHUNK] = output[:, 0].numpy()
        return result

    def samples(self, noisy: ArrayLike, clean: ArrayLike) -> Samples:
        """Return pairs of maps, shape (n, n_y, n_x), ready for the network and its loss.

        Raises
        ------
        UsageError
            If shapes do not fit, or a map is not finite.
        """
        raw, wanted = check_maps(noisy, "noisy maps"), check_maps(clean, "clean maps")
        if raw.shape != wanted.shape:
            raise UsageError(
                f"Noisy maps of shape {raw.shape} have clean maps of shape {wanted.shape}.",
                "Give one clean map for each noisy one.",
            )
        check_cleaner_shape(raw.shape[1:])
        raw, wanted = self.variant.smooth(raw), self.variant.smooth(wanted)

        def batch(rows: NDArray[np.int64]) -> tuple[Floats, ...]:
            inputs = self.variant.network_input(raw[rows])
            if self.variant.intensity == "stretch":
                return inputs[:, None], stretch_to_unit(wanted[rows])[:, None]
            if self.variant.target == "expectation":
                source = wanted[rows]
                return inputs[:, None], source[:, None], np.zeros_like(source)[:, None]
            background = raw[rows] - wanted[rows]
            return inputs[:, None], raw[rows][:, None], background[:, None]

        return Samples(len(raw), batch)

    def _loss(self) -> Any:
        of_pixels = self.pixel_losses()

        def mean(*values: Any) -> Any:
            return of_pixels(*values).mean()

        return mean

    def pixel_losses(self) -> Any:
        """Return what gives the loss of each pixel of an output, and what :meth:`samples` add."""
        torch = import_torch()
        if self.variant.intensity == "stretch":

            def crossed(output: Any, wanted: Any) -> Any:
                return torch.nn.functional.binary_cross_entropy_with_logits(
                    output, wanted, reduction="none"
                )

            return crossed

        def poisson(output: Any, counts: Any, background: Any) -> Any:
            mean = torch.nn.functional.softplus(output) + background.clamp(min=_FAINTEST)
            return mean - counts * mean.log()

        return poisson
