"""The cleaned map: which of the counts are the sources', given what a method expects of each pixel.

A method says how many counts of sources, s, and of background, b, it expects in a pixel. Each
of the n counts there is then a source's with probability p = s / (s + b), and the cleaned map is
the expected number of source photons, n p. With the residual r = n - n p - b the three maps add up
to the raw counts in every pixel. Where the expectations hold, n p is unbiased for s and the
residual for 0; where they do not, what is too much or too little stays visible in the residual.
With s at its maximum-likelihood level, the sum of n p is that of s: the condition for a maximum of
the Poisson likelihood is just that (it is the fixed point of Richardson 1972, JOSA 62, 55, and Lucy
1974, AJ 79, 745).
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.core.files import write_atomic
from skysift.data.io.fits_sink import provenance_hdu
from skysift.data.io.provenance import provenance_text
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.cube_fits import bands_hdu, cube_header, wcs_cube_header
from skysift.data.sky.gadf_write import gti_hdu
from skysift.models.sky.placed import NetworkMaps

__all__ = ["CleanedMap", "NetworkCleanedMap", "clean"]

FloatArray = NDArray[np.float64]

_ZENITH = 90.0


@dataclass(frozen=True, slots=True)
class CleanedMap:
    """Raw counts taken apart: ``cleaned + background + residual = counts`` in every pixel.

    Parameters
    ----------
    counts : CountsMap
        The raw counts.
    cleaned : array, shape (n_bands, n_y, n_x)
        Expected number of source photons among them.
    background : array, shape (n_bands, n_y, n_x)
        Expected counts of background.
    residual : array, shape (n_bands, n_y, n_x)
        What neither explains; negative where there are fewer counts than expected.
    variance : array, shape (n_bands, n_y, n_x)
        Of the cleaned counts about the number of source photons that really are in the pixel: the
        binomial ``n p (1 - p)``, and ``(n p (1 - p) level_error)^2`` because p is known no better
        than the level of the source. This second part is common to all pixels: to add up pixels,
        use :meth:`source_counts`.
    level_error : float
        Relative standard deviation of the level of the sources.
    reach : float, optional
        Radius about the middle [deg] beyond which nothing is expected, as the field was not
        searched there: what was counted is residual.
    """

    counts: CountsMap
    cleaned: FloatArray
    background: FloatArray
    residual: FloatArray
    variance: FloatArray
    level_error: float
    reach: float | None = None

    def source_counts(self, region: NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """Return the counts of the source in a region, and their standard deviation.

        Parameters
        ----------
        region : array of bool, shape (n_y, n_x) or (n_bands, n_y, n_x), optional
            The whole map if left out. It should hold the source: the level of one source says
            nothing of another.

        Returns
        -------
        counts, error : float
            The error is that about the expected counts: it has the variance of what thinning cannot
            know, of the level, and of the source photons themselves. For the whole map and the
            default level error this is ``sum(s) / sqrt(sum(s p))``, the bound of Cramer and Rao.
        """
        inside = np.broadcast_to(True if region is None else region, self.cleaned.shape)
        cleaned = self.cleaned[inside]
        counts = self.counts.counts[inside].astype(np.float64)
        share = np.divide(cleaned, counts, out=np.zeros_like(cleaned), where=counts > 0)
        unknown = float(np.sum(cleaned * (1 - share)))
        total = float(cleaned.sum())
        return total, float(np.sqrt(total + unknown + (unknown * self.level_error) ** 2))

    def write(self, path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the maps as FITS, each of which gammapy's ``Map.read(path, hdu=NAME)`` reads.

        Extensions CLEANED, VARIANCE, BACKGROUND and RESIDUAL are cubes in double precision with a
        TAN WCS; EBOUNDS has their energy bands and GTI the good time. The provenance, as JSON, is
        in an extension of its own. A name that ends with ``.gz`` is compressed.

        Raises
        ------
        OutputError
            If it cannot be written there.
        """
        header = _summary(
            self.counts,
            NCOUNTS=self.counts.counts,
            NCLEANED=self.cleaned,
            NBACKGND=self.background,
            NRESIDUE=self.residual,
        )
        header["LEVELERR"] = (self.level_error, "relative error of the source level")
        if self.reach is not None:
            header["REACH"] = (self.reach, "[deg] beyond it all is residual")
        cards = cube_header(self.counts.grid, self.counts.n_bands)
        planes = {
            name: getattr(self, name) for name in ("cleaned", "variance", "background", "residual")
        }
        edges = self.counts.energy_edges
        data = _fits_bytes(
            header, cards, planes=planes, edges=edges, window=self.counts, provenance=provenance
        )
        write_atomic(path, _packed(path, data))


