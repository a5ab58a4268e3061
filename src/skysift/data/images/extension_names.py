"""What the images of one FITS file are called, and which of them are no exposures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["AUXILIARY", "Extension", "extension_names"]

AUXILIARY = {"UNCERT", "VARIANCE", "MASK", "WEIGHT", "PSFIMAGE", "PSF", "DQ", "ERR"}
"""Values of EXTNAME of what goes with an image: its uncertainty, mask or point-spread function."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A part of a FITS file.

    Parameters
    ----------
    number : int
        0 for the primary one.
    name : str
        Its EXTNAME, or nothing.
    version : int, optional
        Its EXTVER.
    """

    number: int
    name: str
    version: int | None = None


def extension_names(parts: Sequence[Extension]) -> dict[int, str]:
    """Return a name for each part by its number, no two alike.

    It is EXTNAME, or the number of a part without one; where these are not unique, EXTNAME and
    EXTVER, or the number of the HDU.

    Examples
    --------
    >>> extension_names([Extension(1, "SCI", 1), Extension(2, "SCI", 2), Extension(3, "")])
    {1: 'SCI,1', 2: 'SCI,2', 3: '3'}
    """
    plain = {part.number: part.name or str(part.number) for part in parts}
    counts = Counter(plain.values())
    versions = Counter((part.name, part.version) for part in parts)
    names = {}
    for part in parts:
        names[part.number] = plain[part.number]
        if counts[plain[part.number]] > 1:
            unique = part.version is not None and versions[part.name, part.version] == 1
            last = str(part.version) if unique else f"hdu{part.number}"
            names[part.number] = f"{part.name},{last}" if part.name else f"hdu{part.number}"
    return names
