"""What changes with the share of signal among all events."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from skysift.report.plots.elements import draw_curve, mark_value
from skysift.report.plots.labels import place_legend
from skysift.report.plots.series import Series, require_some
from skysift.report.plots.style import drawing, log_axis, strokes

__all__ = ["plot_against_prior"]


def plot_against_prior(
    curves: Mapping[str, Series],
    *,
    value: str = "Probability of signal",
    marks: Mapping[str, float] | None = None,
    classes: tuple[str, str] = ("signal", "background"),
    colors: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a probability or a purity against the prior, the share of signal among all events.

    Parameters
    ----------
    curves : mapping of str to Series
        `x` = prior, `y` = value, both in [0, 1], by name.
    value : str
        Name of the value.
    marks : mapping of str to float, optional
        Priors to be marked, by what they are, e.g. that of the training rows.
    classes : tuple of str
        Names of the signal and of the background class.
    colors : mapping of str to str, optional
        Colours fixed by name.
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
    with drawing(ax) as axes:
        for name, stroke in strokes(curves, colors).items():
            draw_curve(axes, name, curves[name], stroke)
        log_axis(axes, "x", decades=True)
        for text, prior in (marks or {}).items():
            mark_value(axes, prior, text)
        axes.set_ylim(0.0, 1.005)
        axes.set_xlabel(f"Share of {classes[0]}s among all events")
        axes.set_ylabel(value)
        place_legend(axes, "upper left")
    return axes
