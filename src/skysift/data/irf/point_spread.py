"""Point-spread functions of GADF files: three Gaussians, King profiles, or radial tables."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.data.irf.lattice import Axis, Lattice

__all__ = [
    "GaussianSum",
    "KingProfile",
    "PointSpread",
    "RadialTable",
    "pick_node",
    "sample_rows",
]

FloatArray = NDArray[np.float64]
_FULL_CIRCLE = 2 * np.pi
_NARROWEST = 1e-6  # deg
_FLATTEST = 1.01  # of a King profile: at 1 it has no end


class PointSpread(Protocol):
    """Where photons of a point source land."""

    def density(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] at a radius [deg], broadcast."""
        ...

    def sample(self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return a radius [deg] for each photon."""
        ...


@dataclass(frozen=True, slots=True)
class GaussianSum:
    """A sum of Gaussians whose parameters are interpolated (GADF 0.3, PSF_3GAUSS).

    Parameters
    ----------
    sigmas : tuple of Lattice [deg]
        Over true energy and offset.
    amplitudes : tuple of Lattice
        Of the second and later Gaussians, relative to the first at the centre.
    """

    sigmas: tuple[Lattice, ...]
    amplitudes: tuple[Lattice, ...]

    def _parts(
        self, energy: ArrayLike, offset: ArrayLike
    ) -> tuple[list[FloatArray], list[FloatArray]]:
        """Return the widths [deg] of the Gaussians and the share of photons in each."""
        widths = [sigma.at(energy, offset, clamp=True) for sigma in self.sigmas]
        heights = [np.ones_like(widths[0])]
        heights += [height.at(energy, offset, clamp=True) for height in self.amplitudes]
        volumes = [height * width**2 for height, width in zip(heights, widths, strict=True)]
        total = np.sum(volumes, axis=0)
        return widths, [volume / total for volume in volumes]

    def density(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] at a radius [deg], broadcast."""
        square = np.square(np.asarray(radius, dtype=np.float64))
        total = np.zeros(())
        for width, share in zip(*self._parts(energy, offset), strict=True):
            variance = np.maximum(width, _NARROWEST) ** 2
            total = total + share * np.exp(-square / (2 * variance)) / (_FULL_CIRCLE * variance)
        return np.asarray(total)

    def sample(self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return a radius [deg] for each photon."""
        widths, shares = self._parts(energy, offset)
        upper = np.cumsum(shares, axis=0)
        chosen = np.sum(rng.random(np.shape(energy)) > upper[:-1], axis=0)
        width = np.take_along_axis(np.stack(widths), chosen[None], axis=0)[0]
        return np.asarray(width * rng.rayleigh(size=np.shape(energy)))


@dataclass(frozen=True, slots=True)
class KingProfile:
    """King profiles whose parameters are interpolated (GADF 0.3, PSF_KING).

    The density is ``(1 - 1 / gamma) (1 + r^2 / (2 gamma sigma^2))^-gamma / (2 pi sigma^2)``, that
    of King 1962 (AJ 67, 471) with tails as a power law.

    Parameters
    ----------
    sigma : Lattice [deg]
        Over true energy and offset.
    gamma : Lattice
        The same, above 1.
    """

    sigma: Lattice
    gamma: Lattice

    @classmethod
    def from_tables(
        cls, axes: tuple[Axis, Axis], sigma: FloatArray, gamma: FloatArray
    ) -> "KingProfile":
        """Return the profiles; nodes that cannot be normalised copy the nearest in energy.

        Parameters
        ----------
        axes : tuple of Axis
            True energy [TeV] and offset [deg].
        sigma, gamma : array, shape (n_energy, n_offset)
            Files write 0 or NaN where they have too few photons.
        """
        good = (sigma > 0) & (gamma > 1)
        both = np.where(good[..., None], np.stack([sigma, gamma], axis=-1), 0.0)
        filled = _fill_empty(both)
        return cls(Lattice(axes, filled[..., 0]), Lattice(axes, filled[..., 1]))

    def _at(self, energy: ArrayLike, offset: ArrayLike) -> tuple[FloatArray, FloatArray]:
        sigma = np.maximum(self.sigma.at(energy, offset, clamp=True), _NARROWEST)
        return sigma, np.maximum(self.gamma.at(energy, offset, clamp=True), _FLATTEST)

    def density(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] at a radius [deg], broadcast."""
        sigma, gamma = self._at(energy, offset)
        scaled = np.square(np.asarray(radius, dtype=np.float64) / sigma) / (2 * gamma)
        return np.asarray(
            (1 - 1 / gamma) * (1 + scaled) ** -gamma / (_FULL_CIRCLE * np.square(sigma))
        )

    def sample(self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return a radius [deg] for each photon, by inversion of the share within it."""
        sigma, gamma = self._at(energy, offset)
        outside = 1 - rng.random(np.shape(energy))
        return np.asarray(sigma * np.sqrt(2 * gamma * (outside ** (1 / (1 - gamma)) - 1)))


@dataclass(frozen=True, slots=True)
class RadialTable:
    """A table of density over true energy, offset and radius (GADF 0.3, PSF_TABLE).

    Parameters
    ----------
    table : Lattice [deg-2]
        Over true energy [TeV], offset [deg] and radius [deg], each profile normalised.
    cumulative : array, shape (n_energy * n_offset, n_radius + 1)
        Share of photons within each edge of the radius bins.
    edges : array, shape (n_radius + 1,) [deg]
    """

    table: Lattice
    cumulative: FloatArray
    edges: FloatArray

    @classmethod
    def from_density(
        cls, axes: tuple[Axis, Axis, Axis], density: FloatArray, edges: FloatArray
    ) -> "RadialTable":
        """Return the normalised table; profiles without photons copy the nearest in energy."""
        area = np.pi * np.diff(edges**2)
        filled = _fill_empty(np.maximum(np.nan_to_num(density), 0.0))
        share = filled * area
        total = share.sum(axis=-1, keepdims=True)
        normalised = np.divide(filled, total, out=np.zeros_like(filled), where=total > 0)
        cumulative = np.cumsum(normalised * area, axis=-1).reshape(-1, len(area))
        cumulative = np.concatenate([np.zeros((len(cumulative), 1)), cumulative], axis=1)
        return cls(Lattice(axes, normalised), cumulative, edges)

    def density(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] at a radius [deg], broadcast."""
        energy_axis, offset_axis, radius_axis = self.table.axes
        inside = np.asarray(radius, dtype=np.float64) <= radius_axis.high
        energy = np.clip(energy, energy_axis.low, energy_axis.high)
        offset = np.clip(offset, offset_axis.low, offset_axis.high)
        return np.where(inside, self.table.at(energy, offset, radius, clamp=True), 0.0)

    def sample(self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return a radius [deg] for each photon."""
        row = pick_node(self.table.axes[:2], (energy, offset), rng)
        # Within a bin the density per area is constant, so that the square of the radius is even.
        return np.sqrt(sample_rows(self.cumulative, self.edges**2, row, rng))


def _fill_empty(density: FloatArray) -> FloatArray:
    """Replace profiles (energy, offset, :) without content by the nearest ones in energy."""
    filled = density.copy()
    full = density.sum(axis=-1) > 0
    for column in range(density.shape[1]):
        good = np.flatnonzero(full[:, column])
        if len(good):
            nearest = good[np.abs(np.arange(len(density))[:, None] - good).argmin(axis=1)]
            filled[:, column] = density[nearest, column]
    return filled


def pick_node(
    axes: tuple[Axis, ...], coordinates: tuple[ArrayLike, ...], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return a node of the lattice for each point, drawn with its weight of interpolation.

    To draw from the distributions of nodes so chosen is to draw from the interpolated one.

    Returns
    -------
    array of int, shape (n,)
        Flat index of the node.
    """
    index = []
    # Each photon draws for itself, also along an axis where all have the same coordinate.
    for axis, value in zip(axes, np.broadcast_arrays(*coordinates), strict=True):
        below, weight, _ = axis.place(value)
        up = rng.random(np.shape(weight)) < np.clip(weight, 0.0, 1.0)
        index.append(np.minimum(below + up, len(axis.nodes) - 1))
    shape = tuple(len(axis.nodes) for axis in axes)
    return np.asarray(np.ravel_multi_index(tuple(index), shape))


def sample_rows(
    cumulative: FloatArray,
    edges: FloatArray,
    row: NDArray[np.intp],
    rng: np.random.Generator,
) -> FloatArray:
    """Draw from binned distributions by inversion.

    Parameters
    ----------
    cumulative : array, shape (n_rows, n_bins + 1)
        Each row grows from 0 to 1, or is all zero.
    edges : array, shape (n_bins + 1,)
        Of the bins; values are even within one.
    row : array of int, shape (n,)
        Which distribution each value is drawn from.

    Returns
    -------
    array, shape (n,)
        NaN where the distribution has no content.
    """
    n_bins = cumulative.shape[1] - 1
    level = rng.random(row.shape)
    # Rows offset by their number form one increasing sequence, searched at once.
    ladder = (cumulative + 2.0 * np.arange(len(cumulative))[:, None]).ravel()
    place = np.searchsorted(ladder, level + 2.0 * row, side="right") - 1
    bin_index = np.clip(place - row * (n_bins + 1), 0, n_bins - 1)
    low, high = cumulative[row, bin_index], cumulative[row, bin_index + 1]
    empty = cumulative[row, -1] <= 0
    share = np.divide(level - low, high - low, out=np.zeros_like(level), where=high > low)
    value = edges[bin_index] + np.clip(share, 0.0, 1.0) * (edges[bin_index + 1] - edges[bin_index])
    return np.where(empty, np.nan, value)
