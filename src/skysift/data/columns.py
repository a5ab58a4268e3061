"""Column maps: from the column names of an instrument to the names of the field.

A map is a TOML file::

    [table]                     # how to read the file, where that is not plain
    header = false
    names = ["fLength", "class"]

    [columns]                   # canonical name = column of the file
    length = { column = "fLength", unit = "mm" }
    log_size = { column = "size", transform = "log10" }

    [label]                     # which rows are signal
    column = "class"
    signal = ["g"]
    background = ["h"]

    exclude = ["corsika_*"]     # truth: never a feature (top of the file in TOML)
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from astropy import units as u
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from skysift.core.config import Config, load_config
from skysift.core.errors import ContractError, UnknownNameError
from skysift.core.suggest import did_you_mean
from skysift.data.table import FeatureTable

__all__ = [
    "CANONICAL_COLUMNS",
    "ColumnMap",
    "ColumnSource",
    "LabelMap",
    "TableLayout",
    "detect_map",
    "known_maps",
    "load_map",
]

CANONICAL_COLUMNS = {
    "length": "major half-axis of the image ellipse",
    "width": "minor half-axis of the image ellipse",
    "log_size": "log10 of the light in the image (photo-electrons or photons)",
    "concentration_two_pixel": "light of the two brightest pixels over all light",
    "concentration_one_pixel": "light of the brightest pixel over all light",
    "asymmetry": "brightest pixel from the centre of gravity, along the major axis",
    "m3_long": "cube root of the third moment along the major axis",
    "m3_trans": "cube root of the third moment along the minor axis",
    "alpha": "angle between the major axis and the line to the source",
    "dist": "distance of the centre of gravity from the source",
    "skewness_long": "skewness along the major axis",
    "skewness_trans": "skewness along the minor axis",
    "kurtosis_long": "kurtosis along the major axis",
    "kurtosis_trans": "kurtosis along the minor axis",
    "leakage1": "light in the outermost ring of pixels over all light",
    "leakage2": "light in the two outermost rings of pixels over all light",
    "n_islands": "number of separate groups of pixels",
    "n_pixels": "number of pixels after cleaning",
    "concentration_cog": "light near the centre of gravity over all light",
    "concentration_core": "light inside the ellipse over all light",
    "time_gradient": "slope of the arrival times along the major axis",
    "cog_x": "centre of gravity, first camera or field-of-view coordinate",
    "cog_y": "centre of gravity, second camera or field-of-view coordinate",
    "delta": "angle of the major axis in the camera",
}
"""The image parameters [1]_ that models know, each with its meaning.

Lengths are in mm on the camera or in deg on the sky, angles in deg.

