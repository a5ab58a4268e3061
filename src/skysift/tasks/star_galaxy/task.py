"""The task star-galaxy as the command line and the contract suite drive it.

What trains, draws or compares is imported where it is used, so that a prediction starts soon.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.errors import DataUnavailableError
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.core.task import Progress, Run, Task, silent
from skysift.data.contract import Checked
from skysift.data.images.fits_stamps import read_fits_stamps
from skysift.data.images.image_set import ImageSet
from skysift.data.images.stamp import Stamp, assemble
from skysift.data.io import open_writer
from skysift.data.table import FeatureTable
from skysift.tasks.star_galaxy.model import StarGalaxyModel, load_bundle, save_bundle
from skysift.tasks.star_galaxy.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.star_galaxy.prediction import predict_files, predict_images
from skysift.tasks.star_galaxy.reader import CLASSES, Cutouts, read_cutouts
from skysift.tasks.star_galaxy.synth import fits_bytes, synthetic_cutouts

__all__ = ["StarGalaxy"]

_DEMO_SYNTHETIC = 600


class StarGalaxy(Task[Cutouts, StarGalaxyModel]):
    """Stars from galaxies by cutouts of survey images."""

    name = "star-galaxy"

    def synth(self, n: int, rng: np.random.Generator) -> Cutouts:
        """Make labelled cutouts of Moffat stars and Sersic galaxies."""
        pixels, facts, is_galaxy = synthetic_cutouts(n, rng)
        names = [f"cutout-{number}" for number in range(n)]
        stamps = [
            stamp
            for image, known, name in zip(pixels, facts, names, strict=True)
            for stamp in read_fits_stamps(fits_bytes(image, known, name), name, "")
            if isinstance(stamp, Stamp)
        ]
        images = assemble(stamps)  # through the reader, as those of an observer
        table = FeatureTable.from_columns({"identifier": np.array(names, dtype=np.str_)})
        return Cutouts(
            images=images,
            is_galaxy=is_galaxy,
            groups=np.arange(n),
            checked=Checked(table, np.ones(n, dtype=bool)),
            name="synthetic cutouts",
            split="all cutouts",
        )

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
        return predict_images(images, model, PredictOptions())

    def evaluate(
        self, data: Cutouts, model: StarGalaxyModel, rng: np.random.Generator, *, split: str
    ) -> Evaluation:
        """Measure a model on labelled cutouts that it has not been trained on."""
        from skysift.tasks.star_galaxy import jobs

        return jobs.evaluate(data, model, rng, split=split)

    def save(self, model: StarGalaxyModel, folder: Path) -> Path:
        """Write a model as a bundle."""
        named = replace(model, name=folder.name.lower())
        summary = f"probability of a galaxy by {model.family}"
        save_bundle(named, folder, card=_card(model), summary=summary)
        return folder

    def load(self, folder: Path, *, threads: int = 1) -> StarGalaxyModel:
        """Load a bundle."""
        return load_bundle(folder, threads=threads)

    def predict_files(
        self,
        paths: Sequence[Path],
        out: Path,
        model: StarGalaxyModel,
        read_options: Config,
        options: Config,
        *,
        provenance: Provenance,
        progress: Progress = silent,
    ) -> Mapping[str, int]:
        """Predict from files to a file, a batch of cutouts at a time."""
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
        model: StarGalaxyModel,
        folder: Path | None,
        rng: np.random.Generator,
        *,
        command: str,
        progress: Progress = silent,
    ) -> Run:
        """Evaluate a model on files; with a folder, write the report there."""
        from skysift.tasks.star_galaxy import jobs

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
        """Describe labelled cutouts and write the report."""
        from skysift.tasks.star_galaxy import jobs

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
        """Search labelled cutouts for duplicates and for what reveals the class."""
        from skysift.tasks.star_galaxy import jobs

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
        """Score several models on the same objects by cross-validation and write the report."""
        from skysift.tasks.star_galaxy import jobs

        data = self.read(paths, read_options)
        chosen = of_kind(CompareOptions, options)
        config = {**read_options.model_dump(mode="json"), **chosen.model_dump(mode="json")}
        provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
        return jobs.compare(
            data, chosen, folder, seed=seed, provenance=provenance, progress=progress
        )

    def render(self, folder: Path) -> Run:
        """Write the report of an earlier run again from its stored results."""
        from skysift.tasks.star_galaxy import jobs

        return jobs.render(folder)

    def demo(self, folder: Path, *, seed: int, command: str, progress: Progress = silent) -> Run:
        """Compare models that train in seconds, on real cutouts of ZTF or on made-up ones."""
        from skysift.data.fetch import fetch
        from skysift.tasks.star_galaxy import jobs

        progress(0.0, "fetch the ZTF cutouts")
        note = ""
        try:
            paths = [file.path for file in fetch("ztf-cutouts").files]
            data = self.read(paths, ReadOptions())
        except DataUnavailableError:
            paths = []
            note = (
                "The ZTF cutouts cannot be had here: these are MADE-UP cutouts, and no number on "
                "this page says anything about the sky."
            )
            data = self.synth(_DEMO_SYNTHETIC, np.random.default_rng(seed))
        options = CompareOptions(quick=True)
        config = options.model_dump(mode="json")
        provenance = Provenance.start(command, inputs=paths, config=config, seed=seed)
        return jobs.compare(
            data, options, folder, seed=seed, provenance=provenance, progress=progress, note=note
        )


def _card(model: StarGalaxyModel) -> str:
    path = Path(str(files("skysift.tasks.star_galaxy"))) / "card.md"
    return path.read_text(encoding="utf-8").format(
        family=model.family,
        representation=model.representation,
        prior=f"{model.prior:.3f}",
        data=model.training.data,
        doubt=f"{model.doubt:.3f}",
    )
