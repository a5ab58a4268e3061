"""The three tables that a stream gives: windows, candidates and bins of light curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.data.sky.event_list import GADF_REFERENCE_MJD
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.candidates import CandidateTable, FalseAlarmSetting

__all__ = [
    "bins_table",
    "candidate_columns",
    "latest",
    "mjd",
    "no_candidates",
    "windows_table",
]

_DAY = 86400.0

# Each name has its kind, its unit and what it says.
_WINDOWS: dict[str, tuple[type, str, str]] = {
    "window_id": (str, "", "length, end and pointing of the window"),
    "revision": (int, "", "records known when it was answered; readers keep the highest"),
    "window": (float, "s", "length"),
    "t_start": (float, "d", "beginning, MJD, TT"),
    "t_stop": (float, "d", "end, MJD, TT"),
    "ra_pnt": (float, "deg", "ICRS right ascension of the pointing"),
    "dec_pnt": (float, "deg", "ICRS declination of the pointing"),
    "events": (int, "", "photons of the energies that are searched"),
    "livetime": (float, "s", "good time less dead time"),
    "candidates": (int, "", "rows in the table of candidates"),
    "masked": (float, "", "share of the field that counts as dead camera"),
    "flags": (str, "", "what to know of the window, comma-separated; empty if nothing"),
}
_BINS: dict[str, tuple[type, str, str]] = {
    "window_id": (str, "", "the bin's row in the table of windows"),
    "revision": (int, "", "as of the window"),
    "source_id": (str, "", "of the tracked source"),
    "bin": (float, "s", "length"),
    "t_start": (float, "d", "beginning, MJD, TT"),
    "t_stop": (float, "d", "end, MJD, TT"),
    "livetime": (float, "s", "good time less dead time"),
    "ra": (float, "deg", "ICRS right ascension of the measurement"),
    "dec": (float, "deg", "ICRS declination of the measurement"),
    "excess": (float, "", "counts of the source"),
    "excess_error": (float, "", "standard deviation of the excess"),
    "excess_low": (float, "", "lower bound at one standard deviation, not below 0"),
    "excess_high": (float, "", "upper bound at one standard deviation"),
    "excess_ul": (float, "", "what the excess is below with 95 % confidence, one-sided"),
    "flux": (float, "", "in units of the Crab nebula, where the exposure is known"),
    "flux_error": (float, "", "standard deviation of the flux"),
    "flux_low": (float, "", "lower bound of the flux at one standard deviation, not below 0"),
    "flux_high": (float, "", "upper bound of the flux at one standard deviation"),
    "flux_ul": (float, "", "what the flux is below with 95 % confidence, one-sided"),
    "upper_limit": (bool, "", "whether the excess is less than two standard deviations"),
}
_ADDED: dict[str, tuple[type, str, str]] = {
    "far": (float, "Hz", "rate of false sources at least as strong in windows of any length"),
    "false_alarms": (float, "", "expected number as strong in this one search, without sources"),
    "window": (float, "s", "length of the window"),
    "window_end": (float, "s", "end of the window after the GADF reference, 2001-01-01 UTC"),
    "window_id": (str, "", "length, end and pointing of the window"),
    "revision": (int, "", "records known when it was answered; readers keep the highest"),
    "source_id": (str, "", "name of the tracked source"),
}


def mjd(seconds: float) -> float:
    """Return seconds after the GADF reference as MJD, TT [d]."""
    return GADF_REFERENCE_MJD + seconds / _DAY


def windows_table(rows: Sequence[Mapping[str, Any]]) -> FeatureTable:
    """Return the table of windows."""
    return _table(_WINDOWS, rows)


def bins_table(rows: Sequence[Mapping[str, Any]]) -> FeatureTable:
    """Return the table of bins of light curves."""
    return _table(_BINS, rows)


def candidate_columns(found: CandidateTable, added: Mapping[str, Sequence[Any]]) -> FeatureTable:
    """Return the candidates of one window as they are in a stream.

    Parameters
    ----------
    found : CandidateTable
        As in a batch; its name of the window gives way to the length.
    added : mapping of str to sequence, length n
        The further columns: far, false_alarms, window, window_end, window_id, revision, source_id.
    """
    table = found.table.select([name for name in found.table.columns if name != "window"])
    return table.with_columns(
        {name: np.array(added[name], dtype=kind) for name, (kind, _, _) in _ADDED.items()},
        units={name: unit for name, (_, unit, _) in _ADDED.items()},
        descriptions={name: text for name, (_, _, text) in _ADDED.items()},
    )


def no_candidates(setting: FalseAlarmSetting) -> FeatureTable:
    """Return a table of candidates without rows."""
    return candidate_columns(CandidateTable.empty(setting), dict.fromkeys(_ADDED, ()))


def latest(
    windows: FeatureTable, *others: FeatureTable
) -> tuple[FeatureTable, tuple[FeatureTable, ...]]:
    """Return what counts: the rows of the highest revision of each window.

    Parameters
    ----------
    windows : FeatureTable
        The table of windows.
    *others : FeatureTable
        Tables of candidates or of bins.

    Returns
    -------
    windows : FeatureTable
        One row for each window.
    others : tuple of FeatureTable
        Without the rows of superseded revisions.
    """
    highest: dict[str, int] = {}
    place: dict[str, int] = {}
    for row, (name, revision) in enumerate(
        zip(windows["window_id"].tolist(), windows["revision"].tolist(), strict=True)
    ):
        if revision > highest.get(name, -1):
            highest[name], place[name] = revision, row

    def current(table: FeatureTable) -> FeatureTable:
        names, revisions = table["window_id"].tolist(), table["revision"].tolist()
        kept = [highest.get(name) == number for name, number in zip(names, revisions, strict=True)]
        return table.take(np.array(kept, dtype=bool))

    rows = np.array(sorted(place.values()), dtype=np.int64)
    return windows.take(rows), tuple(current(table) for table in others)


def _table(
    columns: Mapping[str, tuple[type, str, str]], rows: Sequence[Mapping[str, Any]]
) -> FeatureTable:
    return FeatureTable.from_columns(
        {
            name: np.array([row[name] for row in rows], dtype=kind)
            for name, (kind, _, _) in columns.items()
        },
        units={name: unit for name, (_, unit, _) in columns.items()},
        descriptions={name: text for name, (_, _, text) in columns.items()},
    )
