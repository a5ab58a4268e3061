"""How many counts extended sources get, and whether the stated errors are those that they have.

    python -m benchmarks.extended_counts --irf Prod5-North-20deg.fits.gz
    python -m benchmarks.extended_counts

Round Gaussians at 0.7 deg from the pointing, searched for blind by the default, with the response
and without: through the instrument of a file, or each through another one that is drawn, from the
arrays of the CTA Observatory to H.E.S.S. and MAGIC. The shape is fitted as one width.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.evaluate.intervals import Interval
from skysift.evaluate.localisation import summarise_pulls
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN
from skysift.tasks.gamma_sky.evaluation.run import truth_setup
from skysift.tasks.gamma_sky.evaluation.study import observe, photons_in, place_source
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.model import TASK, load_bundle

OFFSET = 0.7  # deg
PARTS = 2000
NEAR = 0.3  # deg: what is found further off is something else
SOURCES = (  # s, Crab, deg
    (300.0, 1.0, 0.1),
    (300.0, 2.0, 0.2),
    (1800.0, 0.5, 0.15),
    (1800.0, 1.0, 0.3),
)

Row = tuple[float, float, float, bool]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--irf", type=Path, help="GADF response file; else instruments are drawn")
    parser.add_argument("--fields", type=int, default=60, help="of each kind of source")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/extended_counts.json"))
    given = parser.parse_args()
    trials = load_bundle(bundle_folder(TASK)).trials
    rows = []
    for number, (seconds, flux, sigma) in enumerate(SOURCES):
        rng = np.random.default_rng([given.seed, number])
        setup = replace(truth_setup(given.irf), livetime=seconds)
        found: dict[str, list[Row | None]] = {KNOWN: [], FREE: []}
        for one in setups(setup, given, rng):
            for method, row in searched(one, flux, sigma, trials, rng).items():
                found[method].append(row)
        for method, values in found.items():
            rows.append(
                {"seconds": seconds, "flux": flux, "sigma": sigma, "method": method}
                | summary(values)
            )
            print(rows[-1], flush=True)
    of = "" if given.irf is None else f" --irf {given.irf.name}"
    part = {
        "command": f"python -m benchmarks.extended_counts{of} --fields {given.fields} "
        f"--seed {given.seed}",
        "rows": rows,
    }
    known = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    name = "drawn" if given.irf is None else "file"
    write_atomic(given.out, json.dumps(known | {name: part}, indent=1) + "\n")


def setups(
    setup: FieldSetup, given: argparse.Namespace, rng: np.random.Generator
) -> Iterator[FieldSetup]:
    """Yield the truth of each field: one instrument, or another one each time."""
    for _ in range(given.fields):
        if given.irf is not None:
            yield setup
            continue
        drawn = ResponseParameters().varied(rng)
        yield replace(setup, response=AnalyticResponse(setup.pointing.zenith, parameters=drawn))


def searched(
    setup: FieldSetup, flux: float, sigma: float, trials: TrialsTable, rng: np.random.Generator
) -> dict[str, Row | None]:
    """Return what each method says of one field: None where nothing was found near the source."""
    place = place_source(setup.pointing, OFFSET, rng.uniform(0, 360), flux, setup)
    source = replace(place, extension=sigma)
    seen = observe(setup, [source], setup.pointing, rng)
    xi, eta = (float(axis) for axis in seen.grid.to_plane(source.ra, source.dec))
    expected = flux * setup.livetime * rate_of(setup, sigma, rng)
    found: dict[str, Row | None] = {}
    for method, response in ((KNOWN, setup.response), (FREE, None)):
        folded = replace(setup, response=response).folded()
        bands = folded.bands
        search = folded.search(trials, SearchSettings(psf_known=response is not None))
        result = search(seen.counts[bands], photons_in(seen.photons, bands))
        near = [c for c in result.candidates if np.hypot(c.xi - xi, c.eta - eta) < NEAR]
        if not near:
            found[method] = None
            continue
        best = max(near, key=lambda one: one.excess)
        found[method] = (best.excess, best.excess_error, expected, "extended" in best.flags)
    return found


def rate_of(setup: FieldSetup, sigma: float, rng: np.random.Generator) -> float:
    """Return the photons per second of a source of 1 Crab, whose parts are seen as they lie."""
    offsets = np.hypot(OFFSET + sigma * rng.normal(size=PARTS), sigma * rng.normal(size=PARTS))
    source = setup.folded().source
    return float(np.mean([source.rate_at(float(offset)).sum() for offset in offsets]))


def summary(values: list[Row | None]) -> dict[str, Any]:
    """Return shares, the bias and the width of the pulls of those that were told to be extended."""
    kept = [one for one in values if one is not None]
    wide = np.array([one[:3] for one in kept if one[3]])
    told: dict[str, Any] = {"fields": len(values), "found": len(kept), "extended": len(wide)}
    if len(wide) > 1:
        excess, error, expected = wide.T
        pulls = summarise_pulls((excess - expected) / error)
        told |= {
            "expected": round(float(expected.mean()), 1),
            "bias": round(float(excess.sum() / expected.sum() - 1), 4),
            "pull mean": rounded(pulls.mean),
            "pull width": rounded(pulls.width),
        }
    return told


def rounded(found: Interval) -> dict[str, float]:
    """Return a value and its interval."""
    return {name: round(getattr(found, name), 3) for name in ("value", "low", "high")}


if __name__ == "__main__":
    main()
