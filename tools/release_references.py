"""Put into the shipped bundles how their training data lay, for which no model is trained again.

`skysift train` writes the same into every bundle that it makes. Here only ``bundle.json`` changes::

    python tools/release_references.py gamma-sky
    python tools/release_references.py streak streaks/train.parquet
    python tools/release_references.py active-region FOLDER REGIONS.csv QUIET.csv
"""

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from skysift.core.bundle import Bundle, write_bundle
from skysift.core.bundle_schema import BundleSpec, Distribution
from skysift.core.registry import bundle_folder
from skysift.models.reference import distributions
from skysift.tasks.active_region.disks import brightness_quantiles
from skysift.tasks.active_region.options import ReadOptions as SolarReadOptions
from skysift.tasks.active_region.reader import read_disks
from skysift.tasks.gamma_sky.options import ReadOptions as SkyReadOptions
from skysift.tasks.gamma_sky.training import reference_of
from skysift.tasks.streak.options import ReadOptions as StreakReadOptions
from skysift.tasks.streak.stamps import read_stamps
from skysift.tasks.streak.training import seen_of


def of_gamma_sky() -> Mapping[str, Distribution]:
    """Return the energies of a simulated field."""
    return reference_of(SkyReadOptions(), np.random.default_rng(0))


def of_streak(bundle: Bundle, stamps: str) -> Mapping[str, Distribution]:
    """Return the features of the stamps that the bundle was trained on."""
    found = read_stamps([Path(stamps)], StreakReadOptions())
    if found.images.sha256(found.label) != bundle.manifest.training.sha256:
        raise SystemExit("These are not the stamps that the bundle was trained on.")
    return seen_of(found.rows)


def of_active_region(folder: str, regions: str, quiet: str) -> Mapping[str, Distribution]:
    """Return how bright the disks are that the bundle was trained on."""
    options = SolarReadOptions(regions=regions, quiet=quiet, before=date(2014, 7, 1))
    return distributions(brightness_quantiles(read_disks([Path(folder)], options).maps))


def main(task: str, *data: str) -> None:
    """Write the default bundle of a task again, with its reference."""
    folder = bundle_folder(task)
    bundle = Bundle.load(folder, task=task)
    match task:
        case "gamma-sky":
            reference = of_gamma_sky()
        case "streak":
            reference = of_streak(bundle, *data)
        case _:
            reference = of_active_region(*data)
    told = bundle.manifest.model_dump(exclude={"files", "schema_version"})
    spec = BundleSpec.model_validate({**told, "reference": reference})
    members = {name: bundle.read_bytes(name) for name in bundle.manifest.files if name != "card.md"}
    write_bundle(folder, spec, members, bundle.card, overwrite=True)
    sys.stdout.write(f"{task}: {', '.join(reference)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
