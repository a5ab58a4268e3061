"""Fields with one source or none, searched by every method: the rows that most studies rest on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress, silent
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import separation
from skysift.data.table import FeatureTable
from skysift.evaluate.localisation import mahalanobis_squared
from skysift.models.sky.candidate import Candidate
from skysift.models.sky.refine import Refined
from skysift.tasks.gamma_sky.evaluation.oracle import Oracle
from skysift.tasks.gamma_sky.evaluation.study import (
    Contestant,
    Observed,
    Site,
    all_sky_pointing,
    observe,
    place_source,
    rows_table,
    statistic_of,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.simulation.field import Source

__all__ = ["OFFSETS", "ORACLE", "UNITS", "empty_statistics", "search_fields"]

FloatArray = NDArray[np.float64]

ORACLE = "oracle"
"""A fit that starts at the true place and knows response and background: what is left is chance."""
OFFSETS = (0.0, 2.0)
UNITS: Mapping[str, str] = {"flux": "Crab", "offset": "deg", "error": "deg", "bound": "deg"}
_NOTHING = {"error": np.nan, "squared": np.nan, "excess": np.nan, "excess_error": np.nan}


def search_fields(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    fluxes: Sequence[float],
    n: int,
    rng: np.random.Generator,
    *,
    site: Site | None = None,
    offsets: tuple[float, float] = OFFSETS,
    pointing: Callable[[np.random.Generator], Pointing] = all_sky_pointing,
    with_oracle: bool = False,
    progress: Progress = silent,
) -> FeatureTable:
    """Simulate n fields with one source at each flux and let every method search each of them.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    contestants : sequence of Contestant
        All search the same photons.
    fluxes : sequence of float
        In units of the setup's spectrum.
    n : int
        Fields at each flux.
    rng : numpy.random.Generator
    site : Site, optional
        How the fields depart from clean ones.
    offsets : tuple of float [deg]
        Bounds of the offset, which is uniform between them.
    pointing : callable
        Draws where the telescope looks.
    with_oracle : bool
        Whether the oracle takes part; its rows carry the statistic of the first contestant, so that
        the same fields can be chosen.
    progress : callable

    Returns
    -------
    FeatureTable
        A row per field and method: ``map``, ``method``, ``flux``, ``offset``, ``expected`` counts,
        ``bound`` (Cramer-Rao, of a coordinate), ``dec`` of the source, and of the strongest
        candidate ``statistic``, ``error``, ``squared`` (in its ellipse), ``excess``,
        ``excess_error``; NaN where there is none.
    """
    oracle = Oracle(setup)
    rows: list[dict[str, Any]] = []
    for step, flux in enumerate(fluxes):
        for number in range(n):
            where = pointing(rng)
            source = place_source(where, rng.uniform(*offsets), rng.uniform(0, 360), flux, setup)
            observed = observe(setup, (source,), where, rng, site)
            shared = {
                "map": step * n + number,
                "flux": flux,
                "offset": observed.field.offset_of(source),
                "expected": oracle.expected_counts(observed, source),
                "bound": oracle.bound(observed, source),
                "dec": source.dec,
            }
            rows += _searched(observed, source, contestants, shared)
            if with_oracle:
                fit = _compared(observed, source, oracle.fit(observed, source))
                first = rows[-len(contestants)]["statistic"]
                rows.append({**shared, "method": ORACLE, "statistic": first, **fit})
            progress((step * n + number + 1) / (n * len(fluxes)), f"{flux:g} Crab")
    return rows_table(rows, UNITS)


def empty_statistics(
    setup: FieldSetup,
    contestants: Sequence[Contestant],
    n: int,
    rng: np.random.Generator,
    *,
    site: Site | None = None,
    progress: Progress = silent,
) -> dict[str, FloatArray]:
    """Return the statistic of the strongest candidate on each of n fields without sources.

    Returns
    -------
    dict of str to array, shape (n,)
        By method; minus infinity where there is no candidate.
    """
    found: dict[str, list[float]] = {one.name: [] for one in contestants}
    for number in range(n):
        observed = observe(setup, (), all_sky_pointing(rng), rng, site)
        for one in contestants:
            result = one.method(observed.counts, observed.photons)
            best = result.candidates[0] if result.candidates else None
            found[one.name].append(statistic_of(result, best))
        progress((number + 1) / n, "empty fields")
    return {name: np.array(values) for name, values in found.items()}


def _searched(
    observed: Observed, source: Source, contestants: Sequence[Contestant], shared: dict[str, Any]
) -> list[dict[str, Any]]:
    rows = []
    for one in contestants:
        result = one.method(observed.counts, observed.photons)
        best = result.candidates[0] if result.candidates else None
        told = _NOTHING if best is None else _compared(observed, source, best)
        statistic = statistic_of(result, best)
        rows.append({**shared, "method": one.name, "statistic": statistic, **told})
    return rows


def _compared(observed: Observed, source: Source, found: Candidate | Refined) -> dict[str, float]:
    """Return how a candidate compares with the true source."""
    ra, dec = observed.grid.from_plane(found.xi, found.eta)
    xi, eta = observed.grid.to_plane(source.ra, source.dec)
    squared = mahalanobis_squared([(found.xi - xi, found.eta - eta)], found.covariance)
    if isinstance(found, Refined):
        excess, excess_error = found.counts, found.counts_error
    else:
        excess, excess_error = found.excess, found.excess_error
    return {
        "error": float(separation(ra, dec, source.ra, source.dec)),
        "squared": float(squared[0]),
        "excess": excess,
        "excess_error": excess_error,
    }
