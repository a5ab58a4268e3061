"""The page is complete in itself, safe, the same each time, and well-formed for every reader."""

import base64
import hashlib
import itertools
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from skysift.core.errors import InputError, OutputError, UsageError
from skysift.core.results import Metric
from skysift.report import Column, KeyNumber, Page, plots

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Outline(HTMLParser):
    """Collects what the tests ask for, and that every tag is closed by its own end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] for _, a in self.tags if a.get(attribute) is not None]


def sample_axes():
    x = np.linspace(0, 1, 20)
    return plots.plot_learning_curve({"a": plots.Series(x + 1, x, x - 0.1, x + 0.1)})


def sample_page(text: str = "plain") -> Page:
    page = Page(
        title=f"Gammas {text}",
        subtitle=text,
        provenance={"Command": text, "Versions": {"skysift": "0.1"}, "Inputs": [text, "b"]},
    )
    page.hero(f"It **works** {text}", [KeyNumber(text, "0.95", "0.94 to 0.96", text)])
    section = page.section("Comparison", lead=text)
    for _ in range(2):
        section.figure(sample_axes(), caption=text, alt=text)
    section.table(
        [
            {"model": text, "auc": Metric("auc", 0.9, 0.8, 0.95), "n": 9},
            {"model": "kNN", "auc": Metric("auc", 0.85, 0.8, 0.9), "n": 10},
        ],
        columns=[
            Column("model", text),
            Column("auc", "AUC", format=".3f", best="max", bar=True),
            Column("n", unit=text),
        ],
        caption=text,
    )
    section.callout("warning", text, title=text)
    section.subsection("Comparison").text(text)
    section.details(text).text(f"[a link](https://example.org) {text}")
    page.section("Comparison")
    return page


@pytest.fixture(scope="module")
def html() -> str:
    return sample_page().to_html()


@pytest.fixture(scope="module")
def outline(html) -> Outline:
    return Outline(html)


def test_nothing_is_loaded_from_anywhere(html, outline):
    assert not outline.all("link")
    assert not outline.all("iframe")
    assert not [a for a in outline.all("script") if "src" in a]
    assert all(source.startswith("data:") for source in outline.values("src"))
    loaded = [a["href"] for tag, a in outline.tags if tag != "a" and "href" in a]
    assert all(target.startswith(("#", "data:")) for target in loaded)
    assert not re.findall(r"@import|url\((?!#)", html)
    assert re.findall(r"https?://[^\s\"<]+", html) == ["https://example.org"]


def test_the_security_policy_allows_only_our_own_script(html, outline):
    (policy,) = [a["content"] for a in outline.all("meta") if "http-equiv" in a]
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def test_text_from_outside_is_never_markup():
    outline = Outline(sample_page(EVIL).to_html())
    assert len(outline.all("script")) == 1
    assert not outline.all("img")
    assert not outline.values("onerror")


def test_names_inside_figures_are_never_markup():
    page = Page(title="t")
    x = [1.0, 2.0]
    axes = plots.plot_learning_curve({EVIL: plots.Series(x, x), 'a" id="b': plots.Series(x, x)})
    axes.set_xlabel("-->" + EVIL)
    page.section("s").figure(axes, caption="c", alt='say "hi"')
    html = page.to_html()
    outline = Outline(html)
    assert len(outline.all("script")) == 1
    assert "b" not in outline.values("id")
    assert "&lt;script&gt;" in html


def test_ids_are_unique_and_every_reference_has_its_target(html, outline):
    counts = Counter(outline.values("id"))
    assert max(counts.values()) == 1
    references = [target[1:] for target in outline.values("href") if target.startswith("#")]
    references += re.findall(r"url\(#([^)]+)\)", html)
    references += outline.values("aria-labelledby")
    assert len(references) > 20
    assert set(references) <= set(counts)


def test_headings_descend_one_level_at_a_time(outline):
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(levels) == 3
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_contents_list_every_section(outline, html):
    navigation = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r'href="#([^"]+)"', navigation) == [
        "comparison",
        "comparison-3",
        "provenance",
    ]


def test_the_page_says_what_assistive_technology_needs(outline):
    assert outline.all("html")[0]["lang"] == "en"
    assert [a["aria-label"] for a in outline.all("svg")] == ["plain"] * 2
    assert all(a["role"] == "img" for a in outline.all("svg"))
    assert {a["scope"] for a in outline.all("th")} == {"col", "row"}
    assert len(outline.all("caption")) == len(outline.all("table")) == 1
    assert outline.all("main")
    assert any("width=device-width" in (a.get("content") or "") for a in outline.all("meta"))


def test_the_same_content_gives_the_same_bytes(html):
    assert sample_page().to_html() == html
    assert not re.search(r"20\d\d-\d\d-\d\dT", html)


def test_both_modes_define_every_colour_that_the_figures_use(html):
    used = set(re.findall(r"var\(--plot-([a-z]+)\)", html))
    light = re.search(r":root \{ (--plot.*?)\}", html)[1]
    dark = re.findall(r"\{ (--plot-[^{}]*) color-scheme: dark", html)
    assert len(dark) == 2  # by preference and by choice
    assert used >= {"ink", "muted", "grid", "signal", "background"}
    for name in used:
        assert f"--plot-{name}:" in light
        assert all(f"--plot-{name}:" in block for block in dark)


def test_paper_is_always_light(html):
    rules = re.findall(r"(@media[^{]*)\{ :root[^{]*\{ --plot", html)
    assert len(rules) == 2  # by preference and by choice
    for rule in rules:
        assert rule.startswith("@media screen")


def test_cells_carry_sort_keys_best_and_intervals(html):
    assert re.search(r'class="right barred" data-sort="0.9">', html)
    assert re.search(r'<strong class="best">0.900</strong>\s*<span class="interval">0.800 to', html)
    assert html.count('class="best"') == 1
    assert 'data-sort="10.0"' in html
    assert 'class="cell-bar" aria-hidden="true"' in html


def test_figures_that_follow_one_another_share_a_grid():
    page = Page(title="t")
    section = page.section("s")
    section.figure(sample_axes(), caption="1", alt="1")
    section.figure(sample_axes(), caption="2", alt="2", wide=True)
    section.text("between")
    section.figure(sample_axes(), caption="3", alt="3")
    outline = Outline(page.to_html())
    assert len([a for a in outline.all("div") if a.get("class") == "figures"]) == 2
    assert [a.get("class") for a in outline.all("figure")] == [None, "wide", None]


def test_a_user_may_name_a_section_like_a_figure():
    page = Page(title="t")
    page.section("Figure 1").figure(sample_axes(), caption="c", alt="a")
    outline = Outline(page.to_html())
    assert max(Counter(outline.values("id")).values()) == 1


def test_titles_without_letters_still_have_anchors():
    page = Page(title="t")
    assert [page.section(title).anchor for title in ("???", "±", "Näive")] == [
        "section",
        "section-2",
        "n-ive",
    ]


def test_the_page_is_written_as_it_is_and_nothing_else(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    page = Page(title="Äther, 5 µs")
    assert page.write(str(path)) == path
    assert path.read_bytes() == page.to_html().encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        Page(title="t").write(tmp_path / "nowhere" / "report.html")


def test_a_box_does_not_say_its_heading_twice():
    page = Page(title="A", subtitle="B")
    page.section("C").callout("warning", "Warning: these numbers flatter it.")
    html = page.to_html()
    assert "These numbers flatter it." in html
    assert "Warning:" not in html


def test_misuse_is_explained():
    section = Page(title="t").section("s")
    with pytest.raises(UsageError, match="Known: finding, note, warning"):
        section.callout("danger", "text")
    with pytest.raises(InputError, match="`alt`"):
        section.figure(Figure(), caption="c", alt=" ")


def test_an_empty_page_is_still_a_page():
    outline = Outline(Page(title="Nothing yet").to_html())
    assert not outline.all("footer")
    assert len(outline.all("h1")) == 1
    targets = set(outline.values("id"))
    assert {h[1:] for h in outline.values("href")} <= targets
