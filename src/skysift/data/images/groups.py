"""Which cutouts belong together: the same object, the same exposure; and classes made comparable.

A split must keep such groups on one side (:func:`skysift.data.splits.stratified_group_folds`).
"""

# Predictions ask for no groups, and should not wait for scipy.sparse and scipy.spatial.
# ruff: noqa: PLC0415

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError, UsageError
from skysift.data.images.image_set import ImageSet
from skysift.data.images.sphere import chord_of, unit_vectors

__all__ = ["exposure_groups", "magnitude_matched_weights", "object_groups"]

Groups = NDArray[np.int64]


def object_groups(images: ImageSet, *, radius: float = 1.0) -> Groups:
    """Return groups of cutouts that show the same object.

    Two cutouts are linked if their valid pixels are the same bit for bit, their facts name the same
    object, or their targets are within `radius` of each other; groups are what is linked by any
    chain of these.

    Parameters
    ----------
    images : ImageSet
        Cutouts.
    radius : float
        Largest distance of two positions of one object [arcsec]; 0 to leave positions alone.

    Returns
    -------
    array of int, shape (n,)
        Equal for cutouts of one object.

    Examples
    --------
    >>> twice = ImageSet.from_pixels(np.arange(3).repeat(4).reshape(3, 2, 2)).take([0, 1, 0, 2])
    >>> object_groups(twice).tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(images)
    links = [_same([stamp.tobytes() for stamp in images.pixels])]
    names = [str(name) for name in images.facts["object"]]
    links.append(_same(names, ignored=""))
    if radius > 0:
        links.append(_near(images, radius))
    pairs = np.concatenate(links)
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def exposure_groups(images: ImageSet, *, by: Literal["exposure", "image"] = "exposure") -> Groups:
    """Return groups of cutouts of one exposure, or of one image (detector) of it.

    Seeing, optics and sky are shared within an exposure; a split that cuts through one tests a
    model on conditions that it has seen.

    Raises
    ------
    UsageError
        If `by` is neither.
    InputError
        If a cutout does not tell its exposure.
    """
    if by not in {"exposure", "image"}:
        raise UsageError(f"There is no grouping by '{by}'.", "Use exposure or image.")
    names = np.array([str(name) for name in images.facts[by]], dtype=np.str_)
    unknown = np.flatnonzero(names == "")
    if len(unknown):
        raise InputError(
            f"{len(unknown):,} cutouts do not tell their {by}.",
            "Split by object, or leave them out.",
            row=int(unknown[0]),
        )
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def magnitude_matched_weights(
    magnitude: ArrayLike, is_galaxy: ArrayLike, *, width: float = 0.5
) -> NDArray[np.float64]:
    """Return weights that give stars and galaxies the same distribution of magnitudes.

    Galaxies are fainter than stars, so that brightness alone tells many apart; with these weights
    it tells nothing beyond the width of a bin. In each bin of magnitude the commoner class weighs
    as much as the rarer one; a bin with one class only, or an unknown magnitude, weighs nothing.

    Parameters
    ----------
    magnitude : array_like, shape (n,)
        Magnitudes; NaN where unknown.
    is_galaxy : array_like, shape (n,)
        Classes.
    width : float
        Width of a bin [mag].

    Returns
    -------
    array, shape (n,)
        Weights from 0 to 1.

    Examples
    --------
    >>> magnitude_matched_weights([17.1, 17.2, 17.3, 21.0], [0, 0, 1, 1]).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    if not width > 0:
        raise UsageError(f"width = {width} mag.", "Give a positive number.")
    values, galaxy = np.asarray(magnitude, dtype=np.float64), np.asarray(is_galaxy, dtype=bool)
    if values.shape != galaxy.shape or values.ndim != 1:
        raise InputError(
            f"Magnitudes {values.shape} and classes {galaxy.shape} do not fit together.",
            "Give one of each for each cutout.",
        )
    weights = np.zeros(len(values))
    known = np.isfinite(values)
    if not known.any():
        return weights
    bins = np.floor(values[known] / width).astype(np.int64)
    bins -= bins.min()
    number = np.stack(
        [np.bincount(bins[galaxy[known] == k], minlength=bins.max() + 1) for k in (0, 1)]
    )
    rarer = number.min(axis=0)
    own = number[galaxy[known].astype(np.int64), bins]
    weights[known] = rarer[bins] / own
    return weights


def _same(keys: Sequence[bytes | str], *, ignored: str | None = None) -> Groups:
    """Link each row to the first of its key, shape (n_links, 2)."""
    first: dict[bytes | str, int] = {}
    pairs = [(first.setdefault(key, row), row) for row, key in enumerate(keys) if key != ignored]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _near(images: ImageSet, radius: float) -> Groups:
    from scipy.spatial import cKDTree

    ra, dec = images.facts["ra"], images.facts["dec"]
    rows = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    places = unit_vectors(ra[rows], dec[rows]).reshape(-1, 3)
    pairs = cKDTree(places).query_pairs(chord_of(radius), output_type="ndarray")
    return np.asarray(rows[pairs], dtype=np.int64).reshape(-1, 2)
