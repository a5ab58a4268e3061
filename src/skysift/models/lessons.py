"""Rows of numbers with their labels: what most models learn from, and what a bundle may keep."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import Training
from skysift.core.continuation import Origin
from skysift.core.errors import BundleError, InputError
from skysift.models.persist.arrays import load_arrays, save_arrays

__all__ = [
    "Mixed",
    "Rows",
    "grouped",
    "has_both",
    "mix",
    "remembered",
    "shifted_groups",
    "training_of",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MATRIX = 2
_FEWEST_GROUPS = 5


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix with their labels.

    Parameters
    ----------
    features : array, shape (n, n_features)
        As the model sees them, NaN where unknown.
    label : array, shape (n,)
        A class by its number, or a measured quantity from which a class follows.
    group : array of int, shape (n,)
        Rows of one group are not independent.
    """

    features: NDArray[Any]
    label: NDArray[Any]
    group: Integers

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the rows, chosen by a mask or by numbers."""
        return replace(
            self, features=self.features[rows], label=self.label[rows], group=self.group[rows]
        )

    def followed_by(self, other: Self) -> Self:
        """Return these rows, then others; no group of theirs is one of these."""
        return replace(
            self,
            features=np.concatenate([self.features, other.features]),
            label=np.concatenate([self.label, other.label]),
            group=np.concatenate([self.group, shifted_groups(other.group, self.group)]),
        )

    def sha256(self) -> str:
        """Return a SHA-256 over features and labels."""
        digest = hashlib.sha256()
        for values in (self.features, self.label):
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()

    def fingerprints(self) -> list[bytes]:
        """Return a hash of the features of each row."""
        rows = np.ascontiguousarray(self.features, dtype="<f8")
        return [hashlib.sha256(row.tobytes()).digest() for row in rows]

    def to_bytes(self) -> bytes:
        """Return the rows as a safetensors file, exactly: what is tied to a knot stays so."""
        return save_arrays(
            {
                "features": np.asarray(self.features, dtype=np.float64),
                "label": np.asarray(self.label, dtype=np.float64),
                "group": np.asarray(self.group, dtype=np.int64),
            }
        )

    @classmethod
    def of_bytes(cls, data: bytes, n_features: int) -> Self:
        """Return the rows of a file that :meth:`to_bytes` made.

        Raises
        ------
        BundleError
            If it holds something else, or rows of another width.
        """
        arrays: Mapping[str, NDArray[Any]] = load_arrays(data)
        if {"features", "label", "group"} - arrays.keys():
            raise BundleError("The stored rows are not complete.", "Fetch the bundle again.")
        features, label, group = (arrays[name] for name in ("features", "label", "group"))
        fits = (
            features.ndim == _MATRIX
            and features.shape[1] == n_features
            and label.shape == group.shape == (len(features),)
            and features.dtype.kind == label.dtype.kind == "f"
            and group.dtype.kind == "i"
            and np.isfinite(label).all()
        )
        if not fits:
            raise BundleError(
                f"The stored rows do not fit a model of {n_features} features.",
                "Fetch the bundle again.",
            )
        return cls(features, label, group)


@dataclass(frozen=True)
class Mixed:
    """New rows, and old ones that are replayed, in the parts that they are used for.

    Parameters
    ----------
    rows : Rows
        The new ones first.
    weight : array, shape (n,)
        Of each row; both kinds weigh the same in sum within each part, the mean weight is 1.
    fit, stop, judge : arrays of int
        Rows to fit, rows that decide when to stop, and rows (new ones only) that measure the
        result. No group is in two of them.
    """

    rows: Rows
    weight: Floats
    fit: Integers
    stop: Integers
    judge: Integers

    @property
    def learned(self) -> Integers:
        """All rows but those that measure: for what needs no early stop."""
        return np.concatenate([self.fit, self.stop])

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Return the share of some rows, shape (n,), among those to fit, by their weight."""
        return float(np.average(chosen[self.fit], weights=self.weight[self.fit]))


def grouped(group: Integers) -> Rows:
    """Return rows of which only the groups count, to be divided: of images, shape (n,)."""
    return Rows(np.zeros((len(group), 0)), np.zeros(len(group)), group)


def shifted_groups(group: Integers, taken: Integers) -> Integers:
    """Return groups, shape (n,), by numbers above those that are taken."""
    return np.asarray(group - group.min(initial=0) + taken.max(initial=-1) + 1)


def has_both(label: NDArray[np.bool_]) -> bool:
    """Tell whether a curve can be drawn of rows: there are two of each class at least."""
    return bool(min(label.sum(), (~label).sum()) >= 2)  # noqa: PLR2004  # one row has no spread


def mix(new: Rows, replay: Rows | None, *, held_out: float, rng: np.random.Generator) -> Mixed:
    """Divide new rows into three parts and replayed ones into two, group by group.

    Parameters
    ----------
    new : Rows
        What is to be learned.
    replay : Rows or None
        What is not to be forgotten.
    held_out : float
        Share of the groups that decides when to stop, and share that measures the result.
    rng : numpy.random.Generator
        Draws the parts.

    Raises
    ------
    InputError
        If there are too few groups.
    """
    shares = (1 - 2 * held_out, held_out, held_out)
    fit, stop, judge = _parts(new.group, shares, rng, what="new")
    if replay is None or not len(replay):
        return Mixed(new, np.ones(len(new)), fit, stop, judge)
    old_fit, old_stop = _parts(replay.group, (1 - held_out, held_out), rng, what="replayed")
    rows = new.followed_by(replay)
    weight = np.ones(len(rows))
    pairs = ((fit, old_fit + len(new)), (stop, old_stop + len(new)))
    for own, old in pairs:
        half = (len(own) + len(old)) / 2
        weight[own], weight[old] = half / len(own), half / len(old)
    return Mixed(rows, weight, np.concatenate(pairs[0]), np.concatenate(pairs[1]), judge)


def training_of(mixed: Mixed, new: Rows, origin: Origin) -> Training:
    """Return the record of a training that went on with new rows."""
    return Training(
        data=origin.data,
        sha256=new.sha256(),
        n_rows=len(mixed.fit),
        split=f"{len(mixed.stop)} rows to stop on, {len(mixed.judge)} to measure",
        seed=origin.seed,
        command=origin.command,
    )


def remembered(rows: Rows) -> bytes:
    """Return rows as the content of a file of a bundle."""
    return rows.to_bytes()


def _parts(
    group: Integers, shares: tuple[float, ...], rng: np.random.Generator, *, what: str
) -> list[Integers]:
    """Return the rows of each part."""
    groups = np.unique(group)
    if len(groups) < _FEWEST_GROUPS:
        raise InputError(
            f"The {what} rows are of {len(groups)} independent groups; {_FEWEST_GROUPS} are the "
            "least.",
            "Give more of them: rows of one object, region, run or fortnight are one group.",
        )
    edges = np.round(np.cumsum(shares)[:-1] * len(groups)).astype(int)
    edges = np.clip(
        edges, np.arange(1, len(shares)), len(groups) - np.arange(len(shares) - 1, 0, -1)
    )
    dealt = np.split(rng.permutation(groups), edges)
    return [np.flatnonzero(np.isin(group, part)) for part in dealt]
