"""Cleaner and regressor together, trained and ready to run, without torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError
from skysift.models.sky.baseline.maps import check_maps
from skysift.models.sky.baseline.runtime import CleanerRuntime, RegressorRuntime
from skysift.models.sky.baseline.variants import Variant

__all__ = ["PublishedNetworks"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PublishedNetworks:
    """A cleaner, and the regressor that was trained on its maps.

    Parameters
    ----------
    variant : Variant
        Which of the original's choices are kept.
    cleaner : CleanerRuntime
    regressor : RegressorRuntime
    pixel_size : float [deg]
        Of the maps that they were trained on.
    energies : tuple of float [TeV]
        Of the photons.
    radius : float [deg]
        About the pointing, up to which photons were counted.
    exposure : float [s]
        Of the maps that they were trained on.

    Raises
    ------
    UsageError
        If the two are for maps of different sizes.
    """

    variant: Variant
    cleaner: CleanerRuntime
    regressor: RegressorRuntime
    pixel_size: float = 0.025
    energies: tuple[float, float] = (0.04, 1.0)
    radius: float = 2.5
    exposure: float = 100.0

    def __post_init__(self) -> None:
        if self.cleaner.shape != self.regressor.shape:
            raise UsageError(
                f"The cleaner takes maps of {self.cleaner.shape}, the regressor of "
                f"{self.regressor.shape} pixels.",
                "Train them on the same maps.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        return self.cleaner.shape

    def clean(self, noisy: ArrayLike) -> Floats:
        """Return cleaned maps in counts, shape (n, n_y, n_x), of raw counts of that shape."""
        raw = check_maps(noisy)
        cleaned = np.empty(raw.shape, np.float32)
        for number in range(len(raw)):  # one by one: what limits is memory
            part = slice(number, number + 1)
            smoothed = self.variant.smooth(raw[part])
            output = self.cleaner.predict(self.variant.network_input(smoothed))
            cleaned[part] = self.variant.to_counts(output, smoothed)
        return cleaned

    def locate(self, cleaned: ArrayLike) -> NDArray[np.float64]:
        """Return the (x, y) of the source on cleaned maps, shape (n, 2) [pixel]."""
        maps = np.asarray(check_maps(cleaned, "cleaned maps"), dtype=np.float32)
        shares = self.regressor.predict(self.variant.network_input(maps))
        return shares * np.array(self.shape[::-1], dtype=np.float64)
