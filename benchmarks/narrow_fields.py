"""Count candidates in empty fields that end within their map, against the number that is stated.

The background of the analytic response is seen through a camera of 1.2 to 2.2 deg with a soft edge,
peaked at its middle, round or oval; each field is another camera::

    python -m benchmarks.narrow_fields --maps 1000

The search without a response is the default one with its shipped calibration. Fields that it cuts
where the photons stop are searched whole as well.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.evaluate.localisation import poisson_interval
from skysift.models.sky.local_source import Photons
from skysift.models.sky.places import Places
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands, fold_background
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import make_method
from skysift.tasks.gamma_sky.model import TASK, load_bundle

GRID, POINTING = TangentGrid(0.0, 0.0), Pointing(0.0, 0.0, 20.0)
EDGES = energy_bands(0.04, 10.0, 8)
STATED = (0.01, 0.1)
SETTINGS = SearchSettings(false_alarms=0.1)

FloatArray = NDArray[np.float64]


def camera(rng: np.random.Generator, *, oval: bool) -> FloatArray:
    """Return the share of the background that a camera lets through, shape (n_y, n_x)."""
    xi, eta = GRID.pixel_centres()
    angle, stretch = rng.uniform(0, np.pi), np.sqrt(rng.uniform(1.0, 1.35)) if oval else 1.0
    along = (xi * np.cos(angle) + eta[:, None] * np.sin(angle)) / stretch
    across = (eta[:, None] * np.cos(angle) - xi * np.sin(angle)) * stretch
    edge = 1 + np.exp((np.hypot(along, across) - rng.uniform(1.2, 2.2)) / rng.uniform(0.1, 0.2))
    peak, width, sharpness = rng.uniform(0, 0.8), rng.uniform(0.4, 1.0), rng.uniform(1, 3)
    distance = np.hypot(xi, eta[:, None])
    shape = peak * np.exp(-((distance / width) ** sharpness)) + 1 - peak
    return np.asarray(shape / edge)


def each(pixels: Photons) -> Photons:
    """Return the photons of pixels one by one."""
    n = pixels.weight.astype(np.int64)
    xi, eta, band = (np.repeat(values, n) for values in (pixels.xi, pixels.eta, pixels.band))
    return Photons(xi, eta, band, np.ones(len(band)))


def alarms(
    seconds: float, n: int, rng: np.random.Generator, *, oval: bool
) -> tuple[dict[str, list[float]], int]:
    """Return the false-alarm numbers stated by kind of search; and how many fields were cut."""
    setup = FieldSetup(GRID, POINTING, EDGES, seconds)
    trials = load_bundle(bundle_folder(TASK)).trials
    searches: dict[float | None, Any] = {}
    rate = fold_background(AnalyticResponse(), EDGES, GRID, POINTING)
    found: dict[str, list[float]] = {"cut": [], "cut, searched whole": [], "not cut": []}
    n_cut = 0
    for _ in range(n):
        counts = rng.poisson(rate * camera(rng, oval=oval) * seconds).astype(np.float32)
        photons = each(Places(GRID).photons_of(counts))
        end = setup.folded().reach(photons)
        n_cut += end is not None
        ways = {"not cut": None} if end is None else {"cut": end, "cut, searched whole": None}
        for name, reach in ways.items():
            if reach not in searches:
                field = setup if reach is None else setup.within(reach)
                searches[reach] = make_method("likelihood-ratio", field, trials, SETTINGS)
            result = searches[reach](counts, photons)
            found[name] += [float(one.false_alarms) for one in result.candidates]
    return found, n_cut


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--maps", type=int, default=1000, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/narrow_fields.json"))
    given = parser.parse_args()
    rows = []
    for number, (oval, seconds) in enumerate(
        (oval, seconds) for oval in (False, True) for seconds in (100.0, 1200.0)
    ):
        rng = np.random.default_rng((given.seed, number))
        found, n_cut = alarms(seconds, given.maps, rng, oval=oval)
        for name, numbers in found.items():
            n = given.maps - n_cut if name == "not cut" else n_cut
            for stated in STATED:
                seen = poisson_interval(int(np.sum(np.array(numbers) <= stated)))
                rows.append(
                    {
                        "shape": "oval" if oval else "round",
                        "seconds": seconds,
                        "fields": name,
                        "n": n,
                        "stated": stated * n,
                        "candidates": seen.value,
                        "low": seen.low,
                        "high": seen.high,
                    }
                )
                print(rows[-1])
    command = f"python -m benchmarks.narrow_fields --maps {given.maps} --seed {given.seed}"
    text = json.dumps({"command": command, "rows": rows}, indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
