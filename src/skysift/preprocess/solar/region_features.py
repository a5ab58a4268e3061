"""What a magnetogram of an active region tells of flares to come.

Flares take their energy from sheared field about the polarity inversion line. The quantities here
need the line-of-sight field only, so that they can be had from MDI, GONG and HMI alike: flux and
area of the strong field, the R value of Schrijver, length and gradients of the inversion line,
separation and tilt of the polarities. Where HMI's SHARP pipeline computes the same (Bobra et al.
2014, Sol. Phys. 289, 3549), the definitions are those of its code, so that header keywords can be
compared.
"""

from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.core.errors import InputError

__all__ = ["SOLAR_RADIUS", "RegionFeatures", "inversion_line", "r_value", "region_features"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SOLAR_RADIUS = 696.0
"""Mm, as the keyword RSUN_REF of HMI has it."""

_ARCSEC = 0.725  # Mm at a distance of 1 au
_MDI_PIXEL = 2.0  # arcsec: the R value is defined on maps of MDI
_R_FIELD = 150.0  # G
_R_WIDTH = 10.0  # MDI pixels, full width at half maximum: 15 Mm
_R_REACH = 20  # MDI pixels at which the kernel of the SHARP code ends
_ACTIVE = 50.0  # G: what is weaker is noise or quiet network
_STRONG = 100.0  # G
_SMOOTHED = 1.5  # Mm, standard deviation of the field that tells where the polarity changes
_STEEP = 50.0  # G per Mm: a strong gradient (Falconer et al. 2008, ApJ 689, 1433)
_MM2_IN_CM2 = 1e16


@dataclass(frozen=True, slots=True)
class RegionFeatures:
    """Physical features of a magnetogram of one region.

    Parameters
    ----------
    unsigned_flux, net_flux : float [Mx]
        Sum of the absolute and of the signed flux of pixels above 50 G. The unsigned one is within
        a tenth of the keyword USFLUXL, which takes the pixels of a bitmap.
    imbalance : float
        Net over unsigned flux, absolute; 0 for a region in balance.
    area : float [Mm2]
        Of pixels above 100 G.
    strongest_field : float [G]
        Mean of the strongest 1 % of the pixels above 100 G.
    mean_gradient : float [G / Mm]
        Of the field along the surface, in pixels above 50 G.
    r_value : float
        Logarithm (base 10) of the unsigned field [G pixels of MDI] within about 15 Mm of steep
        inversion lines; 0 where there is none (Schrijver 2007, ApJL 655, L117; keyword R_VALUE).
    line_length : float [Mm]
        Of the inversion line between strong fields.
    line_steep_length : float [Mm]
        Of its parts with a gradient above 50 G / Mm.
    line_gradient, line_steepest : float [G / Mm]
        Mean and largest gradient along it.
    line_gradient_integral : float [G]
        Of the gradient along it (WLSG; Falconer et al. 2008).
    separation : float [Mm]
        Between the flux-weighted centres of the polarities.
    tilt : float [deg]
        Of the line from the following to the leading (western) one: positive where the leading
        polarity is nearer to the north. -90 to 90.
    """

    unsigned_flux: float
    net_flux: float
    imbalance: float
    area: float
    strongest_field: float
    mean_gradient: float
    r_value: float
    line_length: float
    line_steep_length: float
    line_gradient: float
    line_steepest: float
    line_gradient_integral: float
    separation: float
    tilt: float

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the features, in order."""
        return tuple(one.name for one in fields(cls))

    def to_dict(self) -> dict[str, float]:
        """Return features by name."""
        return asdict(self)


def region_features(field: NDArray[np.floating], pixel: float) -> RegionFeatures:
    """Measure a magnetogram.

    Parameters
    ----------
    field : array, shape (n_y, n_x) [G]
        Line-of-sight or radial field of one region, in pixels of equal area, north up and west to
        the right; NaN where nothing was measured.
    pixel : float [Mm]
        Side of a pixel on the surface.

    Raises
    ------
    InputError
        If the map is no image, holds no number, or the pixel has no size.

    Examples
    --------
    >>> y, x = np.mgrid[-40:41, -80:81]
    >>> spot = lambda at: np.exp(-((x - at) ** 2 + y**2) / 200)
    >>> found = region_features(1500 * (spot(40) - spot(-40)), 0.36)
    >>> round(found.separation, 1), round(abs(found.tilt), 1), found.imbalance < 0.01
    (28.8, 0.0, True)
    """
    measured = _checked(field, pixel)
    known = np.isfinite(measured)
    filled = np.where(known, measured, 0.0)
    strength = np.abs(filled)
    gradient = _gradient(filled, pixel)
    active, strong = strength > _ACTIVE, strength > _STRONG
    pixel_flux = pixel**2 * _MM2_IN_CM2
    unsigned = float(strength[active].sum()) * pixel_flux
    net = float(filled[active].sum()) * pixel_flux
    line = inversion_line(filled, pixel)
    on_line = gradient[line]
    separation, tilt = _polarities(np.where(strong, filled, 0.0), pixel)
    return RegionFeatures(
        unsigned_flux=unsigned,
        net_flux=net,
        imbalance=abs(net) / unsigned if unsigned > 0 else 0.0,
        area=float(strong.sum()) * pixel**2,
        strongest_field=_mean_of_highest(strength[strong]),
        mean_gradient=_mean(gradient[active]),
        r_value=r_value(measured, pixel),
        line_length=len(on_line) * pixel,
        line_steep_length=int((on_line > _STEEP).sum()) * pixel,
        line_gradient=_mean(on_line),
        line_steepest=float(on_line.max(initial=0.0)),
        line_gradient_integral=float(on_line.sum()) * pixel,
        separation=separation,
        tilt=tilt,
    )


def r_value(field: NDArray[np.floating], pixel: float) -> float:
    """Return the R value of Schrijver as the SHARP pipeline computes it.

    Every so many pixels one is taken, so that they are 2 arcsec apart as those of MDI; where
    pixels above 150 G of both signs touch is a steep inversion line; the unsigned field weighed
    with a Gaussian of 10 such pixels about the line is added up. The pipeline cuts the field to
    whole gauss, which lowers its keyword by up to 0.006.

    Parameters
    ----------
    field : array, shape (n_y, n_x) [G]
        Line-of-sight field; NaN does not count.
    pixel : float [Mm]
        Side of a pixel on the surface.

    Raises
    ------
    InputError
        See `region_features`.
    """
    measured = _checked(field, pixel)
    step = max(round(_MDI_PIXEL * _ARCSEC / pixel), 1)
    high, wide = (length // step for length in measured.shape)
    coarse = measured[::step, ::step][:high, :wide]
    if coarse.size == 0:
        return 0.0
    near = [
        ndimage.maximum_filter(side, size=3, mode="constant")
        for side in (coarse > _R_FIELD, coarse < -_R_FIELD)
    ]
    sigma = _R_WIDTH / np.sqrt(8 * np.log(2))
    weight = ndimage.gaussian_filter(
        (near[0] & near[1]).astype(np.float64), sigma, mode="constant", radius=_R_REACH
    )
    total = float(np.nansum(weight * np.abs(coarse)))
    return float(np.log10(total)) if total >= 1 else 0.0


def inversion_line(field: NDArray[np.floating], pixel: float) -> BoolArray:
    """Return the pixels on the line where strong field changes its polarity, one pixel wide.

    Parameters
    ----------
    field : array, shape (n_y, n_x) [G]
        All numbers.
    pixel : float [Mm]
        Side of a pixel on the surface.

    Returns
    -------
    array of bool, shape (n_y, n_x)
        Pixels whose right or upper neighbour has the other sign in the smoothed field, with
        strong field of both signs within two of the smoothing's widths.
    """
    smooth = ndimage.gaussian_filter(np.asarray(field, np.float64), _SMOOTHED / pixel)
    positive = smooth > 0
    line = np.zeros(positive.shape, dtype=np.bool_)
    line[:, :-1] |= positive[:, :-1] != positive[:, 1:]
    line[:-1] |= positive[:-1] != positive[1:]
    size = 2 * round(2 * _SMOOTHED / pixel) + 1
    strong = [smooth > _STRONG, smooth < -_STRONG]
    near = [ndimage.maximum_filter(side, size=size, mode="constant") for side in strong]
    return np.asarray(line & near[0] & near[1])


def _checked(field: NDArray[np.floating], pixel: float) -> FloatArray:
    measured = np.asarray(field, dtype=np.float64)
    if measured.ndim != 2 or not np.isfinite(measured).any():  # noqa: PLR2004 an image
        raise InputError(
            f"A magnetogram of shape {measured.shape} holds no measured field.",
            "Give an image in gauss, NaN where nothing was measured.",
        )
    if not 0 < pixel < SOLAR_RADIUS:
        raise InputError(
            f"A pixel of {pixel} Mm has no sense on the Sun.", "Give its side in Mm, e.g. 0.36."
        )
    return measured


def _gradient(field: FloatArray, pixel: float) -> FloatArray:
    """Return the size of the gradient [G / Mm], one-sided at the border."""
    if min(field.shape) < 2:  # noqa: PLR2004 a difference takes two
        return np.zeros(field.shape)
    return np.asarray(np.hypot(*np.gradient(field, pixel)))


def _polarities(field: FloatArray, pixel: float) -> tuple[float, float]:
    """Return how far the centres of the polarities are apart [Mm], and the tilt [deg]."""
    centres = []
    for side in (np.maximum(field, 0), np.maximum(-field, 0)):
        if not side.any():
            return 0.0, 0.0
        centres.append(np.array(ndimage.center_of_mass(side)))
    north, west = (centres[0] - centres[1]) * pixel
    if west < 0:  # from the following to the leading one
        north, west = -north, -west
    return float(np.hypot(north, west)), float(np.degrees(np.arctan2(north, west)))


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _mean_of_highest(values: FloatArray, share: float = 0.01) -> float:
    if not len(values):
        return 0.0
    count = max(round(share * len(values)), 1)
    return float(np.partition(values, -count)[-count:].mean())
