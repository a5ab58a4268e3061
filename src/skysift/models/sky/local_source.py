"""A point source at one place of the field: its shares by band and its point spread function."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e

from skysift.core.errors import UsageError

__all__ = ["LocalSource", "Photons"]

FloatArray = NDArray[np.float64]

_TAIL = 3.0  # standard deviations that a Gaussian adds to the reach


@dataclass(frozen=True)
class Photons:
    """Photons on the tangent plane, or pixels with their counts.

    Parameters
    ----------
    xi, eta : array, shape (n,) [deg]
        Plane coordinates.
    band : array of int, shape (n,)
        Energy band.
    weight : array, shape (n,)
        1 for a photon, the counts for a pixel.
    """

    xi: FloatArray
    eta: FloatArray
    band: NDArray[np.int64]
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.xi)

    def near(self, xi: float, eta: float, radius: float) -> "Photons":
        """Return those within a radius [deg] of a point of the plane."""
        chosen = np.flatnonzero((self.xi - xi) ** 2 + (self.eta - eta) ** 2 < radius**2)
        return Photons(self.xi[chosen], self.eta[chosen], self.band[chosen], self.weight[chosen])


@dataclass(frozen=True)
class LocalSource:
    """Where the photons of a point source land, at one offset from the pointing.

    Parameters
    ----------
    share : array, shape (n_bands,)
        Share of the source's counts in each band; they add up to 1.
    density : array, shape (n_bands, n_radii) [deg-2]
        Of the photons of a band at a distance from the source, on an even grid from 0.
    step : float [deg]
        Of that grid.

    Raises
    ------
    UsageError
        If the arrays do not fit together.
    """

    share: FloatArray
    density: FloatArray
    step: float

    def __post_init__(self) -> None:
        if self.density.ndim != 2 or len(self.share) != len(self.density) or self.step <= 0:  # noqa: PLR2004 a table
            raise UsageError(
                "Shares and point spread functions of a source do not fit together.",
                "Give one share and one radial profile per energy band.",
            )

    @cached_property
    def radii(self) -> FloatArray:
        """Radii of the grid [deg], shape (n_radii,)."""
        return np.arange(self.density.shape[1], dtype=np.float64) * self.step

    @property
    def reach(self) -> float:
        """Largest radius of the grid [deg]."""
        return float(self.radii[-1])

    @cached_property
    def slope(self) -> FloatArray:
        """Derivative of the density with the radius [deg-3], shape (n_bands, n_radii)."""
        return np.asarray(np.gradient(self.density, self.step, axis=1))

    @cached_property
    def ring_area(self) -> FloatArray:
        """Area [deg2] of the ring about each radius, shape (n_radii,)."""
        edges = np.maximum(self.step * (np.arange(self.density.shape[1] + 1) - 0.5), 0.0)
        return np.asarray(np.pi * np.diff(edges**2))

    @cached_property
    def contained(self) -> float:
        """Share of the source's counts within the reach of the grid."""
        return float(self.share @ (self.density @ self.ring_area))

    def evaluate(
        self, band: NDArray[np.int64], radius: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return density [deg-2] times share, and its slope [deg-3], by linear interpolation.

        Parameters
        ----------
        band : array of int, shape (n,)
        radius : array, shape (n,) [deg]
            Beyond the reach, both are 0.
        """
        row, part = self._row(band, radius)
        density, rise, slope, bend = np.take(self._table, row, axis=0).T
        return density + rise * part, slope + bend * part

    def density_at(self, band: NDArray[np.int64], radius: FloatArray) -> FloatArray:
        """Return the density of `evaluate` alone."""
        row, part = self._row(band, radius)
        density, rise = np.take(self._density_table, row, axis=0).T
        return np.asarray(density + rise * part)

    def _row(
        self, band: NDArray[np.int64], radius: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray]:
        """Return rows of the tables, and how far on the way to the next radius a place is."""
        n_radii = self.density.shape[1]
        place = np.minimum(radius / self.step, n_radii - 1)
        low = place.astype(np.int64)
        return low + n_radii * band, place - low

    @cached_property
    def _table(self) -> FloatArray:
        """Density and slope times share, each with its change to the next radius.

        What an interpolation needs lies side by side; the last row of a band is 0.
        """
        return np.concatenate([self._density_table, self._rows_of(self.slope)], axis=1)

    @cached_property
    def _density_table(self) -> FloatArray:
        return self._rows_of(self.density)

    def _rows_of(self, values: FloatArray) -> FloatArray:
        """Return values and changes by band and radius, shape (n_bands * n_radii, 2)."""
        rows = np.zeros((*values.shape, 2))
        shared = self.share[:, None] * values
        rows[:, :-1, 0] = shared[:, :-1]
        rows[:, :-1, 1] = np.diff(shared, axis=1)
        return rows.reshape(-1, 2)

    def containment_radius(self, fraction: float) -> float:
        """Return the radius [deg] that holds a fraction of the counts of all bands."""
        inside = np.cumsum((self.share @ self.density) * self.ring_area)
        return float(np.interp(fraction * inside[-1], inside, self.radii + self.step / 2))

    def widened(self, factor: float) -> "LocalSource":
        """Return the same source with a point spread function wider by a factor, made once."""
        if factor not in self._widened:
            radii = self.radii / factor
            density = np.stack([np.interp(radii, self.radii, row) for row in self.density])
            self._widened[factor] = LocalSource(self.share, density / factor**2, self.step)
        return self._widened[factor]

    @cached_property
    def _widened(self) -> dict[float, "LocalSource"]:
        return {1.0: self}

    def spread(self, sigma: float) -> "LocalSource":
        """Return the image of a round Gaussian of a standard deviation [deg], of the same counts.

        On the plane, a ring of radius r' about the centre is seen at radius r with the density
        ``exp(-(r^2 + r'^2) / 2 sigma^2) I_0(r r' / sigma^2) / (2 pi sigma^2)``.
        """
        extra = int(np.ceil(_TAIL * sigma / self.step))
        radii = np.arange(self.density.shape[1] + extra) * self.step
        apart = np.exp(-((radii[:, None] - self.radii) ** 2) / (2 * sigma**2))
        kernel = apart * i0e(radii[:, None] * self.radii / sigma**2) / (2 * np.pi * sigma**2)
        density = self.density @ (kernel * self.ring_area).T
        wide = LocalSource(self.share, density, self.step)
        before, after = (one.density @ one.ring_area for one in (self, wide))
        scale = np.divide(before, after, out=np.ones_like(after), where=after > 0)
        return LocalSource(self.share, density * scale[:, None], self.step)
