"""Probabilities for regions on images, SHARP maps and disks: in memory, and of files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import InputError, ReadError, SkysiftError, UsageError
from skysift.core.jobs import Piece
from skysift.core.progress import Progress, silent
from skysift.core.provenance import Provenance
from skysift.core.stream import MeasuringPredictor, Note, RecordPredictor
from skysift.data.flags import flag_names
from skysift.data.images.stamp import Rejected
from skysift.data.io import check_writable, open_writer
from skysift.data.solar.image_names import (
    images_in,
    images_named,
    names_apart,
    require_names_apart,
)
from skysift.data.solar.readers import iter_solar_images
from skysift.data.solar.solar_image import Disk, ImageKind, SolarImage
from skysift.data.table import FeatureTable
from skysift.tasks.flare.columns import DESCRIPTIONS, EMPTY, NUMBERS, UNITS
from skysift.tasks.flare.coverage import class_sets
from skysift.tasks.flare.disk_past import FlareList
from skysift.tasks.flare.disk_product import counted_already, of_disks
from skysift.tasks.flare.image_features import FEATURES
from skysift.tasks.flare.magnetograms import DISK_PAST, features_of, is_coarse, tells_the_field
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.options import PredictOptions, ReadOptions
from skysift.tasks.flare.region_tables import find_images, is_table, number, read_region_table, text
from skysift.tasks.flare.regions import (
    REASONS,
    SEEN_KINDS,
    Regions,
    flags_against,
    iter_regions,
    regions_of,
)
from skysift.tasks.flare.sources import (
    NamedRegions,
    RegionSource,
    UnknownRegionsError,
    source_of,
)

__all__ = ["answers", "pieces", "predict_files", "record_predictor"]

_UNASKED = "of images not given"
_ONE_TABLE = 2  # jobs: the table, and the images that it does not name


def answers(
    regions: Regions,
    model: FlareModel,
    *,
    also: Sequence[str] = (),
    coverage: float | None = None,
) -> FeatureTable:
    """Return one row for each region: where it is, probabilities, which part answered, flags.

    Parameters
    ----------
    regions : Regions
        n regions.
    model : FlareModel
        What predicts.
    also : sequence of str
        Further flags of all rows.
    coverage : float, optional
        For which sets are returned, too.
    """
    told, known = regions.answerable, regions.has_history
    found = {
        name: np.where(told, values, np.nan)
        for name, values in model.probabilities(regions).items()
    }
    by = np.where(told, np.where(known, "image+history", "image"), "")
    again = counted_already(regions)
    return _table(
        {
            "file": text(regions.table, "file"),
            "time": _time_text(regions.time),
            "noaa": regions.noaa,
            **{name: number(regions.table, name) for name in NUMBERS},
            **found,
            **({} if coverage is None else class_sets(model, regions, found, coverage)),
            **{
                f"{name}_disk": of_disks(regions, found[name], again) for name in ("p_c24", "p_m24")
            },
            "model": by,
            "flags": np.array(_flags_of(regions, again, also), dtype=np.str_),
        }
    )


def _flags_of(regions: Regions, again: NDArray[np.bool_], also: Sequence[str]) -> list[str]:
    """Return the flags of each region: its own first, then those of its image, then of all."""
    past = np.where(regions.has_impossible_history, "bad-history", "no-history")
    past[regions.has_history | ~regions.answerable] = ""
    copies = np.where(again, "repeated-region", "")
    own = zip(regions.codes.tolist(), past.tolist(), copies.tolist(), strict=True)
    return [
        ",".join(dict.fromkeys(filter(None, [*codes, *image.split(","), *also])))
        for codes, image in zip(own, regions.flags_of_images, strict=True)
    ]


def predict_files(
    paths: Sequence[Path],
    out: Path,
    model: FlareModel,
    read_options: ReadOptions,
    options: PredictOptions,
    *,
    provenance: Provenance,
    progress: Progress,
) -> Mapping[str, int]:
    """Predict image by image; the output appears whole, or not at all.

    Tables among the paths, and the one of the options, tell regions; images are looked for among
    the paths, and beside a table that is a path. Images that no table names are magnetograms: a
    row for each. What cannot be used has a row with the reason in its flags. The other columns of
    the table of regions are kept, where there is only one.

    Returns
    -------
    mapping of str to int
        Numbers of rows: accepted, repaired, rejected; with progress, also of the rows of the table
        of the options whose images are not given, if there are any.
    """
    check_writable(out, inputs=paths)
    counts = {"accepted": 0, "repaired": 0, "rejected": 0}
    unasked: list[int] = []
    with open_writer(out, provenance=_provenance(provenance, model, options)) as writer:
        for fraction, answer in _answers_of(paths, model, read_options, options, unasked):
            writer.write(_named(answer, model))
            rejected = int((answer["model"].astype(np.str_) == "").sum())
            counts["rejected"] += rejected
            counts["accepted"] += len(answer) - rejected
            progress(fraction, f"{sum(counts.values()):,} rows")
        if not any(counts.values()):
            raise InputError(
                "The tables have no row, and there is no image.", "Name a region at least."
            )
    # One partition of many, whose progress nobody sees, leaves the rows of the others aside.
    if sum(unasked) and progress is not silent:
        counts[_UNASKED] = sum(unasked)
    return counts


def pieces(paths: Sequence[Path], reading: ReadOptions, options: PredictOptions) -> list[Piece]:
    """Return images, or tables of regions, each of which can be predicted by itself.

    Raises
    ------
    UsageError
        If there are tables and images: a table may name any of them; or images of one name.
    """
    tables = [path for path in paths if is_table(path)]
    images = images_in([path for path in paths if path not in tables])
    require_names_apart(images)
    if tables and (images or options.regions):
        raise UsageError(
            "Tables of regions and images are predicted together in one process.",
            "Give tables alone, with the images beside them, or images with --regions TABLE.",
        )
    return [Piece(path, (path, *_images_of(path, reading))) for path in tables] or [
        Piece(path) for path in images
    ]


def _images_of(table: Path, reading: ReadOptions) -> list[Path]:
    """Return the images that a table of regions names, of those that are there."""
    named = text(read_region_table(table), "file")
    return sorted(set(find_images(named, Path(reading.images or table.parent)).values()))


def _answers_of(
    paths: Sequence[Path],
    model: FlareModel,
    reading: ReadOptions,
    options: PredictOptions,
    unasked: list[int],
) -> Iterator[tuple[float, FeatureTable]]:
    """Yield the fraction done and rows: of tables first, then of images that no table names.

    How many rows of a table are not answered, as their images are not given, is noted.
    """
    tables = [path for path in paths if is_table(path)]
    images = images_in([path for path in paths if path not in tables])
    called = names_apart(images)
    source, flares = _told_by(options, model)
    told = [source.path] if isinstance(source, NamedRegions) else []
    named: set[Path] = set()
    jobs = len(tables) + len(told) + 1
    kept = pa.schema([])
    for place, path in enumerate([*told, *tables]):
        table = read_region_table(path)
        if jobs == _ONE_TABLE:  # the columns of several would not fit together
            kept = _other_columns(table.arrow.schema)
        files = text(table, "file")
        known = images_named(files.tolist(), images)
        named |= set(known.values())
        if path in told and images:
            # Rows of images that were not asked for are not answered.
            asked = np.array([file in known for file in files.tolist()], dtype=bool)
            unasked.append(int(np.count_nonzero(~asked)))
            table = table.take(asked)
        else:
            known |= find_images(files, Path(reading.images or path.parent))
        for rows in _of_table(table, known, path.stem, model, kept, coverage=options.coverage):
            yield place / jobs, rows
    rest = [path for path in images if path not in named]
    for number_, path in enumerate(rest):
        for item in iter_solar_images([path]):
            rows, _ = _of_image(item, model, source, flares, coverage=options.coverage)
            if called[path] != path.name:
                told_apart = called[path] + item.source.removeprefix(str(path))
                rows = rows.with_columns({"file": [told_apart] * len(rows)})
            yield (jobs - 1 + number_ / len(rest)) / jobs, _beside(rows, kept)


def _of_table(
    table: FeatureTable,
    images: Mapping[str, Path],
    name: str,
    model: FlareModel,
    kept: pa.Schema,
    *,
    coverage: float | None,
) -> Iterator[FeatureTable]:
    """Yield the rows of a table, image by image where its own order is such, in that order."""
    _, first, image = np.unique(text(table, "file"), return_index=True, return_inverse=True)
    order = np.argsort(first[image], kind="stable")
    is_in_order = bool((np.diff(order) == 1).all())
    by_image = iter_regions(table if is_in_order else table.take(order), images, name)
    rows = (
        _beside(answers(regions, model, coverage=coverage), kept, regions.table)
        for regions in by_image
    )
    if is_in_order:
        yield from rows
        return
    # A disk is answered by all of its regions, also where the table has others between them.
    whole = FeatureTable(pa.concat_tables([one.arrow for one in rows]))
    yield whole.take(np.argsort(order))


def record_predictor(
    model: FlareModel, read_options: ReadOptions, options: PredictOptions
) -> RecordPredictor:
    """Return what forecasts the flares of one image after the other.

    The table of regions, or the daily summaries, and the list of flares may be replaced by newer
    ones meanwhile. An image whose regions are unknown is refused with the reason, and can be
    replayed when they are known.

    Raises
    ------
    InputError
        If the table of regions, the summaries or the list of flares cannot be read.
    """
    del read_options  # says where the images of a table are
    source, flares = _told_by(options, model)

    def predict(path: Path, note: Note) -> Iterator[pa.Table]:
        refused, usable = "It holds no image.", False
        for item in iter_solar_images([path]):
            rows, reason = _of_image(
                item,
                model,
                source,
                flares,
                with_others=True,
                coverage=options.coverage,
                note=note,
            )
            refused, usable = reason or refused, usable or not reason
            yield _named(rows, model).arrow
        if not usable:
            raise ReadError(refused, path=path)

    return MeasuringPredictor(predict)


def _told_by(
    options: PredictOptions, model: FlareModel
) -> tuple[RegionSource | None, FlareList | None]:
    """Return what tells the regions of images, and the flares before them."""
    if options.flares and DISK_PAST not in model.magnetograms:
        raise UsageError(
            "The bundle has no forecast of the disk by its past flares.",
            "Leave out --flares, or train with --flares LIST.",
        )
    source = source_of(Path(options.regions), options.regions_hours) if options.regions else None
    flares = FlareList(Path(options.flares), options.goes_scale) if options.flares else None
    return source, flares


def _named(answer: FeatureTable, model: FlareModel) -> FeatureTable:
    bundle = model.bundle.hash if model.bundle else ""
    return answer.with_columns({"bundle": [bundle] * len(answer)}, descriptions=DESCRIPTIONS)


def _other_columns(table: pa.Schema) -> pa.Schema:
    """Return the columns of a table of regions that an answer does not have."""
    return pa.schema([field for field in table if field.name not in DESCRIPTIONS])


def _beside(
    answer: FeatureTable, kept: pa.Schema, table: FeatureTable | None = None
) -> FeatureTable:
    """Return an answer with the other columns of its table; null where no table tells."""
    arrow = answer.arrow
    for field in kept:
        nothing = pa.nulls(len(answer), field.type)
        arrow = arrow.append_column(
            field, nothing if table is None else table.arrow.column(field.name)
        )
    return FeatureTable(arrow)


def _of_image(
    item: SolarImage | Rejected,
    model: FlareModel,
    source: RegionSource | None,
    flares: FlareList | None,
    *,
    with_others: bool = False,
    coverage: float | None = None,
    note: Note | None = None,
) -> tuple[FeatureTable, str]:
    """Return the rows of an image, and why it cannot be used, empty if it can.

    With others, the columns of the table that names images and an answer does not have are kept.
    What is seen of regions is noted.
    """
    kept = pa.schema([])
    if with_others and isinstance(source, NamedRegions):
        kept = _other_columns(source.schema)
    if isinstance(item, SolarImage) and item.kind is not ImageKind.MAGNETOGRAM and source:
        if item.kind not in SEEN_KINDS:
            other = {**EMPTY, **_facts(item), "flags": "not-euv"}
            return _beside(_row(Path(item.source).name, other), kept), f"{REASONS['not-euv']}."
        try:
            table, also = source.rows(item)
        except UnknownRegionsError as error:
            unknown = {**EMPTY, **_facts(item), "flags": error.code}
            return _beside(_row(Path(item.source).name, unknown), kept), str(error)
        if len(table):
            regions = regions_of(item, table, item.source)
            reason = "" if regions.answerable.any() else f"{REASONS[str(regions.codes[0])]}."
            said = answers(regions, model, also=also, coverage=coverage)
            if note is not None:
                seen = regions.image_features[regions.answerable]
                note(dict(zip(FEATURES, seen.T, strict=True)))
            return _beside(said, kept, table), reason
        flags = ",".join(["no-region", *flags_against(item), *also])
        return _row(Path(item.source).name, {**EMPTY, **_facts(item), "flags": flags}), ""
    row, reason = _without_regions(item, model, flares)
    return _beside(row, kept), reason


def _without_regions(
    item: SolarImage | Rejected, model: FlareModel, flares: FlareList | None
) -> tuple[FeatureTable, str]:
    """Return the row of an image whose regions nothing tells, and why it cannot be used."""
    name = Path(item.source).name
    if isinstance(item, Rejected):
        return _row(name, {**EMPTY, "flags": item.code}), item.reason
    row = {**EMPTY, **_facts(item)}
    if not tells_the_field(item):
        reason = "Which regions are on the image is not told; give --regions."
        return _row(name, {**row, "flags": "no-regions"}), reason
    try:
        kind, features, also = _told_of(item, flares)
    except SkysiftError as error:
        code = "no-disk" if item.frame is None else "no-sign"
        return _row(name, {**row, "flags": code}), error.problem
    flags = [*flag_names(item.flags), *also]
    head = model.magnetograms.get(kind)
    if head is None:
        reason = f"The bundle has no model of this kind of magnetogram: {kind}."
        return _row(name, {**row, "flags": f"no-model-of-{kind}"}), reason
    probability = float(head.probability(features[None])[0])
    disk = probability if kind in {"disk", DISK_PAST} else float("nan")
    told = {"p_m24": probability, "p_m24_disk": disk, "model": kind, "flags": ",".join(flags)}
    return _row(name, row | told), ""


def _told_of(
    item: SolarImage, flares: FlareList | None
) -> tuple[str, NDArray[np.float64], list[str]]:
    """Return kind, features and flags: of a disk, the flares before it where the list has them."""
    also: list[str] = []
    if flares is not None and isinstance(item.frame, Disk):
        past, also = flares.features(item.time)
        if np.isfinite(past).all():
            return DISK_PAST, past, also
    kind, features = features_of(item)
    also += ["few-pixels"] if is_coarse(item) else []
    return kind, features, also


def _facts(image: SolarImage) -> dict[str, Any]:
    """Return time, region and place of a magnetogram, as far as it tells them."""
    header = image.header

    def told(keyword: str) -> float:
        try:
            return float(str(header.get(keyword)))
        except ValueError:
            return float("nan")

    region = told("NOAA_AR")
    return {
        "time": "" if image.time is None else str(image.time.astype("datetime64[s]")),
        "noaa": int(region) if np.isfinite(region) else 0,
        "lon": told("LON_FWT"),
        "lat": told("LAT_FWT"),
    }


def _row(name: str, values: Mapping[str, Any]) -> FeatureTable:
    return _table({"file": [name], **{key: [value] for key, value in values.items()}})


def _table(columns: Mapping[str, Any]) -> FeatureTable:
    order = [name for name in DESCRIPTIONS if name in columns]
    return FeatureTable.from_columns(
        {name: columns[name] for name in order}, units=UNITS, descriptions=DESCRIPTIONS
    )


def _time_text(time: NDArray[np.datetime64]) -> NDArray[np.str_]:
    return np.where(np.isnat(time), "", time.astype(np.str_))


def _provenance(
    provenance: Provenance, model: FlareModel, options: PredictOptions
) -> dict[str, Any]:
    return {
        **provenance.so_far().to_dict(),
        "positive_class": "flare",
        "operating_points": [point.model_dump() for point in model.operating_points],
        "coverage": options.coverage,
        "climatology": {level: head.both.climatology for level, head in model.regions.items()},
    }
