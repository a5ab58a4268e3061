"""Find the solar disk in a picture without coordinates, by its limb.

A circle is moved until the mean change of brightness across it is greatest, as Daugman 1993 (IEEE
PAMI 15, 1148) finds the iris of an eye; then it is fitted to the greatest changes at
each angle by least squares, reweighted with Tukey's biweight. The change at each angle is bounded,
so that no active region outweighs the rest of the limb. Outwards, brightness falls at the limb in
visible light and in magnetograms; in the light of the corona it rises, for there the line of sight
through the corona becomes twice as long.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["LimbFit", "fit_limb"]

_COARSE_SIDE = 96
_COARSE_ANGLES = 72
_RADII = (0.18, 0.62)  # of the longer side
_SHIFTS = np.linspace(-0.12, 0.12, 9)  # of the centre on either axis, of the longer side


@dataclass(frozen=True, slots=True)
class _Stage:
    """How closely a circle is looked at.

    Parameters
    ----------
    angles : int
    width : float
        Over which the change is taken [radius].
    rounds : int
        Most often that the picture is sampled.
    """

    angles: int
    width: float
    rounds: int


_WIDE = _Stage(angles=180, width=0.02, rounds=2)
_NARROW = _Stage(angles=360, width=0.008, rounds=4)
_SECTORS = 80.0  # on which the change is averaged
_NARROWEST = 0.7  # pixel
_STEPS = 3.0  # of the radius in a width
_REACH = 5.0  # widths on either side of the circle
_STILL = 0.02  # pixel
_FAINTEST = 0.01  # slope of a limb, in ranges of brightness per step
_DARK, _BRIGHT = 1.0, 99.0  # percentiles that make the range
_REWEIGHTED = 8
_SETTLED = 1e-3  # pixel
_RIDGE = 1e-9
_TUKEY, _NORMAL_SCALE = 4.685, 1.4826
_SHARPEST = 0.02  # scatter of a limb [pixel]
_CLOSE = 0.6  # score of the wide stage, against the best, that is worth the narrow one
_CERTAIN = 0.55
_POSSIBLE = 0.4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LimbFit:
    """A circle fitted to the limb.

    Parameters
    ----------
    x, y : float
        Its centre [pixel].
    radius : float
        [pixel]
    falls : bool
        Whether brightness falls at the limb, going outwards.
    score : float
        Mean of the bounded change at the angles where it lies on the circle, between 0 and 1.
    """

    x: float
    y: float
    radius: float
    falls: bool
    score: float

    @property
    def is_certain(self) -> bool:
        """Whether a limb is seen all around."""
        return self.score > _CERTAIN


def fit_limb(
    picture: NDArray[np.float32],
    *,
    guess: tuple[float, float, float] | None = None,
    falls: bool | None = None,
) -> LimbFit | None:
    """Return the limb of the Sun in a picture, None if there is none.

    Parameters
    ----------
    picture : array of float32, shape (ny, nx)
        Brightness; no NaN.
    guess : tuple of float, optional
        Where the limb may be: x, y and radius [pixel].
    falls : bool, optional
        Whether brightness should fall at the limb, going outwards. If no clear limb of that kind
        is found, the other kind is looked for.
    """
    low, high = np.percentile(picture[::4, ::4], (_DARK, _BRIGHT))
    faintest = max(_FAINTEST * float(high - low), float(np.finfo(np.float32).tiny))
    starts = _coarse(picture) if guess is None else [LimbFit(*guess, f, 0.0) for f in (True, False)]
    if falls is not None:
        fit = _best([one for one in starts if one.falls is falls], picture, faintest)
        if fit.is_certain:
            return fit
    fit = _best(starts, picture, faintest)
    if guess is not None and not fit.is_certain:
        fit = max(fit, _best(_coarse(picture), picture, faintest), key=lambda one: one.score)
    return fit if fit.score > _POSSIBLE else None


def _best(starts: list[LimbFit], picture: NDArray[np.float32], faintest: float) -> LimbFit:
    """Return the best circle near one of the starts."""
    wide = [_refined(picture, start, _WIDE, faintest) for start in starts]
    least = _CLOSE * max(one.score for one in wide)
    narrow = [_refined(picture, one, _NARROW, faintest) for one in wide if one.score >= least]
    return max(narrow, key=lambda one: one.score)


def _coarse(picture: NDArray[np.float32]) -> list[LimbFit]:
    """Return the circles across which a shrunk picture falls, and rises, the most.

    The rise at the limb is slight, and active regions may exceed it: the best circle about the
    middle of the picture comes before the best one anywhere.
    """
    block = max(1, ceil(max(picture.shape) / _COARSE_SIDE))
    ny, nx = (side // block for side in picture.shape)
    whole = picture[: ny * block, : nx * block].reshape(ny, block, nx, block)
    small = ndimage.gaussian_filter(whole.mean(axis=(1, 3), dtype=np.float64), 0.7)
    side = max(ny, nx)
    radii = np.arange(_RADII[0] * side, _RADII[1] * side, 1.0)
    angle = np.arange(_COARSE_ANGLES) * (2 * np.pi / _COARSE_ANGLES)
    shift_y, shift_x = (shift.ravel() for shift in np.meshgrid(_SHIFTS * side, _SHIFTS * side))
    x, y = (nx - 1) / 2 + shift_x, (ny - 1) / 2 + shift_y
    column = np.rint(x[:, None, None] + np.cos(angle)[:, None] * radii).astype(np.intp)
    row = np.rint(y[:, None, None] + np.sin(angle)[:, None] * radii).astype(np.intp)
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    profile = small[np.clip(row, 0, ny - 1), np.clip(column, 0, nx - 1)]
    change = np.where(inside[..., 2:], profile[..., 2:] - profile[..., :-2], 0.0)
    typical = max(float(np.abs(change).mean()), float(np.finfo(np.float32).tiny))
    mean = np.tanh(change / (2 * typical)).mean(axis=1)
    middle = len(mean) // 2
    found = [
        (np.unravel_index(int(mean.argmin()), mean.shape), True),
        ((middle, mean[middle].argmax()), False),
        (np.unravel_index(int(mean.argmax()), mean.shape), False),
    ]
    return [
        LimbFit(
            (float(x[centre]) + 0.5) * block - 0.5,
            (float(y[centre]) + 0.5) * block - 0.5,
            float(radii[top + 1]) * block,
            falls,
            score=0.0,
        )
        for (centre, top), falls in found
    ]


def _refined(
    picture: NDArray[np.float32], start: LimbFit, stage: _Stage, faintest: float
) -> LimbFit:
    """Return the circle through the greatest changes near another circle."""
    angle = np.linspace(0, 2 * np.pi, stage.angles, endpoint=False, dtype=np.float64)
    rows = np.arange(stage.angles)
    fit = start
    for _ in range(stage.rounds):
        scale = max(stage.width * fit.radius, _NARROWEST)
        step = scale / _STEPS
        offset = step * np.arange(-_REACH * _STEPS, _REACH * _STEPS + 1, dtype=np.float64)
        change = _change(picture, fit, fit.radius + offset, angle, faintest)
        change = ndimage.gaussian_filter1d(change, stage.angles / _SECTORS, axis=0, mode="wrap")
        top = np.clip(change.argmax(axis=1), 1, len(offset) - 2)
        before, height, after = (change[rows, top + shift] for shift in (-1, 0, 1))
        bend = np.minimum(before - 2 * height + after, -np.finfo(np.float64).tiny)
        found = offset[top] + step * np.clip((before - after) / 2 / bend, -0.5, 0.5)
        dx, dy, dr = _robust_shift(angle, found, np.maximum(height, 0))
        score = float(np.mean(height * (np.abs(found - _along(angle, dx, dy, dr)) < scale)))
        fit = LimbFit(fit.x + dx, fit.y + dy, fit.radius + dr, fit.falls, score)
        if np.hypot(np.hypot(dx, dy), dr) < _STILL:
            break
    return fit


def _along(angle: Floats, dx: float, dy: float, dr: float) -> Floats:
    """Return how far a circle moves outwards at each angle, to first order."""
    return np.asarray(dx * np.cos(angle) + dy * np.sin(angle) + dr)


def _robust_shift(angle: Floats, found: Floats, weight: Floats) -> tuple[float, float, float]:
    """Return the shift and growth that bring a circle to most of the points."""
    design = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1)
    solved = np.array([0.0, 0.0, float(np.median(found))])
    ridge = _RIDGE * np.eye(3)  # where no weight is left, nothing moves
    for _ in range(_REWEIGHTED):
        residual = found - design @ solved
        scatter = max(_NORMAL_SCALE * float(np.median(np.abs(residual))), _SHARPEST)
        part = np.minimum(np.abs(residual) / (_TUKEY * scatter), 1.0)
        weighted = design * (weight * (1 - part**2) ** 2)[:, None]
        previous = solved
        solved = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ found)
        if np.abs(solved - previous).max() < _SETTLED:
            break
    dx, dy, dr = (float(value) for value in solved)
    return dx, dy, dr


def _change(
    picture: NDArray[np.float32], fit: LimbFit, radii: Floats, angle: Floats, faintest: float
) -> Floats:
    """Return the bounded change of brightness, shape (n_angles, n_radii); 0 off the picture.

    It is positive where the brightness changes as at the limb that is looked for, and measured
    against the limb at the median angle, but one of the slope `faintest` at least.
    """
    column = fit.x + np.cos(angle)[:, None] * radii
    row = fit.y + np.sin(angle)[:, None] * radii
    profile = ndimage.map_coordinates(
        picture, [row, column], order=1, mode="nearest", output=np.float64
    )
    slope = ndimage.gaussian_filter1d(profile, _STEPS, axis=1, order=1, mode="nearest")
    ny, nx = picture.shape
    slope[(column < 0) | (column > nx - 1) | (row < 0) | (row > ny - 1)] = 0
    typical = max(float(np.median(np.abs(slope).max(axis=1))), faintest)
    return np.asarray(np.tanh((-slope if fit.falls else slope) / typical), dtype=np.float64)
