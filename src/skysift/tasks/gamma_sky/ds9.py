"""Candidates as regions of SAOImage DS9."""

from pathlib import Path

import numpy as np

from skysift.core.files import write_atomic
from skysift.data.sky.ds9 import ellipse_region, point_region, region_file
from skysift.evaluate.ellipse import ellipse_scale
from skysift.tasks.gamma_sky.candidates import CandidateTable

__all__ = ["regions_text", "write_regions"]

_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)


def regions_text(table: CandidateTable) -> str:
    """Return the 68 % and 95 % ellipses of all candidates, a cross where there is no ellipse."""
    regions = []
    for row in range(len(table)):
        ra, dec, major, minor, angle, significance = (
            float(table[name][row])
            for name in ("ra", "dec", "err_major", "err_minor", "err_angle", "significance")
        )
        window = str(table["window"][row])
        label = f"{f'{window} ' if window else ''}{significance:.1f} sigma"
        if not np.isfinite([major, minor, angle]).all():
            regions.append(point_region(ra, dec, label=label))
            continue
        regions.append(ellipse_region(ra, dec, major, minor, angle, label=label))
        wide = (major * _WIDENING, minor * _WIDENING)
        regions.append(ellipse_region(ra, dec, *wide, angle, dashed=True))
    return region_file(regions)


def write_regions(table: CandidateTable, path: str | Path) -> None:
    """Write a DS9 region file.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    write_atomic(path, regions_text(table))
