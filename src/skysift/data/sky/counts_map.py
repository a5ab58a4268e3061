"""Counts of photons on a fixed tangent grid, in bands of energy."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.sky.event_list import GADF_REFERENCE_MJD, EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid

if TYPE_CHECKING:
    import gammapy.data
    import gammapy.maps

__all__ = ["BinnedEvents", "CountsMap", "bin_events", "cell_index"]


def cell_index(
    events: EventList, grid: TangentGrid, energy_edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the flat index ``(band * n_y + y) * n_x + x`` of each event, -1 for those outside.

    Parameters
    ----------
    events : EventList
        What is binned.
    grid : TangentGrid
        Where.
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Increasing. A band holds its lower edge, not its upper one.
    """
    pixel = grid.pixel_index(events.ra, events.dec)
    band = np.searchsorted(energy_edges, events.energy, side="right") - 1
    inside = (pixel >= 0) & (band >= 0) & (band < len(energy_edges) - 1)
    return np.where(inside, band * (grid.n_x * grid.n_y) + pixel, -1)


class BinnedEvents(NamedTuple):
    """Events on a grid: the counts, and where on the plane each of those counted lies.

    Parameters
    ----------
    counts : array of float32, shape (n_bands, n_y, n_x)
        Events per cell.
    xi, eta : array, shape (n,) [deg]
        Plane coordinates of the events that are counted, in the order of the list.
    band : array of int, shape (n,)
        Their energy bands.
    """

    counts: NDArray[np.float32]
    xi: NDArray[np.float64]
    eta: NDArray[np.float64]
    band: NDArray[np.int64]


def bin_events(
    events: EventList, grid: TangentGrid, energy_edges: NDArray[np.float64]
) -> BinnedEvents:
    """Count events in the cells of a grid, and project them, in one go.

    Parameters are those of `cell_index`.

    Examples
    --------
    >>> events = EventList(
    ...     np.zeros(3), np.array([83.6, 83.6, 90.0]), np.array([22.0, 22.1, 22.0]), np.ones(3),
    ...     GoodTimeIntervals.of([(0.0, 10.0)]), Pointing(83.6, 22.0),
    ... )
    >>> binned = bin_events(events, TangentGrid(83.6, 22.0, 10, 10, 0.1), np.array([0.1, 10.0]))
    >>> float(binned.counts.sum()), binned.eta.round(3).tolist()
    (2.0, [0.0, 0.1])
    """
    n_bands, n_pixels = len(energy_edges) - 1, grid.n_x * grid.n_y
    xi, eta = grid.to_plane(events.ra, events.dec)
    pixel = grid.plane_index(xi, eta)
    band = np.searchsorted(energy_edges, events.energy, side="right") - 1
    seen = np.flatnonzero((pixel >= 0) & (band >= 0) & (band < n_bands))
    band = band[seen]
    counts = np.zeros(n_bands * n_pixels, dtype=np.float32)
    np.add.at(counts, band * n_pixels + pixel[seen], np.float32(1))
    return BinnedEvents(counts.reshape(n_bands, *grid.shape), xi[seen], eta[seen], band)


@dataclass(frozen=True, slots=True)
class CountsMap:
    """Raw counts: never stretched, smoothed or normalised.

    Parameters
    ----------
    counts : array of float32, shape (n_bands, n_y, n_x)
        Photons per cell. float32 holds whole numbers exactly up to 16.7 million.
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Edges of the bands of reconstructed energy.
    grid : TangentGrid
        The pixels.
    gti : GoodTimeIntervals [s]
        When the counts were gathered.
    livetime : float [s]
        Of that, how long the instrument was ready.
    pointing : Pointing
        Where the telescope looked.
    reference_mjd : float [d]
        Zero of the good time, in the time scale TT.
    """

    counts: NDArray[np.float32]
    energy_edges: NDArray[np.float64]
    grid: TangentGrid
    gti: GoodTimeIntervals
    livetime: float
    pointing: Pointing
    reference_mjd: float = GADF_REFERENCE_MJD

    def __post_init__(self) -> None:
        expected = (len(self.energy_edges) - 1, *self.grid.shape)
        if self.counts.shape != expected:
            raise UsageError(
                f"Counts of shape {self.counts.shape} do not fit bands and grid {expected}.",
                "Give counts[band, y, x].",
            )

    @classmethod
    def from_events(
        cls, events: EventList, grid: TangentGrid, energy_edges: NDArray[np.float64]
    ) -> Self:
        """Bin the events of a list."""
        return cls(
            bin_events(events, grid, energy_edges).counts,
            np.asarray(energy_edges, dtype=np.float64),
            grid,
            events.gti,
            events.livetime,
            events.pointing,
            events.reference_mjd,
        )

    @property
    def n_bands(self) -> int:
        """Number of energy bands."""
        return len(self.energy_edges) - 1

    def offset(self) -> NDArray[np.float64]:
        """Return the angle [deg] of each pixel from the pointing, shape (n_y, n_x)."""
        return self.grid.separation_from(self.pointing.ra, self.pointing.dec)

    def write(self, path: str | Path) -> None:
        """Write a FITS file that gammapy's `Map.read` reads; gzipped if it ends in ``.gz``."""
        from skysift.data.sky import counts_map_fits  # noqa: PLC0415 it imports this module

        counts_map_fits.write_counts_map(self, path)

    @classmethod
    def read(cls, path: str | Path) -> "CountsMap":
        """Read a map that :meth:`write` or gammapy's `Map.write` wrote."""
        from skysift.data.sky import counts_map_fits  # noqa: PLC0415 it imports this module

        return counts_map_fits.read_counts_map(path)

    def to_gammapy(self) -> "gammapy.maps.WcsNDMap":
        """Return the counts as gammapy's type; see :mod:`skysift.data.sky.gammapy_bridge`."""
        from skysift.data.sky import gammapy_bridge  # noqa: PLC0415 it imports this module

        return gammapy_bridge.map_to_gammapy(self)

    @classmethod
    def from_gammapy(
        cls, counts: "gammapy.maps.WcsNDMap", gti: "gammapy.data.GTI | None" = None
    ) -> "CountsMap":
        """Take the counts of gammapy's type."""
        from skysift.data.sky import gammapy_bridge  # noqa: PLC0415 it imports this module

        return gammapy_bridge.map_from_gammapy(counts, gti)
