"""Regions of disks without labels, or the probability of a region in given patches."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import ContractError, InputError, ReadError, UsageError
from skysift.core.jobs import Piece
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.stream import MeasuringPredictor, Note, RecordPredictor
from skysift.data.column_names import in_our_case
from skysift.data.flags import words_by_name
from skysift.data.images.stamp import Rejected
from skysift.data.io import check_writable, open_writer, read_table
from skysift.data.solar.cea import CeaGrid
from skysift.data.solar.flags import FLAG_MESSAGES, REFUSAL_MESSAGES
from skysift.data.solar.image_names import names_apart, require_names_apart
from skysift.data.solar.readers import iter_solar_images
from skysift.data.solar.solar_image import Disk, SolarImage
from skysift.data.table import FeatureTable
from skysift.tasks.active_region.coverage import PATCHES, PLACES, class_sets
from skysift.tasks.active_region.detection import Found
from skysift.tasks.active_region.disks import (
    DiskMap,
    brightness_quantiles,
    disk_map,
    patch_rows,
)
from skysift.tasks.active_region.model import F1_POINT, ActiveRegionModel
from skysift.tasks.active_region.options import PredictOptions, ReadOptions
from skysift.tasks.active_region.reader import image_files

__all__ = ["FLAG_WORDS", "pieces", "predict_files", "record_predictor", "regions_of"]

_PATCHES = ("file", "x", "y")
_NUMBERS = ("x", "y", "lon", "lat", "width", "height", "box_x", "box_y", "score")
_UNITS = {
    "x": "pix", "y": "pix", "lon": "deg", "lat": "deg", "width": "pix", "height": "pix",
    "box_x": "pix", "box_y": "pix",
}  # fmt: skip
_DESCRIPTIONS = {
    "file": "name of the image; of images of one name, as much of the path as tells them apart",
    "x": "column of the region's centre, from 0, as the file counts",
    "y": "row of the region's centre, from 0: from the top in pictures, the first row in FITS",
    "lon": "Stonyhurst longitude, west positive; NaN where the time is unknown or beyond the limb",
    "lat": "heliographic latitude",
    "width": "of the box, along columns",
    "height": "of the box, along rows",
    "box_x": "column of the middle of the box",
    "box_y": "row of the middle of the box",
    "score": "0 to 1; of a network, the probability that a region with sunspots is there",
    "set": "whether the patch is typical of region, quiet or both, by the coverage",
    "region_set": "whether a region with sunspots is typical of the place, or nothing, or both",
    "p_big_region": "probability that a region of 200 millionths or more is on the disk",
    "probability": "that a region with sunspots lies in the middle of the patch",
    "flags": "what the reader and the contract found; why a file gave nothing",
    "bundle": "hash of the model",
}
_NO_REGION = "no-region"
_NOT_A_DISK = "not-a-disk"
_NO_IMAGE = "no-such-image"
_OUTSIDE = "outside-image"
_OFF_DISK = "off-disk"

FLAG_WORDS: Final = {
    **words_by_name(FLAG_MESSAGES),
    **REFUSAL_MESSAGES,
    _NO_REGION: "nothing was found on the disk",
    _NOT_A_DISK: "the map of a part of the Sun; give an image of the whole disk",
    _NO_IMAGE: "no image of that name was given",
    _OUTSIDE: "the place lies beyond the image",
    _OFF_DISK: "the place lies beyond the limb, where patches were not trained",
    "other-channel": "not of 211 Angstrom, which the network was trained on: scores mean less",
    "other-kind": "not of a kind that the network was trained on",
    "other-scale": "not of the pixel scale that patches were trained on",
    "no-patch-model": "patches are judged in EUV alone",
}
"""What flags of disks mean."""


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: ActiveRegionModel,
    reading: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Search image after image, or judge given patches; the output appears whole, or not at all.

    A file that gives no image, or an image on which nothing is found, has a row without a
    position, and the reason in its flags.

    Returns
    -------
    mapping of str to int
        Numbers of images accepted and rejected, and of rows.
    """
    del reading  # says where labels are
    files = image_files(paths)
    if options.positions is not None:
        return _predict_patches(
            files,
            out,
            model,
            positions=Path(options.positions),
            coverage=options.coverage,
            provenance=provenance,
            progress=progress,
        )
    check_writable(out, inputs=files)
    apart = _told_apart(files)
    counts = {"accepted": 0, "repaired": 0, "rejected": 0, "regions": 0}
    with open_writer(out, provenance=_record(provenance, model)) as writer:
        for number, item in enumerate(iter_solar_images(files)):
            progress(min(number / len(files), 1.0), f"{counts['regions']:,} regions")
            table, reason = _answer(item, model, options)
            if item.source in apart:
                table = _called(table, apart[item.source])
            counts["rejected" if reason else "accepted"] += 1
            counts["regions"] += int(np.isfinite(table["score"]).sum())
            writer.write(table)
    return counts


