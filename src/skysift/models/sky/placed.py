"""What comes of a method that always names one place: it may be one that the photons deny."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.models.sky.search import SearchResult

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["NetworkMaps", "PlacedResult", "Unconfirmed"]

_ALIKE = 2.0  # live times within this factor are not worth a word


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """The one place that a method names, where the photons do not make a candidate of it.

    Parameters
    ----------
    xi, eta : float [deg]
        Tangent-plane position, east and north of the centre of the grid.
    significance : float
        Of the photons there.
    level : float
        What a candidate had to reach.
    searched : bool
        Whether the place is among those that are searched at all.
    made_for : float [s]
        Live time that the method was made for.
    """

    xi: float
    eta: float
    significance: float
    level: float
    searched: bool
    made_for: float

    def reason(self, livetime: float) -> str:
        """Return why it is no candidate, for a map of a live time [s].

        Examples
        --------
        >>> Unconfirmed(0.0, 0.1, 1.24, 4.79, True, 100.0).reason(1682.0)
        'significance 1.2, below the threshold 4.8; made for 100 s, not for 1,682 s'
        >>> Unconfirmed(2.4, 0.0, 9.0, 4.79, False, 100.0).reason(90.0)
        'not within the search radius'
        """
        said = (
            f"significance {self.significance:.1f}, below the threshold {self.level:.1f}"
            if self.searched
            else "not within the search radius"
        )
        if max(livetime, self.made_for) <= _ALIKE * min(livetime, self.made_for):
            return said
        return f"{said}; made for {self.made_for:,.0f} s, not for {livetime:,.0f} s"


@dataclass(frozen=True)
class NetworkMaps:
    """What networks saw, and what they took for a source's of it.

    Parameters
    ----------
    counts, cleaned : array of float32, shape (n_y, n_x)
        Raw counts, and those that the cleaner leaves.
    wcs : WCS
        Of their pixels.
    energies : tuple of float [TeV]
        Of the photons.
    variant : str
        Name of the networks.
    """

    counts: NDArray[np.float32]
    cleaned: NDArray[np.float32]
    wcs: "WCS"
    energies: tuple[float, float]
    variant: str


@dataclass(frozen=True)
class PlacedResult(SearchResult):
    """What a method found that always names one place.

    Parameters
    ----------
    unconfirmed : Unconfirmed or None
        That place, if it is no candidate.
    maps : NetworkMaps or None
        What the place was read from, of networks.
    """

    unconfirmed: Unconfirmed | None = None
    maps: NetworkMaps | None = None
