"""Links of the pages lead somewhere, and their tables say what is stored."""

import importlib
import json
import re
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from skysift.cli.main import build_app
from skysift.core.bundle import Bundle
from skysift.core.registry import bundle_folder, list_tasks

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MADE = (
    "reference/cards/",
    "reference/gallery/",
    "reference/command-line.md",
    "reference/api/generated/",
)
PAGES = sorted(
    path
    for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    if not path.relative_to(ROOT).as_posix().startswith(tuple(f"docs/{made}" for made in MADE))
)
FENCE = re.compile(r"^(```|:::).*?^\1\s*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def anchors(page):
    """Anchors that headings have, as GitHub and the site make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for title in HEADING.findall(text):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def links(page):
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    return LINK.findall(re.sub(r"`[^`\n]*`", "", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in links(page):
        if re.match(r"[a-z]+://", link):
            assert re.fullmatch(r"https?://[\w.-]+\.[a-z]+(?:/[^\s<>]*)?", link), link
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        inside = target.relative_to(DOCS).as_posix() if target.is_relative_to(DOCS) else ""
        if inside.startswith(MADE):
            continue  # made when the site is built, which checks them
        assert target.exists(), f"{page.name}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in set(anchors(target)), f"{page.name}: {link}"


@cache
def help_of(*words):
    arguments = [*words, "--help"]
    shown = CliRunner().invoke(build_app(arguments), arguments, env={"COLUMNS": "200"})
    return set(re.findall(r"--[a-z][a-z-]*", shown.output))


def commands(page):
    """Commands in fences and in running text, as lists of words, without what follows a #."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for found in re.findall(r"(?:^ *(?:\$ )?|`)skysift ([a-z][^`\n]*)", text, re.MULTILINE):
        yield found.partition(" #")[0].split()


def test_commands_name_options_that_there_are():
    tasks = {task.name for task in list_tasks()}
    verbs = get_command(build_app()).commands
    checked = 0
    for page in PAGES:
        for verb, *words in commands(page):
            if verb not in verbs:
                continue  # a sentence, or what a command prints
            named = [task for word in words if (task := word.partition("/")[0]) in tasks]
            parts = [word for word in words[:1] if word in getattr(verbs[verb], "commands", {})]
            if verb == "audit" and not named:
                parts = words[:1]  # any labelled data
            known = help_of(verb, *(named or parts)[:1])
            options = {word.partition("=")[0] for word in words if re.match("--[a-z]", word)}
            assert options <= known, f"{page.name}: skysift {verb} {' '.join(words)}"
            checked += len(options)
    assert checked > 200


def test_every_page_is_in_the_table_of_contents_of_another():
    told = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for listing in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in listing.splitlines():
                name = re.sub(r".*<(.*)>", r"\1", line.strip())
                if name and not name.startswith(":"):
                    told |= {path.resolve() for path in page.parent.glob(f"{name}.md")}
    pages = {page for page in PAGES if page.is_relative_to(DOCS)} - {DOCS / "index.md"}
    assert pages <= told, pages - told


def test_tables_of_measured_numbers_are_those_that_are_stored(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "_ext")
    measured = importlib.import_module("measured")
    filled = [page for page in PAGES if "\n<!-- measured: " in page.read_text(encoding="utf-8")]
    assert filled
    for page in filled:
        text = page.read_text(encoding="utf-8")
        assert measured.filled(text) == text, f"{page}: python docs/_ext/measured.py"


def test_what_stress_did_is_told_of_the_bundles_that_ship():
    stored = json.loads((DOCS / "measured/stress.json").read_text(encoding="utf-8"))
    assert stored.keys() == {task.name for task in list_tasks()}
    for name, told in stored.items():
        assert told["bundle"] == Bundle.load(bundle_folder(name), task=name).hash, name
