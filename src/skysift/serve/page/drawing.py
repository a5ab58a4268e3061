"""Pictures for the page: pixels as PNG in colours for all eyes, axes and ellipses as SVG.

Colours are those of the reports: dark to light for counts, diverging about zero for residuals. Both
keep their order for readers who see fewer colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.ellipse import ellipse_scale

__all__ = [
    "Scale",
    "SkyFrame",
    "SkyMark",
    "colour_stops",
    "colour_ticks",
    "limits_of",
    "picture",
    "round_values",
]

Scale = Literal["counts", "difference", "image"]
FloatArray = NDArray[np.float64]

_COLOURS = {"counts": "inferno", "difference": "RdBu_r", "image": "gray"}
_LEVELS = 256
_STEPS = (1.0, 2.0, 5.0)
_PERCENTILES = (0.5, 99.5)  # of an image that hot pixels must not darken
_SMALLEST = 1e-9


def picture(values: NDArray[np.float32], scale: Scale, limits: tuple[float, float]) -> bytes:
    """Return values as a PNG, the first row at the bottom.

    Parameters
    ----------
    values : array, shape (n_y, n_x)
        What is not finite is transparent.
    scale : {"counts", "difference", "image"}
        Which colours; those of counts follow the square root.
    limits : (float, float)
        Values at the ends of the colours.
    """
    low, high = limits
    known = np.isfinite(values)
    share = np.clip((np.where(known, values, low) - low) / max(high - low, _SMALLEST), 0, 1)
    levels = (_stretched(share, scale) * (_LEVELS - 1)).astype(np.uint8)
    image = Image.fromarray(levels[::-1])
    image.putpalette(_palette(scale))
    buffer = BytesIO()
    if known.all():
        image.save(buffer, "PNG", compress_level=4)
        return buffer.getvalue()
    shown = image.convert("RGBA")
    shown.putalpha(Image.fromarray(np.where(known, 255, 0).astype(np.uint8)[::-1]))
    shown.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def limits_of(values: NDArray[np.float32], scale: Scale) -> tuple[float, float]:
    """Return what the colours should run between."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    if scale == "difference":
        reach = max(float(np.abs(known).max()), _SMALLEST)
        return -reach, reach
    if scale == "counts":
        return 0.0, max(float(known.max()), _SMALLEST)
    low, high = np.percentile(known, _PERCENTILES)
    return float(low), max(float(high), float(low) + _SMALLEST)


def colour_stops(scale: Scale, n: int = 9) -> list[tuple[float, str]]:
    """Return positions from 0 to 1 with their colours, for a gradient.

    Examples
    --------
    >>> colour_stops("image", 3)
    [(0.0, '#000000'), (0.5, '#808080'), (1.0, '#ffffff')]
    """
    table = np.frombuffer(_palette(scale), dtype=np.uint8).reshape(-1, 3)
    places = np.linspace(0, 1, n)
    rows = table[np.round(places * (_LEVELS - 1)).astype(int)]
    return [
        (round(float(place), 3), f"#{red:02x}{green:02x}{blue:02x}")
        for place, (red, green, blue) in zip(places, rows, strict=True)
    ]


def colour_ticks(limits: tuple[float, float], scale: Scale) -> list[tuple[float, float]]:
    """Return places beside the colours, from 0 to 1, with round values."""
    low, high = limits
    values = round_values(low, high)
    shares = (np.array(values) - low) / max(high - low, _SMALLEST)
    places = _stretched(np.clip(shares, 0, 1), scale)
    return [(float(place), value) for place, value in zip(places, values, strict=True)]


