"""Fluxes in circular apertures of many cutouts at once, and radii that hold a part of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["aperture_fluxes", "radius_of_part"]

FloatArray = NDArray[np.float64]

_PARTS = 5  # of a pixel along each axis, as in SExtractor
_SMALL = 3.0  # radius up to which pixels are divided


def aperture_fluxes(signal: FloatArray, centers: FloatArray, radii: Sequence[float]) -> FloatArray:
    """Return the flux within circles about each target.

    In circles of up to three pixels each pixel is divided into 5 x 5 parts, as SExtractor does
    (Bertin & Arnouts 1996, A&AS 117, 393), on whose apertures the corrections of ZTF rest; in
    larger ones a pixel counts by ``clip(R - r + 1/2, 0, 1)``, r the distance of its centre, which
    agrees with its exact area to 1e-3 of the flux there.

    Parameters
    ----------
    signal : array, shape (n, ny, nx)
        Pixels minus sky, finite.
    centers : array, shape (n, 2)
        Targets, y and x [pixel].
    radii : sequence of float
        Radii [pixel].

    Returns
    -------
    array, shape (n, n_radii)
        Fluxes, in the unit of the signal.
    """
    n, ny, nx = signal.shape
    fluxes = np.empty((n, len(radii)))
    small = [radius for radius in radii if radius <= _SMALL]
    dy = np.arange(ny) - centers[:, :1]
    dx = np.arange(nx) - centers[:, 1:]
    distance = np.sqrt(dy[:, :, np.newaxis] ** 2 + dx[:, np.newaxis, :] ** 2)
    divided = iter(_divided(signal, centers, small)) if small else iter(())
    for k, radius in enumerate(radii):
        if radius <= _SMALL:
            fluxes[:, k] = next(divided)
        else:
            weight = np.clip(radius + 0.5 - distance, 0.0, 1.0)
            fluxes[:, k] = np.einsum("nyx,nyx->n", weight, signal)
    return fluxes


def _divided(signal: FloatArray, centers: FloatArray, radii: Sequence[float]) -> list[FloatArray]:
    """Sum parts of pixels near the target; each circle's parts are counted per pixel first."""
    n, ny, nx = signal.shape
    half = int(np.ceil(max(radii) + 0.5))
    nearest = np.rint(centers).astype(np.int64)
    offsets = np.arange(-half, half + 1)
    rows, columns = nearest[:, :1] + offsets, nearest[:, 1:] + offsets
    inside = ((rows >= 0) & (rows < ny))[:, :, np.newaxis] & ((columns >= 0) & (columns < nx))[
        :, np.newaxis, :
    ]
    near = signal[
        np.arange(n)[:, np.newaxis, np.newaxis],
        np.clip(rows, 0, ny - 1)[:, :, np.newaxis],
        np.clip(columns, 0, nx - 1)[:, np.newaxis, :],
    ]
    near = np.where(inside, near, 0.0).astype(np.float32)
    parts = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    steps = (offsets[:, np.newaxis] + parts).ravel()
    shift = (nearest - centers).astype(np.float32)
    dy2 = (steps.astype(np.float32) + shift[:, :1]) ** 2
    dx2 = (steps.astype(np.float32) + shift[:, 1:]) ** 2
    spread = np.repeat(np.repeat(near, _PARTS, axis=1), _PARTS, axis=2)
    squared = dy2[:, :, np.newaxis] + dx2[:, np.newaxis, :]
    return [
        np.einsum("nyx,nyx->n", squared < radius**2, spread, dtype=np.float64) / _PARTS**2
        for radius in radii
    ]


def radius_of_part(
    radii: Sequence[float], fluxes: FloatArray, total: FloatArray, part: float
) -> FloatArray:
    """Return the radius of the circle that holds a part of the flux, shape (n,).

    Parameters
    ----------
    radii : sequence of float
        Radii, growing [pixel].
    fluxes : array, shape (n, n_radii)
        Flux within each.
    total : array, shape (n,)
        All of the flux.
    part : float
        The part, e.g. 0.5 for the half-light radius.

    Notes
    -----
    Linear in the area between the radii, from 0 at the centre; NaN where the flux is not positive,
    the largest radius where even that does not hold the part.

    Examples
    --------
    >>> flux = np.pi * np.array([[1.0, 4.0, 9.0]])  # of an even brightness
    >>> radius_of_part([1, 2, 3], flux, flux[:, -1], 0.5).round(6).tolist()
    [2.12132]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = np.maximum.accumulate(fluxes / total[:, np.newaxis], axis=1)
    n = len(grown)
    grown = np.concatenate([np.zeros((n, 1)), np.maximum(grown, 0.0)], axis=1)
    areas = np.concatenate([[0.0], np.square(np.asarray(radii, dtype=np.float64))])
    above = np.argmax(grown >= part, axis=1)
    never = ~(grown >= part).any(axis=1)
    above[never] = len(areas) - 1
    rows = np.arange(n)
    low, high = grown[rows, above - 1], grown[rows, above]
    with np.errstate(divide="ignore", invalid="ignore"):
        way = np.clip((part - low) / (high - low), 0.0, 1.0)
    area = areas[above - 1] + np.nan_to_num(way, nan=1.0) * (areas[above] - areas[above - 1])
    return np.where(total > 0, np.sqrt(area), np.nan)
