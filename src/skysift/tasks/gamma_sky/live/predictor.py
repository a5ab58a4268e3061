"""Sliding windows for the service: one file after the other, with a memory."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from astropy.time import Time
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.stream import Noted
from skysift.data.sky.event_list import GADF_REFERENCE_MJD
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.live.records import RecordReader, SkyRecord
from skysift.tasks.gamma_sky.live.stream import WindowStream
from skysift.tasks.gamma_sky.observations import of_photons
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

__all__ = ["LivePredictor"]

_DAY = 86400.0  # s


class LivePredictor:
    """A :class:`~skysift.core.stream.RememberingPredictor` of files of a stream.

    Parameters
    ----------
    trials : TrialsTable
        Of the bundle.
    reading : ReadOptions
        Energies and pixels.
    options : PredictOptions
        With windows.
    clock : callable
        Returns Unix time [s].
    """

    def __init__(
        self,
        trials: TrialsTable,
        reading: ReadOptions,
        options: PredictOptions,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader = RecordReader(reading)
        self._stream = WindowStream(reading, options, trials)
        self._reading = reading
        self._ahead = options.ahead
        self._clock = clock
        self._noted = Noted()

    def __call__(self, path: Path, /) -> Iterator[pa.Table]:
        """Yield the windows, candidates and bins that a file completes or changes.

        Raises
        ------
        InputError
            If the file cannot be used, is too late or of the future; nothing is remembered of it
            then.
        """
        records = list(self._reader.read(path))
        for record in records:
            self._refuse_future(record)
        for record in records:
            yield from self._stream.take(record).tables()
            self._noted.add(of_photons(record.events, self._reading))

    def described(self) -> dict[str, NDArray[Any]]:
        """Return rate and energies of the records since the last call.

        As of :func:`~skysift.tasks.gamma_sky.observations.of_photons`.
        """
        return self._noted.take()

    def recall(self, path: Path, /) -> bool:
        """Take up a file that was answered before a restart; tell whether older ones matter."""
        older = [self._stream.recall(record) for record in self._reader.read(path)]
        return all(older)

    def _refuse_future(self, record: SkyRecord) -> None:
        now = (Time(self._clock(), format="unix").tt.mjd - GADF_REFERENCE_MJD) * _DAY
        ahead = record.stop - now
        if ahead > self._ahead:
            raise InputError(
                f"The photons end {ahead:,.0f} s in the future; with them, all that is of today "
                "would be late.",
                "Correct the clock or the dates, or replay the file when its time has come; for "
                "simulated data set predict.ahead=inf.",
            )
