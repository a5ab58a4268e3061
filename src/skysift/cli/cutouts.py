"""The verbs that lead from a catalogue to cutouts: which objects, from which images.

Heavy modules are imported inside, so that ``--help`` stays quick.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from skysift.cli.arguments import AsJson, Seed
from skysift.cli.console import Console
from skysift.cli.cutout_inputs import (
    Source,
    cut_rows,
    find_images,
    parse_angle,
    parse_side,
    read_source,
    select,
)
from skysift.cli.irsa_images import IrsaImages, IrsaOptions, fetch_images
from skysift.cli.job import typed_command
from skysift.cli.paths import plain_path, readable
from skysift.core.errors import UsageError

if TYPE_CHECKING:
    from skysift.data.images.make_cutouts import CutoutReport
    from skysift.data.table import FeatureTable

__all__ = ["catalog", "cutouts"]

_SELECTION, _ARCHIVE = "Which objects", "ZTF images from IRSA"
_LABEL = "label"

Select = Annotated[
    Path | None,
    typer.Option(
        "--select",
        help="TOML file of cuts: magnitude_max, fracflux_max, isolation, star_types, galaxy_types, "
        "per_class, region and column names; an empty one has those of Goumiri et al. 2021.",
        rich_help_panel=_SELECTION,
    ),
]
Assign = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="One cut as key=value, e.g. isolation=30; repeatable. magnitude_max.g=19 cuts in g, "
        "and no more in the bands of the default.",
        rich_help_panel=_SELECTION,
    ),
]


def _column(what: str) -> Any:
    return typer.Option(help=f"Column of the {what}.", rich_help_panel=_SELECTION)


def _irsa(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel=_ARCHIVE)


def catalog(
    file: Annotated[
        str | None, typer.Argument(help="A catalogue: FITS, Parquet, ECSV, VOTable, CSV.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Table to write.")],
    tap: Annotated[str | None, typer.Option(help="A TAP service, in place of FILE.")] = None,
    query: Annotated[Path | None, typer.Option(help="File with the ADQL for it.")] = None,
    around: Annotated[
        str | None,
        typer.Option(
            help="A position, in place of FILE: the Legacy Surveys DR9 there, e.g. '7.5 -2.5'."
        ),
    ] = None,
    radius: Annotated[str, typer.Option(help="How far around it.")] = "6arcmin",
    limit: Annotated[int, typer.Option(min=1, help="Most rows of an answer.")] = 100_000,
    cuts: Select = None,
    assign: Assign = None,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Get a catalogue from a file or a TAP service, select stars and galaxies, and write it.

    The text of a query is printed before it is sent, and stored with the rows.

    Example: skysift catalog sweep.fits --select cuts.toml --out objects.parquet
    """
    from skysift.core.provenance import Provenance
    from skysift.data.io import check_writable, open_writer

    console = Console(as_json=json)
    source = Source(file, tap, query, around, radius, limit)
    source.check()
    inputs = [file] if file else []
    check_writable(out, inputs=inputs)
    table, known = read_source(console, source)
    _tell_skipped(console, table)
    selection = select(table, cuts, assign or [], seed, {})
    chosen = table if selection is None else selection.table
    counts = [] if selection is None else cut_rows(selection.cuts)
    provenance = Provenance.start(
        command=typed_command(),
        inputs=[plain_path(Path(name)) for name in inputs],
        config={**known, "cuts": counts},
        seed=seed,
    )
    with open_writer(out, provenance=provenance.finish().to_dict()) as writer:
        writer.write(chosen)
    console.table(counts, title="Cuts")
    if selection is not None and selection.name_column is None:
        console.note("The objects are numbered by their row (--set identifier=COLUMN).")
    classes = "" if selection is None else f", {selection.classes()}"
    console.result(
        {"out": str(out), "rows": len(chosen), "of": len(table), "cuts": counts, **known},
        [f"{out}: {len(chosen):,} of {len(table):,} objects{classes}"],
    )


