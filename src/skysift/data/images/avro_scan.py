"""The loop that runs a program of :mod:`skysift.data.images.avro_program`, compiled.

Importing this module imports numba. Every step is bounded by the bytes that are there: each item of
a list takes at least one, which the reader of the schema has made sure of.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import compiled
from skysift.data.images.avro_program import AvroProgram, Operation, Part

__all__ = ["RecordScanner"]

Integers = NDArray[np.int64]

_UNION, _JUMP, _INTEGER = int(Operation.UNION), int(Operation.JUMP), int(Operation.INTEGER)
_FLOAT, _DOUBLE, _BOOLEAN = int(Operation.FLOAT), int(Operation.DOUBLE), int(Operation.BOOLEAN)
_BYTES, _FIXED, _BLOCK = int(Operation.BYTES), int(Operation.FIXED), int(Operation.BLOCK)
_REPEAT, _PRESENT = int(Operation.REPEAT), int(Operation.PRESENT)
_LEAVES, _NOTHING = int(Operation.LEAVES), int(Operation.NOTHING)

_DAMAGED = -1
_LONGEST = 10  # bytes of a variable-length integer
_REAL = {"float", "double"}


class RecordScanner:
    """Finds the wanted fields of one record after the other in a block.

    Parameters
    ----------
    program : AvroProgram
        Of the schema of the records.
    """

    def __init__(self, program: AvroProgram) -> None:
        self._program = program
        self._found = np.zeros((max(program.n_slots, 1), 3), dtype=np.int64)
        self._reals = np.zeros(max(program.n_slots, 1))
        self._left = np.zeros(max(program.depth, 1), dtype=np.int64)

    def read(self, block: bytes, position: int) -> tuple[dict[str, Any], int]:
        """Return the wanted fields of the record at a position, and where the next one begins.

        Raises
        ------
        ValueError
            If the bytes are no such record.
        """
        self._found[:, 0] = 0
        end = _scan(
            np.frombuffer(block, dtype=np.uint8),
            position,
            self._program.lines,
            self._found,
            self._reals,
            self._left,
        )
        if end == _DAMAGED:
            raise ValueError("it does not follow its schema")
        found, reals = self._found.tolist(), self._reals.tolist()
        parts = self._program.parts.items()
        return {name: _value(part, block, found, reals) for name, part in parts}, end


def _value(part: Part, block: bytes, found: list[list[int]], reals: list[float]) -> Any:
    for slot, kind in part.slots.items():
        is_there, first, last = found[slot]
        if not is_there:
            continue
        if kind == "record":
            return {name: _value(p, block, found, reals) for name, p in part.fields.items()}
        if kind in _REAL:
            return reals[slot]
        if kind == "bytes":
            return block[first:last]
        if kind == "string":
            return block[first:last].decode()
        return bool(first) if kind == "boolean" else first
    return None


@compiled
def _integer(data: Any, position: int) -> Any:
    """Return a zigzag variable-length integer and the position behind it, -1 if there is none."""
    value = np.uint64(0)
    for k in range(_LONGEST):
        if position < 0 or position + k >= data.size:
            break
        byte = np.uint64(data[position + k])
        value |= (byte & np.uint64(0x7F)) << np.uint64(7 * k)
        if byte < np.uint64(0x80):
            sign = np.int64(value & np.uint64(1))
            return np.int64(value >> np.uint64(1)) ^ -sign, position + k + 1
    return np.int64(0), _DAMAGED


@compiled
def _copied(data: Any, position: int, out: Any) -> int:
    """Fill `out` with the next bytes; return the position behind them, -1 if there are too few."""
    if position + out.size > data.size:
        return _DAMAGED
    for k in range(out.size):
        out[k] = data[position + k]
    return int(position + out.size)


@compiled
def _scan(  # noqa: C901, PLR0912, PLR0915, PLR0917  # one loop over the operations, for the compiler
    data: Any, position: int, lines: Integers, found: Integers, reals: Any, left: Integers
) -> int:
    """Run a program; return the position behind the record, or -1 if it is damaged.

    Slots hold whether a value is there, then an integer, or the first and last position of bytes.
    """
    line = 0
    single, double = np.empty(4, dtype=np.uint8), np.empty(8, dtype=np.uint8)
    while 0 <= position <= data.size:
        operation, first, second = lines[line, 0], lines[line, 1], lines[line, 2]
        line += 1
        value = np.int64(0)
        if operation == _LEAVES:  # most of a packet is these, so they take one turn
            value, position = _integer(data, position)
            if value < 0 or value >= first or position < 0:
                break
            operation = lines[line + value, 0]
            line += first
            first = -1
        if operation == _UNION:
            value, position = _integer(data, position)
            if value < 0 or value >= first:
                position = _DAMAGED
            line += value
        elif operation == _JUMP:
            line = first
        elif operation == _INTEGER:
            value, position = _integer(data, position)
        elif operation == _FLOAT:
            position = _copied(data, position, single)
        elif operation == _DOUBLE:
            position = _copied(data, position, double)
        elif operation == _BYTES:
            length, value = _integer(data, position)
            room = data.size - value
            position = value + length if value >= 0 and 0 <= length <= room else _DAMAGED
        elif operation == _BOOLEAN:
            value = np.int64(data[position]) if position < data.size else np.int64(0)
            position += 1
        elif operation == _BLOCK:
            value, position = _integer(data, position)
            left[second] = value
            if value == 0:
                line = first
            elif value < 0:  # a block that says its size may be passed at once
                value, position = _integer(data, position)
                room = data.size - position
                position = position + value if position >= 0 and 0 <= value <= room else _DAMAGED
                line -= 1
        elif operation == _REPEAT:
            left[second] -= 1
            line = first if left[second] > 0 else line
        elif operation == _FIXED:
            position = position + first if first <= data.size - position else _DAMAGED
        elif operation not in (_PRESENT, _NOTHING):
            return position
        if (first >= 0 and _INTEGER <= operation <= _BYTES) or operation == _PRESENT:
            found[first, 0], found[first, 1], found[first, 2] = 1, value, position
            if operation == _FLOAT:
                reals[first] = single.view(np.float32)[0]
            elif operation == _DOUBLE:
                reals[first] = double.view(np.float64)[0]
    return _DAMAGED
