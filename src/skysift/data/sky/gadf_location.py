"""Where the parts of an observation lie: a file and an extension of it."""

from dataclasses import dataclass
from pathlib import Path

from skysift.core.errors import ReadError
from skysift.data.sky.fits_stream import MAX_BYTES, FitsStream
from skysift.data.sky.fits_table import Cards, FitsHdu, walk_hdus

__all__ = ["HduLocation", "list_responses"]

_TYPES = {
    "EFF_AREA": "aeff", "EFFECTIVE AREA": "aeff", "AEFF": "aeff",
    "EDISP": "edisp", "ENERGY DISPERSION": "edisp",
    "PSF": "psf", "RPSF": "psf", "POINT SPREAD FUNCTION": "psf",
    "BKG": "bkg", "BACKGROUND": "bkg",
    "RAD_MAX": "rad_max",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HduLocation:
    """One extension of one file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        EXTNAME; capitals and small letters are the same.
    hdu_type : str
        GADF HDU_TYPE: ``events``, ``gti``, ``pointing``, ``aeff``, ``psf``, ``edisp``, ``bkg``,
        ``rad_max``.
    hdu_class : str
        GADF HDU_CLASS, e.g. ``aeff_2d`` or ``psf_3gauss``.
    """

    path: Path
    name: str
    hdu_type: str
    hdu_class: str

    def find(self, stream: FitsStream) -> FitsHdu:
        """Return the extension in the opened file.

        Raises
        ------
        ReadError
            If the file has no extension of this name.
        """
        names = []
        for hdu in walk_hdus(stream):
            if hdu.name == self.name.upper():
                return hdu
            names.append(hdu.name)
        raise ReadError(
            f"The file has no extension '{self.name}'.",
            f"It holds: {', '.join(names)}.",
            path=stream.path,
        )


def list_responses(path: str | Path, *, max_bytes: int = MAX_BYTES) -> tuple[HduLocation, ...]:
    """Return the tables of instrument response in a file, in its order.

    Raises
    ------
    ReadError
        If the file cannot be read, is truncated or no FITS file.
    """
    with FitsStream(path, max_bytes=max_bytes) as stream:
        located = (
            (hdu.name, *_type_and_class(hdu.name, hdu.cards))
            for hdu in walk_hdus(stream)
            if hdu.is_table
        )
        return tuple(
            HduLocation(stream.path, name, kind, detail) for name, kind, detail in located if kind
        )


def _type_and_class(name: str, cards: Cards) -> tuple[str, str]:
    kind = _TYPES.get(cards.text("HDUCLAS2").upper()) or _TYPES.get(name, "")
    detail = cards.text("HDUCLAS4").lower()
    # Files older than GADF, as of the first CTA data challenge, write 2D for AEFF_2D.
    return kind, detail if not detail or detail.startswith(kind) else f"{kind}_{detail}"
