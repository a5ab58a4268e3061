"""What is known of real streaks, few as they are: sources of Rubin, asteroids, one long line."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.images.alerts import Cutout
from skysift.data.images.fits_bytes import FITS_MAGIC
from skysift.data.images.image_set import ImageSet
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.segments import find_segment
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.tasks.streak.evaluation import turn
from skysift.tasks.streak.model import StreakModel
from skysift.tasks.streak.prediction import answers
from skysift.tasks.streak.stamps import measure

__all__ = ["check_real"]

_NEAR = 5.0  # arcsec to a known solar-system object
_TRAILED = 1.5  # arcsec, from which Rubin's own fit is no point
_STAMPS, _SIDE, _BINNED = 13, 31, 4
_BRIGHTEST = 4.0  # sigma above the sky: no star outweighs a line
_PLANE = 2
_LARGEST = 1 << 26  # bytes of an image
_LINE_SEEING = 3.0  # pixels


def check_real(paths: Sequence[Path], model: StreakModel, seeing: float) -> list[dict[str, Any]]:
    """Compare a model with what is known of real stamps.

    Parameters
    ----------
    paths : sequence of Path
        A Parquet table of Rubin alerts (``dia_trailLength``, ``dia_trailAngle``) or of ZTF alerts
        (``ssdistnr``), or a FITS image with one long streak.
    model : StreakModel
        What predicts.
    seeing : float
        Full width at half maximum where a stamp does not tell it [arcsec].

    Returns
    -------
    list of dict
        JSON-ready: ``title``, ``text``, ``rows`` for a table.

    Raises
    ------
    ReadError
        If a file is of none of these kinds.
    """
    found = []
    for path in paths:
        if _is_fits(path):
            found.append(_line(path, model))
            continue
        table = read_table(path)
        if "dia_trailLength" in table:
            found.append(_rubin(path, table, model, seeing))
        elif "ssdistnr" in table:
            found.append(_ztf(path, table, model, seeing))
        else:
            raise ReadError(
                "This is no table of alerts that says what is on its stamps.",
                "Give Rubin alerts with dia_trailLength, or ZTF alerts with ssdistnr.",
                path=path,
            )
    return found


def _rubin(path: Path, table: FeatureTable, model: StreakModel, seeing: float) -> dict[str, Any]:
    images, rows = _stamps(path, table, "diaSourceId")
    said = _said(images, model, seeing)
    length, angle = table["dia_trailLength"][rows], table["dia_trailAngle"][rows]
    trailed = length >= _TRAILED
    if "has_ssSource" in table:  # others are bad subtractions, whose length means nothing
        trailed &= table["has_ssSource"][rows].astype(bool)
    listed: list[dict[str, Any]] = [
        {
            "alert": str(said["id"][row]),
            "Rubin length": float(length[row]),
            "length": float(said["length"][row]),
            "length_err": float(said["length_err"][row]),
            "Rubin angle": float(angle[row] % 180.0),
            "angle": float(said["angle"][row]),
            "angle_err": float(said["angle_err"][row]),
            "angle difference": float(turn(said["angle"][row] - angle[row])),
            "class": str(said["class"][row]),
        }
        for row in np.flatnonzero(trailed)
    ]
    text = f"None in {path.name}."
    if listed:
        off = np.median([abs(one["angle difference"]) for one in listed])
        longer = np.median([one["length"] - one["Rubin length"] for one in listed])
        text = (
            f"Solar-system objects of {path.name} that Rubin's own fit finds longer than "
            f"{_TRAILED} arcsec. "
            f"Median difference of the angle: {off:.1f} deg, of the length: {longer:+.2f} arcsec. "
            f"Called: {_counts(said['class'][trailed])}. The {int((~trailed).sum())} others are "
            f"called: {_counts(said['class'][~trailed])}. The model was not trained on stamps of "
            "Rubin."
        )
    return {"title": f"{len(listed)} trailed sources of Rubin", "text": text, "rows": listed}


def _ztf(path: Path, table: FeatureTable, model: StreakModel, seeing: float) -> dict[str, Any]:
    images, rows = _stamps(path, table, "candid")
    distance = table["ssdistnr"][rows]
    near = (distance >= 0) & (distance < _NEAR)
    if not near.any():
        return {"title": "Asteroids of ZTF", "text": f"None in {path.name}.", "rows": []}
    some = images.take(near)
    said = _said(some, model, seeing)
    return {
        "title": f"{int(near.sum())} known asteroids in ZTF alerts",
        "text": (
            f"A known object within {_NEAR:g} arcsec. In 30 s a main-belt asteroid moves a third "
            "of an arcsecond: none of these is expected to trail, and a star is the right answer. "
            f"Called: {_counts(said['class'])}."
        ),
        "rows": [
            {
                "alert": str(said["id"][row]),
                "class": str(said["class"][row]),
                "p_asteroid": float(said["p_asteroid"][row]),
                "length": float(said["length"][row]),
                "length_err": float(min(said["length_err"][row], 99.0)),
                "significance": float(said["trail_significance"][row]),
            }
            for row in range(len(said))
        ],
    }


def _said(images: ImageSet, model: StreakModel, seeing: float) -> FeatureTable:
    measured = measure(images, seeing)
    return answers(images, measured, model.probability(measured))


def _stamps(path: Path, table: FeatureTable, key: str) -> tuple[ImageSet, NDArray[np.int64]]:
    """Return the difference stamps of a table of alerts, and the row of each."""
    images = read_images([path], cutout=Cutout.DIFFERENCE).images
    place = {str(name): row for row, name in enumerate(table[key])}
    return images, np.array([place[str(name)] for name in images.identifiers])


def _line(path: Path, model: StreakModel) -> dict[str, Any]:
    """Cut stamps along the line that crosses an image, and compare their angles with its own."""
    pixels = _image(path)
    if min(pixels.shape) < 2 * _SIDE:
        raise ReadError("The image is too small.", f"Give {2 * _SIDE} pixels or more.", path=path)
    ny, nx = (size - size % _BINNED for size in pixels.shape)
    coarse = pixels[:ny, :nx].reshape(ny // _BINNED, _BINNED, nx // _BINNED, _BINNED)
    sky = prepare_stamp(coarse.mean(axis=(1, 3)))
    clipped = np.minimum(sky.pixels + sky.background, sky.background + _BRIGHTEST * sky.noise)
    whole = find_segment(prepare_stamp(clipped), 2.0).trail
    dx, dy = whole.half
    half, stamps = _SIDE // 2, []
    for along in np.linspace(-0.9, 0.9, _STAMPS):
        x, y = (
            round(_BINNED * value + 0.5 * (_BINNED - 1))
            for value in (whole.x + along * dx, whole.y + along * dy)
        )
        if half <= y < pixels.shape[0] - half and half <= x < pixels.shape[1] - half:
            stamps.append(pixels[y - half : y + half + 1, x - half : x + half + 1])
    images = ImageSet.from_pixels(np.stack(stamps))
    said = _said(images, model, _LINE_SEEING)
    off = turn(said["angle_pixel"] - whole.angle)
    return {
        "title": "One long streak",
        "text": (
            f"{len(stamps)} stamps along the line in {path.name}, whose nature is not recorded "
            f"(satellite or meteor). Called: {_counts(said['class'])}. Median difference of the "
            f"angle from that of the whole line: {np.median(off):.1f} deg, largest "
            f"{np.abs(off).max():.1f} deg; median stated error "
            f"{np.median(said['angle_err']):.2f} deg."
        ),
        "rows": [],
    }


def _image(path: Path) -> NDArray[np.float64]:
    try:
        with fits.open(path) as units:
            header = units[0].header
            sides = [int(header[f"NAXIS{axis + 1}"]) for axis in range(header["NAXIS"])]
            if len(sides) != _PLANE or 8 * math.prod(sides) > _LARGEST:
                raise ReadError("This is no image, or too large a one.", "Cut it.", path=path)
            return np.asarray(units[0].data, dtype=np.float64)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReadError(
            f"The image cannot be read: {error}.", "Copy it again.", path=path
        ) from error


def _is_fits(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".fits", ".fit")) or path.read_bytes()[: len(FITS_MAGIC)] == FITS_MAGIC


def _counts(values: NDArray[Any]) -> str:
    names, counts = np.unique(values.astype(np.str_), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{names[k]} {counts[k]}" for k in order) or "nothing"
