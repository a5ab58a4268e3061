"""Small images are hard: the cut by bin of SIZE."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.evaluate.intervals import Interval, wilson_interval
from skysift.evaluate.operating import OperatingPoint, by_acceptance
from skysift.evaluate.operating_bins import BinnedOperatingPoint, by_bin
from skysift.report import Block, Section
from skysift.report.plots import Series, plot_efficiency_by_bin
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.pages.thresholds import (
    CHOOSING,
    MEASURING,
    Halves,
    halves,
    main_point,
    rows_of,
)
from skysift.tasks.gamma_hadron.pages.words import percent

__all__ = ["BinnedCuts", "add_by_size", "choose_by_size"]

_VARIABLE = "log10 SIZE"
_AXIS = "log10 SIZE, bins of equal numbers of events"
_EFFICIENCY = "Gamma efficiency"
_MOST_BINS = 5
_HADRONS_PER_BIN = 40
_ACCEPTANCE = 0.1


@dataclass(frozen=True)
class BinnedCuts:
    """One cut for all events and one cut per bin of SIZE, at the same acceptance.

    Parameters
    ----------
    edges : array, shape (n_bins + 1,)
        Edges in log10 SIZE.
    everywhere : tuple of OperatingPoint
        The one cut, measured in each bin.
    by_size : BinnedOperatingPoint
        The cuts per bin, measured.
    one, many : Interval, Interval
        Efficiency and acceptance over all bins, each as a pair.
    rows : Halves
        Which rows chose, and which measured.
    """

    edges: NDArray[np.float64]
    everywhere: tuple[OperatingPoint, ...]
    by_size: BinnedOperatingPoint
    one: tuple[Interval, Interval]
    many: tuple[Interval, Interval]
    rows: Halves


def add_by_size(section: Section, study: Study) -> None:
    """Add what the cuts keep in bins of SIZE, and what cuts per bin would gain."""
    edges = _edges(study, np.ones(len(study.scored.is_gamma), dtype=bool))
    if edges is None:
        return
    part = section.subsection(
        "By SIZE", lead="Bright images are easy to tell, faint ones are hard."
    )
    _add_global(part, study, edges)
    found = choose_by_size(study)
    if found is not None:
        _add_binned(part, found)


def choose_by_size(study: Study) -> BinnedCuts | None:
    """Choose cuts per bin of SIZE on one half of the rows and measure them on the other.

    None where a bin would have too few events of a class.
    """
    rows = halves(study)
    scored = study.scored
    edges = _edges(study, rows.choose)
    if edges is None:
        return None
    y, score, size = scored.is_gamma, study.gammaness, scored.log_size
    here, there = rows.choose, rows.measure
    try:
        one = by_acceptance(y[here], score[here], _ACCEPTANCE, split=CHOOSING)
        many = by_bin(
            y[here],
            score[here],
            size[here],
            variable=_VARIABLE,
            edges=edges,
            choose=lambda labels, scores: by_acceptance(
                labels, scores, _ACCEPTANCE, split=CHOOSING
            ),
        )
        everywhere = BinnedOperatingPoint(_VARIABLE, edges, (one,) * (len(edges) - 1))
        kept = many.keep(score[there], size[there])
        return BinnedCuts(
            edges,
            everywhere.measure(y[there], score[there], size[there], split=MEASURING).points,
            many.measure(y[there], score[there], size[there], split=MEASURING),
            _kept(y[there], one.keep(score[there])),
            _kept(y[there], kept),
            rows,
        )
    except InputError:  # a bin without one of the classes, or one score for many hadrons
        return None


def _kept(y: NDArray[np.bool_], kept: NDArray[np.bool_]) -> tuple[Interval, Interval]:
    return (
        wilson_interval(int((kept & y).sum()), int(y.sum())),
        wilson_interval(int((kept & ~y).sum()), int((~y).sum())),
    )


def _edges(study: Study, rows: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return edges between quantiles of SIZE; fewer bins where hadrons would be too few in one."""
    size, y = study.scored.log_size, study.scored.is_gamma
    for bins in range(_MOST_BINS, 1, -1):
        edges = np.quantile(size, np.linspace(0, 1, bins + 1))
        edges[[0, -1]] = np.quantile(size, [0.005, 0.995])  # the outermost bins take what is beyond
        if np.any(np.diff(edges) <= 0):
            continue
        inside = np.searchsorted(edges[1:-1], size, side="right")
        fewest = min(np.bincount(inside[rows & wanted], minlength=bins).min() for wanted in (y, ~y))
        if fewest >= _HADRONS_PER_BIN:
            return np.asarray(edges)
    return None


