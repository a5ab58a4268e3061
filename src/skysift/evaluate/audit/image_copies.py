"""Images that occur twice: the same pixels, or nearly the same picture, be it mirrored."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.audit.image_summary import ImageSummary
from skysift.evaluate.audit.subject import Subject

__all__ = ["copied_images", "likeness", "similar_images"]

_ALIKE = 0.8
_ALIKE_TURNED = 0.95
_BEYOND_CHANCE = 6.0  # robust standard deviations of Fisher's z
_FEW = 16  # images of which no common picture can be told
_ALIKE_OF_FEW = 0.999
_MOST = 10_000
_CHUNK = 1_000
_MAD = 1.4826
_NEGLIGIBLE = 1e-6
_PAIRS_FOR_CHANCE = 10_000


def copied_images(summary: ImageSummary) -> NDArray[np.int64]:
    """Return the group of each image, shape (n,), equal where all pixels are equal."""
    return np.unique(summary.digests, return_inverse=True)[1].astype(np.int64)


def likeness(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return unit vectors, shape (n, n_pixels), whose products say how alike two images are.

    Each thumbnail is brought to mean 0 and spread 1, and what all images have in common (the disk,
    the frame) is taken out as the median of each pixel; of few images, nothing is taken out.
    """
    flat = _standard(thumbnails)
    if len(flat) >= _FEW:
        flat -= np.median(flat, axis=0)
        flat -= flat.mean(axis=1, keepdims=True)
    return _unit(flat)


def similar_images(subject: Subject, summary: ImageSummary) -> NDArray[np.int64]:
    """Return pairs of images that show nearly the same, shape (n_pairs, 2), without exact copies.

    Images are alike if the correlation of what is their own (:func:`likeness`) is 0.8 at least,
    and far beyond what pairs of this set have by chance. One may be mirrored or turned by quarters:
    then 0.95 is asked for, since no sky turns so by itself, and things that are symmetric
    themselves are no copies. Of small images whose sides are no multiples of 32, a turned copy may
    be missed: their thumbnails do not turn exactly. A copy that is shifted by a few pixels, turned
    by another angle, or a negative, is not found: images are compared pixel by pixel.
    """
    first = np.sort(np.unique(copied_images(summary), return_index=True)[1])
    if len(first) > _MOST:
        subject.notes.append(f"Similar images were looked for among {_MOST:,} drawn at random.")
        first = np.sort(subject.rng.choice(first, _MOST, replace=False))
    thumbnails = summary.thumbnails[first]
    vectors = likeness(thumbnails)
    limit = _limit(vectors, subject.rng)
    straight = _alike(vectors, vectors, limit)
    turned = _alike_turned(_halved(thumbnails), max(limit, _ALIKE_TURNED))
    pairs = np.unique(np.concatenate([straight, *turned]), axis=0)
    return np.asarray(first[pairs], dtype=np.int64)


def _alike_turned(thumbnails: NDArray[np.float32], limit: float) -> Iterator[NDArray[np.int64]]:
    """Yield the pairs in which one image is the other in one of seven symmetries of a square.

    What all images have in common is taken out in each symmetry: else a frame that turned with a
    copy would make it one of every image.
    """
    flat = _standard(thumbnails)
    if len(flat) >= _FEW:
        common = np.median(flat, axis=0).reshape(1, *thumbnails.shape[1:])
        frames = np.concatenate([common, *_turns(common)]).reshape(-1, flat.shape[1])
        _, strength, basis = np.linalg.svd(frames, full_matrices=False)
        basis = basis[strength > _NEGLIGIBLE * strength[0]]
        flat -= (flat @ basis.T) @ basis
        flat -= flat.mean(axis=1, keepdims=True)
    vectors = _unit(flat)
    for turned in _turns(vectors.reshape(thumbnails.shape)):
        yield _alike(turned.reshape(vectors.shape), vectors, limit)


def _turns(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield images, shape (n, side, side), in the symmetries of a square other than their own."""
    for quarters in range(4):
        turned = np.rot90(images, quarters, axes=(1, 2))
        if quarters:
            yield turned
        yield turned[:, :, ::-1]


def _halved(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return thumbnails of half the side: a quarter of the work, and little hangs on a pixel."""
    side = thumbnails.shape[1] // 2
    return np.asarray(thumbnails.reshape(-1, side, 2, side, 2).mean(axis=(2, 4)))


def _standard(thumbnails: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return thumbnails as rows of mean 0 and spread 1, shape (n, n_pixels)."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(flat.std(axis=1, keepdims=True), 1e-12))


def _unit(flat: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return rows of length 1, or of zeros where nothing is left."""
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 0, flat / np.maximum(length, 1e-12), 0.0).astype(np.float32)


def _alike(
    vectors: NDArray[np.float32], others: NDArray[np.float32], limit: float
) -> NDArray[np.int64]:
    """Return the pairs i < j of which vector i and the other j are alike, shape (n_pairs, 2)."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(vectors), _CHUNK):
        products = vectors[start : start + _CHUNK] @ others[start:].T
        row, column = np.nonzero(np.triu(products >= limit, k=1))
        pairs.append(np.column_stack([start + row, start + column]))
    return np.concatenate(pairs)


def _limit(vectors: NDArray[np.float32], rng: np.random.Generator) -> float:
    """Return the correlation from which on two images are alike."""
    n = len(vectors)
    if n < _FEW:
        return _ALIKE_OF_FEW
    one, other = rng.integers(0, n, (2, min(_PAIRS_FOR_CHANCE, n * n)))
    chance = np.einsum("ij,ij->i", vectors[one[one != other]], vectors[other[one != other]])
    z = np.arctanh(np.clip(chance.astype(np.float64), -0.999999, 0.999999))
    middle = np.median(z)
    spread = _MAD * np.median(np.abs(z - middle))
    return float(max(_ALIKE, np.tanh(middle + _BEYOND_CHANCE * spread)))
