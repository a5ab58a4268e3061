"""What the verbs catalog and cutouts read: angles, images, catalogues near and far, and cuts."""

import glob
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skysift.cli.console import Console
from skysift.cli.job import generator
from skysift.cli.paths import readable
from skysift.core.config import load_config, parse_assignments
from skysift.core.errors import ReadError, UsageError
from skysift.core.suggest import did_you_mean

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from skysift.data.images.selection import CutCount, Selection
    from skysift.data.table import FeatureTable

__all__ = [
    "Source",
    "cut_rows",
    "find_images",
    "parse_angle",
    "parse_position",
    "parse_side",
    "read_source",
    "select",
]

_ARCSEC = {"arcsec": 1.0, '"': 1.0, "arcmin": 60.0, "'": 60.0, "deg": 3600.0}
_PIXELS = {"pix", "px", "pixel", "pixels"}
_QUANTITY = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*(\D*?)\s*")
_IMAGE_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")


def parse_side(text: str) -> tuple[float | None, int | None]:
    """Return the side of a cutout as an angle [arcsec] or as a number of pixels, the other None.

    Raises
    ------
    UsageError
        If it is neither.

    Examples
    --------
    >>> parse_side("20arcsec"), parse_side("0.5 arcmin"), parse_side("21pix")
    ((20.0, None), (30.0, None), (None, 21))
    """
    value, unit = _quantity(text, "--size", [*_ARCSEC, *_PIXELS])
    if unit not in _PIXELS:
        return value * _ARCSEC[unit], None
    if value != int(value):
        raise UsageError(f"--size is {text}.", "A cutout has whole pixels.")
    return None, int(value)


def parse_angle(text: str, option: str) -> float:
    """Return an angle [arcsec].

    Raises
    ------
    UsageError
        If it is none, or not above zero.
    """
    value, unit = _quantity(text, option, list(_ARCSEC))
    return value * _ARCSEC[unit]


def _quantity(text: str, option: str, units: Sequence[str]) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        value = math.nan
    if match is None or not 0 < value < math.inf:
        raise UsageError(f"{option} is '{text}'.", "Give a size above zero, e.g. 20arcsec.")
    if match[2] not in units:
        wrong = f"there is no unit '{match[2]}'" if match[2] else "a unit is missing"
        raise UsageError(
            f"{option} is '{text}': {wrong}.",
            f"{did_you_mean(match[2], units)}Write e.g. 20arcsec; known: {', '.join(units)}.",
        )
    return value, match[2]


def parse_position(text: str, option: str) -> "SkyCoord":
    """Return an ICRS position from ``7.5 -2.5`` in degrees or ``0h30m -2d30m``.

    Raises
    ------
    UsageError
        If it is none.
    """
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    try:
        return SkyCoord(text.replace(",", " "), unit=(u.deg, u.deg))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{option} is '{text}', which is no position.",
            "Write e.g. '7.5 -2.5' [deg] or '0h30m -2d30m'.",
        ) from error


def find_images(names: Sequence[str]) -> list[Path]:
    """Return the files that names, folders and patterns stand for, each once, in order.

    Raises
    ------
    ReadError
        If one of them stands for nothing.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.lower().endswith(_IMAGE_SUFFIXES))
        elif path.exists() or not glob.has_magic(name):
            inside = [readable(path)]
        else:
            inside = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207 - absolute patterns too
        if not inside:
            raise ReadError("There is no image.", "Check the path or the pattern.", path=path)
        found |= dict.fromkeys(inside)
    return list(found)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a catalogue comes from: a file, a query, or a circle of the Legacy Surveys.

    Parameters
    ----------
    file : str or None
        A table.
    tap : str or None
        Address of a TAP service.
    query : Path or None
        File with the ADQL for it.
    around : str or None
        Position of the centre of a circle.
    radius : str
        Its radius.
    limit : int
        Most rows of an answer.
    """

    file: str | None
    tap: str | None
    query: Path | None
    around: str | None
    radius: str
    limit: int

    def check(self) -> None:
        """Check that exactly one of the three is named.

        Raises
        ------
        UsageError
            If not.
        """
        if (self.tap is None) != (self.query is None):
            raise UsageError("--tap and --query belong together.", "Give both.")
        named = [self.file, self.tap, self.around]
        if sum(one is not None for one in named) != 1:
            raise UsageError(
                "A catalogue comes from one place.", "Give a FILE, --tap with --query, or --around."
            )


def read_source(console: Console, source: Source) -> tuple["FeatureTable", dict[str, Any]]:
    """Return the rows, and what is to be recorded of where they come from.

    Raises
    ------
    InputError, DataUnavailableError
        If they cannot be had.
    """
    from skysift.data.io import read_table

    if source.file is not None:
        readable(Path(source.file))
        return read_table(source.file), {}
    from skysift.data.catalogs.remote import LEGACY_SURVEYS_DR9, cone_search, run_adql

    if source.tap is not None and source.query is not None:
        adql = readable(source.query).read_text(encoding="utf-8").strip()
        table = run_adql(source.tap, adql, limit=source.limit, show=console.note)
    else:
        from astropy.coordinates import Angle

        table = cone_search(
            LEGACY_SURVEYS_DR9,
            parse_position(source.around or "", "--around"),
            Angle(parse_angle(source.radius, "--radius"), "arcsec"),
            limit=source.limit,
            show=console.note,
        )
    asked = ("service", "adql", "asked", "catalogue", "citation", "cone")
    return table, {key: table.meta[key] for key in asked if key in table.meta}


def select(
    table: "FeatureTable",
    path: Path | None,
    assignments: Sequence[str],
    seed: int,
    columns: Mapping[str, str | None],
) -> "Selection | None":
    """Apply the cuts of a file and of assignments; None if there are neither.

    Parameters
    ----------
    table : FeatureTable
        A catalogue.
    path : Path or None
        A TOML file.
    assignments : sequence of str
        Cuts as key=value.
    seed : int
        Of the draw of a number from each class.
    columns : mapping of str to str or None
        Columns that options name: ``ra``, ``dec`` and ``identifier``.

    Raises
    ------
    ConfigError
        If a cut is unknown or a value does not fit.
    ContractError
        If the catalogue lacks a column.
    """
    from skysift.data.images.selection import CatalogueCuts, select_objects

    if path is None and not assignments:
        return None
    named = {name: value for name, value in columns.items() if value is not None}
    cuts = load_config(CatalogueCuts, path, {**parse_assignments(list(assignments)), **named})
    return select_objects(table, cuts, rng=generator(seed))


def cut_rows(cuts: Sequence["CutCount"]) -> list[dict[str, Any]]:
    """Return one row for each cut: how many objects came to it, went, and are left."""
    return [
        {
            "cut": cut.name,
            "before": cut.before,
            "removed": cut.removed,
            "left": cut.before - cut.removed,
        }
        for cut in cuts
    ]
