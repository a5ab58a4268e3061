"""The point-spread function as a sum of Gaussians: convolved with a line, it stays closed form.

A Moffat profile is itself a sum of Gaussians, a continuous one:

    (1 + r^2/a^2)^-b = 1/Gamma(b) * integral over t > 0 of t^(b-1) exp(-t) exp(-t r^2/a^2),

so that a few nodes of Gauss-Laguerre quadrature give it: to a few percent out to four times its
half width, and the tails beyond, which hold little of the flux, less well. The
image of a point source is fitted by Gaussians of fixed widths and weights that are not negative,
after the common ellipticity is taken out (Hogg & Lang 2013, PASP 125, 719, for such mixtures).
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls
from scipy.special import gamma, roots_genlaguerre

from skysift.core.errors import InputError, UsageError

__all__ = ["FWHM_PER_SIGMA", "PointSpread"]

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian of unit sigma."""

_MOFFAT_NODES = 8
_WIDTHS = 9  # Gaussians that an image is fitted with
_NEGLIGIBLE = 1e-4  # share of the flux
_MOMENT_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class PointSpread:
    """A point-spread function: Gaussians with one centre and one shape.

    Parameters
    ----------
    weights : tuple of float
        Share of the flux in each Gaussian; they sum to 1.
    sigmas : tuple of float
        Width of each [pixel].
    shape : tuple of float
        Elements xx, xy, yy of a matrix S with determinant 1: Gaussian k has the covariance
        sigma_k^2 S. A round one has 1, 0, 1.

    Examples
    --------
    >>> seeing = PointSpread.moffat(fwhm=2.0, beta=3.0)
    >>> round(seeing.fwhm, 2)
    2.0
    """

    weights: tuple[float, ...]
    sigmas: tuple[float, ...]
    shape: tuple[float, float, float] = (1.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        xx, xy, yy = self.shape
        if (
            len(self.weights) != len(self.sigmas)
            or min(self.weights, default=-1.0) < 0.0
            or not math.isclose(sum(self.weights), 1.0, rel_tol=1e-6)
            or min(self.sigmas) <= 0.0
            or xx <= 0.0
            or not math.isclose(xx * yy - xy * xy, 1.0, rel_tol=1e-6)
        ):
            raise InputError(
                "These numbers make no point-spread function.",
                "Weights are not negative and sum to 1, sigmas are above 0, the shape has "
                "determinant 1.",
            )

    @classmethod
    def gaussian(cls, fwhm: float) -> Self:
        """Make a round Gaussian of this full width at half maximum [pixel]."""
        _check_width(fwhm)
        return cls((1.0,), (fwhm / FWHM_PER_SIGMA,))

    @classmethod
    def moffat(cls, fwhm: float, beta: float = 3.5) -> Self:
        """Make a round Moffat profile (Moffat 1969, A&A 3, 455) [pixel].

        Raises
        ------
        UsageError
            If `beta` is 1.1 or less: the flux of such a profile diverges, or nearly.
        """
        _check_width(fwhm)
        if beta <= 1.1:  # noqa: PLR2004 - as documented
            raise UsageError(f"beta is {beta}.", "Seeing has a beta of 2.5 to 5.")
        scale = fwhm / (2.0 * math.sqrt(2.0 ** (1.0 / beta) - 1.0))
        # The flux of the Gaussian with exponent t r^2 / a^2 goes as 1/t: one power less.
        nodes, weights = roots_genlaguerre(_MOFFAT_NODES, beta - 2.0)
        shares = weights / gamma(beta - 1.0)
        kept = shares > _NEGLIGIBLE
        shares, nodes = shares[kept] / shares[kept].sum(), nodes[kept]
        return cls(tuple(shares.tolist()), tuple((scale / np.sqrt(2.0 * nodes)).tolist()))

    @classmethod
    def from_image(cls, image: ArrayLike) -> Self:
        """Fit the image of a point source, shape (ny, nx), without background.

        Raises
        ------
        InputError
            If the image has no flux, or is not finite.
        """
        pixels = np.asarray(image, dtype=np.float64)
        if pixels.ndim != 2 or not np.isfinite(pixels).all() or pixels.sum() <= 0.0:  # noqa: PLR2004 - an image has two axes
            raise InputError("This is no image of a point-spread function.", "Give its pixels.")
        (x0, y0), covariance = _adaptive_moments(pixels)
        size = math.sqrt(math.sqrt(np.linalg.det(covariance)))
        unit = covariance / size**2
        y, x = np.indices(pixels.shape)
        offset = np.stack([x.ravel() - x0, y.ravel() - y0])
        radius2 = np.einsum("ip,ij,jp->p", offset, np.linalg.inv(unit), offset)
        sigmas = size * np.geomspace(0.5, 5.0, _WIDTHS)
        basis = np.exp(-0.5 * radius2[:, None] / sigmas**2) / (2.0 * np.pi * sigmas**2)
        weights, _ = nnls(basis, pixels.ravel())
        kept = weights > _NEGLIGIBLE * weights.sum()
        weights = weights[kept] / weights[kept].sum()
        return cls(
            tuple(weights.tolist()),
            tuple(sigmas[kept].tolist()),
            (float(unit[0, 0]), float(unit[0, 1]), float(unit[1, 1])),
        )

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of the profile that has the shape taken out [pixel]."""
        weights, sigmas = np.array(self.weights), np.array(self.sigmas)
        low, high = 0.0, 5.0 * max(self.sigmas)
        peak = float(np.sum(weights / sigmas**2))
        for _ in range(60):
            middle = 0.5 * (low + high)
            here = float(np.sum(weights / sigmas**2 * np.exp(-0.5 * middle**2 / sigmas**2)))
            low, high = (middle, high) if here > 0.5 * peak else (low, middle)
        return 2.0 * low

    @property
    def noise_area(self) -> float:
        """Pixels whose noise the best estimate of a point's flux carries: 1 / sum of psf^2."""
        weights, variances = np.array(self.weights), np.array(self.sigmas) ** 2
        pairs = np.outer(weights, weights) / (variances[:, None] + variances)
        return float(2.0 * np.pi / pairs.sum())

    def scaled(self, factor: float) -> Self:
        """Return the same with all widths multiplied."""
        return type(self)(self.weights, tuple(factor * s for s in self.sigmas), self.shape)

    def broadened(self, sigma: float) -> Self:
        """Return the same convolved with a Gaussian of width `sigma`; it stays in its shape."""
        wider = tuple(math.hypot(own, sigma) for own in self.sigmas)
        return type(self)(self.weights, wider, self.shape)

    def whitening(self) -> NDArray[np.float64]:
        """Return the matrix, shape (2, 2), determinant 1, that makes the function round."""
        xx, xy, yy = self.shape
        values, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
        return np.asarray((vectors / np.sqrt(values)) @ vectors.T)


def _check_width(fwhm: float) -> None:
    if not fwhm > 0.0:
        raise UsageError(f"fwhm is {fwhm}.", "A width is above 0 pixels.")


def _adaptive_moments(
    pixels: NDArray[np.float64],
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Return centroid and covariance under a Gaussian weight that matches the image.

    Bernstein & Jarvis 2002, AJ 123, 583, section 3.1.
    """
    y, x = np.indices(pixels.shape)
    peak = np.unravel_index(int(np.argmax(pixels)), pixels.shape)
    center = np.array([peak[1], peak[0]], dtype=np.float64)
    covariance = np.eye(2) * 2.0
    for _ in range(_MOMENT_ROUNDS):
        offset = np.stack([x - center[0], y - center[1]])
        distance = np.einsum("iyx,ij,jyx->yx", offset, np.linalg.inv(covariance), offset)
        weighted = pixels * np.exp(-0.5 * distance)
        total = weighted.sum()
        if total <= 0.0:
            raise InputError("The point-spread function has no core.", "Give its pixels.")
        shift = np.einsum("iyx,yx->i", offset, weighted) / total
        center = center + shift
        # A Gaussian under its own weight has half its covariance.
        updated = 2.0 * np.einsum("iyx,jyx,yx->ij", offset, offset, weighted) / total
        if np.linalg.det(updated) <= 0.0:
            raise InputError("The point-spread function has no shape.", "Give its pixels.")
        settled = np.allclose(updated, covariance, rtol=1e-6)
        covariance = updated
        if settled:
            break
    return (float(center[0]), float(center[1])), covariance
