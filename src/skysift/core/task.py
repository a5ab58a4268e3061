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
from skysift.core.errors import UsageError
from skysift.core.results import Evaluation

if TYPE_CHECKING:
    import numpy as np

    from skysift.core.provenance import Provenance

__all__ = ["Progress", "Run", "Task", "silent"]

DataT = TypeVar("DataT")
ModelT = TypeVar("ModelT")

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and what is being done."""


def silent(_fraction: float, _what: str) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a job leaves behind for people and machines.

    Parameters
    ----------
    title : str
        What was done.
    rows : sequence of mapping
        The result table, one mapping per row, as printed and as stored.
    notes : tuple of str
        What a reader of the table should know.
    page : Path or None
        The HTML report, if one was written.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = field(default=())
    page: Path | None = None


class Task(ABC, Generic[DataT, ModelT]):
    """One problem of one instrument: readers, models, metrics, bundles.

    A task is made without arguments and holds no state. Its options are closed configuration
    classes named ``ReadOptions``, ``TrainOptions``, ``PredictOptions`` and ``CompareOptions``, in a
    module that imports nothing heavy, so that the command line can offer them at once and refuse
    what it does not know.

    A model carries the attributes ``bundle`` (None before it is saved) and ``metrics``.
    """

    name: str
    """As on the command line."""

    answers_each_row: bool = True
    """Whether a prediction has one row for each of the input, or a list of what was found."""

    # --- the path of the data: every task, and the contract suite that all tasks must pass -----

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
        seed: int = 0,
        command: str = "",
    ) -> ModelT:
        """Train a model and set its operating points on rows that it has not seen.

        `seed` and `command` are for the record: what the generator was made of, what the user
        typed.
        """

    @abstractmethod
    def predict(self, data: DataT, model: ModelT) -> Any:
        """Return a table with the answers for data in memory, in the order of its rows."""

    @abstractmethod
    def evaluate(
        self, data: DataT, model: ModelT, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled data that it has not been trained on."""

    @abstractmethod
    def save(self, model: ModelT, folder: Path) -> Path:
        """Write a model as a bundle."""

    @abstractmethod
    def load(self, folder: Path, *, threads: int = 1) -> ModelT:
        """Load a bundle, to predict with a number of threads.

        Raises
        ------
        BundleError
            If the bundle is damaged, not allowed, or of another task.
        """

    # --- the jobs of the command line ----------------------------------------------------------

    @abstractmethod
    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: ModelT,
        read_options: Config,
        options: Config,
        *,
        provenance: Provenance,
        progress: Progress = silent,
    ) -> Mapping[str, int]:
        """Predict from files to a file in bounded memory and return the counts of rows."""

    @abstractmethod
    def evaluate_files(
        self,
        paths: Sequence[Path],
        options: Config,
        model: ModelT,
        folder: Path | None,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Evaluate a model on files; with a folder, write the report there."""

    @abstractmethod
    def explore(
        self,
        paths: Sequence[Path],
        options: Config,
        folder: Path,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Describe labelled data and write the report."""

    @abstractmethod
    def audit(
        self,
        paths: Sequence[Path],
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> Run:
        """Search labelled data for leaks."""

    @abstractmethod
    def compare(
        self,
        paths: Sequence[Path],
        read_options: Config,
        options: Config,
        folder: Path,
        *,
        seed: int,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Train and score several models on the same rows and write the report."""

    def simulate(
        self,
        out: Path,
        options: Config,
        *,
        seed: int,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Simulate what an observer would have and write it, with the truth, into a new folder.

        Raises
        ------
        UsageError
            If the task has no simulator.
        """
        del out, options, seed, command, progress
        raise UsageError(
            f"The task {self.name} has no simulator.",
            "Simulate with a task that has SimulateOptions.",
        )

    @abstractmethod
    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results."""

    @abstractmethod
    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Run the main job on real data where it can be had, in a few minutes."""
