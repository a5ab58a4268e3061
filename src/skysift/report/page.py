"""One self-contained HTML page: the result first, then the evidence, then how it was made.

The page loads nothing: styles, figures and the few lines of script are inside it, and its content
security policy forbids all else. It reads in light and dark, on paper, and on a phone.

Matplotlib is imported when the first figure is added, so that what only reads or writes the folder
of a run does not wait for it.
"""

# ruff: noqa: PLC0415  # for the reason above

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skysift.core.errors import InputError, UsageError
from skysift.core.files import write_atomic
from skysift.data.table import FeatureTable
from skysift.report.markup import to_html, to_inline_html
from skysift.report.tables import Column, TableView, build_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Block", "KeyNumber", "Page", "Section"]

CalloutKind = Literal["finding", "note", "warning"]
_CALLOUTS: Mapping[str, str] = {"finding": "Finding", "note": "Note", "warning": "Warning"}


@dataclass(frozen=True, slots=True)
class KeyNumber:
    """A number at the head of the page.

    Parameters
    ----------
    label : str
        What it is.
    value : str
        The number as text, with its unit.
    interval : str
        Its interval as text, e.g. ``0.945 to 0.951``.
    note : str
        A few words on what it means or is compared with.
    """

    label: str
    value: str
    interval: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Figure:
    svg: Markup
    caption: Markup
    wide: bool


class Block:
    """A place that content is added to, in reading order; figures that follow one another pair up.

    Sections, subsections and collapsible details are blocks. Blocks are made by their parents.
    """

    def __init__(self, page: Page, *, level: int) -> None:
        self._page = page
        self._level = level
        self.items: list[tuple[str, Any]] = []

    def text(self, text: str) -> None:
        """Add running text: paragraphs, ``- `` lists, ``**bold**``, ``*emphasis*``, links."""
        self.items.append(("html", to_html(text)))

    def callout(self, kind: CalloutKind, text: str, *, title: str | None = None) -> None:
        """Add a box that stands out.

        Parameters
        ----------
        kind : {"finding", "note", "warning"}
            What it is; it decides colour and heading.
        text : str
            As for :meth:`text`.
        title : str, optional
            Its heading; the kind if None.

        Raises
        ------
        UsageError
            There is no such kind.
        """
        if kind not in _CALLOUTS:
            raise UsageError(f"There is no callout '{kind}'.", f"Known: {', '.join(_CALLOUTS)}.")
        heading = title or _CALLOUTS[kind]
        rest = text.removeprefix(f"{heading}: ")  # as messages of the command line begin
        if rest != text:
            text = rest[:1].upper() + rest[1:]
        box = {"kind": kind, "title": heading, "html": to_html(text)}
        self.items.append(("callout", box))

    def figure(self, figure: Figure | Axes, *, caption: str, alt: str, wide: bool = False) -> None:
        """Add a figure.

        Parameters
        ----------
        figure : matplotlib.figure.Figure or matplotlib.axes.Axes
            What to show; of Axes, the whole figure that they belong to.
        caption : str
            What to see in it, with inline markup.
        alt : str
            What it shows, for readers who cannot see it.
        wide : bool
            Whether it takes the whole width of the page instead of half.

        Raises
        ------
        InputError
            `alt` is empty, or the Axes belong to no figure.
        """
        from matplotlib.axes import Axes

        from skysift.report.figures import figure_to_svg

        whole = figure.get_figure(root=True) if isinstance(figure, Axes) else figure
        if whole is None:
            raise InputError("The Axes belong to no figure.", "Add them to one.")
        if not alt.strip():
            raise InputError("A figure has no alternative text.", "Say what it shows in `alt`.")
        svg = figure_to_svg(whole, self._page.next_id("figure"), alt)
        shown = _Figure(Markup(svg), to_inline_html(caption), wide)  # noqa: S704 - made by us
        if self.items and self.items[-1][0] == "figures":
            self.items[-1][1].append(shown)
        else:
            self.items.append(("figures", [shown]))

    def table(
        self,
        rows: FeatureTable | Iterable[Mapping[str, Any]],
        *,
        columns: Sequence[Column] | None = None,
        caption: str,
    ) -> None:
        """Add a table that the reader can sort; for the parameters see :func:`build_table`."""
        table: TableView = build_table(rows, columns)
        self.items.append(("table", {"table": table, "caption": to_inline_html(caption)}))

    def details(self, summary: str, *, is_open: bool = False) -> Block:
        """Add a part that unfolds on demand, and return it to be filled."""
        block = Block(self._page, level=self._level)
        self.items.append(("details", {"summary": summary, "block": block, "open": is_open}))
        return block


