"""The bootstrap: whole rows or whole groups drawn again, many times, for many statistics at once.

A replicate is a vector of multiplicities (how often each unit was drawn), so a statistic that
takes weights needs no copy of the rows. Replicates come in blocks of bounded memory. Units that
cannot be told apart (rows of one class in one bin) may be given once with their `counts`: their
multiplicities are then drawn at once from the multinomial law that they follow, and a million rows
cost as much as their bins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from skysift.core.errors import InputError, UsageError
from skysift.evaluate.inputs import FloatArray, as_groups, require_fraction
from skysift.evaluate.intervals import Interval

__all__ = ["Bootstrap", "Statistic", "bootstrap", "bootstrap_rows"]

Statistic = Callable[[FloatArray], FloatArray]

_BLOCK_CELLS = 4_000_000  # 32 MB of float64
_MULTINOMIAL_FROM = 4  # rows per unit from which one multinomial draw beats drawing row by row


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Statistics of the data and of the data drawn again.

    Parameters
    ----------
    value : array, shape (m,)
        The statistics of the data themselves.
    replicates : array, shape (n_bootstrap, m)
        The statistics of each draw; NaN where a draw leaves one undefined, which is left out.
    jackknife : array, shape (n_left_out, m), optional
        The statistics without each of some random parts of the units: what BCa needs.
    """

    value: FloatArray
    replicates: FloatArray
    jackknife: FloatArray | None = None

    def interval(
        self, column: int = 0, *, confidence: float = 0.95, method: str = "percentile"
    ) -> Interval:
        """Return the confidence interval of one statistic.

        Parameters
        ----------
        column : int
            Which of the m statistics.
        confidence : float
            Confidence level.
        method : {"percentile", "basic", "bca"}
            Quantiles of the replicates; those reflected about the value, which removes a bias; or
            bias-corrected and accelerated (Efron 1987, JASA 82, 171).

        Raises
        ------
        UsageError
            If the method is unknown, or BCa is asked of a bootstrap without jackknife.
        """
        tail = (1 - require_fraction("confidence", confidence)) / 2
        levels = np.array([tail, 1 - tail])
        value, replicates = float(self.value[column]), self._defined(column)
        if method == "bca":
            levels = self._bca_levels(column, levels)
        elif method not in {"percentile", "basic"}:
            raise UsageError(f"There is no method '{method}'.", "Use percentile, basic or bca.")
        low, high = np.quantile(replicates, levels)
        if method == "basic":
            low, high = 2 * value - high, 2 * value - low
        name = "" if method == "percentile" else f", {'BCa' if method == 'bca' else method}"
        label = f"bootstrap, {len(replicates)}{name}"
        return Interval(value, float(low), float(high), confidence, label)

    def p_value(self, column: int = 0) -> float:
        """Return the two-sided p-value of the statistic being 0, from where 0 falls.

        It inverts the percentile interval and is at least 2 / (n_bootstrap + 1).
        """
        replicates = self._defined(column)
        rarer = min(int(np.sum(replicates <= 0)), int(np.sum(replicates >= 0)))
        return min(1.0, 2 * (rarer + 1) / (len(replicates) + 1))

    def _defined(self, column: int) -> FloatArray:
        replicates = self.replicates[:, column]
        return replicates[np.isfinite(replicates)]

    def _bca_levels(self, column: int, levels: FloatArray) -> FloatArray:
        if self.jackknife is None:
            raise UsageError(
                "This bootstrap has no jackknife, which BCa needs.", "Give jackknife_parts=200."
            )
        replicates, value = self._defined(column), self.value[column]
        n = len(replicates)
        # Ties with the value count half; the clip keeps the correction finite.
        below = np.sum(replicates < value) + np.sum(replicates == value) / 2
        bias = ndtri(np.clip(below / n, 0.5 / n, 1 - 0.5 / n))
        left_out = self.jackknife[:, column]
        departure = left_out.mean() - left_out
        spread = np.sum(departure**2) ** 1.5
        acceleration = np.sum(departure**3) / (6 * spread) if spread > 0 else 0.0
        shifted = bias + ndtri(levels)
        return np.asarray(ndtr(bias + shifted / (1 - acceleration * shifted)))


