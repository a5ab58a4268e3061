"""Records of a stream, and how they are read from files."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import EventList
from skysift.tasks.gamma_sky.live.memory import in_gadf_time
from skysift.tasks.gamma_sky.observations import Observation, iter_observations
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.photon_lists import require_asked

__all__ = ["RecordReader", "SkyRecord"]


@dataclass(frozen=True)
class SkyRecord:
    """Photons as they arrive together.

    Parameters
    ----------
    events : EventList
        With times from the GADF reference.
    response : InstrumentResponse or None
        The instrument's own.
    response_key : str
        The same for records of the same response.
    moves : bool
        Whether the telescope moved away from the mean pointing.
    """

    events: EventList
    response: InstrumentResponse | None = None
    response_key: str = ""
    moves: bool = False
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        events, hashed = self.events, hashlib.blake2b(digest_size=16)
        columns = (events.time, events.ra, events.dec, events.energy)
        for values in (*columns, events.gti.start, events.gti.stop):
            hashed.update(np.ascontiguousarray(values).tobytes())
        object.__setattr__(self, "digest", hashed.digest())

    @property
    def start(self) -> float:
        """Beginning of the good time [s], infinity if there is none."""
        return float(self.events.gti.start[0]) if len(self.events.gti) else np.inf

    @property
    def stop(self) -> float:
        """End of the good time [s], minus infinity if there is none."""
        return float(self.events.gti.stop[-1]) if len(self.events.gti) else -np.inf


class RecordReader:
    """Reads records from DL3 files; a response that is given is read once.

    Parameters
    ----------
    reading : ReadOptions
        Which response is used.

    Raises
    ------
    ReadError, InputError
        If the response that is given cannot be used.
    """

    def __init__(self, reading: ReadOptions) -> None:
        given = reading.response not in {"auto", "none"}
        self._given = GadfResponse.read(reading.response) if given else None
        self._reading = reading.model_copy(update={"response": "none"}) if given else reading

    def read(self, path: Path) -> Iterator[SkyRecord]:
        """Yield what a file, or a folder with an index, holds.

        Raises
        ------
        ReadError, InputError
            If it cannot be used.
        """
        return (record for _, record in self._observed([path], require_asked(path, self._reading)))

    def observed(self, paths: Sequence[Path]) -> Iterator[tuple[Observation, SkyRecord]]:
        """Yield observations, with what the input contract found, and their records.

        Raises
        ------
        ReadError, InputError
            If a file cannot be used.
        """
        return self._observed(paths, self._reading)

    def _observed(
        self, paths: Sequence[Path], reading: ReadOptions
    ) -> Iterator[tuple[Observation, SkyRecord]]:
        for item in iter_observations(paths, reading):
            own = item.response
            yield (
                item,
                SkyRecord(
                    in_gadf_time(item.events),
                    self._given or own,
                    item.events.name if own else "",
                    item.moves,
                ),
            )
