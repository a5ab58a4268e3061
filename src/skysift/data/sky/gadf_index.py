"""Folders of observations with GADF index tables, as gammapy's `DataStore` reads them.

GADF 0.3, "Data storage": `hdu-index.fits` names the file of each part of each observation and
`obs-index.fits` describes the observations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from skysift.core.errors import ReadError, UnknownNameError
from skysift.data.images.fits_bytes import require_sound_headers
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.fits_stream import MAX_BYTES, read_bounded
from skysift.data.sky.gadf import EventFile, read_events
from skysift.data.sky.gadf_location import HduLocation

__all__ = ["Observation", "ObservationIndex", "open_index"]

_HDU_COLUMNS = ("OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME")
_PARTS = {"events", "gti", "pointing"}  # of the observation; all others are of the response
_ZENITH = 90.0


@dataclass(frozen=True, slots=True)
class Observation:
    """A row of `obs-index.fits`; numbers that it does not give are NaN.

    Parameters
    ----------
    obs_id : int
        Identifier.
    target : str
        OBJECT.
    pointing : Pointing
        Mean pointing.
    start, stop : float [s]
        From the reference time of the index.
    livetime : float [s]
        Good time less dead time.
    """

    obs_id: int
    target: str
    pointing: Pointing
    start: float
    stop: float
    livetime: float


@dataclass(frozen=True, slots=True)
class ObservationIndex:
    """The observations of a folder and the files of their parts.

    Parameters
    ----------
    folder : Path
        The folder with the index.
    hdus : mapping of int to tuple of HduLocation
        Parts by observation.
    observations : mapping of int to Observation
        Descriptions, of those that `obs-index.fits` has.
    """

    folder: Path
    hdus: Mapping[int, tuple[HduLocation, ...]]
    observations: Mapping[int, Observation]

    @property
    def obs_ids(self) -> tuple[int, ...]:
        """Observations with an event list, in the order of the index."""
        return tuple(i for i, parts in self.hdus.items() if _of_type(parts, "events") is not None)

    def locate(self, obs_id: int, hdu_type: str) -> HduLocation | None:
        """Return where a part of an observation is, None if the index does not name it.

        Raises
        ------
        UnknownNameError
            If there is no such observation.
        """
        return _of_type(self._parts(obs_id), hdu_type)

    def responses(self, obs_id: int) -> tuple[HduLocation, ...]:
        """Return the tables of instrument response of an observation, RAD_MAX included."""
        return tuple(part for part in self._parts(obs_id) if part.hdu_type not in _PARTS)

    def files(self, obs_id: int) -> tuple[Path, ...]:
        """Return the files that parts of an observation are in, each once, of those that exist."""
        found = dict.fromkeys(part.path for part in self._parts(obs_id))
        return tuple(path for path in found if path.is_file())

    def read(
        self, obs_id: int, *, ignore_gti: bool = False, max_bytes: int = MAX_BYTES
    ) -> EventFile:
        """Read the extensions that the index names for an observation.

        A file may hold several observations. See :func:`skysift.data.sky.gadf.read_events`.

        Raises
        ------
        UnknownNameError
            If there is no such observation.
        ReadError
            If the index names no events of it or an extension that its file does not have, or as
            `read_events`.
        """
        parts = self._parts(obs_id)
        events = _of_type(parts, "events")
        if events is None:
            raise ReadError(
                f"The index names no events of observation {obs_id}.",
                "Choose one of obs_ids.",
                path=self.folder,
            )
        return read_events(
            events,
            gti=_of_type(parts, "gti"),
            pointing_table=_of_type(parts, "pointing"),
            ignore_gti=ignore_gti,
            max_bytes=max_bytes,
        )

    def _parts(self, obs_id: int) -> tuple[HduLocation, ...]:
        if obs_id not in self.hdus:
            raise UnknownNameError("observation", str(obs_id), map(str, self.hdus))
        return self.hdus[obs_id]


def open_index(folder: str | Path) -> ObservationIndex:
    """Read the index tables of a folder of observations.

    Raises
    ------
    ReadError
        If the folder has no `hdu-index.fits` or `.fits.gz`, or one that cannot be read.
        `obs-index.fits` may be missing.
    """
    folder = Path(folder)
    path = _index_path(folder, "hdu-index")
    if path is None:
        raise ReadError(
            "The folder has no hdu-index.fits or hdu-index.fits.gz.",
            "Give a folder with GADF index tables, or read the files one by one.",
            path=folder,
        )
    hdus: dict[int, list[HduLocation]] = {}
    for row in _rows(path, _HDU_COLUMNS):
        location = HduLocation(
            folder / _text(row, "FILE_DIR") / _text(row, "FILE_NAME"),
            _text(row, "HDU_NAME"),
            _text(row, "HDU_TYPE").lower(),
            _text(row, "HDU_CLASS").lower(),
        )
        hdus.setdefault(int(row["OBS_ID"]), []).append(location)
    described = _index_path(folder, "obs-index")
    observations = {} if described is None else _observations(described)
    return ObservationIndex(folder, {i: tuple(p) for i, p in hdus.items()}, observations)


def _observations(path: Path) -> dict[int, Observation]:
    found = (_observation(row) for row in _rows(path, ("OBS_ID",)))
    return {observation.obs_id: observation for observation in found}


def _observation(row: Mapping[str, Any]) -> Observation:
    zenith = _number(row, "ZEN_PNT")
    return Observation(
        int(row["OBS_ID"]),
        _text(row, "OBJECT"),
        Pointing(
            _number(row, "RA_PNT"),
            _number(row, "DEC_PNT"),
            _ZENITH - _number(row, "ALT_PNT") if np.isnan(zenith) else zenith,
        ),
        _number(row, "TSTART"),
        _number(row, "TSTOP"),
        _number(row, "LIVETIME"),
    )


def _of_type(parts: tuple[HduLocation, ...], hdu_type: str) -> HduLocation | None:
    return next((part for part in parts if part.hdu_type == hdu_type), None)


def _index_path(folder: Path, name: str) -> Path | None:
    both = (folder / f"{name}.fits.gz", folder / f"{name}.fits")
    return next((path for path in both if path.is_file()), None)


def _rows(path: Path, required: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of the first table of a file as mappings by column in capitals."""
    data = read_bounded(path)
    require_sound_headers(data, str(path))
    try:
        with fits.open(BytesIO(data)) as hdus:
            table = hdus[1].data
            names = [name.upper() for name in table.columns.names]
            columns = {name: table.field(j).tolist() for j, name in enumerate(names)}
    except (IndexError, AttributeError, OSError, ValueError, TypeError) as error:
        raise ReadError(
            f"The index table cannot be read ({error}).",
            "Make it again, for example with gammapy's DataStore.from_events_files.",
            path=path,
        ) from error
    missing = [name for name in required if name not in columns]
    if missing:
        raise ReadError(
            f"The index table has no column {', '.join(missing)}.",
            "GADF asks for it; make the index again.",
            path=path,
        )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else float("nan")


def _text(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name, "")).strip()
