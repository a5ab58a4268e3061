"""The part of a service's configuration that is about drift."""

from pathlib import Path

from pydantic import Field

from skysift.core.config import Config

__all__ = ["DriftOptions"]


class DriftOptions(Config):
    """What is compared with the training data, and when that is an alarm."""

    watch: bool = Field(True, description="Compare, if the bundle has a reference.")
    reference: Path | None = Field(
        None, description="A reference of your own, e.g. of your telescope; else the bundle's."
    )
    rows: int = Field(
        5000, ge=1000, le=10_000_000, description="Length of the window of the latest rows."
    )
    hours: float = Field(
        1.0, gt=0, le=720, allow_inf_nan=False, description="Length of the window of time [h]."
    )
    false_alarms: float = Field(
        1 / 30,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="Expected number of false alarms [1/day], of all quantities, windows and looks "
        "together, where rows are drawn from the reference.",
    )
    least: float = Field(
        0.1,
        ge=0,
        allow_inf_nan=False,
        description="A population stability index below this is never an alarm.",
    )
    labels: Path | None = Field(
        None, description="A table of labels (CSV, Parquet), read again when it has changed."
    )
    labels_on: str = Field(
        "skysift_record", description="The column of labels and answers that joins them."
    )
    label: str = Field("label", description="The column of labels that is 1 for the signal.")
    score: str = Field(
        "", description="The column of answers with the probability; the bundle's if empty."
    )
