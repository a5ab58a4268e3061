"""Is a promise kept: the share of rows whose truth is covered, of all, by class and by group."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import Promise, PromisedRows
from skysift.core.results import Metric
from skysift.core.stress import Measure
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.resampling import bootstrap_rows
from skysift.evaluate.stress import mean
from skysift.models.conformal import covered, has_answer

__all__ = ["coverage_measures", "group_name", "measure_coverage", "parts_of"]

_DRAWS = 1000
_SETS = {"empty": 0.0, "single": 1.0}
"""Kinds of sets by the number of their classes."""

Bools = NDArray[np.bool_]


def measure_coverage(
    rows: PromisedRows, promise: Promise, coverage: float, rng: np.random.Generator
) -> tuple[Metric, ...]:
    """Return how often the truth was covered, and how large the answers were.

    Parameters
    ----------
    rows : PromisedRows
        Labelled rows that gave no score to the promise; those without an answer are left out.
    promise : Promise
        Of the same name.
    coverage : float
        What is promised.
    rng : numpy.random.Generator
        Draws blocks for the intervals, where rows are not independent.

    Returns
    -------
    tuple of Metric
        ``coverage@C``, then of each class and group ``coverage@C,CLASS,GROUP``; of sets the shares
        that are ``empty@C``, ``single@C`` and single and right, ``useful@C``; of bounds the median
        ``size@C`` in standard deviations.
    """
    known = rows.take(has_answer(rows))
    inside, size = covered(known, promise, coverage)
    found = []
    for name, part in parts_of(known):
        where = f",{name}" if name else ""
        found.append(_share(f"coverage@{coverage:g}{where}", inside, part, known, rng))
    everywhere = np.ones(len(known), dtype=bool)
    if not rows.classes:
        value = float(np.median(size)) if len(size) else float("nan")
        return (*found, Metric(f"size@{coverage:g}", value, n=len(known), split=rows.split))
    for name, number in _SETS.items():
        found.append(_share(f"{name}@{coverage:g}", size == number, everywhere, known, rng))
    useful = (size == 1.0) & inside
    return (*found, _share(f"useful@{coverage:g}", useful, everywhere, known, rng))


def coverage_measures(
    promises: tuple[Promise, ...],
    tested: Sequence[PromisedRows],
    coverage: float = 0.9,
) -> dict[str, Measure]:
    """Return the coverage of each promise that is kept on rows, as measures of a stress test.

    Parameters
    ----------
    promises : tuple of Promise
        Of a bundle; those that no rows test are left out.
    tested : sequence of PromisedRows
        All of the same rows.
    coverage : float
        What is promised.
    """
    kept = {promise.name: promise for promise in promises}
    found = {}
    for rows in tested:
        if rows.name in kept:
            inside, _ = covered(rows, kept[rows.name], coverage)
            title = f"covered by '{rows.name}' at {coverage:g}"
            found[f"coverage_{rows.name}"] = Measure(
                title, mean(inside, has_answer(rows)), coverage
            )
    return found


def parts_of(rows: PromisedRows) -> Iterator[tuple[str, Bools]]:
    """Yield the parts of rows that a promise is tested on, by name; the first, of all, has none."""
    everything = np.ones(len(rows), dtype=bool)
    yield "", everything
    groups = [("", everything)]
    if rows.group is not None and rows.edges:
        place = np.digitize(rows.group, rows.edges)
        known = np.isfinite(rows.group)
        groups += [
            (group_name(rows, number), known & (place == number))
            for number in range(len(rows.edges) + 1)
        ]
        yield from groups[1:]
    for column, label in enumerate(rows.classes):
        for name, where in groups:
            yield f"{label},{name}" if name else label, where & (rows.truth == column)


def group_name(rows: PromisedRows, number: int) -> str:
    """Return what a group is called, from its edges."""
    edges = rows.edges
    if number == 0:
        return f"{rows.by}<{edges[0]:g}"
    if number == len(edges):
        return f"{rows.by}>={edges[-1]:g}"
    return f"{edges[number - 1]:g}<={rows.by}<{edges[number]:g}"


def _share(
    name: str, inside: Bools, part: Bools, rows: PromisedRows, rng: np.random.Generator
) -> Metric:
    n, blocks = int(part.sum()), rows.blocks[part]
    interval = wilson_interval(int(inside[part].sum()), n)
    if n and len(np.unique(blocks)) < n:
        values = inside[part].astype(np.float64)
        drawn = bootstrap_rows(
            lambda weight: (weight @ values / weight.sum(axis=1))[:, None],
            n,
            rng=rng,
            groups=np.unique(blocks, return_inverse=True)[1],
            n_bootstrap=_DRAWS,
        ).interval()
        if drawn.low < drawn.high:  # all alike: no draw shows the doubt that is left
            interval = drawn
    return interval.metric(name, n=n, split=rows.split)
