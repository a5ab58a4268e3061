"""The end of the page: how to repeat the run, and where it came from."""

from typing import Any

from skysift.report import Page
from skysift.report.run_folder import RunRecord

__all__ = ["add_repeat", "provenance"]


def add_repeat(page: Page, record: RunRecord) -> None:
    """Add how to repeat the run and draw the page again."""
    command = record.provenance.get("command", "")
    steps = [f"- Again from the start: `{command}`" if command else ""]
    steps.append(f"- This page alone, from what is stored: `skysift report {record.folder.name}`")
    page.section("How to repeat this").text("\n".join(step for step in steps if step))


def provenance(record: RunRecord) -> dict[str, Any]:
    """Return how the run was made, for the foot of the page."""
    given = record.provenance
    facts = {
        "Command": given.get("command"),
        "Started, stopped": " to ".join(
            f"{str(given[key])[:19].replace('T', ' ')} UTC"
            for key in ("started", "stopped")
            if given.get(key)
        ),
        "Inputs": [
            f"{one.get('path', '')}, SHA-256 {one.get('sha256')}"
            for one in given.get("inputs") or ()
        ],
        "Seeds": {key: str(seed) for key, seed in (given.get("seeds") or {}).items()},
        "skysift": given.get("skysift"),
        "Packages": given.get("packages"),
        "Machine": ", ".join(str(given[key]) for key in ("platform", "cpu") if given.get(key)),
        "Python": given.get("python"),
    }
    return {name: value for name, value in facts.items() if value}
