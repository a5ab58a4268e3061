"""JSON of strangers: nothing in it twice, and no number that others would stumble over later."""

import json
import math
from typing import Any

__all__ = ["strict_json"]

_LARGEST = 2**63


def strict_json(data: bytes | str) -> Any:
    """Return what JSON says.

    Raises
    ------
    ValueError
        If it is no JSON, has a key twice, or a number that is not finite or, as an integer, does
        not fit into 64 bits.
    RecursionError
        If it is nested too deeply.

    Examples
    --------
    >>> strict_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> strict_json('{"a": 1e400}')
    Traceback (most recent call last):
    ...
    ValueError: 1e400 is no number that fits
    """
    return json.loads(
        data,
        object_pairs_hook=_unique_keys,
        parse_constant=_no_constant,
        parse_int=_integer,
        parse_float=_finite,
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key occurs twice")
    return values


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) >= _LARGEST:
        raise ValueError(f"{text[:20]} is no number that fits")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is no number that fits")
    return value
