"""The cut on the angle from the source that point-like responses were made with.

GADF 0.3, "RAD_MAX": a table of the largest angle by reconstructed energy and offset.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import ReadError
from skysift.data.images.fits_bytes import require_sound_headers
from skysift.data.sky.fits_stream import MAX_BYTES, read_bounded
from skysift.data.sky.gadf_location import HduLocation

__all__ = ["RadMax", "read_rad_max"]

FloatArray = NDArray[np.float64]

_COLUMNS = {
    "ENERG_LO": "TeV",
    "ENERG_HI": "TeV",
    "THETA_LO": "deg",
    "THETA_HI": "deg",
    "RAD_MAX": "deg",
}


@dataclass(frozen=True, slots=True)
class RadMax:
    """The largest angle from the source at which events were kept.

    Parameters
    ----------
    energy_edges : array, shape (n_energies + 1,) [TeV]
        Edges of the bins of reconstructed energy.
    offset_low, offset_high : array, shape (n_offsets,) [deg]
        Bins of the angle between source and pointing.
    values : array, shape (n_offsets, n_energies) [deg]
        The cut in each bin.
    """

    energy_edges: FloatArray
    offset_low: FloatArray
    offset_high: FloatArray
    values: FloatArray

    def at(self, energy: ArrayLike, offset: float) -> FloatArray:
        """Return the cut [deg] at energies [TeV] for a source at an offset [deg].

        The bin with the nearest centre in offset is taken, NaN outside the energies.
        """
        centre = (self.offset_low + self.offset_high) / 2
        row = self.values[int(np.argmin(np.abs(centre - offset)))]
        energies = np.asarray(energy, dtype=np.float64)
        place = np.searchsorted(self.energy_edges, energies, side="right") - 1
        inside = (place >= 0) & (place < len(row))
        return np.where(inside, row[np.clip(place, 0, len(row) - 1)], np.nan)


def read_rad_max(location: HduLocation, *, max_bytes: int = MAX_BYTES) -> RadMax:
    """Read a RAD_MAX table.

    Raises
    ------
    ReadError
        If the file cannot be read or holds no such table.
    """
    data = read_bounded(location.path, max_bytes=max_bytes)
    require_sound_headers(data, str(location.path))
    try:
        with fits.open(BytesIO(data)) as hdus:
            hdu = hdus[location.name]
            cells = {name: _cell(hdu, name, unit) for name, unit in _COLUMNS.items()}
    except (KeyError, IndexError, OSError, ValueError, TypeError) as error:
        raise ReadError(
            f"The extension '{location.name}' is no RAD_MAX table ({error}).",
            "Give the extension with ENERG_LO, ENERG_HI, THETA_LO, THETA_HI and RAD_MAX.",
            path=location.path,
        ) from error
    shape = (len(cells["THETA_LO"]), len(cells["ENERG_LO"]))
    if cells["RAD_MAX"].size != shape[0] * shape[1]:
        raise ReadError(
            f"RAD_MAX has {cells['RAD_MAX'].size} values for {shape[0]} offsets and {shape[1]} "
            "energies.",
            "The table is damaged; make it again.",
            path=location.path,
        )
    return RadMax(
        np.append(cells["ENERG_LO"], cells["ENERG_HI"][-1]),
        cells["THETA_LO"],
        cells["THETA_HI"],
        cells["RAD_MAX"].reshape(shape),
    )


def _cell(hdu: Any, name: str, unit: str) -> FloatArray:
    """Return the values of the only row of a column, in our unit."""
    values = np.ravel(np.asarray(hdu.data[name][0], dtype=np.float64))
    return np.asarray(values * u.Unit(hdu.columns[name].unit or unit).to(u.Unit(unit)))
