"""What closes the report of any task: how to repeat the run, and where it came from."""

from collections.abc import Mapping, Sequence
from typing import Any

from skysift.report.page import Page, Section
from skysift.report.run_folder import RunRecord

__all__ = ["add_how_to_repeat", "provenance_facts"]


def add_how_to_repeat(page: Page, record: RunRecord, further: Sequence[str] = ()) -> Section:
    """Add how to repeat a run and how to draw its page again.

    Parameters
    ----------
    page : Page
        Where to.
    record : RunRecord
        The run.
    further : sequence of str
        What else there is to know, each an item of the list.

    Returns
    -------
    Section
        For notes below the list.
    """
    command = record.provenance.get("command", "")
    steps = [f"Again from the start: `{command}`"] if command else []
    steps.append("This page alone, from what is stored, in its folder: `skysift report .`")
    section = page.section("How to repeat this")
    section.text("\n".join(f"- {step}" for step in (*steps, *further)))
    return section


def provenance_facts(record: RunRecord) -> dict[str, Any]:
    """Return how a run was made, for the foot of its page; what is not known is left out."""
    given: Mapping[str, Any] = record.provenance
    facts = {
        "Command": given.get("command"),
        "Started, stopped": " to ".join(
            _time(given[key]) for key in ("started", "stopped") if given.get(key)
        ),
        "Inputs": [_input(one) for one in given.get("inputs") or ()],
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
