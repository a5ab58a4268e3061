"""Probabilities that several models give to the same objects: what every comparison is made of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.data.table import FeatureTable
from skysift.preprocess.images.photometry import aperture_magnitude
from skysift.report.run_folder import RunRecord
from skysift.tasks.star_galaxy.reader import Cutouts

__all__ = ["Contestant", "Scored"]

_SCORE = "p_galaxy of "
_ERROR = "error of "
_AMBIGUOUS = "ambiguous by "


@dataclass(frozen=True)
class Contestant:
    """A model in a comparison.

    Parameters
    ----------
    name, title : str
        Stable identifier, and what people call it.
    origin : str
        Where it comes from, e.g. ``cross-validation`` or ``shipped bundle``.
    representation : str
        What it sees of a cutout.
    seconds : float or None
        Wall time of training, if it was trained here.
    chosen : tuple of str
        Of a blend, what each fold chose for it.
    """

    name: str
    title: str
    origin: str
    representation: str
    seconds: float | None = None
    chosen: tuple[str, ...] = ()

    def told_choice(self) -> str:
        """Return in a sentence what the folds chose; empty where there was nothing to choose.

        Examples
        --------
        >>> chosen = ("trees", "trees, GP", "trees")
        >>> Contestant("blend", "blend", "cross-validation", "shapes", None, chosen).told_choice()
        'blend: each fold chose its parts anew: trees (2 of 3); trees, GP (1 of 3).'
        """
        if not self.chosen:
            return ""
        counts = Counter(self.chosen).most_common()
        told = "; ".join(f"{name} ({count} of {len(self.chosen)})" for name, count in counts)
        return f"{self.name}: each fold chose its parts anew: {told}."


@dataclass(frozen=True)
class Scored:
    """Probabilities that several models give to the same objects.

    Parameters
    ----------
    identifiers : array of str, shape (n,)
        Names of the cutouts.
    is_galaxy : array of bool, shape (n,)
        The truth.
    magnitude : array, shape (n,)
        Aperture magnitude; NaN where unknown.
    groups : array of int, shape (n,)
        Equal for what is not independent: objects, or exposures.
    probability, error : mapping of str to array, shape (n,)
        By name of the model.
    ambiguous : mapping of str to array of bool, shape (n,)
        By name of the model.
    contestants : mapping of str to Contestant
        By the same names.
    data, split : str
        What the rows are.
    """

    identifiers: NDArray[np.str_]
    is_galaxy: NDArray[np.bool_]
    magnitude: NDArray[np.float64]
    groups: NDArray[np.int64]
    probability: Mapping[str, NDArray[np.float64]]
    error: Mapping[str, NDArray[np.float64]]
    ambiguous: Mapping[str, NDArray[np.bool_]]
    contestants: Mapping[str, Contestant] = field(default_factory=dict)
    data: str = ""
    split: str = ""

    @classmethod
    def start(cls, cutouts: Cutouts, groups: NDArray[np.int64] | None = None) -> Self:
        """Return the objects, with no model yet; `groups` are those of the objects by default."""
        return cls(
            identifiers=cutouts.images.identifiers,
            is_galaxy=cutouts.is_galaxy,
            magnitude=aperture_magnitude(cutouts.images),
            groups=cutouts.groups if groups is None else groups,
            probability={},
            error={},
            ambiguous={},
            contestants={},
            data=cutouts.name,
            split=cutouts.split,
        )

    def add(
        self,
        contestant: Contestant,
        probability: NDArray[np.float64],
        error: NDArray[np.float64],
        ambiguous: NDArray[np.bool_],
    ) -> Self:
        """Return the same with one more model."""
        name = contestant.name
        return type(self)(
            self.identifiers,
            self.is_galaxy,
            self.magnitude,
            self.groups,
            {**self.probability, name: probability},
            {**self.error, name: error},
            {**self.ambiguous, name: ambiguous},
            {**self.contestants, name: contestant},
            self.data,
            self.split,
        )

    def only(self, names: Sequence[str]) -> Self:
        """Return the same objects with some of the models."""
        return type(self)(
            self.identifiers,
            self.is_galaxy,
            self.magnitude,
            self.groups,
            {name: self.probability[name] for name in names},
            {name: self.error[name] for name in names},
            {name: self.ambiguous[name] for name in names},
            {name: self.contestants[name] for name in names},
            self.data,
            self.split,
        )

    def to_table(self) -> FeatureTable:
        """Return the rows as a table, for the run folder."""
        columns: dict[str, NDArray[Any]] = {
            "file": self.identifiers,
            "is_galaxy": self.is_galaxy,
            "magnitude": self.magnitude,
            "group": self.groups,
        }
        for name in self.contestants:
            columns[_SCORE + name] = self.probability[name]
            columns[_ERROR + name] = self.error[name]
            columns[_AMBIGUOUS + name] = self.ambiguous[name]
        return FeatureTable.from_columns(columns, units={"magnitude": "mag"})

    def to_facts(self) -> dict[str, Any]:
        """Return what the table does not hold, JSON-ready."""
        return {
            "data": self.data,
            "split": self.split,
            "contestants": [asdict(contestant) for contestant in self.contestants.values()],
        }

    @classmethod
    def from_run(cls, record: RunRecord, name: str = "scores") -> Self:
        """Return what an earlier run stored under a name."""
        table, facts = record.table(name), record.facts[name]
        contestants = [
            Contestant(**{**entry, "chosen": tuple(entry.get("chosen", ()))})
            for entry in facts["contestants"]
        ]
        return cls(
            identifiers=table["file"].astype(np.str_),
            is_galaxy=table["is_galaxy"],
            magnitude=table["magnitude"],
            groups=table["group"],
            probability={c.name: table[_SCORE + c.name] for c in contestants},
            error={c.name: table[_ERROR + c.name] for c in contestants},
            ambiguous={c.name: table[_AMBIGUOUS + c.name] for c in contestants},
            contestants={c.name: c for c in contestants},
            data=facts["data"],
            split=facts["split"],
        )
