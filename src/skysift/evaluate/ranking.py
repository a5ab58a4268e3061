"""Statistics of a score from its histograms of signal and background, many draws at a time.

All that depends on the order of the scores (AUC, partial AUC, efficiency at an acceptance, quality
factor) and the calibration error follow from how much signal and how much background lies on each
*rung* of a ladder of scores. Up to 8,192 distinct scores each has its own rung and nothing is
lost. Beyond that, rungs are merged to about 4,000: even and geometric steps of background
acceptance together, so that an acceptance of 0.001 is still resolved to half a per cent of itself,
far below its statistical error. Estimates are never made from merged rungs, only intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from skysift.evaluate.inputs import BoolArray, FloatArray, as_groups
from skysift.evaluate.resampling import Bootstrap, bootstrap
from skysift.evaluate.roc import area_up_to, standardised_area, within_acceptance

__all__ = ["Ladder", "RankingStatistics", "bootstrap_ranking"]

_EXACT_RUNGS = 8_192
_MERGED_RUNGS = 4_096
_SMALLEST_ACCEPTANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Ladder:
    """Scores put on rungs, the highest first.

    Parameters
    ----------
    rung : array of int, shape (n,)
        Rung of each row, 0 for the highest scores.
    score : array, shape (n_rungs,)
        Mean score of the rows on each rung, descending.
    """

    rung: NDArray[np.int64]
    score: FloatArray

    @classmethod
    def of(
        cls,
        signal: BoolArray,
        score: FloatArray,
        cuts: ArrayLike = (),
        max_exact: int = _EXACT_RUNGS,
    ) -> "Ladder":
        """Build the ladder of one score.

        Parameters
        ----------
        signal : array of bool, shape (n,)
            True for signal.
        score : array, shape (n,)
            Scores.
        cuts : array_like, shape (k,)
            Scores at which a rung must end: the lower edges of bins.
        max_exact : int
            Up to so many distinct scores no two share a rung.
        """
        distinct, rung = np.unique(-score, return_inverse=True)
        if len(distinct) > max_exact:
            background = np.bincount(rung, weights=~signal)
            acceptance = np.cumsum(background) / background.sum()
            coarse = _steps(acceptance)
            # `distinct` is negated and ascending: side="left" puts a score equal to a cut above it.
            coarse = coarse + np.searchsorted(np.sort(-np.asarray(cuts, float)), distinct)
            merged = np.append(0, np.cumsum(np.diff(coarse) > 0))
            rung = merged[rung]
        rung = rung.astype(np.int64)
        mean = np.bincount(rung, weights=score) / np.bincount(rung)
        # Rounding must not carry the mean of equal scores past the edge of a bin.
        lowest = np.full(len(mean), np.inf)
        np.minimum.at(lowest, rung, score)
        return cls(rung, np.maximum(mean, lowest))


@dataclass(frozen=True, slots=True)
class RankingStatistics:
    """Which statistics to compute of the histograms on a ladder.

    Parameters
    ----------
    acceptances : sequence of float
        Background acceptances at which the efficiency is read.
    max_acceptance : float
        Where the partial AUC ends.
    min_acceptance : float
        Smallest acceptance at which the quality factor is trusted.
    calibration_edges : array, shape (n_bins + 1,), optional
        Edges of the bins of the expected calibration error; none, no such error.
    """

    acceptances: Sequence[float] = ()
    max_acceptance: float = 0.1
    min_acceptance: float = 0.0
    calibration_edges: FloatArray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return (
            "auc",
            f"partial_auc@{self.max_acceptance:g}",
            "quality_factor_max",
            *(f"efficiency@{acceptance:g}" for acceptance in self.acceptances),
            *(() if self.calibration_edges is None else ("ece",)),
        )

    def __call__(self, background: FloatArray, signal: FloatArray, score: FloatArray) -> FloatArray:
        """Return the statistics of many pairs of histograms.

        Parameters
        ----------
        background, signal : array, shape (b, n_rungs)
            Sums of weights on each rung, highest scores first.
        score : array, shape (n_rungs,)
            Mean score on each rung.

        Returns
        -------
        array, shape (b, n_statistics)
        """
        acceptance, efficiency = _kept(background), _kept(signal)
        rise = np.diff(acceptance, axis=1)
        columns = [
            np.sum(rise * (efficiency[:, 1:] + efficiency[:, :-1]), axis=1) / 2,
            standardised_area(
                area_up_to(acceptance, efficiency, self.max_acceptance), self.max_acceptance
            ),
            _largest_quality(acceptance, efficiency, self.min_acceptance),
        ]
        if self.acceptances:
            last = np.stack([within_acceptance(row, self.acceptances) - 1 for row in acceptance])
            columns.extend(np.take_along_axis(efficiency, last, axis=1).T)
        if self.calibration_edges is not None:
            columns.append(_calibration_error(background, signal, score, self.calibration_edges))
        found = np.stack(columns, axis=1)
        # A draw of few groups may miss a class altogether: its statistics are then undefined.
        found[(acceptance[:, -1] == 0) | (efficiency[:, -1] == 0)] = np.nan
        return found


def bootstrap_ranking(
    signal: BoolArray,
    models: Sequence[tuple[FloatArray, RankingStatistics]],
    *,
    rng: np.random.Generator,
    groups: ArrayLike | None = None,
    sample_weight: FloatArray | None = None,
    n_bootstrap: int = 1000,
    jackknife_parts: int = 0,
) -> Bootstrap:
    """Bootstrap the ranking statistics of one or more scores of the same rows.

    Parameters
    ----------
    signal : array of bool, shape (n,)
        True for signal.
    models : sequence of (score, statistics)
        Scores, shape (n,), with the statistics wanted of each. All see the same draws, so that
        differences between them are paired.
    rng : numpy.random.Generator
        Source of randomness.
    groups : array_like, shape (n,), optional
        Draw whole groups instead of rows within their class.
    sample_weight : array, shape (n,), optional
        Weight of each row.
    n_bootstrap, jackknife_parts
        As for :func:`skysift.evaluate.resampling.bootstrap`.

    Returns
    -------
    Bootstrap
        The columns of the first model, then those of the second, and so on.

    Notes
    -----
    Time: one score without weights or groups is drawn on its rungs, about 1 s for 1000 draws of any
    number of rows. Otherwise every row is drawn, about 10 ns for each row and draw.
    """
    ladders = [
        Ladder.of(signal, score, () if (e := stats.calibration_edges) is None else e[:-1])
        for score, stats in models
    ]
    cells = [_cells(ladder, signal) for ladder in ladders]
    n = len(signal)
    strata: NDArray[np.int64]
    counts = None
    if groups is not None:
        unit = as_groups(groups, n)
        strata = np.zeros(int(unit.max()) + 1, dtype=np.int64)
    elif len(models) == 1 and sample_weight is None:
        present, unit, counts = np.unique(cells[0], return_inverse=True, return_counts=True)
        strata = present // len(ladders[0].score)
    else:
        unit, strata = np.arange(n), signal.astype(np.int64)
    weight = np.ones(n) if sample_weight is None else sample_weight
    if counts is not None:
        weight = weight / counts[unit]
    # Each matrix has a row for each (class, rung), a column for each unit: histograms = it @ draws.
    spread = [
        csr_array((weight, (cell, unit)), shape=(2 * len(ladder.score), len(strata)))
        for cell, ladder in zip(cells, ladders, strict=True)
    ]

    def statistic(drawn: FloatArray) -> FloatArray:
        columns = []
        for matrix, ladder, (_, wanted) in zip(spread, ladders, models, strict=True):
            background, signals = np.split((matrix @ drawn.T).T, 2, axis=1)
            columns.append(wanted(background, signals, ladder.score))
        return np.concatenate(columns, axis=1)

    return bootstrap(
        statistic,
        strata,
        rng=rng,
        counts=counts,
        n_bootstrap=n_bootstrap,
        jackknife_parts=jackknife_parts,
    )


def _cells(ladder: Ladder, signal: BoolArray) -> NDArray[np.int64]:
    return ladder.rung + len(ladder.score) * signal


def _steps(acceptance: FloatArray) -> NDArray[np.int64]:
    """Return the number of the step that each acceptance, ascending, lies on."""
    half = _MERGED_RUNGS // 2
    decades = np.log(np.maximum(acceptance, _SMALLEST_ACCEPTANCE) / _SMALLEST_ACCEPTANCE)
    geometric = decades / -np.log(_SMALLEST_ACCEPTANCE)
    return np.asarray(np.floor(acceptance * half) + np.floor(geometric * half), dtype=np.int64)


def _kept(histogram: FloatArray) -> FloatArray:
    """Return the cumulative fractions with a leading 0, shape (b, n_rungs + 1)."""
    total = np.cumsum(histogram, axis=1)
    kept = np.zeros((len(total), total.shape[1] + 1))
    all_of_it = total[:, -1:]
    np.divide(total, all_of_it, out=kept[:, 1:], where=all_of_it > 0)
    return kept


def _largest_quality(
    acceptance: FloatArray, efficiency: FloatArray, min_acceptance: float
) -> FloatArray:
    trusted = (acceptance >= min_acceptance * (1 - 1e-12)) & (acceptance > 0)
    root = np.sqrt(np.where(trusted, acceptance, 1.0))
    return np.asarray(np.max(np.where(trusted, efficiency / root, 0.0), axis=1))


def _calibration_error(
    background: FloatArray, signal: FloatArray, score: FloatArray, edges: FloatArray
) -> FloatArray:
    both = background + signal
    # Highest scores first, so bins are met from the last to the first.
    bin_of = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, len(edges) - 2)
    starts = np.append(0, np.flatnonzero(np.diff(bin_of)) + 1)
    gap = np.add.reduceat(both * score - signal, starts, axis=1)
    return np.asarray(np.abs(gap).sum(axis=1) / both.sum(axis=1))
