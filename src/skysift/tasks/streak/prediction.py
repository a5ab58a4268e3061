"""Class, length and angle for stamps without labels: in memory, and from files to a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import InputError, ReadError, UsageError
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.stream import MeasuringPredictor, Note, RecordPredictor
from skysift.data.flags import words_by_name
from skysift.data.images.facts import PIXEL_MATRIX
from skysift.data.images.flags import FLAG_MESSAGES, REFUSAL_MESSAGES, StampFlag
from skysift.data.images.image_set import ImageSet
from skysift.data.images.readers import ReadImages, iter_images
from skysift.data.io import check_writable, open_writer
from skysift.data.table import FeatureTable
from skysift.models.images.streaks.sky import trail_on_sky
from skysift.models.images.streaks.trail import Trail
from skysift.tasks.streak.bounds import bounds
from skysift.tasks.streak.model import StreakModel
from skysift.tasks.streak.options import PredictOptions, ReadOptions
from skysift.tasks.streak.stamps import CLASSES, SEEN, cutout_of, measure, scale_of

__all__ = ["FLAG_WORDS", "answers", "predict_files", "record_predictor"]

RESOLVED = 3.0  # standard deviations by which a trail is better than a point
_ENDS = 2.0
_OF_NO_MATTER = np.uint32(  # to a trail, whose flux is in the unit of its image
    StampFlag.NO_APERTURE_CORRECTION | StampFlag.NO_ZERO_POINT | StampFlag.NO_SATURATION_LEVEL
)

FLAG_WORDS: Final = {
    **words_by_name(FLAG_MESSAGES),
    **REFUSAL_MESSAGES,
    "unresolved": "no longer than a point for sure: its length and angle mean little",
    "leaves-stamp": "it may go on beyond the stamp, and be longer than is told",
    "unmeasured": "no line could be fitted",
}
"""What flags of stamps mean."""

_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "length": "arcsec",
    "length_err": "arcsec",
    "length_low": "arcsec",
    "length_high": "arcsec",
    "angle": "deg",
    "angle_pixel": "deg",
    "angle_err": "deg",
}
_DESCRIPTIONS = {
    "id": "name of the stamp, or of the alert",
    "class": "the most probable class; empty if nothing could be measured",
    **{f"p_{name}": f"probability: {name}" for name in CLASSES},
    "length": "length of the trail, without the seeing",
    "length_err": "its standard deviation",
    "length_low": "lower bound of the length of an asteroid, by the coverage of the provenance",
    "length_high": "its upper bound",
    "set": "classes that the stamp is typical of, by the coverage of the provenance",
    "angle": "position angle on the sky, from north through east, modulo 180; NaN without WCS",
    "angle_pixel": "direction in the stamp, from +x towards +y, modulo 180",
    "angle_err": "standard deviation of either angle",
    "trail_significance": "standard deviations by which a trail is better than a point",
    "snr": "flux over its error",
    "flags": "what the input contract and the fit found, empty if nothing",
    "bundle": "hash of the model",
}


def answers(
    images: ImageSet, measured: FeatureTable, probability: NDArray[np.float64]
) -> FeatureTable:
    """Return one row for each stamp: class, probabilities, length, angle, flags.

    Parameters
    ----------
    images : ImageSet
        n stamps.
    measured : FeatureTable
        What :func:`~skysift.tasks.streak.stamps.measure` found on them.
    probability : array, shape (n, 5)
        Of each class; NaN for stamps that could not be measured.
    """
    known = np.isfinite(probability).all(axis=1)
    best = np.where(known, np.nan_to_num(probability).argmax(axis=1), 0)
    scale = scale_of(images)
    length, angle = _on_sky(images, measured, scale)
    pixels = measured["trail_length"]
    with np.errstate(invalid="ignore", divide="ignore"):
        per_pixel = np.where(pixels > 0, length / pixels, scale)
    return FeatureTable.from_columns(
        {
            "id": images.identifiers,
            "ra": images.facts["ra"],
            "dec": images.facts["dec"],
            "class": np.where(known, np.array(CLASSES)[best], ""),
            **{f"p_{name}": probability[:, k] for k, name in enumerate(CLASSES)},
            "length": length,
            "length_err": measured["trail_length_error"] * per_pixel,
            "angle": angle,
            "angle_pixel": measured["trail_angle"],
            "angle_err": np.minimum(measured["trail_angle_error"], 90.0),
            "trail_significance": measured["trail_significance"],
            "snr": measured["fit_snr"],
            "flags": _flags(images, measured),
        },
        units=_UNITS,
        descriptions=_DESCRIPTIONS,
    )


def _on_sky(
    images: ImageSet, measured: FeatureTable, scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return length [arcsec] and position angle [deg], the latter NaN where there is no WCS."""
    length = measured["trail_length"] * scale
    angle = np.full(len(images), np.nan)
    matrices = images.facts.matrix(PIXEL_MATRIX)
    for row in np.flatnonzero(np.isfinite(matrices).all(axis=1) & np.isfinite(length)):
        trail = Trail(0.0, 0.0, 1.0, measured["trail_length"][row], measured["trail_angle"][row])
        on_sky, position_angle = trail_on_sky(trail, matrices[row].reshape(2, 2))
        length[row], angle[row] = on_sky.arcsec, position_angle.deg
    return length, angle


