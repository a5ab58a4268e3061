"""A science image with its celestial coordinates: read once, cut many times."""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.bounded_gzip import GZIP_MAGIC
from skysift.data.images.extension_names import AUXILIARY, Extension, extension_names
from skysift.data.images.facts import FactValues, facts_of_cards
from skysift.data.images.fits_bytes import FITS_MAGIC, FitsBytes
from skysift.data.sky.fits_stream import MAX_BYTES, read_bounded
from skysift.data.sky.fits_table import walk_hdus
from skysift.data.sky.tangent import separation

__all__ = ["ScienceFile", "ScienceImage", "open_science_file", "read_science_image"]

_PLANE = 2
_CARD, _BLOCK = 80, 2880
_ARCSEC_PER_DEG = 3600.0
# What a cutout keeps of the header: coordinates with TPV or SIP distortions, and photometry.
_KEPT = re.compile(
    r"^(WCSAXES|CTYPE[12]|CUNIT[12]|CRVAL[12]|CD[12]_[12]|PC[12]_[12]|CDELT[12]|CROTA2|PV[12]_\d+|"
    r"[AB]P?_ORDER|[AB]P?_\d+_\d+|[AB]_DMAX|LONPOLE|LATPOLE|RADESYS|EQUINOX|BUNIT|"
    r"FILENAME|ORIGNAME|EXPID|VISIT|FILTER|FILTERID|BAND|OBSMJD|MJD-OBS|SEEING|PIXSCALE|MAGZP|"
    r"MAGLIM|SATURATE|GAIN|READNOI|AIRMASS|INFOBITS|STATUS|FIXAPERS|APCOR\d+|FIELDID|CCDID|QID|"
    r"RCID|EXPTIME|CLRCOEFF)$"
)
_GRID = re.compile(
    r"^(CTYPE[12]|CUNIT[12]|CRVAL[12]|CRPIX[12]|CD[12]_[12]|PC[12]_[12]|CDELT[12]|CROTA2|PV[12]_\d+|"
    r"[AB]_\d+_\d+|LONPOLE|LATPOLE|Z?NAXIS[12])$"
)
"""What tells whether two images have the same pixels."""


