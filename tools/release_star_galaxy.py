"""Put what was measured or trained for star-galaxy into the package.

    skysift compare star-galaxy --data ztf-cutouts --out runs/compare
    python tools/release_star_galaxy.py runs/compare

stores the cross-validation with the command that made it (also with ``--by exposure``), and

    skysift train star-galaxy --data ztf-cutouts --out bundles/default
    python tools/release_star_galaxy.py bundles/default

replaces the shipped bundle, after it was loaded once.
"""

import json
import shutil
import sys
from pathlib import Path

from skysift.core.files import write_atomic
from skysift.report.run_folder import read_run
from skysift.tasks.star_galaxy.model import load_bundle
from skysift.tasks.star_galaxy.pages import result_rows
from skysift.tasks.star_galaxy.scoring import Scored

TASK = Path(__file__).parents[1] / "src/skysift/tasks/star_galaxy"
MANIFEST = "bundle.json"


def store_results(folder: Path) -> None:
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
    (TASK / "results").mkdir(exist_ok=True)
    write_atomic(TASK / "results" / f"{name}.json", json.dumps(found, indent=1) + "\n")


def ship_bundle(folder: Path) -> None:
    """Replace the shipped bundle of the same name."""
    model = load_bundle(folder)
    shipped = TASK / "bundles" / model.name
    shutil.rmtree(shipped, ignore_errors=True)
    shutil.copytree(folder, shipped)
    size = sum(file.stat().st_size for file in shipped.iterdir())
    sys.stdout.write(f"{shipped.name}: {model.family}, {size / 1e6:.2f} MB\n")


if __name__ == "__main__":
    given = Path(sys.argv[1])
    (ship_bundle if (given / MANIFEST).is_file() else store_results)(given)
