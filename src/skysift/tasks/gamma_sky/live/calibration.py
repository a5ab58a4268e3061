"""False candidates of empty streams: what the rates of a stream are corrected by."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.live.camera import beside_dead_parts
from skysift.tasks.gamma_sky.live.schedule import WindowLength
from skysift.tasks.gamma_sky.live.trials import clump_share
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["EmptySearches", "count_clumps", "search_empty"]

_SAME_PLACE = 0.15  # deg
_LOOSEST = 0.3  # false candidates per search


@dataclass(frozen=True)
class EmptySearches:
    """Searches of windows of one length that slide over an empty stream.

    Parameters
    ----------
    length : WindowLength
    searches : int
        How many.
    found : array, shape (n, 4)
        Of each candidate: the number of the window, plane coordinates xi and eta [deg], and the
        false candidates per search that are as strong.
    level : tuple of float
        For some false candidates per search, the significance that stands for them.
    """

    length: WindowLength
    searches: int
    found: NDArray[np.float64]
    level: dict[float, float]

    def clumps(self, false_alarms: float) -> int:
        """Return how many clumps there are of candidates that are strong enough."""
        return count_clumps(self.found[self.found[:, 3] <= false_alarms], self.length)

    def expected(self, false_alarms: float) -> float:
        """Return how many the formula says."""
        overlap = self.length.step / self.length.length
        return float(self.searches * false_alarms * clump_share(self.level[false_alarms], overlap))


def count_clumps(found: NDArray[np.float64], length: WindowLength) -> int:
    """Return the number of groups of candidates at one place whose windows share photons."""
    steps = round(length.length / length.step)
    last: list[NDArray[np.float64]] = []
    clumps = 0
    for one in found[np.argsort(found[:, 0], kind="stable")]:
        last = [other for other in last if one[0] - other[0] < steps]
        same = [other for other in last if np.hypot(*(one[1:3] - other[1:3])) < _SAME_PLACE]
        clumps += not same
        last.append(one)
    return clumps


def search_empty(
    length: WindowLength,
    searches: int,
    rng: np.random.Generator,
    trials: TrialsTable,
    levels: Sequence[float] = (0.3, 0.1, 0.03, 0.01),
) -> EmptySearches:
    """Slide a window over an empty stream and search it at each step, as a stream does.

    Parameters
    ----------
    length : WindowLength
    searches : int
        How many windows.
    rng : numpy.random.Generator
        Draws the photons.
    trials : TrialsTable
        Of the bundle.
    levels : sequence of float
        False candidates per search that are asked about later, 0.3 at most.
    """
    reading = ReadOptions()
    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    pointing, grid = Pointing(0.0, 0.0, 20.0), TangentGrid(0.0, 0.0)
    folded = FieldSetup(grid, pointing, edges, length.length).folded()
    search = folded.search(
        trials, SearchSettings(false_alarms=_LOOSEST, fit=False, psf_known=False)
    )
    instrument = FoldedResponse(AnalyticResponse(), edges)
    step = expect(Field(pointing, length.step), instrument, grid, edges).background[folded.bands]
    mean = step[:, search.searched].mean(axis=1).astype(np.float64)
    texture = search.filter.texture(mean)
    found = []
    for number, counts in enumerate(_sliding(step, length, searches, rng)):
        beside, _ = beside_dead_parts(search, counts)
        found += [(number, one.xi, one.eta, one.false_alarms) for one in beside(counts).candidates]
    level = {one: search.trials.level_for(one, area=search.area, texture=texture) for one in levels}
    return EmptySearches(length, searches, np.array(found).reshape(-1, 4), level)


def _sliding(
    step: NDArray[np.float32], length: WindowLength, searches: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Yield the counts of one window after the other."""
    parts: deque[NDArray[np.float32]] = deque()
    total = np.zeros_like(step)
    steps = round(length.length / length.step)
    for _ in range(searches + steps - 1):
        parts.append(draw_counts(step, rng))
        total = total + parts[-1]
        if len(parts) > steps:
            total = total - parts.popleft()
        if len(parts) == steps:
            yield total
