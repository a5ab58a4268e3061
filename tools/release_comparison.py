"""Store the cross-validation of a run in the package, for reports that cannot wait for it.

skysift compare gamma-hadron --data magic --cv --no-tune --no-notebook --out runs/long
python tools/release_comparison.py runs/long
"""

import json
import sys
from pathlib import Path

from skysift.report.run_folder import read_run

STORED = Path(__file__).parents[1] / "src/skysift/tasks/gamma_hadron/results/cross_validation.json"


def main(folder: Path) -> None:
    """Write the results that the reports quote."""
    found = read_run(folder).facts["cross_validation"]
    command = found["command"].replace(f" --out {folder}", "")
    text = json.dumps({**found, "command": command}, indent=1) + "\n"
    STORED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
