"""How many candidates there are where there is no source, against the number that is stated."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysift.core.task import Progress, silent
from skysift.evaluate.localisation import poisson_interval, poisson_rate
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Site,
    StudyResult,
    all_sky_pointing,
    as_facts,
    observe,
)
from skysift.tasks.gamma_sky.methods import FieldSetup

__all__ = ["BACKGROUND_SCALES", "STATED", "count_false_alarms"]

BACKGROUND_SCALES = (0.6, 1.0, 1.4)
STATED = (0.003, 0.01, 0.03, 0.1, 0.3)
"""False alarms per field at which the number of candidates is compared with the stated one."""


def count_false_alarms(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    scales: Sequence[float] = BACKGROUND_SCALES,
) -> StudyResult:
    """Count candidates on fields without sources.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    contestants : sequence of Contestant
        Methods that state a false-alarm number, searched with a threshold of 0.3 per field or
        looser.
    n : int
        Fields at each background scale.
    rng : numpy.random.Generator
    progress : callable
    scales : sequence of float
        Background over what the response predicts; the searches are not told.

    Returns
    -------
    StudyResult
        Fact ``rates``: by method, scale and stated number, the candidates found with a Garwood
        interval, the number stated for all fields, and whether it lies within.
    """
    rates: list[dict[str, Any]] = []
    for step, scale in enumerate(scales):
        alarms: dict[str, list[float]] = {one.name: [] for one in contestants}
        for number in range(n):
            observed = observe(setup, (), all_sky_pointing(rng), rng, Site(scale))
            for one in contestants:
                result = one.method(observed.counts, observed.photons)
                alarms[one.name] += [found.false_alarms for found in result.candidates]
            progress((step * n + number + 1) / (n * len(scales)), f"background x {scale:g}")
        rates += [row for name in alarms for row in _rates(name, scale, alarms[name], n)]
    return StudyResult("false_alarms", {"n": n, "rates": rates})


def _rates(name: str, scale: float, alarms: Sequence[float], n: int) -> list[dict[str, Any]]:
    """Return the number of candidates at each stated level."""
    stronger = np.asarray(alarms, dtype=np.float64)
    rows = []
    for stated in STATED:
        number = int(np.sum(stronger <= stated))
        rows.append(
            {
                "method": name,
                "scale": scale,
                "stated": stated,
                "candidates": number,
                "expected": stated * n,
                "within": stated * n in poisson_interval(number),
                **as_facts(poisson_rate(number, n), n),
            }
        )
    return rows
