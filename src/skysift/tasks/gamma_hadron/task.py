"""The task gamma-hadron as the command line and the contract suite drive it.

What needs scikit-learn, SciPy's statistics or Matplotlib is imported where it is used: to predict a
small file would otherwise take a second instead of several.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.jobs import Coverage, Jobs, Prediction
from skysift.core.progress import Progress, silent
from skysift.core.registry import task_folder
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.contract import Checked
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_hadron import prediction
from skysift.tasks.gamma_hadron.contract import FLAG_WORDS
from skysift.tasks.gamma_hadron.model import TASK, GammaHadronModel, load_bundle, save_bundle
from skysift.tasks.gamma_hadron.options import (
    FAST,
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.gamma_hadron.reader import Events, canonical_map, read_events
from skysift.tasks.gamma_hadron.synth import synthetic_events

__all__ = ["GammaHadron"]


class GammaHadron(Task[Events, GammaHadronModel]):
    """Gamma rays from hadrons by the image parameters of a Cherenkov telescope."""

    name = TASK
    spreads = frozenset({"compare"})
    flag_words = FLAG_WORDS
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions

    @property
    def prediction(self) -> Prediction[GammaHadronModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[Events, GammaHadronModel]:
        """The module that ends in reports."""
        from skysift.tasks.gamma_hadron import jobs

        return jobs

    @property
    def continuation(self) -> Continuation[Events, GammaHadronModel]:
        """The module that goes on from a trained model."""
        from skysift.tasks.gamma_hadron import continuation

        return continuation

    @property
    def coverage(self) -> Coverage[Events, GammaHadronModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.gamma_hadron import coverage

        return coverage

    @property
    def stress(self) -> StressTest[Events, GammaHadronModel]:
        """The module that stresses models."""
        from skysift.tasks.gamma_hadron import stress

        return stress

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
        return prediction.predict_table(table, model, PredictOptions())

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

    def stream(
        self, model: GammaHadronModel, read_options: Config, options: Config
    ) -> RecordPredictor:
        """Return what predicts one table of events after the other."""
        return prediction.record_predictor(
            model, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )


def _card(model: GammaHadronModel) -> str:
    text = (task_folder(TASK) / "card.md").read_text(encoding="utf-8")
    return text.format(
        family=model.family, mode=model.mode, prior=f"{model.prior:.3f}", data=model.training.data
    )
