"""The shifts that gamma-ray skies undergo, and what is measured under them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from skysift.core.conformal import Promise
from skysift.core.errors import UsageError
from skysift.core.stress import Answered, Measure, Shift
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import Pointing
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.stress import mean, measures_of_rows, quantile
from skysift.tasks.gamma_sky.coverage import Located, located, random_source, scored_sources
from skysift.tasks.gamma_sky.evaluation.robustness import Blurred
from skysift.tasks.gamma_sky.model import GammaSkyModel, require_search
from skysift.tasks.gamma_sky.observations import Observations
from skysift.tasks.gamma_sky.options import PredictOptions
from skysift.tasks.gamma_sky.simulation.field import Field, Source

__all__ = ["Skies", "answered", "prepared", "shifts"]

_FALSE_ALARMS = 0.1  # per field: enough to count them
_FLUXES = (0.1, 1.0)  # Crab, even in the logarithm
_ZENITH = 20.0
_EXPOSURE = 100.0
_MOST = 400
_NONE = 1.0
_STATED = (0.68, 0.95)
_SEARCH = PredictOptions(photometry=False, false_alarms=_FALSE_ALARMS)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Skies:
    """Fields to be simulated, half of them with a source.

    Parameters
    ----------
    pointings : tuple of Pointing
    sources : tuple of Source or None
        None for a field without.
    seed : int
        Each field has random numbers of its own, the same whatever is shifted.
    told : InstrumentResponse
        What the search supposes.
    truth : InstrumentResponse
        What is simulated.
    exposure : float [s]
    background_scale : float
    gradient : tuple of float [deg-1]
    """

    pointings: tuple[Pointing, ...]
    sources: tuple[Source | None, ...]
    seed: int
    told: InstrumentResponse
    truth: InstrumentResponse
    exposure: float = _EXPOSURE
    background_scale: float = 1.0
    gradient: tuple[float, float] = (0.0, 0.0)

    def __len__(self) -> int:
        return len(self.pointings)

    def field(self, number: int) -> Field:
        """Return one of the fields."""
        source = self.sources[number]
        return Field(
            self.pointings[number],
            self.exposure,
            () if source is None else (source,),
            background_scale=self.background_scale,
            gradient=self.gradient,
        )


def prepared(
    data: Observations | None, model: GammaSkyModel, rng: np.random.Generator, most: int
) -> Skies:
    """Return fields to be simulated.

    Raises
    ------
    UsageError
        If there are observations, which cannot be put under another sky, or the bundle holds
        networks.
    """
    require_search(model)
    if data is not None:
        raise UsageError(
            "Observations cannot be put under another sky.",
            "Leave out --data: fields are simulated.",
        )
    response = AnalyticResponse(_ZENITH)
    drawn = [random_source(rng, _ZENITH, _FLUXES) for _ in range(min(most, _MOST))]
    sources = tuple(source if row % 2 else None for row, (_, source) in enumerate(drawn))
    seed = int(rng.integers(2**31))
    return Skies(tuple(where for where, _ in drawn), sources, seed, response, response)


def shifts(_data: Skies) -> Sequence[Shift]:
    """Return the shifts of a sky."""
    return (
        *_background_shifts(),
        *_response_shifts(),
        Shift(
            "exposure",
            "Exposure",
            "live time [s]",
            (10.0, 30.0, 100.0, 300.0),
            _EXPOSURE,
            "Real-time windows of seconds to minutes: with few photons, ellipses are not Gaussian.",
            _changing(_EXPOSURE, lambda skies, size: replace(skies, exposure=size)),
        ),
    )


def _background_shifts() -> tuple[Shift, Shift]:
    return (
        Shift(
            "background",
            "Background rate",
            "true over supposed background",
            (0.5, 0.8, 1.0, 1.2, 1.5, 2.0),
            _NONE,
            "The background of an array differs from run to run, with atmosphere, zenith angle "
            "and trigger: its model is scaled to each run (Mohrmann et al. 2019, A&A 632, A72).",
            _changing(_NONE, lambda skies, size: replace(skies, background_scale=size)),
        ),
        Shift(
            "gradient",
            "Gradient of the background",
            "relative change across the field [1/deg]",
            (0.0, 0.05, 0.1, 0.2),
            0.0,
            "The zenith angle changes by some degrees across a field, and with it the background "
            "by some per cent per degree. Models of the acceptance of a camera often leave that "
            "out (Berge, Funk & Hinton 2007, A&A 466, 1219, compare them).",
            _changing(0.0, lambda skies, size: replace(skies, gradient=(size, 0.0))),
        ),
    )


def _response_shifts() -> tuple[Shift, Shift]:
    return (
        Shift(
            "psf",
            "Point spread function",
            "true over supposed width",
            (0.8, 0.9, 1.0, 1.1, 1.25, 1.5),
            _NONE,
            "Pointing, optics and reconstruction leave widths that differ from those simulated "
            "(Aharonian et al. 2006, A&A 457, 899, compare the two on the Crab nebula); 1.5 times "
            "the width is rather an extended source.",
            _changing(_NONE, lambda skies, size: replace(skies, truth=Blurred(skies.told, size))),
        ),
        Shift(
            "zenith",
            "Zenith angle",
            "true zenith angle [deg]; 20 is supposed",
            (0.0, 20.0, 30.0, 40.0, 50.0),
            _ZENITH,
            "Responses are made for some zenith angles, 20, 40 and 60 deg in CTAO prod5: an "
            "observation is up to 10 deg from the nearest, and farther from any other.",
            _changing(_ZENITH, lambda skies, size: replace(skies, truth=AnalyticResponse(size))),
        ),
    )


def _changing(
    none: float, change: Callable[[Skies, float], Skies]
) -> Callable[[Skies, float, np.random.Generator], Skies]:
    """Return what applies a change that needs no random numbers; nothing at the size `none`."""
    return lambda skies, size, _rng: skies if size == none else change(skies, size)


def answered(data: Skies, model: GammaSkyModel) -> Answered:
    """Search all fields, and say what is measured."""
    n = len(data)
    found: list[Located | None] = []
    alarms = np.zeros(n)
    for number in range(n):
        rng = np.random.default_rng([data.seed, number])
        source, field = data.sources[number], data.field(number)
        candidates, near = located(
            number,
            field,
            source,
            rng,
            truth=data.truth,
            told=data.told,
            trials=model.trials,
            options=_SEARCH,
        )
        found.append(near)
        alarms[number] = candidates - (near is not None)
    there = np.array([one is not None for one in found])
    with_source = np.array([source is not None for source in data.sources])
    away = _column(found, lambda one: one.separation)
    measures = {
        "efficiency": Measure("sources found", mean(there, with_source)),
        "error68": Measure("68 % error [deg]", quantile(away, 0.68, there)),
        "false_candidates": Measure(
            "false candidates per empty field", mean(alarms, ~with_source), _FALSE_ALARMS
        ),
    }
    distance = _column(found, lambda one: one.distance)
    for stated in _STATED:
        inside = distance**2 <= chi2.ppf(stated, 2)
        measures[f"ellipse{100 * stated:.0f}"] = Measure(
            f"true places in the {100 * stated:.0f} % ellipse", mean(inside, there), stated
        )
    excess = _column(found, lambda one: one.found.excess)
    expected = _column(found, lambda one: one.expected)
    ratio = np.nan_to_num(excess / expected - 1.0)
    measures["counts"] = Measure("bias of the counts, median", quantile(ratio, 0.5, there), 0.0)
    return Answered(measures | _promised(found, model.promises), np.arange(n))


def _promised(found: list[Located | None], promises: tuple[Promise, ...]) -> dict[str, Measure]:
    """Return the coverage of what the bundle promises, of the sources that were found."""
    sources = [one for one in found if one is not None]
    if not promises or not sources:
        return {}
    kept = np.flatnonzero([one is not None for one in found])
    return measures_of_rows(coverage_measures(promises, scored_sources(sources, "")), kept)


def _column(found: Sequence[Located | None], value: Callable[[Located], float]) -> Floats:
    return np.array([np.nan if one is None else value(one) for one in found])
