"""What a stream keeps in files: the names of its sources, and its last maps for a page.

The files are a convenience: a stream without them gives the same windows, but names sources anew
after a restart. Each is replaced as a whole; their number is bounded.
"""

import json
import math
import secrets
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np

from skysift.core.errors import OutputError
from skysift.tasks.gamma_sky.live.maps import map_arrays
from skysift.tasks.gamma_sky.live.tracking import Source, TrackerState
from skysift.tasks.gamma_sky.pipeline import Searched

__all__ = ["StateFolder"]

_STEP = 5.0  # s between states
_MOST_STATES = 32
_MOST_BYTES = 2**24


class StateFolder:
    """A folder with states and maps.

    Parameters
    ----------
    folder : Path
        Made if it is not there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_writable(folder, error) from error

    @classmethod
    def of(cls, folder: str | None) -> Self | None:
        """Return the folder of an option, None if it is not set."""
        return None if folder is None else cls(Path(folder))

    def keep_states(self, tracked: Mapping[float, TrackerState], begin: float) -> None:
        """Keep what was tracked, a state every few seconds; those after `begin` are new.

        Raises
        ------
        OutputError
            If they cannot be written, or old ones not removed.
        """
        known = self._states()
        for end in [end for end in known if end > begin]:
            _remove(known.pop(end))
        latest = max(known, default=-math.inf)
        for end in sorted(end for end in tracked if end > max(begin, latest)):
            if math.floor(end / _STEP) > math.floor(max(latest, -_STEP) / _STEP):
                values = {"end": end, "sources": [one.to_dict() for one in tracked[end].sources]}
                path = self.folder / f"state-{end:020.6f}.json"
                self._replace(path, json.dumps(values).encode())
                known[end], latest = path, end
        for end in sorted(known)[:-_MOST_STATES]:
            _remove(known[end])

    def state_before(self, time: float) -> TrackerState | None:
        """Return the latest state that is not after a time, None if there is none."""
        known = self._states()
        for end in sorted((end for end in known if end <= time), reverse=True):
            state = _read_state(known[end])
            if state is not None:
                return state
        return None

    def keep_maps(self, length: float, searched: Searched, row: Mapping[str, Any]) -> None:
        """Keep the maps of the last window of a length [s].

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        buffer = BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **map_arrays(searched, row))
        self._replace(self.folder / f"maps-{length:g}s.npz", buffer.getvalue())

    def _states(self) -> dict[float, Path]:
        found = {}
        for path in self.folder.glob("state-*.json"):
            try:
                found[float(path.stem.removeprefix("state-"))] = path
            except ValueError:
                continue  # not one of ours
        return found

    def _replace(self, path: Path, data: bytes) -> None:
        """Write a file as a whole; what a crash of the machine takes is made again."""
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _not_writable(path, error) from error


def _read_state(path: Path) -> TrackerState | None:
    """Return a state, None if the file is none: it is a convenience only."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
        sources = tuple(Source.from_dict(one) for one in values["sources"])
        return TrackerState(float(values["end"]), sources)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write here: {error.strerror or error}.",
        "Check predict.state_folder, and that the disk has room.",
        path=path,
    )
