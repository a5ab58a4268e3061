"""Two sources close to each other, and whether both are found."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.intervals import wilson_interval
from skysift.models.sky.candidate import Candidate
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Observed,
    StudyResult,
    all_sky_pointing,
    as_facts,
    observe,
    place_source,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.field import Source

__all__ = ["SEPARATIONS", "separate_pairs"]

SEPARATIONS = (0.15, 0.2, 0.3, 0.5)
_OFFSETS = (0.0, 1.7)
_NEAR = 0.1  # deg, and less than half of what separates the two


def separate_pairs(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    flux: float = 1.0,
    separations: Sequence[float] = SEPARATIONS,
) -> StudyResult:
    """Search fields with two equal sources at several separations.

    Both are found if each has a candidate of its own within 0.1 deg, or within half of the
    separation where that is less.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    contestants : sequence of Contestant
        With the threshold that they are to be judged at.
    n : int
        Fields at each separation.
    rng : numpy.random.Generator
    progress : callable
    flux : float [Crab]
        Of each source.
    separations : sequence of float [deg]
    """
    facts: list[dict[str, Any]] = []
    for step, apart in enumerate(separations):
        both = dict.fromkeys((one.name for one in contestants), 0)
        more = dict.fromkeys(both, 0)
        for number in range(n):
            observed = _pair(setup, apart, flux, rng)
            for one in contestants:
                result = one.method(observed.counts, observed.photons)
                both[one.name] += _both_found(observed, result.candidates, apart)
                more[one.name] += len(result.candidates) > len(observed.field.sources)
            progress((step * n + number + 1) / (n * len(separations)), f"{apart:g} deg apart")
        facts += [
            {
                "method": name,
                "separation": apart,
                **as_facts(wilson_interval(found, n), n),
                "more_than_two": more[name] / n,
            }
            for name, found in both.items()
        ]
    return StudyResult("pairs", {"flux": flux, "n": n, "pairs": facts})


def _pair(setup: FieldSetup, apart: float, flux: float, rng: np.random.Generator) -> Observed:
    pointing = all_sky_pointing(rng)
    first = place_source(pointing, rng.uniform(*_OFFSETS), rng.uniform(0, 360), flux, setup)
    turn = rng.uniform(0, 2 * np.pi)
    ra, dec = TangentGrid(first.ra, first.dec).from_plane(
        apart * np.sin(turn), apart * np.cos(turn)
    )
    second = Source(float(ra), float(dec), flux, spectrum=setup.spectrum)
    return observe(setup, (first, second), pointing, rng)


def _both_found(observed: Observed, candidates: Sequence[Candidate], apart: float) -> bool:
    if len(candidates) < len(observed.field.sources):
        return False
    near = min(_NEAR, apart / 2)
    ra, dec = observed.grid.from_plane([c.xi for c in candidates], [c.eta for c in candidates])
    return all(
        bool(np.any(separation(ra, dec, source.ra, source.dec) < near))
        for source in observed.field.sources
    )
