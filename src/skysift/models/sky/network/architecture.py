"""The network, written once for torch and for ONNX.

It sees the map as counts of the energy bands and as what a smooth background, fitted to the same
map, expects there. Both are made steady in variance by ``sqrt(n + 3/8)`` (Anscombe 1948, Biometrika
35, 246) and compared; nothing is normalised by the map's own extremes, so that absolute counts
stay known. Blocks of 4 x 4 pixels become channels, a residual U-Net (Ronneberger et al. 2015,
arXiv:1505.04597; He et al. 2016, arXiv:1512.03385) works on two scales and their mean over 1 deg,
and three heads give the background, the sources, and the centres of sources. All kernels are odd,
or cover a block exactly: nothing is shifted by half a pixel.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.core.config import Config
from skysift.core.errors import UsageError

__all__ = [
    "BLOCK",
    "LOG_VARIANCE",
    "MOST_TWIST",
    "PLACE_LAYERS",
    "Operations",
    "SkyNetworkSettings",
    "check_weights",
    "initial_weights",
    "network",
    "weight_shapes",
    "with_centre_head",
]

Weights = dict[str, NDArray[np.float32]]

BLOCK = 4
"""Side in pixels of the blocks that the network works on."""

LOG_VARIANCE = (-9.0, 3.0)
"""Limits of the logarithm of a variance [square blocks] that the head of centres can state."""

MOST_TWIST = 3.0
"""The same of the inverse hyperbolic tangent of a correlation: 0.995."""

PLACE_LAYERS = frozenset({"about", "place"})
"""What says where in a block a centre is, and with which covariance: nothing else depends on it."""

_POOLING, _FAR = 2, 5  # blocks to the coarse scale, and from there to the mean over the field
_DILATIONS = (1, 2, 4)
_N_CONDITIONS = 2
_ROUND = 4  # outcomes of a head that states one variance: logit, two offsets, its logarithm
_PLACE = 5  # two offsets, logarithms of their variances, twist: artanh of the correlation
_ANSCOMBE = 3 / 8
_LOG_FLOOR = 1e-2
_CORRECTION = (-4.0, 2.0)  # of ln background
_LOG_SOURCE = (-16.0, 8.0)  # of ln counts per pixel
_RARE = -6.0  # log-odds of a centre in a block before training
_DARK = -7.0  # ln counts of sources per pixel before training


class SkyNetworkSettings(Config):
    """What a trained network is made for.

    Parameters
    ----------
    n_bands : int
        Energy bands that the network sees; a map's own are added up to them.
    shape : (int, int)
        Rows and columns of the maps, multiples of 40.
    pixel_size : float [deg]
        Side of a pixel.
    channels, coarse_channels : int
        Widths of the two scales.
    """

    n_bands: int = 4
    shape: tuple[int, int] = (200, 200)
    pixel_size: float = 0.025
    channels: int = 16
    coarse_channels: int = 32

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks.

        Raises
        ------
        UsageError
            If the map cannot be divided.
        """
        unit = BLOCK * _POOLING * _FAR
        if any(side % unit or side < unit for side in self.shape):
            raise UsageError(
                f"Maps of {self.shape[0]} x {self.shape[1]} pixels do not fit the network.",
                f"Give sides that are multiples of {unit}.",
            )
        return self.shape[0] // BLOCK, self.shape[1] // BLOCK


class Operations(Protocol):
    """What the network is made of; values are tensors, or names in a graph."""

    def convolve(self, value: Any, name: str, *, stride: int = 1, dilation: int = 1) -> Any:
        """Convolve with a named kernel; 'same' padding at stride 1, none otherwise."""
        ...

    def add(self, one: Any, other: Any) -> Any:
        """Add two values."""
        ...

    def subtract(self, one: Any, other: Any) -> Any:
        """Subtract the second from the first."""
        ...

    def shifted(self, value: Any, constant: float) -> Any:
        """Add a number."""
        ...

    def scaled(self, value: Any, constant: float) -> Any:
        """Multiply by a number."""
        ...

    def function(self, name: str, value: Any) -> Any:
        """Apply ``relu``, ``sqrt``, ``log`` or ``exp``."""
        ...

    def clip(self, value: Any, low: float, high: float) -> Any:
        """Limit a value."""
        ...

    def concatenate(self, values: list[Any]) -> Any:
        """Join channels."""
        ...

    def pool(self, value: Any, size: int) -> Any:
        """Average over blocks."""
        ...

    def repeat(self, value: Any, size: int) -> Any:
        """Repeat each pixel over a block."""
        ...

    def spread(self, value: Any, size: int) -> Any:
        """Turn channels into the pixels of a block."""
        ...

    def take(self, value: Any, start: int, stop: int) -> Any:
        """Take channels."""
        ...


