"""A service: a source, the spool, the engine and a sink, from start to stop."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from skysift.core.bundle import Bundle
from skysift.core.config import build_config
from skysift.core.errors import OutputError, SkysiftError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_options
from skysift.serve.config import WatchConfig, state_folder
from skysift.serve.directory import DirectorySource, check_folder
from skysift.serve.engine import Engine
from skysift.serve.followers import Follower, Followers
from skysift.serve.journal import log
from skysift.serve.lock import alone
from skysift.serve.messages import Item, WorkerSettings
from skysift.serve.publish import Publisher
from skysift.serve.records import Arrival
from skysift.serve.spool import Spool
from skysift.serve.worker_process import WORKER_COMMAND, WorkerDiedError, WorkerProcess

__all__ = ["SPOOL", "Service", "spool_of", "stopped_by_signals"]

SPOOL = "spool.sqlite"
_CHUNK = 500  # arrivals of one transaction
_STATUS = 60.0  # s from one line of status to the next
_IDLE = 1.0  # s from one call of the followers to the next when nothing arrives


class Service:
    """Predicts what arrives until it is told to stop.

    Parameters
    ----------
    config : WatchConfig
        Everything.
    command : str
        What the user typed, for the provenance.
    worker_command : sequence of str
        What to start as the worker.
    followers : sequence of Follower
        What goes on from the published answers, besides those that the configuration asks for.

    Raises
    ------
    SkysiftError
        If the configuration, the bundle, the source or the sink cannot be used: all is checked
        before the first record.

    Examples
    --------
    What `skysift watch night --task gamma-sky --to found` does::

        config = build_config(
            WatchConfig,
            {"task": "gamma-sky", "source": {"folder": "night"}, "sink": {"folder": "found"}},
        )
        service = Service(config)
        with stopped_by_signals(service):
            counts = service.run()
    """

    def __init__(
        self,
        config: WatchConfig,
        *,
        command: str = "",
        worker_command: Sequence[str] = WORKER_COMMAND,
        followers: Sequence[Follower] = (),
    ) -> None:
        self.config = config
        for kind, values in (("ReadOptions", config.read), ("PredictOptions", config.predict)):
            build_config(load_options(config.task, kind), values)
        check_folder(config.source.folder)
        self._bundle = Bundle.load(_bundle_folder(config), task=config.task)
        self._command = command
        self._worker_command = tuple(worker_command)
        self._followers = Followers(followers)
        self._stopping = threading.Event()
        self._looking: Iterator[Arrival] | None = None
        self._next_look = 0.0
        _make_writable(config.state_folder)

    def stop(self) -> None:
        """Ask `run` to return once the batch in hand is done; for another thread or a signal."""
        self._stopping.set()

    def run(self, *, once: bool = False) -> dict[str, int]:
        """Predict what arrives, until :meth:`stop`.

        Parameters
        ----------
        once : bool
            Return when nothing is pending and nothing is about to arrive.

        Returns
        -------
        dict of str to int
            Number of records in each state, those of earlier runs included.

        Raises
        ------
        SkysiftError
            If it cannot go on: the disk is full, the source is gone, the worker cannot start. What
            was not published is still pending.
        """
        folder = self.config.state_folder
        with alone(folder / "lock.sqlite"), Spool(folder / SPOOL) as spool:
            spool.check()
            publisher = Publisher(self.config.sink)
            publisher.recover(spool)
            source = DirectorySource(
                self.config.source, self.config.engine.record_bytes, spool.noted
            )
            worker = self._worker(folder, spool)
            engine = Engine(spool, worker, publisher, self.config.engine, self._bundle.hash)
            try:
                _start(worker)
                log(logging.INFO, "started", task=self.config.task, bundle=self._bundle.hash)
                self._loop(source, spool, engine, once=once)
            finally:
                worker.stop()
            counts = spool.counts()
            log(logging.INFO, "stopped", **counts)
            return counts

    def _loop(self, source: DirectorySource, spool: Spool, engine: Engine, *, once: bool) -> None:
        told = time.monotonic()
        while not self._stopping.is_set():
            whole = self._collect(source, spool)
            worked = engine.step()
            self._followers.follow(spool, self.config.sink.folder)
            if time.monotonic() - told > _STATUS:
                told = time.monotonic()
                log(logging.INFO, "status", pending=spool.backlog(), settling=source.settling)
            if worked or self._looking is not None:
                continue
            if once and whole and not source.settling:
                return
            self._stopping.wait(min(_IDLE, max(0.0, self._next_look - time.monotonic())))

    def _collect(self, source: DirectorySource, spool: Spool) -> bool:
        """Note some of what has arrived; tell whether this completed a look at the source."""
        if self._looking is None:
            if time.monotonic() < self._next_look:
                return False
            self._looking = source.look()
        arrivals = []
        enough = time.monotonic() + self.config.engine.latency
        whole = True
        for arrival in self._looking:
            arrivals.append(arrival)
            if len(arrivals) >= _CHUNK or time.monotonic() > enough:
                whole = False
                break
        if arrivals:
            arrivals.sort(key=lambda arrival: arrival.modified)  # a folder lists in any order
            new = spool.add(arrivals)
            log(logging.INFO, "arrived", files=len(arrivals), records=new)
            for arrival in arrivals:
                if arrival.reason:
                    fields = {"record": arrival.id, "input": arrival.name}
                    log(logging.WARNING, "quarantined", **fields, reason=arrival.reason)
        if whole:
            self._looking = None
            self._next_look = time.monotonic() + source.wait
        return whole

    def _worker(self, folder: Path, spool: Spool) -> WorkerProcess:
        config, bundle = self.config, self._bundle
        provenance = Provenance.start(
            command=self._command or "skysift.serve.service.Service",
            config=config.model_dump(mode="json"),
            bundle={"name": bundle.name, "hash": bundle.hash},
        )
        settings = WorkerSettings(
            task=config.task,
            bundle=bundle.folder,
            bundle_hash=bundle.hash,
            read=config.read,
            predict=config.predict,
            format=config.sink.format,
            memory=config.engine.memory,
            seconds=config.engine.record_seconds,
            provenance=provenance.to_json(),
        )
        return WorkerProcess(
            settings,
            folder / "worker.log",
            config.engine.start_seconds,
            self._worker_command,
            answered=lambda: map(Item.of, spool.newest_done()),
        )


def _start(worker: WorkerProcess) -> None:
    """Start the worker, so that what is wrong with it is known before the first record."""
    try:
        worker.start()
    except WorkerDiedError as death:
        raise SkysiftError(
            f"The worker died while it loaded the model: {death.reason}.",
            "See worker.log beside the spool.",
        ) from death


def spool_of(sink: Path) -> Spool:
    """Open the spool of a sink, which a service may be using.

    Raises
    ------
    ReadError
        If there is none.
    """
    return Spool(state_folder(sink) / SPOOL, create=False)


@contextmanager
def stopped_by_signals(service: Service) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop a service; the second one interrupts what it is doing.

    To be used in the main thread. What is interrupted is still pending.
    """

    def handle(_number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        service.stop()

    asked: list[bool] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _bundle_folder(config: WatchConfig) -> Path:
    name = config.bundle
    if name is not None and (Path(name).is_dir() or os.sep in name):
        return Path(name)
    return bundle_folder(config.task, name)


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot make the folder: {error.strerror}.",
            "Choose another for the answers.",
            path=folder,
        ) from error
    if not os.access(folder, os.W_OK):
        raise OutputError(
            "The folder is not writable.", "Choose another for the answers.", path=folder
        )
