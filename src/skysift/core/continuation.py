"""Going on from a trained model: what can be asked for, and what a task must be able to do for it.

A task learns from *lessons*: rows with their labels as its model sees them. What they are made of
is its own; here they are only counted, taken apart and put together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from pydantic import Field

from skysift.core.bundle_schema import DataLicence, Lineage
from skysift.core.classifier import Classifier
from skysift.core.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "Continuation",
    "ContinueOptions",
    "Lessons",
    "Origin",
    "child_of",
    "may_be_kept",
    "remembering",
    "simulated",
]

DataT_contra = TypeVar("DataT_contra", contravariant=True)
ModelT = TypeVar("ModelT")

MARGIN = 0.02
"""Of rows with a class: most that their mean log loss may rise [nat]; it is 0.05 to 0.5."""

MOST_KEPT = 1000
"""Rows that a bundle keeps for its next update, unless another number is asked for."""

_FREE = ("bsd", "cc-by", "cc0", "mit", "none-needed")
_FREE_TO_USE = ("free-to-use", "free-use", "public-domain")
_BOUND = ("-nc", "-nd", "terms")


class ContinueOptions(Config):
    """How a model goes on."""

    part: str | None = Field(
        None,
        description="What goes on, where a model has parts that learn from different things: "
        "active-region patches or detector, gamma-sky/cnn regressor or cleaner; the first of them "
        "if left out.",
    )
    body: Literal["frozen", "free"] = Field(
        "free",
        description="frozen: what the parent has learned to see stays as it is, and its last step "
        "is fitted again; free: all that can move moves.",
    )
    rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Learning rate; a small part of that of the first training if left out.",
    )
    rounds: int = Field(60, ge=1, le=10_000, description="Most passes over the rows.")
    patience: int = Field(
        8, ge=1, le=1000, description="Rounds without gain on held-out rows before it stops."
    )
    held_out: float = Field(
        0.2,
        gt=0,
        lt=0.5,
        description="Share of the rows that decide when to stop, and once more that share to "
        "measure the result and set its operating points.",
    )


class Lessons(Protocol):
    """Rows that a model learns from."""

    @property
    def group(self) -> "NDArray[np.int64]":
        """Rows of one group are not independent and stay together, shape (n,)."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def take(self, rows: "NDArray[Any]") -> Self:
        """Return some of the rows, chosen by a mask or by numbers."""

    def followed_by(self, other: Self) -> Self:
        """Return these rows, then others; no group of theirs is one of these."""

    def sha256(self) -> str:
        """Return a SHA-256 over all values."""

    def fingerprints(self) -> list[bytes]:
        """Return a hash of what each row shows, whatever its label."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a continued model comes from, for the record.

    Parameters
    ----------
    lineage : Lineage
        Without what is only known when the model is there.
    data : str
        Name of the new data.
    licence : DataLicence
        Of the new data.
    seed : int
        What the generator was made of.
    command : str
        What the user typed.
    """

    lineage: Lineage
    data: str
    licence: DataLicence
    seed: int = 0
    command: str = ""


class Continuation(Protocol[DataT_contra, ModelT]):
    """What the module of a task whose models can go on has.

    A model with parts that learn from different things has one such module for each.

    Attributes
    ----------
    MARGIN : float
        Most that the mean loss of old rows may rise, unless another margin is asked for: about
        4 % of what it is.
    MOST_KEPT : int
        Rows that a bundle keeps unless another number is asked for; 0 where they are large.
    """

    MARGIN: float
    MOST_KEPT: int

    def lessons(self, data: DataT_contra, parent: ModelT, /) -> Any:
        """Return labelled data as lessons for a model.

        Raises
        ------
        UsageError
            If this model cannot go on; the message says what to do instead.
        """

    def origin_of(self, data: DataT_contra, /) -> tuple[str, DataLicence]:
        """Return the name of data, and their licence."""

    def losses(self, lessons: Any, model: ModelT, /) -> "NDArray[np.float64]":
        """Return the loss of each row, shape (n,): what two models are compared by."""

    def go_on(
        self,
        parent: ModelT,
        lessons: Any,
        replay: Any,
        options: ContinueOptions,
        rng: "np.random.Generator",
        /,
        *,
        origin: Origin,
        progress: Callable[[float, str], None],
    ) -> ModelT:
        """Return a model that goes on from its parent.

        Both kinds of lessons count the same in sum; without a replay the new ones count alone. The
        rows that decide when to stop, and those that set the operating points, are not fitted.
        """

    def simulated(self, model: ModelT, rng: "np.random.Generator", /) -> Any:
        """Return lessons drawn anew as those that trained a model; None if they were observed."""

    def remembered(self, lessons: Any, /) -> bytes:
        """Return lessons as the content of a file of a bundle.

        Raises
        ------
        UsageError
            If lessons of this task are not to be stored.
        """

    def recalled(self, data: bytes, model: ModelT, /) -> Any:
        """Return lessons from the content of a file of a bundle.

        Raises
        ------
        BundleError
            If it does not fit the model.
        """

    def remembering(self, model: ModelT, replay: bytes, lineage: Lineage, /) -> ModelT:
        """Return a model with rows to keep, and with what was judged."""


ClassifierT = TypeVar("ClassifierT", bound=Classifier)


def child_of(parent: ClassifierT, origin: Origin, **changes: Any) -> ClassifierT:
    """Return a model with what has changed, and without what held for its parent alone."""
    fresh: dict[str, Any] = {"bundle": None, "promises": (), "replay": None}
    licence = {"data_licence": origin.licence, "lineage": origin.lineage}
    return replace(parent, **{**fresh, **licence, **changes})


def remembering(model: ClassifierT, replay: bytes, lineage: Lineage) -> ClassifierT:
    """Return a model with rows to keep, and with what was judged; see :class:`Continuation`."""
    return replace(model, replay=replay or None, lineage=lineage)


def simulated(model: Any, rng: "np.random.Generator") -> None:
    """Return nothing: what most models learnt was observed; see :class:`Continuation`."""
    del model, rng


def may_be_kept(licence: DataLicence) -> bool:
    """Tell whether rows of data may travel inside a bundle.

    Those that forbid commercial use or changes bind whoever gets the bundle, so they may not.

    Examples
    --------
    >>> may_be_kept(DataLicence(licence="CC-BY-4.0", citation="Bock 2004"))
    True
    >>> may_be_kept(DataLicence(licence="CC BY-NC-SA 4.0", citation="Acharyya et al. 2023"))
    False
    >>> may_be_kept(DataLicence(licence="not stated", citation="not stated"))
    False
    """
    said = licence.licence.lower().replace(" ", "-")
    is_free = said.startswith(_FREE) or any(words in said for words in _FREE_TO_USE)
    return is_free and not any(words in said for words in _BOUND)
