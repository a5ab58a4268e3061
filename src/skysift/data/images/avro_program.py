"""An Avro schema as a program that finds a few fields in the bytes of a record.

An alert packet holds thirty earlier measurements of a hundred fields each in front of its images.
A decoder that walks a tree of types takes a millisecond to pass them; a flat program that a
compiled loop runs (:mod:`skysift.data.images.avro_scan`) takes some microseconds. What such a
program cannot express, it refuses, and fastavro decodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AvroProgram", "Operation", "Part", "compile_schema"]

Wanted = Mapping[str, tuple[str, ...] | None]

_NAMED = {"record", "error", "enum", "fixed"}
_OPAQUE = ("array", "map", "enum", "fixed")


class Operation(IntEnum):
    """What a line of a program does; its numbers are `first` and `second`."""

    END = 0
    UNION = 1
    """Read the branch; it is one of `first`, and its jump stands that many lines below."""
    JUMP = 2
    """Go on at line `first`."""
    INTEGER = 3
    """Read an int, a long or an enum into slot `first`, or past it where that is negative."""
    FLOAT = 4
    DOUBLE = 5
    BOOLEAN = 6
    BYTES = 7
    """Bytes or a string: a slot holds where they begin and end."""
    FIXED = 8
    """Go past `first` bytes."""
    BLOCK = 9
    """Read how many items follow in a list of depth `second`; at its end go to line `first`."""
    REPEAT = 10
    """One item of the list of depth `second` is done: the next is at line `first`."""
    PRESENT = 11
    """Note in slot `first` that a record is there."""
    LEAVES = 12
    """Read the branch, and go past it: one of the `first` operations below, then behind them."""
    NOTHING = 13


_LEAVES = {
    "int": Operation.INTEGER,
    "long": Operation.INTEGER,
    "float": Operation.FLOAT,
    "double": Operation.DOUBLE,
    "boolean": Operation.BOOLEAN,
    "bytes": Operation.BYTES,
    "string": Operation.BYTES,
}


_SKIPPED = {**_LEAVES, "null": Operation.NOTHING}


@dataclass(frozen=True, slots=True)
class Part:
    """A wanted value: a number or text, or a record of such.

    Parameters
    ----------
    slots : mapping of int to str
        Where a value is put if it is of this Avro type; several for a union of types.
    fields : mapping of str to Part
        Of a record, which is there if its slot says so.
    """

    slots: dict[int, str] = field(default_factory=dict)
    fields: "dict[str, Part]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AvroProgram:
    """A program and what its slots mean.

    Parameters
    ----------
    lines : array of int64, shape (n, 3)
        Operation, first and second number.
    n_slots, depth : int
        Number of slots, and how deeply lists are nested.
    parts : mapping of str to Part
        The wanted fields of a record.
    """

    lines: NDArray[np.int64]
    n_slots: int
    depth: int
    parts: Mapping[str, Part]


class _NotExpressibleError(Exception):
    """A wanted field is a list, a map, an enum, a fixed or a logical type."""


def compile_schema(schema: Mapping[str, Any], wanted: Wanted) -> AvroProgram | None:
    """Return the program of a schema, None where a wanted field is more than numbers and text.

    Parameters
    ----------
    schema : mapping
        Of a record; not recursive, and of bounded size.
    wanted : mapping of str to tuple of str or None
        Fields to find, and of those that are records which of their fields (None: all).
    """
    compiler = _Compiler()
    try:
        parts = compiler.wanted_record(schema, wanted)
    except _NotExpressibleError:
        return None
    compiler.add(Operation.END)
    lines = np.array(compiler.lines, dtype=np.int64)
    return AvroProgram(lines, compiler.n_slots, compiler.deepest, parts)


class _Compiler:
    """Writes lines; named types are written out wherever they are mentioned."""

    def __init__(self) -> None:
        self.lines: list[list[int]] = []
        self.n_slots = 0
        self.deepest = 0
        self._types: dict[str, Mapping[str, Any]] = {}

    def add(self, operation: Operation, first: int = 0, second: int = 0) -> int:
        self.lines.append([operation, first, second])
        return len(self.lines) - 1

    def wanted_record(self, schema: Mapping[str, Any], wanted: Wanted) -> dict[str, Part]:
        space = self._named(schema, "")
        parts: dict[str, Part] = {}
        for item in schema["fields"]:
            name = item["name"]
            if name in wanted:
                parts[name] = Part()
                self._value(item["type"], space, 0, parts[name], wanted[name])
            else:
                self._value(item["type"], space, 0)
        return parts

    def _slot(self) -> int:
        self.n_slots += 1
        return self.n_slots - 1

    def _named(self, schema: Mapping[str, Any], space: str) -> str:
        """Remember a named type, and return the namespace within it."""
        name, space = str(schema["name"]), str(schema.get("namespace", space))
        full = name if "." in name or not space else f"{space}.{name}"
        self._types[full] = {**schema, "name": full}
        return full.rpartition(".")[0]

    def _value(
        self,
        schema: Any,
        space: str,
        depth: int,
        part: Part | None = None,
        kept: tuple[str, ...] | None = None,
    ) -> None:
        if isinstance(schema, list):
            self._union(schema, space, depth, part, kept)
        elif isinstance(schema, str):
            if schema in _LEAVES:
                self._leaf(schema, part)
            elif schema != "null":
                named = self._types.get(schema) or self._types[f"{space}.{schema}"]
                inner = str(named["name"]).rpartition(".")[0]
                self._complex(named, inner, depth, part, kept)
        elif part is not None and "logicalType" in schema:
            raise _NotExpressibleError
        else:
            if schema["type"] in _NAMED:
                space = self._named(schema, space)
            self._complex(schema, space, depth, part, kept)

    def _leaf(self, kind: str, part: Part | None) -> None:
        slot = -1
        if part is not None:
            slot = self._slot()
            part.slots[slot] = kind
        self.add(_LEAVES[kind], slot)

    def _union(
        self,
        branches: list[Any],
        space: str,
        depth: int,
        part: Part | None,
        kept: tuple[str, ...] | None,
    ) -> None:
        if part is None and all(isinstance(one, str) and one in _SKIPPED for one in branches):
            self.add(Operation.LEAVES, len(branches))
            for one in branches:
                self.add(_SKIPPED[one], -1)
            return
        self.add(Operation.UNION, len(branches))
        jumps = [self.add(Operation.JUMP) for _ in branches]
        ends = []
        for jump, branch in zip(jumps, branches, strict=True):
            self.lines[jump][1] = len(self.lines)
            self._value(branch, space, depth, part, kept)
            ends.append(self.add(Operation.JUMP))
        for end in ends:
            self.lines[end][1] = len(self.lines)

    def _complex(
        self,
        schema: Mapping[str, Any],
        space: str,
        depth: int,
        part: Part | None,
        kept: tuple[str, ...] | None,
    ) -> None:
        kind = schema["type"]
        if kind in {"record", "error"}:
            self._record(schema, space, depth, part, kept)
        elif kind not in _OPAQUE:
            self._value(kind, space, depth, part, kept)
        elif part is not None:
            raise _NotExpressibleError
        elif kind == "enum":
            self.add(Operation.INTEGER, -1)
        elif kind == "fixed":
            self.add(Operation.FIXED, int(schema["size"]))
        else:
            self._list(schema, space, depth)

    def _record(
        self,
        schema: Mapping[str, Any],
        space: str,
        depth: int,
        part: Part | None,
        kept: tuple[str, ...] | None,
    ) -> None:
        if part is not None:
            if part.fields or part.slots:
                raise _NotExpressibleError  # a union of several records
            slot = self._slot()
            part.slots[slot] = "record"
            self.add(Operation.PRESENT, slot)
        for item in schema["fields"]:
            inner = None
            if part is not None and (kept is None or item["name"] in kept):
                inner = part.fields[item["name"]] = Part()
            self._value(item["type"], space, depth, inner)

    def _list(self, schema: Mapping[str, Any], space: str, depth: int) -> None:
        self.deepest = max(self.deepest, depth + 1)
        header = self.add(Operation.BLOCK, 0, depth)
        if schema["type"] == "map":
            self.add(Operation.BYTES, -1)
        self._value(schema["items" if schema["type"] == "array" else "values"], space, depth + 1)
        self.add(Operation.REPEAT, header + 1, depth)
        self.add(Operation.JUMP, header)
        self.lines[header][1] = len(self.lines)
