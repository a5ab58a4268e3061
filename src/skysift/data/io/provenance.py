"""Provenance as the text that is stored in files."""

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["provenance_text"]


def provenance_text(provenance: Mapping[str, Any] | None) -> str:
    """Return the provenance as ASCII JSON, empty if there is none.

    Values that JSON does not know (paths, times) are stored as their text.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> provenance_text({"input": PurePosixPath("run1.fits")})
    '{"input": "run1.fits"}'
    """
    return "" if not provenance else json.dumps(dict(provenance), default=str)
