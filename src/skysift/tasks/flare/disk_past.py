"""The forecast of the whole disk by the flares of the last days: a list of them, and its training.

A list of years is all that it is trained on, so that pictures of other years judge it fairly.
"""

from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.chronological import chronological_folds
from skysift.data.solar.catalogs import read_flares
from skysift.data.solar.catalogs.goes_class import at_least, present_scale
from skysift.data.table import FeatureTable
from skysift.models.disk_history import DISK_HISTORY_HOURS, FlareCounts
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.heads import Head
from skysift.tasks.flare.learning import Fit, learn_head, require_events
from skysift.tasks.flare.options import Scale
from skysift.tasks.flare.renewed import Renewed

__all__ = [
    "DiskPast",
    "FlareList",
    "fit_disk_past",
    "learn_disk_past",
    "past_of",
]

STEP: Final = np.timedelta64(6, "h")
"""Between the times that it is trained on."""

OVERDUE: Final = np.timedelta64(24, "h")
"""Of an active Sun, a list should have another flare by then (in 2026, the longest wait was 17)."""

OUTDATED: Final = np.timedelta64(72, "h")
"""A list that ends earlier tells nothing."""

PENALTY: Final = 0.01
_HORIZON = np.timedelta64(24, "h")
_LONGEST = np.timedelta64(round(max(DISK_HISTORY_HOURS)), "h")

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


class DiskPast:
    """Flares of a list, on the present scale of GOES.

    Parameters
    ----------
    flares : FeatureTable
        Of :func:`~skysift.data.solar.catalogs.read_flares`.
    scale : {"operational", "science"}
        Of those before 2020.
    """

    def __init__(self, flares: FeatureTable, scale: Scale) -> None:
        self.start = np.asarray(flares["start"], dtype="datetime64[s]")
        flux = np.asarray(flares["flux"], dtype=np.float64)
        self.flux = present_scale(flux, self.start) if scale == "operational" else flux
        self._counts = FlareCounts(self.start, self.flux)

    def features(self, time: Times) -> Floats:
        """Return features of the days before some times, shape (n, n_features)."""
        return self._counts.features(time)

    def flared(self, time: Times) -> NDArray[np.bool_]:
        """Return whether a flare of class M or stronger began within 24 h after, shape (n,)."""
        strong = np.sort(self.start[at_least(np.nan_to_num(self.flux), "M")])
        after, until = (np.searchsorted(strong, t, side="right") for t in (time, time + _HORIZON))
        return np.asarray(until > after)

    def times(self, until: date | None = None) -> Times:
        """Return times every 6 h whose past and whose next day the list covers.

        Raises
        ------
        InputError
            If there are none.
        """
        found = np.empty(0, dtype="datetime64[s]")
        if len(self.start):
            end = self.start.max() if until is None else np.datetime64(until, "s")
            first_day = (self.start.min() + _LONGEST).astype("datetime64[D]") + 1
            last = min(self.start.max(), end) - _HORIZON
            found = np.arange(first_day.astype("datetime64[s]"), last, STEP)
        if not len(found):
            raise InputError(
                "The list of flares covers too few days.", "Give a list of months, better of years."
            )
        return found


def past_of(path: Path, scale: Scale) -> DiskPast:
    """Read a list of flares.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    return DiskPast(read_flares([path]), scale)


class FlareList(Renewed[DiskPast]):
    """A list of flares that may be replaced by a longer one at any time.

    Parameters
    ----------
    path : Path
        A list that :func:`~skysift.data.solar.catalogs.read_flares` reads.
    scale : {"operational", "science"}
        Of flares before 2020.

    Raises
    ------
    InputError
        If it cannot be read.
    """

    def __init__(self, path: Path, scale: Scale) -> None:
        self._scale: Scale = scale
        super().__init__(path)

    def features(self, time: np.datetime64 | None) -> tuple[Floats, list[str]]:
        """Return what is told of a disk at a time, shape (n_features,), and flags of the answer.

        Nobody knows whether the Sun was quiet after the last flare of a list, or the list is old.
        An answer is flagged ``flares-end-early`` where that flare began more than `OVERDUE` before
        the image. Features are NaN where it began more than `OUTDATED` before, and where the list
        does not cover the ten days before.
        """
        now = np.array([np.datetime64("NaT") if time is None else time], dtype="datetime64[s]")
        past = self.renewed()
        found = past.features(now)[0]
        flags = []
        if time is not None and len(past.start):
            silent = time - past.start.max()
            if silent > OVERDUE:
                flags.append("flares-end-early")
            if silent > OUTDATED:
                found = np.full_like(found, np.nan)
        if not np.isfinite(found).all():
            flags.append("flares-not-covered")
        return found, [*flags, *(["flares-not-renewed"] if self.stale else [])]

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*events.txt")) if self.path.is_dir() else [self.path]

    def _read(self) -> DiskPast:
        return past_of(self.path, self._scale)


def learn_disk_past(past: DiskPast, folds: int, until: date | None = None) -> Head:
    """Train on the days of a list, checked on runs in time.

    Parameters
    ----------
    past : DiskPast
        The list.
    folds : int
        Runs in time that calibration and threshold rest on.
    until : date, optional
        Day before which its days end.

    Raises
    ------
    InputError
        If there are too few days or flares.
    """
    time = past.times(until)
    features = past.features(time)
    known = np.isfinite(features).all(axis=1)
    time, features = time[known], features[known]
    return fit_disk_past(time, features, past.flared(time), folds, PENALTY)[0]


def fit_disk_past(
    time: Times,
    features: Floats,
    event: NDArray[np.bool_],
    folds: int,
    inverse_penalty: float,
) -> tuple[Head, Floats]:
    """Train on some times; return also the log-odds of each by runs that had not seen it."""
    require_events(event, "M", folds)

    def fit_of(rows: NDArray[np.bool_]) -> Fit:
        return partial(
            ScoreRegressions.fit, features[rows], [event[rows]], inverse_penalty=inverse_penalty
        )

    runs = chronological_folds(time, n_splits=folds, purge=_LONGEST + _HORIZON)
    return learn_head(features, event, list(runs), fit_of)
