"""From a data set of maps to a trained baseline network on disk."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UnknownNameError, UsageError
from skysift.core.files import staged_folder
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.maps import check_maps, check_positions
from skysift.models.sky.baseline.regressor import CnnRegressor
from skysift.models.sky.baseline.store import DESCRIPTION, KINDS, save_baseline
from skysift.models.sky.baseline.training import TrainingOptions
from skysift.models.sky.baseline.variants import Variant, find_variant

__all__ = ["BaselineMaps", "train_baseline"]


@dataclass(frozen=True, slots=True)
class BaselineMaps:
    """Simulated maps with one source each, and the truth.

    Parameters
    ----------
    noisy : array, shape (n, n_y, n_x) [counts]
        Raw counts, neither smoothed nor stretched.
    clean : array, shape (n, n_y, n_x) [counts]
        The same minus the background that the instrument response expects.
    expected : array, shape (n, n_y, n_x) [counts], or None
        What is expected of the source alone, where it is known.
    positions : array, shape (n, 2) [pixel]
        Column x and row y of the source; the centre of the first pixel is 0.
    grid : {"data-edges", "fixed"}
        How the photons were binned: see :class:`Variant`.

    Raises
    ------
    UsageError
        If the shapes do not fit one another, or a map is not finite.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    positions: NDArray[np.float64]
    grid: Literal["data-edges", "fixed"]
    expected: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        raw = check_maps(self.noisy, "noisy maps")
        if check_maps(self.clean, "clean maps").shape != raw.shape:
            raise UsageError(
                f"Noisy and clean maps have the shapes {self.noisy.shape} and {self.clean.shape}.",
                "Give one clean map for each noisy one.",
            )
        if self.expected is not None and self.expected.shape != raw.shape:
            raise UsageError(
                f"Noisy maps of shape {raw.shape} have expected counts of shape "
                f"{self.expected.shape}.",
                "Give one map of expected counts for each noisy one.",
            )
        check_positions(self.positions, raw)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a map."""
        _, n_y, n_x = self.noisy.shape
        return n_y, n_x

    def target(self, variant: Variant) -> NDArray[np.float32]:
        """Return the maps that a cleaner of a variant learns to answer, shape (n, n_y, n_x).

        Raises
        ------
        UsageError
            If it learns expected counts, and these maps have none.
        """
        if variant.target == "own":
            return self.clean
        if self.expected is None:
            raise UsageError(
                f"The variant '{variant.name}' learns the counts expected of the source, which "
                "these maps do not have.",
                "Give them as `expected`.",
            )
        return self.expected


def train_baseline(
    kind: str,
    variant: Variant | str,
    dataset: tuple[BaselineMaps, BaselineMaps],
    out: str | Path,
    *,
    rng: np.random.Generator,
    options: TrainingOptions | None = None,
    overwrite: bool = False,
    clean_with: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> CnnCleaner | CnnRegressor:
    """Train one network and write it.

    Parameters
    ----------
    kind : {"cnn-cleaner", "cnn-regressor"}
        Which network.
    variant : Variant or str
        Which of the original's choices are kept, or its name in :func:`ablation`.
    dataset : (BaselineMaps, BaselineMaps)
        To train and to validate on, 8,000 and 2,000 in the original.
    out : path-like
        The folder to make; see :func:`save_baseline`.
    rng : numpy.random.Generator
        Draws weights, order and dropout.
    options : TrainingOptions, optional
        The original's by default.
    overwrite : bool
        Replace a trained network that is there.
    clean_with : callable, optional
        Gives the regressor's maps from the noisy ones: the ``predict`` of a trained cleaner, whose
        maps are not smoothed again. By default it learns on what a cleaner would learn to answer.

    Raises
    ------
    UnknownNameError
        If there is no such kind or variant.
    UsageError
        If the maps are not binned as the variant wants them, lack what it learns, or shapes do
        not fit.
    OutputError
        If the folder cannot be written.
    MissingExtraError
        If torch or onnx is not installed.
    """
    if kind not in KINDS:
        raise UnknownNameError("baseline network", kind, KINDS)
    chosen = find_variant(variant) if isinstance(variant, str) else variant
    training, validation = dataset
    for maps in dataset:
        if maps.grid != chosen.grid:
            raise UsageError(
                f"The maps are binned on a '{maps.grid}' grid, the variant '{chosen.name}' has "
                f"'{chosen.grid}'.",
                "Make the data set for this variant.",
            )
    with staged_folder(out, overwrite=overwrite, marker=DESCRIPTION) as folder:
        model: CnnCleaner | CnnRegressor
        if kind == KINDS[0]:
            model = _train_cleaner(chosen, training, validation, rng, options)
        else:
            model = _train_regressor(chosen, dataset, rng, options, clean_with)
        save_baseline(model, folder, shape=training.shape)
    return model


def _train_regressor(
    variant: Variant,
    dataset: tuple[BaselineMaps, BaselineMaps],
    rng: np.random.Generator,
    options: TrainingOptions | None,
    clean_with: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None,
) -> CnnRegressor:
    training, validation = dataset
    seen = [
        maps.target(variant) if clean_with is None else clean_with(maps.noisy) for maps in dataset
    ]
    chosen = variant if clean_with is None else replace(variant, smoothing=0.0)
    return CnnRegressor(chosen, shape=training.shape, options=options).fit(
        seen[0], training.positions, validation=(seen[1], validation.positions), rng=rng
    )


def _train_cleaner(
    variant: Variant,
    training: BaselineMaps,
    validation: BaselineMaps,
    rng: np.random.Generator,
    options: TrainingOptions | None,
) -> CnnCleaner:
    return CnnCleaner(variant, options=options).fit(
        training.noisy,
        training.target(variant),
        validation=(validation.noisy, validation.target(variant)),
        rng=rng,
    )
