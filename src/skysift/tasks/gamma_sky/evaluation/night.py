"""A night of simulated fields, each with a source that was not there before, searched and cleaned.

The pictures of a report: raw counts, cleaned map, residual map, filtered map, and candidates with
their ellipses beside the truth.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skysift.core.progress import Progress, silent
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.data.table import FeatureTable
from skysift.evaluate.ellipse import ErrorEllipse
from skysift.models.sky.search import SearchResult, SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.cleaned import CleanedMap, clean
from skysift.tasks.gamma_sky.evaluation.contestants import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import (
    Observed,
    StudyResult,
    observe,
    photons_in,
    place_source,
    statistic_of,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup

__all__ = ["MAPS", "NIGHT", "observe_night"]

NIGHT: tuple[tuple[float, ...], ...] = ((1.0,), (0.3, 0.6), (0.12,))
"""Fluxes [Crab] of the sources of each field of the night."""
MAPS = ("raw", "cleaned", "residual", "filtered")
_HIGHEST_DECLINATION = 60.0  # deg: lines of right ascension stay apart on the pictures
_OFFSETS = (0.3, 1.5)


def observe_night(
    setup: FieldSetup,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    trials: TrialsTable = NO_TRIALS,
    night: Sequence[Sequence[float]] = NIGHT,
) -> StudyResult:
    """Simulate, search without a response, and clean the fields of a night.

    Parameters
    ----------
    setup : FieldSetup
        The truth.
    rng : numpy.random.Generator
    progress : callable
    trials : TrialsTable
        Of the search, which lists 0.01 false candidates per field.
    night : sequence of sequence of float [Crab]
        Fluxes of the sources of each field.

    Returns
    -------
    StudyResult
        Fact ``fields``: pointing, true positions, candidates; a table with the maps, pixel by
        pixel.
    """
    folded = replace(setup, response=None).folded()
    search = folded.search(trials, SearchSettings(psf_known=False))
    fields: list[dict[str, Any]] = []
    columns: dict[str, list[Any]] = {name: [] for name in ("field", *MAPS)}
    for number, fluxes in enumerate(night):
        observed = _observe(setup, fluxes, rng)
        counts = observed.counts[folded.bands]
        result = search(counts, photons_in(observed.photons, folded.bands))
        cleaned = _clean(setup, observed, folded.bands, search.expected_sources(result), result)
        fields.append(_described(observed, result, cleaned))
        images = {
            "raw": counts.sum(axis=0),
            "cleaned": cleaned.cleaned.sum(axis=0),
            "residual": cleaned.residual.sum(axis=0),
            "filtered": result.filtered,
        }
        columns["field"].append(np.full(counts[0].size, number))
        for name, image in images.items():
            columns[name].append(image.ravel().astype(np.float32))
        progress((number + 1) / len(night), "the night")
    table = FeatureTable.from_columns({name: np.concatenate(v) for name, v in columns.items()})
    return StudyResult("night", {"exposure": setup.livetime, "fields": fields}, table)


def _observe(setup: FieldSetup, fluxes: Sequence[float], rng: np.random.Generator) -> Observed:
    limit = np.sin(np.radians(_HIGHEST_DECLINATION))
    dec = np.degrees(np.arcsin(rng.uniform(-limit, limit)))
    pointing = Pointing(float(rng.uniform(0.0, 360.0)), float(dec), setup.pointing.zenith)
    sources = [
        place_source(pointing, rng.uniform(*_OFFSETS), rng.uniform(0, 360), flux, setup)
        for flux in fluxes
    ]
    return observe(setup, sources, pointing, rng)


def _clean(
    setup: FieldSetup, observed: Observed, bands: slice, sources: Any, result: SearchResult
) -> CleanedMap:
    counts = CountsMap(
        observed.counts[bands],
        setup.energy_edges[bands.start : bands.stop + 1],
        observed.grid,
        GoodTimeIntervals.of([(0.0, setup.livetime)]),
        setup.livetime,
        observed.field.pointing,
    )
    return clean(counts, np.maximum(sources, 0.0), result.background.counts)


def _described(observed: Observed, result: SearchResult, cleaned: CleanedMap) -> dict[str, Any]:
    """Return what is true of a field and what was found in it, JSON-ready."""
    grid, truth = observed.grid, observed.field
    return {
        "ra": grid.ra,
        "dec": grid.dec,
        "n_x": grid.n_x,
        "n_y": grid.n_y,
        "pixel_size": grid.pixel_size,
        "counts": float(observed.counts.sum()),
        "cleaned": float(cleaned.cleaned.sum()),
        "level": result.level,
        "sources": [{"ra": s.ra, "dec": s.dec, "flux": s.flux} for s in truth.sources],
        "candidates": _candidates(grid, observed, result),
    }


def _candidates(
    grid: TangentGrid, observed: Observed, result: SearchResult
) -> list[dict[str, Any]]:
    rows = []
    for one in result.candidates:
        ra, dec = (float(angle) for angle in grid.from_plane(one.xi, one.eta))
        ellipse = ErrorEllipse.on_sky(grid, [one.xi], [one.eta], one.covariance)
        away = [float(separation(ra, dec, s.ra, s.dec)) for s in observed.field.sources]
        rows.append(
            {
                "ra": ra,
                "dec": dec,
                "major": float(ellipse.major[0]),
                "minor": float(ellipse.minor[0]),
                "angle": float(ellipse.angle[0]),
                "err68": float(ellipse.radius(0.68)[0]),
                "distance": min(away, default=float("nan")),
                "excess": one.excess,
                "excess_error": one.excess_error,
                "significance": statistic_of(result, one),
                "false_alarms": one.false_alarms,
                "flags": ", ".join(one.flags),
            }
        )
    return rows
