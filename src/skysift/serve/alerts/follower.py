"""Alerts follow the answers of a service: each published batch is decided on, once."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from skysift.core.errors import ReadError, UnknownNameError
from skysift.serve.alerts.answers import Answers, read_answers
from skysift.serve.alerts.database import ledger_path
from skysift.serve.alerts.delivery import Couriers
from skysift.serve.alerts.ledger import AlertLedger
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.outbox import Outbox
from skysift.serve.alerts.policy import Origin, Policy, Provenance
from skysift.serve.alerts.publishing import couriers_of, issue
from skysift.serve.records import Record
from skysift.serve.spool import Spool

__all__ = ["AlertFollower"]

_BATCHES = 20
_PARTING = 10.0  # s
_PATIENCE = 60.0  # s that answers may be unreadable, before the alerts of the next ones go on


class AlertFollower:
    """Decides on alerts, writes them, and has them delivered.

    Parameters
    ----------
    options : AlertOptions
        What is worth an alert, and who is told.
    clock : callable
        Returns Unix time [s].

    Notes
    -----
    A batch goes through three steps. All that it leads to is noted in one transaction of the ledger
    (*prepared*); the files are written, each by a rename, and that is noted (*issued*); threads of
    their own tell the destinations and note what became of it (*delivered*). Killed anywhere, the
    next start goes on where the ledger ends.

    Examples
    --------
    What ``[alerts]`` in the configuration of a service does::

        Service(config, followers=[AlertFollower(AlertOptions(far=1e-6))])
    """

    name = "alerts"

    def __init__(self, options: AlertOptions, clock: Callable[[], float] = time.time) -> None:
        self._options = options
        self._clock = clock
        self._ledger: AlertLedger | None = None
        self._policy: Policy | None = None
        self._couriers: Couriers | None = None
        self._failing: tuple[int, float] | None = None
        self._version = -1

    def follow(self, spool: Spool, folder: Path) -> None:
        """Decide on what was published since the last call.

        Parameters
        ----------
        spool : Spool
            Knows what has been published.
        folder : Path
            The sink.

        Raises
        ------
        SkysiftError
            If answers cannot be read, or alerts not be written.
        """
        ledger, policy = self._open(folder)
        issue(ledger, folder)  # what an earlier run, or a retraction, has left
        origin = _origin_in(spool)
        while batches := spool.published(ledger.position, _BATCHES):
            for number, files in batches:
                answers = self._read(number, [folder / file.final for file in files])
                if isinstance(answers, Answers):
                    policy.decide(number, answers, origin)
                else:
                    policy.give_up(number, str(answers))
                issue(ledger, folder)
        self._wake(ledger)

    def close(self) -> None:
        """Stop telling destinations, once those that are being told have answered."""
        couriers, self._couriers = self._couriers, None
        if couriers is not None:
            couriers.close(_PARTING)
        ledger, self._ledger, self._policy = self._ledger, None, None
        if ledger is not None:
            ledger.close()

    def _read(self, number: int, paths: Sequence[Path]) -> Answers | ReadError:
        """Read a batch; what cannot be read for long enough is not waited for any more."""
        try:
            answers = read_answers(paths, self._options.rule)
        except ReadError as error:
            if self._failing is None or self._failing[0] != number:
                self._failing = (number, self._clock())
            if self._clock() - self._failing[1] < _PATIENCE:
                raise
            return error
        self._failing = None
        return answers

    def _open(self, folder: Path) -> tuple[AlertLedger, Policy]:
        if self._ledger is None or self._policy is None:
            ledger = AlertLedger(ledger_path(folder))
            ledger.check()
            ledger.note_options(self._options.model_dump(mode="json"))
            with Outbox(ledger.path) as outbox:
                outbox.due_now(self._clock())
            self._couriers = Couriers(couriers_of(self._options, ledger.path, self._clock))
            self._ledger = ledger
            self._policy = Policy(ledger, self._options, self._clock)
        return self._ledger, self._policy

    def _wake(self, ledger: AlertLedger) -> None:
        """Wake the couriers if anybody has changed the ledger since they were last woken."""
        version = ledger.version
        if self._couriers is not None and version != self._version:
            self._couriers.wake()
        self._version = version


def _origin_in(spool: Spool) -> Origin:
    def origin(record: str) -> Provenance | None:
        try:
            found: Record = spool.find(record)
        except UnknownNameError:
            return None
        return Provenance(found.path, found.arrived)

    return origin
