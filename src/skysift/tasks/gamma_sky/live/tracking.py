"""Candidates of many windows and lengths made into sources that keep their names.

Windows are taken by their ends, shorter ones first. In each, candidates are given to the active
sources one to one, the nearest pairs first (Hungarian method; Kuhn 1955, Nav. Res. Logist. Q. 2,
83), if they agree within their ellipses; the others are new sources. What comes out depends on the
set of candidates, not on the order in which they are given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from skysift.data.sky.tangent import TangentGrid, separation
from skysift.data.table import FeatureTable
from skysift.evaluate.ellipse import ellipse_scale

__all__ = ["Detection", "Frame", "Source", "Tracker", "TrackerState", "frames_of", "track"]

FloatArray = NDArray[np.float64]

_GATE = 4.0  # standard deviations between a candidate and its source
_FLOOR = 0.015  # deg: standard deviation that is added, of what ellipses do not know
_FARTHEST = 0.4  # deg: whatever the ellipses
_LEAST_PATIENCE = 60.0  # s
_NEVER = 1e6  # cost of a pair that cannot be
_ELLIPSE = ellipse_scale(0.68)


class Detection(NamedTuple):
    """A candidate, as far as tracking needs it.

    Parameters
    ----------
    ra, dec : float [deg]
    err_major, err_minor : float [deg]
        Semi-axes of the 68 % ellipse.
    err_angle : float [deg]
        Position angle of the major axis.
    significance : float
        Before trials.
    far : float [Hz]
        Rate of false alarms, all trials counted.
    """

    ra: float
    dec: float
    err_major: float
    err_minor: float
    err_angle: float
    significance: float
    far: float

    def covariance(self) -> FloatArray:
        """Return the covariance of (east, north) [deg2], shape (2, 2), with the floor added."""
        angle = np.radians(self.err_angle)
        axes = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
        widths = np.array([self.err_major, self.err_minor]) / _ELLIPSE
        if not (np.isfinite(widths).all() and np.isfinite(angle)):
            return np.eye(2) * (_FARTHEST / _GATE) ** 2
        return np.asarray((axes * widths**2) @ axes.T + np.eye(2) * _FLOOR**2)

    @property
    def area(self) -> float:
        """Product of the semi-axes of the ellipse [deg2]; infinite where there is none."""
        area = self.err_major * self.err_minor
        return area if np.isfinite(area) else np.inf


@dataclass(frozen=True, slots=True)
class Frame:
    """The candidates of one window.

    Parameters
    ----------
    end, length : float [s]
        Of the window; from the GADF reference.
    window_id : str
    detections : tuple of Detection
    """

    end: float
    length: float
    window_id: str
    detections: tuple[Detection, ...]

    @property
    def order(self) -> tuple[float, float, str]:
        """What frames are sorted by."""
        return self.end, self.length, self.window_id


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is known at a time.

    Parameters
    ----------
    source_id : str
        Position and end of the window that first saw it.
    best : Detection
        That of the smallest error ellipse: the position of the source.
    best_length : float [s]
        Length of its window.
    strongest : Detection
        That of the lowest false-alarm rate.
    strongest_length : float [s]
        Length of its window.
    seen : float [s]
        End of the last window of any length that saw it, from the GADF reference.
    longest : float [s]
        Length of the longest window that saw it.
    n : int
        Detections.
    spans : tuple of (float, float, float)
        For each length of windows that saw it: the length, the beginning of the first and the end
        of the last of them [s].

    Notes
    -----
    It begins and ends with the windows that are no longer than that of its strongest detection:
    long ones see a flare long after it is over.
    """

    source_id: str
    best: Detection
    best_length: float
    strongest: Detection
    strongest_length: float
    seen: float
    longest: float
    n: int = 1
    spans: tuple[tuple[float, float, float], ...] = ()

    @property
    def t_start(self) -> float:
        """Beginning of the first such window [s]."""
        return min(first for length, first, _ in self.spans if length <= self.strongest_length)

    @property
    def t_stop(self) -> float:
        """End of the last such window [s]."""
        return max(last for length, _, last in self.spans if length <= self.strongest_length)

    @property
    def expires(self) -> float:
        """When it ends unless it is seen again [s]."""
        return self.seen + max(self.longest, _LEAST_PATIENCE)

    @classmethod
    def new(cls, frame: Frame, one: Detection) -> Self:
        """Return the source of a candidate that belongs to none."""
        span = frame.length, frame.end - frame.length, frame.end
        return cls(
            _name(one, frame.end),
            one,
            frame.length,
            one,
            frame.length,
            frame.end,
            frame.length,
            spans=(span,),
        )

    def with_detection(self, frame: Frame, one: Detection) -> Self:
        """Return the source after it was seen once more."""
        spans = {length: (first, last) for length, first, last in self.spans}
        begin, end = frame.end - frame.length, frame.end
        first, last = spans.get(frame.length, (begin, end))
        spans[frame.length] = min(first, begin), max(last, end)
        better, stronger = one.area < self.best.area, _strength(one) > _strength(self.strongest)
        return replace(
            self,
            best=one if better else self.best,
            best_length=frame.length if better else self.best_length,
            strongest=one if stronger else self.strongest,
            strongest_length=frame.length if stronger else self.strongest_length,
            seen=max(self.seen, frame.end),
            longest=max(self.longest, frame.length),
            n=self.n + 1,
            spans=tuple((length, *span) for length, span in sorted(spans.items())),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_dict` was made of.

        Raises
        ------
        TypeError, KeyError, ValueError
            If it is nothing of the kind.
        """
        numbers = ("best_length", "strongest_length", "seen", "longest")
        return cls(
            source_id=str(values["source_id"]),
            best=Detection(*map(float, values["best"])),
            strongest=Detection(*map(float, values["strongest"])),
            n=int(values["n"]),
            spans=tuple((float(a), float(b), float(c)) for a, b, c in values["spans"]),
            **{name: float(values[name]) for name in numbers},
        )


@dataclass(frozen=True, slots=True)
class TrackerState:
    """The active sources after all windows up to an end.

    Parameters
    ----------
    end : float [s]
    sources : tuple of Source
        In the order of their names.
    """

    end: float = -np.inf
    sources: tuple[Source, ...] = field(default=())


class Tracker:
    """Takes windows in order, and can go back to where it was.

    Parameters
    ----------
    state : TrackerState
        Where to begin.
    """

    def __init__(self, state: TrackerState | None = None) -> None:
        state = state or TrackerState()
        self._end = state.end
        self._active = {source.source_id: source for source in state.sources}
        self._ended: list[Source] = []

    @property
    def state(self) -> TrackerState:
        """The active sources."""
        return TrackerState(self._end, tuple(self._active[name] for name in sorted(self._active)))

    def take(self, frame: Frame) -> tuple[str, ...]:
        """Take the next window and return the names of the sources of its candidates, in order."""
        self.advance(frame.end)
        names = [""] * len(frame.detections)
        for place, name in self._assigned(frame.detections):
            names[place] = name
            self._active[name] = self._active[name].with_detection(frame, frame.detections[place])
        for place in _by_strength(frame.detections):
            if not names[place]:
                source = Source.new(frame, frame.detections[place])
                names[place] = source.source_id
                self._active[source.source_id] = source
        return tuple(names)

    def advance(self, end: float) -> None:
        """Go on to a time [s]: sources that were quiet for too long end."""
        self._end = max(self._end, end)
        for name in [name for name, one in self._active.items() if one.expires < end]:
            self._ended.append(self._active.pop(name))

    def ended(self) -> list[Source]:
        """Return the sources that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def _assigned(self, detections: Sequence[Detection]) -> Iterable[tuple[int, str]]:
        """Yield which candidates belong to which active sources."""
        if not detections or not self._active:
            return
        names = sorted(self._active)
        known = [self._active[name].best for name in names]
        cost = np.full((len(detections), len(known)), _NEVER)
        for row, column in np.argwhere(_separations(detections, known) <= _FARTHEST):
            cost[row, column] = _distance(detections[row], known[column])
        possible = cost <= _GATE**2
        # Every source that can have a candidate gets one before distances are compared.
        for row, column in zip(
            *linear_sum_assignment(np.where(possible, cost, _NEVER)), strict=True
        ):
            if possible[row, column]:
                yield int(row), names[column]


def frames_of(
    candidates: FeatureTable, windows: FeatureTable | None = None
) -> tuple[list[Frame], list[NDArray[np.int64]]]:
    """Return the windows of a table of candidates in order, and the rows of each.

    Parameters
    ----------
    candidates : FeatureTable
        Columns of the table of candidates (see ``docs/live-windows.md``), rows in any order and of
        any revisions.
    windows : FeatureTable, optional
        The table of windows: it knows of revisions that have no candidate any more.
    """
    latest: dict[str, int] = {}
    for table in (candidates, *([] if windows is None else [windows])):
        for name, revision in zip(table["window_id"], table["revision"], strict=True):
            latest[str(name)] = max(latest.get(str(name), -1), int(revision))
    rows: dict[str, list[int]] = {}
    for row, (name, revision) in enumerate(
        zip(candidates["window_id"], candidates["revision"], strict=True)
    ):
        if int(revision) == latest[str(name)]:
            rows.setdefault(str(name), []).append(row)
    columns = {name: candidates[name] for name in (*Detection._fields, "window", "window_end")}
    frames = []
    for name, mine in rows.items():
        found = [Detection(*(float(columns[key][row]) for key in Detection._fields))
                 for row in mine]  # fmt: skip
        ordered = sorted(range(len(mine)), key=found.__getitem__)
        one = Frame(
            float(columns["window_end"][mine[0]]),
            float(columns["window"][mine[0]]),
            name,
            tuple(found[place] for place in ordered),
        )
        frames.append((one, np.array([mine[place] for place in ordered])))
    frames.sort(key=lambda pair: pair[0].order)
    return [frame for frame, _ in frames], [mine for _, mine in frames]


def track(candidates: FeatureTable, windows: FeatureTable | None = None) -> list[Source]:
    """Return the sources of a table of candidates, the first seen first.

    Parameters are those of `frames_of`. The history of a source's significance are the rows of its
    ``source_id``, which the service has given by the same rule.
    """
    tracker = Tracker()
    sources = list[Source]()
    for frame in frames_of(candidates, windows)[0]:
        tracker.take(frame)
        sources += tracker.ended()
    sources += tracker.state.sources
    return sorted(sources, key=lambda one: (min(first for _, first, _ in one.spans), one.source_id))


def _name(one: Detection, end: float) -> str:
    """Return position and time as a name, e.g. J053424+220052-838943015."""
    seconds = round(one.ra / 15 * 3600) % 86400
    arcsec = round(abs(one.dec) * 3600)
    sign = "-" if one.dec < 0 else "+"
    place = (
        f"J{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
        f"{sign}{arcsec // 3600:02}{arcsec // 60 % 60:02}{arcsec % 60:02}"
    )
    return f"{place}-{round(end, 6):.15g}"


def _strength(one: Detection) -> tuple[float, float]:
    """Return what makes a detection the stronger: a lower rate of false alarms."""
    return -one.far, one.significance


def _by_strength(detections: Sequence[Detection]) -> list[int]:
    return sorted(range(len(detections)), key=lambda place: _strength(detections[place]))[::-1]


def _separations(some: Sequence[Detection], others: Sequence[Detection]) -> FloatArray:
    """Return the angles [deg] between places, shape (n_some, n_others)."""
    here, there = (np.array([(one.ra, one.dec) for one in places]) for places in (some, others))
    return separation(here[:, None, 0], here[:, None, 1], there[None, :, 0], there[None, :, 1])


def _distance(one: Detection, other: Detection) -> float:
    """Return the squared distance of two places in standard deviations."""
    xi, eta = TangentGrid(other.ra, other.dec, 1, 1).to_plane(one.ra, one.dec)
    apart = np.array([float(xi), float(eta)])
    return float(apart @ np.linalg.solve(one.covariance() + other.covariance(), apart))
