"""All that is said of one binary classifier on one set of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from skysift.core.results import Evaluation, Metric
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.inputs import (
    BoolArray,
    FloatArray,
    as_labels,
    as_probability,
    as_score,
    as_weight,
    require_fraction,
)
from skysift.evaluate.intervals import Interval, mean_interval, ratio_limits
from skysift.evaluate.operating import OperatingPoint, weighted_wilson
from skysift.evaluate.probability import (
    brier_decomposition,
    calibration_edges,
    calibration_error_floor,
    log_losses,
    reliability_curve,
)
from skysift.evaluate.ranking import RankingStatistics, bootstrap_ranking
from skysift.evaluate.resampling import Bootstrap
from skysift.evaluate.roc import RocCurve, area_up_to, quality_factor, roc_curve, standardised_area

__all__ = [
    "ACCEPTANCES",
    "RocBand",
    "ScoreHistograms",
    "calibration_interval",
    "evaluate_binary",
    "ranking_values",
    "score_histograms",
]

ACCEPTANCES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Background acceptances of the gamma-hadron comparison of Bock et al. (2004), NIM A 516, 511."""

_BAND = tuple(np.geomspace(1e-3, 1.0, 31)[:-1].tolist())


@dataclass(frozen=True, slots=True)
class RocBand:
    """Pointwise confidence band of a ROC curve.

    Parameters
    ----------
    acceptance : array, shape (m,)
        Background acceptances.
    efficiency, low, high : array, shape (m,)
        Efficiency and its bootstrap limits there.
    confidence : float
        Confidence level at each point by itself.
    """

    acceptance: FloatArray
    efficiency: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: float


@dataclass(frozen=True, slots=True)
class ScoreHistograms:
    """How the scores of signal and of background are distributed.

    Parameters
    ----------
    edges : array, shape (n_bins + 1,)
        Edges of the bins of score; the last bin holds its upper edge.
    signal, background : array, shape (n_bins,)
        Sums of weights.
    """

    edges: FloatArray
    signal: FloatArray
    background: FloatArray