def network(
    ops: Operations, settings: SkyNetworkSettings, counts: Any, expected: Any, conditions: Any
) -> tuple[Any, Any, Any]:
    """Apply the network.

    Parameters
    ----------
    ops : Operations
        Those of torch or of a graph.
    settings : SkyNetworkSettings
        Widths.
    counts : value, shape (n, n_bands, n_y, n_x)
        Raw counts.
    expected : value, shape (n, n_bands, n_y, n_x)
        Counts of the smooth background.
    conditions : value, shape (n, 2, n_y / 4, n_x / 4)
        Offset from the pointing and logarithm of the exposure, as `runtime.conditions_of` makes.

    Returns
    -------
    log_correction : value, shape (n, n_bands, n_y, n_x)
        Natural logarithm of background over `expected`.
    log_source : value, shape (n, n_bands, n_y, n_x)
        Natural logarithm of the counts of sources.
    heat : value, shape (n, 6, n_y / 4, n_x / 4)
        Of a source's centre in the block: log-odds, offsets from the middle of the block to larger
        column and row in blocks, the logarithms of their variances in square blocks, and the
        inverse hyperbolic tangent of their correlation.
    """
    hidden = _stem(ops, counts, expected, conditions)
    fine = _residual(ops, hidden, "fine")
    coarse = ops.function("relu", ops.convolve(ops.pool(fine, _POOLING), "down"))
    for dilation in _DILATIONS:
        coarse = _residual(ops, coarse, f"coarse_{dilation}", dilation)
    far = ops.function("relu", ops.convolve(ops.pool(coarse, _FAR), "far_1"))
    coarse = ops.add(coarse, ops.repeat(ops.convolve(far, "far_2"), _FAR))
    up = ops.repeat(ops.convolve(coarse, "up"), _POOLING)
    merged = _residual(ops, ops.function("relu", ops.add(fine, up)), "merged")
    both = ops.concatenate([merged, hidden])
    background = ops.convolve(both, "background")
    shared = ops.spread(ops.take(background, 0, BLOCK**2), BLOCK)
    own = ops.repeat(ops.take(background, BLOCK**2, BLOCK**2 + settings.n_bands), BLOCK)
    correction = ops.clip(ops.add(own, shared), *_CORRECTION)
    source = ops.spread(ops.convolve(both, "source"), BLOCK)
    about = ops.function("relu", ops.convolve(both, "about"))
    place = ops.convolve(ops.concatenate([both, about]), "place")
    heat = ops.concatenate([ops.convolve(both, "heat"), place])
    return correction, ops.clip(source, *_LOG_SOURCE), heat


def _stem(ops: Operations, counts: Any, expected: Any, conditions: Any) -> Any:
    """Compare counts with what is expected, per pixel and per block."""
    pixels = _difference(ops, counts, expected)
    area = float(BLOCK**2)
    of_block = ops.scaled(ops.pool(counts, BLOCK), area)
    expected_of_block = ops.scaled(ops.pool(expected, BLOCK), area)
    level = ops.function("log", ops.shifted(expected_of_block, _LOG_FLOOR))
    blocks = ops.concatenate(
        [
            _difference(ops, of_block, expected_of_block),
            ops.scaled(level, 0.25),
            conditions,
        ]
    )
    joined = ops.add(ops.convolve(pixels, "pixels", stride=BLOCK), ops.convolve(blocks, "blocks"))
    return ops.function("relu", joined)


def _difference(ops: Operations, counts: Any, expected: Any) -> Any:
    seen, wanted = (
        ops.function("sqrt", ops.shifted(value, _ANSCOMBE)) for value in (counts, expected)
    )
    return ops.subtract(seen, wanted)


def _residual(ops: Operations, value: Any, name: str, dilation: int = 1) -> Any:
    inner = ops.function("relu", ops.convolve(value, f"{name}_1", dilation=dilation))
    return ops.function("relu", ops.add(value, ops.convolve(inner, f"{name}_2")))


