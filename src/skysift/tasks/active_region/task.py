"""The task active-region as the command line and the contract suite drive it.

What trains, draws or compares is imported where it is used, so that a prediction starts soon.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.errors import UnknownNameError, UsageError
from skysift.core.jobs import Coverage, Jobs, Piece, Prediction
from skysift.core.progress import Progress, silent
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.table import FeatureTable
from skysift.tasks.active_region import prediction
from skysift.tasks.active_region.licence import licence_of
from skysift.tasks.active_region.made_up import MadeUpDisks, made_up_disks, write_disks
from skysift.tasks.active_region.model import (
    DETECTOR,
    PATCHES,
    TASK,
    ActiveRegionModel,
    load_bundle,
    save_bundle,
)
from skysift.tasks.active_region.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.active_region.reader import SolarDisks, read_disks

__all__ = ["ActiveRegion"]


class ActiveRegion(Task[SolarDisks, ActiveRegionModel]):
    """Active regions on the solar disk: a box for each, and whether a patch shows one."""

    name = TASK
    answers_each_row = False
    spreads = frozenset({"compare"})
    flag_words = prediction.FLAG_WORDS
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions

    @property
    def prediction(self) -> Prediction[ActiveRegionModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[SolarDisks, ActiveRegionModel]:
        """The module that ends in reports."""
        from skysift.tasks.active_region import jobs

        return jobs

    @property
    def coverage(self) -> Coverage[SolarDisks, ActiveRegionModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.active_region import coverage

        return coverage

    @property
    def continuation(self) -> Continuation[SolarDisks, ActiveRegionModel]:
        """The module that goes on from a trained model."""
        from skysift.tasks.active_region import continuation

        return continuation

    def continuation_of(
        self, model: ActiveRegionModel, part: str | None
    ) -> Continuation[SolarDisks, ActiveRegionModel]:
        """Return the module that goes on from what judges patches, or from what finds regions."""
        del model  # all have both
        if part in (None, PATCHES):
            return self.continuation
        if part != DETECTOR:
            raise UnknownNameError("part of an active-region model", part, (PATCHES, DETECTOR))
        from skysift.tasks.active_region import detector_continuation

        return detector_continuation

    @property
    def stress(self) -> StressTest[SolarDisks, ActiveRegionModel]:
        """The module that stresses models."""
        from skysift.tasks.active_region import stress

        return stress

    def synth(self, n: int, rng: np.random.Generator) -> SolarDisks:
        """Make labelled disks of a made-up corona."""
        return made_up_disks(n, rng)

    def write_synth(self, data: SolarDisks, path: Path) -> Path:
        """Write made-up disks as PNG into a folder, with tables of regions and quiet patches."""
        if not isinstance(data, MadeUpDisks):
            raise UsageError("These disks were read.", "Write disks that were made up.")
        return write_disks(data, path)

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> SolarDisks:
        """Read labelled disks into memory."""
        del labelled  # what has no labels is read one by one, by predict_files
        return read_disks(paths, of_kind(ReadOptions, options))

    def fit(
        self,
        data: SolarDisks,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> ActiveRegionModel:
        """Train a model, its thresholds set on disks that its members had not seen."""
        from skysift.tasks.active_region.training import train

        return train(
            data,
            of_kind(TrainOptions, options),
            rng,
            seed=seed,
            command=command,
            licence=licence_of(data),
            progress=progress,
        )

    def predict(self, data: SolarDisks, model: ActiveRegionModel) -> FeatureTable:
        """Return a table of the regions on all disks."""
        options = PredictOptions()
        tables = [prediction.regions_of(one, model, options).arrow for one in data.maps]
        return FeatureTable(pa.concat_tables(tables))

    def save(self, model: ActiveRegionModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        save_bundle(replace(model, name=folder.name.lower()), folder)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> ActiveRegionModel:
        """Load a bundle."""
        del threads  # reading takes longer than the network
        return load_bundle(folder)

    def pieces(
        self, paths: Sequence[Path], read_options: Config, options: Config
    ) -> Sequence[Piece]:
        """Return what can be predicted by itself."""
        del read_options  # says where labels are
        return prediction.pieces(paths, of_kind(PredictOptions, options))

    def stream(
        self, model: ActiveRegionModel, read_options: Config, options: Config
    ) -> RecordPredictor:
        """Return what searches one file of solar images after the other."""
        return prediction.record_predictor(
            model, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )
