"""How far counts can be off where nothing but the photons tells of the instrument.

Few photons cannot tell the point spread function, nor the shape of the background: a search without
a response supposes both. Here many instruments are drawn, from the arrays of the CTA Observatory to
H.E.S.S. and MAGIC, and the counts of faint sources are measured as each of them sees these::

    python -m benchmarks.counts_without_response

What spreads from one instrument to the next is what a search cannot know of the one it has.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from skysift.core.files import write_atomic
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN
from skysift.tasks.gamma_sky.evaluation.counts import count_photons
from skysift.tasks.gamma_sky.evaluation.run import truth_setup

ZENITH = 20.0  # deg
SHARES = (0.16, 0.5, 0.84)
METHODS = (KNOWN, FREE, "oracle")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instruments", type=int, default=60)
    parser.add_argument("--sources", type=int, default=600, help="of each instrument")
    parser.add_argument("--flux", type=float, default=0.1, help="[Crab]")
    parser.add_argument("--seconds", type=float, default=30.0, help="exposure of a field")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/counts_without_response.json"))
    given = parser.parse_args()
    biases: dict[str, list[float]] = {method: [] for method in METHODS}
    for number in range(given.instruments):
        table = counted(given, np.random.default_rng([given.seed, number]))
        for method in METHODS:
            biases[method].append(bias(table, method))
    told = {
        "command": f"python -m benchmarks.counts_without_response --instruments "
        f"{given.instruments} --sources {given.sources} --flux {given.flux:g} "
        f"--seconds {given.seconds:g} --seed {given.seed}",
        "instruments": given.instruments,
        "sources": given.sources,
        "bias": {method: quantiles(np.array(found)) for method, found in biases.items()},
    }
    write_atomic(given.out, json.dumps(told, indent=1) + "\n")
    print(json.dumps(told["bias"], indent=1))


def counted(given: argparse.Namespace, rng: np.random.Generator) -> FeatureTable:
    """Return the counts that one drawn instrument gives."""
    drawn = AnalyticResponse(ZENITH, parameters=ResponseParameters().varied(rng))
    found = count_photons(
        replace(truth_setup(), response=drawn),
        given.sources,
        rng,
        zeniths=(ZENITH,),
        exposures=(given.seconds,),
        fluxes=(given.flux,),
    )
    return found.table


def bias(table: FeatureTable, method: str) -> float:
    """Return all counts of a method over all that were expected, less one."""
    mine = table["method"] == method
    return float(table["counts"][mine].sum() / table["expected"][mine].sum() - 1.0)


def quantiles(values: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return quantiles over instruments with their order-statistics intervals at 95 %."""
    ordered, n = np.sort(values), len(values)
    rows = []
    for share in SHARES:
        low, high = (int(binom.ppf(tail, n, share)) for tail in (0.025, 0.975))
        rows.append(
            {
                "share": share,
                "value": round(float(np.quantile(values, share)), 4),
                "low": round(float(ordered[max(low - 1, 0)]), 4),
                "high": round(float(ordered[min(high, n - 1)]), 4),
            }
        )
    return rows


if __name__ == "__main__":
    main()
