"""Sliding windows for the service: one file after the other, with a memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.live.records import RecordReader, SkyRecord
from skysift.tasks.gamma_sky.live.stream import WindowStream
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
        self._taken: list[SkyRecord] = []

    def __call__(self, path: Path, /) -> Iterator[pa.Table]:
        """Yield the windows, candidates and bins that a file completes or changes.

        Raises
        ------
        InputError
            If the file cannot be used or is too late; nothing is remembered of it then.
        """
        for record in list(self._reader.read(path)):
            yield from self._stream.take(record).tables()
            self._taken.append(record)

    def described(self) -> dict[str, NDArray[np.float64]]:
        """Return the rate of photons of each record [1/s], and log10 of each energy [TeV].

        Of the records since the last call.
        """
        taken, self._taken = self._taken, []
        spans = [(len(record.events), record.events.livetime) for record in taken]
        energies = [np.log10(record.events.energy) for record in taken]
        return {
            "rate": np.array([photons / span for photons, span in spans if span > 0]),
            "log10_energy": np.concatenate([np.empty(0), *energies]),
        }

    def recall(self, path: Path, /) -> bool:
        """Take up a file that was answered before a restart; tell whether older ones matter."""
        older = [self._stream.recall(record) for record in self._reader.read(path)]
        return all(older)
