"""Store what the pages say of the shipped bundles under stress, from runs of ``skysift stress``.

    skysift stress gamma-hadron/default --data magic --rows test --most 4000 --out runs/stress
    python tools/release_stress.py runs/stress
    python docs/_ext/measured.py

The commands of the other tasks are in docs/stress.md. A run replaces what is stored of its task.
"""

import json
import re
import sys
from pathlib import Path

from skysift.report.run_folder import read_run

STORED = Path(__file__).parents[1] / "docs/measured/stress.json"
NUMBERS = ("value", "low", "high", "change", "change_low", "change_high")


def kept(folder: Path) -> tuple[str, dict[str, object]]:
    """Return the task of a run, and what is stored of it."""
    record = read_run(folder)
    facts = record.facts
    rows = [
        [row["shift"], row["size"], row["metric"], *(_rounded(row[name]) for name in NUMBERS)]
        for row in facts["rows"]
    ]
    return record.task, {
        "command": re.sub(r"(?<=\s)/\S*/", "", record.provenance["command"]),
        "bundle": facts["bundle"],
        "data": facts["data"],
        "none": {one["name"]: one["none"] for one in facts["shifts"]},
        "rows": rows,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main(folders: list[Path]) -> None:
    """Store runs."""
    found = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else {}
    found |= dict(kept(folder) for folder in folders)
    text = json.dumps(dict(sorted(found.items())), indent=1)
    lines = re.sub(r"\[\s+([^][]*?)\s+\]", lambda row: f"[{_one_line(row[1])}]", text)
    STORED.write_text(lines + "\n", encoding="utf-8")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
