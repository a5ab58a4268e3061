"""How fast a field is searched: photons in memory to candidates, beside gammapy, in turns.

    SKYSIFT_MIRROR=DIR python benchmarks/gamma_sky.py --out runs/bench/gamma_sky.json

Every field is 100 s of a source of 0.3 Crab at an offset up to 2 deg, 200 x 200 pixels of 0.025 deg
and six bands from 0.04 to 1 TeV, simulated with the prod5 North response of the CTA Observatory
where the mirror has it. All methods search the same field before the next one is drawn, in one
process with one thread. Wall time suffers from other work on the machine; the processor time of the
thread suffers less, and is given beside it.

Inside the clock: projection and binning of the photons, the fit of the background, the filter, the
peaks and, where there is one, the fit. What belongs to the instrument, the grid and the exposure is
made once for all fields of the same kind, and stands apart as setup: folded rates, kernels and
their transforms, tables of the tails. Images of a source at an offset are kept from their first use
on. The first fields are not counted, and no method reads a file within the clock.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import measure
from page import markdown, replace_between
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.counts_map import bin_events
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method, make_method
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events
from skysift.tasks.gamma_sky.reference import (
    Background,
    GammapySearch,
    ReducedPart,
    read_response,
)
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
EXPOSURE, FLUX, LARGEST_OFFSET = 100.0, 0.3, 2.0  # s, Crab, deg
FOUND = 0.2  # deg
WARM_UP = 3
FILTER, FITTED, KNOWN = "filter, no response", "fit, no response", "fit, response"
TABLE = "fit, no response, as a table"
SEARCH, BACKGROUND, REDUCTION = "gammapy", "gammapy + background", "gammapy + full reduction"
OURS = (FILTER, FITTED, KNOWN, TABLE)
TARGETS = {FILTER: 5.0, FITTED: 10.0, KNOWN: 10.0}
MARKS = ("<!-- sky tables -->", "<!-- end of sky tables -->")
SECTION = f"""
## Search of a field of gamma rays

`benchmarks/gamma_sky.py` times the way from photons in memory to candidates with error ellipses,
beside gammapy's `ExcessMapEstimator` and `find_peaks` on the same fields, in turns, with one
thread: with its response maps already there, with the background reduced for each field, and with
all that `MapDatasetMaker` makes. *Wall* times hold what else the machine did meanwhile; *processor*
times are those of the thread alone. Photons are projected, binned and searched within the clock;
*setup* is the processor time of what is made once for all fields of the same instrument, pixels,
energies and exposure.

{MARKS[0]}

