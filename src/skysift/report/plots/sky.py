"""Pictures of the sky: maps on a tangent plane, with right ascension and declination."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.ellipse import ellipse_scale
from skysift.report.plots.style import MUTED, drawing

__all__ = ["SkyEllipse", "SkyImage", "plot_sky_map"]

FloatArray = NDArray[np.float64]
Scale = Literal["counts", "difference", "significance"]

_COLOURS = {"counts": "inferno", "difference": "RdBu_r", "significance": "viridis"}
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)  # deg
_LINES = 4  # about as many per axis
_LINE_POINTS = 50
_WIDTH, _HEIGHT = 5.4, 4.1
_WIDE = 0.95
_CROSS, _SMALL_CROSS = 13.0, 8.0
_OVERLAY = "#ffffff"
_TRUTH = "#35e0ff"
_SHADOW = "#101820"


@dataclass(frozen=True, eq=False)
class SkyImage:
    """Values on the pixels of a tangent grid.

    Parameters
    ----------
    values : array-like, shape (n_y, n_x)
        NaN is left blank.
    grid : TangentGrid
        The pixels.

    Raises
    ------
    InputError
        If they do not fit together.
    """

    values: ArrayLike
    grid: TangentGrid

    def __post_init__(self) -> None:
        if np.shape(self.values) != self.grid.shape:
            raise InputError(
                f"An image of shape {np.shape(self.values)} does not fit a grid of "
                f"{self.grid.shape}.",
                "Give one value for each pixel.",
            )


@dataclass(frozen=True, slots=True)
class SkyEllipse:
    """A candidate with its position error.

    Parameters
    ----------
    ra, dec : float [deg]
    major, minor : float [deg]
        Standard deviations along the axes.
    angle : float [deg]
        Position angle of the major axis, from north through east.
    """

    ra: float
    dec: float
    major: float
    minor: float
    angle: float


def plot_sky_map(
    image: SkyImage,
    *,
    label: str,
    scale: Scale = "counts",
    ellipses: Sequence[SkyEllipse] = (),
    truth: Sequence[tuple[float, float]] = (),
    centre: tuple[float, float] | None = None,
    width: float | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of the sky, north up and east to the left.

    Parameters
    ----------
    image : SkyImage
        What to show.
    label : str
        What the values are.
    scale : {"counts", "difference", "significance"}
        Colours: dark to light from 0; diverging about 0; dark to light over the range.
    ellipses : sequence of SkyEllipse
        Drawn at 68 and 95 % of probability; a ring marks those too small to be seen.
    truth : sequence of (ra, dec) [deg]
        True positions, marked by crosses.
    centre : (ra, dec) [deg], optional
        Of the part that is shown; the middle of the grid if left out.
    width : float [deg], optional
        Side of that part; the whole grid if left out.
    limits : (float, float), optional
        Values of the ends of the colours, e.g. to compare two maps.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure in the house style if None.

    Returns
    -------
    matplotlib.axes.Axes
    """
    values = np.asarray(image.values, dtype=np.float64)
    with drawing(ax, width=_WIDTH, height=_HEIGHT) as axes:
        low, high = limits or _range(values, scale)
        shown = axes.imshow(
            values,
            origin="lower",
            cmap=_COLOURS[scale],
            vmin=low,
            vmax=high,
            interpolation="nearest",
            aspect="equal",
        )
        _frame(axes, image.grid, centre, width)
        _graticule(axes, image.grid)
        for one in ellipses:
            _draw_ellipse(axes, image.grid, one)
        size = _CROSS if width is None else _SMALL_CROSS
        for ra, dec in truth:
            x, y = image.grid.to_pixel(ra, dec)
            for color, line in ((_SHADOW, 3.2), (_TRUTH, 1.6)):
                axes.plot([x], [y], "+", color=color, markersize=size, markeredgewidth=line)
        figure = axes.get_figure(root=True)
        if figure is not None:
            bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03)
            bar.set_label(label)
            bar.outline.set_visible(False)
    return axes


def _range(values: FloatArray, scale: Scale) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return 0.0, 1.0
    if scale == "difference":
        reach = max(float(np.abs(known).max()), 1e-9)
        return -reach, reach
    if scale == "counts":
        return 0.0, max(float(known.max()), 1e-9)
    return float(known.min()), float(known.max())