def _flags(images: ImageSet, measured: FeatureTable) -> NDArray[np.str_]:
    flags = images.flags & ~_OF_NO_MATTER
    # An image of the point-spread function tells the seeing, and the width of the difference image.
    is_told = measured["seeing_told"] > 0
    flags = np.where(is_told, flags & ~np.uint32(StampFlag.NO_SEEING), flags)
    oriented = np.isfinite(images.facts.matrix(PIXEL_MATRIX)).all(axis=1)
    flags = np.where(oriented, flags & ~np.uint32(StampFlag.NO_WCS), flags)
    told = replace(images, flags=flags).flag_texts()
    found = {
        "unresolved": measured["trail_significance"] < RESOLVED,
        "leaves-stamp": measured["ends_inside"] < _ENDS,
        "unmeasured": ~np.isfinite(measured["length"]),
    }
    rows = [
        ",".join([*filter(None, [first]), *(name for name, where in found.items() if where[row])])
        for row, first in enumerate(told)
    ]
    return np.array(rows, dtype=np.str_)


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: StreakModel,
    read_options: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Predict batch by batch; the output appears whole, or not at all.

    What gave no stamp has a row of its own, without probabilities and with the reason in its flags.

    Returns
    -------
    mapping of str to int
        Numbers of rows: accepted, repaired, rejected.

    Raises
    ------
    UsageError
        If real stamps are given to check against.
    """
    if read_options.real:
        raise UsageError(
            "--real checks an evaluation, and this is a prediction.",
            "Leave it out, or ask 'skysift evaluate streak'.",
        )
    check_writable(out, inputs=paths)
    counts = {"accepted": 0, "repaired": 0, "rejected": 0}
    done = 0
    with open_writer(out, provenance=_provenance(provenance, model, options)) as writer:
        for number, path in enumerate(paths):
            for batch in iter_images([path], cutout=cutout_of(read_options), batch=options.batch):
                answer = _answered(batch, model, read_options, options)
                writer.write(answer)
                for verdict, rows in batch.checked.counts.items():
                    counts[verdict] += rows
                done += len(answer)
                progress(number / len(paths), f"{done:,} stamps")
        if not done:
            raise InputError(
                "There is no stamp in what was given.", "Give files with cutouts or alerts."
            )
    return counts


def record_predictor(
    model: StreakModel, read_options: ReadOptions, options: PredictOptions
) -> RecordPredictor:
    """Return what predicts one file of stamps or alerts after the other.

    A file in which nothing can be used is refused with the reason; where some can, the rest has
    rows without a class, as in a batch.
    """

    def predict(path: Path, note: Note) -> Iterator[pa.Table]:
        reason, usable = "It holds no stamp.", False
        for batch in iter_images([path], cutout=cutout_of(read_options), batch=options.batch):
            if batch.checked.usable.any():
                usable = True
            else:
                reason = str(batch.rejected["reason"][0])
            yield _answered(batch, model, read_options, options, note).arrow
        if not usable:
            raise ReadError(reason, "Give stamps or alerts.", path=path)

    return MeasuringPredictor(predict)


def _answered(
    batch: ReadImages,
    model: StreakModel,
    read_options: ReadOptions,
    options: PredictOptions,
    note: Note | None = None,
) -> FeatureTable:
    """Return one row for each that was read, usable or not, in the order of reading."""
    measured = measure(batch.images, read_options.seeing)
    if note is not None:
        note({name: measured[name] for name in SEEN})
    said = answers(batch.images, measured, model.probability(measured))
    if options.coverage is not None:
        promised = bounds(model, said, options.coverage)
        said = said.with_columns(promised, units=_UNITS, descriptions=_DESCRIPTIONS)
    answer = batch.with_refused(said, {"id": "identifier", "flags": "code"})
    named = [model.bundle.hash if model.bundle else ""] * len(answer)
    return answer.with_columns({"bundle": named}, descriptions=_DESCRIPTIONS)


def _provenance(
    provenance: Provenance, model: StreakModel, options: PredictOptions
) -> dict[str, Any]:
    return {
        **provenance.so_far().to_dict(),
        "positive_class": "asteroid",
        "coverage": options.coverage,
        "shares": dict(zip(CLASSES, model.shares, strict=True)),
        "operating_points": [point.model_dump() for point in model.operating_points],
    }
