"""A place on a counts map where there may be a source."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAG_WORDS", "Candidate"]

FLAG_WORDS: Final = MappingProxyType(
    {
        "edge": "near the border of the map or of the field of view",
        "hole": "a camera hole or a dead sector lies below it",
        "extended": "wider than the point spread function",
        "blended": "another candidate is near",
        "not-converged": "the fit did not converge: position and errors are those of its last step",
        "off-centre": "the fit left the region that the network had stated (99.9 %)",
        "low-counts": "fewer than ten counts: the error ellipse is not Gaussian",
    }
)
"""What flags of candidates mean."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a search says of one place.

    Parameters
    ----------
    xi, eta : float [deg]
        Tangent-plane position, east and north of the centre of the grid.
    covariance : array, shape (2, 2) [deg2]
        Of (xi, eta).
    excess, excess_error : float
        Counts of the source on the map, all bands together, and their standard deviation.
    ts : float
        Test statistic: twice the gain in log-likelihood that the source brings.
    p_value : float
        Chance of as strong an excess at this place without a source, before trials.
    false_alarms : float
        Expected number of as strong candidates on a field without sources: after trials.
    excess_by_band : array, shape (n_bands,)
        The excess in each energy band.
    background : float
        Counts of background within the 68 % containment radius of the point spread function.
    flags : tuple of str
        What a user should know, of `FLAG_WORDS`.
    """

    xi: float
    eta: float
    covariance: NDArray[np.float64]
    excess: float
    excess_error: float
    ts: float
    p_value: float
    false_alarms: float
    excess_by_band: NDArray[np.float64]
    background: float = float("nan")
    flags: tuple[str, ...] = field(default=())
