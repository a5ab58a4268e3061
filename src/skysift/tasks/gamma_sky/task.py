"""The task gamma-sky as the command line and the contract suite drive it."""

# ruff: noqa: PLC0415  # reports, evaluation and simulation are imported by the jobs that need them

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.jobs import Coverage, Jobs, Piece, Prediction, Run
from skysift.core.progress import Progress, silent
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.sky.gadf_write import write_events
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky import prediction
from skysift.tasks.gamma_sky.candidates import FLAG_WORDS, CandidateTable
from skysift.tasks.gamma_sky.model import TASK, GammaSkyModel, load_bundle, save_bundle
from skysift.tasks.gamma_sky.observations import Observations, read_observations
from skysift.tasks.gamma_sky.options import (
    CompareOptions,
    EvaluateOptions,
    PredictOptions,
    ReadOptions,
    SimulateOptions,
    TrainOptions,
)
from skysift.tasks.gamma_sky.pipeline import search_observation
from skysift.tasks.gamma_sky.synth import synthetic_observations, write_truth_table

__all__ = ["GammaSky"]


class GammaSky(Task[Observations, GammaSkyModel]):
    """Sources on the gamma-ray sky from a photon list."""

    name = TASK
    answers_each_row = False
    spreads = frozenset({"evaluate", "simulate"})
    flag_words = FLAG_WORDS
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions
    evaluate_options = EvaluateOptions

    @property
    def prediction(self) -> Prediction[GammaSkyModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[Observations, GammaSkyModel]:
        """The module that ends in tables and reports."""
        from skysift.tasks.gamma_sky import jobs

        return jobs

    @property
    def coverage(self) -> Coverage[Observations, GammaSkyModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.gamma_sky import coverage

        return coverage

    @property
    def stress(self) -> StressTest[Observations, GammaSkyModel]:
        """The module that stresses models."""
        from skysift.tasks.gamma_sky import stress

        return stress

    @property
    def continuation(self) -> Continuation[Observations, Any]:
        """The module that goes on from a trained network."""
        from skysift.tasks.gamma_sky import continuation

        return continuation

    def continuation_of(self, model: Any, part: str | None) -> Continuation[Observations, Any]:
        """Return what goes on from a sky network, or from one of the published ones."""
        from skysift.tasks.gamma_sky.baseline.continuation import (
            PublishedModel,
            continuation_of_part,
        )

        if isinstance(model, PublishedModel):
            return continuation_of_part(model, part)
        return super().continuation_of(model, part)

    def load_parent(self, folder: Path) -> Any:
        """Load sky networks to go on from."""
        from skysift.tasks.gamma_sky.continuation import load_parent

        return load_parent(folder)

    def synth(self, n: int, rng: np.random.Generator) -> Observations:
        """Simulate photon lists of short observations, each with a bright source."""
        return synthetic_observations(n, rng)

    def write_synth(self, data: Observations, path: Path) -> Path:
        """Write one photon list per file, and the true positions, into a folder."""
        for number, item in enumerate(data.items):
            write_events(item.events, path / f"events-{number:05}.fits")
        write_truth_table(data, path)
        return path

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool) -> Observations:
        """Read photon lists, with the truth where they were simulated."""
        del labelled  # the truth of simulations is found beside them; real skies have none
        return read_observations(paths, of_kind(ReadOptions, options))

    def fit(
        self,
        data: Observations,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> GammaSkyModel:
        """Calibrate the search on simulations in the energy bands of the data."""
        from skysift.tasks.gamma_sky.training import train

        return train(
            data.options,
            of_kind(TrainOptions, options),
            rng,
            seed=seed,
            command=command,
            progress=progress,
        )

    def predict(self, data: Observations, model: GammaSkyModel) -> FeatureTable:
        """Return the candidates of all observations."""
        options = PredictOptions()
        if model.asking:
            options = options.model_copy(update={"method": model.asking[-1]})
        tables = [
            searched.table
            for item in data.items
            for searched in search_observation(
                item, data.options, options, model.trials, networks=model.networks
            )
        ]
        return CandidateTable.concatenate(tables).table

    def save(self, model: GammaSkyModel | Any, folder: Path) -> Path:
        """Write the calibration, or a network that has gone on, as a bundle."""
        if not isinstance(model, GammaSkyModel):
            from skysift.tasks.gamma_sky.continuation import save_child

            return save_child(model, folder).folder
        return save_bundle(model, folder).folder

    def load(self, folder: Path, *, threads: int = 1) -> GammaSkyModel:
        """Load a calibration."""
        del threads  # one field is searched by one core
        return load_bundle(folder)

    def pieces(
        self, paths: Sequence[Path], read_options: Config, options: Config
    ) -> Sequence[Piece]:
        """Return the photon lists of files and folders, those of an index with their responses."""
        return prediction.pieces(
            paths, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )

    def stream(
        self, model: GammaSkyModel, read_options: Config, options: Config
    ) -> RecordPredictor:
        """Return what searches one photon list after the other."""
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
        """Simulate fields and write them."""
        from skysift.tasks.gamma_sky.simulation.job import simulate_files

        return simulate_files(
            of_kind(SimulateOptions, options), out, seed=seed, command=command, progress=progress
        )
