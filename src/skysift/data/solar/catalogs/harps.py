"""Which NOAA regions an HMI active region patch (HARP) holds."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.solar.catalogs.text_files import read_text

__all__ = ["parse_noaa_ars", "read_harp_map", "region_of_harps"]

Regions = tuple[int, ...]


def read_harp_map(path: str | Path) -> dict[int, Regions]:
    """Read JSOC's ``all_harps_with_noaa_ars.txt``: a HARP and the regions in it on each line.

    Returns
    -------
    dict of int to tuple of int
        The NOAA numbers of each HARP.

    Raises
    ------
    ReadError
        If a line is not of that form.
    """
    file = Path(path)
    regions: dict[int, Regions] = {}
    for number, line in enumerate(read_text(file).splitlines()):
        words = line.split()
        if not words or words[0].upper() == "HARPNUM":
            continue
        if len(words) != 2 or not words[0].isdigit():  # noqa: PLR2004 - a HARP and its regions
            raise ReadError(
                f"'{line.strip()}' is no HARP with its regions.",
                "Fetch the file again from JSOC.",
                path=file,
                row=number,
            )
        regions[int(words[0])] = parse_noaa_ars(words[1])
    if not regions:
        raise ReadError("The file names no HARP.", "Fetch it again from JSOC.", path=file)
    return regions


def parse_noaa_ars(text: str) -> Regions:
    """Return the numbers of the keyword ``NOAA_ARS``; none for ``MISSING``, empty, and 0.

    Examples
    --------
    >>> parse_noaa_ars("11424,11427"), parse_noaa_ars("MISSING")
    ((11424, 11427), ())
    """
    words = (word.strip() for word in text.split(","))
    return tuple(int(word) for word in words if word.isdigit() and int(word) > 0)


def region_of_harps(harps: Iterable[int], regions: Mapping[int, Regions]) -> NDArray[np.int64]:
    """Return one number for the region of each HARP, shape (n,), for splits by region.

    HARPs that share a NOAA region get the same number, the lowest NOAA number of all that hang
    together. A HARP without any is a region of its own, and gets its own number, negative: HARPs
    with the NOAA number 0 are not one region.

    Examples
    --------
    >>> region_of_harps([1, 2, 3, 4], {1: (11424, 11427), 2: (11427,), 3: ()}).tolist()
    [11424, 11424, -3, -4]
    """
    lowest: dict[int, int] = {}

    def root(number: int) -> int:
        while lowest.setdefault(number, number) != number:
            number = lowest[number]
        return number

    for together in regions.values():
        for number in together[1:]:
            first, second = sorted((root(together[0]), root(number)))
            lowest[second] = first
    return np.array(
        [root(regions[harp][0]) if regions.get(harp) else -harp for harp in harps], dtype=np.int64
    )
