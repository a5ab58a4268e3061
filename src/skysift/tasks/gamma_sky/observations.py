"""Photon lists with the responses that belong to them, and the truth where it was simulated."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.contract import Finding, Verdict
from skysift.data.io import read_table
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.sky.fits_stream import FitsStream
from skysift.data.sky.fits_table import walk_hdus
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.data.sky.gadf_location import HduLocation, list_responses
from skysift.data.sky.tangent import separation
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.photon_lists import (
    RECORD,
    TRUTH,
    files_of,
    input_files,
    is_file,
)

__all__ = [
    "Observation",
    "Observations",
    "files_of",
    "input_files",
    "iter_observations",
    "of_photons",
    "photons_beyond",
    "read_observations",
]

UNUSABLE = "unusable-response"
MOVES = "pointing-moves"
"""Name of a finding, and of the flag of what is found."""
_NEEDED = {"aeff", "edisp", "psf"}


class _IndexedResponse(GadfResponse):
    """A response that knows where an index says that its parts are."""

    parts: tuple[HduLocation, ...] = ()

    @classmethod
    def of_observation(cls, index: ObservationIndex, obs_id: int) -> Self:
        response = super().of_observation(index, obs_id)
        response.parts = index.responses(obs_id)
        return response


@dataclass(frozen=True)
class Observation:
    """One photon list.

    Parameters
    ----------
    events : EventList
        The photons.
    response : InstrumentResponse or None
        The instrument's, None if it is not known.
    path : Path or None
        The file.
    n_rows : int
        Rows of the file.
    findings : tuple of Finding
        What the input contract found.
    truth : array, shape (n_sources, 2), or None
        RA and Dec [deg] of the sources, where they are known.
    """

    events: EventList
    response: InstrumentResponse | None = None
    path: Path | None = None
    n_rows: int = 0
    findings: tuple[Finding, ...] = ()
    truth: NDArray[np.float64] | None = None

    @property
    def moves(self) -> bool:
        """Whether the telescope moved away from the mean pointing, which is used."""
        return any(finding.code == MOVES for finding in self.findings)


@dataclass(frozen=True)
class Observations:
    """Several observations, in order.

    Parameters
    ----------
    items : tuple of Observation
    options : ReadOptions
        How they were read, and how they are to be binned.
    """

    items: tuple[Observation, ...]
    options: ReadOptions = field(default_factory=ReadOptions)

    def __len__(self) -> int:
        return len(self.items)


def iter_observations(paths: Sequence[Path], options: ReadOptions) -> Iterator[Observation]:
    """Read observations one by one, so that a night need not fit into memory.

    Raises
    ------
    ReadError, InputError
        If a file cannot be used.
    """
    indices: dict[Path, ObservationIndex] = {}
    read_own: Callable[[], InstrumentResponse]
    given = GadfResponse.read(options.response) if is_file(options.response) else None
    for number, source in enumerate(files_of(paths, options)):
        if source.folder is not None and source.obs_id is not None:
            if source.folder not in indices:
                indices[source.folder] = open_index(source.folder)
            index = indices[source.folder]
            read = index.read(source.obs_id, ignore_gti=options.ignore_gti)
            kinds = {part.hdu_type for part in index.responses(source.obs_id)}
            read_own = partial(_IndexedResponse.of_observation, index, source.obs_id)
        else:
            read = read_events(source.path, ignore_gti=options.ignore_gti)
            kinds = {part.hdu_type for part in list_responses(source.path)}
            read_own = partial(GadfResponse.read, source.path)
        own, notes = _own_response(kinds, read_own) if options.response == "auto" else (None, ())
        if options.response == "auto" and not kinds >= _NEEDED and _is_cut_short(source.path):
            notes = (_unusable("the file is cut short: it ends before its last part does."),)
        yield Observation(
            read.events,
            given or own,
            source.path,
            read.n_rows,
            (*read.findings, *notes),
            _truth(source.path, number),
        )


def of_photons(events: EventList, reading: ReadOptions) -> dict[str, NDArray[np.float64]]:
    """Return rate [1/s] and log10 of the energies [TeV] of the photons that are searched.

    What is measured of simulated fields and of a stream, to compare them: shape (1,), or (0,)
    without good time, and shape (n,).
    """
    energy = events.energy[(events.energy >= reading.emin) & (events.energy < reading.emax)]
    livetime = events.livetime
    rate = [len(energy) / livetime] if livetime > 0 else []
    return {"rate": np.array(rate), "log10_energy": np.log10(energy, dtype=np.float64)}


def photons_beyond(events: EventList, radius: float) -> int | None:
    """Return how many photons are further from the pointing than the corners of a map.

    Parameters
    ----------
    events : EventList
    radius : float [deg]
        Of the corners.

    Returns
    -------
    int or None
        None unless they are most of the photons: such a pointing is hardly the right one.
    """
    where = events.pointing
    if np.isnan(where.ra):
        return None
    beyond = int(np.sum(separation(events.ra, events.dec, where.ra, where.dec) > radius))
    return beyond if 2 * beyond > len(events) else None


def read_observations(paths: Sequence[Path], options: ReadOptions) -> Observations:
    """Read all observations into memory; none if there is nothing to read."""
    return Observations(() if not paths else tuple(iter_observations(paths, options)), options)


def _own_response(
    kinds: set[str], read_own: Callable[[], InstrumentResponse]
) -> tuple[InstrumentResponse | None, tuple[Finding, ...]]:
    """Return the response that comes with a photon list, and what is to be said of it."""
    if not kinds & {*_NEEDED, "bkg"}:
        return None, ()
    if missing := sorted(_NEEDED - kinds):  # cut off, or left out: point-like ones have no psf
        return None, (_unusable(f"it lacks {' and '.join(missing)}."),)
    try:
        return read_own(), ()
    except InputError as error:
        return None, (_unusable(str(error)),)


def _unusable(reason: str) -> Finding:
    message = f"The instrument response is not used: {reason}"
    return Finding(UNUSABLE, Verdict.NOTED, message, np.empty(0, dtype=np.int64))


def _is_cut_short(path: Path) -> bool:
    """Tell whether a file ends before its last part does."""
    with FitsStream(path) as stream:
        end = max(hdu.end for hdu in walk_hdus(stream))
        return stream.is_end(end - 1)


def _truth(path: Path, number: int) -> NDArray[np.float64] | None:
    """Return the true positions, where the file lies in a folder of simulations."""
    table_path = path.parent / TRUTH
    if not path.name.startswith("events") or not (path.parent / RECORD).is_file():
        return None
    stem = path.name.partition(".")[0].rpartition("-")[2]
    field_number = int(stem) if stem.isdigit() else number
    if not table_path.is_file():
        return np.empty((0, 2))
    table = read_table(table_path)
    mine = np.asarray(table["field"]) == field_number
    return np.stack([table["ra"][mine], table["dec"][mine]], axis=1).astype(np.float64)
