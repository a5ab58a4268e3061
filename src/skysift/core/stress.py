"""How a model is stressed: what may shift, and what a task has to tell for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Answered", "Measure", "Shift", "StressTest"]

DataT_contra = TypeVar("DataT_contra", contravariant=True)
ModelT_contra = TypeVar("ModelT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Shift:
    """One way in which later data may differ from those that a model was made for.

    Parameters
    ----------
    name, title : str
        Stable identifier, and what people call it.
    quantity : str
        What its size is, with its unit.
    sizes : tuple of float
        How far, rising; they enclose what is met in practice.
    none : float
        The size that changes nothing; one of `sizes`.
    reason : str
        Why these sizes, with a reference.
    apply : callable
        Takes the data, a size and a generator, and returns shifted data, row for row; for the
        size `none` the data themselves.
    weigh : callable, optional
        Takes the data and a size, and returns the weight of each row, where the shift is in how
        often rows occur.
    """

    name: str
    title: str
    quantity: str
    sizes: tuple[float, ...]
    none: float
    reason: str
    apply: Callable[[Any, float, np.random.Generator], Any]
    weigh: Callable[[Any, float], Floats] | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of a task under stress.

    Parameters
    ----------
    title : str
        What it is, in words.
    statistic : callable
        Takes weights of the rows, shape (b, n), and returns the metric for each draw, shape (b,).
    wanted : float, optional
        What it should be, e.g. the stated coverage; None where higher or lower is just better.
    """

    title: str
    statistic: Callable[[Floats], Floats]
    wanted: float | None = None


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model says of rows, ready to be measured.

    Parameters
    ----------
    measures : mapping of str to Measure
        By name; the same names whatever the data.
    blocks : array of int, shape (n,)
        Equal for rows that are drawn together.
    """

    measures: Mapping[str, Measure]
    blocks: NDArray[np.int64]


class StressTest(Protocol[DataT_contra, ModelT_contra]):
    """What the module of a task that stresses its models has."""

    def prepared(
        self,
        data: DataT_contra | None,
        model: ModelT_contra,
        rng: np.random.Generator,
        most: int,
        /,
    ) -> Any:
        """Return what is stressed: at most so many rows that the model has not seen.

        Raises
        ------
        UsageError
            If the rows trained the model, or there are none and the task does not simulate.
        """

    def shifts(self, prepared: Any, /) -> Sequence[Shift]:
        """Return the shifts that such data can be put under."""

    def answered(self, prepared: Any, model: ModelT_contra, /) -> Answered:
        """Let the model answer."""