@dataclass(frozen=True, eq=False)
class ScienceImage:
    """An image in memory.

    Parameters
    ----------
    path : Path
        The file.
    pixels : array of float32, shape (ny, nx)
        Data values.
    wcs : astropy.wcs.WCS
        Celestial coordinates, distortions and all.
    facts : dict
        What the header tells, by the names of :data:`skysift.data.images.facts.FACTS`.
    cards : bytes
        The cards that every cutout repeats, 80 bytes each.
    part : str
        Which image of the file, where it has several exposures.
    """

    path: Path
    pixels: NDArray[np.float32]
    wcs: WCS
    facts: FactValues
    cards: bytes
    part: str = ""

    @property
    def pixel_scale(self) -> float:
        """Return the side of a pixel at the reference point [arcsec]."""
        return float(np.mean(proj_plane_pixel_scales(self.wcs)) * _ARCSEC_PER_DEG)

    def pixel_positions(
        self, ra: NDArray[np.float64], dec: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return where positions lie, y and x, shape (n, 2); NaN for those far off the image.

        Parameters
        ----------
        ra, dec : array, shape (n,)
            Positions in the frame of the image [deg].
        """
        ny, nx = self.pixels.shape
        middle = self.wcs.all_pix2world([[(nx - 1) / 2, (ny - 1) / 2]], 0)[0]
        # Far off the image a distortion polynomial means nothing, and inverting it may fail.
        reach = np.hypot(ny, nx) * self.pixel_scale / _ARCSEC_PER_DEG
        near = np.flatnonzero(separation(ra, dec, middle[0], middle[1]) < reach)
        out = np.full((len(ra), 2), np.nan)
        if len(near):
            sky = np.stack([ra[near], dec[near]], axis=1)
            out[near] = self.wcs.all_world2pix(sky, 0, quiet=True)[:, ::-1]
        return out


def read_science_image(
    path: str | Path, *, hdu: int | None = None, max_bytes: int = MAX_BYTES
) -> ScienceImage:
    """Read an image with celestial coordinates, plain, gzipped or tile-compressed.

    Parameters
    ----------
    path : path-like
        A FITS file.
    hdu : int, optional
        Which part of it; the first with an image if not given.
    max_bytes : int
        Bound of the unpacked file.

    Raises
    ------
    ReadError
        If the file cannot be read, has no image, or its coordinates are missing or make no sense.
    """
    file = Path(path)
    return _science_image(_unpacked(file, max_bytes), file, hdu, "")


@dataclass(frozen=True, eq=False)
class ScienceFile:
    """A FITS file with one exposure or several, each an image with celestial coordinates.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        Its content, not compressed.
    parts : mapping of int to str
        The exposures: HDU and name, which is empty where there is one only. Without any, the
        first image is read all the same, and says what is wrong.
    unused : mapping of str to str
        Names of other images with coordinates, each with the reason why it is no exposure.
    """

    path: Path
    data: bytes = field(repr=False)
    parts: Mapping[int, str]
    unused: Mapping[str, str]

    def images(self) -> Iterator["ScienceImage | ReadError"]:
        """Yield the exposures one after the other, or why one cannot be used."""
        parts: list[tuple[int | None, str]] = [*self.parts.items()]
        for number, name in parts or [(None, "")]:
            try:
                yield _science_image(self.data, self.path, number, name)
            except ReadError as error:
                error.path = Path(f"{self.path}#{name}") if name else error.path
                yield error


def open_science_file(path: str | Path, *, max_bytes: int = MAX_BYTES) -> ScienceFile:
    """Read a file and find its exposures; masks, uncertainties and the like are none.

    Parameters
    ----------
    path : path-like
        A FITS file, plain, gzipped or tile-compressed.
    max_bytes : int
        Bound of the unpacked file.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    file = Path(path)
    data = _unpacked(file, max_bytes)
    headers = _headers(data, file)
    if len(headers) <= 1:
        return ScienceFile(file, data, dict.fromkeys(headers, ""), {})
    names = extension_names(
        [
            Extension(number, str(header.get("EXTNAME", "")).strip(), header.get("EXTVER"))
            for number, header in headers.items()
        ]
    )
    grids: dict[frozenset[tuple[str, Any]], int] = {}
    unused = {}
    for number, header in headers.items():
        if str(header.get("EXTNAME", "")).strip().upper() in AUXILIARY or not _is_celestial(header):
            continue
        first = grids.setdefault(_grid(header), number)
        if first != number:
            unused[names[number]] = f"It has the same pixels on the sky as #{names[first]}."
    exposures = list(grids.values())
    several = len(exposures) > 1
    return ScienceFile(
        file, data, {number: names[number] if several else "" for number in exposures}, unused
    )


def _unpacked(file: Path, max_bytes: int) -> bytes:
    _require_fits(file)
    data = read_bounded(file, max_bytes=max_bytes)
    _require_plausible(data, file, max_bytes)
    return data


def _science_image(data: bytes, file: Path, hdu: int | None, part: str) -> ScienceImage:
    pixels, header = _image(data, file, hdu)
    wcs = _coordinates(header, file)
    facts, _ = _facts(header, file)
    facts.setdefault("image", file.name)
    if part:  # exposures of one file are told apart by the names of their images
        facts["image"] = header["FILENAME"] = f"{facts['image']}#{part}"
    return ScienceImage(file, pixels, wcs, facts, _kept_cards(header, facts), part)


def _headers(data: bytes, path: Path) -> dict[int, fits.Header]:
    """Return the headers of all images by the number of their HDU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd cards, which astropy mends
        try:
            with fits.open(BytesIO(data), memmap=False) as opened:
                return {
                    number: part.header.copy()
                    for number, part in enumerate(opened)
                    if _is_image(part)
                }
        except Exception as error:  # damage can make the library raise anything
            raise _damaged(error, path) from error


def _is_image(part: Any) -> bool:
    return bool(part.is_image and part.header.get("NAXIS", 0) >= _PLANE)


def _is_celestial(header: fits.Header) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(WCS(header, naxis=_PLANE).has_celestial)
        except Exception:  # noqa: BLE001 - what is wrong with it is said where it is read
            return any("CRVAL" in name for name in header)


def _grid(header: fits.Header) -> frozenset[tuple[str, Any]]:
    return frozenset(
        (card.keyword, card.value) for card in header.cards if _GRID.match(card.keyword)
    )


def _require_fits(path: Path) -> None:
    """Refuse what is neither FITS nor gzipped; what is not there at all is left to the reader."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        begin = file.read(len(FITS_MAGIC))
    if not begin.startswith((FITS_MAGIC, GZIP_MAGIC)):
        raise ReadError(
            "This is not a FITS file.", "Give science images: .fits, .fits.gz, .fits.fz.", path=path
        )


def _image(data: bytes, path: Path, wanted: int | None) -> tuple[NDArray[np.float32], fits.Header]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd cards, which astropy mends
        try:
            with fits.open(BytesIO(data), memmap=False) as opened:
                parts = list(opened) if wanted is None else [opened[wanted]]
                for part in parts:
                    if _is_image(part):
                        pixels = np.asarray(part.data, dtype=np.float32)
                        return pixels.reshape(pixels.shape[-2:]), part.header.copy()
        except Exception as error:  # damage can make the library raise anything
            raise _damaged(error, path) from error
    raise ReadError("The file has no image.", "Give a science image.", path=path)


def _damaged(error: Exception, path: Path) -> ReadError:
    return ReadError(f"The image is damaged ({error}).", "Copy or download it again.", path=path)


def _require_plausible(data: bytes, path: Path, max_bytes: int) -> None:
    """Walk the headers: a claim of more pixels than there is memory ends here."""
    for hdu in walk_hdus(FitsBytes(data, str(path))):
        if hdu.is_table and hdu.cards.get("ZIMAGE") is True:
            size = 4 * hdu.cards.integer("ZNAXIS1") * hdu.cards.integer("ZNAXIS2")
            if size > max_bytes:
                raise ReadError(
                    "The compressed image claims too many pixels.", "Do not trust it.", path=path
                )
        elif not hdu.is_table and hdu.end > len(data):
            raise ReadError("The image is cut short.", "Copy or download it again.", path=path)


def _coordinates(header: fits.Header, path: Path) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(header, naxis=_PLANE)
        except Exception as error:  # as above
            raise ReadError(
                f"The celestial coordinates cannot be understood ({error}).",
                "Correct the header, for example with astropy's fits.setval.",
                path=path,
            ) from error
    if not wcs.has_celestial:
        raise ReadError("The image has no celestial coordinates.", "Solve it first.", path=path)
    if wcs.det2im1 is not None or wcs.det2im2 is not None or wcs.cpdis1 is not None:
        raise ReadError(
            "The coordinates use look-up tables of distortions, which cutouts cannot keep.",
            "Give an image with a TPV or SIP solution.",
            path=path,
        )
    if not np.isfinite(wcs.all_pix2world([[0.0, 0.0]], 0)).all():
        raise ReadError(
            "The celestial coordinates give no position.", "Correct the header.", path=path
        )
    return wcs


def _facts(header: fits.Header, path: Path) -> tuple[FactValues, bool]:
    """Read the facts as of any cutout, from the header as bytes."""
    kept = [card.image for card in header.cards if _KEPT.match(card.keyword)]
    lines = "".join(line.ljust(_CARD) for line in ["SIMPLE  =                    T", *kept, "END"])
    lines = lines.ljust(-(-len(lines) // _BLOCK) * _BLOCK)
    block = lines.encode("ascii", "replace")
    return facts_of_cards(next(walk_hdus(FitsBytes(block, str(path)))).cards)


def _kept_cards(header: fits.Header, facts: FactValues) -> bytes:
    kept: list[Any] = [card for card in header.cards if _KEPT.match(card.keyword)]
    if not any(card.keyword == "FILENAME" for card in kept):
        kept.append(fits.Card("FILENAME", str(facts["image"])))
    return b"".join(card.image.encode("ascii", "replace") for card in kept)
