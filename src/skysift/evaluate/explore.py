"""A first look at a labelled table: distributions, correlations, separation power, gaps, copies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp, rankdata

from skysift.data.table import FeatureTable
from skysift.evaluate.audit.duplicates import exact_groups
from skysift.evaluate.audit.findings import plain
from skysift.evaluate.audit.subject import Subject
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.intervals import Interval

__all__ = [
    "CLASSES",
    "ClassSummary",
    "Distribution",
    "Exploration",
    "Separation",
    "binned_separation",
    "explore",
]

CLASSES = ("signal", "background")
_MOST_ROWS = 1_000_000
_FEWEST_BINS, _MOST_BINS = 20, 60
_QUANTILE_BINS = 50
_OUTSIDE = 0.005
_PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """The values of one feature in one class.

    Parameters
    ----------
    feature, label : str
        The feature, and ``signal`` or ``background``.
    n, missing, zeros : int
        Rows with a value, without one, and with exactly 0.
    mean, standard_deviation, minimum, maximum : float
        Of the rows with a value, in the unit of the feature; NaN if there are none.
    percentiles : tuple of float
        The 5th, 25th, 50th, 75th and 95th percentile.
    """

    feature: str
    label: str
    n: int
    missing: int
    zeros: int
    mean: float
    standard_deviation: float
    minimum: float
    maximum: float
    percentiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Histograms of one feature in both classes with the same edges.

    Parameters
    ----------
    feature, unit : str
        The feature and its unit.
    edges : array of float64, shape (n_bins + 1,)
        Common edges, over the inner 99 % of all rows.
    counts : mapping of str to array of int64, shape (n_bins,)
        Rows in each bin, by class.
    outside : mapping of str to int
        Rows below or above the edges, by class.
    """

    feature: str
    unit: str
    edges: NDArray[np.float64]
    counts: Mapping[str, NDArray[np.int64]]
    outside: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one feature tells the classes apart on its own.

    Parameters
    ----------
    feature : str
        The feature.
    auc : Interval
        Area under the ROC curve with DeLong's interval; below 0.5 where signal has the smaller
        values.
    kolmogorov_smirnov : float
        Largest distance of the two cumulative distributions, 0 to 1.
    separation : float
        <S^2>, 0 to 1; see :func:`binned_separation`.
    """

    feature: str
    auc: Interval
    kolmogorov_smirnov: float
    separation: float

    @property
    def power(self) -> Interval:
        """The AUC turned so that it is 0.5 or more."""
        if self.auc.value >= 0.5:  # noqa: PLR2004 - the AUC of chance
            return self.auc
        return Interval(
            1 - self.auc.value,
            1 - self.auc.high,
            1 - self.auc.low,
            self.auc.confidence,
            self.auc.method,
        )


@dataclass(frozen=True, slots=True)
class Exploration:
    """What :func:`explore` found.

    Parameters
    ----------
    n_signal, n_background : int
        Rows of each class.
    n_duplicates : int
        Rows whose features repeat those of an earlier row.
    summaries : tuple of ClassSummary
        Two per feature, signal first.
    distributions : tuple of Distribution
        One per feature.
    separations : tuple of Separation
        One per feature, in the order of the features.
    correlations : mapping of str to mapping of str to array, shape (n_features, n_features)
        ``correlations[kind][rows]`` with kind ``pearson`` or ``spearman`` and rows ``all``,
        ``signal`` or ``background``; NaN for a constant feature.
    """

    n_signal: int
    n_background: int
    n_duplicates: int
    summaries: tuple[ClassSummary, ...]
    distributions: tuple[Distribution, ...]
    separations: tuple[Separation, ...]
    correlations: Mapping[str, Mapping[str, NDArray[np.float64]]]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(one.feature for one in self.separations)

    @property
    def prior(self) -> float:
        """Fraction of signal among all rows."""
        return self.n_signal / (self.n_signal + self.n_background)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; numbers that do not exist are None."""
        return {
            "n_signal": self.n_signal,
            "n_background": self.n_background,
            "prior": self.prior,
            "n_duplicates": self.n_duplicates,
            "summaries": [plain(asdict(summary)) for summary in self.summaries],
            "separations": [plain(asdict(one)) for one in self.separations],
            "distributions": [
                {
                    "feature": one.feature,
                    "unit": one.unit,
                    "edges": one.edges.tolist(),
                    "counts": {label: counts.tolist() for label, counts in one.counts.items()},
                    "outside": dict(one.outside),
                }
                for one in self.distributions
            ],
            "correlations": {
                kind: {rows: plain(matrix.tolist()) for rows, matrix in matrices.items()}
                for kind, matrices in self.correlations.items()
            },
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one flat row per feature, the best separating first."""
        rows = []
        for j, one in enumerate(self.separations):
            signal, background = self.summaries[2 * j : 2 * j + 2]
            rows.append(
                {
                    "feature": one.feature,
                    "unit": self.distributions[j].unit,
                    "median_signal": signal.percentiles[2],
                    "median_background": background.percentiles[2],
                    "missing": signal.missing + background.missing,
                    "auc": one.power.value,
                    "auc_low": one.power.low,
                    "auc_high": one.power.high,
                    "kolmogorov_smirnov": one.kolmogorov_smirnov,
                    "separation": one.separation,
                }
            )
        return sorted(rows, key=lambda row: -_or_zero(row["separation"]))


def explore(
    table: FeatureTable,
    y: ArrayLike,
    features: Sequence[str] | None = None,
    *,
    rng: np.random.Generator,
) -> Exploration:
    """Describe the features of a labelled table, class by class.

    Parameters
    ----------
    table : FeatureTable
        The rows, n of them.
    y : array_like of bool, shape (n,)
        True for signal.
    features : sequence of str, optional
        Columns to describe; by default all numeric columns.
    rng : numpy.random.Generator
        Draws a million rows for correlations and separation power if there are more.

    Returns
    -------
    Exploration

    Raises
    ------
    ContractError
        If the labels do not fit the table, lack a class, or a feature is not numeric.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> y = np.repeat([True, False], 500)
    >>> table = FeatureTable.from_columns({"width": rng.normal(size=1000) + y})
    >>> found = explore(table, y, rng=rng)
    >>> found.prior, found.separations[0].auc.value > 0.7
    (0.5, True)
    """
    subject = Subject.of(table, y, features, rng)
    sample = subject.sample(_MOST_ROWS)
    matrix, labels = subject.matrix[sample], subject.y[sample]
    n_groups = len(np.unique(exact_groups(subject.matrix))) if subject.features else len(table)
    summaries: list[ClassSummary] = []
    distributions, separations = [], []
    for j, name in enumerate(subject.features):
        values = subject.matrix[:, j]
        summaries += [
            _summary(name, label, values[rows])
            for label, rows in zip(CLASSES, (subject.y, ~subject.y), strict=True)
        ]
        distributions.append(_distribution(name, subject.units[j], values, subject.y))
        separations.append(_separation(name, matrix[:, j], labels))
    parts = {"all": matrix, "signal": matrix[labels], "background": matrix[~labels]}
    correlations = {
        kind: MappingProxyType(
            {rows: _correlation(part, ranks=kind == "spearman") for rows, part in parts.items()}
        )
        for kind in ("pearson", "spearman")
    }
    return Exploration(
        subject.n_signal,
        subject.n_background,
        len(table) - n_groups,
        tuple(summaries),
        tuple(distributions),
        tuple(separations),
        MappingProxyType(correlations),
    )


def binned_separation(signal: ArrayLike, background: ArrayLike) -> float:
    r"""Return the separation :math:`\langle S^2 \rangle` of two histograms with the same edges.

    .. math:: \langle S^2 \rangle = \frac{1}{2} \int \frac{(s - b)^2}{s + b} \, dx

    with the two densities normalised to one: 0 for equal, 1 for disjoint distributions (Hoecker et
    al. 2007, TMVA Users Guide, arXiv:physics/0703039, sect. 3). Unlike the AUC it sees a
    difference in width, too. Equal densities with n_s and n_b rows in k bins give
    (k - 1) (1 / n_s + 1 / n_b) / 4 on average.

    Parameters
    ----------
    signal, background : array_like, shape (n_bins,)
        Rows in each bin.

    Examples
    --------
    >>> binned_separation([5, 5, 0], [0, 0, 3]), binned_separation([2, 4], [1, 2])
    (1.0, 0.0)
    """
    s, b = np.asarray(signal, dtype=np.float64), np.asarray(background, dtype=np.float64)
    if not s.sum() or not b.sum():
        return float("nan")
    s, b = s / s.sum(), b / b.sum()
    filled = s + b > 0
    return float(0.5 * np.sum((s - b)[filled] ** 2 / (s + b)[filled]))


def _summary(name: str, label: str, values: NDArray[np.float64]) -> ClassSummary:
    present = values[np.isfinite(values)]
    if not len(present):
        nan = float("nan")
        nans = (nan,) * len(_PERCENTILES)
        return ClassSummary(name, label, 0, len(values), 0, nan, nan, nan, nan, nans)
    return ClassSummary(
        feature=name,
        label=label,
        n=len(present),
        missing=len(values) - len(present),
        zeros=int(np.count_nonzero(present == 0)),
        mean=float(present.mean()),
        standard_deviation=float(present.std()),
        minimum=float(present.min()),
        maximum=float(present.max()),
        percentiles=tuple(np.percentile(present, _PERCENTILES).tolist()),
    )


def _distribution(
    name: str, unit: str, values: NDArray[np.float64], y: NDArray[np.bool_]
) -> Distribution:
    edges = _robust_edges(values[np.isfinite(values)])
    counts, outside = {}, {}
    for label, rows in zip(CLASSES, (y, ~y), strict=True):
        present = values[rows & np.isfinite(values)]
        counts[label] = np.histogram(present, edges)[0].astype(np.int64)
        outside[label] = len(present) - int(counts[label].sum())
    return Distribution(name, unit, edges, MappingProxyType(counts), MappingProxyType(outside))


def _robust_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return equal bins over the inner 99 %, as wide as Freedman & Diaconis (1981) advise."""
    if not len(values):
        return np.linspace(0.0, 1.0, _FEWEST_BINS + 1)
    levels = np.unique(values)
    if len(levels) <= _MOST_BINS and np.all(levels == np.round(levels)):
        # Few whole numbers: one bin each, so that no bin catches two of them.
        span = int(levels[-1] - levels[0])
        if span <= _MOST_BINS:
            return np.asarray(levels[0] - 0.5 + np.arange(span + 2))
    low, lower, upper, high = np.quantile(values, [_OUTSIDE, 0.25, 0.75, 1 - _OUTSIDE])
    if high <= low:
        low, high = values.min() - 0.5, values.max() + 0.5
    width = 2 * (upper - lower) / np.cbrt(len(values))
    n_bins = (high - low) / width if width > 0 else _FEWEST_BINS
    return np.linspace(low, high, int(np.clip(n_bins, _FEWEST_BINS, _MOST_BINS)) + 1)


def _separation(name: str, values: NDArray[np.float64], y: NDArray[np.bool_]) -> Separation:
    present = np.isfinite(values)
    values, y = values[present], y[present]
    signal, background = values[y], values[~y]
    if min(len(signal), len(background)) < 2:  # noqa: PLR2004 - one value has no spread
        nan = float("nan")
        return Separation(name, Interval(nan, nan, nan, method="too few values"), nan, nan)
    inner = np.unique(np.quantile(values, np.linspace(0, 1, _QUANTILE_BINS + 1)[1:-1]))
    histograms = [
        np.bincount(np.searchsorted(inner, part, side="right"), minlength=len(inner) + 1)
        for part in (signal, background)
    ]
    return Separation(
        name,
        auc_interval(y, values),
        float(ks_2samp(signal, background, method="asymp").statistic),
        binned_separation(*histograms),
    )


def _correlation(matrix: NDArray[np.float64], *, ranks: bool) -> NDArray[np.float64]:
    """Return the correlation of all pairs of columns over the rows that have both values."""
    n_features = matrix.shape[1]
    out = np.full((n_features, n_features), np.nan)
    present = np.isfinite(matrix)
    complete = bool(present.all())
    prepared = rankdata(matrix, axis=0) if ranks and complete and len(matrix) else matrix
    for i, j in combinations_with_replacement(range(n_features), 2):
        both = slice(None) if complete else present[:, i] & present[:, j]
        first, second = prepared[both, i], prepared[both, j]
        if ranks and not complete:
            first, second = rankdata(first), rankdata(second)
        out[i, j] = out[j, i] = _pearson(first, second)
    return out


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if len(first) < 2:  # noqa: PLR2004 - one point has no slope
        return float("nan")
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.clip(np.sum(first * second) / norm, -1, 1)) if norm > 0 else float("nan")


def _or_zero(value: float) -> float:
    return value if np.isfinite(value) else 0.0
