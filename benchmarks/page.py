"""What was measured, as Markdown between two marks of a page."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from skysift.core.files import write_atomic


def markdown(table: Table) -> str:
    """Return a table as Markdown, its title as a line above it."""
    rows = [[str(column.header) for column in table.columns]]
    rows.append(["---" if column.justify == "left" else "---:" for column in table.columns])
    rows += [list(cells) for cells in zip(*(column.cells for column in table.columns), strict=True)]
    lines = (f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)
    return "\n".join([f"**{table.title}**", "", *lines])


def replace_between(
    page: Path, marks: tuple[str, str], parts: Sequence[str], *, section: str = ""
) -> None:
    """Put paragraphs between the two marks of a page.

    Parameters
    ----------
    page : Path
        A Markdown file.
    marks : (str, str)
        Lines before and after what is replaced.
    parts : sequence of str
        The paragraphs.
    section : str
        Holds the marks, and is appended to a page that does not have them yet.
    """
    first, last = marks
    text = page.read_text(encoding="utf-8")
    if first not in text:
        text += section
    before, mark, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not mark or not end:
        raise SystemExit(f"{page} lacks the lines {first} and {last}")
    measured = "\n\n".join(parts)
    write_atomic(page, f"{before}{first}\n\n{measured}\n\n{last}{after}")
