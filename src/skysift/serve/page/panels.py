"""What each part of the page shows, gathered from the sources for the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from skysift.serve.clock import to_unix
from skysift.serve.drift.report import DriftReport
from skysift.serve.page.answers import Row
from skysift.serve.page.drawing import (
    Scale,
    SkyFrame,
    SkyMark,
    colour_stops,
    colour_ticks,
    limits_of,
)
from skysift.serve.page.maps import LAYERS, WindowMaps
from skysift.serve.page.night import Night, Source
from skysift.serve.page.notes import Note
from skysift.serve.page.sources import Sources

__all__ = [
    "LAYER_NAMES",
    "DriftView",
    "MapView",
    "SourceView",
    "drift_views",
    "light_curve",
    "limits_of_layer",
    "map_views",
    "scale_of_layer",
    "sky_panel",
    "source_views",
]

LAYER_NAMES: Mapping[str, tuple[str, str]] = {
    "raw": ("Raw", "all gamma-like events"),
    "cleaned": ("Cleaned", "explained by sources"),
    "residual": ("Residual", "what nothing explains"),
}
"""Title of each map, and what it shows."""

_UNIT = "counts per pixel"
_MAP_WIDTH = 300.0
_SOURCES = 100  # of the table
_MARKS = 30  # candidates that are drawn on a map
_POINTS = 2000  # of a light curve
_QUANTITIES = 24  # whose drift is shown
_QUIET = 3.0  # windows without it after which a source counts as gone


@dataclass(frozen=True, slots=True)
class MarkView:
    """A candidate on a map, with its name and where its page is."""

    mark: SkyMark
    name: str
    address: str
    significance: float


@dataclass(frozen=True, slots=True)
class MapView:
    """One map as the template draws it.

    Parameters
    ----------
    name, title, note, unit : str
    address : str
        Of the picture of the pixels.
    frame : SkyFrame
    marks : sequence of MarkView
    ticks : list of (float, float)
        Places beside the colours, from 0 to 1, with their values.
    stops : list of (float, str)
        Colours in between.
    about : str
        What it shows, for readers who cannot see it.
    """

    name: str
    title: str
    note: str
    unit: str
    address: str
    frame: SkyFrame
    marks: Sequence[MarkView]
    ticks: list[tuple[float, float]]
    stops: list[tuple[float, str]]
    about: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as the table shows it."""

    id: str
    address: str
    best: Row
    last: Row
    windows: int
    is_active: bool
    note: Note | None
    alert: Any


def address_of(source: str) -> str:
    """Return where the page of a candidate is."""
    return f"/candidates/{quote(source, safe='')}"


def scale_of_layer(layer: str) -> Scale:
    """Return which colours a map has."""
    return "difference" if layer == "residual" else "counts"


def limits_of_layer(maps: WindowMaps, layer: str) -> tuple[float, float]:
    """Return the values at the ends of the colours; raw and cleaned share theirs."""
    shown = maps.layers["raw" if layer == "cleaned" else layer]
    return limits_of(shown, scale_of_layer(layer))


def map_views(maps: WindowMaps, rows: Sequence[Row]) -> list[MapView]:
    """Return the maps of a window with its candidates."""
    frame = SkyFrame(maps.grid, _MAP_WIDTH)
    marks = [view for row in rows[:_MARKS] if (view := _mark_view(frame, row)) is not None]
    views = []
    for layer in LAYERS:
        title, note = LAYER_NAMES[layer]
        about = (
            f"{title} counts per pixel ({note}), {maps.grid.n_x * maps.grid.pixel_size:.1f} "
            f"degrees wide about RA {maps.grid.ra:.2f}, Dec {maps.grid.dec:.2f}; "
            f"{len(marks)} candidates are marked and listed below."
        )
        views.append(
            MapView(
                layer,
                title,
                note,
                _UNIT,
                f"/maps/{maps.key}/{layer}.png",
                frame,
                marks,
                colour_ticks(limits_of_layer(maps, layer), scale_of_layer(layer)),
                colour_stops(scale_of_layer(layer)),
                about,
            )
        )
    return views


def _mark_view(frame: SkyFrame, row: Row) -> MarkView | None:
    major, minor, angle = (
        float("nan") if row.get(name) is None else float(row[name])
        for name in ("err_major", "err_minor", "err_angle")
    )
    mark = frame.mark(row["ra"], row["dec"], major, minor, angle)
    if mark is None:
        return None
    name = str(row.get("source_id") or "")
    return MarkView(mark, name, address_of(name), float(row["significance"] or 0.0))


def sky_panel(sources: Sources, length: float | None) -> dict[str, Any]:
    """Return what is to be seen of the sky in the last window of a length.

    Parameters
    ----------
    sources : Sources
    length : float or None [s]
        The one that shows most, if None: the window of the most significant candidate now.
    """
    night = sources.night
    with night.lock:
        lengths = sorted({*sources.maps.latest, *night.windows})
        current = {
            one: candidates_of(night, window["window_id"]) for one, window in night.windows.items()
        }
        chosen = length if length in lengths else _strongest(current, lengths)
        maps = sources.maps.latest.get(chosen) if chosen is not None else None
        window = night.windows.get(chosen) if chosen is not None else None
        rows = candidates_of(night, maps.window_id) if maps is not None else []
        if not rows and chosen is not None:
            rows = current.get(chosen, [])
        return {
            "lengths": lengths,
            "known": " ".join(map(str, lengths)),
            "asked": length,
            "chosen": chosen,
            "window": window,
            "maps": None if maps is None else map_views(maps, rows),
            "header": {} if maps is None else maps.header,
            "rows": rows,
            "has_sky": bool(lengths or night.sources),
        }


