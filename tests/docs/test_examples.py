"""The examples of tutorials, and of pages that say so, run and print what stands below them.

A page says so by ``<!-- examples are tests -->``. It is read as a user would type it: fences of
`console` are commands after ``$``, with what they print below; a fence of `python` is run, and a
fence of `text` right after it is what it prints; a fence of `toml` whose first line is
``# NAME.toml`` is saved under that name. ``...`` stands for anything. What takes long stands after
the line ``<!-- slow -->``: it is run where SKYSIFT_EXAMPLES is "all", as by ``make docs``.
"""

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from skysift.cli.main import main
from skysift.core.registry import list_tasks

DOCS = Path(__file__).parents[2] / "docs"
TYPED = "<!-- examples are tests -->"
PAGES = sorted(
    page
    for page in DOCS.rglob("*.md")
    if (page.parent.name == "tutorials" and page.stem != "index")
    or TYPED in page.read_text(encoding="utf-8")
)
FENCE = re.compile(
    r"^(?P<slow><!-- slow -->\n)?```(?P<kind>console|python|text|toml)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    kind: str
    body: str
    slow: bool
    line: int


def blocks_of(text):
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["kind"], found["body"], bool(found["slow"]), line)


def commands_of(body):
    """Commands of a console, each with what it prints; after a backslash a line goes on."""
    joined = body.replace("\\\n", " ")
    for part in re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


class Reader:
    """Somebody who types the examples of one page into an empty folder."""

    def __init__(self, folder, capsys, monkeypatch):
        self.names = {"__name__": "__main__"}
        self.folder, self.capsys, self.monkeypatch = folder, capsys, monkeypatch

    def type(self, block):
        if block.kind == "console":
            for command, printed in commands_of(block.body):
                yield printed, self.run(command)
        elif block.kind == "python":
            self.capsys.readouterr()
            exec(compile(block.body, "<example>", "exec"), self.names)  # noqa: S102 our own pages
            self.printed = self.capsys.readouterr().out
        elif block.kind == "text":
            yield block.body, self.printed
        elif found := re.match(r"# ([\w.-]+\.toml)\n", block.body):
            (self.folder / found[1]).write_text(block.body)

    def run(self, command):
        shown = command if not command.startswith("skysift ") else f"printf '%s\\0' {command}"
        done = subprocess.run(["bash", "-ec", shown], capture_output=True, text=True, check=True)
        if shown == command:
            return done.stdout
        self.monkeypatch.setattr(sys, "argv", done.stdout.split("\0")[:-1])
        self.capsys.readouterr()
        code = None
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        printed = self.capsys.readouterr()
        if code:
            pytest.fail(f"{command}\n{printed.out}{printed.err}")
        return printed.out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_the_examples_of_a_page_run_and_print_what_it_says(page, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("SKYSIFT_MIRROR", raising=False)
    reader = Reader(tmp_path, capsys, monkeypatch)
    check = doctest.OutputChecker()
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.slow and os.environ.get("SKYSIFT_EXAMPLES") != "all":
            continue
        for expected, printed in reader.type(block):
            if expected:
                fits = check.check_output(expected, printed, FLAGS)
                assert fits, f"{page.name}, line {block.line} says\n{expected}\nand is\n{printed}"


def test_there_is_a_tutorial_for_each_task():
    tutorials = {page.stem for page in PAGES if page.parent.name == "tutorials"}
    assert tutorials == {task.name for task in list_tasks()}
