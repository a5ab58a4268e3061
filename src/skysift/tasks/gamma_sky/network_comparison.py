"""The network against the classical search, neither told the response, on fresh simulated fields.

``python -m skysift.tasks.gamma_sky.network_comparison BUNDLE --irf FILE`` prints the table.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.intervals import Interval, mean_interval, wilson_interval
from skysift.evaluate.localisation import (
    detection_efficiency,
    error_quantile,
    poisson_rate,
    threshold_for,
)
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filtered import RatioMap
from skysift.models.sky.network.search import NetworkSearch, centres
from skysift.models.sky.search import SearchResult, SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.methods import NETWORK_POWERS, FieldSetup
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.network_training import NetworkBundle, load_network_bundle
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import Expectation, expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["SCENARIOS", "Comparison", "Exposure", "compare"]

Floats = NDArray[np.float32]

_FOUND = 0.2  # deg
_FALSE_ALARMS = 0.01
_LOOSE = 0.3  # false alarms per field down to which candidates are kept
_PEAK_ONLY = SearchSettings(false_alarms=_LOOSE, most=1, fit=False)
_MOST = 3
_FITTED = SearchSettings(false_alarms=_LOOSE, most=_MOST)
_LEAST = 0.05  # chance of a centre that is looked at
_REACH = 12  # pixels about a centre whose counts are a source's
_FARTHEST = 2.0  # deg


@dataclass(frozen=True, slots=True)
class Exposure:
    """What is observed.

    Parameters
    ----------
    exposure : float [s]
        Of a field.
    fluxes : tuple of float [Crab]
        Of the one source.
    defects : bool
        Whether each field has a dead sector or a star hole, and a gradient.
    """

    exposure: float
    fluxes: tuple[float, ...]
    defects: bool


SCENARIOS = {
    "clean-100": Exposure(100.0, (0.1, 0.3, 1.0), defects=False),
    "defects-100": Exposure(100.0, (0.1, 0.3, 1.0), defects=True),
    "clean-1800": Exposure(1800.0, (0.025, 0.1, 1.0), defects=False),
    "defects-1800": Exposure(1800.0, (0.025, 0.1, 1.0), defects=True),
}
"""Exposures in seconds; the weakest flux is near the threshold of each."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One method in one scenario.

    Parameters
    ----------
    scenario, method : str
        Names.
    flux : float [Crab]
        0 for empty fields.
    numbers : dict of str to Interval
        Of empty fields ``false_alarms``, the share that shows a candidate where one in a hundred
        is stated; else ``efficiency`` at the stated rate, ``efficiency_equal`` at one of 0.01 that
        was measured on the empty fields,
        ``error68`` [deg], ``excess_ratio`` of counts found over counts sent, and
        ``false_candidates`` per field, of the three strongest.
    n : int
        Fields.
    """

    scenario: str
    method: str
    flux: float
    numbers: dict[str, Interval]
    n: int

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        return f"{self.scenario} {self.method} {self.flux:g} Crab (n = {self.n}): {numbers}"


def compare(
    bundle: NetworkBundle,
    classical_trials: TrialsTable,
    response: InstrumentResponse,
    name: str,
    rng: np.random.Generator,
    *,
    maps: int,
    empty_maps: int,
) -> list[Comparison]:
    """Compare the searches in one scenario, on the same fields.

    ``classical`` and ``network`` differ in the background; ``centres`` are those that the network
    names by itself, without a likelihood.

    Parameters
    ----------
    bundle : NetworkBundle
        The network.
    classical_trials : TrialsTable
        Calibration of the classical search.
    response : InstrumentResponse
        What is simulated with; the searches are not told.
    name : str
        One of `SCENARIOS`.
    rng : numpy.random.Generator
        Draws the fields.
    maps, empty_maps : int
        Fields per flux, and without sources.
    """
    scenario = SCENARIOS[name]
    fields = _Fields(scenario, FoldedResponse(response, energy_bands()))

    def searches_with(settings: SearchSettings) -> dict[str, Callable[[Floats], SearchResult]]:
        corrected = fields.search(bundle.trials, settings, NETWORK_POWERS)
        network = NetworkSearch(corrected, bundle.network, livetime=scenario.exposure)
        return {
            "classical": fields.search(classical_trials, settings),
            "network": network,
            "centres": _Centres(network),
        }

    searches = searches_with(_PEAK_ONLY)
    levels: dict[str, Interval] = {}
    rows = []
    empty = {method: _Tally() for method in searches}
    for _ in range(empty_maps):
        expected = fields.draw(rng, 0.0)
        counts = draw_counts(expected.total, rng)
        for method, search in searches.items():
            empty[method].add(search(counts), None)
    for method, tally in empty.items():
        levels[method] = threshold_for(np.array(tally.highest), _FALSE_ALARMS)
        rate = wilson_interval(tally.false_candidates, empty_maps)
        numbers = {"false_alarms": rate, "level": levels[method]}
        rows.append(Comparison(name, method, 0.0, numbers, empty_maps))
    searches = searches_with(_FITTED)
    for flux in scenario.fluxes:
        tallies = {method: _Tally() for method in searches}
        for _ in range(maps):
            expected = fields.draw(rng, flux)
            counts = draw_counts(expected.total, rng)
            for method, search in searches.items():
                tallies[method].add(search(counts), fields.truth(expected))
        rows += [
            Comparison(name, method, flux, tally.numbers(maps, levels[method]), maps)
            for method, tally in tallies.items()
        ]
    return rows


class _Fields:
    """Fields of a scenario, all centred on the grid."""

    def __init__(self, scenario: Exposure, ready: FoldedResponse) -> None:
        self._scenario, self._ready = scenario, ready
        self._pointing = Pointing(0.0, 0.0, 20.0)
        self._grid = TangentGrid(0.0, 0.0)
        self._source = (0.0, 0.0)

    def search(self, trials: TrialsTable, settings: SearchSettings, powers: int = 4) -> SkySearch:
        setup = FieldSetup(self._grid, self._pointing, energy_bands(), self._scenario.exposure)
        return setup.folded().search(trials, settings, powers=powers)

    def draw(self, rng: np.random.Generator, flux: float) -> Expectation:
        """Draw a field with one source, or none of no flux."""
        share = 0.6 if self._scenario.defects else 0.0
        distribution = FieldDistribution(
            sources=(0, 0), dead_sector_share=share, star_hole_share=share
        )
        drawn = draw_field(rng, distribution)
        while self._scenario.defects and not drawn.has_defects:
            drawn = draw_field(rng, distribution)
        offset, angle = _FARTHEST * np.sqrt(rng.random()), rng.uniform(0.0, 2 * np.pi)
        self._source = (float(offset * np.sin(angle)), float(offset * np.cos(angle)))
        ra, dec = self._grid.from_plane(*self._source)
        source = Source(float(ra), float(dec), flux=flux, spectrum=crab_power_law())
        field = Field(
            self._pointing,
            self._scenario.exposure,
            (source,) if flux > 0 else (),
            background_scale=drawn.background_scale,
            gradient=drawn.gradient if self._scenario.defects else (0.0, 0.0),
            dead_sectors=drawn.dead_sectors,
            star_holes=drawn.star_holes,
        )
        return expect(field, self._ready, self._grid)

    def truth(self, expected: Expectation) -> tuple[float, float, float]:
        """Return plane position [deg] and counts of the source that was drawn last."""
        return (*self._source, float(expected.sources.sum(dtype=np.float64)))


class _Centres:
    """The centres that the network names by itself; their chance of being false is its own."""

    def __init__(self, search: NetworkSearch) -> None:
        self._search = search

    def __call__(self, counts: Floats) -> SearchResult:
        search = self._search
        fit = search.background.fit(counts)
        candidates = []
        for chance, x, y, variance in centres(fit.output, _LEAST):
            xi, eta = (float(value) for value in search.grid.pixel_to_plane(x, y))
            if search.offset_of(xi, eta) > search.settings.radius:
                continue
            row, column = search.places.pixel(np.array([xi]), np.array([eta]))
            window = fit.output.source[
                :,
                max(row[0] - _REACH, 0) : row[0] + _REACH + 1,
                max(column[0] - _REACH, 0) : column[0] + _REACH + 1,
            ]
            false = float(max(1 - chance, 1e-12))
            candidates.append(
                Candidate(
                    xi,
                    eta,
                    np.eye(2) * variance * search.grid.pixel_size**2,
                    float(window.sum()),
                    float("nan"),
                    float("nan"),
                    false,
                    false,
                    window.sum(axis=(1, 2)),
                )
            )
        return SearchResult(tuple(candidates[:_MOST]), fit, _LEAST, RatioMap(counts[0]))


class _Tally:
    """What one method found."""

    def __init__(self) -> None:
        self.highest: list[float] = []
        self.false_candidates = 0
        self._matched: list[float] = []
        self._stated: list[float] = []
        self._away: list[float] = []
        self._ratio: list[float] = []

    def add(self, result: SearchResult, truth: tuple[float, float, float] | None) -> None:
        scores = [float(norm.isf(one.p_value)) for one in result.candidates]
        self.highest.append(max(scores, default=-np.inf))
        strong = [one.false_alarms < _FALSE_ALARMS for one in result.candidates]
        if truth is None:
            self.false_candidates += sum(strong)
            return
        xi, eta, sent = truth
        away = [float(np.hypot(one.xi - xi, one.eta - eta)) for one in result.candidates]
        self.false_candidates += sum(
            good and distance >= _FOUND for good, distance in zip(strong, away, strict=True)
        )
        near = int(np.argmin(away)) if away else -1
        if near < 0 or away[near] >= _FOUND:
            self._matched.append(-np.inf)
            self._stated.append(0.0)
            return
        self._matched.append(scores[near])
        self._stated.append(float(strong[near]))
        if strong[near]:
            self._away.append(away[near])
            self._ratio.append(result.candidates[near].excess / max(sent, 1e-9))

    def numbers(self, n: int, level: Interval) -> dict[str, Interval]:
        found = int(sum(self._stated))
        numbers = {
            "efficiency": wilson_interval(found, n),
            "efficiency_equal": detection_efficiency(np.array(self._matched), level),
            "false_candidates": poisson_rate(self.false_candidates, n),
        }
        if found > 1:
            numbers["error68"] = error_quantile(np.array(self._away))
            numbers["excess_ratio"] = mean_interval(np.array(self._ratio))
        return numbers


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the network with the classical search."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the network")
    parser.add_argument("--classical", type=Path, help="folder of the classical calibration")
    parser.add_argument("--irf", type=Path, help="GADF response to simulate with")
    parser.add_argument("--array", default="north", help="without a file: a name of ARRAYS")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--maps", type=int, default=400)
    parser.add_argument("--empty-maps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args(arguments)
    bundle = load_network_bundle(given.bundle)
    folder = given.classical or Path(str(files("skysift.tasks.gamma_sky"))) / "bundles" / "default"
    classical = load_bundle(folder).trials
    response = (
        AnalyticResponse(array=given.array) if given.irf is None else GadfResponse.read(given.irf)
    )
    for name in given.scenario or SCENARIOS:
        for row in compare(
            bundle,
            classical,
            response,
            name,
            np.random.default_rng([given.seed, list(SCENARIOS).index(name)]),
            maps=given.maps,
            empty_maps=given.empty_maps,
        ):
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
