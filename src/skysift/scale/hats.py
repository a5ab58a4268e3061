"""Catalogues in the HATS layout, opened by LSDB: which Parquet files they consist of.

HATS (Hierarchical Adaptive Tiling Scheme) is the format of survey catalogues that are too large for
one file: Parquet files of about equal size, one for each of the HEALPix pixels that the sky is cut
into. See https://www.ivoa.net/documents/Notes/HATS/ and https://lsdb.io.
"""

import warnings
from pathlib import Path

from skysift.core.errors import ReadError
from skysift.core.extras import import_extra

__all__ = ["is_hats", "partition_files"]

_MARKERS = ("hats.properties", "collection.properties")


def is_hats(path: Path) -> bool:
    """Tell whether a folder is a HATS catalogue, or a collection of one and its margins."""
    return any((path / marker).is_file() for marker in _MARKERS)


def partition_files(path: Path) -> list[Path]:
    """Return the Parquet files of a catalogue, ordered along the sky.

    Of a collection, the files of its main catalogue; each object is in exactly one of them, while
    margins, which repeat objects of the neighbours, are left out.

    Raises
    ------
    MissingExtraError
        If LSDB is not installed.
    ReadError
        If LSDB cannot open it, or files that it names are missing.
    """
    lsdb = import_extra("lsdb", extra="hats")
    paths = import_extra("hats.io.paths", extra="hats")
    try:
        with warnings.catch_warnings():  # of its own dependencies
            warnings.simplefilter("ignore")
            catalogue = lsdb.open_catalog(str(path))
        structure = catalogue.hc_structure
        suffix = structure.catalog_info.npix_suffix
        found = [
            Path(str(paths.pixel_catalog_file(structure.catalog_base_dir, at, npix_suffix=suffix)))
            for at in catalogue.get_healpix_pixels()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f"LSDB cannot open the catalogue ({type(error).__name__}: {error}).",
            "Check that the folder is a whole HATS catalogue.",
            path=path,
        ) from error
    missing = [file for file in found if not file.exists()]
    if missing or not found:
        what = missing[0].name if missing else "any file"
        raise ReadError(
            f"The catalogue lacks {len(missing)} of {len(found)} partitions, e.g. {what}.",
            "Fetch it again.",
            path=path,
        )
    return found
