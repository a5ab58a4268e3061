"""Cutouts of a catalogue from many science images: each image read once, several at a time."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import ContractError, ReadError, SkysiftError, UsageError
from skysift.core.progress import Progress, silent
from skysift.core.suggest import did_you_mean
from skysift.data.angles import degrees_of
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
from skysift.data.images.object_names import NAME_COLUMNS, object_names
from skysift.data.images.parquet_stamps import STAMP_COLUMN
from skysift.data.images.science_image import read_science_image
from skysift.data.io import read_table
from skysift.data.table import FeatureTable

__all__ = ["CutoutReport", "make_cutouts", "positions_of"]

_RA = ("ra", "RA", "RAJ2000", "_RAJ2000", "ra_deg", "ALPHA_J2000", "raMean", "coord_ra")
_DEC = ("dec", "DEC", "DEJ2000", "_DEJ2000", "dec_deg", "DELTA_J2000", "decMean", "coord_dec")
_POLE = 90.0  # deg
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
    """

    objects: int
    cutouts: int
    outside: int
    flags: Mapping[str, int]
    rejected: Mapping[str, str]
    unplaced: int = 0


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
    placed = _placed(table, ra, dec, name)
    positions = positions_of(
        placed, ra=ra, dec=dec, name=name, blend_radius=blend_radius, neighbours=neighbours
    )
    kept = _kept(placed, keep)
    with open_cutout_file(out, provenance=provenance) as sink:
        work = _Work(positions, kept, size, side, parity, sink.form, len(paths) > 1)
        report = _written(sink, paths, work, workers, progress)
    return replace(report, objects=len(table), unplaced=len(table) - len(placed))


def _placed(table: FeatureTable, ra: str | None, dec: str | None, name: str | None) -> FeatureTable:
    """Return the objects that have a position on the sky, each under the name that it had."""
    if name is None and not any(known in table for known in NAME_COLUMNS):
        table = table.with_columns({NAME_COLUMNS[0]: np.arange(len(table)).astype(np.str_)})
    return table.take(_on_sky(*_sky(table, ra, dec)))


def _on_sky(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(ra) & (np.abs(dec) <= _POLE))


def _arcsec_of(side: int | None, paths: Sequence[Path]) -> float:
    """Return a side in arcsec at the scale of the first image that can be read."""
    for path in paths:
        try:
            return (side or 0) * read_science_image(path).pixel_scale
        except SkysiftError:  # the loop over the images says why
            continue
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
        column = table.select([name]).arrow
        if pa.types.is_integer(column.schema.field(0).type) and column.column(0).null_count:
            as_float = column.schema.field(0).with_type(pa.float64())  # a missing one is NaN
            column = column.cast(pa.schema([as_float]))
        columns.append(column)
    joined = columns[0]
    for column in columns[1:]:
        joined = joined.append_column(column.schema.field(0), column.column(0))
    return FeatureTable(joined)


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
    right_ascension, declination = _sky(table, ra, dec)
    column = name or next((known for known in NAME_COLUMNS if known in table), None)
    names = np.arange(len(table)) if column is None else table[column]
    others = None
    if neighbours is not None:
        all_of_them = neighbours if isinstance(neighbours, FeatureTable) else read_table(neighbours)
        beside = _sky(all_of_them, None, None)
        others = beside[0][_on_sky(*beside)], beside[1][_on_sky(*beside)]
    positions = Positions(
        object_names(names),
        right_ascension,
        declination,
        np.zeros(len(table), dtype=bool),
    )
    if blend_radius > 0 and len(table):
        blended = is_blended(positions.ra, positions.dec, blend_radius, neighbours=others)
        return replace(positions, blended=blended)
    return positions


def _sky(
    table: FeatureTable, ra: str | None, dec: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = []
    asked = ((ra, _RA, "ra", "right ascension"), (dec, _DEC, "dec", "declination"))
    for given, known, option, what in asked:
        column = given or next((name for name in known if name in table), None)
        if column is None or column not in table:
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

    def of_image(self, path: Path) -> Piece:
        """Read an image and cut all objects out of it."""
        image = read_science_image(path)
        side = self.side or side_in_pixels(self.size or 0.0, image.pixel_scale, self.parity)
        cutouts = cut_out(image, self.positions, side)
        if self.name_the_image:
            stem = path.name.removesuffix(".gz").removesuffix(".fits")
            names = [f"{name}@{stem}" for name in cutouts.identifiers]
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


def _of_image(work: _Work, path: Path) -> Piece | str:
    """Return the cutouts, or why there are none: errors of an image must not stop the others."""
    try:
        return work.of_image(path)
    except SkysiftError as error:
        return f"{error.problem} {error.remedy}".strip()


def _written(
    sink: CutoutSink, paths: Sequence[Path], work: _Work, workers: int, progress: Progress
) -> CutoutReport:
    flags: Counter[str] = Counter()
    found = np.zeros(len(work.positions), dtype=bool)
    rejected: dict[str, str] = {}
    n_cutouts = 0
    for number, (path, piece) in enumerate(_pieces(paths, work, workers), start=1):
        if isinstance(piece, str):
            rejected[str(path)] = piece
        elif len(piece.cutouts):
            sink.write(piece)
            n_cutouts += len(piece.cutouts)
            found[piece.cutouts.facts["row"]] = True
            for text in piece.cutouts.flag_texts():
                flags.update(filter(None, text.split(",")))
        progress(number / len(paths), f"{n_cutouts:,} cutouts")
    if len(rejected) == len(paths):
        first, reason = next(iter(rejected.items()))
        raise ReadError(f"None of the images can be used: {reason}", path=first)
    return CutoutReport(len(work.positions), n_cutouts, int((~found).sum()), dict(flags), rejected)


def _pieces(paths: Sequence[Path], work: _Work, workers: int) -> Iterator[tuple[Path, Piece | str]]:
    """Yield the cutouts of each image, in the order of the images."""
    if workers == 1 or len(paths) == 1:
        for path in paths:
            yield path, _of_image(work, path)
        return
    context = multiprocessing.get_context("spawn")  # a fork copies the locks of other threads
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            waiting: deque[tuple[Path, Future[Piece | str]]] = deque()
            for path in paths:
                waiting.append((path, pool.submit(_of_image, work, path)))
                if len(waiting) > workers * _PREFETCHED:
                    done, future = waiting.popleft()
                    yield done, future.result()
            for done, future in waiting:
                yield done, future.result()
    except BrokenProcessPool as error:
        raise SkysiftError(
            "A process that was cutting ended by force; memory may have run out.",
            "Run again with fewer --workers.",
        ) from error
