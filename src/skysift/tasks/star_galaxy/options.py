"""The options of star-galaxy. This module imports nothing heavy: the command line reads it."""

from typing import Literal

from pydantic import Field, field_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption

__all__ = [
    "COMPARED_ONLY",
    "DEFAULT",
    "MODELS",
    "QUICK_MODELS",
    "CompareOptions",
    "PredictOptions",
    "ReadOptions",
    "TrainOptions",
]

_STORED = (
    "blend",
    "random-forest",
    "extra-trees",
    "hist-gradient-boosting",
    "logistic-regression",
    "gp-shapes",
    "gp-profile",
    "gp-profile-pca",
    "cnn",
    "gp-raw",
    "gp-norm-1",
    "gp-norm-2",
    "gp-norm-3",
    "gp-norm-4",
    "gp-norm-5",
    "fwhm-cut",
    "magnitude",
)
DEFAULT = "blend"
COMPARED_ONLY = ("knn", "svm")
"""Models of the comparison that are not written as bundles."""
MODELS = (*_STORED, *COMPARED_ONLY)
BESIDE = ("fwhm-cut", "magnitude")
"""What every comparison holds, for without them no number says what a model is worth."""
QUICK_MODELS = (
    "random-forest",
    "hist-gradient-boosting",
    "logistic-regression",
    "gp-shapes",
    "gp-profile",
    *BESIDE,
)
"""Those that train in seconds."""


class ReadOptions(Config):
    """How cutouts are read, and what is known of them beside their pixels."""

    catalog: str | None = Field(
        None,
        description="A table with one row for each object, joined by its column file, "
        "identifier, id or another that names objects for 'skysift cutouts', to the names of the "
        "cutouts; its columns are kept in what is written, as catalogue_NAME where the answer has "
        "one of that name. To train and evaluate it has a column label: star or galaxy.",
    )
    cutout: Literal["science", "template"] = Field(
        "template",
        description="Which cutout of an alert packet: the template shows what was there before, "
        "the science image has the transient on top of it.",
    )


class TrainOptions(Config):
    """What is trained, and how it is checked."""

    model: str = Field(DEFAULT, description=f"One of: {', '.join(_STORED)}.")
    folds: int = Field(5, ge=2, le=20, description="Cross-fitted members of the model.")

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        if value in COMPARED_ONLY:
            raise ValueError(f"'{value}' is trained in 'skysift compare' only. Choose another.")
        return known_name("model", value, _STORED)


class PredictOptions(CoverageOption):
    """What a prediction can be asked for."""

    prior: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of galaxies among the objects of this sample; p_galaxy is corrected "
        "from the share in the training data to this one.",
    )
    batch: int = Field(1024, ge=1, description="Cutouts in memory at a time.")


class CompareOptions(Config):
    """Which models are compared, and how."""

    models: tuple[str, ...] = Field(
        MODELS,
        description=f"Models to train: {', '.join(MODELS)}; repeatable. The cut on the FWHM and "
        "magnitude alone stand beside them in any case.",
    )
    by: Literal["object", "exposure"] = Field(
        "object",
        description="What a fold never cuts through: an object with its duplicates, or a whole "
        "exposure, whose seeing and sky a model then has not seen.",
    )
    folds: int = Field(5, ge=2, le=20, description="Folds that models are scored on.")
    members: int = Field(5, ge=2, le=20, description="Cross-fitted members of each model.")
    quick: bool = Field(
        False, description="The models that train in seconds, with three folds and members."
    )

    @field_validator("models")
    @classmethod
    def _known_models(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        known = (known_name("model", value, MODELS) for value in (*values, *BESIDE))
        return tuple(dict.fromkeys(known))
