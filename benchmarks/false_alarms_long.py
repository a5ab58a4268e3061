"""Count candidates in long exposures of empty fields, against the number that is stated.

The evaluation counts them in 100 s. What the fitted background leaves of its shape grows with the
exposure, so half an hour is another question::

    python -m benchmarks.false_alarms_long --irf Prod5-North-20deg.fits.gz --maps 1600

The search is the default one with its shipped calibration, told the response and not.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from skysift.core.registry import bundle_folder
from skysift.data.irf.gadf import GadfResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.evaluation.contestants import main_contestants
from skysift.tasks.gamma_sky.evaluation.false_alarms import count_false_alarms
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.model import TASK, load_bundle

BANDS = (0.04, 10.0, 8)  # TeV, TeV, number: the defaults of skysift predict
POINTING = Pointing(80.0, 20.0, 20.0)


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--irf", type=Path, required=True, help="GADF response file")
    parser.add_argument("--seconds", type=float, default=1800.0, help="exposure of a field")
    parser.add_argument("--maps", type=int, default=1600, help="empty fields")
    parser.add_argument("--seed", type=int, default=22)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/false_alarms_long.json"))
    given = parser.parse_args()
    setup = FieldSetup(
        TangentGrid(POINTING.ra, POINTING.dec),
        POINTING,
        energy_bands(*BANDS),
        given.seconds,
        GadfResponse.read(given.irf),
    )
    trials = load_bundle(bundle_folder(TASK)).trials
    settings = SearchSettings(false_alarms=0.3)
    found = count_false_alarms(
        setup,
        partial(main_contestants, trials=trials, settings=settings),
        given.maps,
        np.random.default_rng(given.seed),
        scales=(1.0,),
    )
    facts = {
        "command": f"python -m benchmarks.false_alarms_long --irf {given.irf.name} "
        f"--seconds {given.seconds:g} --maps {given.maps} --seed {given.seed}",
        "seconds": given.seconds,
        **found.facts,
    }
    given.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for row in found.facts["rates"]:
        print(row)


if __name__ == "__main__":
    main()
