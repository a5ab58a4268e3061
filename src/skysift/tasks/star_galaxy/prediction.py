"""Probabilities for cutouts without labels: in memory, and from files to a file, batch by batch."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skysift.core.errors import InputError, ReadError, UsageError
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.spread import spread_map
from skysift.core.stream import RecordFile
from skysift.data.angles import degrees_of
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet
from skysift.data.images.readers import ReadImages, file_of, iter_images, read_each
from skysift.data.io import check_writable, open_writer
from skysift.data.table import FeatureTable
from skysift.evaluate.purity import prior_shift_with_error
from skysift.tasks.star_galaxy.coverage import class_sets
from skysift.tasks.star_galaxy.model import Measured, StarGalaxyModel, load_bundle
from skysift.tasks.star_galaxy.options import PredictOptions, ReadOptions
from skysift.tasks.star_galaxy.reader import Catalogue, as_models_know, cutout_of

__all__ = ["BatchAnswers", "CutoutPredictor", "predict_files", "predict_images", "predict_read"]

_DESCRIPTIONS = {
    "file": "name of the cutout, or of the alert",
    "ra": "right ascension of the target",
    "dec": "declination of the target",
    "p_galaxy": "probability of being a galaxy, at the prior of the provenance",
    "p_galaxy_err": "standard deviation over the members of the model, or of its posterior",
    "ambiguous": "whether the class is left open",
    "set": "classes that the object is typical of, by the coverage of the provenance",
    "flags": "what the input contract found, empty if nothing",
    "bundle": "hash of the model",
}
_UNITS = {"ra": "deg", "dec": "deg"}
_POSITION = ("ra", "dec")
_BUNDLE = "bundle"
_NO_IMAGE = "no-image"
_CORE = 3
"""Side of the middle, without a known pixel of which nothing is seen of a target [pixel]."""


def predict_images(
    images: ImageSet,
    model: StarGalaxyModel,
    options: PredictOptions,
    *,
    measured: Measured | None = None,
) -> FeatureTable:
    """Return one row for each cutout: name, position, probability, error, ambiguity, flags.

    Parameters
    ----------
    images : ImageSet
        n cutouts.
    model : StarGalaxyModel
        What predicts.
    options : PredictOptions
        The prior of the sample.
    measured : callable, optional
        Told what was measured of the cutouts.

    Notes
    -----
    Cutouts are brought to what the model knows first, see
    :func:`~skysift.tasks.star_galaxy.reader.as_models_know`. One of an image that the survey calls
    unusable, or of whose target no pixel is known, is predicted all the same, but ambiguous
    whatever the probability.
    """
    images = as_models_know(images)
    probability, error = model.probability(images, measured=measured)
    ambiguous = model.ambiguous(probability)
    sets = {}
    if options.coverage is not None:  # of the training prior: a class is covered under any
        sets["set"] = class_sets(model, probability, images, options.coverage)
    if options.prior is not None:
        probability, error = prior_shift_with_error(
            probability, error, prior=model.prior, new_prior=options.prior
        )
        ambiguous = model.ambiguous(probability)
    unseen = ~images.cropped(_CORE).valid.any(axis=(1, 2))
    doubtful = images.has(StampFlag.BAD_IMAGE) | unseen
    return FeatureTable.from_columns(
        {
            "file": images.identifiers,
            "ra": images.facts["ra"],
            "dec": images.facts["dec"],
            "p_galaxy": probability,
            "p_galaxy_err": error,
            "ambiguous": ambiguous | doubtful,
            **sets,
            "flags": np.array(images.flag_texts(), dtype=np.str_),
        },
        units=_UNITS,
        descriptions=_DESCRIPTIONS,
    )


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: StarGalaxyModel,
    read_options: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Predict batch by batch; the output appears whole, or not at all.

    Batches are parts of the work: workers of :mod:`skysift.core.spread` predict them.

    A catalogue's columns come before those of the prediction. What gave no cutout has a row of its
    own, without a probability and with the reason in its flags.

    Returns
    -------
    mapping of str to int
        Numbers of rows: accepted, repaired, rejected; with a catalogue also ``not in the
        catalogue``, where there are such.
    """
    check_writable(out, inputs=paths)
    catalogue = _catalogue(read_options)
    counts: Counter[str] = Counter(accepted=0, repaired=0, rejected=0)
    done, begun = 0, _Begun(paths)
    batches = _remarked(iter_images(begun, cutout=cutout_of(read_options), batch=options.batch))
    with open_writer(out, provenance=_provenance(provenance, model, options)) as writer:
        for found, verdicts in spread_map(BatchAnswers(model, options), batches):
            answer = _completed(found, model, catalogue)
            writer.write(answer)
            counts.update(verdicts)
            if catalogue is not None:
                if not done:
                    _tell_renamed(catalogue, found)
                unknown = int((catalogue.rows(found["file"].tolist()) < 0).sum())
                counts.update({"not in the catalogue": unknown} if unknown else {})
            done += len(answer)
            progress(begun.share, f"{done:,} cutouts")
        if not done:
            raise InputError(
                "There is no cutout in what was given.", "Give files with cutouts or alerts."
            )
    return counts


