"""The flare of PKS 2155-304 as a stream sees it: found once, and then followed.

A search of one window by itself has to find the source anew each time. A stream knows the places of
the sources that earlier windows showed, and measures each bin of their light curves there, whether
or not a search would find it: one place, one trial.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from skysift.core.progress import Progress, silent
from skysift.data.sky.gadf_index import ObservationIndex
from skysift.data.sky.tangent import separation
from skysift.evaluate.intervals import wilson_interval
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.flare import WINDOW
from skysift.tasks.gamma_sky.evaluation.hess_run import (
    FALSE_ALARMS,
    FOUND_WITHIN,
    HIGHEST,
    PKS_2155,
)
from skysift.tasks.gamma_sky.evaluation.study import as_facts
from skysift.tasks.gamma_sky.live.batch import stream_tables
from skysift.tasks.gamma_sky.live.records import RecordReader
from skysift.tasks.gamma_sky.live.tables import mjd
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

__all__ = ["followed_bins", "followed_facts"]

_LEVEL = float(-ndtri(FALSE_ALARMS))
"""Standard deviations that chance has at one place as seldom as a field has a false candidate."""


def followed_bins(
    index: ObservationIndex, obs_id: int, lowest: float, trials: TrialsTable
) -> dict[str, Any]:
    """Return what a stream says of the source in each whole bin of 100 s of a run.

    Parameters
    ----------
    index : ObservationIndex
        Of the release.
    obs_id : int
        A run on PKS 2155-304.
    lowest : float [TeV]
        From where photons count.
    trials : TrialsTable
        Of the search, which lists 0.01 false candidates per window.

    Returns
    -------
    dict
        Run, number of whole ``bins``, the ``significance`` (excess over its error) of those at
        whose end the source is known, names of the ``sources`` at the place, and of ``others``.
    """
    reading = ReadOptions(obs_id=(obs_id,), emin=lowest, emax=HIGHEST)
    options = PredictOptions(windows=(WINDOW,), light_curve=WINDOW, false_alarms=FALSE_ALARMS)
    (record,) = RecordReader(reading).read(index.folder)
    told = stream_tables([record], trials, reading, options)
    ends = np.arange(np.ceil(record.start / WINDOW) + 1, np.floor(record.stop / WINDOW) + 1)
    whole = np.isin(
        np.round(told.bins["t_stop"], 9), np.round([mjd(WINDOW * one) for one in ends], 9)
    )
    bins = told.bins.take(np.flatnonzero(whole))
    here = separation(bins["ra"], bins["dec"], *PKS_2155) < FOUND_WITHIN
    names = bins["source_id"].astype(str)
    strength: dict[float, float] = {}
    for end, one in zip(bins["t_stop"][here], (bins["excess"] / bins["excess_error"])[here],
                        strict=True):  # fmt: skip
        strength[float(end)] = max(float(one), strength.get(float(end), -np.inf))
    return {
        "run": obs_id,
        "bins": len(ends),
        "significance": list(strength.values()),
        "sources": sorted(set(names[here].tolist())),
        "others": sorted(set(names[~here].tolist())),
    }


def followed_facts(
    index: ObservationIndex,
    runs: Sequence[int],
    lowest: float,
    trials: TrialsTable,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return in how many bins of the flare the source is known and measured.

    Parameters
    ----------
    index, lowest, trials
        As for `followed_bins`.
    runs : sequence of int
        Those of the verdict.
    progress : callable
    """
    rows = []
    for number, obs_id in enumerate(runs):
        progress(number / len(runs), f"run {obs_id} as a stream")
        rows.append(followed_bins(index, obs_id, lowest, trials))
    total = sum(row["bins"] for row in rows)
    significance = np.array([one for row in rows for one in row["significance"]])
    measured = int(np.sum(significance > _LEVEL))
    return {
        "lowest": lowest,
        "level": _LEVEL,
        "bins": total,
        "known": as_facts(wilson_interval(len(significance), total), total),
        "measured": as_facts(wilson_interval(measured, total), total),
        "weakest": float(significance.min()) if len(significance) else None,
        "renamed": sum(len(row["sources"]) - 1 for row in rows),
        "others": sum(len(row["others"]) for row in rows),
        "runs": rows,
    }
