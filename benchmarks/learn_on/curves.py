"""What the studies share: nested samples, losses of each way to learn, intervals, and the file."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.continuation import ContinueOptions, Origin
from skysift.core.errors import InputError
from skysift.evaluate.intervals import mean_interval

Floats = NDArray[np.float64]
ModelT = TypeVar("ModelT")

ORIGIN = Origin(
    Lineage(parent="parent", parent_hash="0" * 64, verb="train", method="study"),
    "new data",
    DataLicence(licence="not stated", citation="not stated"),
)


@dataclass(frozen=True)
class Point:
    """One way to learn, at one number of new rows.

    Parameters
    ----------
    way : str
        ``parent``, ``scratch``, ``frozen``, ``free`` or ``retrained``.
    n : int
        New rows that were given.
    repeats : int
        Draws of the new rows that could be learned from.
    loss, low, high : float
        Mean log loss of the test rows, with its 95 % interval by group.
    against_parent, against_low, against_high : float
        The same of the paired difference from the parent.
    """

    way: str
    n: int
    repeats: int
    loss: float
    low: float
    high: float
    against_parent: float
    against_low: float
    against_high: float


def measured(loss: Floats, before: Floats, group: NDArray[Any] | None = None) -> dict[str, float]:
    """Return the mean loss of test rows, and what it is less than the parent's, with intervals."""
    mean, less = mean_interval(loss, groups=group), mean_interval(loss - before, groups=group)
    return {
        "loss": mean.value, "low": mean.low, "high": mean.high,
        "against_parent": less.value, "against_low": less.low, "against_high": less.high,
    }  # fmt: skip


def nested(group: NDArray[Any], sizes: Sequence[int], rng: np.random.Generator) -> list[NDArray]:
    """Return rows of growing samples of whole groups, each within the next."""
    order = rng.permutation(np.unique(group))
    place = np.argsort(order)[np.searchsorted(np.sort(order), group)]
    totals = np.cumsum(np.bincount(place))
    return [np.flatnonzero(place < max(int(np.searchsorted(totals, n)) + 1, 5)) for n in sizes]


def options(body: str) -> ContinueOptions:
    """Return the options of the command line, as they are if nothing is asked for."""
    return ContinueOptions.model_validate({"body": body})


class Curve:
    """Collects what each way to learn said of the same test rows, over all repeats."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, int], dict[int, Floats]] = {}
        self._seconds: dict[tuple[str, int], float] = {}

    def add(
        self,
        way: str,
        n: int,
        repeat: int,
        learn: Callable[..., ModelT],
        *arguments: Any,
        answer: Callable[[ModelT], Floats],
    ) -> None:
        """Learn, ask for the loss of the test rows, and keep the time it took.

        Where the rows are too few for this way, nothing is added.
        """
        started = time.perf_counter()
        try:
            said = answer(learn(*arguments))
        except InputError as error:
            print(way, n, error)
            return
        self._said.setdefault((way, n), {})[repeat] = said
        self._seconds[way, n] = time.perf_counter() - started

    def points(self, groups: Sequence[NDArray[Any]]) -> list[Point]:
        """Return what was found; `groups` of the test rows, one array for each repeat."""
        parent = next(value for (way, _), value in self._said.items() if way == "parent")
        found = []
        for (way, n), parts in sorted(self._said.items(), key=lambda item: item[0]):
            done = sorted(parts)  # with few rows, training afresh may fail
            loss = np.concatenate([parts[r] for r in done])
            before = np.concatenate([parent[r] for r in done])
            group = np.unique(np.concatenate([groups[r] for r in done]), return_inverse=True)[1]
            found.append(Point(way, n, len(done), **measured(loss, before, group)))
        return found

    def seconds(self) -> dict[str, float]:
        """Return the wall time of the last repeat of each way at its largest number of rows."""
        return {way: round(value, 1) for (way, _), value in sorted(self._seconds.items())}


def write(
    path: Path,
    study: str,
    points: Sequence[Point | dict[str, Any]],
    facts: Mapping[str, Any],
    command: str,
) -> None:
    """Write the result of a study as JSON."""
    document = {
        "study": study,
        "command": command,
        **facts,
        "points": [asdict(one) if isinstance(one, Point) else one for one in points],
    }
    rounded = json.loads(json.dumps(document), parse_float=lambda text: round(float(text), 5))
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
