"""Train what forecasts from magnetograms: SHARP keywords per region-day, pictures of the disk."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, SkysiftError
from skysift.data.chronological import time_blocks
from skysift.data.io import read_table
from skysift.data.solar.readers import read_solar_image
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.heads import Head
from skysift.tasks.flare.learning import Fit, folds_of, group_samples, learn_head
from skysift.tasks.flare.magnetograms import (
    DISK_FEATURES,
    FIELD,
    KEYWORDS,
    disk_features,
    keyword_features,
)
from skysift.tasks.flare.options import TrainOptions
from skysift.tasks.flare.region_tables import find_images, number, text, times

__all__ = [
    "Labelled",
    "disk_blocks",
    "disk_head",
    "keyword_head",
    "learn_disks",
    "learn_keywords",
    "read_disks",
    "read_keywords",
]

LABEL: Final = "FlareNumber"
_BLOCK = np.timedelta64(48, "h")
_DAY = np.timedelta64(24, "h")
DISK_PENALTY = 0.1
_KEYWORD_PENALTY = 3.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Rows of features with their truth.

    Parameters
    ----------
    features : array, shape (n, n_features)
    event : array of bool, shape (n,)
    time : array of datetime64, shape (n,)
        Of the observation: it splits, and is never a feature.
    group : array of int, shape (n,)
        What must not be on both sides of a split: a region, a day.
    reference : array, shape (n,)
        Probabilities of another model, where the table has them; else NaN.
    """

    features: Floats
    event: NDArray[np.bool_]
    time: NDArray[np.datetime64]
    group: NDArray[np.int64]
    reference: Floats

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: NDArray[np.bool_]) -> "Labelled":
        """Return some of the rows."""
        return Labelled(
            self.features[rows],
            self.event[rows],
            self.time[rows],
            self.group[rows],
            self.reference[rows],
        )

    def before(self, day: date | None) -> "Labelled":
        """Return the rows before a day; all if there is none."""
        return self if day is None else self.take(self.time < np.datetime64(day))


def read_keywords(path: Path, names: tuple[str, ...] = KEYWORDS) -> Labelled:
    """Read a table of SHARP keywords per region-day with ``FlareNumber``, 1 for a flare >= M.

    Neither the time of the record nor anything but physical keywords becomes a feature.

    Raises
    ------
    ContractError
        If a column is missing.
    """
    table = read_table(path)
    missing = [name for name in (*names, LABEL, "T_REC", "NOAA_AR") if name not in table]
    if missing:
        raise ContractError(
            f"The table has no column {missing[0]}.",
            f"It needs {LABEL}, T_REC, NOAA_AR and keywords.",
            path=path,
        )
    columns = {name: number(table, name) for name in names}
    features = np.array(
        [
            keyword_features({name: columns[name][row] for name in names}, names)
            for row in range(len(table))
        ]
    )
    time = times(table.with_columns({"time": text(table, "T_REC")}))
    group = np.nan_to_num(number(table, "NOAA_AR")).astype(np.int64)
    event = number(table, LABEL) > 0
    return Labelled(features, event, time, group, np.full(len(table), np.nan))


def read_disks(path: Path) -> Labelled:
    """Read a table of full-disk magnetograms with ``maxflux_24h``, and measure the images.

    Rows whose window is marked as not reliable, and unreadable images, are left out.

    Raises
    ------
    ContractError
        If a column is missing, or no image was found.
    """
    table = read_table(path)
    missing = [name for name in ("file", "time", "maxflux_24h") if name not in table]
    if missing:
        raise ContractError(
            f"The table has no column {missing[0]}.", "It needs file, time, maxflux_24h.", path=path
        )
    if "reliable_24h" in table:
        table = table.take(np.isin(np.char.lower(text(table, "reliable_24h")), ("true", "1")))
    files = text(table, "file")
    images = find_images(files, path.parent)
    features = np.full((len(table), len(DISK_FEATURES)), np.nan)
    for row, name in enumerate(files):
        try:
            features[row] = disk_features(read_solar_image(images[str(name)]))
        except (KeyError, SkysiftError):  # what is not found or not read is left out
            continue
    known = np.isfinite(features).all(axis=1)
    if not known.any():
        raise ContractError(
            "None of the images was found or could be read.",
            "They should lie beside the table, or in a folder beside it.",
            path=path,
        )
    time = times(table)
    days = time_blocks(time, _DAY)
    return Labelled(
        features,
        number(table, "maxflux_24h") >= 1e-5 * (1 - 1e-9),
        time,
        days,
        number(table, "ref_prob_alexnet"),
    ).take(known)


def learn_keywords(path: Path, options: TrainOptions, rng: np.random.Generator) -> dict[str, Head]:
    """Train on SHARP keywords, and on the two of them that the line-of-sight field alone gives."""
    every, few = (
        read_keywords(path, names).before(options.keywords_until) for names in (KEYWORDS, FIELD)
    )
    return {
        "sharp-keywords": keyword_head(every, options, rng),
        "sharp-field": keyword_head(few, options, rng),
    }


def keyword_head(rows: Labelled, options: TrainOptions, rng: np.random.Generator) -> Head:
    """Train regressions on keywords, checked on runs in time with whole regions."""
    return learn_head(
        rows.features,
        rows.event,
        folds_of(rows.time, rows.group, options.folds),
        lambda some: _fit_of(rows, some, _KEYWORD_PENALTY, options.bags, rng),
    )[0]


def learn_disks(path: Path, options: TrainOptions, rng: np.random.Generator) -> dict[str, Head]:
    """Train on pictures of the disk."""
    rows = read_disks(path).before(options.disks_until)
    return {"disk": disk_head(rows, options, rng)}


def disk_head(rows: Labelled, options: TrainOptions, rng: np.random.Generator) -> Head:
    """Train regressions on features of the disk, checked on blocks of days."""
    return learn_head(
        rows.features,
        rows.event,
        disk_blocks(rows),
        lambda some: _fit_of(rows, some, DISK_PENALTY, options.bags, rng),
    )[0]


def disk_blocks(rows: Labelled) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return rows to train on and to judge: blocks of two days, a day off on either side."""
    block = time_blocks(rows.time, _BLOCK)
    pairs = []
    for one in np.unique(block):
        test = block == one
        near = (rows.time + _DAY >= rows.time[test].min()) & (
            rows.time - _DAY <= rows.time[test].max()
        )
        pairs.append((~near, test))
    return pairs


def _fit_of(
    rows: Labelled, some: NDArray[np.bool_], penalty: float, bags: int, rng: np.random.Generator
) -> Fit:
    return partial(
        ScoreRegressions.fit,
        rows.features[some],
        [rows.event[some]],
        inverse_penalty=penalty,
        samples=group_samples(rows.group[some], bags, rng),
    )
