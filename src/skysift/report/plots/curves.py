"""Receiver operating characteristics and what follows from them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UnknownNameError
from skysift.evaluate.roc import within_acceptance
from skysift.report.plots.elements import draw_band, draw_curve, mark_level
from skysift.report.plots.labels import acceptance_label, efficiency_label, place_legend
from skysift.report.plots.series import Roc, Series, require_some
from skysift.report.plots.style import MUTED, drawing, log_axis, strokes

__all__ = ["MARKED_ACCEPTANCES", "plot_efficiency_ratio", "plot_purity", "plot_roc"]

MARKED_ACCEPTANCES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Background acceptances at which gamma-hadron separation is usually quoted
(Bock et al. 2004, NIM A 516, 511)."""

_LOWEST = 1e-3  # left end of a logarithmic acceptance axis


def plot_roc(
    curves: Mapping[str, Roc],
    *,
    log: bool = False,
    bands: Mapping[str, Series] | None = None,
    marks: Sequence[float] = MARKED_ACCEPTANCES,
    notes: Mapping[str, str] | None = None,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw signal efficiency against background acceptance for one or more models.

    Parameters
    ----------
    curves : mapping of str to Roc
        Objects with the arrays `acceptance` and `efficiency`, shape (n,), by model.
    log : bool
        Whether the acceptance axis is logarithmic, from the smallest mark downwards by a decade.
    bands : mapping of str to Series, optional
        Interval of the efficiency (`low`, `high`) at acceptances `x`, by model.
    marks : sequence of float
        Acceptances at which each curve carries a marker.
    notes : mapping of str to str, optional
        What follows a model's name in the legend, e.g. its AUC.
    classes : tuple of str
        Names of the signal and of the background class.
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
    require_some(curves, "curve")
    left = min([_LOWEST, *(mark / 10 for mark in marks if mark > 0)]) if log else 0.0
    with drawing(ax) as axes:
        for name, stroke in strokes(curves, colors).items():
            acceptance, efficiency = _arrays(curves[name])
            if bands and name in bands:
                draw_band(axes, bands[name], stroke)
            note = f", {notes[name]}" if notes and name in notes else ""
            axes.plot(
                acceptance,
                efficiency,
                color=stroke.color,
                linestyle=stroke.linestyle,
                label=name + note,
            )
            axes.plot(
                marks,
                _efficiency_at(curves[name], marks),
                color=stroke.color,
                linestyle="none",
                marker=stroke.marker,
                markersize=4.5,
            )
        if log:
            log_axis(axes, "x")
            axes.xaxis.set_major_locator(FixedLocator(sorted({left, *marks, 0.5, 1.0})))
            chance = np.geomspace(left, 1.0, 200)
        else:
            chance = np.array([0.0, 1.0])
        axes.plot(chance, chance, color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)), zorder=1)
        axes.set(xlim=(left, 1.0), ylim=(0.0, 1.005))
        axes.set_xlabel(acceptance_label(classes))
        axes.set_ylabel(efficiency_label(classes))
        place_legend(axes, "upper left" if log else "lower right")
    return axes


def plot_efficiency_ratio(
    curves: Mapping[str, Roc],
    reference: str,
    *,
    difference: bool = False,
    bands: Mapping[str, Series] | None = None,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each model's efficiency relative to a reference at equal background acceptance.

    Parameters
    ----------
    curves : mapping of str to Roc
        Objects with the arrays `acceptance` and `efficiency`, shape (n,), by model.
    reference : str
        The model that the others are compared with.
    difference : bool
        Draw the difference, in percentage points, instead of the ratio.
    bands : mapping of str to Series, optional
        Interval (`low`, `high`) of what is drawn at acceptances `x`, by model. It has to come
        from paired resampling: intervals of the two curves do not combine into it.
    classes : tuple of str
        Names of the signal and of the background class.
    colors : mapping of str to str, optional
        Colours fixed by model.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        `reference` is not one of the curves.
    """
    if reference not in curves:
        raise UnknownNameError("curve", reference, curves)
    grid = np.geomspace(5e-3, 1.0, 400)
    base = _efficiency_at(curves[reference], grid)
    neutral = 0.0 if difference else 1.0
    with drawing(ax) as axes:
        for name, stroke in strokes(curves, colors).items():
            if name == reference:
                continue
            y = _relative(_efficiency_at(curves[name], grid), base, difference=difference)
            if bands and name in bands:
                draw_band(axes, bands[name], stroke)
            axes.plot(grid, y, color=stroke.color, linestyle=stroke.linestyle, label=name)
        log_axis(axes, "x")
        axes.set_xlim(grid[0], 1.0)
        axes.axhline(neutral, color=MUTED, linewidth=1.2, zorder=1, label=reference)
        axes.set_xlabel(acceptance_label(classes))
        axes.set_ylabel(
            f"Efficiency gain over {reference} [percentage points]"
            if difference
            else f"Efficiency relative to {reference}"
        )
        place_legend(axes, "upper right")
    return axes


def plot_purity(
    curves: Mapping[str, Series],
    *,
    signal_fraction: float | None = None,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the purity of the selected sample against signal efficiency.

    Purity (the share of true signal among what is selected) depends on how much signal there was
    to begin with; the figure says which fraction it holds for.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = signal efficiency, `y` = purity, both in [0, 1], by model.
    signal_fraction : float, optional
        Fraction of signal before any cut, in [0, 1]: the purity of no selection at all.
    classes : tuple of str
        Names of the signal and of the background class.
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
    require_some(curves, "purity curve")
    with drawing(ax) as axes:
        for name, stroke in strokes(curves, colors).items():
            draw_curve(axes, name, curves[name], stroke)
        if signal_fraction is not None:
            mark_level(axes, signal_fraction, f"no cut\n{signal_fraction:.3g}")
        axes.set(xlim=(0.0, 1.0))
        axes.set_ylim(top=1.005)
        axes.set_xlabel(efficiency_label(classes))
        axes.set_ylabel(f"Purity (fraction that is {classes[0]})")
        place_legend(axes, "lower left")
    return axes


def _arrays(curve: Roc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _floats(curve.acceptance), _floats(curve.efficiency)


def _efficiency_at(curve: Roc, targets: ArrayLike) -> NDArray[np.float64]:
    """Return the efficiency of the step curve, as the tables quote it: nothing is interpolated."""
    acceptance, efficiency = _arrays(curve)
    last: NDArray[np.intp] = within_acceptance(acceptance, np.asarray(targets, float)) - 1
    return efficiency[np.maximum(last, 0)]


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _relative(
    y: NDArray[np.float64], base: NDArray[np.float64], *, difference: bool
) -> NDArray[np.float64]:
    if difference:
        return 100.0 * (y - base)
    return np.divide(y, base, out=np.full_like(y, np.nan), where=base > 0)
