"""A trained star-galaxy model: cutouts in, probability of a galaxy out; as a bundle and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import InputColumn, ModelEntry, ModelFormat
from skysift.core.classifier import Classifier, stored
from skysift.core.errors import BundleError
from skysift.data.images.image_set import ImageSet
from skysift.tasks.star_galaxy.members import load_predictor, save_predictor
from skysift.tasks.star_galaxy.predictors import Predictor
from skysift.tasks.star_galaxy.reader import CLASSES
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

__all__ = ["TASK", "Measured", "StarGalaxyModel", "load_bundle", "save_bundle"]

TASK = "star-galaxy"

Measured = Callable[[Mapping[str, NDArray[Any]]], None]
"""Called with the quantities by name, shape (n,) each."""

_FORMATS: Mapping[str, ModelFormat] = {
    ".skops": "skops",
    ".safetensors": "safetensors",
    ".onnx": "onnx",
}


@dataclass(frozen=True, kw_only=True)
class StarGalaxyModel(Classifier):
    """A model, and all that a user of its numbers must know; galaxy is the positive class.

    Parameters
    ----------
    representation : str
        What it sees of a cutout.
    predictor : Predictor
        The trained part.
    doubt : float
        An object is ambiguous if both classes are more probable than this; chosen on rows that
        the scoring members had not seen.
    """

    representation: str
    predictor: Predictor
    doubt: float

    def probability(
        self, images: ImageSet, *, measured: Measured | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probability of a galaxy at the training prior, and its error.

        Parameters
        ----------
        images : ImageSet
            n cutouts.
        measured : callable, optional
            Told what was measured of them.

        Returns
        -------
        p_galaxy, p_galaxy_err : arrays, shape (n,)
            The error is what the finite training sample leaves open: the standard deviation over
            the members, or that of the posterior of a Gaussian process. It does not cover a
            difference between surveys.
        """
        if not len(images):
            return np.empty(0), np.empty(0)
        representation = REPRESENTATIONS[self.representation]
        seen = representation.matrix(images)
        if measured is not None:
            names = representation.measured
            measured(dict(zip(names, seen[:, : len(names)].T.copy(), strict=True)))
        probability, error = self.predictor.predict_with_error(seen)
        return np.asarray(probability, dtype=np.float64), np.asarray(error, dtype=np.float64)

    def ambiguous(self, probability: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which probabilities of a galaxy, shape (n,), leave the class open."""
        return np.asarray(np.minimum(probability, 1.0 - probability) > self.doubt)


def save_bundle(model: StarGalaxyModel, folder: Path, *, card: str, summary: str) -> Bundle:
    """Write a model as a bundle.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    BundleError
        If the model is of a kind that cannot be stored without code.
    """
    described, members = save_predictor(model.predictor)
    first = next(iter(members))
    entry = ModelEntry(
        format=_FORMATS[Path(first).suffix],
        file=first,
        family=model.family,
        parameters={**model.parameters, "predictor": described},
        outputs=("p_galaxy", "p_galaxy_err"),
    )
    representation = REPRESENTATIONS[model.representation]
    spec = model.spec(
        TASK,
        summary,
        entry,
        preprocessing={"representation": model.representation, "doubt": model.doubt},
        inputs=(
            InputColumn(name="pixels", dtype="float32", description="a cutout, 1 arcsec a pixel"),
            InputColumn(name="seeing", unit="pix", description="FWHM of the PSF"),
        ),
        features=representation.names,
        classes=CLASSES,
    )
    return write_bundle(folder, spec, {**members, **model.kept}, render_card(spec, card))


def load_bundle(folder: Path, *, threads: int = 1) -> StarGalaxyModel:
    """Load a bundle.

    Raises
    ------
    BundleError
        If it is damaged, holds what is not allowed, or is of another task.
    """
    bundle = Bundle.load(folder, task=TASK)
    label = stored(bundle, CLASSES[1])
    parameters = dict(label["parameters"])
    described: Any = parameters.pop("predictor", {})
    representation = str(bundle.manifest.preprocessing.get("representation"))
    doubt: Any = bundle.manifest.preprocessing.get("doubt")
    known = REPRESENTATIONS.get(representation)
    if not isinstance(doubt, float) or known is None or known.names != bundle.manifest.features:
        raise BundleError(
            "The bundle does not say what this version needs: a known representation with its "
            "features, and the limit of doubt.",
            "Train the bundle again.",
            path=folder,
        )
    label["parameters"] = parameters
    return StarGalaxyModel(
        **label,
        representation=representation,
        predictor=load_predictor(bundle, described, threads=threads),
        doubt=doubt,
    )