References
----------
.. [1] A. M. Hillas, Proc. 19th ICRC, La Jolla 3 (1985) 445.
"""

_ANGLES = frozenset({"alpha", "delta"})
_EXTENTS = frozenset(
    {"length", "width", "asymmetry", "m3_long", "m3_trans", "dist", "cog_x", "cog_y"}
)

_TRANSFORMS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "abs": np.abs,
    "cbrt": np.cbrt,
    "deg2rad": np.deg2rad,
    "exp10": lambda values: np.power(10.0, values),
    "log10": np.log10,
    "rad2deg": np.rad2deg,
}
Transform = Literal["abs", "cbrt", "deg2rad", "exp10", "log10", "rad2deg"]


def _known_unit(text: object) -> object:
    try:
        u.Unit(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"not a unit: {error}") from error
    return text


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str | int | float) else value


def _as_source(value: object) -> object:
    return {"column": value} if isinstance(value, str | list | tuple) else value


UnitText = Annotated[str, BeforeValidator(_known_unit)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Values = Annotated[tuple[str | int | float, ...], BeforeValidator(_as_tuple)]


class ColumnSource(Config):
    """Where a canonical column comes from.

    Parameters
    ----------
    column : tuple of str
        The column of the file; where there are several names, the first that is there counts.
    unit : str
        Unit of the column where the file states none.
    scale : float
        Factor on the values, before the transform.
    transform : str, optional
        What to do with the values.
    optional : bool
        Whether a table without this column still fits the map.
    """

    column: Names
    unit: UnitText = ""
    scale: float = Field(default=1.0, allow_inf_nan=False)
    transform: Transform | None = None
    optional: bool = False

    def found_in(self, columns: Iterable[str]) -> str | None:
        """Return the name under which the column is there, or None."""
        there = set(columns)
        return next((name for name in self.column if name in there), None)


class LabelMap(Config):
    """Which rows are signal and which are background.

    Parameters
    ----------
    by_file : bool
        Each file holds one class only; whoever reads it says which.
    column : str, optional
        The column that tells the class.
    signal, background : tuple
        The values of that column.
    """

    by_file: bool = False
    column: str | None = None
    signal: Values = ()
    background: Values = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        complete = self.column is not None and self.signal and self.background
        if not complete and not self.by_file:
            raise ValueError("give column, signal and background, or by_file = true")
        if set(self.signal) & set(self.background):
            raise ValueError("signal and background share a value")
        return self


class TableLayout(Config):
    """How to read the file: the options of :func:`skysift.data.io.read_table`."""

    header: bool | None = None
    names: tuple[str, ...] | None = None
    hdu: int | str | None = None
    table_path: str | None = None


class ColumnMap(Config):
    """From the columns of an instrument to canonical columns.

    Parameters
    ----------
    description : str
        What the map is for.
    exclude : tuple of str
        Columns that hold the truth or an earlier answer; ``*`` stands for anything. They pass
        through but are never features.
    table : TableLayout
        How to read the file.
    columns : dict of ColumnSource
        For each canonical name where it comes from.
    label : LabelMap, optional
        Which rows are signal.

    Examples
    --------
    >>> columns = load_map("uci-magic")
    >>> table = FeatureTable.from_columns({name: [1.0] for name in columns.table.names})
    >>> columns.apply(table).columns[:3]
    ['length', 'width', 'log_size']
    """

    description: str = ""
    exclude: Names = ()
    table: TableLayout = TableLayout()
    columns: dict[str, Annotated[ColumnSource, BeforeValidator(_as_source)]]
    label: LabelMap | None = None

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        for name in self.columns:
            if name not in CANONICAL_COLUMNS:
                hint = did_you_mean(name, CANONICAL_COLUMNS)
                known = ", ".join(CANONICAL_COLUMNS)
                raise ValueError(f"no canonical column '{name}'. {hint}Known: {known}")
        return self

    def fits(self, columns: Iterable[str]) -> bool:
        """Tell whether all required columns are among these."""
        columns = list(columns)
        return all(
            source.optional or source.found_in(columns) is not None
            for source in self.columns.values()
        )

    def apply(self, table: FeatureTable) -> FeatureTable:
        """Return the canonical columns, followed by all others under their own names.

        Units are converted: lengths to mm, angles to deg, whatever the file has. A column that a
        transform or scale has changed also stays under its own name.

        Raises
        ------
        ContractError
            If a required column is missing (the message names the nearest), is not numeric, has a
            unit that does not fit, or the table has another column of a canonical name.
        """
        values: dict[str, NDArray[Any]] = {}
        units: dict[str, str] = {}
        renamed: set[str] = set()
        for name, source in self.columns.items():
            found = source.found_in(table.columns)
            if found is None:
                if not source.optional:
                    raise _missing(name, source, table)
                continue
            values[name], units[name] = _canonical_values(name, source, found, table)
            if source.transform is None and source.scale == 1:
                renamed.add(found)
            elif found == name:
                renamed.add(found)  # its name is taken by the canonical column
        others = [column for column in table.columns if column not in renamed]
        clashing = [column for column in others if column in values]
        if clashing:
            raise ContractError(
                f"The table has columns of its own called {', '.join(clashing)}, and the column "
                "map fills these names from others.",
                "Rename them, or correct the map.",
                path=table.meta.get("path"),
            )
        descriptions = {name: CANONICAL_COLUMNS[name] for name in values}
        first = FeatureTable.from_columns(
            values, units=units, descriptions=descriptions, meta=table.meta
        )
        arrow = first.arrow
        for column in others:
            arrow = arrow.append_column(
                table.arrow.schema.field(column), table.arrow.column(column)
            )
        return FeatureTable(arrow, table.meta)

    def labels(
        self, table: FeatureTable, *, file_class: Literal["signal", "background"] | None = None
    ) -> NDArray[np.int8]:
        """Return the class of each row, shape (n_rows,): 1 signal, 0 background.

        Parameters
        ----------
        table : FeatureTable
            The table, before or after :meth:`apply`.
        file_class : {'signal', 'background'}, optional
            The class of all rows, where each file holds one class.

        Raises
        ------
        ContractError
            If the class is not known, or a row has a value that is neither.
        """
        if file_class is not None:
            return np.full(len(table), file_class == "signal", dtype=np.int8)
        if self.label is None or self.label.column is None:
            raise ContractError(
                "Nothing in this kind of table tells signal from background.",
                "Say for each file which of the two it holds.",
                path=table.meta.get("path"),
            )
        values = table[self.label.column]
        signal = np.isin(values, self.label.signal)
        neither = ~signal & ~np.isin(values, self.label.background)
        if neither.any():
            row = int(np.flatnonzero(neither)[0])
            raise ContractError(
                f"'{self.label.column}' is {values[row]!r}, which is neither signal "
                f"{list(self.label.signal)} nor background {list(self.label.background)}.",
                "Correct the row or the [label] section of the column map.",
                path=table.meta.get("path"),
                row=row,
            )
        return signal.astype(np.int8)

    def excluded(self, columns: Iterable[str]) -> list[str]:
        """Return those of the columns that must never be features, the label among them."""
        label = {self.label.column} if self.label is not None else set()
        return [
            name
            for name in columns
            if name in label or any(fnmatchcase(name, pattern) for pattern in self.exclude)
        ]


def known_maps() -> list[str]:
    """Return the names of the maps that come with skysift."""
    folder = files("skysift.data.io") / "maps"
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def load_map(name_or_path: str | Path) -> ColumnMap:
    """Load a column map: one of :func:`known_maps` by its name, or a TOML file.

    Raises
    ------
    UnknownNameError
        If there is no map of that name.
    ConfigError
        If the file is not a valid map.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml"):
        return load_config(ColumnMap, Path(name_or_path))
    if text not in known_maps():
        raise UnknownNameError("column map", text, known_maps())
    return _shipped(text)


