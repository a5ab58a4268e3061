"""Labelled stamps in memory, what was measured on them, and how they are read and written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, InputError
from skysift.data.contract import Checked
from skysift.data.images.alerts import Cutout
from skysift.data.images.image_set import ImageSet
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.features import STREAK_FEATURES
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.table import measure_streaks
from skysift.tasks.streak.options import ReadOptions

__all__ = [
    "CLASSES",
    "FEATURES",
    "SEEN",
    "SIMULATED",
    "TRUTH",
    "Rows",
    "Stamps",
    "cutout_of",
    "measure",
    "read_stamps",
    "scale_of",
]

CLASSES = ("star", "galaxy", "asteroid", "satellite", "artefact")
"""In the order of the probabilities."""

FEATURES = (*STREAK_FEATURES, "seeing_told")
"""What a model sees of a stamp; the last is 1 where the stamp told its seeing, else 0."""

SEEN = tuple(name for name in FEATURES if name not in {"length", "trail_significance"})
"""What is compared with the training data; the two others are columns of the answers by name."""

SIMULATED = "Satellites, asteroid trails, cosmic rays and all other artefacts are SIMULATED."
"""What is said wherever numbers are measured on such stamps: no labelled set is free."""

TRUTH = {"true_length": "arcsec", "true_angle": "deg", "true_snr": ""}
"""Columns of what was simulated, with their units; the angle is in pixels, from +x towards +y."""

REACH = 4.5  # pixels from the target to the middle of a streak
WIDEST = 16.0  # full widths at half maximum: training stamps are no wider

_CUTOUTS = {
    "difference": Cutout.DIFFERENCE,
    "science": Cutout.SCIENCE,
    "template": Cutout.TEMPLATE,
}
_DEFAULT_SCALE = 1.0  # arcsec per pixel, where nothing tells it


def cutout_of(options: ReadOptions) -> Cutout:
    """Return which stamp of an alert is asked for."""
    return _CUTOUTS[options.cutout]


def measure(images: ImageSet, seeing: float) -> FeatureTable:
    """Fit a trail to each stamp.

    Parameters
    ----------
    images : ImageSet
        n stamps.
    seeing : float
        Full width at half maximum where a stamp tells neither its own nor that of the difference
        image [arcsec].

    Returns
    -------
    FeatureTable
        As :func:`~skysift.models.images.streaks.table.measure_streaks` returns, and `seeing_told`.
    """
    scale = scale_of(images)
    known = images.facts["seeing"]
    if "difference_fwhm" in images.facts:
        known = np.where(known > 0, known, images.facts["difference_fwhm"])
    width = np.where(known > 0, known, seeing / scale)
    told = replace(images, facts=images.facts.with_columns({"seeing": width}))
    nominal = PointSpread.moffat(seeing / _DEFAULT_SCALE)
    measured = measure_streaks(told, nominal=nominal, reach=REACH, widest=WIDEST)
    is_told = known > 0
    if images.psf is not None:
        is_told |= np.isfinite(images.psf).any(axis=(1, 2))
    return measured.with_columns({"seeing_told": is_told.astype(np.float64)})


def scale_of(images: ImageSet) -> NDArray[np.float64]:
    """Return the side of a pixel of each stamp [arcsec], shape (n,)."""
    scale = images.facts["pixel_scale"]
    return np.where(scale > 0, scale, _DEFAULT_SCALE)


@dataclass(frozen=True, eq=False)
class Rows:
    """What a model is trained on.

    Parameters
    ----------
    features : array, shape (n, 19)
        `FEATURES`.
    label, group : array of str, shape (n,)
        As of `Stamps`.
    """

    features: NDArray[np.float64]
    label: NDArray[np.str_]
    group: NDArray[np.str_]

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the rows."""
        return type(self)(self.features[rows], self.label[rows], self.group[rows])


