"""The end of the page: what models see, how to repeat the run, and where it came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from skysift.report import Column, Page
from skysift.report.run_folder import RunRecord
from skysift.tasks.gamma_hadron.features import FEATURES, select
from skysift.tasks.gamma_hadron.options import Mode
from skysift.tasks.gamma_hadron.pages.study import DRAWS, SEED

__all__ = ["add_features", "add_repeat", "provenance"]


def add_features(page: Page, columns: Sequence[str] | None, mode: Mode) -> None:
    """Add the table of features.

    Parameters
    ----------
    page : Page
        Where to.
    columns : sequence of str, optional
        Columns of the events; features that they do not give are left out.
    mode : {"source-dependent", "source-independent"}
        Mode of the model that the page is about.
    """
    names = {feature.name for feature in FEATURES}
    if columns is not None:
        names = set(select(columns, mode))
    shown = [feature for feature in FEATURES if feature.name in names]
    if not shown:
        return
    section = page.section(
        "What the models see",
        lead=f"{len(shown)} features, each with a reason: the image parameters and what analysts "
        "make of them.",
    )
    section.details(f"All {len(shown)} features").table(
        [
            {
                "name": feature.name,
                "formula": feature.formula,
                "reason": feature.reason,
                "position": "yes" if feature.source_dependent else "",
            }
            for feature in shown
        ],
        columns=[
            Column("name", "Feature"),
            Column("formula", "Formula"),
            Column("reason", "Why"),
            Column("position", "Needs the source position"),
        ],
        caption="Features that can be made of the columns of these events, in the order of the "
        "models' matrix.",
    )


def add_repeat(page: Page, record: RunRecord, rows: str | None) -> None:
    """Add how to repeat the run and draw the page again."""
    section = page.section("How to repeat this")
    command = record.provenance.get("command", "")
    steps = [f"- Again from the start: `{command}`" if command else ""]
    steps.append(f"- This page alone, from what is stored: `skysift report {record.folder.name}`")
    if rows:
        steps.append(f"- Rows that were scored: {rows}")
    seeds = record.provenance.get("seeds") or {}
    if seeds:
        steps.append(f"- Seed of the run: {', '.join(str(seed) for seed in seeds.values())}")
    steps.append(
        f"- Seed of all that this page draws: {SEED}; {DRAWS} bootstrap draws, 95 % intervals"
    )
    section.text("\n".join(step for step in steps if step))
    for note in record.facts.get("notes", []):
        section.callout("note", str(note))


def provenance(record: RunRecord) -> dict[str, Any]:
    """Return how the run was made, for the foot of the page."""
    given: Mapping[str, Any] = record.provenance
    inputs = [_input(one) for one in given.get("inputs") or ()]
    facts = {
        "Command": given.get("command"),
        "Started, stopped": " to ".join(
            _time(given[key]) for key in ("started", "stopped") if given.get(key)
        ),
        "Inputs": inputs,
        "Seeds": {key: str(seed) for key, seed in (given.get("seeds") or {}).items()},
        "skysift": given.get("skysift"),
        "Packages": given.get("packages"),
        "Machine": ", ".join(str(given[key]) for key in ("platform", "cpu") if given.get(key)),
        "Python": given.get("python"),
    }
    return {name: value for name, value in facts.items() if value}


def _time(stamp: Any) -> str:
    """Return a time to the second; the record has it in UTC."""
    return f"{str(stamp)[:19].replace('T', ' ')} UTC"


def _input(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    digest = entry.get("sha256")
    return f"{entry.get('path', '')}{f', SHA-256 {digest}' if digest else ''}"
