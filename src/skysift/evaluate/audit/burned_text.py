"""Text that was drawn into the pixels: strokes that stay where they are while the sky changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.statistics import rank_auc
from skysift.evaluate.audit.subject import Subject

__all__ = ["TextBox", "find_burned_text", "text_boxes"]

_CONTRAST = 0.05  # of the range of values: how far a stroke stands out from its neighbours
_STROKES = 6  # changes from bright to dark within one word
_WORD = 48  # pixels
_ROWS = 3
_FEWEST = 5
_MARGIN = 3
_TELLING = 0.9
_STRONGER = 3.0  # than in the other class: drawn in one of them only
_PERCENTILES = (0.1, 99.9)
_COARSE = 5

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TextBox:
    """A place where text stands in the images.

    Parameters
    ----------
    rows, columns : tuple of int
        First row or column, and one past the last.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]

    def __str__(self) -> str:
        (top, bottom), (left, right) = self.rows, self.columns
        return f"rows {top} to {bottom - 1}, columns {left} to {right - 1}"

    def of(self, image: Image) -> Image:
        """Return the part of an image that is inside."""
        return image[slice(*self.rows), slice(*self.columns)]


def text_boxes(images: Sequence[Image]) -> list[TextBox]:
    """Return where text stands in images of one shape, five of them at least.

    A stroke is a pixel that stands out from its neighbours in the mean of all images by more than
    it varies from image to image. Text is where strokes and gaps alternate along a row, or along a
    column, in several rows. A limb or a frame has edges, and no alternation.
    """
    if len(images) < _FEWEST:
        return []
    stack = np.stack(images)
    mean, spread = stack.mean(axis=0), stack.std(axis=0)
    low, high = np.percentile(stack[:, ::_COARSE, ::_COARSE], _PERCENTILES)
    if not high > low:
        return []
    found = np.zeros(mean.shape, dtype=bool)
    for upright in (True, False):
        pair = (mean, spread) if upright else (mean.T, spread.T)
        lines = _text_lines(*pair, contrast=_CONTRAST * float(high - low))
        found |= lines if upright else lines.T
    joined = ndimage.binary_closing(np.pad(found, _WORD), structure=np.ones((_MARGIN, _WORD // 2)))[
        _WORD:-_WORD, _WORD:-_WORD
    ]
    boxes = ndimage.find_objects(ndimage.label(joined | found)[0])
    ny, nx = mean.shape
    return [
        TextBox(
            (max(0, rows.start - _MARGIN), min(ny, rows.stop + _MARGIN)),
            (max(0, columns.start - _MARGIN), min(nx, columns.stop + _MARGIN)),
        )
        for rows, columns in boxes
        if min(rows.stop - rows.start, columns.stop - columns.start) >= _ROWS
    ]


def find_burned_text(subject: Subject, samples: Mapping[int, Image]) -> list[AuditFinding]:
    """Find text in the pixels of all images, or of those of one class.

    Parameters
    ----------
    subject : Subject
        The labels.
    samples : mapping of int to array, shape (ny, nx) each
        Some whole images by row; those of the commonest shape are examined.
    """
    shapes = [image.shape for image in samples.values()]
    if not shapes:
        return []
    common = max(set(shapes), key=shapes.count)
    rows = np.array([row for row, image in samples.items() if image.shape == common])
    if len(rows) < len(samples):
        subject.notes.append(
            f"Text was looked for in the {len(rows):,} sampled images of {common[0]} x {common[1]} "
            f"pixels; {len(samples) - len(rows):,} have another shape."
        )
    boxes = text_boxes([samples[row] for row in rows])
    for label in (True, False) if not boxes else ():
        boxes += text_boxes([samples[row] for row in rows[subject.y[rows] == label]])
    return [_finding(subject, samples, rows, box) for box in boxes]


def _finding(
    subject: Subject,
    samples: Mapping[int, Image],
    rows: NDArray[np.int64],
    box: TextBox,
) -> AuditFinding:
    strength = {
        label: _drawn([box.of(samples[row]) for row in rows[subject.y[rows] == label]])
        for label in (True, False)
    }
    only = next((k for k in (True, False) if strength[k] > _STRONGER * strength[not k]), None)
    auc = _told_by(np.stack([box.of(samples[row]) for row in rows]), subject.y[rows])
    where = "" if only is None else f" of the {subject.names(only)[0]} images only"
    telling = only is not None or auc >= _TELLING
    return subject.finding(
        "burned-in-text",
        Severity.HIGH if telling else Severity.MEDIUM,
        f"Text is drawn into the pixels{where}: {box}",
        "A date or a title in the picture tells when or by whom it was made, and with that much of "
        "the label: a network reads it.",
        rows=rows if only is None else rows[subject.y[rows] == only],
        evidence={"rows": box.rows, "columns": box.columns, "auc": auc},
        advice="Mask these pixels in all images before anything else.",
    )


def _drawn(parts: Sequence[Image]) -> float:
    """Return how much the mean of some images changes from pixel to pixel."""
    return float(np.diff(np.mean(parts, axis=0), 2).std()) if len(parts) else 0.0


def _told_by(parts: NDArray[np.float32], y: NDArray[np.bool_]) -> float:
    """Return how well the pixels of a place alone tell the class: means of halves in order."""
    flat = parts.reshape(len(parts), -1).astype(np.float64)
    areas = []
    half = np.arange(len(y)) % 2 == 0
    for fitted in (half, ~half):
        if len(set(y[fitted].tolist())) + len(set(y[~fitted].tolist())) < 4:  # noqa: PLR2004 - both
            return 0.5
        difference = flat[fitted & y].mean(axis=0) - flat[fitted & ~y].mean(axis=0)
        variance = flat[fitted].var(axis=0)
        weight = difference / (variance + variance.mean() + 1e-12)
        areas.append(rank_auc(flat[~fitted] @ weight, y[~fitted]))
    auc = float(np.mean(areas))
    return max(auc, 1 - auc)


def _text_lines(
    mean: NDArray[np.float32], spread: NDArray[np.float32], *, contrast: float
) -> NDArray[np.bool_]:
    """Tell which stroke pixels stand in lines of text along the rows, shape (ny, nx)."""
    bend = np.zeros_like(mean)
    bend[:, 1:-1] = mean[:, 1:-1] - (mean[:, :-2] + mean[:, 2:]) / 2
    stroke = np.where(np.abs(bend) > np.maximum(contrast, spread), np.sign(bend), 0.0)
    changes = np.zeros(mean.shape)
    for y in range(len(mean)):
        x = np.flatnonzero(stroke[y])
        turns = x[1:][np.diff(stroke[y, x]) != 0]
        changes[y, turns] = 1
    number = ndimage.uniform_filter1d(changes, _WORD, axis=1, mode="constant") * _WORD
    in_word = (stroke != 0) & (number > _STROKES - 0.5)
    lines = ndimage.uniform_filter1d(
        in_word.any(axis=1).astype(float), 2 * _ROWS + 1, mode="constant"
    )
    return np.asarray(in_word & (lines * (2 * _ROWS + 1) > _ROWS - 0.5)[:, np.newaxis])