def _add_global(block: Block, study: Study, edges: NDArray[np.float64]) -> None:
    point = main_point(study)
    if point is None:
        return
    rows = rows_of(study, point)
    names = [study.reference, *study.rivals()]
    curves = {}
    for name in names:
        cut = _main_cut(study, name)
        if cut is not None:
            curves[study.labels[name]] = _by_bin(
                study, name, cut, edges, rows & study.scored.is_gamma
            )
    hadrons = rows & ~study.scored.is_gamma
    passing = _by_bin(study, study.reference, point.threshold, edges, hadrons)
    evenly = np.asarray(curves[study.label].y)
    block.figure(
        _figure(edges, curves, _EFFICIENCY, study.colors),
        caption="**One cut for all sizes**, each model at its operating point acceptance-0.01 "
        f"(chosen on {point.chosen_on}), measured on {point.measured_on}. {study.label} keeps "
        f"{100 * evenly[0]:.0f} % of the gammas in the faintest bin and {100 * evenly[-1]:.0f} % "
        "in the brightest. Bars: 95 %, Wilson.",
        alt="Gamma efficiency in bins of SIZE at one cut.",
    )
    block.figure(
        _figure(edges, {study.label: passing}, "Hadron acceptance", study.colors),
        caption=f"**The hadrons that pass the same cut**, on {point.measured_on}. Where the points "
        "stand highest is where the remaining background comes from; a point at 0 means that none "
        "passed, and its bar how many still could in a longer run. Bars: 95 %, Wilson.",
        alt="Hadron acceptance in bins of SIZE at one cut.",
    )


def _main_cut(study: Study, name: str) -> float | None:
    if name == study.reference:
        point = main_point(study)
        return None if point is None else point.threshold
    stored = study.scored.contestants[name].points()
    return next((one.threshold for one in stored if one.name == "acceptance-0.01"), None)


def _by_bin(
    study: Study, name: str, cut: float, edges: NDArray[np.float64], wanted: NDArray[np.bool_]
) -> Series:
    inside = np.searchsorted(edges[1:-1], study.scored.log_size[wanted], side="right")
    kept = study.scored.gammaness[name][wanted] >= cut
    bins = range(len(edges) - 1)
    found = [wilson_interval(int(kept[inside == k].sum()), int((inside == k).sum())) for k in bins]
    return _series(found)


def _figure(
    edges: NDArray[np.float64],
    curves: dict[str, Series],
    value: str,
    colors: Mapping[str, str] | None = None,
) -> Axes:
    """Draw bins of equal width: they hold equal numbers of events, whatever their extent."""
    axes = plot_efficiency_by_bin(
        np.arange(len(edges)), curves, label=_AXIS, value=value, log=False, colors=colors
    )
    axes.set_xticks(range(len(edges)), [f"{edge:.2f}" for edge in edges])
    top = max(float(np.max(np.asarray(curve.high))) for curve in curves.values())
    axes.set_ylim(0.0, top * (1.05 + 0.13 * len(curves)))  # room for the legend above the bars
    if value == _EFFICIENCY:
        axes.set_yticks(np.linspace(0.0, 1.0, 6))
    legend = axes.get_legend()
    if len(curves) == 1 and legend is not None:
        legend.remove()
    elif legend is not None:
        legend.set_loc("upper left")
    return axes


def _series(found: list[Interval]) -> Series:
    return Series(
        np.arange(len(found)),
        [one.value for one in found],
        [one.low for one in found],
        [one.high for one in found],
    )


def _add_binned(block: Block, found: BinnedCuts) -> None:
    n_choose, n_measure = int(found.rows.choose.sum()), int(found.rows.measure.sum())
    block.text(
        f"**One cut per bin.** At an acceptance of {_ACCEPTANCE:g}, a cut for each bin of SIZE "
        f"keeps {percent(found.many[0])} of the gammas and {percent(found.many[1])} of the "
        f"hadrons; one cut for all keeps {percent(found.one[0])} and {percent(found.one[1])}. "
        "What changes most is the spectrum: cuts per bin hold the background "
        "level at every SIZE, one cut for all lets the model trade bins against one another. "
        f"All of these cuts were chosen on {CHOOSING} ({n_choose:,} events) and measured on "
        f"{MEASURING} ({n_measure:,})."
    )
    for value, pick in (
        (_EFFICIENCY, "efficiency"),
        ("Hadron acceptance", "acceptance"),
    ):
        block.figure(
            _figure(
                found.edges,
                {
                    "one cut for all": _series([getattr(p, pick) for p in found.everywhere]),
                    "a cut per bin": _series([getattr(p, pick) for p in found.by_size.points]),
                },
                value,
            ),
            caption=_BINNED_CAPTIONS[pick],
            alt=f"{value} in bins of SIZE, with one cut for all and with a cut per bin.",
        )


_BINNED_CAPTIONS = {
    "efficiency": f"**Gammas kept**, at acceptance {_ACCEPTANCE:g} overall against "
    f"{_ACCEPTANCE:g} in every bin. Chosen on {CHOOSING}, measured on {MEASURING}.",
    "acceptance": f"**Hadrons kept by the same cuts.** A cut per bin aims at {_ACCEPTANCE:g} in "
    "each; its scatter is that of the few hadrons that chose it. Same halves.",
}
