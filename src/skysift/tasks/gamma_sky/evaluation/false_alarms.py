"""How many candidates there are where there is no source, against the number that is stated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.core.spread import spread_kept
from skysift.evaluate.localisation import poisson_interval, poisson_rate
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Site,
    StudyResult,
    all_sky_pointing,
    as_facts,
    observe,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup

__all__ = ["BACKGROUND_SCALES", "STATED", "AlarmBlock", "alarms_of_block", "count_false_alarms"]

MakeContestants = Callable[[FieldSetup], Sequence[Contestant]]

BACKGROUND_SCALES = (0.6, 1.0, 1.4)
STATED = (0.003, 0.01, 0.03, 0.1, 0.3)
"""False alarms per field at which the number of candidates is compared with the stated one."""
_FIELDS_OF_BLOCK = 100
_READY: dict[str, Sequence[Contestant]] = {}  # of the study that this process works on


@dataclass(frozen=True)
class AlarmBlock:
    """Fields without sources that one process searches one after the other.

    Parameters
    ----------
    study : str
        Name of the study: processes make its contestants once.
    setup : FieldSetup
        The truth.
    contestants : callable
        Makes the methods.
    scale : float
        Background over what the response predicts.
    seed : tuple of int
        Of this block.
    n : int
        Fields.
    """

    study: str
    setup: FieldSetup
    contestants: MakeContestants
    scale: float
    seed: tuple[int, ...]
    n: int


def alarms_of_block(block: AlarmBlock) -> dict[str, list[float]]:
    """Return the false-alarm numbers that each method states of what it finds, by its name."""
    if block.study not in _READY:
        _READY.clear()
        _READY[block.study] = block.contestants(block.setup)
    contestants = _READY[block.study]
    rng = np.random.default_rng(block.seed)
    alarms: dict[str, list[float]] = {one.name: [] for one in contestants}
    for _ in range(block.n):
        pointing = all_sky_pointing(rng)
        observed = observe(block.setup, (), pointing, rng, Site(block.scale))
        for one in contestants:
            found = one.method(observed.counts, observed.photons).candidates
            alarms[one.name] += [float(candidate.false_alarms) for candidate in found]
    return alarms


def count_false_alarms(
    setup: FieldSetup,
    contestants: MakeContestants,
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    scales: Sequence[float] = BACKGROUND_SCALES,
    name: str = "false-alarms",
    keep: Path | None = None,
) -> StudyResult:
    """Count candidates on fields without sources.

    Blocks of fields are parts of the work, see :mod:`skysift.core.spread`: millions of fields can
    be searched by the processes of a cluster, with the same result.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    contestants : callable
        Makes, of the setup, methods that state a false-alarm number, searched with a threshold of
        0.3 per field or looser. A function of a module, or a partial of one.
    n : int
        Fields at each background scale.
    rng : numpy.random.Generator
        Draws the seed of the blocks.
    progress : callable
    scales : sequence of float
        Background over what the response predicts; the searches are not told.
    name : str
        Another one for another setup or other contestants.
    keep : Path, optional
        Folder for the blocks that are done, for a study that is begun again.

    Returns
    -------
    StudyResult
        Fact ``rates``: by method, scale and stated number, the candidates found with a Garwood
        interval, the number stated for all fields, and whether it lies within.
    """
    seed = int(rng.integers(2**63))
    study = f"{name}-{seed}"
    blocks = {
        f"{study}-{step}-{start}-{min(_FIELDS_OF_BLOCK, n - start)}": AlarmBlock(
            study, setup, contestants, scale, (seed, step, start), min(_FIELDS_OF_BLOCK, n - start)
        )
        for step, scale in enumerate(scales)
        for start in range(0, n, _FIELDS_OF_BLOCK)
    }
    each = len(blocks) // len(scales)
    alarms: list[dict[str, list[float]]] = [{} for _ in scales]
    for number, found in enumerate(spread_kept(alarms_of_block, blocks, keep)):
        _extend(alarms[number // each], found)
        progress((number + 1) / len(blocks), f"background x {scales[number // each]:g}")
    rates = [
        row
        for scale, found in zip(scales, alarms, strict=True)
        for method in found
        for row in _rates(method, scale, found[method], n)
    ]
    return StudyResult("false_alarms", {"n": n, "rates": rates})


def _extend(alarms: dict[str, list[float]], found: Mapping[str, Sequence[float]]) -> None:
    for method, numbers in found.items():
        alarms.setdefault(method, []).extend(numbers)


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
