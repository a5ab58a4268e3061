"""How much a file of a solar image may hold, so that a hostile one costs no more than a refusal."""

from skysift.core.errors import ReadError
from skysift.data.images.limits import Limits

__all__ = ["SOLAR_LIMITS", "SolarReadError", "require_size"]

SOLAR_LIMITS = Limits(side=8192, least_side=16)
"""Twice the side of HMI and AIA; files of up to 256 MiB."""


class SolarReadError(ReadError):
    """A file is no solar image that can be used; `code` is a short stable name of the reason.

    Examples
    --------
    >>> SolarReadError("cut-short", "The image is cut short.").code
    'cut-short'
    """

    def __init__(self, code: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.code = code


_SMALL = 2048**2  # pixels: harmless
_MOST_PER_BYTE = 128  # pixels: browse pictures have 6 for a byte, test images of sunpy 100


def require_size(nx: int, ny: int, limits: Limits, *, n_bytes: int | None = None) -> None:
    """Refuse an image that is too large or too small.

    Parameters
    ----------
    nx, ny : int
        Its sides [pixel].
    limits : Limits
        Bounds of what is read.
    n_bytes : int, optional
        Size of its file: an image that shrinks further than any of the Sun does is refused, too.

    Raises
    ------
    SolarReadError
        If a side is out of the bounds.
    """
    if max(nx, ny) > limits.side:
        raise SolarReadError(
            "too-large",
            f"The image has, or claims, {nx} x {ny} pixels, more than {limits.side} on a side.",
            "If that is right, read it with larger limits.",
        )
    if min(nx, ny) < limits.least_side:
        raise SolarReadError(
            "too-small",
            f"The image has {nx} x {ny} pixels, fewer than {limits.least_side} on a side.",
            "Give an image of the whole Sun or of an active region.",
        )
    if n_bytes is not None and nx * ny > max(_SMALL, _MOST_PER_BYTE * n_bytes):
        raise SolarReadError(
            "too-large",
            f"The image has, or claims, {nx} x {ny} pixels in {n_bytes:,} bytes: no image of the "
            "Sun shrinks so far.",
            "If you trust it, unpack it yourself.",
        )