def pieces(paths: Sequence[Path], options: PredictOptions) -> list[Piece]:
    """Return the images, each of which can be searched by itself.

    Raises
    ------
    UsageError
        If patches are given: those of an image that is missing are to be told of once; or images
        of the same name, which cannot be told apart once each is read by itself.
    """
    if options.positions is not None:
        raise UsageError(
            "The patches of a table are judged in one process.",
            "Leave out --workers, --dask and --part.",
        )
    files = image_files(paths)
    require_names_apart(files)
    return [Piece(path) for path in files]


def record_predictor(
    model: ActiveRegionModel, reading: ReadOptions, options: PredictOptions
) -> RecordPredictor:
    """Return what searches one file of solar images after the other.

    A file that gives no image with a disk is refused with the reason.

    Raises
    ------
    UsageError
        If patches are given, whose images would have to be known before they arrive.
    """
    del reading  # says where labels are
    if options.positions is not None:
        raise UsageError(
            "The patches of images that are still to come are not known.",
            "Leave out --positions; judge patches with skysift predict active-region.",
        )

    def predict(path: Path, note: Note) -> Iterator[pa.Table]:
        refused, usable = "It holds no image.", False
        for item in iter_solar_images([path]):
            table, reason = _answer(item, model, options, note)
            refused, usable = reason or refused, usable or not reason
            yield table.arrow
        if not usable:
            raise ReadError(refused, "Give a full disk of the Sun.", path=path)

    return MeasuringPredictor(predict)


def _answer(
    item: SolarImage | Rejected,
    model: ActiveRegionModel,
    options: PredictOptions,
    note: Note | None = None,
) -> tuple[FeatureTable, str]:
    """Return the rows of an image, and why it cannot be used, empty if it can."""
    if isinstance(item, Rejected):
        table, reason = _nothing(_name(item), item.code, coverage=options.coverage), item.reason
    else:
        one = disk_map(item)
        if one.strength is None:
            table, reason = _without_disk(one, options.coverage)
        else:
            table, reason = regions_of(one, model, options), ""
            if note is not None:
                note(brightness_quantiles([one]))
    named = np.full(len(table), _hash(model))
    return table.with_columns({"bundle": named}, descriptions=_DESCRIPTIONS), reason


def regions_of(one: DiskMap, model: ActiveRegionModel, options: PredictOptions) -> FeatureTable:
    """Return the table of what is found on a disk: one row for each region, or one that says none.

    Raises
    ------
    ContractError
        If the image shows no disk.
    """
    found = model.find(one, method=options.method)
    big = model.big_region(one, found)
    by_network = options.method == "best" and one.has_network
    least = options.least_score
    if least is None:
        least = model.threshold(F1_POINT) if by_network else 0.0
    chosen = found.take(found.score >= least)
    sets = _sets(chosen, model, options.coverage if by_network else None)
    flags = ",".join(one.flags())
    if not len(chosen):
        text = f"{flags},{_NO_REGION}" if flags else _NO_REGION
        return _nothing(one.file, text, big, options.coverage)
    table = _table([one.file] * len(chosen), chosen, big, [flags] * len(chosen))
    return _with_sets(table, sets, options.coverage)


def _sets(
    found: Found, model: ActiveRegionModel, coverage: float | None
) -> NDArray[np.str_] | None:
    if coverage is None:
        return None
    return class_sets(model, PLACES, found.score, found.lon, coverage)


def _with_sets(
    table: FeatureTable, sets: NDArray[np.str_] | None, coverage: float | None
) -> FeatureTable:
    """Return a table with a column of sets if a coverage is asked for."""
    if coverage is None:
        return table
    told = np.full(len(table), "", dtype=np.str_) if sets is None else sets
    return table.with_columns({PLACES: told}, descriptions=_DESCRIPTIONS)


def _told_apart(files: Sequence[Path]) -> dict[str, str]:
    """Return what images of the same name are called, by their paths."""
    return {str(path): name for path, name in names_apart(files).items() if name != path.name}


def _called(table: FeatureTable, name: str) -> FeatureTable:
    return table.with_columns(
        {"file": np.full(len(table), name)}, descriptions={"file": _DESCRIPTIONS["file"]}
    )


def _name(item: SolarImage | Rejected) -> str:
    return item.source.rpartition("/")[2]


def _without_disk(one: DiskMap, coverage: float | None) -> tuple[FeatureTable, str]:
    """Return the row of an image that shows no disk, and why it cannot be used."""
    flags, reason = one.flags(), "No solar limb was found in the image."
    if isinstance(one.image.frame, CeaGrid):
        flags.append(_NOT_A_DISK)
        reason = "It is the map of a part of the Sun, not a disk."
    return _nothing(one.file, ",".join(flags), coverage=coverage), reason