def detect_map(columns: Sequence[str]) -> str | None:
    """Return the name of the map that fits these columns, or None.

    Where several fit, the one that uses most of the columns is meant.

    Examples
    --------
    >>> detect_map(["run", "energy"]) is None
    True
    """
    used = {
        name: sum(s.found_in(columns) is not None for s in _shipped(name).columns.values())
        for name in known_maps()
        if _shipped(name).fits(columns)
    }
    return max(used, key=lambda name: used[name]) if used else None


@cache
def _shipped(name: str) -> ColumnMap:
    return load_config(ColumnMap, Path(str(files("skysift.data.io") / "maps" / f"{name}.toml")))


def _canonical_values(
    name: str, source: ColumnSource, found: str, table: FeatureTable
) -> tuple[NDArray[Any], str]:
    """Return the values of a canonical column, shape (n_rows,), and their unit."""
    raw = table[found]
    if raw.dtype.kind not in "biuf":
        raise ContractError(
            f"Column '{found}' is not numeric, so it cannot be '{name}'.",
            "Correct the column map.",
            path=table.meta.get("path"),
        )
    unit = u.Unit(table.unit(found) or source.unit, parse_strict="silent")
    values = raw * source.scale if source.scale != 1 else raw
    if source.transform is not None:
        with np.errstate(divide="ignore", invalid="ignore"):  # the input contract finds these rows
            values = _TRANSFORMS[source.transform](values)
        unit = _unit_after(source.transform, unit)
    target = _canonical_unit(name, unit)
    if target is None:
        raise ContractError(
            f"Column '{found}' has the unit '{unit}', which does not fit '{name}'.",
            "Correct the unit in the file or the column map.",
            path=table.meta.get("path"),
        )
    return (values if target == unit else unit.to(target, values)), target.to_string()


def _unit_after(transform: Transform, unit: u.UnitBase) -> u.UnitBase:
    if transform == "cbrt":
        return unit ** (1 / 3)
    if transform == "deg2rad":
        return u.rad
    if transform == "rad2deg":
        return u.deg
    return u.dimensionless_unscaled if transform in {"log10", "exp10"} else unit


def _canonical_unit(name: str, unit: u.UnitBase) -> u.UnitBase | None:
    """Return the unit to convert to, None if the unit does not fit the column."""
    if isinstance(unit, u.UnrecognizedUnit) or unit == u.dimensionless_unscaled:
        return unit  # nothing is known, so nothing is changed
    if name in _ANGLES | _EXTENTS and unit.is_equivalent(u.deg):
        return u.deg
    if name in _EXTENTS and unit.is_equivalent(u.mm):
        return u.mm
    return None if name in _ANGLES | _EXTENTS else unit


def _missing(name: str, source: ColumnSource, table: FeatureTable) -> ContractError:
    wanted = " or ".join(f"'{column}'" for column in source.column)
    hint = did_you_mean(source.column[0], table.columns)
    return ContractError(
        f"The table has no column {wanted}, which is needed for '{name}'.",
        f"{hint}It has: {', '.join(table.columns)}.",
        path=table.meta.get("path"),
    )