class Section(Block):
    """A part of the page with a heading and an anchor."""

    def __init__(self, page: Page, title: str, lead: str, *, level: int) -> None:
        super().__init__(page, level=level)
        self.title = title
        self.lead = to_inline_html(lead)
        self.anchor = page.anchor(title)
        self.level = level

    def subsection(self, title: str, *, lead: str = "") -> Section:
        """Add a section one level below, and return it to be filled."""
        section = Section(self._page, title, lead, level=self.level + 1)
        self.items.append(("section", section))
        return section


class Page:
    """A report that grows section by section and is written as one HTML file.

    Parameters
    ----------
    title : str
        The heading.
    subtitle : str
        One line below it: what was done, on which data.
    provenance : mapping, optional
        How the page was made (versions, hashes, command, seeds): text, or a mapping or list of
        texts, by name.
    lang : str
        Language of the text, as in HTML's ``lang``.

    Examples
    --------
    >>> page = Page(title="Gammas from hadrons", provenance={"seed": 1})
    >>> page.hero("The boosted trees keep **54 %** of the gammas.")
    >>> section = page.section("Comparison", lead="All models, the same rows.")
    >>> section.table([{"model": "kNN", "AUC": 0.9}], caption="Test rows.")
    >>> "<h2" in page.to_html()
    True
    """

    def __init__(
        self,
        *,
        title: str,
        subtitle: str = "",
        provenance: Mapping[str, Any] | None = None,
        lang: str = "en",
    ) -> None:
        self.title = title
        self.subtitle = subtitle
        self.provenance = dict(provenance or {})
        self.lang = lang
        self.sections: list[Section] = []
        self._result = Markup()
        self._numbers: tuple[KeyNumber, ...] = ()
        self._anchors: set[str] = {"main", "result", "provenance"}
        self._count = 0

    def hero(self, text: str, numbers: Sequence[KeyNumber] = ()) -> None:
        """Set what the page opens with: the result in one paragraph, and its key numbers."""
        self._result = to_html(text)
        self._numbers = tuple(numbers)

    def section(self, title: str, *, lead: str = "") -> Section:
        """Add a section with an entry in the table of contents, and return it to be filled."""
        section = Section(self, title, lead, level=2)
        self.sections.append(section)
        return section

    def anchor(self, title: str) -> str:
        """Return an anchor made of a title, unique in the page."""
        base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        anchor, i = base, 2
        while anchor in self._anchors:
            anchor, i = f"{base}-{i}", i + 1
        self._anchors.add(anchor)
        return anchor

    def next_id(self, kind: str) -> str:
        """Return an id that no other element of the page has."""
        self._count += 1
        return self.anchor(f"{kind}-{self._count}")

    def to_html(self) -> str:
        """Return the page. The same content gives the same text."""
        from skysift.report.figures import theme_css

        script = _asset("page.js")
        environment = Environment(
            loader=PackageLoader("skysift.report", "assets"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["inline"] = to_inline_html
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        # Our own assets, not the user's text: they go into the page as they are.
        return environment.get_template("page.html.jinja").render(
            page=self,
            result=self._result,
            numbers=self._numbers,
            style=Markup(_asset("page.css")),  # noqa: S704
            light=Markup(theme_css(dark=False)),  # noqa: S704
            dark=Markup(theme_css(dark=True)),  # noqa: S704
            script=Markup(script),  # noqa: S704
            script_hash=digest,
        )

    def write(self, path: str | Path) -> Path:
        """Write the page; a file of that name is replaced at once, or not at all.

        Raises
        ------
        OutputError
            The place cannot be written.
        """
        path = Path(path)
        write_atomic(path, self.to_html())
        return path


def _asset(name: str) -> str:
    return resources.files("skysift.report").joinpath("assets", name).read_text(encoding="utf-8")
