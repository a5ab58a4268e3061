"""What is in a field and how it is observed: the input of every simulation."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import UsageError
from skysift.data.irf.spectra import LogParabola, PowerLaw, Spectrum, crab
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import separation

__all__ = ["FLUX_ENERGY", "DeadSector", "Field", "Source", "StarHole"]

FloatArray = NDArray[np.float64]
FLUX_ENERGY = 0.2
"""Energy [TeV] at which a flux of 1 Crab is the Crab's: the middle of the default bands."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source of photons.

    Parameters
    ----------
    ra, dec : float [deg]
        ICRS position of its centre.
    flux : float [Crab]
        Photons per area, time and energy at 0.2 TeV, over those of the Crab Nebula; a factor where
        a spectrum is given.
    index : float, optional
        Of a power law; the curved spectrum of the Crab if left out.
    extension : float [deg]
        Standard deviation of a round Gaussian; 0 is a point.
    spectrum : callable, optional
        dN/dE [m-2 s-1 TeV-1] of energies [TeV], instead of the Crab's.

    Examples
    --------
    >>> source = Source(83.63, 22.01, flux=0.5, index=2.0)
    >>> bool(np.isclose(source.photons(0.2), 0.5 * crab()(0.2)))
    True
    """

    ra: float
    dec: float
    flux: float = 1.0
    index: float | None = None
    extension: float = 0.0
    spectrum: Spectrum | None = None

    def __post_init__(self) -> None:
        if not (self.flux >= 0 and self.extension >= 0 and np.isfinite(self.flux + self.extension)):
            raise UsageError(
                f"A source of {self.flux} Crab and {self.extension} deg is impossible.",
                "Give flux and extension that are not negative.",
            )

    def photons(self, energy: ArrayLike) -> FloatArray:
        """Return dN/dE [m-2 s-1 TeV-1] at energies [TeV]."""
        return np.asarray(self.flux * self.shape()(energy))

    def shape(self) -> Spectrum:
        """Return the spectrum at a flux of 1 Crab."""
        if self.spectrum is not None:
            return self.spectrum
        nebula: LogParabola = crab()
        if self.index is None:
            return nebula
        return PowerLaw(float(nebula(FLUX_ENERGY)), FLUX_ENERGY, self.index)


@dataclass(frozen=True, slots=True)
class DeadSector:
    """A wedge of the field of view where the camera is dead or dull.

    Parameters
    ----------
    angle : float [deg]
        Position angle of its middle, from north to east.
    width : float [deg]
        Full opening angle.
    inner : float [deg]
        Offset from the pointing where it begins.
    efficiency : float
        Share of photons that is still seen.
    """

    angle: float
    width: float
    inner: float = 0.0
    efficiency: float = 0.0


@dataclass(frozen=True, slots=True)
class StarHole:
    """A disk about a bright star, where pixels are switched off.

    Parameters
    ----------
    x, y : float [deg]
        East and north of the pointing.
    radius : float [deg]
    efficiency : float
        Share of photons that is still seen.
    """

    x: float
    y: float
    radius: float
    efficiency: float = 0.0


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the sky under observation.

    Parameters
    ----------
    pointing : Pointing
        With the zenith angle; 20 deg is taken where it is not known.
    exposure : float [s]
        Live time.
    sources : tuple of Source
    nsb : float
        Brightness of the night sky over that of a dark one.
    background_scale : float
        Background over what the response predicts.
    gradient : tuple of float [deg-1]
        Relative change of the background to the east and to the north.
    dead_sectors : tuple of DeadSector
    star_holes : tuple of StarHole

    Raises
    ------
    UsageError
        If exposure, night sky or background scale is not positive.
    """

    pointing: Pointing
    exposure: float = 100.0
    sources: tuple[Source, ...] = ()
    nsb: float = 1.0
    background_scale: float = 1.0
    gradient: tuple[float, float] = (0.0, 0.0)
    dead_sectors: tuple[DeadSector, ...] = field(default=())
    star_holes: tuple[StarHole, ...] = field(default=())

    def __post_init__(self) -> None:
        if not (self.exposure > 0 and self.nsb > 0 and self.background_scale >= 0):
            raise UsageError(
                "Exposure and night-sky background have to be positive, the background scale not "
                "negative.",
                "Correct the field.",
            )

    @property
    def zenith(self) -> float:
        """Zenith angle [deg] of the pointing, 20 where it is not known."""
        return self.pointing.zenith if np.isfinite(self.pointing.zenith) else 20.0

    def offset_of(self, source: Source) -> float:
        """Return the angle [deg] of a source from the pointing."""
        return float(separation(source.ra, source.dec, self.pointing.ra, self.pointing.dec))

    @property
    def has_defects(self) -> bool:
        """Whether some part of the camera sees less than the rest."""
        return bool(self.dead_sectors or self.star_holes)

    def efficiency(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the share of photons that is seen at places of the field of view.

        Parameters
        ----------
        x, y : array [deg]
            East and north of the pointing.
        """
        seen = np.ones(np.broadcast(x, y).shape)
        if self.dead_sectors:
            angle, offset = np.degrees(np.arctan2(x, y)), np.hypot(x, y)
            for sector in self.dead_sectors:
                apart = np.abs((angle - sector.angle + 180.0) % 360.0 - 180.0)
                dull = (apart <= sector.width / 2) & (offset >= sector.inner)
                seen = np.where(dull, seen * sector.efficiency, seen)
        for hole in self.star_holes:
            dull = np.hypot(x - hole.x, y - hole.y) <= hole.radius
            seen = np.where(dull, seen * hole.efficiency, seen)
        return seen

    def background_factor(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return what multiplies the predicted background at places [deg] of the field of view.

        Scale and gradient, without the camera's defects; never below a twentieth of the scale.
        """
        slope = 1.0 + self.gradient[0] * x + self.gradient[1] * y
        return np.asarray(self.background_scale * np.maximum(slope, 0.05))
