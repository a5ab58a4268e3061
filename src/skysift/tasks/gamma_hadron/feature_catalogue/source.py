"""Features of the image against the position of the source: alpha, dist and what follows."""

import numpy as np

from skysift.tasks.gamma_hadron.feature_catalogue.feature import (
    SMALL,
    Feature,
    along,
    disp,
    finite_width,
    log,
    miss,
    over,
    same,
)

__all__ = ["TOWARDS_THE_SOURCE"]

TOWARDS_THE_SOURCE = (
    Feature("alpha", "alpha", "a gamma image points to the source", ("alpha",), same),
    Feature(
        "log_alpha",
        "log10(alpha + 0.3 deg)",
        "the peak at small alpha is narrow",
        ("alpha",),
        lambda alpha: log(alpha + np.float32(0.3)),
    ),
    Feature(
        "dist",
        "dist",
        "distance of the image: impact distance of a gamma shower",
        ("dist",),
        same,
    ),
    Feature("log_dist", "log10(dist)", "as dist, near the source", ("dist",), log),
    Feature(
        "miss",
        "dist sin(alpha)",
        "distance of the major axis from the source",
        ("alpha", "dist"),
        miss,
    ),
    Feature(
        "miss_per_length",
        "log10(dist sin(alpha) / length + 0.02)",
        "miss in units of the image",
        ("alpha", "dist", "length"),
        lambda alpha, dist, length: log(over(miss(alpha, dist), length) + SMALL),
    ),
    Feature(
        "miss_per_width",
        "log10(dist sin(alpha) / width + 0.02)",
        "miss in units of its measurement error",
        ("alpha", "dist", "length", "width"),
        lambda alpha, dist, length, width: log(
            over(miss(alpha, dist), finite_width(length, width)) + SMALL
        ),
    ),
    Feature(
        "along_axis",
        "dist cos(alpha)",
        "distance of the source along the major axis",
        ("alpha", "dist"),
        along,
    ),
    Feature(
        "along_axis_per_length",
        "dist cos(alpha) / length",
        "the same in units of the image",
        ("alpha", "dist", "length"),
        lambda alpha, dist, length: np.minimum(over(along(alpha, dist), length), np.float32(50)),
    ),
    Feature(
        "length_per_dist",
        "log10(length / dist)",
        "gamma images grow with distance; hadrons need not",
        ("length", "dist"),
        lambda length, dist: log(over(length, dist)),
    ),
    Feature(
        "orientation_error",
        "log10((alpha + 0.3 deg) length / width)",
        "alpha in units of what the elongation lets one measure",
        ("alpha", "length", "width"),
        lambda alpha, length, width: log(
            (alpha + np.float32(0.3)) * over(length, finite_width(length, width))
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
        lambda dist, length, width: np.asarray(dist / disp(length, width)),
    ),
    Feature(
        "along_axis_per_disp",
        "dist cos(alpha) / (1.1 - width / length)",
        "the same along the major axis",
        ("alpha", "dist", "length", "width"),
        lambda alpha, dist, length, width: np.asarray(along(alpha, dist) / disp(length, width)),
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
        lambda alpha, dist, asymmetry: np.hypot(along(alpha, dist) - asymmetry, miss(alpha, dist)),
    ),
    Feature(
        "head_beyond_centre",
        "hypot(dist cos(alpha) + asymmetry, miss)",
        "the same with the head away from the source",
        ("alpha", "dist", "asymmetry"),
        lambda alpha, dist, asymmetry: np.hypot(along(alpha, dist) + asymmetry, miss(alpha, dist)),
    ),
    Feature(
        "tail_from_source",
        "dist cos(alpha) - m3_long",
        "distance of the tail from the source along the axis",
        ("alpha", "dist", "m3_long"),
        lambda alpha, dist, m3_long: along(alpha, dist) - m3_long,
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
        lambda m3_long, dist: np.clip(over(m3_long, dist), -10, 10),
    ),
    Feature(
        "head_per_dist",
        "asymmetry / dist",
        "the asymmetry grows with the distance of a gamma shower",
        ("asymmetry", "dist"),
        lambda asymmetry, dist: np.clip(over(asymmetry, dist), -10, 10),
    ),
)
