"""What a task must be able to do, for the command line and the contract suite to drive it.

The types of data and model are the task's own; the stages know nothing of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from skysift.core.config import Config
from skysift.core.results import Evaluation

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Progress", "Run", "Task"]

DataT = TypeVar("DataT")
ModelT = TypeVar("ModelT")

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and what is being done."""


def silent(_fraction: float, _what: str) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a long job leaves behind for people and machines.

    Parameters
    ----------
    title : str
        What was done.
    folder : Path
        Where its files are.
    page : Path or None
        The HTML report, if one was asked for.
    rows : sequence of mapping
        The result table, one mapping per row, as printed and as stored in ``result.json``.
    notes : tuple of str
        What a reader of the table should know.
    """

    title: str
    folder: Path
    page: Path | None
    rows: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = field(default=())


class Task(ABC, Generic[DataT, ModelT]):
    """One problem of one instrument: readers, models, metrics, bundles.

    A task is made without arguments and holds no state. Its options are closed configuration
    classes, so that the command line can offer them and refuse what it does not know.
    """

    name: str
    """As on the command line."""

    ReadOptions: type[Config]
    """How an input is read: column maps, names, units."""

    TrainOptions: type[Config]
    """What is trained and how."""

    PredictOptions: type[Config]
    """What a prediction can be asked for."""

    @abstractmethod
    def synth(self, n: int, rng: np.random.Generator) -> DataT:
        """Make a small, realistic, labelled sample."""

    @abstractmethod
    def write_synth(self, data: DataT, path: Path) -> Path:
        """Write a sample as the file that an observer would have, and return its path."""

    @abstractmethod
    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool) -> DataT:
        """Read and validate inputs into memory.

        Raises
        ------
        InputError
            If an input cannot be used.
        """

    @abstractmethod
    def fit(
        self,
        data: DataT,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> ModelT:
        """Train a model and set its operating points on data held out for that."""

    @abstractmethod
    def predict(self, data: DataT, model: ModelT) -> Any:
        """Return the answers for data in memory, one row per event, object or candidate."""

    @abstractmethod
    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: ModelT,
        options: Config,
        *,
        provenance: Mapping[str, Any],
        progress: Progress = silent,
    ) -> Mapping[str, Any]:
        """Predict from files to a file in bounded memory and return the counts of rows."""

    @abstractmethod
    def evaluate(
        self, data: DataT, model: ModelT, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled data that it has not been trained on."""

    @abstractmethod
    def save(self, model: ModelT, folder: Path, *, command: str) -> Path:
        """Write a model as a bundle."""

    @abstractmethod
    def load(self, folder: Path) -> ModelT:
        """Load a bundle.

        Raises
        ------
        BundleError
            If the bundle is damaged, not allowed, or of another task.
        """