def evaluate_binary(
    y: ArrayLike,
    score: ArrayLike,
    *,
    rng: np.random.Generator,
    model: str,
    data: str,
    split: str,
    acceptances: Sequence[float] = ACCEPTANCES,
    max_acceptance: float = 0.1,
    operating_point: OperatingPoint | None = None,
    probabilistic: bool = True,
    n_bins: int = 15,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Evaluation:
    """Measure a binary classifier on labelled rows, each number with its interval.

    Parameters
    ----------
    y : array_like of bool, shape (n,)
        True for signal.
    score : array_like, shape (n,)
        Probability of signal, or with ``probabilistic=False`` any number that is larger for signal.
    rng : numpy.random.Generator
        Draws the bootstrap.
    model, data, split : str
        Names of the model, of the data set and of these rows.
    acceptances : sequence of float
        Background acceptances at which the signal efficiency is quoted.
    max_acceptance : float
        Where the partial AUC ends.
    operating_point : OperatingPoint, optional
        Chosen on other rows; it is measured on these and adds the metrics ``efficiency``,
        ``acceptance``, ``quality_factor`` and ``accuracy``, each ``@operating_point``.
    probabilistic : bool
        Whether the score is a probability, of which log loss, Brier score and calibration make
        sense.
    n_bins : int
        Number of bins of equal width of the calibration error and the reliability curve.
    n_bootstrap : int
        Number of bootstrap draws.
    confidence : float
        Confidence level of all intervals.
    groups : array_like, shape (n,), optional
        Rows of equal group are not independent: whole groups are drawn, and the errors of AUC, log
        loss and Brier score are those of groups. Wilson's intervals still take rows as independent.
    sample_weight : array_like, shape (n,), optional
        Weight of each row.

    Returns
    -------
    Evaluation
        Metrics ``auc`` (DeLong), ``auc_bootstrap``, ``partial_auc@0.1`` (standardised after
        McClish), ``quality_factor_max``, ``efficiency@0.01`` and so on; with `operating_point`
        those above; of probabilities ``accuracy@0.5``, ``log_loss``, ``brier`` and ``ece``.
        `detail` holds ``roc``, ``roc_band``, ``histograms``, ``operating_point`` (measured on
        these rows, or None) and, of probabilities, ``reliability``, ``brier`` (its decomposition)
        and ``calibration_error_floor``.

    Notes
    -----
    ``quality_factor_max`` is the maximum over thresholds of these same rows, at acceptances not
    below the smallest of `acceptances`: it is optimistic, and the method says so. The efficiency at
    an acceptance also takes its threshold from these rows; the bootstrap takes it anew in each
    draw, so that its interval has the error of the threshold in it. The calibration error is biased
    upwards; see :func:`calibration_interval` for how its interval allows for that.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> y = rng.random(2000) < 0.5
    >>> p = 1 / (1 + np.exp(-rng.normal(2.0 * y - 1.0, 2**0.5)))
    >>> found = evaluate_binary(y, p, rng=rng, model="m", data="d", split="test")
    >>> print(found["auc"])
    auc = 0.8478 [0.8303, 0.8638]
    """
    require_fraction("confidence", confidence)
    signal = as_labels(y)
    values = (as_probability if probabilistic else as_score)(score, len(signal))
    weight = as_weight(sample_weight, signal)
    curve = roc_curve(signal, values, weight)
    statistics = RankingStatistics(
        acceptances=(*acceptances, *_BAND),
        max_acceptance=max_acceptance,
        min_acceptance=min(acceptances, default=0.01),
        calibration_edges=calibration_edges(values, n_bins=n_bins) if probabilistic else None,
    )
    drawn = bootstrap_ranking(
        signal,
        [(values, statistics)],
        rng=rng,
        groups=groups,
        sample_weight=None if sample_weight is None else weight,
        n_bootstrap=n_bootstrap,
    )
    exact = ranking_values(curve, statistics)
    intervals = {
        "auc": auc_interval(
            signal, values, confidence=confidence, groups=groups, sample_weight=weight
        )
    }
    intervals |= _ranking_intervals(drawn, statistics, exact, len(acceptances), confidence)
    measured = None
    if operating_point is not None:
        measured = operating_point.measure(signal, values, split=split, sample_weight=weight)
        intervals |= _operating_intervals(measured, signal, values, weight)
    detail: dict[str, Any] = {
        "roc": curve,
        "roc_band": _band(drawn, statistics, curve, confidence),
        "histograms": score_histograms(signal, values, weight),
        "operating_point": measured,
    }
    if probabilistic:
        reliability = reliability_curve(
            signal, values, n_bins=n_bins, confidence=confidence, sample_weight=weight
        )
        floor = calibration_error_floor(
            values, n_bins=n_bins, confidence=confidence, sample_weight=weight
        )
        intervals["ece"] = calibration_interval(
            drawn, statistics.names.index("ece"), reliability.calibration_error, floor
        )
        intervals |= _probability_intervals(signal, values, weight, groups, confidence)
        detail |= {
            "reliability": reliability,
            "brier": brier_decomposition(
                signal, values, edges=reliability.edges, sample_weight=weight
            ),
            "calibration_error_floor": floor,
        }
    metrics = _metrics(intervals, n=len(signal), split=split)
    return Evaluation(model, data, split, metrics, detail)


def ranking_values(curve: RocCurve, statistics: RankingStatistics) -> dict[str, float]:
    """Return the exact values of the ranking statistics, by name, from the whole curve."""
    trusted = (curve.acceptance >= statistics.min_acceptance) & (curve.acceptance > 0)
    quality = quality_factor(curve.efficiency[trusted], curve.acceptance[trusted])
    area = area_up_to(curve.acceptance, curve.efficiency, statistics.max_acceptance)
    values = [
        curve.area,
        float(standardised_area(area, statistics.max_acceptance)),
        float(quality.max()),
        *curve.efficiency_at(np.asarray(statistics.acceptances, dtype=np.float64)).tolist(),
    ]
    return dict(zip(statistics.names, values, strict=False))


def calibration_interval(drawn: Bootstrap, column: int, value: float, floor: Interval) -> Interval:
    """Return the interval of a calibration error, of which the plain bootstrap makes too much.

    The error is biased upwards, and the bootstrap's replicates twice so: they are reflected about
    the value. Near 0 that is not enough: where the value is no larger than what calibrated rows
    may show, the lower limit is 0. The upper one is never below the value.

    Parameters
    ----------
    drawn : Bootstrap
        Replicates.
    column : int
        The column of the calibration error.
    value : float
        The error of the rows themselves.
    floor : Interval
        What :func:`skysift.evaluate.probability.calibration_error_floor` says of them.
    """
    limits = drawn.interval(column, confidence=floor.confidence, method="basic")
    low = 0.0 if value <= floor.high else max(limits.low, 0.0)
    return Interval(value, low, max(limits.high, value), floor.confidence, limits.method)


def score_histograms(
    signal: BoolArray, score: FloatArray, weight: FloatArray, n_bins: int = 50
) -> ScoreHistograms:
    """Return histograms of the scores of each class, from 0 to 1 or over the range of the scores.

    Parameters
    ----------
    signal, score, weight : array, shape (n,)
        Labels, scores and weights.
    n_bins : int
        Number of bins of equal width.
    """
    low, high = float(score.min()), float(score.max())
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    edges = np.linspace(low, high, n_bins + 1)
    return ScoreHistograms(
        edges,
        np.histogram(score[signal], edges, weights=weight[signal])[0],
        np.histogram(score[~signal], edges, weights=weight[~signal])[0],
    )


def _ranking_intervals(
    drawn: Bootstrap,
    statistics: RankingStatistics,
    exact: Mapping[str, float],
    n_quoted: int,
    confidence: float,
) -> dict[str, Interval]:
    """Intervals of the first columns: those after the quoted acceptances belong to the band."""
    found = {}
    for column, name in enumerate(statistics.names[: 3 + n_quoted]):
        limits = drawn.interval(column, confidence=confidence)
        method = limits.method
        if name == "quality_factor_max":
            method += "; optimistic: maximum over thresholds of the same rows"
        found["auc_bootstrap" if name == "auc" else name] = Interval(
            exact[name], limits.low, limits.high, confidence, method
        )
    return found


def _operating_intervals(
    point: OperatingPoint, signal: BoolArray, score: FloatArray, weight: FloatArray
) -> dict[str, Interval]:
    confidence = point.efficiency.confidence
    # The quality factor is a ratio whose denominator has the roots of the acceptance's limits.
    root = Interval(*np.sqrt([point.acceptance.value, point.acceptance.low, point.acceptance.high]))
    low, high = ratio_limits(point.efficiency, root)
    quality = float(quality_factor(point.efficiency.value, point.acceptance.value))
    right = point.keep(score) == signal
    return {
        "efficiency@operating_point": point.efficiency,
        "acceptance@operating_point": point.acceptance,
        "quality_factor@operating_point": Interval(
            quality, low, high, confidence, "MOVER-R of Wilson limits"
        ),
        "accuracy@operating_point": weighted_wilson(right, weight, confidence),
    }


def _probability_intervals(
    signal: BoolArray,
    probability: FloatArray,
    weight: FloatArray,
    groups: ArrayLike | None,
    confidence: float,
) -> dict[str, Interval]:
    def mean(values: FloatArray) -> Interval:
        return mean_interval(
            values, strata=signal, groups=groups, sample_weight=weight, confidence=confidence
        )

    right = (probability >= 0.5) == signal  # noqa: PLR2004 - what accuracy means by default
    return {
        "accuracy@0.5": weighted_wilson(right, weight, confidence),
        "log_loss": mean(log_losses(signal, probability)),
        "brier": mean((probability - signal) ** 2),
    }


def _band(
    drawn: Bootstrap, statistics: RankingStatistics, curve: RocCurve, confidence: float
) -> RocBand:
    first = 3 + len(statistics.acceptances) - len(_BAND)
    limits = [drawn.interval(first + k, confidence=confidence) for k in range(len(_BAND))]
    return RocBand(
        np.array(_BAND),
        curve.efficiency_at(_BAND),
        np.array([limit.low for limit in limits]),
        np.array([limit.high for limit in limits]),
        confidence,
    )


def _metrics(intervals: Mapping[str, Interval], *, n: int, split: str) -> tuple[Metric, ...]:
    return tuple(limit.metric(name, n=n, split=split) for name, limit in intervals.items())
