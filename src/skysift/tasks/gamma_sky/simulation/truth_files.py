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

__all__ = ["FIELD_COLUMNS", "SOURCE_COLUMNS", "write_truth"]

_OF_SOURCES = {
    "ra": ("deg", "ICRS right ascension of its centre"),
    "dec": ("deg", "ICRS declination of its centre"),
    "flux": ("", "in units of the Crab nebula: photons per area, time and energy at 0.2 TeV"),
    "index": ("", "of its power law; NaN: the curved spectrum of the Crab nebula"),
    "extension": ("deg", "standard deviation of a round Gaussian; 0 is a point"),
    "offset": ("deg", "from the pointing"),
    "counts": ("", "expected counts on the map"),
    "photons": ("", "expected photons, on the map or beside it"),
}
_OF_BOTH = {
    "ra_pointing": ("deg", "ICRS right ascension of the pointing"),
    "dec_pointing": ("deg", "ICRS declination of the pointing"),
    "zenith": ("deg", "zenith angle of the pointing"),
    "nsb": ("", "brightness of the night sky over that of a dark one"),
    "exposure": ("s", "live time"),
    "background_scale": ("", "background over what the response predicts"),
    "background": ("", "expected counts of background on the map"),
}
_NUMBER = {"field": ("", "number of the field, as in the name of its file")}
SOURCE_COLUMNS = {**_NUMBER, **_OF_SOURCES, **_OF_BOTH}
"""Unit and description of the columns of ``sources.ecsv``; a row is of a source."""
FIELD_COLUMNS = {
    **_NUMBER,
    **_OF_BOTH,
    "sources": ("", "number of its sources"),
    "dead_sectors": ("", "number of wedges in which the camera is dead or dull"),
    "star_holes": ("", "number of disks about bright stars in which pixels are off"),
    "photons": ("", "photons that were drawn; of maps, the counts on them"),
}
"""The same of ``fields.ecsv``; a row is of a field."""


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
    columns = [
        fits.Column(name, "D", unit=unit or None, array=[row[name] for row in rows])
        for name, (unit, _) in {**_OF_SOURCES, **_OF_BOTH}.items()
    ]
    return fits.BinTableHDU.from_columns(columns, name="TRUTH")