def bootstrap(
    statistic: Statistic,
    strata: ArrayLike,
    *,
    rng: np.random.Generator,
    counts: ArrayLike | None = None,
    n_bootstrap: int = 1000,
    jackknife_parts: int = 0,
) -> Bootstrap:
    """Draw units again with replacement, within strata, and return the statistics.

    Parameters
    ----------
    statistic : callable
        Takes multiplicities, shape (b, n_units), and returns shape (b, m). It must not depend on
        their overall scale.
    strata : array_like of int, shape (n_units,)
        Units of equal stratum are drawn among themselves: their total number is kept.
    rng : numpy.random.Generator
        Source of randomness.
    counts : array_like of int, shape (n_units,), optional
        How many identical rows each unit stands for; one each by default.
    n_bootstrap : int
        Number of replicates.
    jackknife_parts : int
        If positive, also compute the statistics without each of that many random parts of the
        rows. Few parts serve as well as many: the skewness of their sums is that of the rows
        reduced by just what the smaller number of terms restores.

    Raises
    ------
    UsageError
        If there are fewer than 2 replicates.
    """
    if n_bootstrap < 2:  # noqa: PLR2004 - a spread needs two
        raise UsageError(f"n_bootstrap = {n_bootstrap} is too small.", "Use 1000 or more.")
    stratum = np.asarray(strata)
    number = np.ones(len(stratum), np.int64) if counts is None else np.asarray(counts, np.int64)
    draws = _multiplicities(number, stratum, n_bootstrap, rng)
    return Bootstrap(
        value=statistic(number[np.newaxis].astype(np.float64))[0],
        replicates=np.concatenate([statistic(block) for block in draws]),
        jackknife=_jackknife(statistic, number, jackknife_parts, rng) if jackknife_parts else None,
    )


def bootstrap_rows(
    statistic: Statistic,
    n: int,
    *,
    rng: np.random.Generator,
    strata: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_bootstrap: int = 1000,
    jackknife_parts: int = 0,
) -> Bootstrap:
    """Draw rows, or whole groups of rows, again with replacement, and return the statistics.

    Parameters
    ----------
    statistic : callable
        Takes weights of the rows, shape (b, n), and returns shape (b, m). It must not depend on
        their overall scale.
    n : int
        Number of rows.
    rng : numpy.random.Generator
        Source of randomness.
    strata : array_like of int, shape (n,), optional
        Draw within these, e.g. the classes. Not to be combined with `groups`.
    groups : array_like, shape (n,), optional
        Draw whole groups of rows that are not independent of one another.
    n_bootstrap, jackknife_parts
        As for :func:`bootstrap`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(100.0)
    >>> rng = np.random.default_rng(1)
    >>> mean = bootstrap_rows(lambda w: (w @ x / w.sum(1))[:, None], 100, rng=rng)
    >>> 49.5 in mean.interval()
    True
    """
    if groups is None:
        units = np.zeros(n, dtype=np.int64) if strata is None else np.asarray(strata)
        return bootstrap(
            statistic, units, rng=rng, n_bootstrap=n_bootstrap, jackknife_parts=jackknife_parts
        )
    if strata is not None:
        raise UsageError("A group may hold rows of several strata.", "Give strata or groups.")
    group = as_groups(groups, n)
    n_groups = int(group.max()) + 1
    if n_groups < 2:  # noqa: PLR2004 - a spread needs two
        raise InputError("All rows are one group.", "A bootstrap needs at least two groups.")
    return bootstrap(
        lambda drawn: statistic(drawn[:, group]),
        np.zeros(n_groups, dtype=np.int64),
        rng=rng,
        n_bootstrap=n_bootstrap,
        jackknife_parts=jackknife_parts,
    )


def _multiplicities(
    counts: NDArray[np.int64], strata: NDArray[np.generic], total: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield blocks of multiplicities, shape (b, n_units), `total` replicates in all."""
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    per_block = max(1, _BLOCK_CELLS // len(counts))
    for start in range(0, total, per_block):
        size = min(per_block, total - start)
        block = np.empty((size, len(counts)))
        for units in members:
            block[:, units] = _draw(counts[units], size, rng)
        yield block


def _draw(counts: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    n_rows, n_units = int(counts.sum()), len(counts)
    if n_rows >= _MULTINOMIAL_FROM * n_units:
        return rng.multinomial(n_rows, counts / n_rows, size=size)
    drawn = rng.integers(n_rows, size=(size, n_rows))
    if n_rows != n_units:
        drawn = np.repeat(np.arange(n_units), counts)[drawn]
    drawn += n_units * np.arange(size)[:, np.newaxis]
    return np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)


def _jackknife(
    statistic: Statistic, counts: NDArray[np.int64], parts: int, rng: np.random.Generator
) -> FloatArray:
    n_rows, n_units = int(counts.sum()), len(counts)
    parts = min(parts, n_rows)
    part = np.empty(n_rows, dtype=np.int64)
    part[rng.permutation(n_rows)] = np.arange(n_rows) % parts
    unit = np.repeat(np.arange(n_units), counts)
    per_block = max(1, _BLOCK_CELLS // n_units)
    found = []
    for start in range(0, parts, per_block):
        size = min(per_block, parts - start)
        here = (part >= start) & (part < start + size)
        flat = (part[here] - start) * n_units + unit[here]
        left_out = np.bincount(flat, minlength=size * n_units).reshape(size, n_units)
        found.append(statistic((counts - left_out).astype(np.float64)))
    return np.concatenate(found)
