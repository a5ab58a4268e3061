"""The options of flare. This module imports nothing heavy: the command line reads it."""

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption

__all__ = [
    "COMPARED",
    "CompareOptions",
    "PredictOptions",
    "ReadOptions",
    "Scale",
    "TrainOptions",
]

Scale = Literal["operational", "science"]
"""Of the fluxes of flares before 2020: as they were published, or reprocessed by NOAA."""

_SCALE = (
    "Of flares before 2020 in the list: operational as they were published (0.7 of what is "
    "published since), science as NOAA has reprocessed them."
)

COMPARED = (
    "both",
    "image",
    "network",
    "history",
    "mcintosh",
    "persistence",
    "published",
)
"""Forecasts that can be compared; climatology is the reference of all."""


class ReadOptions(Config):
    """Which regions of a table are read, and where their images are."""

    images: str = Field(
        "", description="Folder of the images; beside the table, or one below, if left out."
    )
    sections: tuple[str, ...] = Field(
        ("I",),
        description="Sections of the region summary to read: I has sunspots, IA plage only; "
        "repeatable. Plage helps to train and is never judged.",
    )
    farthest: float = Field(
        70.0, gt=0, le=90, description="Longitude up to which labels are taken [deg]."
    )
    since: date | None = Field(None, description="First day of the rows that are taken.")
    until: date | None = Field(None, description="Day before which they end.")


class TrainOptions(Config):
    """What is trained, and how it is checked."""

    folds: int = Field(5, ge=2, le=20, description="Runs in time that everything is chosen on.")
    inverse_penalty: float = Field(
        0.1, gt=0, le=100, description="Of the regressions on the image, scikit-learn's C."
    )
    bags: int = Field(
        5, ge=1, le=100, description="Bootstrap samples of regions for each regression."
    )
    keywords: str = Field(
        "", description="Table of SHARP keywords per region-day, to train that model too."
    )
    keywords_until: date | None = Field(None, description="Day before which its rows end.")
    disks: str = Field(
        "", description="Table of full-disk magnetograms with labels, to train that model too."
    )
    disks_until: date | None = Field(None, description="Day before which its rows end.")
    flares: str = Field(
        "",
        description="List of the flares of years, to train the forecast of the whole disk by its "
        "past too.",
    )
    flares_until: date | None = Field(None, description="Day before which its days end.")
    goes_scale: Scale = Field("operational", description=_SCALE)


class PredictOptions(CoverageOption):
    """What a prediction can be asked for."""

    regions: str = Field(
        "",
        description="Table of the regions on the images: file, x, y (or lon, lat), and optionally "
        "maxflux_prev24h, area, nspots, extent, mcintosh, hale. Or daily region summaries: a text "
        "of NOAA, a folder of them, or a table with valid, section, noaa, lat, lon.",
    )
    regions_hours: float = Field(
        36.0,
        gt=0,
        le=120,
        description="Of daily summaries: an older one tells nothing of an image [h].",
    )
    flares: str = Field(
        "",
        description="List of flares up to now: magnetograms of the disk are answered by the "
        "flares of the ten days before them. Where the last flare of the list began more than a "
        "day before the image, the answer is flagged flares-end-early; more than three days, the "
        "image alone answers.",
    )
    goes_scale: Scale = Field("operational", description=_SCALE)


class CompareOptions(Config):
    """Which forecasts are compared, and how."""

    models: tuple[str, ...] = Field(
        COMPARED, description=f"Forecasts: {', '.join(COMPARED)}; repeatable."
    )
    boundary: date = Field(
        date(2014, 7, 1), description="What is before is trained on, the rest is judged."
    )
    level: Literal["C", "M"] = Field("C", description="Class of the flares that are forecast.")
    folds: int = Field(5, ge=2, le=20, description="Runs in time that everything is chosen on.")
    bags: int = Field(
        5, ge=1, le=100, description="Bootstrap samples of regions for each regression."
    )
    flares: str = Field(
        "",
        description="List of flares, to tell how labels hang on their definition; what is before "
        "the boundary trains the forecast of disks by their past.",
    )
    keywords: str = Field(
        "", description="Table of SHARP keywords per region-day, judged after the boundary too."
    )
    disks: str = Field(
        "", description="Table of full-disk magnetograms with labels, judged by blocks of days."
    )
    disks_flares: str = Field(
        "", description="List of the flares before and among them: their past, with --flares."
    )
    goes_scale: Scale = Field("operational", description=_SCALE)
    network_epochs: int = Field(30, ge=1, description="Of our own network on the cutouts.")
    published_epochs: int = Field(12, ge=1, description="Of the published network.")
    published_starts: int = Field(
        5,
        ge=1,
        description="Trainings of the published network on all earlier rows; the one that fits "
        "them best is judged on later ones.",
    )
    published_repeats: int = Field(
        10, ge=0, description="Random splits of the published protocol; 0 leaves it out."
    )

    @field_validator("models")
    @classmethod
    def _known_models(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("model", value, COMPARED) for value in values)