class BatchAnswers:
    """Predicts batches; another process gets it as the name of its bundle, and loads that once.

    Parameters
    ----------
    model : StarGalaxyModel
        What predicts.
    options : PredictOptions
        The prior of the sample.
    """

    def __init__(self, model: StarGalaxyModel, options: PredictOptions) -> None:
        self._model = model
        self._options = options

    def __call__(self, batch: ReadImages) -> tuple[FeatureTable, Mapping[str, int]]:
        """Return the rows of a batch, usable or not, and how many there are of each verdict."""
        return predict_read(batch, self._model, self._options), batch.checked.counts

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how another process makes the same.

        Raises
        ------
        UsageError
            If the model is not from a bundle.
        """
        if self._model.bundle is None:
            raise UsageError("Workers need a model that is stored.", "Save it, and load it.")
        return _batch_answers, (self._model.bundle.folder, self._options)


def _batch_answers(folder: Path, options: PredictOptions) -> BatchAnswers:
    return BatchAnswers(_loaded(folder), options)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> StarGalaxyModel:
    return load_bundle(folder)


class CutoutPredictor:
    """Predicts files of cutouts or alerts, one after the other, or many small ones at once.

    A file in which nothing can be used is refused with the reason; where some can, the rest has
    rows without a probability, as in a batch.

    Parameters
    ----------
    model : StarGalaxyModel
        What predicts.
    read_options : ReadOptions
        The catalogue, and which cutout of an alert.
    options : PredictOptions
        The prior of the sample.
    """

    def __init__(
        self, model: StarGalaxyModel, read_options: ReadOptions, options: PredictOptions
    ) -> None:
        self._model = model
        self._options = options
        self._cutout = cutout_of(read_options)
        self._catalogue = _catalogue(read_options)
        self._measured: list[Mapping[str, NDArray[Any]]] = []

    def __call__(self, path: Path) -> Iterator[pa.Table]:
        """Yield the answer to a file in pieces.

        Raises
        ------
        ReadError
            If nothing in it can be used.
        """
        reason, usable = "It holds no cutout.", False
        for batch in iter_images([path], cutout=self._cutout, batch=self._options.batch):
            if batch.checked.usable.any():
                usable = True
            else:
                reason = str(batch.rejected["reason"][0])
            yield self._answer(batch)
        if not usable:
            raise _useless(path, reason)

    def many(self, files: Sequence[RecordFile]) -> list[pa.Table | InputError]:
        """Return the answer to each file, or why it cannot be used."""
        batch, rows = read_each(files, cutout=self._cutout)
        table = self._answer(batch)
        usable, reasons = batch.checked.usable, batch.checked.table["reason"]
        answers: list[pa.Table | InputError] = []
        for file, found in zip(files, rows, strict=True):
            if isinstance(found, ReadError):
                answers.append(found)
            elif usable[found].any():
                answers.append(table.slice(found.start, found.stop - found.start))
            else:
                none = found.start == found.stop
                reason = "It holds no cutout." if none else str(reasons[found.start])
                answers.append(_useless(file.path, reason))
        return answers

    def described(self) -> dict[str, NDArray[Any]]:
        """Return what was measured of the cutouts since the last call, shape (n,) each."""
        parts, self._measured = self._measured, []
        names = parts[0] if parts else {}
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _answer(self, batch: ReadImages) -> pa.Table:
        found = predict_read(batch, self._model, self._options, measured=self._measured.append)
        return _completed(found, self._model, self._catalogue).arrow


def _told_apart(batch: ReadImages) -> ImageSet:
    """Return cutouts of which those of one image are judged together in the same file alone.

    Else the answer to an alert would depend on which others of its exposure came with it.
    """
    sources = batch.checked.table["source"][batch.checked.usable].tolist()
    own = zip(map(file_of, sources), batch.images.facts["image"].tolist(), strict=True)
    image = np.array([f"{name} of {file}" if name else "" for file, name in own], dtype=np.str_)
    return replace(batch.images, facts=batch.images.facts.with_columns({"image": image}))


def _useless(path: Path, reason: str) -> ReadError:
    return ReadError(reason, "Give cutouts or alerts.", path=path)


class _Begun:
    """Paths, one after the other, and the share of them that were begun before the last.

    Parameters
    ----------
    paths : sequence of Path
        What is read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.share = 0.0

    def __iter__(self) -> Iterator[Path]:
        for number, path in enumerate(self._paths):
            self.share = number / len(self._paths)
            yield path


