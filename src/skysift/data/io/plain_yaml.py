"""YAML of unknown origin as plain data: bounded, and nothing in it makes an object."""

from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["parse_plain_yaml"]

_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"


def parse_plain_yaml(text: bytes, *, most_bytes: int) -> Any:
    """Return the plain data that a text describes: mappings, lists, texts and None.

    Only its nodes are read. What is tagged as a class stays the mapping, the list or the text that
    it is; numbers stay texts.

    Parameters
    ----------
    text : bytes
        YAML, in UTF-8.
    most_bytes : int
        Bound of its length.

    Raises
    ------
    ValueError
        If it is longer, is no YAML, or merges mappings: merged again and again, they would grow
        without end.

    Examples
    --------
    >>> parse_plain_yaml(b"unit: !some.Unit {unit: rad}", most_bytes=100)
    {'unit': {'unit': 'rad'}}
    """
    if len(text) > most_bytes:
        raise ValueError(f"it has {len(text):,} bytes")
    try:
        return _plain(yaml.compose(text, Loader=yaml.SafeLoader), {})
    except (yaml.YAMLError, TypeError, AttributeError, RecursionError) as error:
        lines = str(error).strip().splitlines()
        raise ValueError(lines[0] if lines else type(error).__name__) from error


def _plain(node: Any, known: dict[int, Any]) -> Any:
    """Return what a node holds; one that is named several times is the same object each time."""
    if node is None:
        return None
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag == _NULL else str(node.value)
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.SequenceNode):
        items: list[Any] = []
        known[id(node)] = items
        items.extend(_plain(item, known) for item in node.value)
        return items
    entries: dict[str, Any] = {}
    known[id(node)] = entries
    for key, value in node.value:
        if key.tag == _MERGE:
            raise yaml.YAMLError("it merges mappings")
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.YAMLError("a key is no text")
        entries[str(key.value)] = _plain(value, known)
    return entries
