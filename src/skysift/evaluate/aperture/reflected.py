"""Background from regions at the same offset from the pointing as the source."""

import numpy as np

from skysift.core.errors import UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.tangent import separation
from skysift.evaluate.aperture.exclusion import Circle, Exclusion
from skysift.evaluate.aperture.on_off import OnOff
from skysift.evaluate.aperture.sphere import offset_by, position_angle
from skysift.evaluate.inputs import BoolArray, FloatArray

__all__ = ["reflected_on_off", "reflected_regions", "wobble_regions"]

_FULL_CIRCLE = 360.0
_ROUNDING = 1e-9


def reflected_regions(
    on: Circle,
    pointing: Pointing,
    exclusion: Exclusion | None = None,
    *,
    min_distance: float = 0.0,
    min_distance_input: float = 5.729577951308232,
    angle_increment: float = 0.5729577951308232,
    max_regions: int = 10_000,
) -> list[Circle]:
    """Return circles like the on region, turned about the pointing, that touch nothing excluded.

    As many as fit: each begins where the last one ends (Berge, Funk & Hinton 2007, A&A 466, 1219,
    section 4.2). All have the same offset, hence the same acceptance, so that alpha is one over
    their number.

    Parameters
    ----------
    on : Circle
        The on region.
    pointing : Pointing
        Where the telescope looked.
    exclusion : Exclusion, optional
        What the regions must not overlap. The on region itself may be excluded.
    min_distance : float [deg]
        Free angle, seen from the pointing, between two regions.
    min_distance_input : float [deg]
        The same between a region and the on region; 0.1 rad if left out, as in gammapy.
    angle_increment : float [deg]
        Step of the search past an excluded part of a mask image, 0.01 rad if left out. Past an
        excluded circle it goes at once.
    max_regions : int
        The most regions to return.

    Returns
    -------
    list of Circle
        In the order of their position angles from the on region. None if the pointing lies within
        the on region, or if nothing is free.

    Raises
    ------
    UsageError
        If the increment is not positive or a distance is negative.

    Notes
    -----
    gammapy's ReflectedRegionsFinder measures the angle that a region spans in pixels of 0.01 deg,
    and so packs regions up to 2 % too tightly; here it is exact, ``2 asin(sin r / sin offset)``.

    Examples
    --------
    >>> crab = Circle(83.633, 22.014, 0.1)
    >>> len(reflected_regions(crab, Pointing(83.633, 22.514)))
    14
    """
    if not angle_increment > 0 or min_distance < 0 or min_distance_input < 0:
        raise UsageError(
            "Reflected regions need an increment above 0 and distances of at least 0.",
            "Leave them out for the usual values.",
        )
    offset = float(separation(on.ra, on.dec, pointing.ra, pointing.dec))
    if offset <= on.radius:
        return []
    span = _span(on.radius, offset) + min_distance
    start = float(position_angle(pointing.ra, pointing.dec, on.ra, on.dec))
    excluded = exclusion or Exclusion()
    blocked = [_blocked(on, pointing, other, offset, start) for other in excluded.circles]
    masks = Exclusion(masks=excluded.masks)
    regions: list[Circle] = []
    angle = span + min_distance_input
    last = _FULL_CIRCLE - span - min_distance_input + _ROUNDING
    while angle <= last and len(regions) < max_regions:
        beyond = max((_end_of_block(angle, *interval) for interval in blocked), default=angle)
        if beyond > angle:
            angle = beyond
            continue
        region = _turned(on, pointing, start + angle, offset)
        if masks and masks.overlaps(region):
            angle += angle_increment
        else:
            regions.append(region)
            angle += span
    return regions


def wobble_regions(
    on: Circle, pointing: Pointing, n_off: int, exclusion: Exclusion | None = None
) -> list[Circle]:
    """Return regions at equal angles about the pointing, less those that touch what is excluded.

    Parameters
    ----------
    on : Circle
        The on region, with its largest radius.
    pointing : Pointing
        Where the telescope looked.
    n_off : int
        Number of off regions: n_off + 1 positions share the full circle.
    exclusion : Exclusion, optional
        What they must not overlap.

    Raises
    ------
    UsageError
        If the regions would overlap one another.
    """
    offset = float(separation(on.ra, on.dec, pointing.ra, pointing.dec))
    step = _FULL_CIRCLE / (n_off + 1)
    if offset <= on.radius or step < _span(on.radius, offset) - _ROUNDING:
        raise UsageError(
            f"{n_off} regions of {on.radius:g} deg at an offset of {offset:.3g} deg overlap.",
            "Ask for fewer regions or a smaller radius.",
        )
    start = float(position_angle(pointing.ra, pointing.dec, on.ra, on.dec))
    regions = [_turned(on, pointing, start + step * k, offset) for k in range(1, n_off + 1)]
    return [region for region in regions if exclusion is None or not exclusion.overlaps(region)]


