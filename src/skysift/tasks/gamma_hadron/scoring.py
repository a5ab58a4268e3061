"""Scores of several models on the same labelled rows: what every comparison is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import OperatingPoint
from skysift.data.table import FeatureTable
from skysift.evaluate.intervals import Interval
from skysift.evaluate.operating import Confusion
from skysift.evaluate.operating import OperatingPoint as MeasuredPoint
from skysift.report.run_folder import RunRecord
from skysift.tasks.gamma_hadron.model import GammaHadronModel
from skysift.tasks.gamma_hadron.reader import Events

__all__ = ["Contestant", "Scored", "has_impossible_concentration", "measure"]

_SCORE = "gammaness of "
_ERROR = "error of "
_LEAST_SHARE = 0.4985
"""The brightest pixel has at least half of the light of the two brightest; less rounding."""


@dataclass(frozen=True)
class Contestant:
    """A model in a comparison.

    Parameters
    ----------
    name, title : str
        Stable identifier, and what people call it.
    origin : str
        Where it comes from: ``trained in this run``, ``shipped bundle``, ``the notebook's recipe``.
    mode : str
        ``source-dependent`` or ``source-independent``.
    features : int
        Number of features.
    seconds : float or None
        Wall time of training, if it was trained here.
    parameters : mapping
        Hyper-parameters.
    operating_points : tuple of mapping
        Thresholds with the rows that chose them.
    """

    name: str
    title: str
    origin: str
    mode: str
    features: int
    seconds: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    operating_points: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(
        cls, model: GammaHadronModel, title: str, origin: str, seconds: float | None = None
    ) -> Self:
        """Describe a model."""
        return cls(
            name=model.name,
            title=title,
            origin=origin,
            mode=model.mode,
            features=len(model.features),
            seconds=seconds,
            parameters=dict(model.parameters),
            operating_points=tuple(point.model_dump() for point in model.operating_points),
        )

    def points(self) -> list[OperatingPoint]:
        """Return the operating points."""
        return [OperatingPoint(**point) for point in self.operating_points]


@dataclass(frozen=True)
class Scored:
    """Gammaness that several models give to the same events.

    Parameters
    ----------
    is_gamma : array of bool, shape (n,)
        The truth.
    log_size : array, shape (n,)
        For numbers by SIZE bin.
    impossible : array of bool, shape (n,)
        Rows whose two concentrations contradict each other.
    gammaness, error : mapping of str to array, shape (n,)
        By name of the model.
    contestants : mapping of str to Contestant
        By the same names.
    data, split : str
        What the rows are.
    """

    is_gamma: NDArray[np.bool_]
    log_size: NDArray[np.float64]
    impossible: NDArray[np.bool_]
    gammaness: Mapping[str, NDArray[np.float64]]
    error: Mapping[str, NDArray[np.float64]]
    contestants: Mapping[str, Contestant]
    data: str
    split: str

    @classmethod
    def start(cls, events: Events) -> Self:
        """Return the rows, with no model yet."""
        return cls(
            is_gamma=events.is_gamma,
            log_size=np.asarray(events.table["log_size"], dtype=np.float64),
            impossible=has_impossible_concentration(events.table),
            gammaness={},
            error={},
            contestants={},
            data=events.name,
            split=events.split,
        )

    def add(
        self,
        contestant: Contestant,
        gammaness: NDArray[np.float64],
        error: NDArray[np.float64] | None = None,
    ) -> Self:
        """Return the same with one more model."""
        name = contestant.name
        missing = np.full(len(self.is_gamma), np.nan)
        return type(self)(
            self.is_gamma,
            self.log_size,
            self.impossible,
            {**self.gammaness, name: gammaness},
            {**self.error, name: missing if error is None else error},
            {**self.contestants, name: contestant},
            self.data,
            self.split,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self], *, split: str) -> Self:
        """Return the rows of several parts, each scored by models that had not seen it."""
        names = list(parts[0].contestants)

        def put_together(of: Callable[[Self], NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate([of(part) for part in parts])

        return cls(
            put_together(lambda part: part.is_gamma),
            put_together(lambda part: part.log_size),
            put_together(lambda part: part.impossible),
            {n: put_together(lambda part, n=n: part.gammaness[n]) for n in names},  # type: ignore[misc]
            {n: put_together(lambda part, n=n: part.error[n]) for n in names},  # type: ignore[misc]
            {n: replace(parts[0].contestants[n], operating_points=()) for n in names},
            parts[0].data,
            split,
        )

    def to_table(self) -> FeatureTable:
        """Return the rows as a table, for the run folder."""
        columns: dict[str, NDArray[Any]] = {
            "is_gamma": self.is_gamma,
            "log_size": self.log_size,
            "impossible": self.impossible,
        }
        for name in self.contestants:
            columns[_SCORE + name] = self.gammaness[name]
            columns[_ERROR + name] = self.error[name]
        return FeatureTable.from_columns(columns)

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
            Contestant(**{**entry, "operating_points": tuple(entry["operating_points"])})
            for entry in facts["contestants"]
        ]
        return cls(
            is_gamma=table["is_gamma"],
            log_size=table["log_size"],
            impossible=table["impossible"],
            gammaness={c.name: table[_SCORE + c.name] for c in contestants},
            error={c.name: table[_ERROR + c.name] for c in contestants},
            contestants={c.name: c for c in contestants},
            data=facts["data"],
            split=facts["split"],
        )

    def only(self, names: Sequence[str]) -> Self:
        """Return the same rows with some of the models."""
        return type(self)(
            self.is_gamma,
            self.log_size,
            self.impossible,
            {name: self.gammaness[name] for name in names},
            {name: self.error[name] for name in names},
            {name: self.contestants[name] for name in names},
            self.data,
            self.split,
        )


def measure(
    stored: OperatingPoint, y: NDArray[np.bool_], gammaness: NDArray[Any], split: str
) -> MeasuredPoint:
    """Return what a threshold that came with a model does to other rows.

    Parameters
    ----------
    stored : OperatingPoint
        Of a bundle, chosen on rows of its training data.
    y : array of bool, shape (n,)
        True for gammas.
    gammaness : array, shape (n,)
        Scores of these rows.
    split : str
        Name of these rows.
    """
    promised = MeasuredPoint(
        stored.threshold,
        stored.method,
        stored.chosen_on,
        stored.chosen_on,
        Interval(stored.efficiency, stored.low or 0.0, stored.high or 1.0),
        Interval(stored.acceptance, 0.0, 1.0),
        Confusion(0, 0, 0, 0),
    )
    return promised.measure(y, gammaness, split=split)


def has_impossible_concentration(table: FeatureTable) -> NDArray[np.bool_]:
    """Tell which images claim a brightest pixel with less than half of the two brightest's light.

    Parameters
    ----------
    table : FeatureTable
        Canonical columns; without both concentrations nothing is impossible.

    Returns
    -------
    array of bool, shape (n_rows,)
    """
    both = {"concentration_one_pixel", "concentration_two_pixel"}
    if not both.issubset(table.columns):
        return np.zeros(len(table), dtype=bool)
    one, two = table["concentration_one_pixel"], table["concentration_two_pixel"]
    return np.asarray(one < _LEAST_SHARE * two)