@dataclass(frozen=True, eq=False)
class Stamps:
    """Labelled stamps after their input contract.

    Parameters
    ----------
    images : ImageSet
        The stamps.
    label : array of str, shape (n,)
        Of `CLASSES`.
    kind : array of str, shape (n,)
        What was injected, or where a real stamp comes from.
    group : array of str, shape (n,)
        Equal for stamps of one object, which no split parts.
    truth : FeatureTable
        The columns of `TRUTH`, NaN where nothing was simulated.
    checked : Checked
        All that was read, and what was found.
    name, split : str
        Name of the data, and which of them these are.
    seeing : float
        As of :func:`measure`.
    """

    images: ImageSet
    label: NDArray[np.str_]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]
    truth: FeatureTable
    checked: Checked
    name: str
    split: str = "all stamps"
    seeing: float = 2.0

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def measured(self) -> FeatureTable:
        """What was measured on the pixels: a fit takes tens of milliseconds, so it is made once."""
        return measure(self.images, self.seeing)

    @property
    def rows(self) -> Rows:
        """What a model is trained on."""
        return Rows(self.measured.matrix(FEATURES), self.label, self.group)

    def take(self, rows: NDArray[Any], split: str) -> Self:
        """Return some of the stamps, chosen by a mask or by numbers, not measured yet."""
        return replace(
            self,
            images=self.images.take(rows),
            label=self.label[rows],
            kind=self.kind[rows],
            group=self.group[rows],
            truth=self.truth.take(rows),
            split=split,
        )


def read_stamps(paths: Sequence[Path], options: ReadOptions) -> Stamps:
    """Read labelled stamps, as ``skysift simulate streak`` writes them.

    Parameters
    ----------
    paths : sequence of Path
        Parquet tables of stamps with a column ``label``, and ``kind``, ``group`` and those of
        `TRUTH` where they are known.
    options : ReadOptions
        Which stamp of an alert, and the seeing.

    Raises
    ------
    InputError
        If nothing can be read, or a label is missing or unknown.
    """
    if not paths:
        raise InputError(
            "There are no labelled stamps.",
            "Make some: skysift simulate streak --out streaks; then --data streaks/train.parquet.",
        )
    read = read_images(paths, cutout=cutout_of(options))
    table = _labels(paths)
    row_of = {str(name): row for row, name in enumerate(table["identifier"])}
    rows = np.array([row_of.get(str(name), -1) for name in read.images.identifiers])
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        raise ContractError(
            f"The stamp {read.images.identifiers[unknown[0]]} has no label.",
            "Give each stamp a row with identifier and label.",
        )
    table = table.take(rows)
    label = table["label"].astype(np.str_)
    wrong = np.flatnonzero(~np.isin(label, CLASSES))
    if len(wrong):
        raise ContractError(
            f"The label '{label[wrong[0]]}' is none of {', '.join(CLASSES)}.",
            "Correct the column label.",
            row=int(rows[wrong[0]]),
        )
    return Stamps(
        images=read.images,
        label=label,
        kind=table["kind"].astype(np.str_),
        group=table["group"].astype(np.str_),
        truth=table.select(list(TRUTH)),
        checked=read.checked,
        name=_name(paths),
        seeing=options.seeing,
    )


def _name(paths: Sequence[Path]) -> str:
    """Return the names that the files were given when they were made, else their own."""
    names = []
    for path in paths:
        known = read_table(path, columns=["identifier"]).meta.get("provenance", {})
        told = [str(known[key]) for key in ("name", "split") if known.get(key)]
        names.append(", ".join(told) or path.name)
    return " + ".join(names)


def _labels(paths: Sequence[Path]) -> FeatureTable:
    """Return identifier, label, kind, group and truth of all stamps."""
    columns: dict[str, list[Any]] = {}
    wanted = ("identifier", "label", "kind", "group", *TRUTH)
    for path in paths:
        table = read_table(path)
        for name in ("identifier", "label"):
            if name not in table:
                raise ContractError(
                    f"The table has no column {name}.",
                    f"Labelled stamps have identifier and label: one of {', '.join(CLASSES)}.",
                    path=path,
                )
        n = len(table)
        absent = {"kind": table["label"], "group": table["identifier"]}
        for name in wanted:
            values = table[name] if name in table else absent.get(name, np.full(n, np.nan))
            columns.setdefault(name, []).append(np.asarray(values))
    return FeatureTable.from_columns(
        {name: np.concatenate(parts) for name, parts in columns.items()}, units=TRUTH
    )
