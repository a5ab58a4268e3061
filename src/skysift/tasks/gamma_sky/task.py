"""The task gamma-sky as the command line and the contract suite drive it."""

# ruff: noqa: PLC0415  # reports, evaluation and simulation are imported by the jobs that need them

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.core.task import Progress, Run, Task, silent
from skysift.data.sky.gadf_write import write_events
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.candidates import CandidateTable
from skysift.tasks.gamma_sky.model import GammaSkyModel, load_bundle, save_bundle
from skysift.tasks.gamma_sky.observations import Observations, read_observations
from skysift.tasks.gamma_sky.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    SimulateOptions,
    TrainOptions,
)
from skysift.tasks.gamma_sky.pipeline import search_observation
from skysift.tasks.gamma_sky.prediction import predict_files
from skysift.tasks.gamma_sky.synth import synthetic_observations, write_truth_table

__all__ = ["GammaSky"]


class GammaSky(Task[Observations, GammaSkyModel]):
    """Sources on the gamma-ray sky from a photon list."""

    name = "gamma-sky"
    answers_each_row = False

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
        tables = [
            searched.table
            for item in data.items
            for searched in search_observation(item, data.options, options, model.trials)
        ]
        return CandidateTable.concatenate(tables).table

    def evaluate(
        self, data: Observations, model: GammaSkyModel, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure what is found of simulated sources, and how far from the truth."""
        from skysift.tasks.gamma_sky.truth import evaluate_truth

        del rng  # nothing is drawn: the intervals are exact ones
        return evaluate_truth(data, model, split=split)

    def save(self, model: GammaSkyModel, folder: Path) -> Path:
        """Write the calibration as a bundle."""
        return save_bundle(model, folder).folder

    def load(self, folder: Path, *, threads: int = 1) -> GammaSkyModel:
        """Load a calibration."""
        del threads  # one field is searched by one core
        return load_bundle(folder)

    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: GammaSkyModel,
        read_options: Config,
        options: Config,
        *,
        provenance: Provenance,
        progress: Progress = silent,
    ) -> Mapping[str, int]:
        """Search photon lists and write a row per candidate and window."""
        return predict_files(
            paths,
            out,
            model,
            of_kind(ReadOptions, read_options),
            of_kind(PredictOptions, options),
            provenance=provenance,
            progress=progress,
        )

    def evaluate_files(
        self,
        paths: Sequence[Path],
        options: Config,
        model: GammaSkyModel,
        folder: Path | None,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Evaluate on photon lists with known sources; without any, on simulations."""
        from skysift.tasks.gamma_sky import jobs, studies

        if paths:
            return jobs.evaluate_files(paths, options, model, folder, command=command)
        return studies.evaluate(options, model, folder, rng, command=command, progress=progress)

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
        """Describe photon lists."""
        from skysift.tasks.gamma_sky import jobs

        del rng, progress
        return jobs.explore(paths, of_kind(ReadOptions, options), folder, command=command)

    def audit(
        self,
        paths: Sequence[Path],
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> Run:
        """Check photon lists against the input contract, and for photons given twice."""
        from skysift.tasks.gamma_sky import jobs

        del rng, progress
        return jobs.audit(paths, of_kind(ReadOptions, options))

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
        """Search the same simulated fields with several methods."""
        from skysift.tasks.gamma_sky import studies

        del paths, read_options  # the truth has to be known: fields are simulated
        return studies.compare(
            of_kind(CompareOptions, options),
            folder,
            seed=seed,
            command=command,
            progress=progress,
        )

    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results."""
        from skysift.tasks.gamma_sky import studies

        return studies.render(folder)

    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Simulate a night of fields with a new source, clean and locate it, and compare."""
        from skysift.tasks.gamma_sky import studies

        return studies.demo(folder, seed=seed, command=command, progress=progress)

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