def cutouts(
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE]...", help="More images, as after --images."),
    ] = None,
    *,
    catalog_file: Annotated[
        str, typer.Option("--catalog", help="Objects: FITS, Parquet, ECSV, VOTable, CSV.")
    ],
    size: Annotated[str, typer.Option(help="Side: 20arcsec, 0.5arcmin; or exactly, 21pix.")],
    out: Annotated[
        Path,
        typer.Option("--out", help="File to write: .fits (multi-extension), .parquet or .zarr."),
    ],
    images: Annotated[
        list[str] | None,
        typer.Option(help="FITS images with WCS, a folder, or a pattern in quotes; repeatable."),
    ] = None,
    parity: Annotated[
        Literal["nearest", "odd", "even"],
        typer.Option(help="Which numbers of pixels an angle may become."),
    ] = "nearest",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Column of the catalogue to keep; repeatable. A label is always kept."),
    ] = None,
    blend_radius: Annotated[
        str | None,
        typer.Option(help="Flag objects with a neighbour this near; half the side if left out."),
    ] = None,
    neighbours: Annotated[
        Path | None,
        typer.Option(help="A table of all objects, where the catalogue is a part of them."),
    ] = None,
    cuts: Select = None,
    assign: Assign = None,
    ra: Annotated[str | None, _column("right ascension [deg]")] = None,
    dec: Annotated[str | None, _column("declination [deg]")] = None,
    name: Annotated[str | None, _column("identifier")] = None,
    irsa: Annotated[
        bool, typer.Option("--irsa", help="Get the images.", rich_help_panel=_ARCHIVE)
    ] = False,
    field: Annotated[int | None, _irsa("ZTF field.")] = None,
    ccd: Annotated[int | None, _irsa("CCD, 1 to 16.")] = None,
    quadrant: Annotated[int | None, _irsa("Quadrant, 1 to 4.")] = None,
    position: Annotated[str | None, _irsa("A point on the images, e.g. '7.5 -2.5'.")] = None,
    band: Annotated[str | None, _irsa("Filter: zg, zr or zi.")] = None,
    seeing_below: Annotated[float | None, _irsa("Largest FWHM [pixel].")] = None,
    good_only: Annotated[
        bool, typer.Option("--good-only", help="No bit of INFOBITS set.", rich_help_panel=_ARCHIVE)
    ] = False,
    most_central: Annotated[
        bool,
        typer.Option(
            "--most-central", help="The one image nearest the position.", rich_help_panel=_ARCHIVE
        ),
    ] = False,
    exposure: Annotated[list[str] | None, _irsa("An image by its name; repeatable.")] = None,
    most_images: Annotated[int | None, _irsa("Most images to get. [default: 50]")] = None,
    irsa_url: Annotated[str | None, _irsa("Address of the archive, if not IRSA's own.")] = None,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Cut the objects of a catalogue out of images, into one file.

    An image that cannot be used is listed with its reason, and the others are cut. Credentials for
    IRSA come from IRSA_USERNAME and IRSA_PASSWORD or from netrc, and are stored nowhere.

    Example: skysift cutouts --catalog objects.csv --images 'night/*.fits' --size 20arcsec --out
    cutouts.fits
    """
    from skysift.core.provenance import Provenance
    from skysift.data.images.cutout_files import check_cutout_target
    from skysift.data.images.make_cutouts import make_cutouts
    from skysift.data.io import read_table

    console = Console(as_json=json)
    archive = IrsaOptions(
        *(field, ccd, quadrant, position, band, seeing_below, good_only, most_central),
        *(tuple(exposure or ()), most_images, irsa_url),
    )
    # A shell that expands a pattern without quotes gives the option the first file alone.
    named = [*(images or []), *(more or [])]
    _check_places(named, archive, irsa=irsa)
    arcsec, side = parse_side(size)
    radius = None if blend_radius is None else parse_angle(blend_radius, "--blend-radius")
    inputs = [plain_path(readable(Path(path))) for path in (catalog_file, neighbours) if path]
    paths = find_images(named)
    check_cutout_target(out, inputs=[*inputs, *paths])
    table = read_table(catalog_file)
    _tell_skipped(console, table)
    columns = {"ra": ra, "dec": dec, "identifier": name}
    selection = select(table, cuts, assign or [], seed, columns)
    if selection is not None:
        table, columns = selection.table, {key: key for key in columns}
    fetched = fetch_images(console, archive) if irsa else IrsaImages((), {}, {})
    counts = [] if selection is None else cut_rows(selection.cuts)
    provenance = Provenance.start(
        command=typed_command(),
        inputs=[*inputs, *paths],
        config={"size": size, "parity": parity, "cuts": counts, "irsa": fetched.record},
        seed=seed,
    )
    kept = dict.fromkeys([*(keep or []), *([_LABEL] if _LABEL in table else [])])
    with console.progress("cutouts") as progress:
        report = make_cutouts(
            table,
            [*paths, *fetched.paths],
            arcsec,
            out,
            parity=parity,
            side=side,
            ra=columns["ra"],
            dec=columns["dec"],
            name=columns["identifier"],
            blend_radius=radius,
            neighbours=neighbours,
            keep=list(kept),
            workers=workers,
            provenance=provenance.so_far().to_dict(),
            progress=progress,
        )
    if selection is not None:
        report = replace(report, name_column=selection.name_column, unnamed=selection.unnamed)
    _tell(console, out, report, counts, fetched)


def _check_places(images: Sequence[str], archive: IrsaOptions, *, irsa: bool) -> None:
    if archive.given and not irsa:
        raise UsageError(
            f"{', '.join(archive.given)}: that is about images from IRSA.", "Add --irsa."
        )
    if not images and not irsa:
        raise UsageError("There is nothing to cut from.", "Give --images, or --irsa.")


def _tell(
    console: Console,
    out: Path,
    report: "CutoutReport",
    cuts: Sequence[Mapping[str, Any]],
    fetched: IrsaImages,
) -> None:
    """Print what became of the objects and of the images."""
    from skysift.data.images.limits import DEFAULT_LIMITS

    rejected = [
        {"image": image, "reason": reason}
        for image, reason in {**fetched.rejected, **report.rejected}.items()
    ]
    console.table(cuts, title="Cuts")
    console.table([{"flag": k, "cutouts": n} for k, n in report.flags.items()], title="Flags")
    console.table(rejected, title="Images that could not be used")
    unused = [{"image": image, "reason": reason} for image, reason in report.unused.items()]
    console.table(unused, title="Further images of the files, not cut from")
    for remark in _names_told(report):
        console.note(remark)
    if out.is_file() and out.suffix == ".fits" and out.stat().st_size > DEFAULT_LIMITS.member_bytes:
        console.note(f"{out} is too large to be read as one: write .parquet or .zarr instead.")
    seen = report.objects - report.outside - report.unplaced
    line = f"{out}: {report.cutouts:,} cutouts of {seen:,} objects"
    if report.outside:
        line += f"; {report.outside:,} of {report.objects:,} lie on none of the images"
    if report.unplaced:
        line += f"; {report.unplaced:,} have no position on the sky"
    console.result(
        {
            "out": str(out),
            "objects": report.objects,
            "cutouts": report.cutouts,
            "outside": report.outside,
            "unplaced": report.unplaced,
            "flags": dict(report.flags),
            "rejected": rejected,
            "unused": unused,
            "name_column": report.name_column,
            "unnamed": report.unnamed,
            "repeated": report.repeated,
            "cuts": list(cuts),
            "irsa": fetched.record,
        },
        [line],
    )


def _names_told(report: "CutoutReport") -> Iterator[str]:
    """Yield what should be known of how the objects are called."""
    if report.name_column is None:
        yield "No column of identifiers was found: objects are numbered from 0 (--name)."
    if report.unnamed:
        yield (
            f"Objects without a {report.name_column}: {report.unnamed:,}; they are called row-N, "
            "N being their row, from 0."
        )
    if report.repeated:
        yield f"Objects whose {report.name_column} another one has, too: {report.repeated:,}."


def _tell_skipped(console: Console, table: "FeatureTable") -> None:
    for column, reason in table.meta.get("skipped_columns", {}).items():
        console.note(f"The column '{column}' of the catalogue is not read: {reason}.")
