"""The truth of a simulated field as a FITS file.

The background's expectation is the primary image, with bands and good time as a counts map has
them, so that gammapy and `read_counts_map` read it; each source has an image of its own.
"""

from io import BytesIO
from pathlib import Path

from astropy.io import fits

from skysift.core.files import write_atomic
from skysift.data.sky.cube_fits import bands_hdu, cube_header
from skysift.tasks.gamma_sky.simulation.counts import Truth

__all__ = ["TRUTH_UNITS", "write_truth"]

TRUTH_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "extension": "deg",
    "offset": "deg",
    "ra_pointing": "deg",
    "dec_pointing": "deg",
    "zenith": "deg",
    "exposure": "s",
}
"""Units of the columns of `Truth.rows`; a flux is in units of the Crab Nebula."""


def write_truth(truth: Truth, path: str | Path) -> None:
    """Write the expectation maps and the table of sources of a field.

    HDUs: the background [counts], shape (n_bands, n_y, n_x); ``EBOUNDS``, the bands [TeV];
    ``TRUTH``, a row for each source; ``SOURCE0``, ``SOURCE1`` ..., the expected counts of each.

    Parameters
    ----------
    truth : Truth
    path : path-like
        The file, replaced if it is there.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    maps = truth.expectation
    cards = cube_header(maps.grid, len(maps.background))
    primary = fits.PrimaryHDU(maps.background, header=cards)
    primary.header["LIVETIME"] = (truth.field.exposure, "[s]")
    primary.header["CREATOR"] = "skysift"
    hdus = fits.HDUList([primary, bands_hdu(maps.energy_edges), _sources(truth)])
    for number, image in enumerate(maps.sources):
        hdus.append(fits.ImageHDU(image, header=cards, name=f"SOURCE{number}"))
    buffer = BytesIO()
    hdus.writeto(buffer)
    write_atomic(path, buffer.getvalue())


def _sources(truth: Truth) -> fits.BinTableHDU:
    rows = truth.rows()
    names = list(rows[0]) if rows else list(TRUTH_UNITS)
    columns = [
        fits.Column(name, "D", unit=TRUTH_UNITS.get(name), array=[row[name] for row in rows])
        for name in names
    ]
    return fits.BinTableHDU.from_columns(columns, name="TRUTH")
