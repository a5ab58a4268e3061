"""The task flare as the command line and the contract suite drive it.

What trains, draws or compares is imported where it is used, so that a prediction starts soon.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.jobs import Coverage, Jobs, Piece, Prediction
from skysift.core.progress import Progress, silent
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.table import FeatureTable
from skysift.tasks.flare import columns, prediction
from skysift.tasks.flare.model import TASK, FlareModel, load_bundle, save_bundle
from skysift.tasks.flare.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.flare.regions import Regions, read_labelled

__all__ = ["Flare"]


class Flare(Task[Regions, FlareModel]):
    """Flares of class C or M within 24 hours from active regions."""

    name = TASK
    spreads = frozenset({"compare"})
    flag_words = columns.FLAG_WORDS
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions

    @property
    def prediction(self) -> Prediction[FlareModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[Regions, FlareModel]:
        """The module that ends in reports."""
        from skysift.tasks.flare import jobs

        return jobs

    @property
    def coverage(self) -> Coverage[Regions, FlareModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.flare import coverage

        return coverage

    @property
    def continuation(self) -> Continuation[Regions, FlareModel]:
        """The module that goes on from a trained model."""
        from skysift.tasks.flare import continuation

        return continuation

    @property
    def stress(self) -> StressTest[Regions, FlareModel]:
        """The module that stresses models."""
        from skysift.tasks.flare import stress

        return stress

    def synth(self, n: int, rng: np.random.Generator) -> Regions:
        """Make labelled regions on made-up suns."""
        from skysift.tasks.flare.made_up import made_up_regions

        return made_up_regions(n, rng)

    def write_synth(self, data: Regions, path: Path) -> Path:
        """Write a sample as a table of regions with pictures of the Sun beside it."""
        from skysift.tasks.flare.made_up import write_made_up

        return write_made_up(data, path)

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> Regions:
        """Read labelled regions and their images into memory."""
        del labelled  # what has no labels is read image by image, by predict_files
        return read_labelled(paths, of_kind(ReadOptions, options))

    def fit(
        self,
        data: Regions,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> FlareModel:
        """Train a model, its warnings set on rows that it had not seen."""
        from skysift.tasks.flare.licence import licence_of
        from skysift.tasks.flare.training import train

        return train(
            data,
            of_kind(TrainOptions, options),
            rng,
            seed=seed,
            command=command,
            licence=licence_of(data.name),
            progress=progress,
        )

    def predict(self, data: Regions, model: FlareModel) -> FeatureTable:
        """Return a table with the probabilities of flares of each region."""
        return prediction.answers(data, model)

    def save(self, model: FlareModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        save_bundle(replace(model, name=folder.name.lower()), folder)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> FlareModel:
        """Load a bundle."""
        del threads  # a few products of matrices take no time beside reading an image
        return load_bundle(folder)

    def pieces(
        self, paths: Sequence[Path], read_options: Config, options: Config
    ) -> Sequence[Piece]:
        """Return what can be predicted by itself."""
        return prediction.pieces(
            paths, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )

    def stream(self, model: FlareModel, read_options: Config, options: Config) -> RecordPredictor:
        """Return what forecasts the flares of one image after the other."""
        return prediction.record_predictor(
            model, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )
