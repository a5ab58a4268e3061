"""The task streak as the command line and the contract suite drive it.

What trains, draws or compares is imported where it is used, so that a prediction starts soon.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skysift.core.bundle_schema import DataLicence
from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.jobs import Coverage, Jobs, Prediction, Run
from skysift.core.progress import Progress, silent
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.images.avro import compile_reader
from skysift.data.table import FeatureTable
from skysift.tasks.streak import prediction
from skysift.tasks.streak.made_up import MADE_UP, made_up_stamps, write_stamps
from skysift.tasks.streak.model import TASK, StreakModel, load_bundle, save_bundle
from skysift.tasks.streak.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    SimulateOptions,
    TrainOptions,
)
from skysift.tasks.streak.stamps import Stamps, read_stamps

__all__ = ["Streak", "licence_of"]

_WARM_UP = 4  # stamps


class Streak(Task[Stamps, StreakModel]):
    """Asteroid trails, satellites, stars, galaxies and artefacts on stamps."""

    name = TASK
    spreads = frozenset({"compare"})
    flag_words = prediction.FLAG_WORDS
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions

    @property
    def prediction(self) -> Prediction[StreakModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[Stamps, StreakModel]:
        """The module that ends in reports."""
        from skysift.tasks.streak import jobs

        return jobs

    @property
    def coverage(self) -> Coverage[Stamps, StreakModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.streak import coverage

        return coverage

    @property
    def continuation(self) -> Continuation[Stamps, StreakModel]:
        """The module that goes on from a trained model."""
        from skysift.tasks.streak import continuation

        return continuation

    @property
    def stress(self) -> StressTest[Stamps, StreakModel]:
        """The module that stresses models."""
        from skysift.tasks.streak import stress

        return stress

    def synth(self, n: int, rng: np.random.Generator) -> Stamps:
        """Make labelled stamps on skies of noise."""
        return made_up_stamps(n, rng)

    def write_synth(self, data: Stamps, path: Path) -> Path:
        """Write a sample as a Parquet table of FITS stamps with their labels and truth."""
        return write_stamps(data, path if path.suffix else path / "stamps.parquet")

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> Stamps:
        """Read labelled stamps into memory."""
        del labelled  # what has no labels is read in batches, by predict_files
        return read_stamps(paths, of_kind(ReadOptions, options))

    def fit(
        self,
        data: Stamps,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> StreakModel:
        """Train a model, its temperature set on objects that it had not seen."""
        from skysift.tasks.streak.training import train

        return train(
            data,
            of_kind(TrainOptions, options),
            rng,
            seed=seed,
            command=command,
            licence=licence_of(data),
            progress=progress,
        )

    def predict(self, data: Stamps, model: StreakModel) -> FeatureTable:
        """Return a table with class, probabilities, length, angle and flags."""
        return prediction.answers(data.images, data.measured, model.probability(data.measured))

    def save(self, model: StreakModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        save_bundle(replace(model, name=folder.name.lower()), folder)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> StreakModel:
        """Load a bundle."""
        del threads  # the trees take no time beside the fits, which are one after the other
        return load_bundle(folder)

    def stream(self, model: StreakModel, read_options: Config, options: Config) -> RecordPredictor:
        """Return what predicts one file of stamps or alerts after the other.

        What is compiled or loaded with the first prediction is so by then: the first alert of a
        night need not wait for that.
        """
        compile_reader()
        self.predict(self.synth(_WARM_UP, np.random.default_rng(0)), model)
        return prediction.record_predictor(
            model, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
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
        """Write labelled stamps for training and for tests, split by object."""
        from skysift.tasks.streak.simulate import simulate

        return simulate(
            out, of_kind(SimulateOptions, options), seed=seed, command=command, progress=progress
        )


def licence_of(stamps: Stamps) -> DataLicence:
    """Return the licence of stamps: known of those that were made up."""
    if stamps.name == MADE_UP:
        return DataLicence(licence="none needed: made up", citation="skysift")
    return DataLicence(licence="not stated", citation="not stated")
