"""A simulated night as a stream of small files: what a live service can be tried on.

Steady sources, a flare, a step in the rate of cosmic rays, a sector of the camera that goes dead
and a file that cannot be read; all from the analytic response, nothing from outside.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skysift.core.errors import UsageError
from skysift.core.files import write_atomic
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import encode_events
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = ["START", "Flare", "Night", "NightChunk", "night_chunks", "night_events", "write_night"]

START = 788_918_400.0
"""Beginning [s] after the GADF reference if none is given: 2026-01-01, a border of all windows."""

_POINTING = Pointing(83.6, 22.0, 20.0)
_UNREADABLE = 0.6  # of a file: where the one that cannot be read is cut off


@dataclass(frozen=True, slots=True)
class Flare:
    """A source that comes and goes.

    Parameters
    ----------
    ra, dec : float [deg]
    peak : float [Crab]
        Its highest flux.
    start : float [s]
        After the beginning of the night.
    rise, decay : float [s]
        It grows linearly, then falls as an exponential and is gone after five decay times.
    """

    ra: float
    dec: float
    peak: float = 6.0
    start: float = 25.0
    rise: float = 3.0
    decay: float = 8.0

    def flux(self, time: float) -> float:
        """Return the flux [Crab] at a time [s] after the beginning of the night.

        Examples
        --------
        >>> flare = Flare(0.0, 0.0, peak=4.0, start=10.0, rise=2.0, decay=5.0)
        >>> [round(flare.flux(time), 2) for time in (9.0, 11.0, 12.0, 17.0, 60.0)]
        [0.0, 2.0, 4.0, 1.47, 0.0]
        """
        since = time - self.start
        if not 0 < since < self.rise + 5 * self.decay:
            return 0.0
        if since < self.rise:
            return self.peak * since / self.rise
        return self.peak * math.exp(-(since - self.rise) / self.decay)


@dataclass(frozen=True, slots=True)
class Night:
    """What happens in a night; times in seconds after its beginning.

    Parameters
    ----------
    pointing : Pointing
    steady : tuple of Source
        Sources that do not change.
    flares : tuple of Flare
    rate : float
        Background over that of the analytic response.
    step : tuple of float, or None
        Time and factor of a step in the rate of cosmic rays.
    dead : tuple of (float, DeadSector), or None
        From when on which part of the camera sees nothing.
    unreadable : tuple of int
        Numbers of chunks whose file is cut off.
    """

    pointing: Pointing = _POINTING
    steady: tuple[Source, ...] = (
        Source(83.63, 22.51, flux=1.0, spectrum=crab_power_law()),
        Source(84.40, 21.20, flux=0.5, spectrum=crab_power_law()),
    )
    flares: tuple[Flare, ...] = (Flare(82.90, 21.75),)
    rate: float = 1.0
    step: tuple[float, float] | None = (90.0, 1.5)
    dead: tuple[float, DeadSector] | None = (150.0, DeadSector(120.0, 60.0, inner=0.3))
    unreadable: tuple[int, ...] = (45,)

    def quiet(self) -> "Night":
        """Return the same night without anything in it but cosmic rays."""
        return replace(self, steady=(), flares=(), step=None, dead=None, unreadable=())

    def field(self, begin: float, exposure: float) -> Field:
        """Return what is seen in a short time [s] from `begin` on."""
        middle = begin + exposure / 2
        flaring = [(flare, flare.flux(middle)) for flare in self.flares]
        factor = self.step[1] if self.step is not None and middle >= self.step[0] else 1.0
        return Field(
            self.pointing,
            exposure,
            (
                *self.steady,
                *(
                    Source(flare.ra, flare.dec, flux=flux, spectrum=crab_power_law())
                    for flare, flux in flaring
                    if flux > 0
                ),
            ),
            background_scale=self.rate * factor,
            dead_sectors=(self.dead[1],) if self.dead and middle >= self.dead[0] else (),
        )


class NightChunk(NamedTuple):
    """A file of the stream.

    Parameters
    ----------
    due : float [s]
        When it is complete, after the beginning of the night.
    name : str
        Of the file.
    data : bytes
        Its content.
    """

    due: float
    name: str
    data: bytes


def night_events(
    rng: np.random.Generator,
    *,
    seconds: float = 600.0,
    chunk: float = 1.0,
    night: Night | None = None,
    start: float = START,
) -> Iterator[EventList]:
    """Yield the events of a night, chunk by chunk.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the photons.
    seconds : float [s]
        Length of the night.
    chunk : float [s]
        Length of a chunk; the last one may be shorter.
    night : Night, optional
        What happens.
    start : float [s]
        Beginning, after the GADF reference.

    Raises
    ------
    UsageError
        If a length is not positive.
    """
    if not (0 < chunk <= seconds < math.inf):
        raise UsageError(
            f"A night of {seconds} s cannot come in chunks of {chunk} s.",
            "Give a chunk above 0 s that is no longer than the night.",
        )
    plan = night or Night()
    reading = ReadOptions()
    response = AnalyticResponse(zenith=plan.pointing.zenith)
    for number in range(math.ceil(seconds / chunk - 1e-9)):
        begin = number * chunk
        yield simulate_events(
            plan.field(begin, min(chunk, seconds - begin)),
            response,
            rng,
            energy_range=(reading.emin, reading.emax),
            start=start + begin,
            name="1",
        )


def night_chunks(
    rng: np.random.Generator,
    *,
    seconds: float = 600.0,
    chunk: float = 1.0,
    night: Night | None = None,
    start: float = START,
) -> Iterator[NightChunk]:
    """Yield the files of a night in the order of their times; parameters as of `night_events`.

    It does not wait: who plays the night in real time, or at any other speed, waits until a chunk
    is due.
    """
    plan = night or Night()
    events = night_events(rng, seconds=seconds, chunk=chunk, night=plan, start=start)
    for number, part in enumerate(events):
        data = encode_events(part)
        if number in plan.unreadable:
            data = data[: int(_UNREADABLE * len(data))]
        yield NightChunk(min((number + 1) * chunk, seconds), f"chunk-{number:06}.fits", data)


def write_night(
    folder: Path,
    rng: np.random.Generator,
    *,
    seconds: float = 600.0,
    chunk: float = 1.0,
    night: Night | None = None,
    start: float = START,
) -> list[Path]:
    """Write all files of a night into a folder, each by an atomic rename, and return their paths.

    Parameters are those of `night_events`.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part in night_chunks(rng, seconds=seconds, chunk=chunk, night=night, start=start):
        write_atomic(folder / part.name, part.data)
        paths.append(folder / part.name)
    return paths
