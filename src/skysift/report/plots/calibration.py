"""Are the probabilities right, and which class is taken for which."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from skysift.core.errors import InputError
from skysift.report.plots.elements import draw_points
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import GRID, INK, MUTED, SIGNAL, drawing, log_axis, strokes

__all__ = ["Reliability", "plot_confusion", "plot_reliability"]


class Reliability(Protocol):
    """A reliability curve: arrays of shape (n_bins,) each."""

    @property
    def predicted(self) -> ArrayLike:
        """Mean predicted probability in each bin."""

    @property
    def observed(self) -> ArrayLike:
        """Observed fraction of signal in each bin."""

    @property
    def low(self) -> ArrayLike:
        """Lower limit of the observed fraction."""

    @property
    def high(self) -> ArrayLike:
        """Upper limit of the observed fraction."""

    @property
    def count(self) -> ArrayLike:
        """Number of events in each bin."""


def plot_reliability(
    curves: Mapping[str, Reliability],
    *,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw observed fraction against predicted probability, and below it how many events there are.

    Parameters
    ----------
    curves : mapping of str to Reliability
        Objects with `predicted`, `observed`, `low`, `high` and `count`, shape (n_bins,), by name,
        e.g. before and after calibration. Empty bins are left out.
    classes : tuple of str
        Names of the signal and of the background class.
    colors : mapping of str to str, optional
        Colours fixed by name.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None. The counts go into a child of it.

    Returns
    -------
    matplotlib.axes.Axes
        The upper Axes; the counts are ``axes.child_axes[0]``.

    Raises
    ------
    InputError
        There is no curve.
    """
    require_some(curves, "reliability curve")
    with drawing(ax, height=4.6) as axes:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, zorder=1)
        below = axes.inset_axes((0.0, -0.33, 1.0, 0.26), sharex=axes)
        for name, stroke in strokes(curves, colors).items():
            filled = np.asarray(curves[name].count) > 0
            series = Series(
                *(
                    np.asarray(values, float)[filled]
                    for values in (
                        curves[name].predicted,
                        curves[name].observed,
                        curves[name].low,
                        curves[name].high,
                    )
                )
            )
            draw_points(axes, name, series, stroke, bar=1.2)
            below.plot(
                np.asarray(series.x),
                np.asarray(curves[name].count)[filled],
                color=stroke.color,
                marker=stroke.marker,
                markersize=3.5,
                linewidth=1.2,
                drawstyle="steps-mid",
            )
        log_axis(below, "y", decades=True)
        below.tick_params(which="both", color=MUTED, labelcolor=INK, labelsize=9.0)
        below.grid(visible=True, color=GRID, linewidth=0.8)
        below.set_ylabel("Events")
        below.set_xlabel(f"Predicted probability of {classes[0]}")
        axes.tick_params(axis="x", labelbottom=False)
        axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
        axes.set_ylabel(f"Observed fraction of {classes[0]}")
        place_legend(axes)
    return axes


def plot_confusion(
    matrix: ArrayLike,
    names: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a confusion matrix: counts, and their share of the true class.

    Parameters
    ----------
    matrix : array-like of int, shape (n_classes, n_classes)
        Counts; rows are the true class, columns the class that was chosen.
    names : sequence of str
        Names of the classes, in the order of the rows.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        The matrix is not square or does not fit the names.
    """
    counts = np.asarray(matrix)
    n = len(names)
    if counts.shape != (n, n):
        raise InputError(
            f"The confusion matrix has shape {counts.shape} and there are {n} class names.",
            "Give a square matrix with one row and one column for each name.",
        )
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    with drawing(ax, width=1.6 + 1.3 * n, height=1.2 + 0.95 * n) as axes:
        axes.grid(visible=False)
        for row in range(n):
            for column in range(n):
                # A tint by transparency, so that it is as light as the page that it lies on.
                axes.fill_between(
                    [column - 0.48, column + 0.48],
                    row - 0.47,
                    row + 0.47,
                    color=SIGNAL,
                    alpha=0.06 + 0.44 * float(share[row, column]),
                    linewidth=0,
                )
                axes.annotate(
                    f"{share[row, column]:.1%}",
                    (column, row),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    color=INK,
                    fontsize=12,
                    fontweight="bold",
                )
                axes.annotate(
                    f"{counts[row, column]:,}",
                    (column, row),
                    (0, -9),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    color=INK,
                    fontsize=9,
                )
        axes.set(xlim=(-0.52, n - 0.48), ylim=(n - 0.48, -0.52))
        axes.set_xticks(range(n), names)
        axes.set_yticks(range(n), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Chosen class")
        axes.set_ylabel("True class")
    return axes
