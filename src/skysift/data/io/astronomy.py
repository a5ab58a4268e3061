"""ECSV and VOTable, and the way between astropy's tables and ours.

Both formats are read and written as a whole: they are for results of modest size.

astropy's tables are imported where they are used: that takes longer than to read or write a small
file of another format.
"""

# ruff: noqa: PLC0415  # for the reason above

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skysift.core.errors import ReadError
from skysift.data.io.batches import sliced
from skysift.data.io.schema import (
    description_of,
    plain_types,
    to_arrow,
    unit_of,
    vectors,
)
from skysift.data.io.source import Source, chosen_columns
from skysift.data.table import FeatureTable, described_field

if TYPE_CHECKING:
    from astropy.table import Column, Table

__all__ = ["PROVENANCE_NAME", "from_astropy", "read_ecsv", "read_votable", "to_astropy"]

PROVENANCE_NAME = "skysift"
"""Name of the provenance, as JSON, in the meta of an ECSV and the INFO of a VOTable."""

_XML_STEP = 65_536


def read_ecsv(source: Source) -> Iterator[FeatureTable]:
    """Read an ECSV table [1]_ with its units and descriptions.

    References
    ----------
    .. [1] T. Aldcroft, "Enhanced Character Separated Values", APE 6, doi:10.5281/zenodo.1043901.
    """
    from astropy.table import Table

    table = Table.read(source.file, format="ascii.ecsv")
    yield from _batches(table, table.meta.get(PROVENANCE_NAME), source)


def read_votable(source: Source) -> Iterator[FeatureTable]:
    """Read the first table of a VOTable [1]_ with its units and descriptions.

    References
    ----------
    .. [1] F. Ochsenbein et al., "VOTable Format Definition Version 1.4", IVOA 2019.
    """
    _refuse_entities(source)
    from astropy.io.votable import parse

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy reports each deviation from the standard
        document = parse(source.file)
        table = document.get_first_table().to_table(use_names_over_ids=True)
    notes = [info.value for info in document.infos if info.name == PROVENANCE_NAME]
    yield from _batches(table, notes[0] if notes else None, source)


def _refuse_entities(source: Source) -> None:
    """Refuse a document that declares anything of its own, before anything is unpacked.

    A declaration stands before the first element, so that no more is read. One that only names
    the document type elsewhere, as of VOTable 1.0, declares nothing: that is never fetched.
    """
    begun = False

    def begin(*_: object) -> None:
        nonlocal begun
        begun = True

    def declare(_name: str, _system: str | None, _public: str | None, has_inside: int) -> None:
        if has_inside:
            raise ReadError(
                "The VOTable declares a document type with entities of its own.",
                "No VOTable needs that. If you trust it, remove the lines of <!DOCTYPE ...>.",
                path=source.path,
            )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declare
    parser.StartElementHandler = begin
    with source.file.open("rb") as file:
        while not begun and (piece := file.read(_XML_STEP)):
            parser.Parse(piece)


def _batches(table: Table, provenance: str | None, source: Source) -> Iterator[FeatureTable]:
    whole = from_astropy(table)
    meta = dict(whole.meta)
    if provenance is not None:
        meta["provenance"] = json.loads(provenance)
    arrow = whole.arrow.select(chosen_columns(whole.columns, source))
    for piece in sliced(arrow, source.options.batch_rows):
        yield FeatureTable(piece, meta)


def from_astropy(table: Table) -> FeatureTable:
    """Turn an astropy table into ours; columns that cannot pass are named in the meta.

    Times become ISO 8601 text in their own scale, masked values become nulls. Celestial
    coordinates become two columns, ICRS in degrees: ``ra`` and ``dec`` if these names are free,
    else behind the name of the coordinates and a dot.

    Examples
    --------
    >>> from astropy.table import QTable
    >>> import astropy.units as u
    >>> table = from_astropy(QTable({"length": [28.8, 31.6] * u.mm}))
    >>> table.unit("length")
    'mm'
    """
    from astropy.table import Column
    from astropy.time import Time

    table, skipped = _without_coordinates(table)
    fields, arrays = [], []
    for name in table.colnames:
        column = table[name]
        if isinstance(column, Time):
            column = Column(column.isot, description=f"time, scale {column.scale}")
        values = np.asarray(getattr(column, "value", column))
        if values.dtype.kind not in "biufUS" or (values.dtype.kind in "US" and values.ndim > 1):
            array = _text(column)
            if array is None:
                kind = getattr(column, "dtype", type(column).__name__)
                skipped[name] = f"values of type {kind} do not fit a column"
                continue
        else:
            array = _array(values, column)
        unit = getattr(column, "unit", None)
        description = getattr(column, "description", None) or column.info.description or ""
        arrays.append(array)
        fields.append(
            described_field(
                name,
                array.type,
                "" if unit is None else str(unit),
                " ".join(description.split()),  # VOTable wraps its lines
            )
        )
    meta = {"skipped_columns": skipped} if skipped else {}
    return FeatureTable(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), meta)


