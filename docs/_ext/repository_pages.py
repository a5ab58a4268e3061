"""Pages that are made of what is elsewhere in the repository: model cards and the command line.

Links of the pages are written so that they hold when a page is read as a file; where they leave
``docs/``, they are turned here into links to the page, or the file, of the site.
"""

import re
from pathlib import Path

import typer
from sphinx.application import Sphinx
from typer.testing import CliRunner

from skysift.cli.main import build_app
from skysift.core.registry import list_tasks

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
TASKS = ROOT / "src" / "skysift" / "tasks"
CARD = re.compile(r"\]\((?:\.\./)+src/skysift/tasks/(\w+)/bundles/([\w-]+)/card\.md\)")
OUTSIDE = re.compile(r"\]\((?:\.\./)+(CONTRIBUTING|CHANGELOG)\.md(#[\w-]+)?\)")
OF_A_TASK = ("predict", "evaluate", "train", "compare", "explore", "audit", "simulate", "watch")
COMMANDS = """# The command line

What `skysift VERB TASK --help` prints, of this revision.
"""
CARDS = """# Model cards

What each bundle that ships is for, what it was trained on, and what it cannot do. The same text
lies in the bundle as `card.md`.

```{{toctree}}
:maxdepth: 1

{}
```
"""


def card_page(task: str, bundle: str) -> str:
    """Return the page of the card of a bundle, from the root of the site."""
    return f"/reference/cards/{task.replace('_', '-')}-{bundle}.md"


def write_cards(folder: Path) -> None:
    """Write one page for each bundle that ships, and their list."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for card in sorted(TASKS.glob("*/bundles/*/card.md")):
        bundle, task = card.parent.name, card.parents[2].name
        name = Path(card_page(task, bundle)).stem
        text = card.read_text(encoding="utf-8")
        changed(folder / f"{name}.md", text)
        names.append(name)
    changed(folder / "index.md", CARDS.format("\n".join(names)))


def help_of(*words: str) -> str:
    """Return what the program says of a verb."""
    arguments = [*words, "--help"]
    shown = CliRunner().invoke(build_app(arguments), arguments, prog_name="skysift")
    return f"```text\n{shown.output.strip()}\n```\n"


def write_help(page: Path) -> None:
    """Write what ``skysift --help`` says, verb by verb and task by task."""
    parts = [COMMANDS, help_of()]
    tasks = [task.name for task in list_tasks()]
    for verb in sorted(typer.main.get_command(build_app()).commands):
        parts.append(f"## skysift {verb}\n")
        if verb in OF_A_TASK:
            parts += [f"### {verb} {task}\n\n{help_of(verb, task)}" for task in tasks]
        else:
            parts.append(help_of(verb))
    changed(page, "\n".join(parts))


def changed(path: Path, text: str) -> None:
    """Write a file if it would change, so that Sphinx does not read it again for nothing."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def make_pages(_app: Sphinx) -> None:
    """Write the pages that are made of other files."""
    write_cards(DOCS / "reference" / "cards")
    write_help(DOCS / "reference" / "command-line.md")


def site_links(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Turn links that leave the folder of the pages into those of the site."""
    text = CARD.sub(lambda found: f"]({card_page(found[1], found[2])})", source[0])
    source[0] = OUTSIDE.sub(
        lambda found: f"](/reference/{found[1].lower()}.md{found[2] or ''})", text
    )


def borrowed(_app: Sphinx, _what: str, name: str, *_: object) -> bool | None:
    """Leave out what scikit-learn adds to each estimator: its pages are not here to link to."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when."""
    app.connect("builder-inited", make_pages)
    app.connect("source-read", site_links)
    app.connect("autodoc-skip-member", borrowed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