def _frame(
    axes: Axes, grid: TangentGrid, centre: tuple[float, float] | None, width: float | None
) -> None:
    x, y = grid.to_pixel(*(centre or (grid.ra, grid.dec)))
    reach = (width or grid.n_x * grid.pixel_size) / grid.pixel_size / 2
    axes.set_xlim(float(x) - reach, float(x) + reach)
    axes.set_ylim(float(y) - reach, float(y) + reach)


def _graticule(axes: Axes, grid: TangentGrid) -> None:
    """Draw lines of equal right ascension and declination, named at the lower and left edge."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    along_x, along_y = (
        np.linspace(left, right, _LINE_POINTS),
        np.linspace(bottom, top, _LINE_POINTS),
    )
    ra_below = _unwrapped(grid, grid.to_sky(along_x, np.full(_LINE_POINTS, bottom))[0])
    dec_left = grid.to_sky(np.full(_LINE_POINTS, left), along_y)[1]
    ra_values, dec_values = _nice(ra_below), _nice(dec_left)
    ra_names, dec_names = _names(ra_values % 360.0), _names(dec_values)
    # Right ascension falls towards the right: interpolation needs it to rise.
    axes.set_xticks(
        np.interp(ra_values, ra_below[::-1], along_x[::-1]),
        ra_names,
    )
    axes.set_yticks(np.interp(dec_values, dec_left, along_y), dec_names)
    corners = grid.to_sky([left, right, left, right], [bottom, bottom, top, top])
    ra_all, dec_all = _unwrapped(grid, corners[0]), corners[1]
    line: dict[str, Any] = {"color": _OVERLAY, "linewidth": 0.5, "alpha": 0.35}
    for value in ra_values:
        dec = np.linspace(dec_all.min() - 0.2, dec_all.max() + 0.2, _LINE_POINTS)
        axes.plot(*grid.to_pixel(np.full(_LINE_POINTS, value), dec), **line)
    for value in dec_values:
        ra = np.linspace(ra_all.min() - 0.2, ra_all.max() + 0.2, _LINE_POINTS)
        axes.plot(*grid.to_pixel(ra, np.full(_LINE_POINTS, value)), **line)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.grid(visible=False)
    axes.tick_params(length=3, color=MUTED)
    axes.set_xlabel("Right ascension [deg]")
    axes.set_ylabel("Declination [deg]")


def _unwrapped(grid: TangentGrid, ra: FloatArray) -> FloatArray:
    """Return right ascensions without a jump at 360 deg, near that of the grid."""
    return np.asarray(grid.ra + (ra - grid.ra + 180.0) % 360.0 - 180.0)


def _nice(values: FloatArray) -> FloatArray:
    """Return round values within a range."""
    low, high = float(values.min()), float(values.max())
    step = next((s for s in _STEPS if (high - low) / s <= _LINES + 1), _STEPS[-1])
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _names(values: FloatArray) -> list[str]:
    """Return angles as text, all with the decimals that tell them apart."""
    steps = np.abs(np.diff(values)) if len(values) > 1 else np.ones(1)
    decimals = max(0, int(np.ceil(-np.log10(float(steps.min()) * 1.001))))
    return [f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") for value in values]


def _draw_ellipse(axes: Axes, grid: TangentGrid, one: SkyEllipse) -> None:
    x, y = (float(value) for value in grid.to_pixel(one.ra, one.dec))
    inside = axes.get_xlim()[0] < x < axes.get_xlim()[1]
    inside &= axes.get_ylim()[0] < y < axes.get_ylim()[1]
    if not inside:
        return
    # The local north on the picture: lines of declination turn away from the middle of a field.
    x_north, y_north = (float(v) for v in grid.to_pixel(one.ra, one.dec + 1e-3))
    turn = np.degrees(np.arctan2(y_north - y, x_north - x))
    shown = (axes.get_xlim()[1] - axes.get_xlim()[0]) * grid.pixel_size
    if ellipse_scale(_WIDE) * one.major < shown / 50:
        axes.plot([x], [y], "o", markersize=15, markerfacecolor="none", markeredgecolor=_OVERLAY)
        return
    for confidence, style in ((0.68, "-"), (_WIDE, (0, (3, 2)))):
        reach = 2 * ellipse_scale(confidence) / grid.pixel_size
        for color, line in ((_SHADOW, 2.6), (_OVERLAY, 1.3)):
            axes.add_patch(
                Ellipse(
                    (x, y),
                    reach * one.major,
                    reach * one.minor,
                    angle=turn + one.angle,
                    fill=False,
                    edgecolor=color,
                    linewidth=line,
                    linestyle=style,
                )
            )
