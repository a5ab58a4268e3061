"""What was answered long ago is forgotten, a little at a time, so that the ledger does not grow."""

import logging
import os
import time
from collections.abc import Callable

from skysift.serve.journal import log
from skysift.serve.spool import Spool

__all__ = ["Pruner"]

_DAY = 86_400.0
_STEP = 1000  # records of one transaction
_AGAIN = 3600.0  # s from the end of one pass to the beginning of the next


class Pruner:
    """Forgets records that were finished long ago and whose file is gone.

    As long as a file stands where it was found, its record is kept: else it would be answered
    again. Records in quarantine wait for a person.

    Parameters
    ----------
    days : float
        How long every id is known after it was finished [d].
    clock : callable
        Returns Unix time [s].
    """

    def __init__(self, days: float, clock: Callable[[], float] = time.time) -> None:
        self._days = days
        self._clock = clock
        self._last = 0
        self._next_pass = 0.0

    def step(self, spool: Spool) -> int:
        """Look at some records and return how many were forgotten.

        Raises
        ------
        OutputError
            If the spool cannot be written.
        """
        now = self._clock()
        if now < self._next_pass:
            return 0
        before = now - self._days * _DAY
        rows = spool.finished_after(self._last, _STEP)
        old = [row for row in rows if row.finished < before]
        gone = [row.id for row in old if not os.path.exists(row.path)]  # noqa: PTH110  # bytes
        forgotten = spool.forget(gone) if gone else 0
        if old and len(old) == len(rows) == _STEP:
            self._last = rows[-1].sequence
        else:  # the rest is younger
            self._last, self._next_pass = 0, now + _AGAIN
        if forgotten:
            log(logging.INFO, "forgotten", records=forgotten)
        return forgotten
