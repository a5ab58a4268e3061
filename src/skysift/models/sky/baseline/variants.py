"""The published networks with or without each of their faults, so that each can be priced.

Five choices of the original lose information or shift the image. Each is a switch of
:class:`Variant`; :func:`ablation` lists what has to be trained to see what each one costs.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skysift.core.errors import UnknownNameError, UsageError
from skysift.models.sky.baseline.layers import REGRESSOR_HIDDEN, Activation

__all__ = [
    "COMPACT",
    "CORRECTED",
    "ORIGINAL",
    "Variant",
    "ablation",
    "find_variant",
    "stretch_back",
    "stretch_to_unit",
]

Floats = NDArray[np.float32]

_ANSCOMBE = 3 / 8


@dataclass(frozen=True, slots=True)
class Variant:
    """Which of the original's choices are kept.

    Parameters
    ----------
    name : str
        What a table calls it.
    grid : {"data-edges", "fixed"}
        Pixels whose edges are the extremes of each map's photons, while the labels come from a
        fixed world coordinate system (the original), or fixed pixels for both. This is a matter
        of the data set, which is asked for maps of that kind.
    kernel : {2, 3}
        Even kernels sit between pixels and shift the image (the original), or odd ones.
    intensity : {"stretch", "counts"}
        Each map is stretched to [0, 1] by its own extremes, so that its absolute counts are lost
        (the original), or the root of the counts goes in and a Poisson likelihood is the loss.
    target : {"own", "expectation"}
        What a cleaner learns to answer: the counts of the very map that it sees, less the expected
        background (the original), so that the noise of the map is part of the answer and a network
        does best that takes nothing away; or the counts that are expected of the source.
    smoothing : float [pixel]
        Sigma of the Gaussian that the maps are smoothed with: 5 in the original; 0 is none.
    hidden : int
        Width of the regressor's dense layer: 10,000 in the original.

    Raises
    ------
    UsageError
        If the smoothing is negative, or there is no dense layer.
    """

    name: str
    grid: Literal["data-edges", "fixed"] = "data-edges"
    kernel: Literal[2, 3] = 2
    intensity: Literal["stretch", "counts"] = "stretch"
    target: Literal["own", "expectation"] = "own"
    smoothing: float = 5.0
    hidden: int = REGRESSOR_HIDDEN

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise UsageError(f"A layer of {self.hidden} values makes no sense.", "Give 1 or more.")
        if not (np.isfinite(self.smoothing) and self.smoothing >= 0):
            raise UsageError(
                f"The smoothing of {self.smoothing} pixels makes no sense.", "Give 0 or more."
            )

    @property
    def output(self) -> Activation:
        """Activation of the cleaner's last layer."""
        return "sigmoid" if self.intensity == "stretch" else "softplus"

    def smooth(self, maps: NDArray[Any]) -> Floats:
        """Return the maps, shape (n, n_y, n_x), smoothed as the variant wants, as float32."""
        plain = np.asarray(maps, dtype=np.float32)
        if self.smoothing == 0:
            return plain
        return np.asarray(gaussian_filter(plain, self.smoothing, axes=(-2, -1)), dtype=np.float32)

    def network_input(self, smoothed: Floats) -> Floats:
        """Return what the network sees of smoothed maps, shape (n, n_y, n_x)."""
        if self.intensity == "stretch":
            return stretch_to_unit(smoothed)
        # Cleaned maps may lie a little below zero.
        return np.sqrt(np.maximum(smoothed, 0) + np.float32(_ANSCOMBE))

    def to_counts(self, output: Floats, smoothed: Floats) -> Floats:
        """Return a cleaner's output in counts, given the smoothed noisy maps."""
        return output if self.intensity == "counts" else stretch_back(output, smoothed)


ORIGINAL = Variant("original")
CORRECTED = Variant(
    "corrected",
    grid="fixed",
    kernel=3,
    intensity="counts",
    target="expectation",
    smoothing=0.0,
)
COMPACT = replace(CORRECTED, name="corrected, small", hidden=1000)
"""The corrected one with a dense layer of a tenth of the width: small enough to ship."""


def ablation() -> tuple[Variant, ...]:
    """Return the original, it with one fault mended (each in turn), with all but one, and with all.

    Raw counts are neither stretched nor smoothed: that mends the fault of "no smoothing" as well.
    The target is mended last, where the rest is: it shows with counts, and a cleaner that has them.

    Examples
    --------
    >>> ", ".join(variant.name for variant in ablation())
    'original, fixed grid, odd kernels, raw counts, no smoothing, own counts, corrected'
    """
    return (
        ORIGINAL,
        replace(ORIGINAL, name="fixed grid", grid="fixed"),
        replace(ORIGINAL, name="odd kernels", kernel=3),
        # Smoothed counts are not Poisson: on them the cleaner of counts learns an empty map.
        replace(ORIGINAL, name="raw counts", intensity="counts", smoothing=0.0),
        replace(ORIGINAL, name="no smoothing", smoothing=0.0),
        replace(CORRECTED, name="own counts", target="own"),
        CORRECTED,
    )


def find_variant(name: str) -> Variant:
    """Return the variant of :func:`ablation`, or the compact one, that has this name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    known = {variant.name: variant for variant in (*ablation(), COMPACT)}
    if name not in known:
        raise UnknownNameError("variant", name, known)
    return known[name]


def stretch_to_unit(maps: Floats) -> Floats:
    """Return each map, shape (n, n_y, n_x), stretched to [0, 1]; one without contrast becomes 0."""
    low, high = _extremes(maps)
    width = high - low
    stretched = np.zeros_like(maps)
    np.divide(maps - low, width, out=stretched, where=width > 0)
    return stretched


def stretch_back(shares: Floats, maps: Floats) -> Floats:
    """Return shares, shape (n, n_y, n_x), of the range between the extremes of other maps.

    This is how the original gets counts: by the extremes of the noisy map, not of the clean one.
    """
    low, high = _extremes(maps)
    return shares * (high - low) + low


def _extremes(maps: Floats) -> tuple[Floats, Floats]:
    return maps.min(axis=(-2, -1), keepdims=True), maps.max(axis=(-2, -1), keepdims=True)
