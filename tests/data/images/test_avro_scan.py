"""Compiled reading of Avro records: the same values as fastavro gives, or a refusal."""

from io import BytesIO
from itertools import count
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_one
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import ReadError
from skysift.data.images import avro
from skysift.data.images.avro_program import compile_schema

pytest.importorskip("numba")

LEAVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


@st.composite
def field_types(draw: Any, depth: int = 0) -> Any:
    """An Avro type: a primitive, a union, a list, a map, a record, an enum or a fixed."""
    kinds = ["leaf", "union", "enum", "fixed"]
    kind = draw(st.sampled_from(kinds + (["array", "map", "record"] if depth < 2 else [])))
    name = "renamed below"
    if kind == "leaf":
        return draw(st.sampled_from(LEAVES[1:]))
    if kind == "union":
        return draw(st.lists(st.sampled_from(LEAVES), min_size=1, max_size=3, unique=True))
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B"]}
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": draw(st.integers(1, 9))}
    if kind == "record":
        inner = draw(st.lists(field_types(depth + 1), min_size=1, max_size=3))
        fields = [{"name": f"f{k}", "type": one} for k, one in enumerate(inner)]
        return {"type": "record", "name": name, "fields": fields}
    return {"type": kind, "items" if kind == "array" else "values": draw(field_types(depth + 1))}


def with_distinct_names(schema: Any, counter: Any) -> Any:
    """Name each named type differently, as Avro demands."""
    if isinstance(schema, list):
        return [with_distinct_names(branch, counter) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    named = {key: with_distinct_names(value, counter) for key, value in schema.items()}
    if schema.get("type") in ("record", "enum", "fixed"):
        named["name"] = f"t{next(counter)}"
    return named


def container(schema: Any, records: list[Any]) -> bytes:
    out = BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), records)
    return out.getvalue()


def decoded(data: bytes, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return list(avro.read_records(data, wanted, max_records=100))


@settings(max_examples=80, deadline=None)
@given(types=st.lists(field_types(), min_size=1, max_size=6), chosen=st.sets(st.integers(0, 5)))
def test_any_record_reads_as_fastavro_reads_it(types, chosen) -> None:
    fields = [{"name": f"f{k}", "type": one} for k, one in enumerate(types)]
    numbers = count()
    schema = {
        "type": "record",
        "name": "alert",
        "fields": [with_distinct_names(item, numbers) for item in fields],
    }
    records = [generate_one(schema) for _ in range(3)]
    wanted = {f"f{k}": None for k in chosen if k < len(types)}
    data = container(schema, records)
    expected = [
        {name: value for name, value in record.items() if name in wanted}
        for record in fastavro.reader(BytesIO(data))
    ]
    assert decoded(data, wanted) == expected


def test_named_types_lists_in_lists_and_chosen_fields() -> None:
    inner = {
        "type": "record",
        "name": "point",
        "namespace": "sky",
        "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": ["null", "float"]}],
    }
    schema = {
        "type": "record",
        "name": "alert",
        "namespace": "sky",
        "fields": [
            {"name": "first", "type": inner},
            {
                "name": "many",
                "type": {"type": "array", "items": {"type": "array", "items": "sky.point"}},
            },
            {"name": "second", "type": ["null", "point"]},
            {"name": "label", "type": {"type": "map", "values": "string"}},
            {"name": "blob", "type": ["bytes", "null"]},
        ],
    }
    point = {"x": 1.5, "y": -2.25}
    records = [
        {
            "first": {"x": 7.0, "y": None},
            "many": [[point] * 3, [], [point]],
            "second": second,
            "label": {"a": "b", "c": "d"},
            "blob": blob,
        }
        for second, blob in [(point, b"\x00\x01"), (None, None)]
    ]
    wanted = {"first": frozenset({"x"}), "second": None, "blob": None, "absent": None}
    assert compile_schema(schema, {"first": ("x",), "second": None, "blob": None}) is not None
    assert decoded(container(schema, records), wanted) == [
        {"first": {"x": 7.0}, "second": point, "blob": b"\x00\x01"},
        {"first": {"x": 7.0}, "second": None, "blob": None},
    ]


@pytest.mark.parametrize("kind", [{"type": "array", "items": "int"}, {"type": "long",
    "logicalType": "timestamp-micros"}])  # fmt: skip
def test_what_a_program_cannot_express_is_left_to_fastavro(kind) -> None:
    schema = {"type": "record", "name": "alert", "fields": [{"name": "a", "type": kind}]}
    assert compile_schema(schema, {"a": None}) is None
    assert compile_schema(schema, {}) is not None


def test_without_the_compiler_the_answers_are_the_same(
    alert_schema, make_alert, monkeypatch
) -> None:
    data = container(alert_schema, [make_alert(candid=k) for k in range(3)])
    wanted = {"candid": None, "candidate": frozenset({"ra", "xpos"}), "cutoutTemplate": None}
    compiled = decoded(data, wanted)
    monkeypatch.setattr(avro, "has_compiler", lambda: False)
    avro._schema.cache_clear()
    try:
        assert decoded(data, wanted) == compiled
    finally:
        avro._schema.cache_clear()
    assert [record["candid"] for record in compiled] == [0, 1, 2]


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_block_is_refused_or_read_within_its_bytes(
    alert_schema, make_alert, data
) -> None:
    whole = bytearray(container(alert_schema, [make_alert()]))
    start = whole.index(b"ZTF20aaelulu") - 10
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(start, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        records = decoded(bytes(whole), {"objectId": None, "cutoutTemplate": None})
    except ReadError:
        return
    assert all(set(record) == {"objectId", "cutoutTemplate"} for record in records)
