"""A little markup for running text: paragraphs, lists, bold, emphasis, code, links."""

import re

from markupsafe import Markup, escape

__all__ = ["to_html", "to_inline_html"]

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\(((?:https?://|mailto:|#)[^\s()]+)\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])")
_PERCENT = re.compile(r"(?<=\d) (?=%)")
_BULLET = re.compile(r"^[-*] +")


def to_html(text: str) -> Markup:
    """Return text as HTML: blank lines part paragraphs, lines that begin with ``- `` make a list.

    All else is escaped. Links lead to http, https, mailto and anchors only.

    Examples
    --------
    >>> print(to_html("A **bold** claim, 1 < 2."))
    <p>A <strong>bold</strong> claim, 1 &lt; 2.</p>
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    return Markup("\n").join(_block(block) for block in blocks if block.strip())


def to_inline_html(text: str) -> Markup:
    """Return one run of text as HTML, without paragraphs.

    Examples
    --------
    >>> print(to_inline_html("see `--seed` <now>"))
    see <code>--seed</code> &lt;now&gt;
    """
    pieces = _CODE.split(text)
    out = Markup()
    for i, piece in enumerate(pieces):
        if i % 2:
            out += Markup("<code>{}</code>").format(piece)
        else:
            out += _spans(piece)
    return out


def _block(block: str) -> Markup:
    lines = [line.strip() for line in block.splitlines()]
    if not all(_BULLET.match(line) for line in lines):
        return Markup("<p>{}</p>").format(to_inline_html(" ".join(lines)))
    items = Markup().join(
        Markup("<li>{}</li>").format(to_inline_html(_BULLET.sub("", line))) for line in lines
    )
    return Markup("<ul>{}</ul>").format(items)


def _spans(text: str) -> Markup:
    """Mark up text that holds no code; escaping comes first, so that only our own tags remain."""
    html = _PERCENT.sub("\N{NO-BREAK SPACE}", str(escape(text)))
    html = _LINK.sub(r'<a href="\2">\1</a>', html)
    html = _BOLD.sub(r"<strong>\1</strong>", html)
    html = _EMPHASIS.sub(r"<em>\1</em>", html)
    return Markup(html)  # noqa: S704 - escaped above
