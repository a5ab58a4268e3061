"""The little markup gives only our own tags, whatever it is fed."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.report.markup import to_html, to_inline_html

ALLOWED = {"p", "ul", "li", "strong", "em", "code", "a"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("**a** and *b*", "<p><strong>a</strong> and <em>b</em></p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("`**raw** <b>`", "<p><code>**raw** &lt;b&gt;</code></p>"),
        ("[x](https://a.org/?p=1&q=2)", '<p><a href="https://a.org/?p=1&amp;q=2">x</a></p>'),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("[x](#there)", '<p><a href="#there">x</a></p>'),
        ("5 % of", "<p>5\N{NO-BREAK SPACE}% of</p>"),
        ("", ""),
    ],
)
def test_markup(text, html):
    assert str(to_html(text)) == html


def test_a_quote_cannot_leave_its_attribute():
    html = str(to_inline_html('[x](https://a.org/"onclick="alert(1))'))
    assert '"onclick' not in tags_of(html)


def tags_of(html: str) -> str:
    """Return the tags alone, as a browser reads them."""
    return "".join(re.findall(r"<[^>]*>", html))


class Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.words.append(data)


fragments = st.lists(
    st.sampled_from(
        [
            "<script>",
            "</p>",
            '"',
            "'",
            "&",
            "**",
            "*",
            "`",
            "[",
            "](",
            ")",
            "https://a",
            "- ",
            "\n\n",
            "x ",
            "<img onerror=",
        ]
    )
    | st.text(max_size=4),
    max_size=12,
).map("".join)


@given(fragments)
def test_only_allowed_tags_come_out(text):
    for tag, attributes in Seen(str(to_html(text))).tags:
        assert tag in ALLOWED
        assert attributes == (("href",) if tag == "a" else ())


@given(st.text(alphabet=st.characters(exclude_characters="*`[%\r\0", exclude_categories=["Cs"])))
def test_text_without_marks_survives(text):
    assert unescape(str(to_inline_html(text))) == text
