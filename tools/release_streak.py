"""Store the default bundle of streak in the package: made, trained and measured by these commands.

skysift simulate streak --base ztf_alerts.parquet --sources cutouts.tar.gz --seed 11 --out streaks
skysift train streak --data streaks/train.parquet --seed 11 --out trained
python tools/release_streak.py trained
skysift evaluate streak --data streaks/test.parquet --out runs/streaks
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from skysift.core.bundle_schema import DataLicence
from skysift.core.registry import load_task

STORED = Path(__file__).parents[1] / "src/skysift/tasks/streak/bundles/default"
LICENCE = DataLicence(
    licence="streaks simulated; skies of ZTF public alerts; stars and galaxies MIT (LLNL)",
    citation="Masci et al. 2019, PASP 131, 018003; Patterson et al. 2019, PASP 131, 018001; "
    "Goumiri et al. 2021, arXiv:2105.01106",
)


def main(trained: Path) -> None:
    """Replace the shipped bundle by a trained one, with the licence of what it was trained on."""
    task = load_task("streak")
    model = replace(task.load(trained), data_licence=LICENCE)
    shutil.rmtree(STORED, ignore_errors=True)
    task.save(model, STORED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
