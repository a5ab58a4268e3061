"""ImageSet: cutouts of objects, with what is known of the image that each was cut from."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError, UsageError
from skysift.data.flags import flag_names
from skysift.data.images.flags import StampFlag
from skysift.data.table import FeatureTable

__all__ = ["ImageSet", "by_own_size", "join", "own_part"]

_PLANES = 3


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Cutouts in one stack; those of other sizes are padded with NaN at their far sides.

    Parameters
    ----------
    pixels : array of float32, shape (n, ny, nx)
        Data values; NaN where there is none.
    identifiers : array of str, shape (n,)
        Name of each cutout.
    sources : array of str, shape (n,)
        Where each was read from: a file, or a file and the part of it.
    facts : FeatureTable
        One row each, the columns of :data:`skysift.data.images.facts.FACTS`, then any others.
    flags : array of uint32, shape (n,)
        Bits of :class:`~skysift.data.images.flags.StampFlag`.
    sizes : array of int32, shape (n, 2)
        Height and width of each before it was padded into the stack [pixel].
    centers : array of float64, shape (n, 2)
        Where the target should lie, y and x, 0 being the centre of the first pixel [pixel].
    psf : array of float32, shape (n, ky, kx), optional
        Point-spread function of each, NaN for those without. Smaller ones are padded as cutouts
        are: take them by `by_own_size` or `own_part`, whose middle is that of the function.
    variance : array of float32, shape (n, ny, nx), optional
        Of each pixel, in the square of the unit of `pixels`; NaN where none is known.

    Raises
    ------
    InputError
        If the parts do not fit together.
    """

    pixels: NDArray[np.float32]
    identifiers: NDArray[np.str_]
    sources: NDArray[np.str_]
    facts: FeatureTable
    flags: NDArray[np.uint32]
    sizes: NDArray[np.int32]
    centers: NDArray[np.float64]
    psf: NDArray[np.float32] | None = None
    variance: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != _PLANES:
            raise InputError(
                f"The cutouts have shape {self.pixels.shape}.", "Give a stack (n, ny, nx)."
            )
        n = len(self.pixels)
        parts = (self.identifiers, self.sources, self.facts, self.flags, self.sizes, self.centers)
        if any(len(part) != n for part in (*parts, *(() if self.psf is None else (self.psf,)))):
            raise InputError(
                f"There are {n} cutouts, but other parts of the set have another length.",
                "Give one entry for each cutout.",
            )
        if self.variance is not None and self.variance.shape != self.pixels.shape:
            raise InputError(
                f"The variances have shape {self.variance.shape}, the pixels {self.pixels.shape}.",
                "Give one for each pixel.",
            )

    @classmethod
    def from_pixels(
        cls,
        pixels: ArrayLike,
        *,
        facts: FeatureTable | None = None,
        identifiers: Sequence[str] | None = None,
    ) -> Self:
        """Make a set of an array, shape (n, ny, nx), with the targets in the middle.

        Examples
        --------
        >>> images = ImageSet.from_pixels(np.zeros((3, 20, 20)))
        >>> len(images), images.centers[0].tolist()
        (3, [9.5, 9.5])
        """
        from skysift.data.images.facts import fact_table  # noqa: PLC0415 - it is built on tables

        stack = np.asarray(pixels, dtype=np.float32)
        if stack.ndim != _PLANES:
            raise InputError(f"The cutouts have shape {stack.shape}.", "Give a stack (n, ny, nx).")
        n, ny, nx = stack.shape
        names = [str(k) for k in range(n)] if identifiers is None else list(identifiers)
        return cls(
            pixels=stack,
            identifiers=np.array(names, dtype=np.str_),
            sources=np.full(n, "", dtype=np.str_),
            facts=fact_table([{} for _ in range(n)]) if facts is None else facts,
            flags=np.zeros(n, dtype=np.uint32),
            sizes=np.tile(np.array([ny, nx], dtype=np.int32), (n, 1)),
            centers=np.tile(np.array([(ny - 1) / 2, (nx - 1) / 2]), (n, 1)),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        ny, nx = self.pixels.shape[1:]
        return f"<ImageSet {len(self):,} cutouts of up to {ny} x {nx} pixels>"

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Whether each pixel was measured, shape (n, ny, nx)."""
        return np.asarray(np.isfinite(self.pixels))

    def flag_texts(self) -> list[str]:
        """Return the names of the flags of each cutout, comma-separated."""
        known = {
            flags: ",".join(flag_names(StampFlag(flags)))
            for flags in np.unique(self.flags).tolist()
        }
        return [known[int(value)] for value in self.flags]

    def has(self, flag: StampFlag) -> NDArray[np.bool_]:
        """Tell which cutouts carry a flag (any bit of it), shape (n,)."""
        return np.asarray((self.flags & np.uint32(flag)) != 0)

    def with_flag(self, flag: StampFlag, where: ArrayLike) -> Self:
        """Return the set with a flag added where a mask, shape (n,), is true."""
        added = np.where(np.asarray(where, dtype=bool), np.uint32(flag), np.uint32(0))
        return replace(self, flags=self.flags | added)

    def sha256(self, labels: Sequence[str] | NDArray[np.str_] | None = None) -> str:
        """Return a SHA-256 over names, labels if given, and pixels: which data these are."""
        digest = hashlib.sha256()
        for row, name in enumerate(self.identifiers):
            digest.update((str(name) if labels is None else f"{name} {labels[row]}").encode())
            digest.update(np.ascontiguousarray(self.pixels[row], dtype="<f4").tobytes())
        return digest.hexdigest()

    def take(self, rows: ArrayLike) -> Self:
        """Return the cutouts chosen by a boolean mask, shape (n,), or by an index array."""
        chosen = np.asarray(rows)
        if chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        return replace(
            self,
            pixels=self.pixels[chosen],
            identifiers=self.identifiers[chosen],
            sources=self.sources[chosen],
            facts=self.facts.take(chosen),
            flags=self.flags[chosen],
            sizes=self.sizes[chosen],
            centers=self.centers[chosen],
            psf=None if self.psf is None else self.psf[chosen],
            variance=None if self.variance is None else self.variance[chosen],
        )

    def cropped(self, side: int) -> Self:
        """Return the cutouts cut or padded to a common square with the target in its middle.

        The shift is by whole pixels: the target stays within half a pixel of the middle, and no
        value is interpolated. Pixels that the cutout did not have are NaN, and flagged.

        Raises
        ------
        UsageError
            If `side` is less than 1.
        """
        if side < 1:
            raise UsageError(f"side = {side} pixels.", "Ask for 1 pixel or more.")
        start = np.ceil(self.centers - (side - 1) / 2 - 0.5).astype(np.int64)
        short = ((start < 0) | (start + side > self.sizes)).any(axis=1)
        cut = replace(
            self,
            pixels=_window(self.pixels, start, side),
            variance=None if self.variance is None else _window(self.variance, start, side),
            sizes=np.full((len(self), 2), side, dtype=np.int32),
            centers=self.centers - start,
        )
        return cut.with_flag(StampFlag.PADDED, short)


def join(parts: Sequence[ImageSet]) -> ImageSet:
    """Put sets together; smaller cutouts are padded with NaN at their far sides.

    Raises
    ------
    InputError
        If there is no set.
    """
    if not parts:
        raise InputError("There are no cutouts to put together.", "Give one set or more.")
    if len(parts) == 1:
        return parts[0]
    return ImageSet(
        pixels=_stacked([part.pixels for part in parts]),
        identifiers=np.concatenate([part.identifiers for part in parts]),
        sources=np.concatenate([part.sources for part in parts]),
        facts=FeatureTable(
            pa.concat_tables([part.facts.arrow for part in parts], promote_options="permissive"),
            parts[0].facts.meta,
        ),
        flags=np.concatenate([part.flags for part in parts]),
        sizes=np.concatenate([part.sizes for part in parts]),
        centers=np.concatenate([part.centers for part in parts]),
        psf=_stacked_known([part.psf for part in parts], parts),
        variance=_stacked_known([part.variance for part in parts], parts, like_pixels=True),
    )


def own_part(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image, shape (ny, nx), without the NaN that pads it at its far sides."""
    ny, nx = _own_sizes(image[np.newaxis])[0]
    return image[:ny, :nx]


def by_own_size(
    stack: NDArray[np.float32],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the rows of a stack whose images have the same size, and these without padding.

    What is measured of an image then does not depend on which larger ones it was stacked with.

    Parameters
    ----------
    stack : array of float32, shape (n, ny, nx)
        Images that are padded with NaN at their far sides; those without a value are left out.

    Examples
    --------
    >>> stack = np.full((3, 3, 3), np.nan, dtype=np.float32)
    >>> stack[0], stack[2, :2, :2] = 1, 1
    >>> [(rows.tolist(), images.shape) for rows, images in by_own_size(stack)]
    [([2], (1, 2, 2)), ([0], (1, 3, 3))]
    """
    sizes = _own_sizes(stack)
    for ny, nx in np.unique(sizes[sizes.all(axis=1)], axis=0):
        rows = np.flatnonzero((sizes == (ny, nx)).all(axis=1))
        yield rows, stack[rows, :ny, :nx]


def _own_sizes(stack: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the last row and column with a value, plus 1, shape (n, 2); 0 where there is none."""
    valid = np.isfinite(stack)
    sizes = [
        np.max(valid.any(axis=across) * np.arange(1, length + 1), axis=1, initial=0)
        for across, length in ((2, stack.shape[1]), (1, stack.shape[2]))
    ]
    return np.stack(sizes, axis=1).astype(np.int64)


def _stacked_known(
    stacks: Sequence[NDArray[np.float32] | None],
    parts: Sequence[ImageSet],
    *,
    like_pixels: bool = False,
) -> NDArray[np.float32] | None:
    """Put together what not all parts have; NaN for those without, None if none has it."""
    if all(stack is None for stack in stacks):
        return None
    shapes = [part.pixels.shape if like_pixels else (len(part), 1, 1) for part in parts]
    return _stacked(
        [
            np.full(shape, np.nan, dtype=np.float32) if stack is None else stack
            for stack, shape in zip(stacks, shapes, strict=True)
        ]
    )


def _window(stack: NDArray[np.float32], start: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    """Return squares from their first pixels, shape (n, 2), on; NaN outside the stack."""
    steps = np.arange(side)
    rows, columns = start[:, :1] + steps, start[:, 1:] + steps
    ny, nx = stack.shape[1:]
    inside_y, inside_x = (rows >= 0) & (rows < ny), (columns >= 0) & (columns < nx)
    out: NDArray[np.float32] = stack[
        np.arange(len(stack))[:, np.newaxis, np.newaxis],
        np.clip(rows, 0, ny - 1)[:, :, np.newaxis],
        np.clip(columns, 0, nx - 1)[:, np.newaxis, :],
    ]
    out[~(inside_y[:, :, np.newaxis] & inside_x[:, np.newaxis, :])] = np.nan
    return out


def _stacked(stacks: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    ny, nx = (max(stack.shape[axis] for stack in stacks) for axis in (1, 2))
    out = np.full((sum(map(len, stacks)), ny, nx), np.nan, dtype=np.float32)
    row = 0
    for stack in stacks:
        out[row : row + len(stack), : stack.shape[1], : stack.shape[2]] = stack
        row += len(stack)
    return out
