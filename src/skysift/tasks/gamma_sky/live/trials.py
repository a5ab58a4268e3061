"""The rate of false sources when windows of many lengths are searched again and again.

A search yields E false candidates as strong as one at hand. Of a window of length T that moves by
steps s there are 1 / s searches a second, but those that overlap see the same photons: the strong
false candidates come in clumps. For sums over a sliding window the share of those that begin a new
clump is

    theta = d z^2 nu(z sqrt(2 d)),  d = s / T,

    nu(x) = (2 / x) (Phi(x / 2) - 1 / 2) / ((x / 2) Phi(x / 2) + phi(x / 2))

(Siegmund & Yakir 2007, The Statistics of Gene Mapping, eq. 5.6 for nu; the rate of clumps is that
of the maxima of a field with the correlation 1 - |t| / T in time). theta goes to 1 where d z^2 is
large. What the search of photons departs from it by is a factor that is measured on empty simulated
streams, for each length; `trials.json` keeps it, with the command and the seed. Several lengths are
searched at once, each with the same share of the false alarms: rates are multiplied by their
number. Lengths see the same photons as well, so that this is a little too much, never too little.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.special import ndtr

from skysift.core.config import Config, build_config
from skysift.core.errors import BundleError
from skysift.tasks.gamma_sky.live.schedule import WindowLength

__all__ = ["LiveTrials", "MeasuredLength", "TrialsRecord", "clump_share", "measured_trials"]

FloatArray = NDArray[np.float64]

_FILE = Path(__file__).with_name("trials.json")
_HOUR = 3600.0


class MeasuredLength(Config):
    """What was measured of one length.

    Parameters
    ----------
    length, step : float [s]
    searches : int
        Of empty windows.
    level : float
        Expected number of false candidates per search above which they were counted.
    found, expected : float
        Clumps of false candidates, and how many the formula says.
    factor : float
        What the formula is multiplied by: the upper bound of the ratio at one standard deviation,
        at the level where it is highest.
    """

    length: float = Field(gt=0)
    step: float = Field(gt=0)
    searches: int = Field(ge=1)
    level: float = Field(gt=0)
    found: int = Field(ge=1)
    expected: float = Field(gt=0)
    factor: float = Field(gt=0, lt=100)


class TrialsRecord(Config):
    """The file of measured factors."""

    command: str
    seed: int
    lengths: tuple[MeasuredLength, ...] = Field(min_length=1)


@lru_cache(maxsize=1)
def measured_trials() -> TrialsRecord:
    """Return the factors that come with the package.

    Raises
    ------
    BundleError
        If the file is damaged.
    """
    try:
        values: Any = json.loads(_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The trials of sliding windows cannot be read: {error}.",
            "Install skysift again.",
            path=_FILE,
        ) from error
    return build_config(TrialsRecord, values, path=_FILE)


def clump_share(significance: ArrayLike, overlap: float) -> FloatArray:
    """Return which share of false candidates begins a clump.

    Parameters
    ----------
    significance : array_like
        z of the candidates.
    overlap : float
        Step over length, above 0; 1 where windows do not overlap.

    Examples
    --------
    >>> clump_share([4.0, 5.0], 0.05).round(2).tolist(), clump_share(5.0, 1.0).round(2).item()
    ([0.38, 0.49], 1.0)
    """
    z = np.maximum(np.asarray(significance, dtype=np.float64), 1.0)
    if overlap >= 1:
        return np.ones_like(z)
    half = z * np.sqrt(2 * overlap) / 2
    density = np.exp(-(half**2) / 2) / np.sqrt(2 * np.pi)
    nu = (ndtr(half) - 0.5) / half / (half * ndtr(half) + density)
    return np.asarray(np.minimum(overlap * z**2 * nu, 1.0))


@dataclass(frozen=True)
class LiveTrials:
    """False-alarm rates of searches of several lengths at once.

    Parameters
    ----------
    lengths : tuple of WindowLength
        All that are searched.
    record : TrialsRecord
        What was measured.
    """

    lengths: tuple[WindowLength, ...]
    record: TrialsRecord

    def factor(self, length: WindowLength) -> float:
        """Return the measured factor of a length, the larger of its neighbours' between two."""
        known = sorted(self.record.lengths, key=lambda one: one.length)
        above = [one.factor for one in known if one.length >= length.length][:1]
        below = [one.factor for one in known if one.length <= length.length][-1:]
        return max(above + below)

    def rate(
        self, false_alarms: ArrayLike, significance: ArrayLike, length: WindowLength
    ) -> FloatArray:
        """Return the rate [Hz] of false sources at least as strong, in windows of all lengths.

        Parameters
        ----------
        false_alarms : array_like, shape (n,)
            Expected number in one search.
        significance : array_like, shape (n,)
            Before trials.
        length : WindowLength
            Of the windows that they were found in.
        """
        one = np.asarray(false_alarms, dtype=np.float64) / length.step
        clumps = clump_share(significance, length.step / length.length)
        return np.asarray(len(self.lengths) * self.factor(length) * clumps * one)

    def allowed(self, per_hour: float, length: WindowLength) -> float:
        """Return how many false candidates a search may have for some per hour of all searches.

        The clumping is left out, as it depends on the strength: a candidate's own rate decides.
        """
        factor = max(self.factor(length), 1.0)
        return per_hour / _HOUR * length.step / (len(self.lengths) * factor)
