"""The methods that are compared: ours with and without a response, and gammapy's.

Thresholds of the studies come from empty maps: the methods get the formula of the trials as it is,
`NO_TRIALS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult, SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import Contestant
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.gammapy_method import GammapyMethod
from skysift.tasks.gamma_sky.methods import CLASSICAL, Method, make_method
from skysift.tasks.gamma_sky.options import PUBLISHED

__all__ = [
    "FREE",
    "GAMMAPY",
    "KNOWN",
    "NO_TRIALS",
    "classical_contestants",
    "gammapy_contestant",
    "main_contestants",
]

KNOWN = "likelihood-ratio"
"""The default search, told the response."""
FREE = "likelihood-ratio, IRF-free"
"""The same without a response."""
GAMMAPY = "gammapy"

_LOOSE = SearchSettings(false_alarms=0.5, most=3)
_LOW_PEAK = 3.0
_PEAK, _SMOOTHED = "-peak", "smoothed-maximum"


def classical_contestants(
    setup: FieldSetup,
    trials: TrialsTable = NO_TRIALS,
    settings: SearchSettings = _LOOSE,
    names: Sequence[str] = CLASSICAL,
    networks: Path | None = None,
    *,
    device: str = "cpu",
) -> list[Contestant]:
    """Return methods with the response of a setup and without it.

    Those that answer with a peak get no photons, which would be fitted.

    Parameters
    ----------
    setup : FieldSetup
        With a response.
    trials : TrialsTable
        For their thresholds.
    settings : SearchSettings
        With a threshold that is low enough for most maps to have a candidate, for studies that
        set their own.
    names : sequence of str
        Which of `CLASSICAL`, of `PUBLISHED`, `NETWORK` or `CENTRES`.
    networks : Path, optional
        Bundle of networks for the last three; those that ship if left out.
    device : {"cpu", "cuda"}
        Where networks run.
    """
    free = replace(setup, response=None)
    asked = partial(make_method, trials=trials, settings=settings, networks=networks, device=device)
    found = []
    for name in names:
        if name in PUBLISHED:  # a network is told no response
            placed = asked(name, free)
            found.append(Contestant(name, placed, states_errors=False))
            continue
        known = _as_told(name, asked(name, setup))
        found.append(Contestant(name, known, name != _SMOOTHED))
        if name != _SMOOTHED:  # which needs no response anyway
            without = _as_told(name, asked(name, free))
            found.append(Contestant(f"{name}, IRF-free", without))
    return found


def _as_told(name: str, method: Method) -> Method:
    return _PixelsOnly(method) if name.endswith(_PEAK) else method


@dataclass(frozen=True)
class _PixelsOnly:
    """A method that sees counts alone."""

    method: Method

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        del photons
        return self.method(counts)


def main_contestants(
    setup: FieldSetup, trials: TrialsTable = NO_TRIALS, settings: SearchSettings = _LOOSE
) -> list[Contestant]:
    """Return the default search with the response of a setup and without it."""
    return classical_contestants(setup, trials, settings, (KNOWN,))


def gammapy_contestant(
    setup: FieldSetup, response: Path | None, radius: float = _LOOSE.radius
) -> Contestant | None:
    """Return gammapy's blind search, None where it is not installed or there is no file."""
    if response is None or find_spec("gammapy") is None:
        return None
    frame = CountsMap(
        np.zeros((len(setup.energy_edges) - 1, *setup.grid.shape), dtype=np.float32),
        setup.energy_edges,
        setup.grid,
        GoodTimeIntervals.of([(0.0, setup.livetime)]),
        setup.livetime,
        setup.pointing,
    )
    method = GammapyMethod(frame, response, threshold=_LOW_PEAK, radius=radius)
    return Contestant(GAMMAPY, method, states_errors=False)
