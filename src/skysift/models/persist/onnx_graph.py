"""What can be learnt from the bytes of an ONNX model before a runtime opens it.

ONNX Runtime follows references to external data files even in a model that it gets as bytes,
from the current folder. So the bytes are read here, as far as that takes: the wire format of
Protocol Buffers is a sequence of (field number, value), and onnx.proto3 says which fields hold
tensors, nodes and graphs.
"""

import re
from collections.abc import Iterator

from skysift.models.persist.archive import malformed

__all__ = ["check_onnx_graph"]

MIN_OPSET = 13
_STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_MAX_DEPTH = 64

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# For each message, the fields that lead to others: field number -> message.
_CHILDREN = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
    "opset": {},
}
# Fields that no model of ours has: training_info, functions; external_data, data_location.
_REFUSED = {
    "model": {20: "it holds steps of training", 25: "it defines functions of its own"},
    "tensor": {13: "it refers to data in other files", 14: "it refers to data in other files"},
}
_NODE_DOMAIN = 7
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2

# Ensembles of trees hold half a million numbers, each a field of its own: fields 7 (a float) and
# 8 (an integer) of an attribute. They lead nowhere, so a run of them is passed over at once.
_NUMBERS = re.compile(rb"(?s:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])*+")


def check_onnx_graph(data: bytes) -> None:
    """Check that a model stands alone and uses standard operators.

    Parameters
    ----------
    data : bytes
        A serialised ``ModelProto``.

    Raises
    ------
    BundleError
        If the model refers to other files, defines or asks for operators beyond ONNX, is of an
        old operator set, or is damaged.
    """
    waiting = [("model", memoryview(data), 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise malformed("its graphs are nested too deeply")
        fields = list(_fields(message, _NUMBERS if kind == "attribute" else None))
        if kind == "opset":
            _check_opset(fields)
        for number, value in fields:
            # An empty message or a zero is a field that is not set.
            if value and number in _REFUSED.get(kind, {}):
                raise malformed(_REFUSED[kind][number])
            if kind == "node" and number == _NODE_DOMAIN:
                _check_domain(value)
            if number in _CHILDREN[kind]:
                if isinstance(value, int):
                    raise malformed("a field has the wrong type")
                waiting.append((_CHILDREN[kind][number], value, depth + 1))


def _check_opset(fields: list[tuple[int, int | memoryview]]) -> None:
    values = dict(fields)
    domain = _check_domain(values.get(_OPSET_DOMAIN, memoryview(b"")))
    version = values.get(_OPSET_VERSION, 0)
    if not isinstance(version, int):
        raise malformed("a field has the wrong type")
    if domain in {"", "ai.onnx"} and version < MIN_OPSET:
        raise malformed(f"its operator set {version} is older than {MIN_OPSET}")


def _check_domain(value: int | memoryview) -> str:
    domain = "" if isinstance(value, int) else bytes(value).decode(errors="replace")
    if isinstance(value, int) or domain not in _STANDARD_DOMAINS:
        raise malformed(f"it asks for operators of '{domain[:80]}'")
    return domain


def _fields(
    message: memoryview, passed_over: re.Pattern[bytes] | None
) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field; the value of a message or text is its bytes."""
    at = 0
    while True:
        if passed_over is not None and (run := passed_over.match(message, at)):
            at = run.end()
        if at >= len(message):
            return
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire in {_BYTES, _FIXED32, _FIXED64}:
            length = {_FIXED32: 4, _FIXED64: 8}.get(wire)
            if length is None:
                length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            raise malformed("it is no Protocol Buffer")
        if at > len(message):
            raise malformed("it is cut short")
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:  # noqa: PLR2004  # bits of the largest number
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004  # the high bit says that more bytes follow
            return value, at
        shift += 7
    raise malformed("it is cut short")
