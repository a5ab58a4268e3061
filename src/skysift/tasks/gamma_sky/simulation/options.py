"""The options of a simulation. This module imports nothing heavy: the command line reads it."""

from typing import Literal

from pydantic import Field, model_validator

from skysift.core.config import Config
from skysift.tasks.gamma_sky.quantities import Energy, Seconds

__all__ = ["SimulateOptions"]


class SimulateOptions(Config):
    """What is simulated, with which instrument, and what is written."""

    fields: int = Field(10, ge=1, description="Number of fields.")
    write: Literal["events", "maps"] = Field(
        "events", description="GADF DL3 event files, or counts maps."
    )
    truth_maps: bool = Field(False, description="Also write the expectation of every field.")
    irf: str | None = Field(
        None, description="A GADF response file, e.g. of the CTA Observatory; formulas if left out."
    )
    array: str = Field(
        "north", description="Without a file: 'north' (4 large, 9 medium) or 'north-large'."
    )
    vary_response: bool = Field(
        False, description="Without a file: draw another instrument for every 50 fields."
    )
    follow_zenith: bool = Field(
        True, description="Shift a file's response with zenith angle and night sky."
    )
    emin: Energy = Field(0.04, gt=0, description="Lowest energy, e.g. 0.4TeV or 400GeV.")
    emax: Energy = Field(1.0, gt=0, description="Highest energy.")
    bands: int = Field(6, ge=1, le=100, description="Energy bands of the maps.")
    pixels: int = Field(200, ge=8, le=4000, description="Pixels of a side of the maps.")
    pixel_size: float = Field(0.025, gt=0, le=1, description="[deg].")
    sources_min: int = Field(0, ge=0, description="Fewest sources in a field.")
    sources_max: int = Field(5, ge=0, le=50, description="Most sources in a field.")
    flux_min: float = Field(0.02, gt=0, description="Of a source [Crab].")
    flux_max: float = Field(3.0, gt=0, description="Of a source [Crab].")
    offset_min: float = Field(0.0, ge=0, description="Of a source from the pointing [deg].")
    offset_max: float = Field(2.0, ge=0, le=10, description="Of a source from the pointing [deg].")
    extended_share: float = Field(0.15, ge=0, le=1, description="Sources that are no points.")
    exposure_min: Seconds = Field(10.0, gt=0, description="Shortest, e.g. 100s or 5min.")
    exposure_max: Seconds = Field(1800.0, gt=0, description="Longest.")
    zenith_min: float = Field(0.0, ge=0, le=70, description="[deg].")
    zenith_max: float = Field(60.0, ge=0, le=70, description="[deg].")
    nsb_max: float = Field(3.0, ge=1, description="Brightest night sky, over a dark one.")
    background_spread: float = Field(
        0.4, ge=0, lt=1, description="Largest deviation of the background from the response's."
    )
    gradient: float = Field(0.1, ge=0, lt=0.3, description="Largest of the background [1/deg].")
    defects: float = Field(
        0.15, ge=0, le=1, description="Share of fields with dead sectors, and with star holes."
    )

    @model_validator(mode="after")
    def _in_order(self) -> "SimulateOptions":
        for name in ("sources", "flux", "offset", "exposure", "zenith"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if low > high:
                raise ValueError(f"{name}_min is {low}, above {name}_max, {high}")
        if self.emin >= self.emax:
            raise ValueError(f"emin is {self.emin} TeV, not below emax, {self.emax} TeV")
        if self.irf is not None and self.vary_response:
            raise ValueError("vary_response needs the formulas; leave out irf")
        return self
