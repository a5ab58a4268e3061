"""The page's own files: read once, known by name, never by path."""

import hashlib
import mimetypes
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["Asset", "assets", "vendor_manifest"]

_DIGITS = 16
_SUFFIXES = (".css", ".js", ".svg", ".txt")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that browsers load.

    Parameters
    ----------
    content : bytes
    kind : str
        Media type.
    version : str
        Of the content, for its address: a browser may keep it for ever.
    """

    content: bytes
    kind: str
    version: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return all of them by name."""
    folder = resources.files("skysift.serve.page").joinpath("assets")
    found = [*folder.iterdir(), *folder.joinpath("vendor").iterdir()]
    return {item.name: _asset(item) for item in found if item.name.endswith(_SUFFIXES)}


@cache
def vendor_manifest() -> Mapping[str, object]:
    """Return what the page holds that others wrote: names, versions, licences, SHA-256."""
    folder = resources.files("skysift.serve.page").joinpath("assets", "vendor")
    return tomllib.loads(folder.joinpath("vendor.toml").read_text(encoding="utf-8"))


def _asset(item: Traversable) -> Asset:
    content = item.read_bytes()
    kind = mimetypes.guess_type(item.name)[0] or "text/plain"
    if kind in {"application/javascript", "text/x-javascript"}:
        kind = "text/javascript"
    return Asset(content, f"{kind}; charset=utf-8", hashlib.sha256(content).hexdigest()[:_DIGITS])
