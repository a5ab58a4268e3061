"""The published data set on disk, on the published grid and on the fixed one, by the same photons.

A folder holds the parts ``train`` and ``validation``; each part holds the settings that made it and
plain arrays, which are mapped into memory, not read.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from skysift.core.config import Config
from skysift.core.errors import ReadError
from skysift.core.files import staged_folder, write_atomic
from skysift.core.progress import Progress, silent
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.models.sky.baseline.recipe import BaselineMaps
from skysift.tasks.gamma_sky.simulation.original import SIZES, OriginalRecipe, original_datasets

__all__ = [
    "GRIDS",
    "MapSettings",
    "make_maps",
    "part_generator",
    "pixel_size_of",
    "plain_recipes",
    "read_maps",
]

Grid = Literal["data-edges", "fixed"]

GRIDS: tuple[Grid, Grid] = ("data-edges", "fixed")
"""The published bins, and those that the labels are for."""

_SETTINGS = "settings.json"
_BATCH = 50
_WIDTH = 5.0  # deg
_NAMES = ("noisy", "clean")


class MapSettings(Config):
    """What a part of the data set was made with."""

    part: Literal["train", "validation", "test"]
    maps: int = Field(ge=1)
    seed: int = 1
    array: str = "north"
    irf: str | None = None
    pixels: int = 200

    def response(self) -> InstrumentResponse:
        """Return the instrument: a file's, or else that of the formulas."""
        if self.irf is not None:
            return GadfResponse.read(self.irf)
        return AnalyticResponse(array=self.array)


def pixel_size_of(pixels: int) -> float:
    """Return the size [deg] of one of so many pixels of a side."""
    return _WIDTH / pixels


def plain_recipes(pixels: int = 200) -> list[OriginalRecipe]:
    """Return the recipe on each of `GRIDS`, as raw counts: variants smooth and stretch."""
    return [OriginalRecipe(grid, smoothing=0.0, stretch=False, pixels=pixels) for grid in GRIDS]


def part_generator(settings: MapSettings) -> np.random.Generator:
    """Return the generator of a part: parts of the same seed share no random numbers."""
    return np.random.default_rng([settings.seed, list(SIZES).index(settings.part)])


def make_maps(settings: MapSettings, folder: str | Path, progress: Progress = silent) -> None:
    """Simulate a part of the data set, unless it is there.

    Parameters
    ----------
    settings : MapSettings
        What to make.
    folder : path-like
        Of the data set; the part becomes a folder in it. Another part of that name is replaced.
    progress : callable
        Called with the share done and what is being done.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    ReadError
        If the response cannot be read.
    """
    target = Path(folder) / settings.part
    if _is_there(target, settings):
        return
    recipes = plain_recipes(settings.pixels)
    batches = original_datasets(
        settings.part,
        settings.maps,
        part_generator(settings),
        settings.response(),
        recipes,
        batch_size=_BATCH,
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    with staged_folder(target, overwrite=True, marker=_SETTINGS) as staged:
        shape = (settings.maps, settings.pixels, settings.pixels)
        arrays = {
            (grid, name): np.lib.format.open_memmap(
                staged / f"{grid}-{name}.npy", mode="w+", dtype=np.float32, shape=shape
            )
            for grid in GRIDS
            for name in _NAMES
        }
        positions = {grid: np.empty((settings.maps, 2)) for grid in GRIDS}
        done = 0
        for batch in batches:
            part = slice(done, done + len(batch[0]))
            for grid, pairs in zip(GRIDS, batch, strict=True):
                arrays[grid, "noisy"][part] = pairs.noisy
                arrays[grid, "clean"][part] = pairs.clean
                positions[grid][part] = pairs.positions
            done = part.stop
            progress(done / settings.maps, f"simulate {settings.part}")
        for array in arrays.values():
            array.flush()
        for grid, places in positions.items():
            np.save(staged / f"{grid}-positions.npy", places, allow_pickle=False)
        write_atomic(staged / _SETTINGS, settings.model_dump_json(indent=2) + "\n")


def read_maps(folder: str | Path, part: str, grid: Grid, n: int | None = None) -> BaselineMaps:
    """Return the first n maps of a part on a grid, mapped into memory.

    Raises
    ------
    ReadError
        If the part is not there, or has fewer maps.
    """
    path = Path(folder) / part
    try:
        noisy, clean, positions = (
            np.load(path / f"{grid}-{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in (*_NAMES, "positions")
        )
    except (OSError, ValueError) as error:
        raise ReadError(
            f"The maps cannot be read: {error}.", "Make the data set first.", path=path
        ) from error
    if n is not None and n > len(noisy):
        raise ReadError(
            f"There are {len(noisy)} maps, not {n}.", "Make a larger data set.", path=path
        )
    return BaselineMaps(noisy[:n], clean[:n], np.array(positions[:n]), grid)


def _is_there(target: Path, settings: MapSettings) -> bool:
    try:
        found = MapSettings.model_validate_json((target / _SETTINGS).read_bytes())
    except (OSError, ValidationError):
        return False
    # The first maps of a larger part are those of a smaller one.
    enough = found.maps >= settings.maps
    return enough and found.model_copy(update={"maps": settings.maps}) == settings
