"""Figures of the features: distributions, correlations, separation power, suspicious regions."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.evaluate.explore import Distribution, Exploration
from skysift.report.plots.elements import (
    draw_estimate,
    draw_histogram,
    frame_rows,
    write_at_right,
)
from skysift.report.plots.series import require_some
from skysift.report.plots.style import (
    BACKGROUND,
    GRID,
    INK,
    MUTED,
    PALETTE,
    SERIES,
    SIGNAL,
    drawing,
    style,
)

__all__ = ["plot_artefact", "plot_correlation", "plot_feature_distributions", "plot_separation"]

_STRONGEST = 0.65  # opacity of a cell at a correlation of 1: the page's ink is legible on it
_CHANCE = 0.5
_ARTEFACT_BINS = 120
_BINS_IN_REGION = 12
_WIDTHS_AROUND = 3


def plot_feature_distributions(
    exploration: Exploration,
    *,
    features: Sequence[str] | None = None,
    columns: int = 4,
    classes: tuple[str, str] = ("signal", "background"),
) -> Figure:
    """Draw the histograms of both classes, one small panel per feature.

    Each class is normalised to one, so that shapes compare whatever the class ratio. The edges
    span the inner 99 % of the rows.

    Parameters
    ----------
    exploration : Exploration
        What :func:`skysift.evaluate.explore.explore` returned.
    features : sequence of str, optional
        Which features, in order; all by default.
    columns : int
        Panels abreast.
    classes : tuple of str
        Names of the signal and of the background class.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        There is no such feature.
    """
    by_name = {one.feature: one for one in exploration.distributions}
    chosen = {name: by_name[name] for name in features or by_name if name in by_name}
    require_some(chosen, "feature")
    columns = min(columns, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    with style():
        figure = Figure(figsize=(2.5 * columns + 0.3, 1.95 * rows + 0.35), layout="constrained")
        FigureCanvasAgg(figure)
        for k, distribution in enumerate(chosen.values()):
            axes = figure.add_subplot(rows, columns, k + 1)
            _draw_distribution(axes, distribution, classes)
            if k % columns == 0:
                axes.set_ylabel("Density", fontsize=9.0)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=1.4)
    return figure


def _draw_distribution(axes: Axes, distribution: Distribution, classes: tuple[str, str]) -> None:
    edges = distribution.edges
    for label, name, color in (
        ("signal", classes[0], SIGNAL),
        ("background", classes[1], BACKGROUND),
    ):
        density = _density(distribution.counts[label], edges)
        draw_histogram(axes, density, edges, color=color, label=name, opacity=0.18, line=1.4)
    unit = f" [{distribution.unit}]" if distribution.unit else ""
    axes.set_xlabel(f"{distribution.feature}{unit}", fontsize=9.0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_yticks([])
    axes.tick_params(color=MUTED, labelcolor=INK, labelsize=8.5)


def plot_correlation(
    exploration: Exploration,
    *,
    kind: str = "spearman",
    classes: tuple[str, str] = ("signal", "background"),
    ax: Axes | None = None,
) -> Axes:
    """Draw the correlations of the features: signal above the diagonal, background below.

    Parameters
    ----------
    exploration : Exploration
        What :func:`skysift.evaluate.explore.explore` returned.
    kind : {"spearman", "pearson"}
        Of the ranks, or of the values.
    classes : tuple of str
        Names of the signal and of the background class.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        `kind` is neither of the two.
    """
    if kind not in exploration.correlations:
        raise InputError(
            f"There is no correlation '{kind}'.", f"Use {' or '.join(exploration.correlations)}."
        )
    names = exploration.features
    n = len(names)
    matrices = exploration.correlations[kind]
    upper = np.triu(np.ones((n, n), dtype=bool), 1)
    values = np.where(upper, matrices["signal"], matrices["background"])
    with drawing(ax, width=2.0 + 0.52 * n, height=1.5 + 0.46 * n) as axes:
        axes.grid(visible=False)
        for i in range(n):
            for j in range(n):
                if i != j:
                    _draw_cell(axes, i, j, float(values[i, j]))
        axes.plot([-0.5, n - 0.5], [-0.5, n - 0.5], color=MUTED, linewidth=0.8)
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{kind.capitalize()}: {classes[0]} above, {classes[1]} below the diagonal")
    return axes


def _draw_cell(axes: Axes, row: int, column: int, value: float) -> None:
    """Fill a cell, the more opaque the stronger; colours and ink follow the page, light or dark."""
    known = math.isfinite(value)
    # Neither of the two colours that stand for a class.
    sign = PALETTE["green" if value > 0 else "wine"].light
    axes.add_patch(
        Rectangle(
            (column - 0.48, row - 0.48),
            0.96,
            0.96,
            facecolor=mpl.colors.to_rgba(sign, _STRONGEST * abs(value)) if known else GRID,
            edgecolor="none",
        )
    )
    axes.text(
        column,
        row,
        f"{value:z.2f}".replace("-", "\N{MINUS SIGN}") if known else "n/a",
        ha="center",
        va="center",
        fontsize=8.0,
        color=INK,
    )


def plot_separation(
    exploration: Exploration,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how well each feature separates the classes on its own, the best on top.

    Dots are the AUC, turned to be 0.5 or more, with its interval; the numbers at the right are
    the separation <S^2>, which also sees differences of width and shape.

    Parameters
    ----------
    exploration : Exploration
        What :func:`skysift.evaluate.explore.explore` returned.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no feature with values in both classes.
    """
    known = {one.feature: one for one in exploration.separations if math.isfinite(one.auc.value)}
    require_some(known, "feature with values")
    order = sorted(known.values(), key=lambda one: one.power.value, reverse=True)
    with drawing(ax, width=6.4, height=1.25 + 0.34 * len(order)) as axes:
        for row, one in enumerate(order):
            draw_estimate(axes, row, one.power, color=SERIES[0], size=6.0)
            write_at_right(axes, row, f"{one.separation:.3f}", x=1.03)
        write_at_right(axes, -0.85, "<S²>", x=1.03, color=MUTED)
        axes.axvline(_CHANCE, color=MUTED, linewidth=1.0, zorder=1)
        frame_rows(axes, [one.feature for one in order], margin=0.05)
        axes.set_xlabel("AUC of the feature alone, turned to 0.5 or more, 95 % interval")
    return axes


