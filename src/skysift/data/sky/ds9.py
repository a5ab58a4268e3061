"""Regions of SAOImage DS9, http://ds9.si.edu/doc/ref/region.html , as text."""

from collections.abc import Iterable

__all__ = ["ellipse_region", "point_region", "region_file"]

_ARCSEC = 3600.0
_QUARTER_TURN = 90.0
_FORBIDDEN = str.maketrans("{}\n\r", "()  ")


def region_file(regions: Iterable[str]) -> str:
    """Return the text of a file with regions in ICRS."""
    head = ("# Region file format: DS9 version 4.1", "global color=green width=1", "icrs")
    return "\n".join((*head, *regions)) + "\n"


def ellipse_region(
    ra: float,
    dec: float,
    major: float,
    minor: float,
    angle: float,
    *,
    label: str = "",
    dashed: bool = False,
) -> str:
    """Return an ellipse.

    DS9 turns the first axis counter-clockwise from the west, so that its angle is the position
    angle plus 90 deg.

    Parameters
    ----------
    ra, dec : float
        Centre [deg].
    major, minor : float
        Semi-axes [deg].
    angle : float
        Position angle of the major axis, from north through east [deg].
    label : str
        What is written beside it.
    dashed : bool
        How it is drawn.

    Examples
    --------
    >>> ellipse_region(83.63, 22.01, 0.02, 0.01, 30.0, label="12.3 sigma")
    'ellipse(83.6300000,22.0100000,72.000",36.000",120.000) # text={12.3 sigma}'
    """
    turn = (angle + _QUARTER_TURN) % 360
    axes = ",".join(f'{axis * _ARCSEC:.3f}"' for axis in (major, minor))
    styles = (["dash=1"] if dashed else []) + ([f"text={{{_plain(label)}}}"] if label else [])
    return f"ellipse({_place(ra, dec)},{axes},{turn:.3f}) # {' '.join(styles)}".rstrip(" #")


def point_region(ra: float, dec: float, *, label: str = "") -> str:
    """Return a cross.

    Examples
    --------
    >>> point_region(83.63, 22.01, label="{no error}")
    'point(83.6300000,22.0100000) # point=cross text={(no error)}'
    """
    return f"point({_place(ra, dec)}) # point=cross text={{{_plain(label)}}}"


def _place(ra: float, dec: float) -> str:
    return f"{ra:.7f},{dec:.7f}"


def _plain(label: str) -> str:
    return label.translate(_FORBIDDEN)
