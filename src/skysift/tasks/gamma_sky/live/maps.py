"""Raw, cleaned and residual maps of a window of a stream."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.cleaned import CleanedMap
from skysift.tasks.gamma_sky.live.answers import WindowSearch
from skysift.tasks.gamma_sky.live.memory import FieldMemory
from skysift.tasks.gamma_sky.live.records import RecordReader
from skysift.tasks.gamma_sky.live.schedule import WindowLength
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import Searched

__all__ = ["map_arrays", "wcs_cards", "window_maps"]


def map_arrays(searched: Searched, row: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the maps of a window, summed over energies.

    Parameters
    ----------
    searched : Searched
        The window.
    row : mapping
        What is said of it in the table of windows.

    Returns
    -------
    dict of str to array
        ``raw``, ``background``, ``cleaned``, ``residual`` (float32, shape (n_y, n_x);
        ``raw = background + cleaned + residual``) and ``header``, a JSON text.
    """
    maps = cast("CleanedMap", searched.cleaned())  # no network searches sliding windows
    header = {**row, "wcs": wcs_cards(searched.counts.grid)}
    parts: dict[str, NDArray[np.floating]] = {
        "raw": maps.counts.counts,
        "background": maps.background,
        "cleaned": maps.cleaned,
        "residual": maps.residual,
    }
    arrays: dict[str, NDArray[Any]] = {
        name: np.asarray(part.sum(axis=0), dtype=np.float32) for name, part in parts.items()
    }
    arrays["header"] = np.array(json.dumps(header))
    return arrays


def wcs_cards(grid: TangentGrid) -> dict[str, float | int | str]:
    """Return the FITS cards of a grid's projection.

    Examples
    --------
    >>> wcs_cards(TangentGrid(83.6, 22.0))["CRPIX1"]
    100.5
    """
    return {
        "NAXIS1": grid.n_x,
        "NAXIS2": grid.n_y,
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRVAL1": grid.ra,
        "CRVAL2": grid.dec,
        "CRPIX1": (grid.n_x + 1) / 2,
        "CRPIX2": (grid.n_y + 1) / 2,
        "CDELT1": -grid.pixel_size,
        "CDELT2": grid.pixel_size,
        "LONPOLE": 180.0,
        "RADESYS": "ICRS",
    }


def window_maps(
    paths: Sequence[Path],
    length: float,
    end: float,
    *,
    trials: TrialsTable,
    reading: ReadOptions | None = None,
    options: PredictOptions | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the maps of one window from the files that hold its photons.

    Parameters
    ----------
    paths : sequence of Path
        Files of one pointing, in any order; what is outside of the window does no harm.
    length, end : float [s]
        Of the window; the end from the GADF reference.
    trials : TrialsTable
        Of the bundle.
    reading : ReadOptions, optional
        Energies and pixels.
    options : PredictOptions, optional
        Method and threshold.

    Returns
    -------
    dict of str to array
        As `map_arrays`.

    Raises
    ------
    InputError
        If a file cannot be used, or they are of several pointings.
    """
    reading = reading or ReadOptions()
    chosen = (options or PredictOptions()).model_copy(update={"windows": (length,)})
    reader = RecordReader(reading)
    records = [record for path in paths for record in reader.read(path)]
    if not records:
        raise InputError("There are no files of this window.", "Give some.")
    records.sort(key=lambda one: one.start)
    first = records[0]
    memory = FieldMemory(first.events.pointing, reading, (length,), first.response)
    for record in records:
        if not memory.is_at(record.events.pointing):
            raise InputError(
                "The files are of several pointings.", "Give those of one.", path=paths[0]
            )
        memory.add(record.events)
    answer, searched = WindowSearch(chosen, trials).answer(memory, WindowLength.of(length), end)
    return map_arrays(searched, {**answer.row, "revision": len(records)})
