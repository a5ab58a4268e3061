"""What a bundle promises beside its probabilities: sets and regions that hold the truth so often.

A promise rests on the scores of labelled rows that the model had not seen (split-conformal
prediction: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World; Angelopoulos &
Bates 2023, Foundations and Trends in Machine Learning 16, 494). The bundle keeps these scores in
``conformal.json``, so that a user can ask for any coverage. The arithmetic is in
:mod:`skysift.models.conformal`; here is what is stored, and what a task has to tell for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from skysift.core.bundle_schema import Training
from skysift.core.config import Config
from skysift.core.errors import BundleError, UsageError
from skysift.core.results import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from skysift.core.bundle import Bundle

__all__ = [
    "CONFORMAL_FILE",
    "CoverageOption",
    "Promise",
    "PromisedRows",
    "Stratum",
    "promise_of",
    "promises_from_bytes",
    "promises_of",
    "promises_to_bytes",
]

CONFORMAL_FILE = "conformal.json"
"""Name of the file in a bundle."""

Kind = Literal["set", "interval", "ellipse"]

_AGAIN = "Make it again with skysift calibrate."


class _Part(Config):
    model_config = ConfigDict(allow_inf_nan=False)


class Stratum(_Part):
    """Scores of the calibration rows of one class and one group.

    Parameters
    ----------
    label : str
        The class; empty where there are no classes.
    low, high : float, optional
        The group: ``low <= quantity < high``; None where it has no end. A stratum without both
        holds the rows of all groups, and answers for those that have none of their own.
    n : int
        Number of calibration rows.
    scores : tuple of float
        Their scores, rising. Of many rows, only some are kept: the k-th of m stands for the rank
        ``ceil(k n / m)``.
    """

    label: str = ""
    low: float | None = None
    high: float | None = None
    n: int = Field(ge=0)
    scores: tuple[float, ...]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        if len(self.scores) > self.n:
            raise ValueError("there are more scores than rows")
        if any(b < a for a, b in pairwise(self.scores)):
            raise ValueError("the scores must rise")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether it holds the rows of all groups."""
        return self.low is None and self.high is None


class Promise(_Part):
    """One thing that a bundle promises to hold the truth of.

    Parameters
    ----------
    name : str
        What is promised, e.g. ``set`` or ``length``: it names the columns of a prediction.
    kind : {"set", "interval", "ellipse"}
        Classes, bounds of a number, or a region about a place.
    score : str
        What the scores are.
    classes : tuple of str
        Of a set, in the order of the model's outputs.
    by : str
        The quantity that groups are made by; empty if there are none.
    strata : tuple of Stratum
        Scores by class and group.
    calibrated_on : Training
        The rows that gave the scores, and the command.
    checked : tuple of Metric
        Coverage and size, measured on rows that gave no score.
    """

    name: str
    kind: Kind
    score: str
    classes: tuple[str, ...] = ()
    by: str = ""
    strata: tuple[Stratum, ...]
    calibrated_on: Training
    checked: tuple[Metric, ...] = ()


class _File(_Part):
    schema_version: Literal[1] = 1
    promises: tuple[Promise, ...]


class CoverageOption(Config):
    """The option of every prediction that can be asked to keep a promise."""

    coverage: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Also write sets of classes, or bounds, that hold the truth with this "
        "probability, e.g. 0.9, by the calibration in the bundle.",
    )


@dataclass(frozen=True, eq=False)
class PromisedRows:
    """What a task tells of labelled rows, so that a promise can be made or tested on them.

    Parameters
    ----------
    name, kind, score, classes, by
        As of :class:`Promise`.
    scores : array, shape (n, k)
        How unlike the calibration rows each row would be if the truth were each of the k classes;
        k is 1 where there are no classes. NaN rows have no answer and make no promise.
    truth : array of int, shape (n,)
        The column of the truth.
    group : array, shape (n,)
        The quantity that groups are made by, NaN where unknown.
    edges : tuple of float
        Between the groups, rising.
    blocks : array of int, shape (n,)
        Equal for rows that are not independent: they stay together.
    time : array of datetime64, shape (n,), optional
        Where the future is to be answered by the past.
    split : str
        What the rows are.
    """

    name: str
    kind: Kind
    score: str
    scores: NDArray[np.float64]
    truth: NDArray[np.int64]
    blocks: NDArray[np.int64]
    classes: tuple[str, ...] = ()
    by: str = ""
    group: NDArray[np.float64] | None = None
    edges: tuple[float, ...] = ()
    time: NDArray[np.datetime64] | None = None
    split: str = ""

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return some of the rows, chosen by a mask or by numbers."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("scores", "truth", "blocks", "group", "time"):
            if values[name] is not None:
                values[name] = values[name][rows]
        return type(self)(**values)


def promises_to_bytes(promises: tuple[Promise, ...]) -> bytes:
    """Return the content of ``conformal.json``."""
    document = _File(promises=promises).model_dump(mode="json")
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()


def promises_from_bytes(data: bytes) -> tuple[Promise, ...]:
    """Return the promises that ``conformal.json`` holds.

    Raises
    ------
    BundleError
        If it is of another schema.
    """
    try:
        return _File.model_validate_json(data).promises
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise BundleError(
            f"{CONFORMAL_FILE} breaks its schema at {where or 'the top'}: {problem['msg']}.", _AGAIN
        ) from error


def promises_of(bundle: Bundle) -> tuple[Promise, ...]:
    """Return what a bundle promises; nothing if it was never calibrated.

    Raises
    ------
    BundleError
        If what it holds is damaged.
    """
    if CONFORMAL_FILE not in bundle.manifest.files:
        return ()
    return promises_from_bytes(bundle.read_bytes(CONFORMAL_FILE))


def promise_of(promises: tuple[Promise, ...], name: str, bundle: str) -> Promise:
    """Return one promise of a bundle by its name.

    Raises
    ------
    UsageError
        If the bundle does not make it.
    """
    for one in promises:
        if one.name == name:
            return one
    raise UsageError(
        f"The bundle {bundle} promises no coverage of '{name}'.",
        "Leave out --coverage, or calibrate the bundle on rows that it has not seen: "
        "skysift calibrate BUNDLE --data DATA --out NEW.",
    )
