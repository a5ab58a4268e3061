"""Put a calibrated bundle in the place of the shipped one, of which it may change nothing else.

    skysift calibrate gamma-hadron/default --data magic --rows test --out default
    python tools/release_coverage.py default

The commands for every shipped bundle are in docs/conformal.md.
"""

import shutil
import sys
from pathlib import Path

from skysift.core.bundle import Bundle
from skysift.core.conformal import CONFORMAL_FILE, promises_of
from skysift.core.registry import bundle_folder

OTHER = {CONFORMAL_FILE, "card.md"}


def main(folder: Path) -> None:
    """Replace the shipped bundle of the same task and name."""
    made = Bundle.load(folder)
    shipped = Bundle.load(bundle_folder(made.manifest.task, made.name))
    described = [one.manifest.model_dump(exclude={"files"}) for one in (made, shipped)]
    files = [
        {name: file.sha256 for name, file in one.manifest.files.items() if name not in OTHER}
        for one in (made, shipped)
    ]
    if described[0] != described[1] or files[0] != files[1] or not promises_of(made):
        raise SystemExit("this is not the shipped bundle with a calibration added")
    for name in (CONFORMAL_FILE, "card.md", "bundle.json"):
        shutil.copyfile(made.folder / name, shipped.folder / name)
    Bundle.load(shipped.folder)
    sys.stdout.write(f"{made.manifest.task}/{made.name}: {made.hash}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
