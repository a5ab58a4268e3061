"""The options of streak. This module imports nothing heavy: the command line reads it."""

from typing import Literal

from pydantic import Field, field_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption

__all__ = [
    "COMPARED",
    "MODELS",
    "CompareOptions",
    "PredictOptions",
    "ReadOptions",
    "SimulateOptions",
    "TrainOptions",
]

MODELS = ("hist-gradient-boosting", "random-forest")
"""Models that are written as bundles."""

COMPARED = (*MODELS, "logistic-regression", "cuts")


class ReadOptions(Config):
    """How stamps are read, and what is known of them beside their pixels."""

    cutout: Literal["difference", "science", "template"] = Field(
        "difference", description="Which stamp of an alert packet."
    )
    seeing: float = Field(
        2.0,
        gt=0,
        le=30,
        description="Full width at half maximum of stars where a stamp does not tell it [arcsec].",
    )
    real: tuple[str, ...] = Field(
        (),
        description="Real stamps to check an evaluation against: Rubin alerts with trailLength, "
        "ZTF alerts of known asteroids, an image with one long streak; repeatable.",
    )


class TrainOptions(Config):
    """What is trained, and how it is checked."""

    model: str = Field(MODELS[0], description=f"One of: {', '.join(MODELS)}.")
    folds: int = Field(5, ge=2, le=20, description="Folds that the calibration is made on.")

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        return known_name("model", value, MODELS)


class PredictOptions(CoverageOption):
    """What a prediction can be asked for."""

    batch: int = Field(256, ge=1, description="Stamps in memory at a time.")


class CompareOptions(Config):
    """Which models are compared, and how."""

    models: tuple[str, ...] = Field(
        COMPARED, description=f"Models to train: {', '.join(COMPARED)}; repeatable."
    )
    folds: int = Field(5, ge=2, le=20, description="Folds that models are scored on, by object.")

    @field_validator("models")
    @classmethod
    def _known_models(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("model", value, COMPARED) for value in values)


class SimulateOptions(Config):
    """Streaks, stars, galaxies and artefacts to be put on stamps."""

    base: tuple[str, ...] = Field(
        (),
        description="Files of real difference stamps whose corners are the skies; made-up skies if "
        "left out. Repeatable.",
    )
    sources: tuple[str, ...] = Field(
        (),
        description="Files of real stars and galaxies, told apart by names that begin with star or "
        "galaxy, to stand beside the simulated ones. Repeatable.",
    )
    most_sources: int = Field(
        500, ge=2, description="Most of these real stars and galaxies, half of each."
    )
    corners: int = Field(3, ge=1, le=4, description="Corners of each base stamp to use.")
    stamps: int = Field(1000, ge=20, description="Stamps to make where there is no base.")
    test_share: float = Field(
        0.3, gt=0, lt=1, description="Share of the objects whose stamps go to the test file."
    )
    bad_subtractions: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the stamps with what a bad subtraction leaves: dipoles, rings, "
        "edges. A model trained with them loses more real alerts and ranks bogus ones no better.",
    )
    survey: Literal["ztf", "rubin"] = Field(
        "ztf", description="Whose mirror, pixels and exposure the streaks have."
    )