{MARKS[1]}
"""

Position = tuple[float, float]
Call = Callable[[], Sequence[Position]]
"""Searches a field; returns plane positions, the best first."""


@dataclass
class Timed:
    """What one method did.

    Parameters
    ----------
    wall, processor : list of float [s]
        Of each field.
    away : list of float [deg]
        From the truth to the first candidate; infinite without one.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    away: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return medians and 99th percentiles in ms, and how good the answers are."""
        away = np.array(self.away)
        near = away[away < FOUND]
        return {
            "fields": len(self.wall),
            "wall_ms": 1e3 * float(np.median(self.wall)),
            "wall_p99_ms": 1e3 * float(np.quantile(self.wall, 0.99)),
            "processor_ms": 1e3 * float(np.median(self.processor)),
            "processor_p99_ms": 1e3 * float(np.quantile(self.processor, 0.99)),
            "fastest_ms": 1e3 * min(self.wall),
            "found": len(near) / len(away),
            "error68_deg": float(np.quantile(near, 0.68)) if len(near) else float("nan"),
        }


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--docs", type=Path, help="Markdown page whose section is to be replaced")
    parser.add_argument("--fields", type=int, default=200, help="fields to search")
    parser.add_argument("--reductions", type=int, default=10, help="reduce at each so many fields")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console(width=150)
    provenance = Provenance.start(command="benchmarks/gamma_sky.py")
    machine = f"{provenance.cpu}, {provenance.cores} cores, Python {provenance.python}"
    console.print(machine)
    found = measure.in_own_process(
        _measure, arguments.fields, arguments.reductions, arguments.seed, threads=1
    )
    console.print(found["instrument"], style="dim")
    tables = [_table(found["methods"]), _ratio_table(found["methods"])]
    console.print(*tables)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        facts = {"machine": provenance.finish().to_dict(), **found}
        write_atomic(arguments.out, json.dumps(facts, indent=1) + "\n")
        console.print(f"written to {arguments.out}")
    if arguments.docs is not None:
        parts = [f"{machine}. {found['instrument']}", *map(markdown, tables)]
        replace_between(arguments.docs, MARKS, parts, section=SECTION)


def _measure(n_fields: int, reductions: int, seed: int) -> dict[str, Any]:
    bench = Bench.prepared()
    rng = np.random.default_rng(seed)
    timed: dict[str, Timed] = {}
    for number in range(-WARM_UP, n_fields):
        truth, calls = bench.field(rng)
        names = [name for name in calls if number % reductions == 0 or "+" not in name]
        # Each takes its turn at every place of the queue, so that none has the warmest caches.
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            wall, processor = time.perf_counter(), time.thread_time()
            places = calls[name]()
            wall, processor = time.perf_counter() - wall, time.thread_time() - processor
            if number >= 0:
                one = timed.setdefault(name, Timed())
                one.wall.append(wall)
                one.processor.append(processor)
                one.away.append(_distance(places, truth))
    order = [name for name in (*OURS, SEARCH, BACKGROUND, REDUCTION) if name in timed]
    return {
        "instrument": f"Fields of '{bench.name}', {EXPOSURE:g} s, {FLUX:g} Crab; "
        f"about {bench.photons:,.0f} photons. gammapy {version('gammapy')}.",
        "methods": {name: timed[name].summary() | bench.setup_of(name) for name in order},
    }


def _distance(places: Sequence[Position], truth: Position) -> float:
    """Return how far the first place is from the truth, infinity where there is none."""
    return float(np.hypot(*np.subtract(places[0], truth))) if len(places) else float("inf")


class Bench:
    """An instrument, the searches for it, and fields to search."""

    def __init__(self, path: Path | None) -> None:
        self.response = AnalyticResponse() if path is None else GadfResponse.read(path)
        self.name = self.response.name
        self.pointing = Pointing(80.0, 20.0, 20.0)
        self.grid = TangentGrid(80.0, 20.0)
        self.edges = energy_bands()
        self.trials = load_bundle(bundle_folder("gamma-sky")).trials
        free = FieldSetup(self.grid, self.pointing, self.edges, EXPOSURE)
        known = FieldSetup(self.grid, self.pointing, self.edges, EXPOSURE, self.response)
        made = {
            FILTER: ("likelihood-ratio-peak", free),
            FITTED: ("likelihood-ratio", free),
            KNOWN: ("likelihood-ratio", known),
        }
        self.methods: dict[str, Method] = {}
        self._setup_ms: dict[str, float] = {}
        for label, (name, setup) in made.items():
            started = time.thread_time()
            self.methods[label] = make_method(name, setup, self.trials, SearchSettings())
            self._setup_ms[label] = 1e3 * (time.thread_time() - started)
        kind: Background = "ring" if path is None else "irf"
        self.reference = GammapySearch(self.grid, self.edges, background=kind)
        every: tuple[ReducedPart, ...] = ("background", "exposure", "edisp", "psf")
        self.full = GammapySearch(self.grid, self.edges, background=kind, reduced=every)
        self.parts = None if path is None else read_response(path)
        self.all_parts = None if path is None else read_response(path, every)
        self.reduced: Any = None
        self.photons = 0.0

    @classmethod
    def prepared(cls) -> "Bench":
        """Return the bench for the mirror's response, or for formulas without one."""
        mirror = os.environ.get("SKYSIFT_MIRROR")
        path = None if mirror is None else Path(mirror) / NORTH
        return cls(path if path is not None and path.is_file() else None)

    def setup_of(self, name: str) -> dict[str, float]:
        """Return the processor time [ms] that it took to make a search, where that is known."""
        return {"setup_ms": self._setup_ms[name]} if name in self._setup_ms else {}

    def field(self, rng: np.random.Generator) -> tuple[Position, dict[str, Call]]:
        """Return the true place of a source, and the searches of a field that holds it."""
        offset, angle = rng.uniform(0.0, LARGEST_OFFSET), rng.uniform(0.0, 2 * np.pi)
        truth = (offset * np.sin(angle), offset * np.cos(angle))
        ra, dec = (float(value) for value in self.grid.from_plane(*truth))
        source = Source(ra, dec, flux=FLUX, spectrum=crab_power_law())
        where = Field(self.pointing, EXPOSURE, (source,))
        low, high = float(self.edges[0]), float(self.edges[-1])
        events = simulate_events(where, self.response, rng, energy_range=(low, high))
        self.photons = len(events)
        if self.reduced is None:
            self.reduced = self.reference.reduce(events, self.parts)
        reading = ReadOptions(emin=low, emax=high, bands=len(self.edges) - 1)
        plain = PredictOptions(photometry=False)

        def ours(name: str) -> Call:
            def call() -> Sequence[Position]:
                counts, xi, eta, band = bin_events(events, self.grid, self.edges)
                photons = Photons(xi, eta, band, np.ones(len(band)))
                found = self.methods[name](counts, photons)
                return [(one.xi, one.eta) for one in found.candidates]

            return call

        def as_table() -> Sequence[Position]:
            rows = search_events(events, None, reading, plain, self.trials).table
            return list(zip(*self.grid.to_plane(rows["ra"], rows["dec"]), strict=True))

        def gammapy(reduced: Callable[[], Any]) -> Call:
            def call() -> Sequence[Position]:
                return [(c.xi, c.eta) for c in self.reference.search(reduced(), events)[0]]

            return call

        calls: dict[str, Call] = {name: ours(name) for name in self.methods}
        calls |= {TABLE: as_table, SEARCH: gammapy(lambda: self.reduced)}
        if self.parts is not None:
            calls[BACKGROUND] = gammapy(lambda: self.reference.reduce(events, self.parts))
            calls[REDUCTION] = gammapy(lambda: self.full.reduce(events, self.all_parts))
        return truth, calls


