"""The options of gamma-sky. This module imports nothing heavy: the command line reads it."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from skysift.core.config import Config, known_name
from skysift.core.conformal import CoverageOption
from skysift.core.device import DeviceOption
from skysift.tasks.gamma_sky.quantities import Energy, Seconds
from skysift.tasks.gamma_sky.simulation.options import SimulateOptions

__all__ = [
    "CENTRES",
    "CLASSICAL",
    "CLEANING",
    "FITTED",
    "METHODS",
    "NETWORK",
    "NETWORKS",
    "PROMISED",
    "PUBLISHED",
    "STREAMED",
    "STUDIES",
    "UNCALIBRATED",
    "CompareOptions",
    "EvaluateDataOptions",
    "EvaluateOptions",
    "PredictOptions",
    "ReadOptions",
    "SimulateOptions",
    "TrainOptions",
]

CLASSICAL = (
    "likelihood-ratio",
    "likelihood-ratio-peak",
    "matched-filter",
    "matched-filter-peak",
    "smoothed-maximum",
)
NETWORK = "network"
CENTRES = "network-centres"
"""The search that tests the centres which the network names, and looks nowhere else."""
PUBLISHED = ("cnn-cleaner", "cnn-regressor")
"""The published networks: the place is theirs, all else the likelihood's."""
NETWORKS = (NETWORK, CENTRES, *PUBLISHED)
"""Methods that ask networks."""
METHODS = (*CLASSICAL, *NETWORKS, "gammapy")
STUDIES = (
    "night",
    "localisation",
    "outliers",
    "counts",
    "pairs",
    "false-alarms",
    "robustness",
    "timing",
    "hess",
)
STREAMED = ("likelihood-ratio", "matched-filter")
"""Methods that search sliding windows."""
FITTED = ("likelihood-ratio", "matched-filter", NETWORK, CENTRES)
"""Methods that fit what they find, and so say what they expect of each pixel."""
PROMISED = "likelihood-ratio"
"""The method that the calibration of a coverage was made with."""
CLEANING = (*FITTED, *PUBLISHED)
"""Methods that clean a map: by what they expect of each pixel, or by a network."""
UNCALIBRATED = {
    "smoothed-maximum": "each window has one, its highest pixel",
    "gammapy": "they are peaks of 5 sigma or more before trials",
}
"""Methods whose candidates no expected number of false ones sets a threshold for, and which those
are."""

_LONGEST = 86400.0  # s


