"""YAML of unknown origin as plain data: bounded, and nothing in it makes an object."""

from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["parse_plain_yaml"]

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """What is tagged as a class stays the mapping, the sequence or the text that it is."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse what merges mappings: merged again and again, they would grow without end."""
        if any(key.tag == _MERGE for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "it merges mappings", None)
        super().flatten_mapping(node)


def _plain(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return str(node.value)


_Loader.add_multi_constructor("!", _plain)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def parse_plain_yaml(text: bytes, *, most_bytes: int) -> Any:
    """Return the plain data that a text describes.

    Parameters
    ----------
    text : bytes
        YAML, in UTF-8.
    most_bytes : int
        Bound of its length.

    Raises
    ------
    ValueError
        If it is longer, or is no YAML.

    Examples
    --------
    >>> parse_plain_yaml(b"unit: !some.Unit {unit: rad}", most_bytes=100)
    {'unit': {'unit': 'rad'}}
    """
    if len(text) > most_bytes:
        raise ValueError(f"it has {len(text):,} bytes")
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        lines = str(error).strip().splitlines()
        raise ValueError(lines[0] if lines else type(error).__name__) from error
