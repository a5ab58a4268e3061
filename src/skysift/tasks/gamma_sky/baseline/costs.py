"""From answers on test maps to what each fault costs, with intervals from paired resampling."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.tasks.gamma_sky.evaluation.study import as_facts

__all__ = ["OUTLIER", "Answers", "cost_rows"]

FloatArray = NDArray[np.float64]

OUTLIER = 0.2
"""Distance [deg] from the source from where an answer is a wrong one."""

_QUANTILE = 0.68
_DRAWS = 1000
_TAIL = 0.025
_CONFIDENCE = 0.95
_METHOD = "bootstrap"
_ZENITH_EDGES = (20.0, 30.0, 40.0, 50.0, 60.0)
_RESIDUAL_EDGES = np.linspace(-0.2, 0.2, 41)
_FAR = 1e3  # deg: no answer is a wrong one, and a number that can be sorted


@dataclass(frozen=True)
class Answers:
    """Answers of one method on all maps.

    Parameters
    ----------
    across, along : array, shape (n,) [deg]
        From the true place; NaN without an answer.
    counts : array, shape (n,)
        Of the source, as the method has them.
    peak : array, shape (n,) [deg]
        Distance of the top of the cleaned map.
    clean : array, shape (n,)
        True counts: all of the aperture less the expected background.
    """

    across: FloatArray
    along: FloatArray
    counts: FloatArray
    peak: FloatArray
    clean: FloatArray

    def of_maps(self, rows: NDArray[np.int64]) -> "Answers":
        """Return the answers on some of the maps."""
        return Answers(
            self.across[rows],
            self.along[rows],
            self.counts[rows],
            self.peak[rows],
            self.clean[rows],
        )

    @property
    def error(self) -> FloatArray:
        """Distance [deg] from the true place; very far without an answer."""
        return np.nan_to_num(np.hypot(self.across, self.along), nan=_FAR)


def cost_rows(
    answers: Mapping[str, Answers],
    zenith: FloatArray,
    rng: np.random.Generator,
    *,
    reference: str,
) -> list[dict[str, Any]]:
    """Return a row for each method.

    Parameters
    ----------
    answers : mapping of str to Answers
        By method, on the same maps.
    zenith : array, shape (n,) [deg]
        Of each map.
    rng : numpy.random.Generator
        Draws maps, the same for all methods: ratios are those of the same maps.
    reference : str
        Method that errors are divided by.

    Returns
    -------
    list of dict
        JSON-ready: ``method``, ``error68`` [deg], ``ratio`` of it to that of the reference,
        ``median``, ``outliers``, ``peak68`` of the cleaned map's top, ``kept`` counts over the true
        ones, ``spread`` [counts], and ``by_zenith`` and ``residuals``.
    """
    n = len(zenith)
    draws = rng.integers(0, n, (_DRAWS, n))
    error = answers[reference].error
    base = float(np.quantile(error, _QUANTILE)), _drawn_quantile(error, draws)
    return [_row(name, one, zenith, draws, base=base) for name, one in answers.items()]


def _row(
    name: str,
    one: Answers,
    zenith: FloatArray,
    draws: NDArray[np.int64],
    *,
    base: tuple[float, FloatArray],
) -> dict[str, Any]:
    error, n = one.error, len(zenith)
    drawn = _drawn_quantile(error, draws)
    value = float(np.quantile(error, _QUANTILE))
    far = int(np.sum(error > OUTLIER))
    has_peak, has_counts = np.isfinite(one.peak).all(), np.isfinite(one.counts).any()
    return {
        "method": name,
        "error68": as_facts(_interval(value, drawn), n),
        "ratio": as_facts(_interval(value / base[0], drawn / base[1]), n),
        "median": float(np.median(error)),
        "outliers": as_facts(wilson_interval(far, n), n),
        "peak68": as_facts(
            _interval(float(np.quantile(one.peak, _QUANTILE)), _drawn_quantile(one.peak, draws)), n
        )
        if has_peak
        else None,
        "kept": _kept(one, draws) if has_counts else None,
        "spread": _spread(one) if has_counts else None,
        "by_zenith": _by_zenith(one, zenith, has_counts=bool(has_counts)),
        "residuals": _residuals(one),
    }


def _drawn_quantile(values: FloatArray, draws: NDArray[np.int64]) -> FloatArray:
    return np.asarray(np.quantile(values[draws], _QUANTILE, axis=1))


def _interval(value: float, drawn: FloatArray) -> Interval:
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return Interval(value, float(low), float(high), _CONFIDENCE, _METHOD)


def _kept(one: Answers, draws: NDArray[np.int64]) -> dict[str, Any]:
    """Return the sum of the counts over that of the true ones; a source not found has none."""
    counts = np.nan_to_num(one.counts)
    value = float(counts.sum() / one.clean.sum())
    drawn = counts[draws].sum(axis=1) / one.clean[draws].sum(axis=1)
    return as_facts(_interval(value, drawn), len(counts))


def _spread(one: Answers) -> dict[str, float]:
    """Return mean and standard deviation of the error of the counts of a map."""
    difference = np.nan_to_num(one.counts) - one.clean
    return {"mean": float(difference.mean()), "deviation": float(difference.std())}


def _by_zenith(one: Answers, zenith: FloatArray, *, has_counts: bool) -> list[dict[str, Any]]:
    """Return error and kept counts in bands of zenith angle, each resampled by itself."""
    rng = np.random.default_rng(len(zenith))
    rows = []
    for low, high in pairwise(_ZENITH_EDGES):
        chosen = np.flatnonzero((zenith >= low) & (zenith < high))
        if len(chosen) == 0:
            continue
        again = rng.integers(0, len(chosen), (_DRAWS // 4, len(chosen)))
        part = one.of_maps(chosen)
        error = part.error
        value = float(np.quantile(error, _QUANTILE))
        rows.append(
            {
                "low": low,
                "high": high,
                "error68": as_facts(_interval(value, _drawn_quantile(error, again)), len(chosen)),
                "kept": _kept(part, again) if has_counts else None,
            }
        )
    return rows


def _residuals(one: Answers) -> dict[str, Any]:
    """Return histograms of both residuals, and whether they have two peaks.

    ``centre_over_peak`` is the density in the middle over the highest density: 1 with a single
    peak, less with two.
    """
    across, along = (np.histogram(d, _RESIDUAL_EDGES)[0] for d in (one.across, one.along))
    found: dict[str, Any] = {
        "edges": [round(float(edge), 4) for edge in _RESIDUAL_EDGES],
        "across": across.tolist(),
        "along": along.tolist(),
        "mean_across": float(np.nanmedian(one.across)),
        "mean_along": float(np.nanmedian(one.along)),
    }
    for name, histogram in (("across", across), ("along", along)):
        smooth = np.convolve(histogram, np.ones(4) / 4, mode="same")
        middle = float(smooth[len(smooth) // 2 - 1 : len(smooth) // 2 + 1].max())
        highest = float(smooth.max())
        found[f"{name}_centre_over_peak"] = middle / highest if highest > 0 else None
    return found
