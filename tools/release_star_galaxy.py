"""Store the cross-validation of star-galaxy in the package, with the command that made it.

skysift compare star-galaxy --data ztf-cutouts --out runs/compare
python tools/release_star_galaxy.py runs/compare
"""

import json
import sys
from pathlib import Path

from skysift.core.files import write_atomic
from skysift.report.run_folder import read_run
from skysift.tasks.star_galaxy.pages import result_rows
from skysift.tasks.star_galaxy.scoring import Scored

STORED = Path(__file__).parents[1] / "src/skysift/tasks/star_galaxy/results"


def main(folder: Path) -> None:
    """Write one row for each model, the best first."""
    record = read_run(folder)
    scored = Scored.from_run(record)
    found = {
        "command": record.provenance["command"],
        "data": scored.data,
        "split": scored.split,
        "n": len(scored.is_galaxy),
        "rows": result_rows(scored),
    }
    name = "cross_validation_by_exposure" if "exposure" in scored.split else "cross_validation"
    STORED.mkdir(exist_ok=True)
    write_atomic(STORED / f"{name}.json", json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
