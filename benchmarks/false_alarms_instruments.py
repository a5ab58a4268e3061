"""False alarms of a search that is told nothing, over instruments that it was not made for.

Without a response the shape of the background is supposed, and the photons have to correct it. What
an instrument that is quite another one leaves of the shape passes for sources. Here many are drawn,
from the arrays of the CTA Observatory to H.E.S.S. and MAGIC, and empty fields are searched as each
of them sees these::

    python -m benchmarks.false_alarms_instruments

As in a prediction, a field that ends within its map is searched only up to where its photons stop.
The search is the default one with its shipped calibration, which saw one instrument only, and
beside it one that believes more of the supposed shape, as the default once did. How much is
believed was chosen on other draws (``--seed 6 --shape 0.6 1.2 2.5 5 10``, ADR 4).
"""

import argparse
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.localisation import poisson_interval
from skysift.models.sky.places import Places
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.preprocess.sky_background import FROM_THE_MAP, BackgroundPrior
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

BANDS = (0.04, 10.0, 8)  # TeV, TeV, number: the defaults of skysift predict
POINTING = Pointing(0.0, 0.0, 20.0)
STATED = (0.01, 0.1)
SECONDS = (10.0, 30.0, 100.0, 600.0, 1800.0)
_LOOSE = SearchSettings(false_alarms=0.3, fit=False, psf_known=False)
SHAPES = (FROM_THE_MAP.shape, 0.6)


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instruments", type=int, default=60)
    parser.add_argument("--fields", type=int, default=100, help="of each instrument and exposure")
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument(
        "--shape", type=float, nargs="+", default=SHAPES, help="standard deviation of shape terms"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/false_alarms_instruments.json")
    )
    given = parser.parse_args()
    trials = load_bundle(bundle_folder(TASK)).trials
    rows = []
    for seconds in SECONDS:
        drawn = [
            alarms_of(given.fields, seconds, given.shape, trials, seed=(given.seed, number))
            for number in range(given.instruments)
        ]
        for shape, alarms in zip(given.shape, zip(*drawn, strict=True), strict=True):
            rows += [{"shape": shape, **row} for row in told(alarms, seconds, given.fields)]
            print(*rows[-len(STATED) :], sep="\n", flush=True)
    facts = {
        "command": f"python -m benchmarks.false_alarms_instruments --instruments "
        f"{given.instruments} --fields {given.fields} --seed {given.seed} --shape "
        + " ".join(f"{shape:g}" for shape in given.shape),
        "instruments": given.instruments,
        "fields": given.fields,
        "rates": rows,
    }
    write_atomic(given.out, json.dumps(facts, indent=1) + "\n")


def alarms_of(
    fields: int,
    seconds: float,
    shapes: Sequence[float],
    trials: TrialsTable,
    *,
    seed: tuple[int, int],
) -> list[NDArray[np.float64]]:
    """Return, for each prior, the false-alarm numbers found on empty fields of an instrument."""
    rng = np.random.default_rng(seed)
    drawn = AnalyticResponse(POINTING.zenith, parameters=ResponseParameters().varied(rng))
    edges, grid = energy_bands(*BANDS), TangentGrid(POINTING.ra, POINTING.dec)
    empty = expect(Field(POINTING, seconds), FoldedResponse(drawn, edges), grid, edges).background
    setup = FieldSetup(grid, POINTING, edges, seconds)
    places = Places(grid)

    @cache
    def searches(reach: float | None) -> list[SkySearch]:
        folded = (setup if reach is None else setup.within(reach)).folded()
        priors = [BackgroundPrior(shape=shape) for shape in shapes]
        return [folded.search(trials, _LOOSE, untold=prior) for prior in priors]

    found: list[list[float]] = [[] for _ in shapes]
    for _ in range(fields):
        counts = draw_counts(empty * np.float32(rng.uniform(0.6, 1.4)), rng)
        reach = setup.folded().reach(places.photons_of(counts))
        seen = counts[setup.folded().bands]
        for search, alarms in zip(searches(reach), found, strict=True):
            alarms += [one.false_alarms for one in search(seen).candidates]
    return [np.array(alarms) for alarms in found]


def told(
    alarms: Sequence[NDArray[np.float64]], seconds: float, fields: int
) -> list[dict[str, Any]]:
    """Return the candidates at each stated number, and those of the three worst instruments."""
    rows = []
    for stated in STATED:
        each = [int(np.sum(found <= stated)) for found in alarms]
        interval = poisson_interval(sum(each))
        rows.append(
            {
                "seconds": seconds,
                "stated": stated,
                "candidates": sum(each),
                "low": round(interval.low, 1),
                "high": round(interval.high, 1),
                "expected": round(stated * fields * len(alarms), 1),
                "most_of_an_instrument": sorted(each)[-3:],
            }
        )
    return rows


if __name__ == "__main__":
    main()
