"""The task gamma-hadron as the command line and the contract suite drive it.

What needs scikit-learn, SciPy's statistics or Matplotlib is imported where it is used: to predict a
small file would otherwise take a second instead of several.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.core.task import Progress, Run, Task, silent
from skysift.data.contract import Checked
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron.model import GammaHadronModel, load_bundle, save_bundle
from skysift.tasks.gamma_hadron.options import (
    FAST,
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.gamma_hadron.prediction import predict_files, predict_table
from skysift.tasks.gamma_hadron.reader import Events, canonical_map, read_events
from skysift.tasks.gamma_hadron.synth import synthetic_events

__all__ = ["GammaHadron"]


class GammaHadron(Task[Events, GammaHadronModel]):
    """Gamma rays from hadrons by the image parameters of a Cherenkov telescope."""

    name = "gamma-hadron"

    def synth(self, n: int, rng: np.random.Generator) -> Events:
        """Make a small labelled sample of image parameters."""
        table, is_gamma = synthetic_events(n, rng)
        labels = np.where(is_gamma, "g", "h")
        return Events(
            table=table.with_columns({"class": labels}),
            is_gamma=is_gamma,
            groups=np.arange(n),
            checked=Checked(table, np.ones(n, dtype=bool)),
            name="synthetic",
            split="all rows",
            column_map=canonical_map([*table.columns, "class"]),
        )

    def write_synth(self, data: Events, path: Path) -> Path:
        """Write a sample as a Parquet table."""
        target = path if path.suffix else path / "events.parquet"
        with open_writer(target) as writer:
            writer.write(data.table)
        return target

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> Events:
        """Read labelled files into memory."""
        del labelled  # what has no labels is read in batches, by predict_files
        return read_events(paths, of_kind(ReadOptions, options), None, purpose="train")

    def fit(
        self,
        data: Events,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> GammaHadronModel:
        """Train a model of the catalogue, cross-fitted; the fast one is distilled from a blend."""
        from skysift.tasks.gamma_hadron.fast import distil
        from skysift.tasks.gamma_hadron.licence import licence_of
        from skysift.tasks.gamma_hadron.training import train

        chosen, licence = of_kind(TrainOptions, options), licence_of(data.name)
        is_fast = chosen.model == FAST
        model = train(
            data,
            chosen.model_copy(update={"model": "blend"}) if is_fast else chosen,
            rng,
            seed=seed,
            command=command,
            licence=licence,
            progress=progress,
        )
        if not is_fast:
            return model
        return distil(
            model, data, rng, seed=seed, command=command, licence=licence, progress=progress
        )

    def predict(self, data: Events | FeatureTable, model: GammaHadronModel) -> FeatureTable:
        """Return the table with gammaness, its error, and flags."""
        table = data.table if isinstance(data, Events) else data
        return predict_table(table, model, PredictOptions())

    def evaluate(
        self, data: Events, model: GammaHadronModel, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled events that it has not been trained on."""
        from skysift.tasks.gamma_hadron import jobs

        return jobs.evaluate(data, model, rng, split=split)

    def save(self, model: GammaHadronModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        where = "with" if model.mode == "source-dependent" else "without"
        summary = f"gammaness by {model.family}, {where} the position of the source"
        named = replace(model, name=folder.name.lower())
        save_bundle(named, folder, card=_card(model), summary=summary)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> GammaHadronModel:
        """Load a bundle."""
        return load_bundle(folder, threads=threads)

    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: GammaHadronModel,
        read_options: Config,
        options: Config,
        *,
        provenance: Provenance,
        progress: Progress = silent,
    ) -> Mapping[str, int]:
        """Predict from files to a file, a batch of rows at a time."""
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
        model: GammaHadronModel,
        folder: Path | None,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Evaluate a model on files; with a folder, write the report there."""
        from skysift.tasks.gamma_hadron import jobs

        del progress  # seconds at most
        return jobs.evaluate_files(
            paths, of_kind(ReadOptions, options), model, folder, rng, command=command
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
        """Describe labelled events and write the report."""
        from skysift.tasks.gamma_hadron import jobs

        return jobs.explore(
            paths, of_kind(ReadOptions, options), folder, rng, command=command, progress=progress
        )

    def audit(
        self,
        paths: Sequence[Path],
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
    ) -> Run:
        """Search labelled events for duplicates and for what reveals the class."""
        from skysift.tasks.gamma_hadron import jobs

        del progress  # seconds at most
        return jobs.audit(paths, of_kind(ReadOptions, options), rng)

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
        from skysift.tasks.gamma_hadron import jobs

        return jobs.compare(
            paths,
            of_kind(ReadOptions, read_options),
            of_kind(CompareOptions, options),
            folder,
            seed=seed,
            command=command,
            progress=progress,
        )

    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results."""
        from skysift.tasks.gamma_hadron import jobs

        return jobs.render(folder)

    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Explore, train the five and more on the quick grid, compare with the shipped bundles."""
        from skysift.data.fetch import fetch

        progress(0.0, "fetch the MAGIC table")
        paths = [file.path for file in fetch("magic").files]
        return self.compare(
            paths,
            ReadOptions(),
            CompareOptions(quick=True),
            folder,
            seed=seed,
            command=command,
            progress=progress,
        )


def _card(model: GammaHadronModel) -> str:
    path = Path(str(files("skysift.tasks.gamma_hadron"))) / "card.md"
    return path.read_text(encoding="utf-8").format(
        family=model.family, mode=model.mode, prior=f"{model.prior:.3f}", data=model.training.data
    )