def reflected_on_off(
    data: EventList | CountsMap, on: Circle, regions: list[Circle], *, band: slice | None = None
) -> OnOff | None:
    """Count on and off a source.

    Parameters
    ----------
    data : EventList or CountsMap
        Photons, or their counts: a pixel belongs to a region if its centre does.
    on : Circle
        The on region.
    regions : list of Circle
        Off regions of the same offset and size, that do not overlap.
    band : slice, optional
        Energy bands of a counts map to add up; all if left out.

    Returns
    -------
    OnOff or None
        None without off regions. For events alpha is one over the number of regions, for a map the
        number of pixels on over that off.
    """
    if not regions:
        return None
    pointing = data.pointing
    if isinstance(data, EventList):
        near = _near(data.ra, data.dec, on, pointing)
        ra, dec = data.ra[near], data.dec[near]
        n_on, *n_off = (int(region.contains(ra, dec).sum()) for region in (on, *regions))
        return OnOff(n_on, sum(n_off), 1 / len(regions))
    ra, dec = data.grid.from_plane(*np.meshgrid(*data.grid.pixel_centres()))
    image = data.counts[band if band is not None else slice(None)].sum(axis=0, dtype=np.float64)
    near = _near(ra, dec, on, pointing)
    ra, dec, image = ra[near], dec[near], image[near]
    inside_on = on.contains(ra, dec)
    inside_off = np.any([region.contains(ra, dec) for region in regions], axis=0)
    if not inside_on.any() or not inside_off.any():
        return None
    return OnOff(
        float(image[inside_on].sum()),
        float(image[inside_off].sum()),
        float(inside_on.sum() / inside_off.sum()),
    )


def _near(ra: FloatArray, dec: FloatArray, on: Circle, pointing: Pointing) -> BoolArray:
    """Tell what lies in the annulus about the pointing that holds the on region and its like."""
    offset = float(separation(on.ra, on.dec, pointing.ra, pointing.dec))
    reach = on.radius * (1 + _ROUNDING)
    return np.asarray(np.abs(separation(ra, dec, pointing.ra, pointing.dec) - offset) <= reach)


def _span(radius: float, offset: float) -> float:
    """Return the angle [deg] that a circle spans, seen from the pointing."""
    return float(np.degrees(2 * np.arcsin(np.sin(np.radians(radius)) / np.sin(np.radians(offset)))))


def _blocked(
    on: Circle, pointing: Pointing, other: Circle, offset: float, start: float
) -> tuple[float, float]:
    """Return the middle and half width [deg] of the angles at which a region overlaps a circle.

    Angles are about the pointing, from that of the on region. The width follows from the law of
    cosines in the triangle of pointing, circle and region.
    """
    distance = float(separation(other.ra, other.dec, pointing.ra, pointing.dec))
    middle = float(position_angle(pointing.ra, pointing.dec, other.ra, other.dec)) - start
    reach, side, far = np.radians([on.radius + other.radius, offset, distance])
    adjacent = np.cos(reach) - np.cos(side) * np.cos(far)
    opposite = np.sin(side) * np.sin(far)
    if opposite == 0:  # the circle is about the pointing itself
        return middle, _FULL_CIRCLE / 2 if adjacent < 0 else 0.0
    return middle, float(np.degrees(np.arccos(np.clip(adjacent / opposite, -1.0, 1.0))))


def _end_of_block(angle: float, middle: float, half_width: float) -> float:
    """Return where the blocked angles end if this is one of them, else the angle itself."""
    if half_width >= _FULL_CIRCLE / 2:
        return np.inf
    from_middle = (angle - middle + _FULL_CIRCLE / 2) % _FULL_CIRCLE - _FULL_CIRCLE / 2
    if abs(from_middle) >= half_width - _ROUNDING:
        return angle
    return angle + half_width - from_middle


def _turned(on: Circle, pointing: Pointing, angle: float, offset: float) -> Circle:
    ra, dec = offset_by(pointing.ra, pointing.dec, angle, offset)
    return Circle(float(ra), float(dec), on.radius)
