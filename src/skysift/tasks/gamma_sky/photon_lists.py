"""Which photon lists there are in files and folders, and which of them are asked for."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from skysift.core.errors import InputError, ReadError, UnknownNameError
from skysift.data.sky.fits_stream import FitsStream
from skysift.data.sky.fits_table import Cards, walk_hdus
from skysift.data.sky.gadf_index import ObservationIndex, open_index
from skysift.tasks.gamma_sky.options import ReadOptions

__all__ = [
    "RECORD",
    "TRUTH",
    "PhotonList",
    "asked_of",
    "files_of",
    "input_files",
    "is_file",
    "left_out",
    "require_asked",
    "tell_left_out",
]

TRUTH = "sources.ecsv"
RECORD = "simulation.json"
"""What marks a folder of simulations."""

_SUFFIXES = tuple(f".{name}{packed}" for name in ("fits", "fit", "fts") for packed in ("", ".gz"))
_EVENTS = "EVENTS"
_MOST_KEPT = 4096
_TOLD = 5  # files that are named
_BESIDE = (
    *(f"{name}-index.fits{suffix}" for name in ("hdu", "obs") for suffix in ("", ".gz")),
    TRUTH,
    "fields.ecsv",
    RECORD,
)
"""Files of a folder that are read with the photon lists, or describe them."""


@dataclass(frozen=True)
class PhotonList:
    """A file to read, or an observation of an index.

    Parameters
    ----------
    path : Path
        The file with the photons.
    folder : Path or None
        The one with the index.
    obs_id : int or None
        The observation of the index.
    files : tuple of Path
        All files of its parts.
    """

    path: Path
    folder: Path | None = None
    obs_id: int | None = None
    files: tuple[Path, ...] = ()


def files_of(paths: Sequence[Path], options: ReadOptions) -> list[PhotonList]:
    """Return what there is to read in files and folders, in order, each once.

    Of a folder without an index these are the FITS files with an EVENTS table; see `left_out`.

    Raises
    ------
    ReadError
        If there is nothing, or the index names no events of an observation that is asked for.
    UnknownNameError
        If nothing is of an observation that is asked for.
    InputError
        If observations are asked for, and a file does not say of which it is.
    """
    found: list[PhotonList] = []
    indices: dict[Path, ObservationIndex] = {}
    for path in paths:
        if not path.is_dir():
            found.append(PhotonList(path))
        elif _has_index(path):
            indices[path] = open_index(path)
            found += _indexed(indices[path], options)
        else:
            found += [PhotonList(one) for one in _loose(path) if _is_photon_list(one)]
    if options.obs_id:
        found = _of_those(found, list(indices.values()), options.obs_id)
    if not found:
        without = len(left_out(paths))
        files = f"{without:,} FITS file{'' if without == 1 else 's'}"
        there = f": {files} without an EVENTS table" if without else ""
        raise ReadError(
            f"There is no photon list{there}.",
            "Give FITS files, or a folder with them or with an index (hdu-index.fits).",
            path=paths[0] if paths else None,
        )
    return _once(found)


def asked_of(path: Path, options: ReadOptions) -> ReadOptions | None:
    """Return the options for one of several inputs: of what is asked for, what that has.

    None if it has none of the observations that are asked for.

    Raises
    ------
    ReadError, InputError
        As `files_of`.
    """
    if not options.obs_id:
        return options
    if path.is_dir() and _has_index(path):
        known = {int(obs_id) for obs_id in open_index(path).hdus}
    else:
        whole = options.model_copy(update={"obs_id": ()})
        told = (_told_id(source.path) for source in files_of([path], whole))
        known = {obs_id for obs_id in told if obs_id is not None}
    mine = tuple(obs_id for obs_id in options.obs_id if obs_id in known)
    return options.model_copy(update={"obs_id": mine}) if mine else None


def require_asked(path: Path, options: ReadOptions) -> ReadOptions:
    """Return what `asked_of` does, of an input of a stream: each comes by itself.

    Raises
    ------
    InputError
        If it has none of the observations that are asked for, or cannot be read.
    """
    mine = asked_of(path, options)
    if mine is None:
        asked = ", ".join(map(str, options.obs_id))
        raise InputError(
            f"This is not of observation {asked}, which obs_id asks for.",
            "Leave out obs_id to search all.",
            path=path,
        )
    return mine


def left_out(paths: Sequence[Path]) -> list[Path]:
    """Return the FITS files of folders without an index that are no photon lists."""
    folders = [path for path in dict.fromkeys(paths) if path.is_dir() and not _has_index(path)]
    return [file for folder in folders for file in _loose(folder) if not _is_photon_list(file)]


def tell_left_out(paths: Sequence[Path]) -> None:
    """Write on stderr which FITS files of folders are no photon lists, if there are some."""
    files = left_out(paths)
    if not files:
        return
    names = ", ".join(str(file) for file in files[:_TOLD])
    more = f" and {len(files) - _TOLD:,} more" if len(files) > _TOLD else ""
    n, one = f"{len(files):,}", len(files) == 1
    what = (
        "FITS file without an EVENTS table is" if one else "FITS files without an EVENTS table are"
    )
    sys.stderr.write(f"{n} {what} left out: {names}{more}.\n")


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
    if is_file(options.response):
        found.append(Path(options.response))
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _has_index(folder: Path) -> bool:
    return any((folder / f"hdu-index.fits{suffix}").is_file() for suffix in ("", ".gz"))


def _indexed(index: ObservationIndex, options: ReadOptions) -> list[PhotonList]:
    """Return the observations of a folder with an index that are asked for."""
    found = []
    asked = [obs_id for obs_id in options.obs_id if obs_id in index.hdus]
    for obs_id in asked if options.obs_id else index.obs_ids:
        location = index.locate(obs_id, "events")
        if location is None:
            raise ReadError(
                f"The index names no events of observation {obs_id}.",
                f"Choose some of {', '.join(map(str, index.obs_ids))}.",
                path=index.folder,
            )
        found.append(PhotonList(location.path, index.folder, obs_id, index.files(obs_id)))
    return found


def _of_those(
    sources: Sequence[PhotonList], indices: Sequence[ObservationIndex], asked: Sequence[int]
) -> list[PhotonList]:
    """Leave out files that are of none of the observations that are asked for."""
    told = {one.path: _told_id(one.path) for one in sources if one.obs_id is None}
    _require_each(asked, indices, told.values())
    return [one for one in sources if one.obs_id is not None or told[one.path] in asked]


def _loose(folder: Path) -> list[Path]:
    """Return the FITS files of a folder; of simulations the photon lists among them."""
    files = sorted(filter(_is_fits, folder.iterdir()))
    lists = [item for item in files if item.name.startswith("events")]
    return lists if lists and (folder / RECORD).is_file() else files


def _once(sources: Sequence[PhotonList]) -> list[PhotonList]:
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


def is_file(response: str) -> bool:
    """Tell whether the option of the response names a file."""
    return response not in {"auto", "none"}


def _is_fits(path: Path) -> bool:
    """Tell whether a file is named as a FITS file, in capitals or not, compressed or not."""
    return path.name.lower().endswith(_SUFFIXES)


def _is_photon_list(path: Path) -> bool:
    """Tell whether a FITS file has an EVENTS table; one that cannot be read is said to have one.

    So what is damaged is not left out: it is an error once it is read.
    """
    try:
        status = path.stat()
        return _has_events(path.absolute(), status.st_size, status.st_mtime_ns)
    except (OSError, ReadError):
        return True


def _told_id(path: Path) -> int | None:
    """Return OBS_ID of a photon list, None if it is no whole number.

    Raises
    ------
    ReadError
        If the file cannot be read, or is none.
    InputError
        If it has no OBS_ID: nothing says whether it is of an observation that is asked for.
    """
    with FitsStream(path) as stream:
        cards = _cards_of_events(stream)
        if cards is None:
            raise ReadError(
                "The file has no EVENTS table.", "Give a GADF DL3 event list.", path=path
            )
        told = cards.text("OBS_ID")
    if not told:
        raise InputError(
            "The file has no OBS_ID: it cannot be chosen by --obs-id.",
            "Leave out --obs-id, or this file.",
            path=path,
        )
    return int(told) if told.isdecimal() else None


def _require_each(
    asked: Sequence[int],
    indices: Sequence[ObservationIndex],
    files: Iterable[int | None],
) -> None:
    """Check that some input has each observation that is asked for.

    Parameters
    ----------
    asked : sequence of int
    indices : sequence of ObservationIndex
        Of folders.
    files : iterable of int or None
        Of which observations the photon lists without an index are.

    Raises
    ------
    UnknownNameError
        If none has one of them.
    """
    known = {obs_id for index in indices for obs_id in index.hdus}
    known |= {obs_id for obs_id in files if obs_id is not None}
    for obs_id in asked:
        if obs_id not in known:
            raise UnknownNameError("observation", str(obs_id), map(str, known))


@lru_cache(maxsize=_MOST_KEPT)
def _has_events(path: Path, size: int, changed: int) -> bool:
    """Look into a file once, as long as it stays as it is."""
    del size, changed
    with FitsStream(path) as stream:
        return _cards_of_events(stream) is not None


def _cards_of_events(stream: FitsStream) -> Cards | None:
    for hdu in walk_hdus(stream):
        if hdu.is_table and _EVENTS in {hdu.name, hdu.cards.text("HDUCLAS1").upper()}:
            return hdu.cards
    return None
