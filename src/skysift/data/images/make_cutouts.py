"""Cutouts of a catalogue from many science images: each image read once, several at a time."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from skysift.core.errors import ContractError, ReadError, SkysiftError, UsageError
from skysift.core.progress import Progress, silent
from skysift.core.suggest import did_you_mean
from skysift.data.angles import degrees_of
from skysift.data.column_names import column_among
from skysift.data.images.cutout_files import check_cutout_target, open_cutout_file
from skysift.data.images.cutout_piece import CutoutSink, Piece, StampForm
from skysift.data.images.cutting import (
    Parity,
    Positions,
    cut_out,
    is_blended,
    reference_pixels,
    side_in_pixels,
    stamp_bytes,
)
from skysift.data.images.facts import FACTS
from skysift.data.images.object_names import (
    NAME_COLUMNS,
    ObjectNames,
    names_of,
    numbered,
)
from skysift.data.images.parquet_stamps import STAMP_COLUMN
from skysift.data.images.science_image import ScienceImage, open_science_file
from skysift.data.io import read_table
from skysift.data.table import FeatureTable

__all__ = ["CutoutReport", "make_cutouts", "positions_of"]

_RA = ("ra", "RA", "RAJ2000", "_RAJ2000", "ra_deg", "ALPHA_J2000", "raMean", "coord_ra")
_DEC = ("dec", "DEC", "DEJ2000", "_DEJ2000", "dec_deg", "DELTA_J2000", "decMean", "coord_dec")
_POLE = 90.0  # deg
_EXACT = 2**53  # whole numbers up to here are real ones, too
_PREFETCHED = 2  # images per worker that may wait to be written


@dataclass(frozen=True, slots=True)
class CutoutReport:
    """What became of a catalogue.

    Parameters
    ----------
    objects : int
        Objects of the catalogue.
    cutouts : int
        Cutouts written; an object on several images has several.
    outside : int
        Objects on none of the images.
    flags : mapping of str to int
        Number of cutouts with each flag.
    rejected : mapping of str to str
        Images that could not be used, each with its reason.
    unplaced : int
        Objects whose position is missing or not on the sky.
    name_column : str, optional
        Column of the identifiers; None if there is none, and objects are called by their row.
    unnamed : int
        Objects without an identifier, in a catalogue that has them: they are called ``row-``
        and their row, from 0.
    repeated : int
        Objects whose identifier another one has, too.
    unused : mapping of str to str
        Further images of files with several that were not cut from, each with its reason.
    """

    objects: int
    cutouts: int
    outside: int
    flags: Mapping[str, int]
    rejected: Mapping[str, str]
    unplaced: int = 0
    name_column: str | None = None
    unnamed: int = 0
    repeated: int = 0
    unused: Mapping[str, str] = field(default_factory=dict)


def make_cutouts(
    catalog: str | Path | FeatureTable,
    images: Sequence[str | Path],
    size: float | None,
    out: str | Path,
    *,
    parity: Parity = "nearest",
    side: int | None = None,
    ra: str | None = None,
    dec: str | None = None,
    name: str | None = None,
    blend_radius: float | None = None,
    neighbours: str | Path | FeatureTable | None = None,
    keep: Sequence[str] = (),
    workers: int = 1,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> CutoutReport:
    """Cut the objects of a catalogue out of science images, into one file.

    Parameters
    ----------
    catalog : path-like or FeatureTable
        A table of any format that :func:`skysift.data.io.read_table` knows.
    images : sequence of path-like
        FITS images with celestial coordinates (TPV, SIP or none of these distortions).
    size : float or None
        Side of the cutouts [arcsec]; None where `side` says it.
    out : path-like
        ``.fits``: an extension for each cutout and a table CUTOUTS; ``.parquet``: a row for each;
        ``.zarr``: one array of pixels and one for each column.
    parity : {"nearest", "odd", "even"}
        Which number of pixels to choose for `size`.
    side : int, optional
        Exact side [pixel].
    ra, dec, name : str, optional
        Columns of position and identifier; common names are found. Positions are converted from
        the unit that they state, and in degrees without one.
    blend_radius : float, optional
        Flag objects with a neighbour as near as this [arcsec]; half of the side if not given.
    neighbours : path-like or FeatureTable, optional
        All objects that there are, if `catalog` is a selection of them.
    keep : sequence of str
        Columns of the catalogue that go into the table of the cutouts.
    workers : int
        Processes.
    provenance : mapping, optional
        What the cutouts are made of and how, stored with them.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    UsageError
        If a number is out of range.
    InputError
        If the catalogue cannot be used, or none of the images.
    OutputError
        If the file cannot be written.
    """
    if (size is None) == (side is None):
        raise UsageError("The side of the cutouts is given twice or not at all.", "Give it once.")
    if not (size or side or 0) > 0 or workers < 1 or not images:
        raise UsageError(
            f"size = {size or side}, workers = {workers}, {len(images)} images.",
            "Each must be positive.",
        )
    paths = [Path(path) for path in images]
    check_cutout_target(out, inputs=paths)
    table = catalog if isinstance(catalog, FeatureTable) else read_table(catalog)
    if blend_radius is None:
        blend_radius = 0.5 * (_arcsec_of(side, paths) if size is None else size)
    names = _names(table, name)
    sky = _sky(table, ra, dec)
    is_placed = _on_sky(*sky)
    placed = table.take(is_placed)
    at = sky[0][is_placed], sky[1][is_placed]
    positions = _positions(names.texts[is_placed], at, blend_radius, neighbours)
    kept = _kept(placed, keep)
    with open_cutout_file(out, provenance=provenance) as sink:
        if kept is not None and sink.form is StampForm.PIXELS:
            kept = _without_gaps(kept)  # as an array of a Zarr group has none
        work = _Work(positions, kept, size, side, parity, sink.form, len(paths) > 1)
        report = _written(sink, paths, work, workers, progress)
    return replace(
        report,
        objects=len(table),
        unplaced=len(table) - len(placed),
        name_column=names.column,
        unnamed=names.unnamed,
        repeated=names.repeated,
    )


def _names(table: FeatureTable, name: str | None) -> ObjectNames:
    column = column_among(table.columns, NAME_COLUMNS if name is None else (name,)) or name
    return numbered(np.arange(len(table))) if column is None else names_of(table, column)


def _on_sky(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(ra) & (np.abs(dec) <= _POLE))


def _arcsec_of(side: int | None, paths: Sequence[Path]) -> float:
    """Return a side in arcsec at the scale of the first image that can be read."""
    for path in paths:
        try:
            images = open_science_file(path).images()
        except SkysiftError:  # the loop over the images says why
            continue
        for image in images:
            if isinstance(image, ScienceImage):
                return (side or 0) * image.pixel_scale
    return 0.0


def _kept(table: FeatureTable, names: Sequence[str]) -> FeatureTable | None:
    """Return the columns that go with the cutouts, under names that are free there."""
    if not names:
        return None
    taken = {"identifier", "flags", "flag_names", STAMP_COLUMN, "size", "target", "crpix"}
    taken |= {"pixels", "image_number", *FACTS}
    columns = []
    for name in dict.fromkeys(names):
        if name.lower() in taken:
            raise UsageError(
                f"The table of the cutouts has a column '{name.lower()}' of its own.",
                "Rename that of the catalogue, or do not keep it.",
            )
        columns.append(table.select([name]).arrow)
    joined = columns[0]
    for column in columns[1:]:
        joined = joined.append_column(column.schema.field(0), column.column(0))
    return FeatureTable(joined)


def _without_gaps(table: FeatureTable) -> FeatureTable:
    """Return columns of whole numbers, some missing, as others that can say so.

    They are real, with NaN for a missing one, or text where a real number would not be exact.
    """
    arrow = table.arrow
    for place, described in enumerate(arrow.schema):
        column = arrow.column(place)
        if pa.types.is_integer(described.type) and column.null_count:
            limits = pc.min_max(column).as_py()
            largest = max(abs(limit or 0) for limit in limits.values())
            kind = pa.float64() if largest <= _EXACT else pa.string()
            arrow = arrow.set_column(place, described.with_type(kind), column.cast(kind))
    return FeatureTable(arrow)


def positions_of(
    catalog: str | Path | FeatureTable,
    *,
    ra: str | None = None,
    dec: str | None = None,
    name: str | None = None,
    blend_radius: float = 0.0,
    neighbours: str | Path | FeatureTable | None = None,
) -> Positions:
    """Return the objects of a catalogue; the parameters are those of :func:`make_cutouts`.

    Raises
    ------
    InputError
        If a column is missing or a position is not on the sky.
    """
    table = catalog if isinstance(catalog, FeatureTable) else read_table(catalog)
    at = _sky(table, ra, dec)
    return _positions(_names(table, name).texts, at, blend_radius, neighbours)


def _positions(
    names: NDArray[np.str_],
    at: tuple[NDArray[np.float64], NDArray[np.float64]],
    blend_radius: float,
    neighbours: str | Path | FeatureTable | None,
) -> Positions:
    others = None
    if neighbours is not None:
        all_of_them = neighbours if isinstance(neighbours, FeatureTable) else read_table(neighbours)
        beside = _sky(all_of_them, None, None)
        others = beside[0][_on_sky(*beside)], beside[1][_on_sky(*beside)]
    positions = Positions(names, *at, np.zeros(len(names), dtype=bool))
    if blend_radius > 0 and len(names):
        blended = is_blended(positions.ra, positions.dec, blend_radius, neighbours=others)
        return replace(positions, blended=blended)
    return positions


def _sky(
    table: FeatureTable, ra: str | None, dec: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = []
    asked = ((ra, _RA, "ra", "right ascension"), (dec, _DEC, "dec", "declination"))
    for given, known, option, what in asked:
        column = column_among(table.columns, (given,) if given else known)
        if column is None:
            hint = did_you_mean(given or known[0], table.columns)
            named = f"'{given}'" if given else f"of {what}"
            raise ContractError(
                f"The catalogue has no column {named}.",
                f"{hint}Name it as {option}; there are: {', '.join(table.columns[:20])}.",
                path=table.meta.get("path"),
            )
        columns.append(degrees_of(table, column))
    return columns[0], columns[1]


@dataclass(frozen=True, eq=False)
class _Work:
    """What a process needs to know besides the image."""

    positions: Positions
    kept: FeatureTable | None
    size: float | None
    side: int | None
    parity: Parity
    form: StampForm
    name_the_image: bool

    def of_file(self, path: Path) -> "_Cut":
        """Cut all objects out of all exposures of a file; none of them stops the others."""
        file = open_science_file(path)
        cut = _Cut(unused={f"{path}#{name}": reason for name, reason in file.unused.items()})
        for image in file.images():
            try:
                if not isinstance(image, ScienceImage):
                    raise image
                cut.pieces.append(self._of_image(image))
            except SkysiftError as error:
                cut.rejected[str(error.path or path)] = _reason(error)
        return cut

    def _of_image(self, image: ScienceImage) -> Piece:
        side = self.side or side_in_pixels(self.size or 0.0, image.pixel_scale, self.parity)
        cutouts = cut_out(image, self.positions, side)
        if self.name_the_image or image.part:
            stem = image.path.name.removesuffix(".gz").removesuffix(".fits")
            part = f"#{image.part}" if image.part else ""
            names = [f"{name}@{stem}{part}" for name in cutouts.identifiers]
            cutouts = replace(cutouts, identifiers=np.array(names, dtype=np.str_))
        stamps = []
        if self.form is not StampForm.PIXELS:
            is_extension = self.form is StampForm.EXTENSION
            stamps = [
                stamp_bytes(image, cutouts, row, is_extension=is_extension)
                for row in range(len(cutouts))
            ]
        return Piece(
            cutouts,
            stamps,
            cards=image.cards,
            crpix=reference_pixels(image, cutouts),
            kept=None if self.kept is None else self.kept.take(cutouts.facts["row"]),
        )


@dataclass(frozen=True, eq=False)
class _Cut:
    """What came of a file: cutouts of each exposure, and why there are none of the others."""

    pieces: list[Piece] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)


def _of_file(work: _Work, path: Path) -> _Cut:
    """Return the cutouts, or why there are none: errors of a file must not stop the others."""
    try:
        return work.of_file(path)
    except SkysiftError as error:
        return _Cut(rejected={str(path): _reason(error)})


def _reason(error: SkysiftError) -> str:
    return f"{error.problem} {error.remedy}".strip()


def _written(
    sink: CutoutSink, paths: Sequence[Path], work: _Work, workers: int, progress: Progress
) -> CutoutReport:
    flags: Counter[str] = Counter()
    found = np.zeros(len(work.positions), dtype=bool)
    rejected: dict[str, str] = {}
    unused: dict[str, str] = {}
    n_cutouts = n_images = 0
    for number, cut in enumerate(_cuts(paths, work, workers), start=1):
        rejected |= cut.rejected
        unused |= cut.unused
        n_images += len(cut.pieces)
        for piece in cut.pieces:
            if not len(piece.cutouts):
                continue
            sink.write(piece)
            n_cutouts += len(piece.cutouts)
            found[piece.cutouts.facts["row"]] = True
            for text in piece.cutouts.flag_texts():
                flags.update(filter(None, text.split(",")))
        progress(number / len(paths), f"{n_cutouts:,} cutouts")
    if not n_images:
        first, reason = next(iter(rejected.items()))
        raise ReadError(f"None of the images can be used: {reason}", path=first)
    return CutoutReport(
        len(work.positions),
        n_cutouts,
        int((~found).sum()),
        dict(flags),
        rejected,
        unused=unused,
    )


def _cuts(paths: Sequence[Path], work: _Work, workers: int) -> Iterator[_Cut]:
    """Yield the cutouts of each file, in the order of the files."""
    if workers == 1 or len(paths) == 1:
        for path in paths:
            yield _of_file(work, path)
        return
    context = multiprocessing.get_context("spawn")  # a fork copies the locks of other threads
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting: deque[Future[_Cut]] = deque()
            for path in paths:
                waiting.append(pool.submit(_of_file, work, path))
                if len(waiting) > workers * _PREFETCHED:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()
    except BrokenProcessPool as error:
        raise SkysiftError(
            "A process that was cutting ended by force; memory may have run out.",
            "Run again with fewer --workers.",
        ) from error
