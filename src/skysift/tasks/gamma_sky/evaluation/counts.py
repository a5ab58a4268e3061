"""How many photons did the source send: bias and pull of its counts, and where they depend on what.

Counts are measured at the true place whether or not a search would have found the source, so that
only the method is judged and no selection; what selection adds is stated apart.

Two faults of the published cleaning network get a test each: that at zenith angles about 20 deg it
loses counts unevenly, and that at random zenith angles its residuals have two peaks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.progress import Progress, silent
from skysift.data.irf.conditions import under_conditions
from skysift.data.sky.event_list import Pointing
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval, normal_interval
from skysift.evaluate.localisation import summarise_pulls
from skysift.evaluate.modality import unimodality_test
from skysift.models.sky.forced import forced_counts
from skysift.models.sky.local_source import LocalSource
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.tasks.gamma_sky.evaluation.contestants import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.localisation import FOUND_WITHIN
from skysift.tasks.gamma_sky.evaluation.oracle import Oracle
from skysift.tasks.gamma_sky.evaluation.sources import ORACLE
from skysift.tasks.gamma_sky.evaluation.study import (
    StudyResult,
    all_sky_pointing,
    as_facts,
    known_response,
    observe,
    photons_in,
    place_source,
    rows_table,
)
from skysift.tasks.gamma_sky.field_setup import FieldSetup, FoldedField

__all__ = ["EXPOSURES", "ZENITHS", "count_facts", "count_photons", "selection_bias"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

ZENITHS = (0.0, 20.0, 40.0, 60.0)
EXPOSURES = (30.0, 100.0, 400.0, 1800.0)
_FLUXES = (0.1, 0.3, 1.0, 3.0)
_OFFSETS = (0.0, 2.0)
_OFFSET_EDGES = (0.0, 0.5, 1.0, 1.5, 2.0)
_CELLS = (("zenith", "exposure"), ("flux", "exposure"))
_SUSPECT_ZENITH = 20.0
_PARTS = 5  # of the sources, by their expected counts
_FEWEST = 10
_FOR_A_WIDTH = 2  # sources: fewer have no width of their pulls
_UNITS: Mapping[str, str] = {"zenith": "deg", "exposure": "s", "flux": "Crab", "offset": "deg"}
_MODES = {True: "likelihood-ratio", False: "likelihood-ratio, IRF-free"}
_TOLD_WIDTH = "likelihood-ratio, IRF-free but for its point spread function"
"""Shows how much of a bias without a response is that of the supposed point spread function."""


@dataclass(frozen=True)
class _Station:
    """One zenith angle and exposure: the truth, and the searches with and without its response."""

    setup: FieldSetup
    oracle: Oracle
    searches: Mapping[str, tuple[SkySearch, slice]]

    @classmethod
    def all_of(cls, setup: FieldSetup, exposures: Sequence[float]) -> list["_Station"]:
        """Return one for each exposure [s]; what is folded does not depend on them."""
        folded = {
            name: replace(setup, response=setup.response if known else None).folded()
            for known, name in _MODES.items()
        }
        return [cls._at(replace(setup, livetime=exposure), folded) for exposure in exposures]

    @classmethod
    def _at(cls, setup: FieldSetup, folded: Mapping[str, FoldedField]) -> "_Station":
        searches = {}
        for known, name in _MODES.items():
            own = replace(folded[name].setup, livetime=setup.livetime)
            search = replace(folded[name], setup=own).search(
                NO_TRIALS, SearchSettings(psf_known=known)
            )
            searches[name] = (search, folded[name].bands)
        return cls(setup, Oracle(setup, folded[_MODES[True]]), searches)

    def shape_at(self, place: tuple[float, float]) -> LocalSource:
        """Return a source as a search without a response supposes it, but of the true width.

        A band that is too poor for the search with the response keeps what is supposed.
        """
        (informed, known), (free, bands) = (self.searches[name] for name in _MODES.values())
        supposed = free.local_source(free.offset_of(*place))
        density = supposed.density.copy()
        mine = slice(known.start - bands.start, known.stop - bands.start)
        density[mine] = informed.local_source(informed.offset_of(*place)).density
        return replace(supposed, density=density)


def count_photons(
    setup: FieldSetup,
    n: int,
    rng: np.random.Generator,
    progress: Progress = silent,
    *,
    zeniths: Sequence[float] = ZENITHS,
    exposures: Sequence[float] = EXPOSURES,
    fluxes: Sequence[float] = _FLUXES,
) -> StudyResult:
    """Measure counts at the true place of sources under many conditions.

    Parameters
    ----------
    setup : FieldSetup
        Its response, which holds for 20 deg, is moved to each zenith angle.
    n : int
        Fields at each zenith angle; exposures, fluxes and offsets are drawn.
    rng : numpy.random.Generator
    progress : callable
    zeniths, exposures, fluxes : sequence of float [deg, s, Crab]

    Returns
    -------
    StudyResult
    """
    rows: list[dict[str, Any]] = []
    for step, zenith in enumerate(zeniths):
        stations = _Station.all_of(_at(setup, zenith), exposures)
        for number in range(n):
            station = stations[rng.integers(len(stations))]
            flux = float(rng.choice(np.asarray(fluxes)))
            own = zenith == setup.pointing.zenith
            rows += _measure(station, zenith, flux, rng, own_zenith=own)
            progress((step * n + number + 1) / (n * len(zeniths)), f"zenith {zenith:g} deg")
    table = rows_table(rows, _UNITS)
    return StudyResult("counts", count_facts(table, rng), table)


def _at(setup: FieldSetup, zenith: float) -> FieldSetup:
    where = Pointing(setup.pointing.ra, setup.pointing.dec, zenith)
    response = under_conditions(known_response(setup), zenith)
    return replace(setup, pointing=where, response=response)


def _measure(
    station: _Station, zenith: float, flux: float, rng: np.random.Generator, *, own_zenith: bool
) -> list[dict[str, Any]]:
    """Measure one source; the oracle where the response is not moved.

    The background of a moved response is folded to a few tenths of a per cent of what is simulated.
    A search fits its level; the oracle would believe it.
    """
    pointing = all_sky_pointing(rng, zenith)
    source = place_source(
        pointing, rng.uniform(*_OFFSETS), rng.uniform(0, 360), flux, station.setup
    )
    observed = observe(station.setup, (source,), pointing, rng)
    place = station.oracle.place(observed, source)
    shared = {
        "zenith": zenith,
        "exposure": station.setup.livetime,
        "flux": flux,
        "offset": observed.field.offset_of(source),
        "expected": station.oracle.expected_counts(observed, source),
    }
    shape = station.shape_at(place)
    rows = []
    for name, (search, bands) in station.searches.items():
        photons = photons_in(observed.photons, bands)
        tries = {name: None} if search.settings.psf_known else {name: None, _TOLD_WIDTH: shape}
        for method, known in tries.items():
            found = forced_counts(search, observed.counts[bands], photons, place, known)
            rows.append({**shared, "method": method, "counts": found.counts, "error": found.error})
    if own_zenith:
        counts, error = station.oracle.count(observed, source)
        rows.append({**shared, "method": ORACLE, "counts": counts, "error": error})
    return rows


def count_facts(table: FeatureTable, rng: np.random.Generator) -> dict[str, Any]:
    """Return bias and pull of each method by every condition, and the tests of the two faults.

    Parameters
    ----------
    table : FeatureTable
        From :func:`count_photons`.
    rng : numpy.random.Generator
        For the test of the number of peaks.

    Returns
    -------
    dict
        ``groups``: by one condition at a time; ``cells``: by two; ``faults``: by method.
    """
    groups: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    peaks: dict[str, Any] = {}
    for name in np.unique(table["method"]):
        of_method = table["method"] == name
        groups.append({"method": str(name), "by": "all", **_bias(table, of_method)})
        for by in ("zenith", "exposure", "flux"):
            for value in np.unique(table[by][of_method]):
                chosen = of_method & (table[by] == value)
                if chosen.sum() < _FOR_A_WIDTH:
                    continue
                row = {"method": str(name), "by": by, "at": float(value)}
                groups.append(row | _bias(table, chosen))
        for low, high in pairwise(_OFFSET_EDGES):
            chosen = of_method & (table["offset"] >= low) & (table["offset"] < high)
            if chosen.sum() < _FOR_A_WIDTH:
                continue
            row = {"method": str(name), "by": "offset", "at": (low + high) / 2}
            groups.append(row | _bias(table, chosen))
        cells += _cells(table, str(name), of_method)
        suspect = of_method & (table["zenith"] == _SUSPECT_ZENITH)
        peaks[str(name)] = _faults(table, suspect, rng) | _any_zenith(table, of_method, rng)
    return {"groups": groups, "cells": cells, "faults": peaks, "suspect_zenith": _SUSPECT_ZENITH}


def _cells(table: FeatureTable, name: str, of_method: BoolArray) -> list[dict[str, Any]]:
    """Return bias and pull by pairs of conditions, where there are sources enough."""
    rows = []
    for pair in _CELLS:
        for values in product(*(np.unique(table[by]) for by in pair)):
            named = {by: float(value) for by, value in zip(pair, values, strict=True)}
            chosen = of_method.copy()
            for by, value in named.items():
                chosen &= table[by] == value
            if chosen.sum() >= _FEWEST:
                rows.append({"method": name, **named, **_bias(table, chosen)})
    return rows


def _bias(table: FeatureTable, chosen: BoolArray) -> dict[str, Any]:
    """Return the relative bias of the counts, the stated error of one source, and its pulls."""
    counts, expected, error = (table[name][chosen] for name in ("counts", "expected", "error"))
    n = len(counts)
    pulls = summarise_pulls((counts - expected) / error)
    return {
        "bias": as_facts(_relative_bias(counts, expected), n),
        "relative_error": float(np.sqrt(np.mean(error**2)) / np.mean(expected)),
        "pull_mean": as_facts(pulls.mean, n),
        "pull_width": as_facts(pulls.width, n),
    }


def _relative_bias(counts: FloatArray, expected: FloatArray) -> Interval:
    """Return all counts over all that were expected, less 1.

    Each source then weighs by its expected counts, as its precision deserves, and never by the
    measured ones, which would favour downward fluctuations.
    """
    total = float(expected.sum())
    error = float(np.sqrt(np.sum((counts - expected) ** 2)))
    return normal_interval(float(counts.sum()) / total - 1, error / total)


def _faults(table: FeatureTable, chosen: BoolArray, rng: np.random.Generator) -> dict[str, Any]:
    """Test for a loss that depends on the number of counts, and for residuals with two peaks."""
    counts, expected = table["counts"][chosen], table["expected"][chosen]
    few = expected <= np.median(expected)
    loss = {
        name: (_relative_bias(counts[half], expected[half]), int(half.sum()))
        for name, half in (("few", few), ("many", ~few))
    }
    gap = loss["many"][0].value - loss["few"][0].value
    reach = [one.high - one.value for one, _ in loss.values()]
    width = float(np.hypot(reach[0], reach[1]))
    modality = unimodality_test((counts - expected) / table["error"][chosen], rng=rng)
    return {
        "n": len(counts),
        **{f"loss_{name}": as_facts(*values) for name, values in loss.items()},
        "unevenness": as_facts(Interval(gap, gap - width, gap + width), len(counts)),
        "by_counts": _by_counts(counts, expected),
        "two_peaks_p": modality.p_value,
        "draws": modality.draws,
    }


def _by_counts(counts: FloatArray, expected: FloatArray) -> list[dict[str, Any]]:
    """Return the relative bias of sources of few to many expected counts, equally many each."""
    parts = np.array_split(np.argsort(expected, kind="stable"), _PARTS)
    return [
        {
            "low": float(expected[part].min()),
            "high": float(expected[part].max()),
            "bias": as_facts(_relative_bias(counts[part], expected[part]), len(part)),
        }
        for part in parts
        if len(part)
    ]


def _any_zenith(
    table: FeatureTable, of_method: BoolArray, rng: np.random.Generator
) -> dict[str, Any]:
    """Test for residuals with two peaks where all zenith angles are mixed."""
    difference = table["counts"][of_method] - table["expected"][of_method]
    modality = unimodality_test(difference / table["error"][of_method], rng=rng)
    return {"n_any_zenith": int(of_method.sum()), "two_peaks_p_any_zenith": modality.p_value}


def selection_bias(table: FeatureTable, thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the relative bias of the counts of sources that passed a threshold, by flux.

    Parameters
    ----------
    table : FeatureTable
        From `search_fields`.
    thresholds : mapping of str to float
        Of the statistic, by method.
    """
    rows = []
    for name, threshold in thresholds.items():
        passed = (table["method"] == name) & (table["statistic"] > threshold)
        passed &= np.isfinite(table["excess_error"]) & (table["error"] <= FOUND_WITHIN)
        for flux in np.unique(table["flux"]):
            chosen = passed & (table["flux"] == flux)
            if chosen.sum() < _FEWEST:
                continue
            bias = _relative_bias(table["excess"][chosen], table["expected"][chosen])
            rows.append({"method": name, "flux": float(flux), **as_facts(bias, int(chosen.sum()))})
    return rows
