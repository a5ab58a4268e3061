"""Tables of measured numbers, filled in from the stored results so that they cannot drift apart.

A page holds them between the lines ``<!-- measured: NAME -->`` and ``<!-- end of NAME -->``. The
site fills them each time it is built; a test asserts that the files say the same, and

    python docs/_ext/measured.py

writes them.
"""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from measured_tables import TABLES

if TYPE_CHECKING:  # a test reads this where Sphinx is not
    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
MARK = re.compile(
    r"^<!-- measured: (?P<name>.+?) -->\n(?:.*?^(?P<end><!-- end of (?P=name) -->)$)?",
    re.DOTALL | re.MULTILINE,
)


# --- into the pages ------------------------------------------------------------------------------


def filled(text: str) -> str:
    """Return a page with its tables as they are now.

    Raises
    ------
    LookupError
        If a table is not known, or a mark lacks its end.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in TABLES or not found["end"]:
            raise LookupError(f"no table {name!r}, or no end of it")
        return f"<!-- measured: {name} -->\n\n{TABLES[name]()}\n\n{found['end']}"

    return MARK.sub(fill, text)


def fill_source(_app: "Sphinx", _page: str, source: list[str]) -> None:
    """Fill the tables of a page that is being built."""
    source[0] = filled(source[0])


def setup(app: "Sphinx") -> dict[str, bool]:
    """Tell Sphinx when."""
    app.connect("source-read", fill_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main() -> None:
    """Write the tables into the files."""
    for path in sorted([*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]):
        text = path.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            path.write_text(now, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
