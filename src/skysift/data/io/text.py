"""Read text tables: CSV with or without a header, and the .dat files of KEEL.

The types of the columns are fixed from the first rows and hold for the whole file, so that a bad
cell is an error with its row, and never turns a column of numbers into one of text.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from skysift.core.errors import ReadError
from skysift.data.io.batches import rebatch
from skysift.data.io.source import Source, chosen_columns
from skysift.data.table import FeatureTable, described_field

__all__ = ["SIDE_FILE_SUFFIX", "read_csv", "read_keel"]

SIDE_FILE_SUFFIX = ".provenance.json"
"""Added to the name of a CSV file: the file with the types, units and provenance of its table."""

_SAMPLE_BYTES = 256 * 1024
_SAMPLE_ROWS = 1000
_BLOCK_BYTES = 512 * 1024  # Arrow holds some tens of them: 37 MB were measured with 1 MiB
_MISSING = ("", "NA", "N/A", "NaN", "nan", "-nan", "null", "NULL", "None", "?", "<null>")
_WHOLE_LIST = re.compile(r"\d+(?:,\s*\d+)+")  # '11424,11427': several numbers in one cell
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")  # '1,234': one number
_EXACT_IN_FLOAT64 = 2**53
_INT64_END = 2**63
_SIDE_TYPES = {
    str(kind): kind
    for kind in (
        pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.int16(), pa.int8(),
        pa.uint64(), pa.uint32(), pa.uint16(), pa.uint8(), pa.bool_(), pa.string(),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a text table is laid out."""

    names: list[str]
    types: dict[str, pa.DataType]
    delimiter: str
    skip_lines: int
    trim_text: bool = False


def read_csv(source: Source) -> Iterator[FeatureTable]:
    """Read comma-, semicolon- or tab-separated values.

    Raises
    ------
    ReadError
        If there is no header and no names were given, or a row is ragged or has text in a
        numeric column.
    """
    lines = _sample_lines(source)
    comments = 0
    while comments < len(lines) and lines[comments].startswith("#"):
        comments += 1
    delimiter = _delimiter(lines[comments:])
    rows = list(csv.reader(lines[comments:], delimiter=delimiter))
    if not rows:
        raise ReadError("The file holds comments only.", "Check how it was made.", path=source.path)
    has_header = source.options.header
    if has_header is None:
        has_header = not any(_is_number(cell) for cell in rows[0])
    names = _names(rows[0], source, has_header=has_header)
    body = rows[1:] if has_header else rows
    side = _side_file(source)
    types = _types(names, body[:_SAMPLE_ROWS])
    for name, column in side.get("columns", {}).items():
        if name in types and column.get("type") in _SIDE_TYPES:
            types[name] = _SIDE_TYPES[column["type"]]
    layout = _Layout(names, types, delimiter, comments + has_header)
    meta = {"provenance": side["provenance"]} if side.get("provenance") else {}
    for table in _stream(source, layout):
        yield FeatureTable(_with_side_units(table, side), meta)


def read_keel(source: Source) -> Iterator[FeatureTable]:
    """Read a KEEL .dat file: names and types from its ``@attribute`` lines [1]_.

    References
    ----------
    .. [1] J. Alcala-Fdez et al., "KEEL Data-Mining Software Tool", Journal of Multiple-Valued
       Logic and Soft Computing 17 (2011) 255.
    """
    names: list[str] = []
    types: dict[str, pa.DataType] = {}
    for number, line in enumerate(_sample_lines(source), start=1):
        word = line.strip().lower()
        if word.startswith("@attribute"):
            declared = re.match(
                r"@attribute\s+'?([^\s'{\[]+)'?\s*(\w+|\{)", line.strip(), re.IGNORECASE
            )
            if declared is None:
                raise ReadError(
                    f"Line {number} is not of the form '@attribute NAME TYPE'.",
                    "Mend that line.",
                    path=source.path,
                )
            names.append(declared[1])
            numeric = declared[2].lower() in {"real", "integer", "numeric"}
            types[declared[1]] = pa.float64() if numeric else pa.string()
        elif word == "@data":
            yield from map(FeatureTable, _stream(source, _Layout(names, types, ",", number, True)))
            return
    raise ReadError(
        "The KEEL header has no '@data' line.", "The file may be cut short.", path=source.path
    )


def _sample_lines(source: Source) -> list[str]:
    """Return the first lines, whole ones only."""
    with source.file.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if len(sample) == _SAMPLE_BYTES:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    try:
        text = sample.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(source) from error
    # Not splitlines(): it also cuts at form feeds and the like, where Arrow sees no new line.
    return io.StringIO(text, newline=None).read().removesuffix("\n").split("\n") if text else []


def _delimiter(lines: Sequence[str]) -> str:
    """Return the separator that splits the first lines into equally many cells.

    Semicolon and tab come first: where they split a line, a comma is a decimal or part of a text.
    """
    for candidate in (";", "\t", ","):
        counts = {len(row) for row in csv.reader(lines[:20], delimiter=candidate) if row}
        if len(counts) == 1 and counts != {1}:
            return candidate
    return next((mark for mark in (",", ";", "\t") if lines and mark in lines[0]), ",")