def _without_coordinates(table: Table) -> tuple[Table, dict[str, str]]:
    """Return a table with right ascension and declination in place of celestial coordinates.

    What cannot be turned into ICRS is left out and named, with the reason.
    """
    skipped: dict[str, str] = {}
    # By name: the class takes longer to import than a small file to read.
    celestial = [name for name in table.colnames if type(table[name]).__name__ == "SkyCoord"]
    if not celestial:
        return table, skipped
    from astropy.table import Table

    taken = {name.lower() for name in table.colnames}
    is_plain = len(celestial) == 1 and not {"ra", "dec"} & taken
    columns: dict[str, Any] = {}
    for name in table.colnames:
        if name not in celestial:
            columns[name] = table[name]
            continue
        try:
            position = table[name].icrs
        except Exception as error:  # noqa: BLE001 - frames may ask for anything
            skipped[name] = f"its coordinates cannot be turned into ICRS ({error})"
            continue
        prefix = "" if is_plain else f"{name}."
        columns[f"{prefix}ra"] = _degrees(position.ra, f"right ascension of {name}, ICRS")
        columns[f"{prefix}dec"] = _degrees(position.dec, f"declination of {name}, ICRS")
    return Table(columns, meta=table.meta, copy=False), skipped


def _degrees(angle: Any, description: str) -> Column:
    from astropy.table import MaskedColumn

    mask = np.asarray(getattr(angle, "mask", np.zeros(angle.shape, dtype=bool)))
    plain = getattr(angle, "unmasked", angle)
    return MaskedColumn(plain.deg, mask=mask, unit="deg", description=description)


def _array(values: NDArray[Any], column: Any) -> pa.Array:
    mask = getattr(column, "mask", None)  # of masked columns and quantities
    mask = None if mask is None else np.asarray(mask)
    if values.dtype.kind in "US":
        text = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
        return pa.array(text.tolist(), type=pa.string(), mask=mask)
    if mask is not None and values.ndim > 1:
        filled = values.astype(np.float64)
        filled[mask] = np.nan
        return to_arrow(filled)
    return to_arrow(values, mask)


def _text(column: Any) -> pa.Array | None:
    """Return an object column as text, if it is text."""
    dtype = getattr(column, "dtype", None)
    if dtype is None or dtype.kind != "O":
        return None
    values = column.tolist()
    if not all(isinstance(v, str | None) for v in values):
        return None
    return pa.array(values, type=pa.string())


def to_astropy(table: pa.Table, meta: Mapping[str, Any] | None = None) -> Table:
    """Turn an Arrow table into an astropy table; nulls become masked values."""
    from astropy.table import Table

    table = plain_types(table)
    columns = {}
    for field in table.schema:
        columns[field.name] = _column(field, table.column(field.name).combine_chunks())
    return Table(columns, meta=dict(meta or {}), copy=False)


def _column(field: pa.Field, array: pa.Array) -> Column:
    from astropy.table import Column, MaskedColumn

    about = {"unit": unit_of(field) or None, "description": description_of(field) or None}
    mask = np.asarray(array.is_null()) if array.null_count else None
    if pa.types.is_fixed_size_list(field.type):
        values = vectors(array)
        if mask is None:
            return Column(values, **about)
        return MaskedColumn(values, mask=np.repeat(mask[:, None], values.shape[1], axis=1), **about)
    if pa.types.is_string(field.type):
        values = np.array(["" if v is None else v for v in array.to_pylist()], dtype=np.str_)
    else:
        filled = array.fill_null(False if pa.types.is_boolean(field.type) else 0)
        values = filled.to_numpy(zero_copy_only=False)
    if mask is None:
        return Column(values, **about)
    return MaskedColumn(values, mask=mask, **about)
