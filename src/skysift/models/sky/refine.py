"""Poisson maximum likelihood for one point source: position, counts, and what is known of them.

The photons within reach are fitted without binning. With s the counts of the source, p_i its
density at photon i and b_i that of everything else,

    ln L(s, x) = sum_i ln(s p_i(x) + b_i) - s C

(Cash 1979, ApJ 228, 939). Fisher scoring climbs to the maximum; the position of a weak source is
then the mean of the posterior for a flat prior, whose spread is honest where the likelihood is not
yet a parabola.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.local_source import LocalSource, Photons

__all__ = [
    "Refined",
    "Summit",
    "band_counts",
    "climb",
    "expected_information",
    "from_peak",
    "refine",
]

FloatArray = NDArray[np.float64]

_MOST_STEPS = 25
_LONGEST_STEP = 0.05  # deg
_SLOWEST, _FASTER = 0.05, 1.25  # the least share of a step; what a share grows by
_CLOSE = 0.01  # standard deviations of a position or the counts: the climb has come to rest
_FEWEST = 1.0  # counts of a source: fewer have no position
_GAUSSIAN_FROM = 12.0  # counts over their error, where the posterior is a parabola
_GRID = 13
_SPAN = 4.0  # standard deviations
_WIDEST = 0.3  # deg
_BLOCK = 2**15  # rates at a time
_POSTERIOR_REACH = 0.5  # deg: photons further away hardly tell one place from the next
_STEEPNESS = 2.5  # dN/ds ~ s^-2.5
_LEAST_LEFT = 0.5
_POSITIVE = 0.95
_STILL = 1e-3  # counts
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Refined:
    """A fitted point source.

    Parameters
    ----------
    xi, eta : float [deg]
        Plane position.
    covariance : array, shape (2, 2) [deg2]
        Of the position.
    counts, counts_error : float
        Of the source, all bands, and the standard deviation.
    by_band : array, shape (n_bands,)
        Counts in each band, fitted apart at this position: free of any assumed spectrum.
    by_band_error : array, shape (n_bands,)
        Their standard deviations.
    ts : float
        Twice the gain in log-likelihood.
    converged : bool
        Whether the climb came to rest.
    """

    xi: float
    eta: float
    covariance: FloatArray
    counts: float
    counts_error: float
    by_band: FloatArray
    by_band_error: FloatArray
    ts: float
    converged: bool


@dataclass(frozen=True, slots=True)
class Summit:
    """Where the likelihood of a point source is highest; the counts are of all bands together.

    Parameters
    ----------
    xi, eta : float [deg]
        Plane position.
    counts : float
        Of the source, with the shares of the bands held.
    information : tuple of float
        Fisher's, on the counts and on a coordinate [deg-2].
    converged : bool
        Whether the climb came to rest.
    """

    xi: float
    eta: float
    counts: float
    information: tuple[float, float]
    converged: bool

    @property
    def place(self) -> tuple[float, float, float]:
        """Position and counts."""
        return self.xi, self.eta, self.counts

    @property
    def strength(self) -> float:
        """Counts over their standard deviation."""
        return self.counts * float(np.sqrt(self.information[0]))


def climb(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    level: FloatArray,
    start: tuple[float, float, float],
) -> Summit:
    """Find the maximum of the likelihood; the parameters are those of `refine`.

    Steps are those of Fisher's scoring. Where few photons make the top narrower than is expected,
    they leap from one side of it to the other: a step that turns back is halved, and so are those
    after it until they agree again.
    """
    xi, eta, counts = start
    counts, converged = max(counts, _FEWEST), False
    before, pace = np.zeros(2), 1.0
    for _ in range(_MOST_STEPS):
        gradient = _gradient(photons, background, source, (xi, eta, counts))
        information = expected_information(source, level, counts)
        move = gradient[1:] / information[1]
        pace = max(pace / 2, _SLOWEST) if move @ before < 0 else min(1.0, pace * _FASTER)
        before = move.copy()
        length = float(np.hypot(*move))
        move *= min(pace, _LONGEST_STEP / max(length, _TINY))
        gain = min(float(gradient[0] / information[0]), counts)
        gain = max(gain, -0.5 * counts, _FEWEST - counts)
        xi, eta, counts = xi + float(move[0]), eta + float(move[1]), counts + gain
        if length**2 * information[1] < _CLOSE**2 and gain**2 * information[0] < _CLOSE**2:
            converged = True
            break
    return Summit(xi, eta, counts, expected_information(source, level, counts), converged)


def refine(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    level: FloatArray,
    start: tuple[float, float, float] | Summit,
    *,
    level_error: FloatArray | None = None,
) -> Refined:
    """Fit a point source.

    Parameters
    ----------
    photons : Photons
        Those within reach of the source.
    background : array, shape (n_photons,) [deg-2]
        Density of all but this source at each photon, in its band, > 0.
    source : LocalSource
        Shares and point spread function.
    level : array, shape (n_bands,) [deg-2]
        Density of the background at the source.
    start : tuple of float, or Summit
        Plane position xi, eta [deg] and counts to begin with; or where the climb has led already.
    level_error : array, shape (n_bands,), or None
        Relative error of the background of each band, for the errors of the counts.
    """
    top = start
    if not isinstance(top, Summit):
        top = climb(photons, background, source, level, top)
    xi, eta, counts = top.place
    if top.strength > _GAUSSIAN_FROM:
        covariance = _observed_covariance(
            photons, background, source, top.place, top.information[1]
        )
    else:
        xi, eta, covariance = _posterior(photons, background, source, top)
    by_band, variance = band_counts(
        photons, background, source, level, place=(xi, eta), level_error=level_error
    )
    density = source.density_at(photons.band, np.hypot(photons.xi - xi, photons.eta - eta))
    ts = 2 * float(
        photons.weight @ np.log1p(counts * density / background) - counts * source.contained
    )
    return Refined(
        xi,
        eta,
        covariance,
        float(by_band.sum()),
        float(np.sqrt(variance.sum())),
        by_band,
        np.sqrt(variance),
        ts,
        top.converged,
    )


def from_peak(
    place: tuple[float, float], counts: float, source: LocalSource, level: FloatArray
) -> Refined:
    """Return what a filter alone tells of a source: no fit, and the errors that a fit would have.

    Parameters
    ----------
    place : tuple of float [deg]
        Plane position of the peak.
    counts : float
        As the height of the peak has them.
    source : LocalSource
        Shares and point spread function.
    level : array, shape (n_bands,) [deg-2]
        Density of the background at the source.
    """
    on_counts, on_place = expected_information(source, level, max(counts, _FEWEST))
    return Refined(
        *place,
        np.eye(2) / on_place,
        counts,
        float(1 / np.sqrt(on_counts)),
        counts * source.share,
        np.full(len(source.share), np.nan),
        float("nan"),
        converged=True,
    )


def _gradient(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    at: tuple[float, float, float],
) -> FloatArray:
    """Return the derivatives of ln L with counts, xi and eta."""
    xi, eta, counts = at
    d_xi, d_eta = xi - photons.xi, eta - photons.eta
    radius = np.sqrt(d_xi**2 + d_eta**2) + _TINY
    density, slope = source.evaluate(photons.band, radius)
    per_photon = photons.weight / (counts * density + background)
    pull = counts * slope / radius * per_photon
    return np.array([density @ per_photon - source.contained, pull @ d_xi, pull @ d_eta])


def expected_information(
    source: LocalSource, level: FloatArray, counts: float
) -> tuple[float, float]:
    """Return Fisher's information on the counts and on a coordinate [deg-2], flat background.

    Parameters
    ----------
    source : LocalSource
        Shares and point spread function.
    level : array, shape (n_bands,) [deg-2]
        Density of the background at the source.
    counts : float
        Of the source.
    """
    density = source.share[:, None] * source.density
    rate = counts * density + level[:, None]
    on_counts = float(((density**2 / rate) @ source.ring_area).sum())
    slope = counts * source.share[:, None] * source.slope
    on_place = float(((slope**2 / rate) @ source.ring_area).sum() / 2)
    return on_counts, max(on_place, _TINY)


def _observed_covariance(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    at: tuple[float, float, float],
    expected: float,
) -> FloatArray:
    """Return the inverse of the observed information on the position."""
    h = 0.2 / np.sqrt(expected)
    xi, eta, counts = at
    columns = []
    for step in ((h, 0.0), (0.0, h)):
        up = _gradient(photons, background, source, (xi + step[0], eta + step[1], counts))
        down = _gradient(photons, background, source, (xi - step[0], eta - step[1], counts))
        columns.append((down - up)[1:] / (2 * h))
    observed = np.array(columns)
    observed = (observed + observed.T) / 2
    if (
        np.linalg.eigvalsh(observed).min() < 0.2 * expected
    ):  # not at a maximum: say what is expected
        observed = expected * np.eye(2)
    return np.asarray(np.linalg.inv(observed))


def _posterior(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    top: Summit,
) -> tuple[float, float, FloatArray]:
    """Return mean and covariance of the position for a flat prior, the counts held.

    Those that reach a threshold are more often weaker sources pushed up than stronger ones pushed
    down (Eddington 1913, MNRAS 73, 359): their counts are held where the posterior is highest for
    counts distributed as those of sources spread evenly in space.
    """
    xi, eta, counts = top.place
    counts = max(counts - _STEEPNESS / (top.information[0] * counts), _LEAST_LEFT * counts)
    half = min(_SPAN / np.sqrt(top.information[1]), _WIDEST)
    nodes = np.linspace(-half, half, _GRID)
    x, y = (axis.ravel() for axis in np.meshgrid(xi + nodes, eta + nodes))
    near = np.hypot(photons.xi - xi, photons.eta - eta) < half + _POSTERIOR_REACH
    per_background = (1 / background[near]).astype(np.float32)
    table = (source.share[:, None] * source.density * counts).astype(np.float32)
    first_of_band = photons.band[near].astype(np.intp) * table.shape[1]
    step = np.float32(source.step)
    d_xi, d_eta = (
        ((nodes[:, None] - away[near]) / step).astype(np.float32) ** 2
        for away in (photons.xi - xi, photons.eta - eta)
    )
    by_row = np.empty((_GRID, _GRID))
    rows = max(1, _BLOCK // max(d_xi.size, 1))  # what fits into the cache is several times faster
    for first in range(0, _GRID, rows):
        place = np.sqrt(d_eta[first : first + rows, None] + d_xi[None])
        np.minimum(place, table.shape[1] - 1, out=place)
        place += np.float32(0.5)
        entry = place.astype(np.intp)
        entry += first_of_band
        rate = table.take(entry)
        rate *= per_background
        rate += np.float32(1)
        by_row[first : first + rows] = np.log(rate, out=rate) @ photons.weight[near]
    log_likelihood = by_row.ravel()
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    mean_x, mean_y = float(weight @ x), float(weight @ y)
    d = np.stack([x - mean_x, y - mean_y])
    return mean_x, mean_y, (weight * d) @ d.T


def band_counts(
    photons: Photons,
    background: FloatArray,
    source: LocalSource,
    level: FloatArray,
    *,
    place: tuple[float, float],
    level_error: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Return the counts of the source in each band, fitted one by one, and their variances.

    A band's counts may come out negative, so that their sum is not biased, but never so far that
    the rate would be negative anywhere.
    """
    n_bands = len(source.share)
    radius = np.hypot(photons.xi - place[0], photons.eta - place[1])
    whole = LocalSource(np.ones(n_bands), source.density, source.step)
    density = whole.density_at(photons.band, radius)
    ratio = density / background
    contained = source.density @ source.ring_area
    counts = np.where(contained > 0, _FEWEST, 0.0)
    lowest = -_POSITIVE * level / np.maximum(source.density[:, 0], _TINY)
    for _ in range(_MOST_STEPS):
        term = ratio / (1 + counts[photons.band] * ratio)
        gradient = np.bincount(photons.band, photons.weight * term, n_bands) - contained
        curvature = np.bincount(photons.band, photons.weight * term**2, n_bands)
        step = gradient / np.maximum(curvature, _TINY)
        size = np.abs(counts)
        step = np.minimum(np.maximum(step, -0.5 * size - 2), size + 2)
        new = np.maximum(counts + step, lowest)
        moved = np.abs(new - counts).max()
        counts = new
        if moved < _STILL:
            break
    rate = np.maximum(counts, 0)[:, None] * source.density + level[:, None]
    # A band without background, in which nothing was found, says nothing.
    share = np.divide(source.density, rate, out=np.zeros_like(rate), where=rate > 0)
    information = (share * source.density) @ source.ring_area
    information = np.maximum(information, _TINY)
    variance = np.where(information > _TINY, 1 / information, 0.0)  # none where nothing is sent
    if level_error is not None:
        shadow = (share * level[:, None]) @ source.ring_area
        variance = variance + (shadow / information * level_error) ** 2
    return counts, variance
