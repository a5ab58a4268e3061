"""How long each stage of a search takes, on one core."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.sky.event_list import EventList
from skysift.evaluate.localisation import error_quantile
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN, NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Observed,
    StudyResult,
    all_sky_pointing,
    as_facts,
    observe,
    photons_in,
    place_source,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.field import Field

__all__ = ["STAGES", "time_methods", "time_stages"]

STAGES = ("binning", "background fit", "filter", "peaks", "refinement")
_ALL = "all"
_TAIL = 0.99
_WARM_UP = 3

AnswerT = TypeVar("AnswerT")


def time_stages(
    setup: FieldSetup,
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    flux: float = 0.3,
) -> StudyResult:
    """Time the stages of the default search, from photons in memory to candidates.

    Each stage is called by itself on every field; the refinement, with all that it repeats, is what
    is left of the whole.

    Parameters
    ----------
    setup : FieldSetup
        The truth; its exposure and energies set the number of photons.
    n : int
        Fields, each with a source.
    rng : numpy.random.Generator
    progress : callable
    flux : float [Crab]
        Of the source.
    """
    rows, photons = [], []
    for step, (name, known) in enumerate(((KNOWN, True), (FREE, False))):
        folded = replace(setup, response=setup.response if known else None).folded()
        search = folded.search(NO_TRIALS, SearchSettings(psf_known=known))
        spent: dict[str, list[float]] = {stage: [] for stage in (*STAGES, _ALL)}
        for number in range(n + _WARM_UP):
            observed = _field(setup, flux, rng)
            seconds = _stages(observed.field, observed.events, setup, search, folded.bands)
            if number >= _WARM_UP:  # the first ones meet cold caches
                photons.append(len(observed.photons))
                for stage, value in seconds.items():
                    spent[stage].append(value)
            progress((step + (number + 1) / (n + _WARM_UP)) / 2, "timing")
        rows += [{"method": name, "stage": stage, **_summary(v)} for stage, v in spent.items()]
    facts = {"n": n, "flux": flux, "photons": float(np.median(photons)), "stages": rows}
    return StudyResult("timing", facts)


def _stages(
    field: Field, events: EventList, setup: FieldSetup, search: SkySearch, bands: slice
) -> dict[str, float]:
    """Return the seconds of each stage on one field."""
    binned, binning = _timed(lambda: Observed.of(field, events, setup))
    counts, photons = binned.counts[bands], photons_in(binned.photons, bands)
    fitting = _timed(lambda: search.background.fit(counts))[1]
    filtering = _timed(lambda: search.filter(counts))[1]
    judging = _timed(lambda: search.highest(counts))[1]
    whole = _timed(lambda: search(counts, photons))[1]
    return {
        "binning": binning,
        "background fit": fitting,
        "filter": filtering,
        "peaks": max(judging - fitting - filtering, 0.0),
        "refinement": max(whole - judging, 0.0),
        _ALL: binning + whole,
    }


def time_methods(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    flux: float = 0.3,
) -> StudyResult:
    """Time each method on the same fields, from counts and photons to candidates.

    Parameters are those of :func:`time_stages`, with the methods.
    """
    spent: dict[str, list[float]] = {one.name: [] for one in contestants}
    for number in range(n + _WARM_UP):
        observed = _field(setup, flux, rng)
        for one in contestants:
            seconds = _time_method(one, observed)
            if number >= _WARM_UP:
                spent[one.name].append(seconds)
        progress((number + 1) / (n + _WARM_UP), "timing")
    rows = [{"method": name, **_summary(values)} for name, values in spent.items()]
    return StudyResult("method_timing", {"n": n, "flux": flux, "methods": rows})


def _time_method(one: Contestant, observed: Observed) -> float:
    return _timed(lambda: one.method(observed.counts, observed.photons))[1]


def _field(setup: FieldSetup, flux: float, rng: np.random.Generator) -> Observed:
    pointing = all_sky_pointing(rng)
    source = place_source(pointing, rng.uniform(0, 2), rng.uniform(0, 360), flux, setup)
    return observe(setup, (source,), pointing, rng)


def _timed(call: Callable[[], AnswerT]) -> tuple[AnswerT, float]:
    started = time.perf_counter()
    answer = call()
    return answer, time.perf_counter() - started


def _summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Return median with its interval, and 99th percentile, in milliseconds."""
    values = 1e3 * np.asarray(seconds)
    median = error_quantile(values, 0.5)
    return {**as_facts(median, len(values)), "p99": float(np.quantile(values, _TAIL))}
