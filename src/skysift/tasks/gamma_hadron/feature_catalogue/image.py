"""Features of the image by itself: no position of the source is needed."""

import numpy as np

from skysift.tasks.gamma_hadron.feature_catalogue.feature import (
    SMALL,
    Feature,
    finite_width,
    log,
    over,
    same,
)

__all__ = ["OF_OTHER_TELESCOPES", "PROFILES", "SHAPES"]

SHAPES = (
    Feature(
        "log_size",
        "log_size",
        "more light, better measured image; hadrons give less light",
        ("log_size",),
        same,
    ),
    Feature(
        "length",
        "length",
        "hadronic showers are longer and more irregular",
        ("length",),
        same,
    ),
    Feature(
        "width",
        "width",
        "transverse momentum of pions makes hadronic showers wider",
        ("width",),
        same,
    ),
    Feature(
        "concentration_two_pixel",
        "concentration_two_pixel",
        "electromagnetic images are compact",
        ("concentration_two_pixel",),
        same,
    ),
    Feature(
        "log_length",
        "log10(length)",
        "length spans two decades",
        ("length",),
        log,
    ),
    Feature(
        "log_width",
        "log10(width)",
        "width spans two decades",
        ("length", "width"),
        lambda length, width: log(finite_width(length, width)),
    ),
    Feature(
        "log_concentration",
        "log10(concentration_two_pixel)",
        "the concentration falls as a power of SIZE",
        ("concentration_two_pixel",),
        log,
    ),
    Feature(
        "log_brightest",
        "log_size + log10(concentration_two_pixel)",
        "light of the two brightest pixels",
        ("log_size", "concentration_two_pixel"),
        lambda log_size, concentration: log_size + log(concentration),
    ),
    Feature(
        "elongation",
        "width / length",
        "grows with the distance of the shower for gammas; hadrons are rounder",
        ("length", "width"),
        lambda length, width: over(width, length),
    ),
    Feature(
        "eccentricity",
        "sqrt(1 - (width / length)^2)",
        "resolves the most elongated images",
        ("length", "width"),
        lambda length, width: np.sqrt(np.clip(1.0 - over(width, length) ** 2, 0.0, 1.0)),
    ),
    Feature(
        "log_area",
        "log10(length * width)",
        "area of the ellipse",
        ("length", "width"),
        lambda length, width: log(length * finite_width(length, width)),
    ),
    Feature(
        "log_density",
        "log_size - log10(length * width)",
        "light per area: electromagnetic images are dense",
        ("log_size", "length", "width"),
        lambda log_size, length, width: log_size - log(length * finite_width(length, width)),
    ),
    Feature(
        "log_size_per_length",
        "log_size - 2 log10(length)",
        "light per length squared: muon arcs and hadrons are long and faint",
        ("log_size", "length"),
        lambda log_size, length: log_size - 2 * log(length),
    ),
    Feature(
        "length_for_size",
        "log10(length) - 0.35 log_size",
        "gamma images grow with about this power of their light",
        ("length", "log_size"),
        lambda length, log_size: log(length) - np.float32(0.35) * log_size,
    ),
    Feature(
        "width_for_size",
        "log10(width) - 0.35 log_size",
        "gamma images grow with about this power of their light",
        ("length", "width", "log_size"),
        lambda length, width, log_size: (
            log(finite_width(length, width)) - np.float32(0.35) * log_size
        ),
    ),
    Feature(
        "length_per_log_size",
        "length / log_size",
        "length grows about linearly with the logarithm of SIZE",
        ("length", "log_size"),
        over,
    ),
    Feature(
        "brightest_area",
        "log10(concentration_two_pixel * length * width)",
        "one in all images of the same profile: peaked images stand out",
        ("concentration_two_pixel", "length", "width"),
        lambda concentration, length, width: (
            log(concentration) + log(length * finite_width(length, width))
        ),
    ),
)

PROFILES = (
    Feature(
        "asymmetry",
        "asymmetry",
        "the head of a gamma image points to the source",
        ("asymmetry",),
        same,
    ),
    Feature(
        "m3_long",
        "m3_long",
        "the tail of a gamma image points away from the source",
        ("m3_long",),
        same,
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
        lambda m3_trans, length: log(over(np.abs(m3_trans), length) + SMALL),
    ),
    Feature(
        "m3_trans_per_width",
        "|m3_trans| / width",
        "skewness along the minor axis",
        ("m3_trans", "length", "width"),
        lambda m3_trans, length, width: np.minimum(
            over(np.abs(m3_trans), finite_width(length, width)), np.float32(5)
        ),
    ),
    Feature(
        "asymmetry_per_length",
        "asymmetry / length",
        "asymmetry free of the size of the image",
        ("asymmetry", "length"),
        lambda asymmetry, length: np.clip(over(asymmetry, length), -5, 5),
    ),
    Feature(
        "m3_long_per_length",
        "m3_long / length",
        "skewness along the major axis",
        ("m3_long", "length"),
        lambda m3_long, length: np.clip(over(m3_long, length), -5, 5),
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
            over(np.abs(m3_long) + np.abs(asymmetry), length), np.float32(10)
        ),
    ),
)


def _as_measured(name: str, reason: str) -> Feature:
    return Feature(name, name, reason, (name,), same)


OF_OTHER_TELESCOPES = (
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
