"""What models may see: image parameters and combinations of them, each with its reason.

The Hillas parameters are those of Hillas (1985, Proc. 19th ICRC 3, 445). The combinations are those
that analysts of imaging telescopes form from them: Fegan (1997, J. Phys. G 23, 1013) on shapes and
orientation, Lessard et al. (2001, Astropart. Phys. 15, 1) on the displacement from elongation,
Albert et al. (2008, NIM A 588, 424) on separation by SIZE, DIST and shape. All are free of the unit
of length, so that they hold for a camera in mm and one in degrees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "Array", "Feature", "scaling_targets"]

Array = NDArray[np.float32]

_SMALL = np.float32(0.02)


@dataclass(frozen=True, slots=True)
class Feature:
    """One number that a model may see.

    Parameters
    ----------
    name : str
        Name of the feature.
    formula : str
        How it is computed from the image parameters.
    reason : str
        Why it should tell gammas from hadrons.
    requires : tuple of str
        Canonical columns that it is computed from, in the order that `compute` takes them.
    compute : callable
        Maps columns, shape (n,) each, to the feature, shape (n,).
    """

    name: str
    formula: str
    reason: str
    requires: tuple[str, ...]
    compute: Callable[..., Array]

    @property
    def source_dependent(self) -> bool:
        """True if it needs to know where the source is."""
        return not {"alpha", "dist"}.isdisjoint(self.requires)


def _same(values: Array) -> Array:
    return values


def _log(values: Array) -> Array:
    return np.asarray(np.log10(np.maximum(values, np.float32(1e-6))))


def _width(length: Array, width: Array) -> Array:
    """Return the width, never zero: some images are one pixel wide."""
    return np.asarray(width + np.float32(0.03) * length)


def _over(above: Array, length: Array) -> Array:
    return np.asarray(above / np.maximum(length, np.float32(1e-6)))


def _miss(alpha: Array, dist: Array) -> Array:
    return np.asarray(dist * np.sin(np.radians(alpha)))


def _along(alpha: Array, dist: Array) -> Array:
    return np.asarray(dist * np.cos(np.radians(alpha)))


def _disp(length: Array, width: Array) -> Array:
    """Return 1.1 - width / length: about proportional to the distance of a gamma shower.

    An ellipse has a width below its length; where a table says otherwise, it is never zero.
    """
    return np.asarray(np.maximum(np.float32(1.1) - _over(width, length), np.float32(0.1)))


_SHAPES = (
    Feature(
        "log_size",
        "log_size",
        "more light, better measured image; hadrons give less light",
        ("log_size",),
        _same,
    ),
    Feature(
        "length",
        "length",
        "hadronic showers are longer and more irregular",
        ("length",),
        _same,
    ),
    Feature(
        "width",
        "width",
        "transverse momentum of pions makes hadronic showers wider",
        ("width",),
        _same,
    ),
    Feature(
        "concentration_two_pixel",
        "concentration_two_pixel",
        "electromagnetic images are compact",
        ("concentration_two_pixel",),
        _same,
    ),
    Feature(
        "log_length",
        "log10(length)",
        "length spans two decades",
        ("length",),
        _log,
    ),
    Feature(
        "log_width",
        "log10(width)",
        "width spans two decades",
        ("length", "width"),
        lambda length, width: _log(_width(length, width)),
    ),
    Feature(
        "log_concentration",
        "log10(concentration_two_pixel)",
        "the concentration falls as a power of SIZE",
        ("concentration_two_pixel",),
        _log,
    ),
    Feature(
        "log_brightest",
        "log_size + log10(concentration_two_pixel)",
        "light of the two brightest pixels",
        ("log_size", "concentration_two_pixel"),
        lambda log_size, concentration: log_size + _log(concentration),
    ),
    Feature(
        "elongation",
        "width / length",
        "grows with the distance of the shower for gammas; hadrons are rounder",
        ("length", "width"),
        lambda length, width: _over(width, length),
    ),
    Feature(
        "eccentricity",
        "sqrt(1 - (width / length)^2)",
        "resolves the most elongated images",
        ("length", "width"),
        lambda length, width: np.sqrt(np.clip(1.0 - _over(width, length) ** 2, 0.0, 1.0)),
    ),
    Feature(
        "log_area",
        "log10(length * width)",
        "area of the ellipse",
        ("length", "width"),
        lambda length, width: _log(length * _width(length, width)),
    ),
    Feature(
        "log_density",
        "log_size - log10(length * width)",
        "light per area: electromagnetic images are dense",
        ("log_size", "length", "width"),
        lambda log_size, length, width: log_size - _log(length * _width(length, width)),
    ),
    Feature(
        "log_size_per_length",
        "log_size - 2 log10(length)",
        "light per length squared: muon arcs and hadrons are long and faint",
        ("log_size", "length"),
        lambda log_size, length: log_size - 2 * _log(length),
    ),
    Feature(
        "length_for_size",
        "log10(length) - 0.35 log_size",
        "gamma images grow with about this power of their light",
        ("length", "log_size"),
        lambda length, log_size: _log(length) - np.float32(0.35) * log_size,
    ),
    Feature(
        "width_for_size",
        "log10(width) - 0.35 log_size",
        "gamma images grow with about this power of their light",
        ("length", "width", "log_size"),
        lambda length, width, log_size: _log(_width(length, width)) - np.float32(0.35) * log_size,
    ),
    Feature(
        "length_per_log_size",
        "length / log_size",
        "length grows about linearly with the logarithm of SIZE",
        ("length", "log_size"),
        _over,
    ),
    Feature(
        "brightest_area",
        "log10(concentration_two_pixel * length * width)",
        "one in all images of the same profile: peaked images stand out",
        ("concentration_two_pixel", "length", "width"),
        lambda concentration, length, width: (
            _log(concentration) + _log(length * _width(length, width))
        ),
    ),
)

_PROFILES = (
    Feature(
        "asymmetry",
        "asymmetry",
        "the head of a gamma image points to the source",
        ("asymmetry",),
        _same,
    ),
    Feature(
        "m3_long",
        "m3_long",
        "the tail of a gamma image points away from the source",
        ("m3_long",),
        _same,
    ),
    Feature(
        "abs_m3_trans",
        "|m3_trans|",
        "the mirror image is as likely: only the size of the sideways asymmetry counts",
        ("m3_trans",),
        np.abs,
    ),
    Feature(
        "log_m3_trans",
        "log10(|m3_trans| / length + 0.02)",
        "sideways asymmetry in units of the length",
        ("m3_trans", "length"),
        lambda m3_trans, length: _log(_over(np.abs(m3_trans), length) + _SMALL),
    ),
    Feature(
        "m3_trans_per_width",
        "|m3_trans| / width",
        "skewness along the minor axis",
        ("m3_trans", "length", "width"),
        lambda m3_trans, length, width: np.minimum(
            _over(np.abs(m3_trans), _width(length, width)), np.float32(5)
        ),
    ),
    Feature(
        "asymmetry_per_length",
        "asymmetry / length",
        "asymmetry free of the size of the image",
        ("asymmetry", "length"),
        lambda asymmetry, length: np.clip(_over(asymmetry, length), -5, 5),
    ),
    Feature(
        "m3_long_per_length",
        "m3_long / length",
        "skewness along the major axis",
        ("m3_long", "length"),
        lambda m3_long, length: np.clip(_over(m3_long, length), -5, 5),
    ),
    Feature(
        "asymmetry_against_tail",
        "asymmetry - m3_long",
        "in a clean image brightest pixel and tail follow one another",
        ("asymmetry", "m3_long"),
        np.subtract,
    ),
    Feature(
        "profile_angle",
        "arctan2(m3_long, asymmetry)",
        "the sign and balance of the two asymmetries",
        ("m3_long", "asymmetry"),
        np.arctan2,
    ),
    Feature(
        "profile_size",
        "(|m3_long| + |asymmetry|) / length",
        "how lopsided the image is",
        ("m3_long", "asymmetry", "length"),
        lambda m3_long, asymmetry, length: np.minimum(
            _over(np.abs(m3_long) + np.abs(asymmetry), length), np.float32(10)
        ),
    ),
)

_TOWARDS_THE_SOURCE = (
    Feature("alpha", "alpha", "a gamma image points to the source", ("alpha",), _same),
    Feature(
        "log_alpha",
        "log10(alpha + 0.3 deg)",
        "the peak at small alpha is narrow",
        ("alpha",),
        lambda alpha: _log(alpha + np.float32(0.3)),
    ),
    Feature(
        "dist",
        "dist",
        "distance of the image: impact distance of a gamma shower",
        ("dist",),
        _same,
    ),
    Feature("log_dist", "log10(dist)", "as dist, near the source", ("dist",), _log),
    Feature(
        "miss",
        "dist sin(alpha)",
        "distance of the major axis from the source",
        ("alpha", "dist"),
        _miss,
    ),
    Feature(
        "miss_per_length",
        "log10(dist sin(alpha) / length + 0.02)",
        "miss in units of the image",
        ("alpha", "dist", "length"),
        lambda alpha, dist, length: _log(_over(_miss(alpha, dist), length) + _SMALL),
    ),
    Feature(
        "miss_per_width",
        "log10(dist sin(alpha) / width + 0.02)",
        "miss in units of its measurement error",
        ("alpha", "dist", "length", "width"),
        lambda alpha, dist, length, width: _log(
            _over(_miss(alpha, dist), _width(length, width)) + _SMALL
        ),
    ),
    Feature(
        "along_axis",
        "dist cos(alpha)",
        "distance of the source along the major axis",
        ("alpha", "dist"),
        _along,
    ),
    Feature(
        "along_axis_per_length",
        "dist cos(alpha) / length",
        "the same in units of the image",
        ("alpha", "dist", "length"),
        lambda alpha, dist, length: np.minimum(_over(_along(alpha, dist), length), np.float32(50)),
    ),
    Feature(
        "length_per_dist",
        "log10(length / dist)",
        "gamma images grow with distance; hadrons need not",
        ("length", "dist"),
        lambda length, dist: _log(_over(length, dist)),
    ),
    Feature(
        "orientation_error",
        "log10((alpha + 0.3 deg) length / width)",
        "alpha in units of what the elongation lets one measure",
        ("alpha", "length", "width"),
        lambda alpha, length, width: _log(
            (alpha + np.float32(0.3)) * _over(length, _width(length, width))
        ),
    ),
    Feature(
        "alpha_for_size",
        "alpha 10^(log_size / 2 - 2.3)",
        "alpha in units of what the light lets one measure",
        ("alpha", "log_size"),
        lambda alpha, log_size: np.asarray(
            alpha * np.power(np.float32(10), log_size / 2 - np.float32(2.3))
        ),
    ),
    Feature(
        "dist_per_disp",
        "dist / (1.1 - width / length)",
        "the distance of a gamma shower is about linear in 1 - width / length",
        ("dist", "length", "width"),
        lambda dist, length, width: np.asarray(dist / _disp(length, width)),
    ),
    Feature(
        "along_axis_per_disp",
        "dist cos(alpha) / (1.1 - width / length)",
        "the same along the major axis",
        ("alpha", "dist", "length", "width"),
        lambda alpha, dist, length, width: np.asarray(_along(alpha, dist) / _disp(length, width)),
    ),
    Feature(
        "outer_end",
        "dist + length",
        "where the image ends in the camera: truncation at its edge",
        ("dist", "length"),
        np.add,
    ),
    Feature(
        "inner_end",
        "dist - length",
        "an image that reaches the source is not one of a gamma from there",
        ("dist", "length"),
        np.subtract,
    ),
    Feature(
        "head_from_source",
        "hypot(dist cos(alpha) - asymmetry, miss)",
        "distance of the brightest pixel from the source, head towards it",
        ("alpha", "dist", "asymmetry"),
        lambda alpha, dist, asymmetry: np.hypot(
            _along(alpha, dist) - asymmetry, _miss(alpha, dist)
        ),
    ),
    Feature(
        "head_beyond_centre",
        "hypot(dist cos(alpha) + asymmetry, miss)",
        "the same with the head away from the source",
        ("alpha", "dist", "asymmetry"),
        lambda alpha, dist, asymmetry: np.hypot(
            _along(alpha, dist) + asymmetry, _miss(alpha, dist)
        ),
    ),
    Feature(
        "tail_from_source",
        "dist cos(alpha) - m3_long",
        "distance of the tail from the source along the axis",
        ("alpha", "dist", "m3_long"),
        lambda alpha, dist, m3_long: _along(alpha, dist) - m3_long,
    ),
    Feature(
        "aligned_tail",
        "m3_long cos(2 alpha)",
        "the tail counts where the image points to the source",
        ("m3_long", "alpha"),
        lambda m3_long, alpha: np.asarray(m3_long * np.cos(np.radians(2 * alpha))),
    ),
    Feature(
        "aligned_head",
        "asymmetry cos(2 alpha)",
        "the head counts where the image points to the source",
        ("asymmetry", "alpha"),
        lambda asymmetry, alpha: np.asarray(asymmetry * np.cos(np.radians(2 * alpha))),
    ),
    Feature(
        "tail_per_dist",
        "m3_long / dist",
        "the tail grows with the distance of a gamma shower",
        ("m3_long", "dist"),
        lambda m3_long, dist: np.clip(_over(m3_long, dist), -10, 10),
    ),
    Feature(
        "head_per_dist",
        "asymmetry / dist",
        "the asymmetry grows with the distance of a gamma shower",
        ("asymmetry", "dist"),
        lambda asymmetry, dist: np.clip(_over(asymmetry, dist), -10, 10),
    ),
)


def _as_measured(name: str, reason: str) -> Feature:
    return Feature(name, name, reason, (name,), _same)


_OF_OTHER_TELESCOPES = (
    _as_measured("concentration_cog", "electromagnetic images are compact"),
    _as_measured("concentration_core", "electromagnetic images are compact"),
    _as_measured("skewness_long", "the tail of a gamma image points away from the source"),
    _as_measured("kurtosis_long", "sub-showers flatten the profile of a hadron"),
    Feature(
        "abs_skewness_trans",
        "|skewness_trans|",
        "the mirror image is as likely: only the size of the sideways asymmetry counts",
        ("skewness_trans",),
        np.abs,
    ),
    _as_measured("kurtosis_trans", "sub-showers flatten the profile of a hadron"),
    _as_measured("leakage1", "a cut image is badly measured"),
    _as_measured("leakage2", "a cut image is badly measured"),
    _as_measured("n_islands", "hadronic sub-showers and muons make islands"),
    _as_measured("n_pixels", "hadronic images spread over more pixels"),
    Feature(
        "abs_time_gradient",
        "|time_gradient|",
        "grows with the distance of a gamma shower; hadrons scatter about the relation",
        ("time_gradient",),
        np.abs,
    ),
)

FEATURES: tuple[Feature, ...] = (
    *_SHAPES,
    *_PROFILES,
    *_TOWARDS_THE_SOURCE,
    *_OF_OTHER_TELESCOPES,
)
"""Every feature, in the order in which models see them."""

# What each feature that is scaled, or that predicts others, is a measure of. A residual is taken
# from features that measure none of the same.
_MEASURES = {
    "log_size": {"log_size"},
    "log_length": {"length"},
    "log_width": {"width"},
    "log_concentration": {"concentration"},
    "concentration_cog": {"concentration"},
    "concentration_core": {"concentration"},
    "asymmetry_per_length": {"asymmetry"},
    "m3_long_per_length": {"m3_long"},
    "skewness_long": {"m3_long"},
    "log_m3_trans": {"m3_trans"},
    "abs_skewness_trans": {"m3_trans"},
    "kurtosis_long": {"kurtosis_long"},
    "abs_time_gradient": {"time_gradient"},
    "log_alpha": {"alpha"},
    "dist": {"dist"},
    "miss": {"alpha", "dist"},
    "m3_trans_per_width": {"m3_trans"},
    "log_density": {"log_size", "length", "width"},
    "asymmetry": {"asymmetry"},
    "m3_long": {"m3_long"},
}
_ONLY_SCALED = {"m3_trans_per_width", "log_density", "asymmetry", "m3_long"}
_ONLY_PREDICT = {"miss"}


def scaling_targets(names: Sequence[str]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return which features are scaled and which others predict them, by position.

    Parameters
    ----------
    names : sequence of str
        The features of a model, in order.

    Returns
    -------
    tuple of (int, tuple of int)
        As :class:`skysift.models.scaled_parameters.ScaledParameters` takes them.
    """
    place = {name: position for position, name in enumerate(names) if name in _MEASURES}
    predict = [name for name in place if name not in _ONLY_SCALED]
    return tuple(
        (position, tuple(place[p] for p in predict if _MEASURES[p].isdisjoint(_MEASURES[name])))
        for name, position in place.items()
        if name not in _ONLY_PREDICT
    )
