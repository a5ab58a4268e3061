"""Background from a ring about the source."""

from dataclasses import dataclass

import numpy as np

from skysift.core.errors import UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList
from skysift.data.sky.tangent import separation
from skysift.evaluate.aperture.acceptance import RadialAcceptance
from skysift.evaluate.aperture.exclusion import Circle, Exclusion
from skysift.evaluate.aperture.on_off import OnOff
from skysift.evaluate.aperture.sphere import annulus_points, solid_angle
from skysift.evaluate.inputs import BoolArray, FloatArray
from skysift.preprocess.folding import pixel_solid_angle

__all__ = ["ring_background"]

_POINTS = 2000  # shares are good to a part in a thousand
_POINTS_ON = 200


@dataclass(frozen=True, slots=True)
class _Sample:
    """Counts and exposure at distances from the source."""

    distance: FloatArray
    counts: FloatArray
    exposed_at: FloatArray
    exposure: FloatArray
    excluded: BoolArray
    excluded_exposure: BoolArray

    def off(self, inner: float, outer: float) -> tuple[float, float]:
        """Return the counts and the exposure of a ring, less what is excluded."""
        counted = (self.distance >= inner) & (self.distance <= outer) & ~self.excluded
        exposed = (self.exposed_at >= inner) & (self.exposed_at <= outer) & ~self.excluded_exposure
        return float(self.counts[counted].sum()), float(self.exposure[exposed].sum())

    def on(self, radius: float) -> tuple[float, float]:
        """Return the counts and the exposure of a circle."""
        return (
            float(self.counts[self.distance <= radius].sum()),
            float(self.exposure[self.exposed_at <= radius].sum()),
        )


def ring_background(
    data: EventList | CountsMap,
    on: Circle,
    r_in: float,
    r_out: float,
    *,
    acceptance: RadialAcceptance | None = None,
    exclusion: Exclusion | None = None,
    alpha_max: float | None = None,
    r_out_max: float = 2.0,
) -> OnOff | None:
    """Count in a circle and in the ring about it (Berge, Funk & Hinton 2007, section 4.1).

    Parameters
    ----------
    data : EventList or CountsMap
        Photons, or their counts: a pixel belongs to a region if its centre does.
    on : Circle
        The on region.
    r_in, r_out : float [deg]
        Radii of the ring.
    acceptance : RadialAcceptance, optional
        Density of the background, whose integrals give alpha; flat if left out.
    exclusion : Exclusion, optional
        Parts of the ring that do not count.
    alpha_max : float, optional
        Where exclusions leave so little of the ring that alpha is larger, the ring widens outwards
        until it is not (the adaptive ring of the H.E.S.S. Galactic plane survey 2018, A&A 612, A1,
        section 3.3).
    r_out_max : float [deg]
        How far it may widen.

    Returns
    -------
    OnOff or None
        None if nothing of the ring is left, or the source lies where there is no acceptance.

    Raises
    ------
    UsageError
        If the radii are not in the order on, in, out.
    """
    if not on.radius <= r_in < r_out:
        raise UsageError(
            f"A ring from {r_in} to {r_out} deg does not surround a circle of {on.radius} deg.",
            "Give on.radius <= r_in < r_out.",
        )
    widest = r_out if alpha_max is None else max(r_out, r_out_max)
    if isinstance(data, EventList):
        sample = _of_events(data, on, (r_in, widest), acceptance, exclusion)
    else:
        sample = _of_map(data, on, widest, acceptance, exclusion)
    n_on, on_exposure = sample.on(on.radius)
    n_off, off_exposure = sample.off(r_in, r_out)
    if alpha_max is not None:
        outer = r_out
        while outer < widest and off_exposure * alpha_max < on_exposure:
            outer = min(outer + on.radius, widest)
            n_off, off_exposure = sample.off(r_in, outer)
    if not (on_exposure > 0 and off_exposure > 0):
        return None
    return OnOff(n_on, n_off, on_exposure / off_exposure)


def _of_events(
    events: EventList,
    on: Circle,
    reach: tuple[float, float],
    acceptance: RadialAcceptance | None,
    exclusion: Exclusion | None,
) -> _Sample:
    distance = separation(events.ra, events.dec, on.ra, on.dec)
    near = distance <= reach[1]
    ra, dec = events.ra[near], events.dec[near]
    sky, area = [], []
    for inner, outer, n in ((0.0, on.radius, _POINTS_ON), (*reach, _POINTS)):
        sky.append(annulus_points(on.ra, on.dec, inner, outer, n))
        area.append(np.full(n, solid_angle(outer, inner) / n))
    point_ra, point_dec = (np.concatenate(axis) for axis in zip(*sky, strict=True))
    exposure = np.concatenate(area)
    if acceptance is not None:
        exposure = exposure * acceptance.at(point_ra, point_dec)
    return _Sample(
        distance[near],
        np.ones(int(near.sum())),
        separation(point_ra, point_dec, on.ra, on.dec),
        exposure,
        _excluded(exclusion, ra, dec),
        _excluded(exclusion, point_ra, point_dec),
    )


def _of_map(
    counts: CountsMap,
    on: Circle,
    reach: float,
    acceptance: RadialAcceptance | None,
    exclusion: Exclusion | None,
) -> _Sample:
    grid = counts.grid
    xi, eta = (axis.ravel() for axis in np.meshgrid(*grid.pixel_centres()))
    # Nothing beyond this box is within reach: the plane stretches distances by the squared secant
    # of the angle from its middle at most.
    xi_0, eta_0 = grid.to_plane(on.ra, on.dec)
    farthest = max(float(np.max(np.hypot(xi, eta))), float(np.hypot(xi_0, eta_0)))
    stretch = 1 + np.radians(farthest) ** 2
    box = np.maximum(np.abs(xi - xi_0), np.abs(eta - eta_0)) <= reach * stretch + grid.pixel_size
    ra, dec = grid.from_plane(xi[box], eta[box])
    exposure = pixel_solid_angle(grid).ravel()[box]
    if acceptance is not None:
        exposure = exposure * acceptance.at(ra, dec)
    distance = separation(ra, dec, on.ra, on.dec)
    excluded = _excluded(exclusion, ra, dec)
    image = counts.counts.sum(axis=0, dtype=np.float64).ravel()[box]
    return _Sample(distance, image, distance, exposure, excluded, excluded)


def _excluded(exclusion: Exclusion | None, ra: FloatArray, dec: FloatArray) -> BoolArray:
    return np.zeros(ra.shape, dtype=bool) if exclusion is None else exclusion.excludes(ra, dec)
