"""Scores of the two classes, and what a cut on the score gains."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.report.plots.elements import draw_curve, draw_histogram, mark_level
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import BACKGROUND, INK, SIGNAL, drawing, log_axis, strokes

__all__ = ["plot_quality_factor", "plot_score_distribution", "plot_significance_against_cut"]

_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def plot_score_distribution(
    score: ArrayLike,
    is_signal: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    bins: int | ArrayLike = 50,
    threshold: float | None = None,
    label: str = "Score",
    classes: tuple[str, str] = ("signal", "background"),
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of the score of each class, on a logarithmic count axis.

    Parameters
    ----------
    score : array-like, shape (n,)
        The model's output; larger is more signal-like.
    is_signal : array-like of bool, shape (n,)
        True class.
    weight : array-like, shape (n,), optional
        Weight of each event.
    bins : int or array-like, shape (n_bins + 1,)
        Number of equal bins over the range of the scores, or their edges.
    threshold : float, optional
        A cut to be marked.
    label : str
        Name of the score, e.g. ``Gammaness``.
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
        The arrays differ in length or are empty.
    """
    scores = np.asarray(score, dtype=float)
    signal = np.asarray(is_signal, dtype=bool)
    if scores.shape != signal.shape or scores.ndim != 1 or scores.size == 0:
        raise InputError(
            f"Scores have shape {scores.shape} and classes {signal.shape}.",
            "Give one score and one class for each event, and at least one event.",
        )
    weights = np.ones_like(scores) if weight is None else np.asarray(weight, dtype=float)
    edges = np.histogram_bin_edges(scores, bins)
    with drawing(ax) as axes:
        drawn = []
        for name, color, mask in (
            (classes[1], BACKGROUND, ~signal),
            (classes[0], SIGNAL, signal),
        ):
            counts, _ = np.histogram(scores[mask], edges, weights=weights[mask])
            drawn.append(counts)
            draw_histogram(axes, counts, edges, color=color, label=name, opacity=0.22)
        log_axis(axes, "y", decades=True)
        axes.set_xlim(edges[0], edges[-1])
        filled = [count for counts in drawn for count in counts if count > 0]
        axes.set_ylim(min(filled, default=1.0) / 2, 4 * max(filled, default=1.0))
        if threshold is not None:
            _mark_cut(axes, threshold, f"cut {threshold:.3g}")
        axes.set_xlabel(label)
        axes.set_ylabel("Events per bin" if weight is None else "Weighted events per bin")
        axes.legend(loc="upper center", ncols=2, handlelength=1.4)
    return axes


def plot_quality_factor(
    curves: Mapping[str, Series],
    *,
    label: str = "Cut on the score",
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw the quality factor against the cut; the best cut of each model is marked.

    The quality factor :math:`Q = \epsilon_\gamma / \sqrt{\epsilon_h}` is the gain in significance
    over no cut at all where the background dominates (Bock et al. 2004, NIM A 516, 511).

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = cut on the score, `y` = quality factor, by model; not finite where nothing is left.
    label : str
        Label of the cut axis.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no curve.
    """
    with drawing(ax) as axes:
        _against_cut(axes, curves, colors)
        mark_level(axes, 1.0, "no cut")
        axes.set_ylim(bottom=0.0)
        place_legend(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("Quality factor (efficiency / √acceptance)")
    return axes


def plot_significance_against_cut(
    curves: Mapping[str, Series],
    *,
    target: float | None = 5.0,
    label: str = "Cut on the score",
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the significance of the excess against the cut; the best cut of each model is marked.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = cut on the score, `y` = significance in standard deviations (Li & Ma 1983,
        ApJ 272, 317, eq. 17), by model.
    target : float, optional
        A significance to be marked with a line, in standard deviations.
    label : str
        Label of the cut axis.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        There is no curve.
    """
    with drawing(ax) as axes:
        _against_cut(axes, curves, colors)
        if target is not None:
            mark_level(axes, target, f"{target:g} {_SIGMA}")
        axes.set_ylim(bottom=0.0)
        place_legend(axes)
        axes.set_xlabel(label)
        axes.set_ylabel(f"Significance of the excess [{_SIGMA}]")
    return axes


def _against_cut(
    axes: Axes, curves: Mapping[str, Series], colors: Mapping[str, str] | None
) -> None:
    """Draw each curve, its interval, and a marker with the value at its maximum."""
    require_some(curves, "curve")
    best_of_all = max(_peak(series)[1] for series in curves.values())
    for name, stroke in strokes(curves, colors).items():
        series = curves[name]
        draw_curve(axes, name, series, stroke)
        x = np.asarray(series.x, float)
        best, peak = _peak(series)
        axes.plot([best], [peak], color=stroke.color, marker=stroke.marker, markersize=5.5)
        if peak == best_of_all:
            at_right = best > x[0] + 0.8 * (x[-1] - x[0])
            axes.annotate(
                f"{peak:.2f} at {best:.3g}",
                (best, peak),
                (4 if at_right else 0, 8),
                textcoords="offset points",
                ha="right" if at_right else "center",
                color=INK,
                fontsize=8.5,
            )
    axes.margins(x=0.0, y=0.12)


def _peak(series: Series) -> tuple[float, float]:
    x, y = np.asarray(series.x, float), np.asarray(series.y, float)
    finite: NDArray[np.bool_] = np.isfinite(y)
    if not finite.any():
        raise InputError(
            "A curve has no finite value.", "Leave it out, or widen the range of the cuts."
        )
    at = int(np.argmax(np.where(finite, y, -np.inf)))
    return float(x[at]), float(y[at])


def _mark_cut(axes: Axes, threshold: float, text: str) -> None:
    axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    left, right = axes.get_xlim()
    past_middle = threshold > (left + right) / 2
    axes.annotate(
        text,
        (threshold, 0.86),
        (-4 if past_middle else 4, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if past_middle else "left",
        color=INK,
        fontsize=8.5,
    )