def _stretched(share: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Return the place of a value among the colours: by its root, where few counts matter too."""
    return np.sqrt(share) if scale == "counts" else share


@cache
def _palette(scale: Scale) -> bytes:
    colours = colormaps[_COLOURS[scale]](np.linspace(0, 1, _LEVELS))[:, :3]
    return np.round(colours * 255).astype(np.uint8).tobytes()


def round_values(low: float, high: float, about: int = 4) -> list[float]:
    """Return round values within a range, about so many.

    Examples
    --------
    >>> round_values(80.9, 86.2), round_values(0.0, 0.013)
    ([81.0, 82.0, 83.0, 84.0, 85.0, 86.0], [0.0, 0.005, 0.01])
    """
    if not (np.isfinite([low, high]).all() and high > low):
        return []
    exponent = np.floor(np.log10((high - low) / about))
    steps = [step * 10.0**power for power in (exponent, exponent + 1) for step in _STEPS]
    step = next(step for step in steps if (high - low) / step <= about + 1.5)
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(round(k * step, 12)) + 0.0 for k in np.arange(first, last + 1)]


@dataclass(frozen=True, slots=True)
class SkyMark:
    """A candidate on a map, in units of the drawing.

    Parameters
    ----------
    x, y : float
    rings : tuple of (float, float)
        Half axes of the 68 % and 95 % ellipse, along x and y before they are turned.
    turn : float [deg]
        Clockwise on the screen.
    is_small : bool
        Whether the ellipse is too small to be seen: a ring is drawn about it.
    """

    x: float
    y: float
    rings: tuple[tuple[float, float], ...]
    turn: float
    is_small: bool


@dataclass(frozen=True, slots=True)
class SkyFrame:
    """Where things of the sky are on a drawing of a tangent grid, north up and east to the left.

    Parameters
    ----------
    grid : TangentGrid
        What is drawn.
    width : float
        Of the drawing of the pixels; the height follows.
    """

    grid: TangentGrid
    width: float

    @property
    def scale(self) -> float:
        """Drawing units per pixel."""
        return self.width / self.grid.n_x

    @property
    def height(self) -> float:
        """Of the drawing of the pixels."""
        return self.scale * self.grid.n_y

    def place(self, ra: float, dec: float) -> tuple[float, float]:
        """Return x to the right and y downwards; NaN for what is behind the plane."""
        x, y = self.grid.to_pixel(ra, dec)
        return (float(x) + 0.5) * self.scale, self.height - (float(y) + 0.5) * self.scale

    def mark(
        self, ra: float, dec: float, major: float, minor: float, angle: float
    ) -> SkyMark | None:
        """Return a candidate with its position error, None if it is outside.

        Parameters
        ----------
        ra, dec : float [deg]
        major, minor : float [deg]
            Half axes of the 68 % ellipse.
        angle : float [deg]
            Position angle of the major axis, from north through east.
        """
        x, y = self.place(ra, dec)
        if not (0 <= x <= self.width and 0 <= y <= self.height):
            return None
        per_degree = self.scale / self.grid.pixel_size
        wide = ellipse_scale(0.95) / ellipse_scale(0.68)
        known = np.isfinite([major, minor, angle]).all()
        rings = tuple(
            (major * factor * per_degree, minor * factor * per_degree)
            for factor in ((1.0, wide) if known else ())
        )
        x_north, y_north = self.place(ra, dec + 1e-3)
        north = np.degrees(np.arctan2(y_north - y, x_north - x))  # clockwise, as y is downwards
        turn = float(north - angle) if known else 0.0
        return SkyMark(x, y, rings, turn, not rings or rings[-1][0] < self.width / 40)

    def lines(self) -> Iterator[tuple[str, float, list[tuple[float, float]]]]:
        """Yield lines of equal ``ra`` and ``dec`` with their values and points."""
        ra, dec = self._reach()
        for value in round_values(*ra):
            points = [self.place(value, one) for one in np.linspace(*dec, 21)]
            yield "ra", value % 360.0, points
        for value in round_values(*dec):
            points = [self.place(one, value) for one in np.linspace(*ra, 21)]
            yield "dec", value, points

    def ticks(self) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        """Return where lines of right ascension meet the lower edge, and declination the left."""
        x = np.linspace(-0.5, self.grid.n_x - 0.5, 41)
        y = np.linspace(-0.5, self.grid.n_y - 0.5, 41)
        ra = self._unwrapped(self.grid.to_sky(x, np.full(41, -0.5))[0])
        dec = self.grid.to_sky(np.full(41, -0.5), y)[1]
        ra_values = round_values(float(ra.min()), float(ra.max()))
        dec_values = round_values(float(dec.min()), float(dec.max()))
        ra_places = (np.interp(ra_values, ra[::-1], x[::-1]) + 0.5) * self.scale
        dec_places = self.height - (np.interp(dec_values, dec, y) + 0.5) * self.scale
        return (
            [(float(p), f"{v % 360:g}") for p, v in zip(ra_places, ra_values, strict=True)],
            [
                (float(p), f"{v:g}".replace("-", "\N{MINUS SIGN}"))
                for p, v in zip(dec_places, dec_values, strict=True)
            ],
        )

    def _reach(self) -> tuple[tuple[float, float], tuple[float, float]]:
        x = np.array([-0.5, self.grid.n_x / 2, self.grid.n_x - 0.5])
        y = np.array([-0.5, self.grid.n_y / 2, self.grid.n_y - 0.5])
        ra, dec = self.grid.to_sky(*(one.ravel() for one in np.meshgrid(x, y)))
        ra = self._unwrapped(ra)
        return (float(ra.min()), float(ra.max())), (float(dec.min()), float(dec.max()))

    def _unwrapped(self, ra: FloatArray) -> FloatArray:
        """Return right ascensions without a jump at 360 deg."""
        return np.asarray(self.grid.ra + (ra - self.grid.ra + 180.0) % 360.0 - 180.0)