@dataclass(frozen=True, slots=True)
class NetworkCleanedMap:
    """What a published network makes of the counts: ``cleaned + residual = counts`` in every pixel.

    Parameters
    ----------
    window : CountsMap
        What was observed; its counts are on another grid, or in other bands.
    maps : NetworkMaps
        Raw and cleaned counts, on the pixels and in the one band of the network.
    """

    window: CountsMap
    maps: NetworkMaps

    @property
    def residual(self) -> FloatArray:
        """Raw less cleaned counts, shape (n_y, n_x): what the network takes for background."""
        return self.maps.counts.astype(np.float64) - self.maps.cleaned

    def write(self, path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the maps as FITS, each of which gammapy's ``Map.read(path, hdu=NAME)`` reads.

        Extensions CLEANED, COUNTS and RESIDUAL are cubes of one band in double precision with the
        WCS of the network's pixels; the rest is as in a file of `CleanedMap`. There is no plane of
        variances: a network states none.

        Raises
        ------
        OutputError
            If it cannot be written there.
        """
        counts, cleaned = (
            np.asarray(image, dtype=np.float64)[None]
            for image in (self.maps.counts, self.maps.cleaned)
        )
        planes = {"cleaned": cleaned, "counts": counts, "residual": self.residual[None]}
        header = _summary(
            self.window, NCOUNTS=counts, NCLEANED=cleaned, NRESIDUE=planes["residual"]
        )
        header["NETWORK"] = (self.maps.variant, "variant of the published networks")
        for line in _HISTORY:
            header.add_history(line)
        cards = wcs_cube_header(self.maps.wcs, counts.shape)
        edges = np.array(self.maps.energies)
        data = _fits_bytes(
            header, cards, planes=planes, edges=edges, window=self.window, provenance=provenance
        )
        write_atomic(path, _packed(path, data))


_HISTORY = (
    "CLEANED: what the network CNN-cleaner makes of COUNTS, in counts.",
    "RESIDUAL = COUNTS - CLEANED: what it takes for background.",
    "The network states no variance of CLEANED, so that there is none here;",
    "a Poisson variance of the raw counts is COUNTS itself.",
)


def _fits_bytes(
    header: fits.Header,
    cards: fits.Header,
    *,
    planes: Mapping[str, FloatArray],
    edges: FloatArray,
    window: CountsMap,
    provenance: Mapping[str, Any] | None,
) -> bytes:
    hdus = fits.HDUList([fits.PrimaryHDU(header=header)])
    for name, values in planes.items():
        hdus.append(fits.ImageHDU(values, header=cards, name=name.upper()))
    hdus.append(bands_hdu(edges))
    hdus.append(gti_hdu(window.gti, window.reference_mjd))
    if text := provenance_text(provenance):
        hdus.append(provenance_hdu(text))
    buffer = BytesIO()
    hdus.writeto(buffer, checksum=True)
    return buffer.getvalue()


def _packed(path: str | Path, data: bytes) -> bytes:
    """Compress what goes to a ``.gz`` file; the same bytes give the same file."""
    return gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data


def _summary(window: CountsMap, **sums: NDArray[Any]) -> fits.Header:
    """Return what a primary header says of a window and of the sums of its maps."""
    header = fits.Header()
    header["CREATOR"] = "skysift"
    for keyword, values in sums.items():
        header[keyword] = (float(values.sum(dtype=np.float64)), "sum of the map")
    numbers = {
        "LIVETIME": (window.livetime, "[s] good time less dead time"),
        "RA_PNT": (window.pointing.ra, "[deg]"),
        "DEC_PNT": (window.pointing.dec, "[deg]"),
        "ALT_PNT": (_ZENITH - window.pointing.zenith, "[deg]"),
    }
    for keyword, (value, comment) in numbers.items():
        if np.isfinite(value):
            header[keyword] = (value, comment)
    return header


def clean(
    counts: CountsMap,
    source: ArrayLike,
    background: ArrayLike,
    *,
    level_error: float | None = None,
    reach: float | None = None,
) -> CleanedMap:
    """Take counts apart into sources, background and residual.

    Parameters
    ----------
    counts : CountsMap
        Raw counts.
    source, background : array_like, shape (n_bands, n_y, n_x)
        Expected counts of each, >= 0. A pixel where both are 0 leaves its counts to the residual.
    level_error : float, optional
        Relative standard deviation of the level of the sources; if left out, that of a fit with
        a known background, ``1 / sqrt(sum(s p))``. A fit that frees the background too is less
        certain: give its error.
    reach : float, optional
        Radius about the middle of the map [deg] beyond which nothing was fitted: expectations there
        are left out.

    Raises
    ------
    InputError
        If an expectation does not fit the counts, is negative or is not finite.
    """
    raw = counts.counts.astype(np.float64)
    expected_source, expected_background = (
        _expectation(name, values, raw.shape)
        for name, values in (("source", source), ("background", background))
    )
    if reach is not None:
        xi, eta = counts.grid.pixel_centres()
        inside = np.hypot(xi[None, :], eta[:, None]) <= reach
        expected_source, expected_background = (
            np.where(inside, one, 0.0) for one in (expected_source, expected_background)
        )
    both = expected_source + expected_background
    share = np.divide(expected_source, both, out=np.zeros_like(both), where=both > 0)
    if level_error is None:
        information = float(np.sum(expected_source * share))
        level_error = 1 / np.sqrt(information) if information > 0 else 0.0
    cleaned = raw * share
    unknown = cleaned * (1 - share)
    return CleanedMap(
        counts,
        cleaned,
        expected_background,
        raw - cleaned - expected_background,
        unknown + (unknown * level_error) ** 2,
        float(level_error),
        reach,
    )


def _expectation(name: str, values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise InputError(
            f"The {name} expectation has shape {array.shape}, the counts {shape}.",
            "Put both on the same grid and bands.",
        )
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise InputError(
            f"The {name} expectation holds negative or undefined values.", "Give values >= 0."
        )
    return array
