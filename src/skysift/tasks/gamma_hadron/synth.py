"""A made-up sample of image parameters that behaves like a Cherenkov telescope's.

Not a shower simulation: each class draws its image parameters from simple distributions with the
right signs and sizes (Bock et al. 2004, NIM A 516, 511, figures 2 to 6), for tests and for use
where no real table is at hand. No number made on it says anything about a telescope.
"""

import numpy as np
from numpy.typing import NDArray

from skysift.data.table import FeatureTable

__all__ = ["COLUMNS", "synthetic_events"]

COLUMNS = (
    "length",
    "width",
    "log_size",
    "concentration_two_pixel",
    "concentration_one_pixel",
    "asymmetry",
    "m3_long",
    "m3_trans",
    "alpha",
    "dist",
)
_UNITS = dict.fromkeys(("length", "width", "asymmetry", "m3_long", "m3_trans", "dist"), "mm")


def synthetic_events(
    n: int, rng: np.random.Generator, *, gamma_fraction: float = 0.65
) -> tuple[FeatureTable, NDArray[np.bool_]]:
    """Draw events of both classes, shuffled.

    Parameters
    ----------
    n : int
        Number of events.
    rng : numpy.random.Generator
        Source of randomness.
    gamma_fraction : float
        Share of gammas.

    Returns
    -------
    table : FeatureTable
        The ten image parameters of the MAGIC table; lengths in mm, alpha in deg.
    is_gamma : array of bool, shape (n,)
        The truth.
    """
    is_gamma = rng.random(n) < gamma_fraction
    hadron = ~is_gamma
    log_size = 2.1 + rng.gamma(2.0, 0.25, n)
    dist = np.abs(rng.normal(190.0, 70.0, n))
    spread = np.where(is_gamma, 0.22, 0.45)
    length = (
        25.0
        * (log_size - 1.2)
        * (0.55 + 0.0025 * dist)
        * np.exp(spread * rng.normal(size=n) + np.where(hadron, 0.25, 0.0))
    )
    elongation = rng.beta(np.where(is_gamma, 5.0, 6.0), np.where(is_gamma, 7.0, 5.0))
    width = length * elongation
    two_pixel = 1.0 / (1.0 + np.exp(1.6 * (log_size - 2.5) + 0.25 * rng.normal(size=n)))
    one_pixel = two_pixel * rng.uniform(0.5, 0.75, n)
    alpha = np.where(is_gamma, np.minimum(rng.exponential(14.0, n), 90.0), rng.uniform(0, 90, n))
    tail = np.where(is_gamma, rng.normal(0.45, 0.4, n), rng.normal(0.0, 0.7, n))
    columns = {
        "length": length,
        "width": width,
        "log_size": log_size,
        "concentration_two_pixel": two_pixel,
        "concentration_one_pixel": one_pixel,
        "asymmetry": length * (0.8 * tail + 0.4 * rng.normal(size=n)),
        "m3_long": length * tail,
        "m3_trans": width * np.where(is_gamma, 0.5, 0.8) * rng.normal(size=n),
        "alpha": alpha,
        "dist": dist,
    }
    # The decimals of the real table: a printed number must not tell the class.
    rounded = {name: np.round(columns[name], 4) for name in COLUMNS}
    return FeatureTable.from_columns(rounded, units={**_UNITS, "alpha": "deg"}), is_gamma