def plot_artefact(
    values: ArrayLike,
    is_signal: ArrayLike,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    label: str = "Suspicious combination",
    classes: tuple[str, str] = ("signal", "background"),
    ax: Axes | None = None,
) -> Axes:
    """Draw the densities of both classes around a region that one of them cannot enter.

    Parameters
    ----------
    values : array-like, shape (n,)
        The feature or combination; rows where it is not finite are left out.
    is_signal : array-like of bool, shape (n,)
        True class.
    low, high : float
        Limits of the region, which is shaded; one of them may be infinite.
    label : str
        Name of the combination, with its unit.
    classes : tuple of str
        Names of the signal and of the background class.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The arrays differ in length, or no value lies in the region.
    """
    numbers, signal = np.asarray(values, dtype=float), np.asarray(is_signal, dtype=bool)
    if numbers.shape != signal.shape or numbers.ndim != 1:
        raise InputError(
            f"Values have shape {numbers.shape} and classes {signal.shape}.",
            "Give one value and one class for each row.",
        )
    finite = np.isfinite(numbers)
    numbers, signal = numbers[finite], signal[finite]
    inside = (numbers > low) & (numbers < high)
    if not inside.any():
        raise InputError("No value lies in the region.", "Check its limits.")
    edges = _edges_around(numbers, inside, low, high)
    with drawing(ax) as axes:
        for name, color, mask in (
            (classes[1], BACKGROUND, ~signal),
            (classes[0], SIGNAL, signal),
        ):
            density = np.histogram(numbers[mask], edges)[0] / max(1, np.count_nonzero(mask))
            density = density / np.diff(edges)
            n = np.count_nonzero(inside & mask)
            draw_histogram(axes, density, edges, color=color, label=f"{name}: {n:,} inside")
        shaded = max(low, float(edges[0])), min(high, float(edges[-1]))
        axes.axvspan(*shaded, color=MUTED, alpha=0.14, linewidth=0)
        for limit in (low, high):
            if math.isfinite(limit):
                axes.axvline(limit, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        axes.set_ylabel("Density of each class")
        axes.legend(handlelength=1.4, title="rows in the shaded region")
    return axes


def _edges_around(
    values: NDArray[np.float64], inside: NDArray[np.bool_], low: float, high: float
) -> NDArray[np.float64]:
    """Return equal bins around the region, one edge of them on a limit of the region.

    A border must not cut a bin: half of that bin would seem to spill over. A narrow region between
    two limits is drawn with a few of its own widths on each side.
    """
    if math.isfinite(low) and math.isfinite(high):
        width = (high - low) / _BINS_IN_REGION
        around = _WIDTHS_AROUND * _BINS_IN_REGION
        return np.asarray(low + width * np.arange(-around, around + _BINS_IN_REGION + 1))
    bulk = np.percentile(values[~inside], [1, 90]) if (~inside).any() else values[[0, -1]]
    core = np.percentile(values[inside], [5, 95])
    start, stop = min(core[0], bulk[0]), max(core[1], bulk[1])
    border = high if math.isfinite(high) else low
    if not math.isfinite(border):
        return np.linspace(start, stop, _ARTEFACT_BINS + 1)
    width = max((stop - start) / _ARTEFACT_BINS, np.finfo(float).tiny)
    below = math.ceil((border - start) / width)
    above = math.ceil((stop - border) / width)
    return np.asarray(border + width * np.arange(-below, above + 1))


def _density(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / max(1, counts.sum()) / np.diff(edges))
