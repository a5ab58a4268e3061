"""Sliding windows for the service: one file after the other, with a memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.stream import Noted
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.live.records import RecordReader
from skysift.tasks.gamma_sky.live.stream import WindowStream
from skysift.tasks.gamma_sky.observations import of_photons
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

__all__ = ["LivePredictor"]


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
    """

    def __init__(self, trials: TrialsTable, reading: ReadOptions, options: PredictOptions) -> None:
        self._reader = RecordReader(reading)
        self._stream = WindowStream(reading, options, trials)
        self._reading = reading
        self._noted = Noted()

    def __call__(self, path: Path, /) -> Iterator[pa.Table]:
        """Yield the windows, candidates and bins that a file completes or changes.

        Raises
        ------
        InputError
            If the file cannot be used or is too late; nothing is remembered of it then.
        """
        for record in list(self._reader.read(path)):
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
