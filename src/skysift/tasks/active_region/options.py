"""The options of active-region. This module imports nothing heavy: the command line reads it."""

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption

__all__ = [
    "PATCH_MODELS",
    "CompareOptions",
    "PredictOptions",
    "ReadOptions",
    "TrainOptions",
]

PATCH_MODELS = (
    "blend",
    "hist-gradient-boosting",
    "extra-trees",
    "logistic-regression",
    "eight-statistics",
    "pixels-16",
)
"""Classifiers of patches; the last two are what has been measured before."""

_TRAINED = PATCH_MODELS[:-2]  # of the columns that a bundle has


class ReadOptions(Config):
    """Which disks are read, and where the labels are."""

    regions: str | None = Field(
        None,
        description="Table of the regions on labelled disks: file, time, section, noaa, lat, lon, "
        "x, y, area. Default: regions.csv beside the disks.",
    )
    quiet: str | None = Field(
        None,
        description="Table of quiet patches: file, x, y. Default: quiet.csv beside the disks.",
    )
    since: date | None = Field(None, description="Leave out labelled disks before this day.")
    before: date | None = Field(None, description="Leave out labelled disks from this day on.")

    @model_validator(mode="after")
    def _ordered(self) -> "ReadOptions":
        if self.since is not None and self.before is not None and self.since >= self.before:
            raise ValueError("'since' must lie before 'before'")
        return self


class TrainOptions(Config):
    """What is trained, and how it is checked."""

    model: str = Field(PATCH_MODELS[0], description=f"Of patches: {', '.join(_TRAINED)}.")
    folds: int = Field(3, ge=2, le=10, description="Runs in time that choices are made on.")
    epochs: int = Field(50, ge=1, le=500, description="Of the network that finds regions.")
    networks: int = Field(1, ge=1, le=5, description="Networks whose log-odds are averaged.")
    trees: int = Field(150, ge=1, le=2000, description="Of boosting and of forests.")

    @field_validator("model")
    @classmethod
    def _known_model(cls, value: str) -> str:
        return known_name("model", value, _TRAINED)


class PredictOptions(CoverageOption):
    """What a prediction can be asked for."""

    positions: str | None = Field(
        None,
        description="CSV with file, x, y: the probability of a region in each given 64-pixel patch "
        "is written instead of what is found.",
    )
    method: Literal["best", "threshold"] = Field(
        "best",
        description="best: the network for EUV, flux for magnetograms; threshold: no network.",
    )
    least_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Regions below it are left out; that of the bundle if not set.",
    )


class CompareOptions(Config):
    """Which models are compared, and how."""

    split: date = Field(
        date(2014, 7, 1), description="What is before trains, what is later is scored."
    )
    bundle: str | None = Field(
        None,
        description="Folder of a bundle that was trained before the split, to find regions with; "
        "one is trained if not given.",
    )
    models: tuple[str, ...] = Field(
        PATCH_MODELS, description=f"Of patches: {', '.join(PATCH_MODELS)}; repeatable."
    )
    folds: int = Field(3, ge=2, le=10, description="Runs in time that choices are made on.")
    epochs: int = Field(50, ge=1, le=500, description="Of the network that finds regions.")
    trees: int = Field(150, ge=1, le=2000, description="Of boosting and of forests.")
    published_epochs: int = Field(12, ge=1, le=15, description="Of the published network.")
    published_repeats: int = Field(
        10, ge=1, le=10, description="Random splits that the published protocol is rerun on."
    )

    @field_validator("models")
    @classmethod
    def _known_models(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("model", value, PATCH_MODELS) for value in values)