def _names(first: Sequence[str], source: Source, *, has_header: bool) -> list[str]:
    given = source.options.names
    if given is None and not has_header:
        raise ReadError(
            f"The file has no header line, so its {len(first)} columns have no names.",
            "Give their names (names=[...]) or a column map that does, e.g. 'uci-magic'.",
            path=source.path,
        )
    names = list(given) if given is not None else [cell.strip() for cell in first]
    if len(names) != len(first):
        raise ReadError(
            f"{len(names)} column names were given for {len(first)} columns.",
            "Give one name for each column.",
            path=source.path,
        )
    names = [name or f"column_{number}" for number, name in enumerate(names)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ReadError(
            f"Column names occur twice: {', '.join(repeated)}.",
            "Rename them in the header or give names=[...].",
            path=source.path,
        )
    return names


def _types(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, pa.DataType]:
    cells = {
        name: [row[j].strip() for row in rows if j < len(row) and row[j].strip() not in _MISSING]
        for j, name in enumerate(names)
    }
    return {name: _type(values) for name, values in cells.items()}


def _type(values: Sequence[str]) -> pa.DataType:
    """Return the type of a column: a number where most of the sampled cells are numbers.

    Cells that list several whole numbers, as the NOAA regions of a SHARP, make it one of text.
    """
    if not values:
        return pa.float64()
    if all(value.lower() in {"true", "false"} for value in values):
        return pa.bool_()
    if 2 * sum(map(_is_number, values)) <= len(values):
        return pa.string()
    if any(map(_lists_numbers, values)):
        return pa.string()
    whole = all(re.fullmatch(r"-?\d{1,19}", value) for value in values)
    largest = max(abs(int(value)) for value in values) if whole else 0
    # Float64 would change an identifier like Gaia's source_id.
    return pa.int64() if _EXACT_IN_FLOAT64 < largest < _INT64_END else pa.float64()


def _lists_numbers(text: str) -> bool:
    return bool(_WHOLE_LIST.fullmatch(text)) and not _THOUSANDS.fullmatch(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python takes 1_000, no table format does


def _stream(source: Source, layout: _Layout) -> Iterator[pa.Table]:
    wanted = chosen_columns(layout.names, source)
    try:
        reader = pacsv.open_csv(
            source.file,
            read_options=pacsv.ReadOptions(
                use_threads=False,  # only then do errors carry the row
                block_size=_BLOCK_BYTES,
                skip_rows=layout.skip_lines,
                column_names=layout.names,
            ),
            parse_options=pacsv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=layout.types,
                include_columns=wanted,
                null_values=[*_MISSING, *(f" {mark}" for mark in _MISSING)],  # KEEL: ", <null>"
                true_values=["true", "True", "TRUE"],
                false_values=["false", "False", "FALSE"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        none = pa.schema([(name, layout.types[name]) for name in wanted]).empty_table()
        tables = chain([none], (pa.Table.from_batches([batch]) for batch in reader))
        for table in rebatch(tables, source.options.batch_rows):
            yield _trimmed(table) if layout.trim_text else table
    except pa.ArrowInvalid as error:
        raise _bad_row(source, layout, str(error)) from error


def _bad_row(source: Source, layout: _Layout, said: str) -> ReadError:
    if "UTF8" in said:
        return _not_utf8(source)
    number = re.search(r"Row #(\d+)", said)
    row = None if number is None else int(number[1]) - 1 - layout.skip_lines
    cell = re.search(r"In CSV column #(\d+).*invalid value '(.*)'", said, re.DOTALL)
    if cell is not None:
        name = layout.names[int(cell[1])]
        return ReadError(
            f"Column '{name}' holds {layout.types[name]}, but here '{cell[2]}' (rows count from 0, "
            "without the header).",
            "Correct the cell, or leave it empty if the value is missing.",
            path=source.path,
            row=row,
        )
    ragged = re.search(r"Expected (\d+) columns, got (\d+)", said)
    problem = (
        f"The row has {ragged[2]} cells instead of {ragged[1]}" if ragged else said.splitlines()[0]
    )
    return ReadError(
        f"{problem} (rows count from 0, without the header).",
        "Mend or remove the row; the file may be cut short.",
        path=source.path,
        row=row,
    )


def _not_utf8(source: Source) -> ReadError:
    return ReadError(
        "The text is not UTF-8.",
        "Convert it: iconv -f LATIN1 -t UTF-8 old.csv > new.csv.",
        path=source.path,
    )


def _trimmed(table: pa.Table) -> pa.Table:
    """KEEL files put blanks after the commas."""
    for position, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            text = pc.utf8_trim_whitespace(table.column(position))
            table = table.set_column(position, column, text)
    return table


def _side_file(source: Source) -> dict[str, Any]:
    """Return what the side file of a CSV file that we wrote says, or nothing."""
    path = Path(f"{source.path}{SIDE_FILE_SUFFIX}")
    if not path.is_file():
        return {}
    try:
        side = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(
            f"The side file cannot be read ({error}).", "Remove or mend it.", path=path
        ) from error
    return side if isinstance(side, dict) else {}


def _with_side_units(table: pa.Table, side: dict[str, Any]) -> pa.Table:
    known = side.get("columns", {})
    fields = [
        described_field(
            column.name,
            column.type,
            known.get(column.name, {}).get("unit"),
            known.get(column.name, {}).get("description"),
        )
        for column in table.schema
    ]
    return table.cast(pa.schema(fields))