def predict_read(
    batch: ReadImages,
    model: StarGalaxyModel,
    options: PredictOptions,
    *,
    measured: Measured | None = None,
) -> FeatureTable:
    """Return one row for each that was read, usable or not, in the order of reading.

    Parameters
    ----------
    batch : ReadImages
        What was read.
    model : StarGalaxyModel
        What predicts.
    options : PredictOptions
        The prior of the sample.
    measured : callable, optional
        Told what was measured of the cutouts.
    """
    answer = predict_images(_told_apart(batch), model, options, measured=measured)
    refused: dict[str, str | bool] = {"file": "identifier", "ambiguous": True, "flags": "code"}
    return batch.with_refused(answer, refused)


def _catalogue(read_options: ReadOptions) -> Catalogue | None:
    """Return the catalogue, of which the position is one, before anything is read."""
    if read_options.catalog is None:
        return None
    found = Catalogue.read(Path(read_options.catalog))
    for name in _POSITION:
        if name in found.table:
            degrees_of(found.table, name)
    return found


def _remarked(batches: Iterator[ReadImages]) -> Iterator[ReadImages]:
    """Yield batches; of those without any image, write on stderr why, each reason once."""
    told: set[str] = set()
    for batch in batches:
        if not batch.checked.usable.any() and set(batch.rejected["code"]) == {_NO_IMAGE}:
            for reason in dict.fromkeys(batch.rejected["reason"].tolist()):
                if reason not in told:
                    sys.stderr.write(f"{reason}\n")
                    told.add(reason)
        yield batch


def _tell_renamed(catalogue: Catalogue, found: FeatureTable) -> None:
    """Write on stderr which columns of the catalogue have other names in what is written."""
    for name, new in catalogue.renamed([*found.columns, _BUNDLE]).items():
        sys.stderr.write(f"The catalogue's column '{name}' is written as '{new}'.\n")


def _completed(
    found: FeatureTable, model: StarGalaxyModel, catalogue: Catalogue | None
) -> FeatureTable:
    """Return the answer with the hash of the model, and after the columns of the catalogue."""
    name = [model.bundle.hash if model.bundle else ""] * len(found)
    answer = found.with_columns({_BUNDLE: name}, descriptions=_DESCRIPTIONS)
    return answer if catalogue is None else _joined(catalogue, answer)


def _joined(catalogue: Catalogue, answer: FeatureTable) -> FeatureTable:
    """Return the catalogue's columns, then the answer, which has no columns of the same names.

    But for the position, which the catalogue knows better than the header of a cutout, where it
    knows the object; and for the names of the cutouts.
    """
    table = catalogue.columns(answer["file"].tolist(), taken=answer.columns)
    better = {name: degrees_of(table, name) for name in _POSITION if name in table}
    arrow = table.arrow
    for field, column in zip(answer.arrow.schema, answer.arrow.columns, strict=True):
        where = arrow.schema.get_field_index(field.name)
        if field.name in better:
            known = pa.array(better[field.name], mask=np.isnan(better[field.name]))
            column = pc.coalesce(known.cast(field.type), column.combine_chunks())  # noqa: PLW2901
        arrow = (
            arrow.append_column(field, column)
            if where < 0
            else arrow.set_column(where, field, column)
        )
    return FeatureTable(arrow)


def _provenance(
    provenance: Provenance, model: StarGalaxyModel, options: PredictOptions
) -> dict[str, Any]:
    return {
        **provenance.so_far().to_dict(),
        "positive_class": "galaxy",
        "prior": model.prior if options.prior is None else options.prior,
        "ambiguous_above": model.doubt,
        "coverage": options.coverage,
        "operating_points": [point.model_dump() for point in model.operating_points],
    }
