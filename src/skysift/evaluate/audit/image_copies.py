"""Images that occur twice: the same pixels, or nearly the same picture."""

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.audit.image_summary import ImageSummary
from skysift.evaluate.audit.subject import Subject

__all__ = ["copied_images", "likeness", "similar_images"]

_ALIKE = 0.8
_BEYOND_CHANCE = 6.0  # robust standard deviations of Fisher's z
_FEW = 16  # images of which no common picture can be told
_ALIKE_OF_FEW = 0.999
_MOST = 10_000
_CHUNK = 1_000
_MAD = 1.4826
_PAIRS_FOR_CHANCE = 10_000


def copied_images(summary: ImageSummary) -> NDArray[np.int64]:
    """Return the group of each image, shape (n,), equal where all pixels are equal."""
    return np.unique(summary.digests, return_inverse=True)[1].astype(np.int64)


def likeness(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return unit vectors, shape (n, n_pixels), whose products say how alike two images are.

    Each thumbnail is brought to mean 0 and spread 1, and what all images have in common (the disk,
    the frame) is taken out as the median of each pixel; of few images, nothing is taken out.
    """
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(flat.std(axis=1, keepdims=True), 1e-12)
    if len(flat) >= _FEW:
        flat -= np.median(flat, axis=0)
        flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 0, flat / np.maximum(length, 1e-12), 0.0).astype(np.float32)


def similar_images(subject: Subject, summary: ImageSummary) -> NDArray[np.int64]:
    """Return pairs of images that show nearly the same, shape (n_pairs, 2), without exact copies.

    Images are alike if the correlation of what is their own (:func:`likeness`) is 0.8 at least,
    and far beyond what pairs of this set have by chance.
    """
    first = np.sort(np.unique(copied_images(summary), return_index=True)[1])
    if len(first) > _MOST:
        subject.notes.append(f"Similar images were looked for among {_MOST:,} drawn at random.")
        first = np.sort(subject.rng.choice(first, _MOST, replace=False))
    vectors = likeness(summary.thumbnails[first])
    limit = _limit(vectors, subject.rng)
    pairs = []
    for start in range(0, len(vectors), _CHUNK):
        products = vectors[start : start + _CHUNK] @ vectors[start:].T
        row, column = np.nonzero(np.triu(products >= limit, k=1))
        pairs.append(np.column_stack([first[start + row], first[start + column]]))
    return np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])


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