def _apart(value: Any) -> Any:
    """Take ``1s,10s`` apart, alone or as one of several."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    return tuple(
        piece for part in parts for piece in (part.split(",") if isinstance(part, str) else [part])
    )


Lengths = Annotated[tuple[Seconds, ...], BeforeValidator(_apart)]


class ReadOptions(Config):
    """How photon lists are read and binned."""

    obs_id: tuple[int, ...] = Field(
        (), description="Observations of a folder with an index; all if left out. Repeatable."
    )
    emin: Energy = Field(
        0.04, gt=0, allow_inf_nan=False, description="Lowest energy, e.g. 0.4TeV or 400GeV."
    )
    emax: Energy = Field(10.0, gt=0, allow_inf_nan=False, description="Highest energy.")
    bands: int = Field(8, ge=1, le=30, description="Energy bands, even in the logarithm.")
    response: str = Field(
        "auto",
        description="'auto': that of the photon list, if it has one; 'none': do without; or a "
        "GADF response file.",
    )
    ignore_gti: bool = Field(
        False,
        description="Take the whole run as good time, whatever the table of good time (GTI) says.",
    )
    pixels: int = Field(200, ge=16, le=2000, description="Pixels of a side of the map.")
    pixel_size: float = Field(0.025, gt=0, le=1, description="[deg].")

    @model_validator(mode="after")
    def _in_order(self) -> "ReadOptions":
        if self.emin >= self.emax:
            raise ValueError(f"emin is {self.emin:g} TeV, not below emax, {self.emax:g} TeV")
        return self


class TrainOptions(Config):
    """How a search is calibrated."""

    empty_maps: int = Field(
        4000, ge=50, description="Simulated fields without sources that set the false-alarm rate."
    )
    source_maps: int = Field(
        400, ge=20, description="Simulated fields with a source that measure what is found."
    )
    exposure: Seconds = Field(100.0, gt=0, description="Of a simulated field.")
    region_maps: int = Field(
        1600,
        ge=0,
        description="Simulated fields with a source that regions of stated coverage rest on.",
    )


class PredictOptions(CoverageOption, DeviceOption):
    """What a search is asked for."""

    method: str = Field("likelihood-ratio", description=f"One of: {', '.join(METHODS)}.")
    window: Seconds | None = Field(
        None, gt=0, description="Search windows of this length, e.g. 100s; all at once if left out."
    )
    step: Seconds | None = Field(
        None, gt=0, description="From the start of a window to the next; the window if left out."
    )
    windows: Lengths = Field(
        (),
        description="Take the files as pieces of a stream and search sliding windows of these "
        "lengths at once, e.g. 1s,10s,100s,600s,1800s. Repeatable.",
    )
    lateness: Seconds = Field(
        60.0, ge=0, description="Of a stream: how far a file may be behind the latest."
    )
    ahead: Seconds = Field(
        60.0,
        ge=0,
        description="Of a stream that is watched: how far a file may end in the future. One with a "
        "wrong date would make all others late. inf for data that are simulated so.",
    )
    light_curve: Seconds = Field(
        10.0, ge=0, description="Of a stream: bins of the light curves of sources; 0 for none."
    )
    most_events: int = Field(
        5_000_000, ge=1, description="Of a stream: photons in memory; a file beyond is refused."
    )
    state_folder: str | None = Field(
        None, description="Of a stream: where the names of sources and the last maps are kept."
    )
    false_alarms: float = Field(
        0.01,
        gt=0,
        le=100,
        description="Expected number of false candidates: the threshold. smoothed-maximum and "
        "gammapy have none by it.",
    )
    per: Literal["field", "hour"] = Field(
        "field",
        description="False alarms per field (a window that is searched) or per hour (of all "
        "windows together).",
    )
    search_radius: float = Field(2.3, gt=0, le=10, description="From the pointing [deg].")
    clean: str | None = Field(
        None,
        description="Also write the cleaned map: a FITS file; one per window. Of cnn-cleaner and "
        "cnn-regressor it is the network's own, without variances.",
    )
    regions: str | None = Field(None, description="Also write DS9 regions: a .reg file.")
    pointing_error: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Standard deviation of the pointing in each coordinate [deg], "
        "added to the ellipses; e.g. 0.002 for 7 arc seconds.",
    )
    photometry: bool = Field(
        True, description="Measure Li & Ma significances beside the fitted ones."
    )

    @field_validator("method")
    @classmethod
    def _known_method(cls, value: str) -> str:
        return known_name("method", value, METHODS)

    @field_validator("window", "step", "lateness", "light_curve")
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ValueError("a window is of finite length")
        return value

    @field_validator("windows")
    @classmethod
    def _lengths(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < value <= _LONGEST for value in values):
            raise ValueError(f"a sliding window is longer than 0 s and no longer than {_LONGEST} s")
        return tuple(sorted(set(values)))

    @model_validator(mode="after")
    def _one_kind(self) -> "PredictOptions":
        if self.windows and (self.window is not None or self.step is not None):
            raise ValueError("windows are of a stream, window and step of files: give one of them")
        if self.step is not None and self.window is None:
            raise ValueError("step is from one window to the next: give window as well")
        if self.windows and self.method not in STREAMED:
            raise ValueError(
                f"sliding windows are searched with {' or '.join(STREAMED)}, not with {self.method}"
            )
        if self.windows and self.coverage is not None:
            raise ValueError("windows of a stream state no coverage: leave out windows or coverage")
        if self.coverage is not None and self.method != PROMISED:
            raise ValueError(
                f"a coverage rests on what {PROMISED} finds, not {self.method}: leave out either"
            )
        return self


class EvaluateDataOptions(ReadOptions, DeviceOption):
    """How photon lists with known sources are read, and where networks search them."""


class EvaluateOptions(DeviceOption):
    """How a search is evaluated on simulations."""

    maps: int = Field(200, ge=10, description="Simulated fields per point.")
    empty_maps: int = Field(1000, ge=100, description="Simulated fields without sources.")
    irf: str | None = Field(
        None, description="A GADF response file to simulate with; formulas if left out."
    )
    hess: str | None = Field(
        None, description="A folder with the H.E.S.S. test data release, to be searched as well."
    )
    full: bool = Field(
        False, description="Sizes that settle percent-level questions: hours; see --studies."
    )
    studies: tuple[str, ...] = Field(
        STUDIES, description=f"Only these: {', '.join(STUDIES)}; repeatable."
    )

    @field_validator("studies")
    @classmethod
    def _known_studies(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("study", value, STUDIES) for value in values)


class CompareOptions(DeviceOption):
    """Which methods are compared."""

    methods: tuple[str, ...] = Field(
        CLASSICAL, description=f"Methods: {', '.join(METHODS)}; repeatable."
    )
    maps: int = Field(200, ge=10, description="Simulated fields per point.")
    empty_maps: int = Field(1000, ge=100, description="Simulated fields without sources.")
    irf: str | None = Field(
        None, description="A GADF response file to simulate with; formulas if left out."
    )

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_name("method", value, METHODS) for value in values)
