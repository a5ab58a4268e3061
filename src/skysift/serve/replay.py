"""A stream of the past as a source: what was recorded arrives again, at any speed.

Records have the ids that they had, so that a replay into the sink of the original adds nothing, and
one into another sink gives the same answers under the same ids.
"""

import logging
import time
from collections.abc import Callable, Iterator

from skysift.serve.directory import DirectorySource
from skysift.serve.journal import log
from skysift.serve.packs import PACK, Packed, PackStore, read_pack
from skysift.serve.records import Arrival
from skysift.serve.source_options import DirectoryOptions, ReplayOptions
from skysift.serve.sources import tell_refused
from skysift.serve.spool import Spool

__all__ = ["ReplaySource"]

_CHUNK = 500  # records of one transaction
_CHUNK_BYTES = 32 * 2**20
_NAP = 0.2  # longest wait of a look [s]


class ReplaySource:
    """Reads a recording of Kafka, that is a folder of packs, or a folder of files with their times.

    Parameters
    ----------
    options : ReplayOptions
        What, and how fast.
    record_bytes : int
        A larger record is quarantined unread.
    spool : Spool
        Where records are noted.
    store : PackStore
        Where messages are kept.
    clock : callable
        Returns a time that only grows [s].

    Notes
    -----
    The first record that the spool does not know arrives at once, and the others as long after it
    as they did then, divided by the speed. What is known is passed over without a wait, so that a
    replay that was stopped goes on.
    """

    def __init__(
        self,
        options: ReplayOptions,
        record_bytes: int,
        spool: Spool,
        store: PackStore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._record_bytes = record_bytes
        self._spool = spool
        self._store = store
        self._clock = clock
        self._begun: tuple[float, float] | None = None  # moment of a record, and when it arrived
        self._coming = self._recorded()
        self._next: Arrival | Packed | None = next(self._coming, None)

    @property
    def settling(self) -> int:
        """Whether anything is still to come."""
        return int(self._next is not None)

    @property
    def wait(self) -> float:
        """Time until the next look, when all has arrived [s]."""
        return _NAP

    def collect(self, seconds: float) -> bool:
        """Note what is due; tell whether there is nothing more for now.

        Raises
        ------
        ReadError
            If the recording cannot be read.
        OutputError
            If the records cannot be noted.
        """
        enough = self._clock() + seconds
        due: list[Arrival | Packed] = []
        size = 0
        while self._next is not None and len(due) < _CHUNK and size < _CHUNK_BYTES:
            if self._begun is None and self._spool.knows(self._next.id):
                self._next = next(self._coming, None)
                continue
            pause = self._pause(self._next)
            if pause > 0 and (due or self._clock() + min(pause, _NAP) > enough):
                break
            if pause > 0:
                time.sleep(min(pause, _NAP))
                continue
            due.append(self._next)
            size += len(self._next.data) if isinstance(self._next, Packed) else 0
            self._next = next(self._coming, None)
        self._note(due)
        return self._next is None

    def close(self) -> None:
        """Do nothing: a recording is not held."""

    def _recorded(self) -> Iterator[Arrival | Packed]:
        packs = sorted(self._options.folder.glob(f"*{PACK}"))
        if packs:
            for path in packs:
                yield from read_pack(path)
            return
        options = self._options
        chosen = DirectoryOptions(
            folder=options.folder,
            name=options.name,
            pattern=options.pattern,
            recursive=options.recursive,
            settle=0,
        )
        source = DirectorySource(chosen, self._record_bytes, lambda _name: None)
        yield from sorted(source.look(), key=lambda arrival: arrival.modified)

    def _pause(self, record: Arrival | Packed) -> float:
        """Return how long it is until a record is due [s]."""
        moment = record.moment if isinstance(record, Packed) else record.modified / 1e9
        now = self._clock()
        if self._begun is None:
            self._begun = (moment, now)
        if not self._options.speed:
            return 0.0
        first, begun = self._begun
        return begun + (moment - first) / self._options.speed - now

    def _note(self, due: list[Arrival | Packed]) -> None:
        now = time.time()
        arrivals = [item for item in due if isinstance(item, Arrival)]
        new = self._spool.add(arrivals) if arrivals else 0
        messages = [item for item in due if isinstance(item, Packed)]
        if messages:
            path, packed = self._store.write(messages)
            noted = [item.message(now, self._record_bytes) for item in packed]
            new += self._spool.add_messages(path, noted)
            for message in noted:
                if message.reason:
                    tell_refused(message.id, message.name, message.reason)
        for arrival in arrivals:
            if arrival.reason:
                tell_refused(arrival.id, arrival.name, arrival.reason)
        if due:
            log(logging.INFO, "arrived", files=len(arrivals), messages=len(messages), records=new)