def weight_shapes(settings: SkyNetworkSettings) -> dict[str, tuple[int, int, int, int]]:
    """Return the shape (out, in, k, k) of each kernel."""
    bands, fine, coarse = settings.n_bands, settings.channels, settings.coarse_channels
    shapes = {
        "pixels": (fine, bands, BLOCK, BLOCK),
        "blocks": (fine, 2 * bands + _N_CONDITIONS, 3, 3),
        "down": (coarse, fine, 3, 3),
        "far_1": (coarse, coarse, 1, 1),
        "far_2": (coarse, coarse, 1, 1),
        "up": (fine, coarse, 1, 1),
        "background": (BLOCK**2 + bands, 2 * fine, 1, 1),
        "source": (BLOCK**2 * bands, 2 * fine, 1, 1),
    }
    for part in ("1", "2"):
        shapes[f"fine_{part}"] = shapes[f"merged_{part}"] = (fine, fine, 3, 3)
        for dilation in _DILATIONS:
            shapes[f"coarse_{dilation}_{part}"] = (coarse, coarse, 3, 3)
    shapes["heat"] = (1, 2 * fine, 1, 1)
    shapes["about"] = (2 * fine, 2 * fine, 3, 3)
    shapes["place"] = (_PLACE, 4 * fine, 1, 1)
    return shapes


def initial_weights(settings: SkyNetworkSettings, rng: np.random.Generator) -> Weights:
    """Draw weights to begin with: the background as expected, sources faint and rare."""
    weights: Weights = {}
    for name, shape in weight_shapes(settings).items():
        spread = np.sqrt(2.0 / np.prod(shape[1:]))
        if name in ("background", "source", "heat", "place"):
            spread *= 0.05
        elif name.endswith("_2"):  # a residual branch begins weak
            spread *= 0.3
        kernel = rng.normal(0.0, spread, shape)
        weights[f"{name}.weight"] = kernel.astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(shape[0], dtype=np.float32)
    weights["source.bias"] += np.float32(_DARK)
    weights["heat.bias"][0] = _RARE
    return weights


def with_centre_head(
    settings: SkyNetworkSettings, weights: Mapping[str, NDArray[np.float32]]
) -> Weights:
    """Return weights with a head of centres that sees its surroundings and states a covariance.

    Parameters
    ----------
    settings : SkyNetworkSettings
        Of the network.
    weights : mapping of str to array
        Of a network whose head is a single kernel and states one variance for both coordinates: it
        says the same afterwards. Others are returned as they are.
    """
    widened = dict(weights)
    shape, names = weight_shapes(settings)["about"], ("heat.weight", "heat.bias")
    before = [(_ROUND, shape[1], 1, 1), (_ROUND,)]
    if [weights[name].shape for name in names if name in weights] != before:
        return widened
    rng = np.random.default_rng(0)  # a kernel whose outcome is not asked for yet
    kernel = rng.normal(0.0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
    widened["about.weight"] = kernel.astype(np.float32)
    widened["about.bias"] = np.zeros(shape[0], dtype=np.float32)
    for name, place in zip(names, ("place.weight", "place.bias"), strict=True):
        rows = weights[name]
        widened[name] = rows[:1]
        widened[place] = np.concatenate([rows[1:], rows[-1:], np.zeros_like(rows[-1:])])
    unasked = np.zeros((_PLACE, shape[0], 1, 1), dtype=np.float32)
    widened["place.weight"] = np.concatenate([widened["place.weight"], unasked], axis=1)
    return widened


def check_weights(
    settings: SkyNetworkSettings, weights: Mapping[str, NDArray[np.floating[Any]]]
) -> None:
    """Refuse weights that are not those of the network.

    Raises
    ------
    UsageError
        If a name or a shape differs, or a value is not finite.
    """
    wanted: dict[str, tuple[int, ...]] = {}
    for name, shape in weight_shapes(settings).items():
        wanted[f"{name}.weight"], wanted[f"{name}.bias"] = shape, shape[:1]
    found = {name: array.shape for name, array in weights.items()}
    if found != wanted or not all(np.isfinite(array).all() for array in weights.values()):
        raise UsageError(
            "The weights are not those of the network.",
            "Load the settings that they were stored with.",
        )
