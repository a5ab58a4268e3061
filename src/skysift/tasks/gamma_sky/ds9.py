"""Candidates as regions of SAOImage DS9, http://ds9.si.edu/doc/ref/region.html ."""

from pathlib import Path

import numpy as np

from skysift.core.files import write_atomic
from skysift.evaluate.ellipse import ellipse_scale
from skysift.tasks.gamma_sky.candidates import CandidateTable

__all__ = ["regions_text", "write_regions"]

_ARCSEC = 3600.0
_QUARTER_TURN = 90.0
_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)
_FORBIDDEN = str.maketrans("{}\n\r", "()  ")


def regions_text(table: CandidateTable) -> str:
    """Return the 68 % and 95 % ellipses of all candidates, a cross where there is no ellipse.

    DS9 turns the first axis counter-clockwise from the west, so that its angle is the position
    angle plus 90 deg.
    """
    lines = ["# Region file format: DS9 version 4.1", "global color=green width=1", "icrs"]
    for row in range(len(table)):
        ra, dec, major, minor, angle, significance = (
            float(table[name][row])
            for name in ("ra", "dec", "err_major", "err_minor", "err_angle", "significance")
        )
        window = str(table["window"][row]).translate(_FORBIDDEN)
        label = f"{f'{window} ' if window else ''}{significance:.1f} sigma"
        place = f"{ra:.7f},{dec:.7f}"
        if not np.isfinite([major, minor, angle]).all():
            lines.append(f"point({place}) # point=cross text={{{label}}}")
            continue
        turn = (angle + _QUARTER_TURN) % 360
        for scale, style in ((1.0, f"text={{{label}}}"), (_WIDENING, "dash=1")):
            axes = ",".join(f'{axis * scale * _ARCSEC:.3f}"' for axis in (major, minor))
            lines.append(f"ellipse({place},{axes},{turn:.3f}) # {style}")
    return "\n".join(lines) + "\n"


def write_regions(table: CandidateTable, path: str | Path) -> None:
    """Write a DS9 region file.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    write_atomic(path, regions_text(table))