def candidates_of(night: Night, window_id: str) -> list[Row]:
    """Return the candidates of a window, the strongest first."""
    rows = [
        Row({**source.candidates[window_id], "source_id": source.id})
        for source in night.sources.values()
        if window_id in source.candidates
    ]
    return sorted(rows, key=lambda row: -(row["significance"] or 0.0))


def _strongest(current: Mapping[float, Sequence[Row]], lengths: Sequence[float]) -> float | None:
    """Return the length whose last window has the most significant candidate."""
    found = [(float(rows[0]["significance"] or 0.0), one) for one, rows in current.items() if rows]
    if found:
        return max(found)[1]
    return lengths[len(lengths) // 2] if lengths else None


def source_views(
    sources: Sources, notes: Mapping[str, Note], alerts: Mapping[str, Any]
) -> list[SourceView]:
    """Return the sources that were seen last, the newest first."""
    night = sources.night
    with night.lock:
        now = max((window["t_stop"] for window in night.windows.values()), default=None)
        views: list[SourceView] = []
        for source in reversed(night.sources.values()):
            if len(views) >= _SOURCES:
                break
            views.append(source_view(source, now, notes.get(source.id), alerts.get(source.id)))
    return sorted(views, key=lambda view: (not view.is_active, -(view.last.get("t_stop") or 0.0)))


def source_view(source: Source, now: float | None, note: Note | None, alert: Any) -> SourceView:
    """Return a source for a table or its own page."""
    last = source.last
    length = last.get("window")
    quiet = _QUIET * length if isinstance(length, float) else float("inf")
    is_active = now is None or to_unix(now) - to_unix(last.get("t_stop") or now) <= max(quiet, 5.0)
    return SourceView(
        source.id,
        address_of(source.id),
        source.best,
        last,
        len(source.candidates),
        is_active,
        note,
        alert,
    )


def light_curve(source: Source) -> dict[str, Any]:
    """Return columns of equal length for the chart of a source: bins, or else windows.

    ``time`` is the middle of each bin, Unix time [s]; ``low`` and ``high`` bound the value at one
    standard deviation; ``limit`` is a 95 % upper limit, where that is what there is to show.
    """
    if source.bins:
        rows = sorted(source.bins.values(), key=lambda row: row["t_stop"])[-_POINTS:]
        unit = "flux [Crab]" if any(_number(row, "flux") is not None for row in rows) else ""
        name = "flux" if unit else "excess"
        limits = [bool(row.get("upper_limit")) for row in rows]
    else:
        length = source.best["window"]  # windows of other lengths overlap with these
        rows = [row for row in source.candidates.values() if row["window"] == length]
        rows.sort(key=lambda row: row["t_stop"] or 0.0)
        rows, unit, name = rows[-_POINTS:], "", "excess"
        limits = [False] * len(rows)
    return {
        "label": unit or "excess [counts]",
        "kind": "bins" if source.bins else "windows",
        "time": [to_unix((row["t_start"] + row["t_stop"]) / 2) for row in rows],
        "value": [_number(row, name) for row in rows],
        "low": [_bound(row, name, -1) for row in rows],
        "high": [_bound(row, name, +1) for row in rows],
        "limit": [
            _number(row, f"{name}_ul") if is_limit else None
            for row, is_limit in zip(rows, limits, strict=True)
        ],
    }


def _number(row: Row, name: str) -> float | None:
    value = row[name]
    return float(value) if isinstance(value, int | float) else None


def _bound(row: Row, name: str, side: int) -> float | None:
    bound = _number(row, f"{name}_low" if side < 0 else f"{name}_high")
    if bound is not None:
        return bound
    value, error = _number(row, name), _number(row, f"{name}_error")
    return None if value is None or error is None else value + side * error


@dataclass(frozen=True, slots=True)
class DriftView:
    """A quantity in a window beside how it was in training.

    Parameters
    ----------
    row : mapping
        As of :class:`~skysift.serve.drift.report.DriftReport`.
    bars : sequence of (float, float)
        Shares of the bins, now and in the reference, of the highest of all.
    span : (float, float) or None
        First and last border of the bins.
    """

    row: Mapping[str, Any]
    bars: Sequence[tuple[float, float]]
    span: tuple[float, float] | None


def drift_views(report: DriftReport) -> list[DriftView]:
    """Return what is compared, alarms first."""
    ordered = sorted(report.rows, key=lambda row: (not row["alarm"], row["p"], -row["psi"]))
    views = []
    for row in ordered[:_QUANTITIES]:
        drawn = report.histograms.get(row["quantity"], {})
        now, reference = drawn.get(row["window"], []), drawn.get("reference", [])
        highest = max([*now, *reference], default=0.0) or 1.0
        bars = [(a / highest, b / highest) for a, b in zip(now, reference, strict=False)]
        edges = drawn.get("edges") or []
        views.append(DriftView(row, bars, (edges[0], edges[-1]) if edges else None))
    return views
