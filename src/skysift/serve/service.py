"""A service: a source, the spool, the engine and a sink, from start to stop."""

import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pydantic import JsonValue

from skysift import __version__
from skysift.core.bundle import Bundle
from skysift.core.config import build_config
from skysift.core.errors import OutputError, SkysiftError, UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_options
from skysift.serve.alerts.follower import AlertFollower
from skysift.serve.config import (
    DirectoryOptions,
    KafkaOptions,
    ReplayOptions,
    WatchConfig,
    state_folder,
)
from skysift.serve.directory import DirectorySource, DirectoryWatch, check_folder
from skysift.serve.drift.follower import DriftFollower
from skysift.serve.engine import Engine
from skysift.serve.followers import Follower, Followers
from skysift.serve.heap import HeapTrimmer
from skysift.serve.journal import log
from skysift.serve.kafka import KafkaSource
from skysift.serve.kafka_client import client, client_settings
from skysift.serve.ledger import SPOOL
from skysift.serve.lock import alone
from skysift.serve.messages import Item, WorkerSettings
from skysift.serve.operations import Operations, refuse_bundle
from skysift.serve.packs import PackStore
from skysift.serve.pruning import Pruner
from skysift.serve.publish import Publisher
from skysift.serve.replay import ReplaySource
from skysift.serve.sources import Intake, Source
from skysift.serve.spool import Spool
from skysift.serve.topic import TopicFollower
from skysift.serve.worker_process import WORKER_COMMAND, WorkerDiedError, WorkerProcess

__all__ = ["SPOOL", "Service", "spool_of", "stopped_by_signals"]

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
        _check_source(config)
        if config.alerts is not None:
            config.alerts.require_environment()
        self._bundle = Bundle.load(_bundle_folder(config), task=config.task)
        refuse_bundle(self._bundle, config.operations, time.time())
        self._operations = Operations(
            config.operations, config.task, self._bundle, schemas=_schemas(config)
        )
        self._drift = DriftFollower(config.drift, self._bundle)
        self._command = command
        self._worker_command = tuple(worker_command)
        alerts = [] if config.alerts is None else [AlertFollower(config.alerts)]
        topic = [] if config.topic is None else [TopicFollower(config.topic)]
        self._followers = Followers([self._operations, self._drift, *alerts, *topic, *followers])
        self._stopping = threading.Event()
        self._writing = threading.RLock()
        self._intake: Intake | None = None
        self._pruner = Pruner(config.engine.keep_days)
        self._store = _store(config)
        _make_writable(config.state_folder)

    def stop(self) -> None:
        """Ask `run` to return once the batch in hand is done; for another thread or a signal."""
        self._stopping.set()
        if self._intake is not None:
            self._intake.arrived.set()

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
        with (
            alone(folder / "lock.sqlite"),
            self._spool() as spool,
            self._operations.watching(self.config.sink.folder),
            self._drift.watching(self.config.sink.folder),
        ):
            spool.check()
            publisher = Publisher(self.config.sink)
            publisher.recover(spool)
            workers = [self._worker(number) for number in range(self.config.engine.workers)]
            engine = Engine(spool, workers, publisher, self.config.engine, self._bundle.hash)
            intake = self._intake = Intake(
                self._open_source, self._spool, self.config.engine.latency
            )
            try:
                _start(workers)
                self._tell_started()
                intake.start()
                self._loop(intake, spool, engine, once=once)
            finally:
                intake.ask_to_stop()
                for worker in workers:
                    worker.stop()
                engine.close()
                for worker in workers:
                    worker.stop()  # one that was being started just then
                intake.stop()
                self._followers.close()
            counts = spool.counts()
            log(logging.INFO, "stopped", **counts)
            return counts

    def _tell_started(self) -> None:
        log(
            logging.INFO,
            "started",
            task=self.config.task,
            bundle=self._bundle.hash,
            skysift=__version__,
            python=platform.python_version(),
            process=os.getpid(),
        )

    def _loop(self, intake: Intake, spool: Spool, engine: Engine, *, once: bool) -> None:
        told = swept = worked = time.monotonic()
        trim_heap = HeapTrimmer()
        while not self._stopping.is_set():
            intake.check()
            intake.arrived.clear()
            complete = intake.complete_since > worked
            busy = engine.step()
            self._followers.follow(spool, self.config.sink.folder)
            if time.monotonic() - swept > _IDLE:
                swept = time.monotonic()
                self._store.sweep(spool)
                self._pruner.step(spool)
                trim_heap()
            if time.monotonic() - told > _STATUS:
                told = time.monotonic()
                log(logging.INFO, "status", pending=spool.backlog(), settling=intake.settling)
            if busy:
                worked = time.monotonic()
            elif once and complete:
                break
            else:
                intake.arrived.wait(_IDLE)
        while engine.step(begin=False):
            pass
        self._store.sweep(spool)

    def _spool(self) -> Spool:
        return Spool(self.config.state_folder / SPOOL, lock=self._writing)

    def _open_source(self, spool: Spool) -> Source:
        options, most = self.config.source, self.config.engine.record_bytes
        if isinstance(options, KafkaOptions):
            return KafkaSource(options, most, spool, self._store)
        if isinstance(options, ReplayOptions):
            return ReplaySource(options, most, spool, self._store)
        return DirectoryWatch(DirectorySource(options, most, spool.noted), spool)

    def _worker(self, number: int) -> WorkerProcess:
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
            predict=_with_state_folder(config),
            format=config.sink.format,
            memory=config.engine.memory,
            seconds=config.engine.record_seconds,
            provenance=provenance.to_json(),
            scratch=config.state_folder / f"scratch-{number}",
            schemas=_schemas(config),
            edges=dict(self._drift.edges),
        )
        return WorkerProcess(
            settings,
            config.state_folder / (f"worker-{number}.log" if number else "worker.log"),
            config.engine.start_seconds,
            self._worker_command,
            answered=self._answered,
        )

    def _answered(self) -> Iterator[Item]:
        """Yield what was answered, the newest first; any thread may ask."""
        with self._spool() as spool:
            yield from map(Item.of, spool.newest_done())


