"""The task star-galaxy as the command line and the contract suite drive it.

What trains, draws or compares is imported where it is used, so that a prediction starts soon.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.continuation import Continuation
from skysift.core.jobs import Coverage, Jobs, Prediction
from skysift.core.progress import Progress, silent
from skysift.core.registry import task_folder
from skysift.core.stream import RecordPredictor
from skysift.core.stress import StressTest
from skysift.core.task import Task
from skysift.data.flags import words_by_name
from skysift.data.images.avro import compile_reader
from skysift.data.images.flags import FLAG_MESSAGES, REFUSAL_MESSAGES
from skysift.data.images.image_set import ImageSet
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.star_galaxy import prediction
from skysift.tasks.star_galaxy.made_up import made_up_cutouts
from skysift.tasks.star_galaxy.model import TASK, StarGalaxyModel, load_bundle, save_bundle
from skysift.tasks.star_galaxy.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.star_galaxy.reader import CLASSES, Cutouts, read_cutouts
from skysift.tasks.star_galaxy.synth import fits_bytes

__all__ = ["StarGalaxy"]


_WARM_UP = 4  # cutouts


class StarGalaxy(Task[Cutouts, StarGalaxyModel]):
    """Stars from galaxies by cutouts of survey images."""

    name = TASK
    spreads = frozenset({"compare", "predict"})
    flag_words = MappingProxyType({**words_by_name(FLAG_MESSAGES), **REFUSAL_MESSAGES})
    read_options = ReadOptions
    predict_options = PredictOptions
    compare_options = CompareOptions

    @property
    def prediction(self) -> Prediction[StarGalaxyModel]:
        """The module that predicts from files."""
        return prediction

    @property
    def jobs(self) -> Jobs[Cutouts, StarGalaxyModel]:
        """The module that ends in reports."""
        from skysift.tasks.star_galaxy import jobs

        return jobs

    @property
    def coverage(self) -> Coverage[Cutouts, StarGalaxyModel]:
        """The module that tells what promises rest on."""
        from skysift.tasks.star_galaxy import coverage

        return coverage

    @property
    def continuation(self) -> Continuation[Cutouts, StarGalaxyModel]:
        """The module that goes on from a trained model."""
        from skysift.tasks.star_galaxy import continuation

        return continuation

    @property
    def stress(self) -> StressTest[Cutouts, StarGalaxyModel]:
        """The module that stresses models."""
        from skysift.tasks.star_galaxy import stress

        return stress

    def synth(self, n: int, rng: np.random.Generator) -> Cutouts:
        """Make labelled cutouts of Moffat stars and Sersic galaxies."""
        return made_up_cutouts(n, rng)

    def write_synth(self, data: Cutouts, path: Path) -> Path:
        """Write a sample as a Parquet table of FITS cutouts with their labels."""
        target = path if path.suffix else path / "cutouts.parquet"
        facts = data.images.facts.arrow.to_pylist()
        stamps = [
            fits_bytes(pixels, row, str(name))
            for pixels, row, name in zip(
                data.images.pixels, facts, data.images.identifiers, strict=True
            )
        ]
        labels = np.array(CLASSES)[data.is_galaxy.astype(np.int64)]
        with open_writer(target) as writer:
            columns = {"identifier": data.images.identifiers, "label": labels}
            table = FeatureTable.from_columns(columns)
            writer.write(table.with_columns({"cutout": np.array(stamps, dtype=object)}))
        return target

    def read(self, paths: Sequence[Path], options: Config, *, labelled: bool = True) -> Cutouts:
        """Read labelled cutouts into memory."""
        del labelled  # what has no labels is read in batches, by predict_files
        return read_cutouts(paths, of_kind(ReadOptions, options))

    def fit(
        self,
        data: Cutouts,
        options: Config,
        rng: np.random.Generator,
        *,
        progress: Progress = silent,
        seed: int = 0,
        command: str = "",
    ) -> StarGalaxyModel:
        """Train a model of the catalogue."""
        from skysift.tasks.star_galaxy.licence import licence_of
        from skysift.tasks.star_galaxy.training import train

        return train(
            data,
            of_kind(TrainOptions, options),
            rng,
            seed=seed,
            command=command,
            licence=licence_of(data.name),
            progress=progress,
        )

    def predict(self, data: Cutouts | ImageSet, model: StarGalaxyModel) -> FeatureTable:
        """Return a table with the probability of a galaxy, its error, ambiguity and flags."""
        images = data.images if isinstance(data, Cutouts) else data
        return prediction.predict_images(images, model, PredictOptions())

    def save(self, model: StarGalaxyModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        named = replace(model, name=folder.name.lower())
        summary = f"probability of a galaxy by {model.family}"
        save_bundle(named, folder, card=_card(model), summary=summary)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> StarGalaxyModel:
        """Load a bundle."""
        return load_bundle(folder, threads=threads)

    def stream(
        self, model: StarGalaxyModel, read_options: Config, options: Config
    ) -> RecordPredictor:
        """Return what predicts one file of cutouts or alerts after the other, or many at once.

        What is compiled or loaded with the first prediction is so by then: the first alert of a
        night need not wait for that.
        """
        predictor = prediction.CutoutPredictor(
            model, of_kind(ReadOptions, read_options), of_kind(PredictOptions, options)
        )
        compile_reader()
        self.predict(made_up_cutouts(_WARM_UP, np.random.default_rng(0)), model)
        return predictor


def _card(model: StarGalaxyModel) -> str:
    text = (task_folder(TASK) / "card.md").read_text(encoding="utf-8")
    return text.format(
        family=model.family,
        representation=model.representation,
        prior=f"{model.prior:.3f}",
        data=model.training.data,
        doubt=f"{model.doubt:.3f}",
    )
