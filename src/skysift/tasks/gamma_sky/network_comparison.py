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
from skysift.evaluate.ellipse import ellipse_scale
from skysift.evaluate.intervals import Interval, mean_interval, wilson_interval
from skysift.evaluate.localisation import (
    detection_efficiency,
    error_quantile,
    poisson_rate,
    threshold_for,
)
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.filtered import RatioMap
from skysift.models.sky.network.centres import CentreSearch
from skysift.models.sky.network.search import NetworkSearch
from skysift.models.sky.search import SearchResult, SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.preprocess.sky_background import FROM_THE_MAP, BackgroundPrior
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.network_bundle import NetworkBundle, load_network_bundle
from skysift.tasks.gamma_sky.options import CENTRES, NETWORK
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import Expectation, expect
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["METHODS", "SCENARIOS", "Comparison", "Exposure", "compare"]

Floats = NDArray[np.float32]
Search = Callable[[Floats], SearchResult]

_FOUND = 0.2  # deg
_FALSE_ALARMS = 0.01
_LOOSE = 0.3  # false alarms per field down to which candidates are kept
_PEAK_ONLY = SearchSettings(false_alarms=_LOOSE, most=1, fit=False)
_MOST = 3
_FITTED = SearchSettings(false_alarms=_LOOSE, most=_MOST)
_FARTHEST = 2.0  # deg
_NEAR = 0.1  # deg: what two sources are to be found within
_CONTAINED = (0.68, 0.95)


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
    apart : float [deg]
        Of a second source of the same flux; 0 for one source.
    """

    exposure: float
    fluxes: tuple[float, ...]
    defects: bool
    apart: float = 0.0


SCENARIOS = {
    "clean-100": Exposure(100.0, (0.1, 0.3, 1.0), defects=False),
    "defects-100": Exposure(100.0, (0.1, 0.3, 1.0), defects=True),
    "clean-1800": Exposure(1800.0, (0.025, 0.1, 1.0), defects=False),
    "defects-1800": Exposure(1800.0, (0.025, 0.1, 1.0), defects=True),
    "pairs-100": Exposure(100.0, (1.0,), defects=False, apart=0.3),
}
"""Exposures in seconds; the weakest flux is near the threshold of each."""


METHODS = ("classical", NETWORK, "centres", CENTRES)
"""What is compared."""


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
        ``error68`` [deg], ``coverage68`` and ``coverage95`` of the ellipses, ``excess_ratio`` of
        counts found over counts sent, and ``false_candidates`` per field, of the three strongest.
        Of two sources, ``both``: each has a candidate of its own within 0.1 deg.
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
    methods: Sequence[str] = METHODS,
) -> list[Comparison]:
    """Compare the searches in one scenario, on the same fields.

    ``classical`` and ``network`` differ in the background; ``centres`` are those that the network
    names by itself, without a likelihood, and ``network-centres`` the same after it.

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
        Fields per flux, and without sources; of two sources no empty ones are needed.
    methods : sequence of str
        Some of `METHODS`; the fields do not depend on them.
    """
    scenario = SCENARIOS[name]
    fields = _Fields(scenario, FoldedResponse(response, energy_bands()))

    def searches_with(settings: SearchSettings) -> dict[str, Search]:
        corrected = fields.search(bundle.trials, settings, NETWORK_PRIOR)
        network = NetworkSearch(corrected, bundle.network, livetime=scenario.exposure)
        # Its significances are those of the places that a fit led to, also on empty fields.
        tested = fields.search(bundle.centre_trials or NO_TRIALS, _FITTED, NETWORK_PRIOR)
        by_centres = CentreSearch(tested, bundle.network, livetime=scenario.exposure)
        known: tuple[Search, ...] = (
            fields.search(classical_trials, settings),
            network,
            _Centres(by_centres),
            by_centres,
        )
        return {name: one for name, one in zip(METHODS, known, strict=True) if name in methods}

    levels: dict[str, Interval] = {}
    rows = []
    if not scenario.apart:
        rows = _on_empty(fields, searches_with(_PEAK_ONLY), rng, empty_maps, name)
        levels = {row.method: row.numbers["level"] for row in rows}
    searches = searches_with(_FITTED)
    for flux in scenario.fluxes:
        tallies = {method: _Tally() for method in searches}
        for _ in range(maps):
            expected = fields.draw(rng, flux)
            counts = draw_counts(expected.total, rng)
            for method, search in searches.items():
                tallies[method].add(search(counts), fields.truth(expected))
        for method, tally in tallies.items():
            found = tally.pairs(maps) if scenario.apart else tally.numbers(maps, levels[method])
            rows.append(Comparison(name, method, flux, found, maps))
    return rows


def _on_empty(
    fields: "_Fields", searches: dict[str, Search], rng: np.random.Generator, n: int, name: str
) -> list[Comparison]:
    """Return what the searches show on fields without sources."""
    empty = {method: _Tally() for method in searches}
    for _ in range(n):
        counts = draw_counts(fields.draw(rng, 0.0).total, rng)
        for method, search in searches.items():
            empty[method].add(search(counts), None)
    rows = []
    for method, tally in empty.items():
        level = threshold_for(np.array(tally.highest), _FALSE_ALARMS)
        rate = wilson_interval(tally.false_fields, n)
        rows.append(Comparison(name, method, 0.0, {"false_alarms": rate, "level": level}, n))
    return rows


class _Fields:
    """Fields of a scenario, all centred on the grid."""

    def __init__(self, scenario: Exposure, ready: FoldedResponse) -> None:
        self._scenario, self._ready = scenario, ready
        self._pointing = Pointing(0.0, 0.0, 20.0)
        self._grid = TangentGrid(0.0, 0.0)
        self._sources: list[tuple[float, float]] = []

    def search(
        self,
        trials: TrialsTable,
        settings: SearchSettings,
        untold: BackgroundPrior = FROM_THE_MAP,
    ) -> SkySearch:
        setup = FieldSetup(self._grid, self._pointing, energy_bands(), self._scenario.exposure)
        return setup.folded().search(trials, settings, untold=untold)

    def draw(self, rng: np.random.Generator, flux: float) -> Expectation:
        """Draw a field with its source or sources, or none of no flux."""
        share = 0.6 if self._scenario.defects else 0.0
        distribution = FieldDistribution(
            sources=(0, 0), dead_sector_share=share, star_hole_share=share
        )
        drawn = draw_field(rng, distribution)
        while self._scenario.defects and not drawn.has_defects:
            drawn = draw_field(rng, distribution)
        offset, angle = _FARTHEST * np.sqrt(rng.random()), rng.uniform(0.0, 2 * np.pi)
        places = [(float(offset * np.sin(angle)), float(offset * np.cos(angle)))]
        if self._scenario.apart:
            turn = rng.uniform(0.0, 2 * np.pi)
            step = self._scenario.apart * np.array([np.sin(turn), np.cos(turn)])
            places.append((places[0][0] + float(step[0]), places[0][1] + float(step[1])))
        self._sources = places
        sources = []
        for place in places:
            ra, dec = self._grid.from_plane(*place)
            sources.append(Source(float(ra), float(dec), flux=flux, spectrum=crab_power_law()))
        field = Field(
            self._pointing,
            self._scenario.exposure,
            tuple(sources) if flux > 0 else (),
            background_scale=drawn.background_scale,
            gradient=drawn.gradient if self._scenario.defects else (0.0, 0.0),
            dead_sectors=drawn.dead_sectors,
            star_holes=drawn.star_holes,
        )
        return expect(field, self._ready, self._grid)

    def truth(self, expected: Expectation) -> list[tuple[float, float, float]]:
        """Return plane position [deg] and counts of the sources that were drawn last."""
        sent = float(expected.sources.sum(dtype=np.float64)) / len(self._sources)
        return [(*place, sent) for place in self._sources]


class _Centres:
    """The centres that the network names by itself; their chance of being false is its own."""

    def __init__(self, search: CentreSearch) -> None:
        self._search = search

    def __call__(self, counts: Floats) -> SearchResult:
        fit = self._search.background.fit(counts)
        named = self._search.named(fit)
        candidates = []
        for number in range(min(len(named), _MOST)):
            xi, eta = named.place[number].tolist()
            false = float(max(1 - named.chance[number], 1e-12))
            candidates.append(
                Candidate(
                    xi,
                    eta,
                    named.covariance[number],
                    float(named.counts[number].sum()),
                    float("nan"),
                    float("nan"),
                    false,
                    false,
                    named.counts[number],
                )
            )
        return SearchResult(tuple(candidates), fit, 0.0, RatioMap(counts[0]))


class _Tally:
    """What one method found."""

    def __init__(self) -> None:
        self.highest: list[float] = []
        self.false_candidates = self.false_fields = 0
        self._both = 0
        self._matched: list[float] = []
        self._stated: list[float] = []
        self._away: list[float] = []
        self._sigmas: list[float] = []
        self._ratio: list[float] = []

    def add(self, result: SearchResult, truth: Sequence[tuple[float, float, float]] | None) -> None:
        scores = [float(norm.isf(one.p_value)) for one in result.candidates]
        self.highest.append(max(scores, default=-np.inf))
        strong = [one.false_alarms < _FALSE_ALARMS for one in result.candidates]
        if truth is None:
            self.false_candidates += sum(strong)
            self.false_fields += any(strong)
            return
        # Of each candidate its distances from the sources.
        away = np.array(
            [[np.hypot(c.xi - xi, c.eta - eta) for xi, eta, _ in truth] for c in result.candidates]
        ).reshape(-1, len(truth))
        good = np.array(strong, dtype=np.bool_)
        self.false_candidates += int((good & (away >= _FOUND).all(axis=1)).sum())
        self._both += bool((good[:, None] & (away < _NEAR)).any(axis=0).all())
        near = int(np.argmin(away[:, 0])) if len(away) else -1
        if near < 0 or away[near, 0] >= _FOUND:
            self._matched.append(-np.inf)
            self._stated.append(0.0)
            return
        self._matched.append(scores[near])
        self._stated.append(float(strong[near]))
        if strong[near]:
            self._describe(result.candidates[near], truth[0])

    def _describe(self, found: Candidate, truth: tuple[float, float, float]) -> None:
        xi, eta, sent = truth
        off = np.array([found.xi - xi, found.eta - eta])
        self._away.append(float(np.hypot(*off)))
        self._sigmas.append(float(np.sqrt(off @ np.linalg.solve(found.covariance, off))))
        self._ratio.append(found.excess / max(sent, 1e-9))

    def numbers(self, n: int, level: Interval) -> dict[str, Interval]:
        found = int(sum(self._stated))
        numbers = {
            "efficiency": wilson_interval(found, n),
            "efficiency_equal": detection_efficiency(np.array(self._matched), level),
            "false_candidates": poisson_rate(self.false_candidates, n),
        }
        if found > 1:
            numbers["error68"] = error_quantile(np.array(self._away))
            for share in _CONTAINED:
                inside = int(np.sum(np.array(self._sigmas) < ellipse_scale(share)))
                numbers[f"coverage{100 * share:.0f}"] = wilson_interval(inside, found)
            numbers["excess_ratio"] = mean_interval(np.array(self._ratio))
        return numbers

    def pairs(self, n: int) -> dict[str, Interval]:
        return {
            "both": wilson_interval(self._both, n),
            "false_candidates": poisson_rate(self.false_candidates, n),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the network with the classical search."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the network")
    parser.add_argument("--classical", type=Path, help="folder of the classical calibration")
    parser.add_argument("--irf", type=Path, help="GADF response to simulate with")
    parser.add_argument("--array", default="north", help="without a file: a name of ARRAYS")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    parser.add_argument("--method", choices=METHODS, action="append")
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
            methods=given.method or METHODS,
        ):
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