def _nothing(
    file: str, flags: str, big: float = float("nan"), coverage: float | None = None
) -> FeatureTable:
    unknown = Found(*(np.full(1, np.nan) for _ in _NUMBERS))
    return _with_sets(_table([file], unknown, big, [flags]), None, coverage)


def _table(files: list[str], found: Found, big: float, flags: list[str]) -> FeatureTable:
    columns: dict[str, Any] = {"file": np.array(files, dtype=np.str_)}
    columns |= {name: getattr(found, name) for name in _NUMBERS}
    columns["p_big_region"] = np.full(len(files), big)
    columns["flags"] = np.array(flags, dtype=np.str_)
    return FeatureTable.from_columns(columns, units=_UNITS, descriptions=_DESCRIPTIONS)


def _predict_patches(
    files: Sequence[Path],
    out: Path,
    model: ActiveRegionModel,
    *,
    positions: Path,
    coverage: float | None,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    check_writable(out, inputs=[*files, positions])
    wanted = _positions(positions)
    names = wanted["file"].astype(str)
    apart = _told_apart(files)
    _require_one_of_each(names, apart, positions)
    x, y = (np.asarray(wanted[axis], dtype=np.float64) for axis in ("x", "y"))
    probability = np.full(len(names), np.nan)
    lon = np.full(len(names), np.nan)
    flags = np.full(len(names), _NO_IMAGE, dtype=object)
    for number, item in enumerate(iter_solar_images(files)):
        progress(number / len(files), f"{number} images")
        rows = np.flatnonzero(names == apart.get(item.source, _name(item)))
        if not len(rows):
            continue
        if isinstance(item, Rejected):
            flags[rows] = item.code
            continue
        probability[rows], lon[rows], flags[rows] = _judge(item, x[rows], y[rows], model)
    sets = {}
    if coverage is not None:
        sets[PATCHES] = class_sets(model, PATCHES, probability, lon, coverage)
    kept = wanted.with_columns(
        {
            "probability": probability,
            **sets,
            "flags": flags.astype(np.str_),
            "bundle": np.full(len(names), _hash(model)),
        },
        descriptions=_DESCRIPTIONS,
    )
    with open_writer(out, provenance=_record(provenance, model)) as writer:
        writer.write(kept)
    known = int(np.isfinite(probability).sum())
    return {"accepted": known, "repaired": 0, "rejected": len(names) - known}


def _require_one_of_each(names: NDArray[np.str_], apart: Mapping[str, str], path: Path) -> None:
    """Refuse names in a table that fit several images."""
    for called in apart.values():
        name = Path(called).name
        if name in names:
            raise InputError(
                f"The table names {name}, and several images are called so.",
                f"Tell them apart by more of their paths, e.g. {called}.",
                path=path,
            )


def _positions(path: Path) -> FeatureTable:
    table = in_our_case(read_table(path), _PATCHES)
    for column in _PATCHES:
        if column not in table:
            raise ContractError(
                f"The table of positions has no column '{column}'.",
                "It needs file, x and y.",
                path=path,
            )
    for axis in ("x", "y"):
        if table[axis].dtype.kind not in "fiu":
            raise InputError(f"The column '{axis}' holds no numbers.", "Correct it.", path=path)
    return table


def _judge(
    image: SolarImage, x: NDArray[np.float64], y: NDArray[np.float64], model: ActiveRegionModel
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.object_]]:
    """Return probability, longitude and flags of patches of one image."""
    one = disk_map(image)
    text = ",".join(one.patch_flags())
    at_x, at_y = (np.asarray(axis) for axis in one.placement.from_file(x, y))
    ny, nx = one.shape
    with np.errstate(invalid="ignore"):
        inside = (at_x > -1) & (at_x < nx) & (at_y > -1) & (at_y < ny)
    probability = np.full(len(x), np.nan)
    against = np.where(inside, "", _OUTSIDE)
    if isinstance(image.frame, Disk):
        off = np.hypot(*image.frame.offsets(at_x, at_y)) > 1
        against = np.where(inside & off, _OFF_DISK, against)
    flags = np.array([",".join(filter(None, (text, one))) for one in against], dtype=object)
    if inside.any() and one.has_network:
        features, _ = patch_rows(image, x[inside], y[inside])
        probability[inside] = model.patch_probability(features)
    lon, _ = one.on_sun(at_x, at_y)
    return probability, lon, flags


def _hash(model: ActiveRegionModel) -> str:
    return model.bundle.hash if model.bundle else ""


def _record(provenance: Provenance, model: ActiveRegionModel) -> dict[str, Any]:
    return {
        **provenance.so_far().to_dict(),
        "positive_class": "region",
        "prior": model.prior,
        "operating_points": [point.model_dump() for point in model.operating_points],
    }
