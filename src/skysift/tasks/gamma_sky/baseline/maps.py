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
_POSITIONS = "positions"
_FILES: tuple[tuple[Grid, str], ...] = (
    ("data-edges", "noisy"),
    ("data-edges", "clean"),
    ("fixed", "noisy"),
    ("fixed", "clean"),
    ("fixed", "expected"),
)


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
                staged / _file(grid, name), mode="w+", dtype=np.float32, shape=shape
            )
            for grid, name in _FILES
        }
        positions = {grid: np.empty((settings.maps, 2)) for grid in GRIDS}
        done = 0
        for batch in batches:
            part = slice(done, done + len(batch[0]))
            pairs = dict(zip(GRIDS, batch, strict=True))
            for (grid, name), array in arrays.items():
                array[part] = getattr(pairs[grid], name)
            for grid, places in positions.items():
                places[part] = pairs[grid].positions
            done = part.stop
            progress(done / settings.maps, f"simulate {settings.part}")
        for array in arrays.values():
            array.flush()
        for grid, places in positions.items():
            np.save(staged / _file(grid, _POSITIONS), places, allow_pickle=False)
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
        found = {
            name: np.load(path / _file(grid, name), mmap_mode="r", allow_pickle=False)
            for name in (*(name for of, name in _FILES if of == grid), _POSITIONS)
        }
    except (OSError, ValueError) as error:
        raise ReadError(
            f"The maps cannot be read: {error}.", "Make the data set first.", path=path
        ) from error
    positions = np.array(found.pop(_POSITIONS))
    if n is not None and n > len(positions):
        raise ReadError(
            f"There are {len(positions)} maps, not {n}.", "Make a larger data set.", path=path
        )
    maps = {name: array[:n] for name, array in found.items()}
    return BaselineMaps(**maps, positions=positions[:n], grid=grid)


def _file(grid: Grid, name: str) -> str:
    return f"{grid}-{name}.npy"


def _is_there(target: Path, settings: MapSettings) -> bool:
    try:
        found = MapSettings.model_validate_json((target / _SETTINGS).read_bytes())
    except (OSError, ValidationError):
        return False
    # The first maps of a larger part are those of a smaller one.
    enough = found.maps >= settings.maps
    enough &= all((target / _file(*one)).is_file() for one in _FILES)
    return enough and found.model_copy(update={"maps": settings.maps}) == settings
