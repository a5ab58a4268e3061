"""Matplotlib figures as inline SVG that takes part in the page.

The SVG that matplotlib writes is meant for a file of its own. Put inline, its ids collide with
those of other figures, its style rules leak into the page, and its colours stay light on a dark
page. Here ids get a prefix, leaking rules go, and every colour of the house palette becomes a CSS
variable. Text stays text: it can be selected, searched and read aloud.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skysift.report.plots.style import PALETTE

__all__ = ["figure_to_svg", "theme_css"]

_MOST_MARKERS = 2000
"""Above this number of separate marks an artist is drawn as a picture inside the SVG."""
_RASTER_DPI = 200
_PIXELS_PER_POINT = 1.35
"""Largest scale of a figure on the page: text has one size, whatever the size of the figure."""
_DRAW: Any = {
    "path.simplify": True,
    "path.simplify_threshold": 0.2,  # in points: below what a screen resolves
    "svg.fonttype": "none",
    "svg.hashsalt": "skysift",
}
_VARIABLES = {
    **{shade.light: f"var(--plot-{name})" for name, shade in PALETTE.items()},
    "#000000": "var(--plot-ink)",
    "#ffffff": "var(--plot-paper)",
}
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_DECIMALS = re.compile(r"-?\d+\.\d{3,}")


def figure_to_svg(figure: Figure, prefix: str, alt: str) -> str:
    """Return a figure as an ``<svg>`` element for an HTML page.

    The same figure gives the same text. Artists with thousands of marks become a picture inside
    the SVG, so that the page stays small; axes and text remain vectors.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to draw. It is left as it was.
    prefix : str
        Unique in the page; it begins every id.
    alt : str
        What the figure shows, for readers who cannot see it.

    Returns
    -------
    str
    """
    buffer = io.StringIO()
    with mpl.rc_context(_DRAW), _heavy_artists_as_pictures(figure):
        figure.savefig(
            buffer,
            format="svg",
            dpi=_RASTER_DPI,
            facecolor="none",
            edgecolor="none",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    # The text comes from matplotlib itself a moment ago, not from outside.
    root = ET.fromstring(buffer.getvalue())  # noqa: S314
    _drop(root, {"metadata", "style"})
    _clean(root, prefix, referenced=_referenced(root))
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": alt,
        "class": "plot",
        "style": f"--natural:{width * _PIXELS_PER_POINT:.0f}px",
    }
    return ET.tostring(root, encoding="unicode")


def theme_css(*, dark: bool) -> str:
    """Return the palette of the figures as CSS declarations."""
    return "".join(
        f"--plot-{name}:{shade.dark if dark else shade.light};" for name, shade in PALETTE.items()
    )


@contextmanager
def _heavy_artists_as_pictures(figure: Figure) -> Iterator[None]:
    changed: list[Artist] = []
    for artist in _drawn_data(figure.axes):
        if _is_heavy(artist) and not artist.get_rasterized():
            artist.set_rasterized(True)
            changed.append(artist)
    try:
        yield
    finally:
        for artist in changed:
            artist.set_rasterized(False)


def _drawn_data(axes: Sequence[Axes]) -> Iterator[Artist]:
    """Yield what may have many marks; looking at all that is drawn would make unseen ticks."""
    for one in axes:
        yield from (*one.collections, *one.lines)
        yield from _drawn_data([child for child in one.child_axes if isinstance(child, Axes)])


def _is_heavy(artist: Artist) -> bool:
    if isinstance(artist, QuadMesh):
        return np.asarray(artist.get_array()).size > _MOST_MARKERS
    if isinstance(artist, Collection):
        return max(len(np.asarray(artist.get_offsets())), len(artist.get_paths())) > _MOST_MARKERS
    if isinstance(artist, Line2D) and artist.get_marker() not in {"None", None, "", " "}:
        return np.asarray(artist.get_xdata()).size > _MOST_MARKERS
    return False


def _drop(root: ET.Element, names: set[str]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in names:
                parent.remove(child)


def _referenced(root: ET.Element) -> set[str]:
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if _local(name) == "href" and value.startswith("#"):
                used.add(value[1:])
    return used


def _clean(root: ET.Element, prefix: str, *, referenced: set[str]) -> None:
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {}
        for name, value in element.attrib.items():
            plain = _local(name)
            if plain == "id":
                if value in referenced:
                    attributes["id"] = f"{prefix}-{value}"
            elif plain == "href":
                attributes["href"] = f"#{prefix}-{value[1:]}" if value[:1] == "#" else value
            elif plain in {"d", "transform", "x", "y", "points"}:
                attributes[plain] = _DECIMALS.sub(_two_decimals, value)
            elif plain != "space":
                attributes[plain] = _restyle(value, prefix)
        element.attrib = attributes
        if element.tag not in {"text", "tspan"}:
            element.text = None
        element.tail = None


def _restyle(value: str, prefix: str) -> str:
    value = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
    return _COLOUR.sub(lambda match: _VARIABLES.get(match[0], match[0]), value)


def _two_decimals(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _local(name: Any) -> str:
    return str(name).rpartition("}")[2]
