"""What the modules of a task have that do its jobs, and what those take and leave behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from skysift.core.conformal import PromisedRows
from skysift.core.progress import Progress
from skysift.core.results import Evaluation

if TYPE_CHECKING:
    import numpy as np

    from skysift.core.provenance import Provenance

__all__ = ["Coverage", "Jobs", "Piece", "Prediction", "Run"]

DataT_contra = TypeVar("DataT_contra", contravariant=True)
ModelT_contra = TypeVar("ModelT_contra", contravariant=True)


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


@dataclass(frozen=True, slots=True)
class Piece:
    """What can be predicted by itself: the answers to all pieces, in order, are that to the whole.

    Parameters
    ----------
    path : Path
        What is read.
    files : tuple of Path
        Files whose content decides the answer; the path alone if left out.
    read : mapping
        Read options that differ for this piece, e.g. the observation of a folder.
    """

    path: Path
    files: tuple[Path, ...] = ()
    read: Mapping[str, Any] = field(default_factory=dict)


class Prediction(Protocol[ModelT_contra]):
    """What the module of a task that predicts from files has: it imports little, to start soon.

    Options are of the task's own kinds, here and in :class:`Jobs`.
    """

    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: ModelT_contra,
        read_options: Any,
        options: Any,
        /,
        *,
        provenance: Provenance,
        progress: Progress,
    ) -> Mapping[str, int]:
        """Predict from files to a file in bounded memory and return the counts of rows."""


class Jobs(Protocol[DataT_contra, ModelT_contra]):
    """What the module of a task that evaluates and reports has; it may import all that it needs."""

    def evaluate(
        self, data: DataT_contra, model: ModelT_contra, rng: np.random.Generator, /, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled data that it has not been trained on."""

    def evaluate_files(
        self,
        paths: Sequence[Path],
        options: Any,
        model: ModelT_contra,
        folder: Path | None,
        rng: np.random.Generator,
        /,
        *,
        command: str,
        progress: Progress,
    ) -> Run:
        """Evaluate a model on files; with a folder, write the report there."""

    def explore(
        self,
        paths: Sequence[Path],
        options: Any,
        folder: Path,
        rng: np.random.Generator,
        /,
        *,
        command: str,
        progress: Progress,
    ) -> Run:
        """Describe labelled data and write the report."""

    def audit(
        self,
        paths: Sequence[Path],
        options: Any,
        rng: np.random.Generator,
        /,
        *,
        progress: Progress,
    ) -> Run:
        """Search labelled data for leaks."""

    def compare(
        self,
        paths: Sequence[Path],
        read_options: Any,
        options: Any,
        folder: Path,
        /,
        *,
        seed: int,
        command: str,
        progress: Progress,
    ) -> Run:
        """Train and score several models on the same rows and write the report."""

    def render(self, folder: Path, /) -> Run:
        """Write the report of an earlier run again from its stored results."""

    def demo(self, folder: Path, /, *, seed: int, command: str, progress: Progress) -> Run:
        """Run the main job on real data where it can be had, in a few minutes."""


class Coverage(Protocol[DataT_contra, ModelT_contra]):
    """What the module of a task has that tells on which scores its promises rest."""

    def promised(
        self,
        data: DataT_contra | None,
        model: ModelT_contra,
        rng: np.random.Generator,
        /,
        *,
        progress: Progress,
    ) -> Sequence[PromisedRows]:
        """Return the scores of labelled rows that the model has not seen, for each promise.

        Without data, those of what the task simulates.

        Raises
        ------
        UsageError
            If the rows trained the model, or there are none and the task does not simulate.
        """
