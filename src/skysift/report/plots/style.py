"""The house style of every figure: one palette with fixed meanings, one font size, light grids.

The classes of a classifier keep their colours everywhere: signal is blue, background is
vermillion (Okabe & Ito 2008, "Color Universal Design"). Models take the other hues in the order
in which they are named. Each colour has a partner for dark pages: the page swaps them in the SVG,
so that figures are drawn once and read well in both modes.

Nothing here touches pyplot or chooses a backend.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = [
    "BACKGROUND",
    "GRID",
    "INK",
    "MUTED",
    "PALETTE",
    "PAPER",
    "SERIES",
    "SIGNAL",
    "Shade",
    "Stroke",
    "drawing",
    "log_axis",
    "new_axes",
    "new_grid",
    "plain",
    "strokes",
    "style",
]


@dataclass(frozen=True, slots=True)
class Shade:
    """A colour on a light page and its partner on a dark page, both as ``#rrggbb``."""

    light: str
    dark: str


PALETTE: Mapping[str, Shade] = {
    "ink": Shade("#1f2933", "#e6e9ee"),
    "muted": Shade("#5b6673", "#a9b3c0"),
    "grid": Shade("#dfe4ea", "#333c48"),
    "paper": Shade("#ffffff", "#171c24"),
    "signal": Shade("#0072b2", "#58b0ee"),
    "background": Shade("#d55e00", "#ff8f45"),
    "green": Shade("#009e73", "#2cc495"),
    "indigo": Shade("#40308f", "#988bf0"),
    "orange": Shade("#d08c00", "#f5be45"),
    "purple": Shade("#c46aa0", "#e48cc1"),
    "sky": Shade("#45a0dd", "#8ad2ff"),
    "wine": Shade("#7d2a4f", "#c0668a"),
}
"""All colours of the house style, by name."""

INK = PALETTE["ink"].light
MUTED = PALETTE["muted"].light
GRID = PALETTE["grid"].light
PAPER = PALETTE["paper"].light
SIGNAL = PALETTE["signal"].light
BACKGROUND = PALETTE["background"].light
SERIES: tuple[str, ...] = tuple(
    PALETTE[name].light for name in ("green", "indigo", "orange", "purple", "sky", "wine")
)
"""Colours of models and other series that are not a class, in order of use."""

_LINES = ("-", "--", ":")
_WIDTH, _HEIGHT = 5.4, 3.8  # inches: two abreast on a desktop page, and still legible on a phone

# Any: matplotlib types the keys as literals in some versions and as str in others.
_RC: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelpad": 6.0,
    "axes.labelsize": 10.0,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=SERIES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.dpi": 100.0,
    "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 144.0,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9.0,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9.0,
}


@contextmanager
def style() -> Iterator[None]:
    """Use the house style for what is drawn inside the ``with`` block.

    Examples
    --------
    >>> import matplotlib
    >>> with style():
    ...     matplotlib.rcParams["axes.spines.top"]
    False
    """
    with mpl.rc_context(_RC):
        yield


def new_axes(width: float = _WIDTH, height: float = _HEIGHT) -> Axes:
    """Return Axes on a new figure in the house style, without pyplot.

    Parameters
    ----------
    width, height : float
        Size of the figure in inches.
    """
    with style():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        # Ticks are made lazily, after the style has been left: pin what they would look up then.
        axes.tick_params(
            which="both", color=MUTED, labelcolor=INK, labelsize=mpl.rcParams["xtick.labelsize"]
        )
        axes.tick_params(which="minor", length=2)
        axes.grid(visible=True, color=GRID, linewidth=0.8)
    return axes


def new_grid(n: int, columns: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a new figure of bare Axes for pictures, row by row, and the first n of them.

    Parameters
    ----------
    n, columns : int
        Pictures, and how many of them abreast.
    width : float
        Of the figure in inches.
    height : float
        Of a row in inches.
    """
    rows = -(-n // columns)
    whole = new_axes(width, height * rows).figure
    figure = whole if isinstance(whole, Figure) else whole.figure
    figure.clear()
    with style():
        grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure, list(grid.flat)[:n]


@contextmanager
def drawing(ax: Axes | None, *, width: float = _WIDTH, height: float = _HEIGHT) -> Iterator[Axes]:
    """Yield `ax` as it is, or new Axes with the house style switched on.

    Axes that come from outside belong to the caller's own style; only the colours that carry a
    meaning are imposed on them.

    Parameters
    ----------
    ax : Axes or None
        What the caller of a plot function passed in.
    width, height : float
        Size in inches of the figure that is made if `ax` is None.
    """
    if ax is not None:
        yield ax
        return
    with style():
        yield new_axes(width, height)


@dataclass(frozen=True, slots=True)
class Stroke:
    """How one series is drawn: its colour, line style and marker."""

    color: str
    linestyle: str
    marker: str


def strokes(names: Iterable[str], colors: Mapping[str, str] | None = None) -> dict[str, Stroke]:
    """Give every name its own stroke, in order; the line style changes when the hues are used up.

    Parameters
    ----------
    names : iterable of str
        Names of the series.
    colors : mapping of str to str, optional
        Colours that are already fixed for some names, e.g. by an earlier figure.

    Examples
    --------
    >>> strokes(["kNN", "XGBoost"])["XGBoost"].color
    '#40308f'
    """
    fixed = colors or {}
    markers = "osD^vP"
    return {
        name: Stroke(
            fixed.get(name, SERIES[i % len(SERIES)]),
            _LINES[i // len(SERIES) % len(_LINES)],
            markers[i % len(markers)],
        )
        for i, name in enumerate(names)
    }


def log_axis(ax: Axes, which: str, *, decades: bool = False) -> None:
    """Make an axis logarithmic with plain numbers (0.01, 0.02, 0.05) instead of powers.

    Parameters
    ----------
    ax : Axes
        What to change.
    which : {"x", "y"}
        The axis.
    decades : bool
        Widen the axis to whole decades and label only those.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0,) if decades else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_formatter(NullFormatter())
    if decades:
        low, high = axis.get_data_interval()
        if 0 < low < high:
            axis.set_view_interval(
                10.0 ** math.floor(math.log10(low)),
                10.0 ** math.ceil(math.log10(high)),
                ignore=True,
            )


def plain(value: float) -> str:
    """Return a number with at most three significant digits, never in powers of ten.

    Examples
    --------
    >>> plain(0.02), plain(12345.0), plain(1e-5)
    ('0.02', '12,300', '0.00001')
    """
    rounded = float(f"{value:.3g}")
    decimals = 0 if rounded == 0 else max(0, 2 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
