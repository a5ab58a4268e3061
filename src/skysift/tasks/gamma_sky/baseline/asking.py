"""Ask many methods for the source of each test map; what was answered can be kept."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.core.progress import Progress, silent
from skysift.models.persist import load_arrays, save_arrays
from skysift.tasks.gamma_sky.baseline.contestants import Answer, Answering, Scene
from skysift.tasks.gamma_sky.baseline.costs import Answers
from skysift.tasks.gamma_sky.baseline.maps import (
    GRIDS,
    MapSettings,
    part_generator,
    pixel_size_of,
    plain_recipes,
)
from skysift.tasks.gamma_sky.simulation.original import original_datasets

__all__ = ["ask", "scenes"]


_BATCH = 50
_COLUMNS = ("across", "along", "counts", "peak", "clean")


def ask(
    methods: Mapping[str, Answering],
    settings: MapSettings,
    *,
    keep: Path | None = None,
    identity: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> tuple[dict[str, Answers], NDArray[np.float64]]:
    """Return the answers of every method on the same maps, and the zenith angles of these.

    Parameters
    ----------
    methods : mapping of str to Answering
        By name.
    settings : MapSettings
        Of the maps.
    keep : Path, optional
        Folder for the answers: those that are there are taken, not asked for again. Do not keep
        answers of code that has changed since.
    identity : mapping of str to str, optional
        What tells a method from another of the same name, e.g. the hash of its weights.
    progress : callable
        Called with the share done and what is being done.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    files = {name: _file(name, settings, keep, (identity or {}).get(name, "")) for name in methods}
    known = {name: _read(path) for name, path in files.items() if path and path.is_file()}
    missing = {name: method for name, method in methods.items() if name not in known}
    if missing:
        for name, table in _asked(missing, settings, progress).items():
            known[name] = table
            path = files[name]
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, save_arrays(table))
    answers = {name: Answers(*(known[name][column] for column in _COLUMNS)) for name in methods}
    return answers, next(iter(known.values()))["zenith"]


def scenes(settings: MapSettings) -> Iterator[Scene]:
    """Simulate test maps, on both grids, with their photons."""
    batches = original_datasets(
        settings.part,
        settings.maps,
        part_generator(settings),
        settings.response(),
        plain_recipes(settings.pixels),
        batch_size=_BATCH,
    )
    for batch in batches:
        pairs = dict(zip(GRIDS, batch, strict=True))
        for number, field in enumerate(batch[0].fields):
            yield Scene(
                field,
                batch[0].events[number],
                {grid: one.noisy[number] for grid, one in pairs.items()},
                {grid: one.clean[number] for grid, one in pairs.items()},
                {grid: one.positions[number] for grid, one in pairs.items()},
                pixel_size_of(settings.pixels),
            )


def _asked(
    methods: Mapping[str, Answering], settings: MapSettings, progress: Progress
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return answers, true counts and zenith angles, as columns by method."""
    answers: dict[str, list[Answer]] = {name: [] for name in methods}
    clean: dict[str, list[float]] = {grid: [] for grid in GRIDS}
    zenith = []
    for number, scene in enumerate(scenes(settings)):
        for name, method in methods.items():
            answers[name].append(method(scene))
        for grid in GRIDS:
            clean[grid].append(scene.aperture_counts(scene.clean[grid], grid))
        zenith.append(scene.field.zenith)
        progress((number + 1) / settings.maps, "test maps")
    columns = {}
    for name, method in methods.items():
        table = [(one.across, one.along, one.counts, one.peak) for one in answers[name]]
        across, along, counts, peak = np.array(table, dtype=np.float64).T
        columns[name] = {
            "across": across,
            "along": along,
            "counts": counts,
            "peak": peak,
            "clean": np.array(clean[method.grid]),
            "zenith": np.array(zenith),
        }
    return columns


def _file(name: str, settings: MapSettings, folder: Path | None, identity: str) -> Path | None:
    if folder is None:
        return None
    digest = hashlib.sha256(f"{settings.model_dump_json()}{identity}".encode()).hexdigest()
    return folder / f"{re.sub(r'[^a-z]+', '-', name.lower())}-{digest[:12]}.safetensors"


def _read(path: Path) -> dict[str, NDArray[np.float64]]:
    return load_arrays(path.read_bytes())
