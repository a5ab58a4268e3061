"""What a task must be able to do, for the command line and the contract suite to drive it.

The types of data and model are the task's own; the stages know nothing of them. What is the same in
every task stands here, once: which options a job gets, and that its module is imported when the job
is asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.errors import ReadError, UsageError
from skysift.core.files import files_below
from skysift.core.jobs import Coverage, Jobs, Piece, Prediction, Run
from skysift.core.progress import Progress, silent
from skysift.core.results import Evaluation
from skysift.core.stress import StressTest

if TYPE_CHECKING:
    import numpy as np

    from skysift.core.provenance import Provenance
    from skysift.core.stream import RecordPredictor

__all__ = ["Task"]

DataT = TypeVar("DataT")
ModelT = TypeVar("ModelT")


class Task(ABC, Generic[DataT, ModelT]):
    """One problem of one instrument: readers, models, metrics, bundles.

    A task is made without arguments and holds no state. Its options are closed configuration
    classes named ``ReadOptions``, ``TrainOptions``, ``PredictOptions`` and ``CompareOptions``, in a
    module that imports nothing heavy, so that the command line can offer them at once and refuse
    what it does not know.

    A model carries the attributes ``bundle`` (None before it is saved) and ``metrics``.

    Notes
    -----
    A subclass supplies

    - its `name`, and `read_options`, `predict_options` and `compare_options`;
    - the path of its data in memory: `synth`, `write_synth`, `read`, `fit`, `predict`, `save` and
      `load`;
    - `prediction`, its module that predicts from files;
    - `jobs`, its module that evaluates, explores, audits, compares and draws reports, imported
      inside the property, so that a prediction does not wait for it.

    The jobs themselves are then done by this class: it hands them to those modules, with options of
    the kind that they expect. That the modules have what :class:`Prediction` and :class:`Jobs` ask
    for, mypy checks where the properties return them::

        class StarGalaxy(Task[Cutouts, StarGalaxyModel]):
            name = "star-galaxy"
            read_options = ReadOptions
            predict_options = PredictOptions
            compare_options = CompareOptions

            @property
            def prediction(self) -> Prediction[StarGalaxyModel]:
                return prediction

            @property
            def jobs(self) -> Jobs[Cutouts, StarGalaxyModel]:
                from skysift.tasks.star_galaxy import jobs

                return jobs

            def synth(self, n: int, rng: np.random.Generator) -> Cutouts: ...

    A task that can predict for ever, file by file, overrides `stream`. A task that can simulate
    overrides `simulate`; one that can be evaluated without files, on what
    it simulates, names its `evaluate_options`.
    """

    name: str
    """As on the command line."""

    answers_each_row: bool = True
    """Whether a prediction has one row for each of the input, or a list of what was found."""

    spreads: frozenset[str] = frozenset()
    """The jobs whose parts other processes can do, see :mod:`skysift.core.spread`; each task can
    have its files predicted so, piece by piece."""

    flag_words: Mapping[str, str] = MappingProxyType({})
    """What flags of its answers mean, for people: those that their names do not tell."""

    read_options: type[Config]
    predict_options: type[Config]
    compare_options: type[Config]
    evaluate_options: type[Config] | None = None
    """Those of an evaluation without files; None if there is no such thing."""

    # --- the modules that do the jobs -----------------------------------------------------------

    @property
    @abstractmethod
    def prediction(self) -> Prediction[ModelT]:
        """The module that predicts from files."""

    @property
    @abstractmethod
    def jobs(self) -> Jobs[DataT, ModelT]:
        """The module that ends in reports, imported when it is asked for."""

    @property
    def coverage(self) -> Coverage[DataT, ModelT]:
        """The module that tells what promises rest on, imported when it is asked for.

        Raises
        ------
        UsageError
            If the task promises nothing.
        """
        raise UsageError(
            f"The task {self.name} promises no coverage.", "See 'skysift tasks' for those that do."
        )

    @property
    def stress(self) -> StressTest[DataT, ModelT]:
        """The module that stresses models, imported when it is asked for.

        Raises
        ------
        UsageError
            If the task has no such test.
        """
        raise UsageError(
            f"The task {self.name} has no stress test.", "See 'skysift tasks' for those that have."
        )

    @property
    def continuation(self) -> Continuation[DataT, ModelT]:
        """The module that goes on from a trained model, imported when it is asked for.

        Raises
        ------
        UsageError
            If the models of this task cannot go on.
        """
        raise UsageError(
            f"The models of the task {self.name} cannot go on.",
            f"Train a new one: skysift train {self.name}.",
        )

    def continuation_of(self, model: ModelT, part: str | None) -> Continuation[DataT, ModelT]:
        """Return the module that goes on from a part of a model; from its first if none is named.

        Raises
        ------
        UsageError
            If it has no such part, or cannot go on.
        """
        del model  # of most tasks, all models go on alike and as a whole
        if part is not None:
            raise UsageError(
                f"The models of the task {self.name} go on as a whole: there is no part '{part}'.",
                "Leave --part out.",
            )
        return self.continuation

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

    def evaluate(
        self, data: DataT, model: ModelT, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled data that it has not been trained on."""
        return self.jobs.evaluate(data, model, rng, split=split)

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

    def load_parent(self, folder: Path) -> Any:
        """Load a bundle to go on from; where other kinds can go on than can predict, those too.

        Raises
        ------
        BundleError
            If the bundle is damaged, not allowed, or of another task.
        UsageError
            If there is nothing in it that learned.
        """
        return self.load(folder)

    # --- the jobs of the command line ----------------------------------------------------------

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
        return self.prediction.predict_files(
            paths,
            out,
            model,
            of_kind(self.read_options, read_options),
            of_kind(self.predict_options, options),
            provenance=provenance,
            progress=progress,
        )

    def pieces(
        self, paths: Sequence[Path], read_options: Config, options: Config
    ) -> Sequence[Piece]:
        """Return what can be predicted piece by piece: here each file, folders opened.

        Raises
        ------
        ReadError
            If a folder holds nothing.
        UsageError
            If the options ask for what is only to be had of all files together.
        """
        del read_options, options
        return [Piece(path) for path in files_below(paths)]

    def stream(self, model: ModelT, read_options: Config, options: Config) -> RecordPredictor:
        """Return what predicts one file after the other, as the batch command would.

        Raises
        ------
        UsageError
            If the task, or what the options ask for, is only to be had in batches.
        """
        del model, read_options, options
        raise UsageError(
            f"The task {self.name} does not watch.",
            f"Predict file by file: skysift predict {self.name}.",
        )

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
        kind = self.read_options if paths else self.evaluate_options or self.read_options
        return self.jobs.evaluate_files(
            paths, of_kind(kind, options), model, folder, rng, command=command, progress=progress
        )

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
        chosen = of_kind(self.read_options, options)
        return self.jobs.explore(paths, chosen, folder, rng, command=command, progress=progress)

    def audit(
        self,
        paths: Sequence[Path],
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> Run:
        """Search labelled data for leaks."""
        return self.jobs.audit(paths, of_kind(self.read_options, options), rng, progress=progress)

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
        return self.jobs.compare(
            paths,
            of_kind(self.read_options, read_options),
            of_kind(self.compare_options, options),
            folder,
            seed=seed,
            command=command,
            progress=progress,
        )

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

    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results.

        Raises
        ------
        ReadError
            If the folder holds no run, or its results have been damaged.
        """
        try:
            return self.jobs.render(folder)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ReadError(
                f"The report cannot be drawn of what the run holds ({error!r}).",
                "Run the command again.",
                path=folder,
            ) from error

    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Run the main job on real data where it can be had, in a few minutes."""
        return self.jobs.demo(folder, seed=seed, command=command, progress=progress)
