"""Train the published networks and their variants on the published data set.

``python -m skysift.tasks.gamma_sky.baseline.training FOLDER`` trains all of them on a budget of an
hour of one core; ``--full`` takes the published numbers of maps, of epochs and of maps per step.
What is there already is kept, so that a training that was stopped goes on.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from skysift.core.config import Config
from skysift.core.errors import ReadError
from skysift.core.files import write_atomic
from skysift.core.progress import Progress, silent
from skysift.models.sky.baseline.cleaner import CnnCleaner
from skysift.models.sky.baseline.devices import open_cleaner
from skysift.models.sky.baseline.recipe import BaselineMaps, train_baseline
from skysift.models.sky.baseline.store import DESCRIPTION, KINDS, load_baseline
from skysift.models.sky.baseline.torch_network import import_torch
from skysift.models.sky.baseline.training import TrainingOptions
from skysift.models.sky.baseline.variants import COMPACT, CORRECTED, Variant, ablation, find_variant
from skysift.tasks.gamma_sky.baseline.maps import MapSettings, make_maps, read_maps
from skysift.tasks.gamma_sky.baseline.telling import TellStages

__all__ = [
    "CLEANER",
    "FULL",
    "REDUCED",
    "REGRESSOR",
    "Budget",
    "budget_of",
    "folder_of",
    "main",
    "train_all",
    "trained_variants",
    "training_command",
]

CLEANER, REGRESSOR = KINDS

Floats = NDArray[np.float32]

_MAPS, _BUDGET = "maps", "budget.json"


class Budget(Config):
    """How long each network trains: the same for all variants."""

    maps: int = Field(8000, ge=1, description="To train on.")
    validation_maps: int = Field(2000, ge=1, description="That decide when to stop.")
    cleaner_epochs: int = Field(25, ge=1)
    regressor_epochs: int = Field(25, ge=1)
    batch_size: int = Field(32, ge=1, description="Maps per step.")
    patience: int = Field(3, ge=1)
    seed: int = 1
    array: str = "north"
    irf: str | None = None
    pixels: int = 200

    def map_settings(self) -> tuple[MapSettings, MapSettings]:
        """Return what the maps to train and to validate on are made with."""
        common = {"seed": self.seed, "array": self.array, "irf": self.irf, "pixels": self.pixels}
        return (
            MapSettings(part="train", maps=self.maps, **common),
            MapSettings(part="validation", maps=self.validation_maps, **common),
        )

    def options(self, kind: str) -> TrainingOptions:
        """Return the training options of a kind of network."""
        return TrainingOptions(
            epochs=self.cleaner_epochs if kind == CLEANER else self.regressor_epochs,
            batch_size=self.batch_size,
            patience=self.patience,
        )


FULL = Budget()
"""As published."""

REDUCED = Budget(
    maps=5000, validation_maps=400, cleaner_epochs=2, regressor_epochs=12, batch_size=8
)
"""Two hours of one core for all variants. Smaller batches make up for fewer epochs: 1,250 and 7,500
steps of at most 6,250 in the original, where batches of 32 would leave 313 and 1,875."""


def training_command(budget: Budget) -> str:
    """Return the command that trains the networks of a budget in the folder NETWORKS."""
    return f"python -m {__name__} NETWORKS{' --full' if budget == FULL else ''}"


def trained_variants() -> tuple[Variant, ...]:
    """Return what is trained, the most telling first."""
    original, *others, corrected = ablation()
    return (original, corrected, COMPACT, *others)


def folder_of(out: Path, kind: str, variant: Variant) -> Path:
    """Return where a trained network is kept."""
    return out / f"{kind}-{variant.name.replace(',', '').replace(' ', '-')}"


def budget_of(out: Path) -> Budget:
    """Return what the networks of a folder were trained with.

    Raises
    ------
    ReadError
        If nothing was trained there.
    """
    path = out / _BUDGET
    try:
        return Budget.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReadError(
            "There are no trained networks here.",
            f"Train some: python -m {__name__} {out}",
            path=path,
        ) from error


def train_all(
    out: str | Path,
    budget: Budget,
    *,
    variants: Sequence[Variant] | None = None,
    maps: str | Path | None = None,
    progress: Progress = silent,
) -> None:
    """Train cleaner and regressor of each variant that is not there.

    Parameters
    ----------
    out : path-like
        Gets a folder for each network.
    budget : Budget
        Maps and epochs.
    variants : sequence of Variant, optional
        All if left out.
    maps : path-like, optional
        Of the data set, which is made there; ``maps`` in `out` if left out.
    progress : callable
        Called with the share done and what is being done.

    Raises
    ------
    OutputError
        If a folder cannot be written.
    MissingExtraError
        If torch or onnx is not installed.
    """
    target = Path(out)
    import_torch()
    target.mkdir(parents=True, exist_ok=True)
    data = target / _MAPS if maps is None else Path(maps)
    for settings in budget.map_settings():
        make_maps(settings, data, progress)
    write_atomic(target / _BUDGET, budget.model_dump_json(indent=2) + "\n")
    chosen = trained_variants() if variants is None else tuple(variants)
    for number, variant in enumerate(chosen):
        training, validation = (
            read_maps(data, one.part, variant.grid, one.maps) for one in budget.map_settings()
        )
        job = _Job(target, budget, (training, validation))
        progress(number / len(chosen), f"cleaner, {variant.name}")
        # The compact one differs in the regressor: it shares the cleaner.
        cleaner = job.cleaner(CORRECTED if variant == COMPACT else variant)
        progress((number + 0.5) / len(chosen), f"regressor, {variant.name}")
        job.train(REGRESSOR, variant, clean_with=_cleaned_by(cleaner, budget.pixels))
    progress(1.0, "done")


@dataclass(frozen=True)
class _Job:
    """Networks trained on one data set."""

    out: Path
    budget: Budget
    dataset: tuple[BaselineMaps, BaselineMaps]

    def cleaner(self, variant: Variant) -> CnnCleaner:
        """Return a cleaner, trained now or before."""
        self.train(CLEANER, variant)
        cleaner = load_baseline(folder_of(self.out, CLEANER, variant))
        if not isinstance(cleaner, CnnCleaner):
            raise TypeError("a folder of a cleaner held another network")
        return cleaner

    def train(
        self, kind: str, variant: Variant, clean_with: Callable[[Floats], Floats] | None = None
    ) -> None:
        """Train a network unless it is there."""
        folder = folder_of(self.out, kind, variant)
        if (folder / DESCRIPTION).exists():
            return
        began = time.perf_counter()
        model = train_baseline(
            kind,
            variant,
            self.dataset,
            folder,
            rng=np.random.default_rng([self.budget.seed, KINDS.index(kind), 7]),
            options=self.budget.options(kind),
            clean_with=clean_with,
        )
        losses = ", ".join(f"{loss:.5f}" for loss in model.history_.validation_loss)
        seconds = time.perf_counter() - began
        sys.stderr.write(f"{kind} {variant.name}: {seconds:.0f} s, validation loss {losses}\n")


def _cleaned_by(cleaner: CnnCleaner, pixels: int) -> Callable[[Floats], Floats]:
    """Return what cleans many maps fast."""
    runtime = open_cleaner(cleaner, (pixels, pixels), device="cpu")

    def clean(noisy: Floats) -> Floats:
        result = np.empty(noisy.shape, np.float32)
        for number in range(len(noisy)):
            smoothed = cleaner.variant.smooth(noisy[number : number + 1])
            output = runtime.predict(cleaner.variant.network_input(smoothed))
            result[number : number + 1] = cleaner.variant.to_counts(output, smoothed)
        return result

    return clean


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the published networks and their variants."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="gets a folder for each network")
    parser.add_argument("--full", action="store_true", help="as many maps and epochs as published")
    parser.add_argument("--maps", type=Path, help="folder of the data set, made there if missing")
    parser.add_argument(
        "--variant", action="append", help="train this one only; repeatable, all if left out"
    )
    parser.add_argument("--regressor-epochs", type=int, help="at most, in place of the budget's")
    parser.add_argument("--irf", help="GADF response to simulate with; formulas if left out")
    parser.add_argument("--seed", type=int, default=FULL.seed)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    budget = FULL if given.full else REDUCED
    changes = {"irf": given.irf, "seed": given.seed}
    if given.regressor_epochs:
        changes["regressor_epochs"] = given.regressor_epochs
    budget = Budget.model_validate(budget.model_dump() | changes)
    import_torch().set_num_threads(given.threads)
    variants = [find_variant(name) for name in given.variant] if given.variant else None
    train_all(given.folder, budget, variants=variants, maps=given.maps, progress=TellStages())


if __name__ == "__main__":
    main()