def _table(methods: dict[str, dict[str, float]]) -> Table:
    table = Table(title="One thread; photons in memory to candidates")
    table.add_column("method")
    times = ("wall_ms", "wall_p99_ms", "fastest_ms", "processor_ms", "processor_p99_ms")
    table.add_column("fields", justify="right")
    for heading in ("wall [ms]", "99 %", "fastest", "processor [ms]", "99 %"):
        table.add_column(heading, justify="right")
    for heading in ("setup [ms]", "target", f"found within {FOUND:g} deg", "error 68 % [deg]"):
        table.add_column(heading, justify="right")
    for name, one in methods.items():
        table.add_row(
            name,
            f"{one['fields']:,.0f}",
            *(f"{one[key]:,.1f}" for key in times),
            f"{one['setup_ms']:,.0f}" if "setup_ms" in one else "",
            f"{TARGETS[name]:g}" if name in TARGETS else "",
            f"{one['found']:.3f}",
            f"{one['error68_deg']:.4f}",
        )
    return table


def _ratio_table(methods: dict[str, dict[str, float]]) -> Table:
    """Return how many times as fast each of ours is, by the processor time."""
    table = Table(title="Times as fast, by the median of the processor time")
    table.add_column("method")
    peers = [name for name in methods if name not in OURS]
    for name in peers:
        table.add_column(name, justify="right")
    for name in OURS:
        ratios = (methods[peer]["processor_ms"] / methods[name]["processor_ms"] for peer in peers)
        table.add_row(name, *(f"{ratio:,.1f}" for ratio in ratios))
    return table


if __name__ == "__main__":
    main()