def _with_state_folder(config: WatchConfig) -> dict[str, JsonValue]:
    """Return what is asked for, with the place where a task may keep what it follows."""
    if "state_folder" not in load_options(config.task, "PredictOptions").model_fields:
        return config.predict
    return {"state_folder": str(config.state_folder.absolute() / "live"), **config.predict}


def _schemas(config: WatchConfig) -> Path | None:
    source = config.source
    return None if isinstance(source, DirectoryOptions) else source.schemas


def _start(workers: Sequence[WorkerProcess]) -> None:
    """Start the workers, so that what is wrong with them is known before the first record."""
    try:
        for worker in workers:
            worker.start()
            if worker.remembers and len(workers) > 1:
                raise UsageError(
                    "The task remembers earlier records: one worker has to see all of them.",
                    "Set engine.workers to 1.",
                )
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


def _check_source(config: WatchConfig) -> None:
    """Check what can be known of a source before anything is made."""
    options = config.source
    if isinstance(options, KafkaOptions):
        client()
        client_settings(options.servers, options.settings, options.properties)
    else:
        check_folder(options.folder)


def _bundle_folder(config: WatchConfig) -> Path:
    name = config.bundle
    if name is not None and (Path(name).is_dir() or os.sep in name):
        return Path(name)
    return bundle_folder(config.task, name)


def _store(config: WatchConfig) -> PackStore:
    """Return where messages are kept, so that those to look at never fill the backlog."""
    folder, shown = config.state_folder / "messages", config.engine.shown_bytes
    if isinstance(config.source, KafkaOptions):
        shown = min(shown, config.source.backlog_bytes // 2)
        return PackStore(folder, keep=config.source.keep, shown=shown)
    return PackStore(folder, shown=shown)


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
