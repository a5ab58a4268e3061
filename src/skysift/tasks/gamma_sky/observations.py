"""Photon lists with the responses that belong to them, and the truth where it was simulated."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError, ReadError
from skysift.data.contract import Finding, Verdict
from skysift.data.io import read_table
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.data.sky.fits_stream import FitsStream
from skysift.data.sky.fits_table import walk_hdus
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.data.sky.gadf_location import list_responses
from skysift.data.sky.tangent import separation
from skysift.tasks.gamma_sky.options import ReadOptions

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

TRUTH = "sources.ecsv"
UNUSABLE = "unusable-response"
_RECORD = "simulation.json"  # marks a folder of simulations
_NEEDED = {"aeff", "edisp", "psf"}
_FITS = (".fits", ".fits.gz", ".fit", ".fts")
_BESIDE = (
    *(f"{name}-index.fits{suffix}" for name in ("hdu", "obs") for suffix in ("", ".gz")),
    TRUTH,
    "fields.ecsv",
    _RECORD,
)
"""Files of a folder that are read with the photon lists, or describe them."""


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


@dataclass(frozen=True)
class _Source:
    """A file to read, or an observation of an index."""

    path: Path
    folder: Path | None = None
    obs_id: int | None = None
    files: tuple[Path, ...] = ()


def files_of(paths: Sequence[Path], options: ReadOptions) -> list[_Source]:
    """Return what there is to read in files and folders, in order, each once.

    Raises
    ------
    ReadError
        If there is nothing, or the index names no events of an observation that is asked for.
    """
    found: list[_Source] = []
    for path in paths:
        if not path.is_dir():
            found.append(_Source(path))
        elif any((path / f"hdu-index.fits{suffix}").is_file() for suffix in ("", ".gz")):
            found += _indexed(path, options)
        else:
            found += map(_Source, _loose(path))
    if not found:
        raise ReadError(
            "There is no photon list.",
            "Give FITS files, or a folder with them or with an index (hdu-index.fits).",
            path=paths[0] if paths else None,
        )
    return _once(found)


def input_files(paths: Sequence[Path], options: ReadOptions) -> list[Path]:
    """Return all files that the inputs stand for, none of which an output may replace.

    These are the photon lists, of a folder with an index those of all its observations, their
    responses, the response that is given, the index, and the truth of simulations.

    Raises
    ------
    ReadError
        If there is no photon list.
    """
    whole = options.model_copy(update={"obs_id": ()})
    found = [file for one in files_of(paths, whole) for file in (one.path, *one.files)]
    folders = dict.fromkeys(path if path.is_dir() else path.parent for path in paths)
    found += [folder / name for folder in folders for name in _BESIDE]
    if _is_file(options.response):
        found.append(Path(options.response))
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _indexed(folder: Path, options: ReadOptions) -> list[_Source]:
    """Return the observations of a folder with an index that are asked for."""
    index = open_index(folder)
    found = []
    for obs_id in options.obs_id or index.obs_ids:
        location = index.locate(obs_id, "events")
        if location is None:
            raise ReadError(
                f"The index names no events of observation {obs_id}.",
                f"Choose some of {', '.join(map(str, index.obs_ids))}.",
                path=folder,
            )
        found.append(_Source(location.path, folder, obs_id, index.files(obs_id)))
    return found


def _loose(folder: Path) -> list[Path]:
    """Return the FITS files of a folder; of simulations the photon lists among them."""
    files = sorted(item for item in folder.iterdir() if item.name.endswith(_FITS))
    lists = [item for item in files if item.name.startswith("events")]
    return lists if lists and (folder / _RECORD).is_file() else files


def _once(sources: Sequence[_Source]) -> list[_Source]:
    """Leave out what was given before, be it as a file or as an observation of an index."""
    kept = []
    known: dict[Path, set[int | None]] = {}
    for source in sources:
        here = known.setdefault(source.path.resolve(), set())
        if here & {source.obs_id, None} or (here and source.obs_id is None):
            continue
        here.add(source.obs_id)
        kept.append(source)
    return kept


def iter_observations(paths: Sequence[Path], options: ReadOptions) -> Iterator[Observation]:
    """Read observations one by one, so that a night need not fit into memory.

    Raises
    ------
    ReadError, InputError
        If a file cannot be used.
    """
    indices: dict[Path, ObservationIndex] = {}
    given = GadfResponse.read(options.response) if _is_file(options.response) else None
    for number, source in enumerate(files_of(paths, options)):
        if source.folder is not None and source.obs_id is not None:
            if source.folder not in indices:
                indices[source.folder] = open_index(source.folder)
            index = indices[source.folder]
            read = index.read(source.obs_id, ignore_gti=options.ignore_gti)
            kinds = {part.hdu_type for part in index.responses(source.obs_id)}
            read_own = partial(GadfResponse.of_observation, index, source.obs_id)
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


def _is_file(response: str) -> bool:
    return response not in {"auto", "none"}


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
    if not path.name.startswith("events") or not (path.parent / _RECORD).is_file():
        return None
    stem = path.name.partition(".")[0].rpartition("-")[2]
    field_number = int(stem) if stem.isdigit() else number
    if not table_path.is_file():
        return np.empty((0, 2))
    table = read_table(table_path)
    mine = np.asarray(table["field"]) == field_number
    return np.stack([table["ra"][mine], table["dec"][mine]], axis=1).astype(np.float64)
