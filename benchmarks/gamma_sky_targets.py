"""Numbers that gamma-sky promises on simulated fields, each with its interval, in one stored file.

    python -m benchmarks.gamma_sky_targets --irf Prod5-North-20deg.fits.gz
    python -m benchmarks.gamma_sky_targets --irf Prod5-North-20deg.fits.gz --maps 40 --out try.json

The studies are those of ``skysift evaluate gamma-sky``, one run folder each: what has been made
already (same seed, same folder) is not made again, so that a run that was broken off goes on. All
of it takes about an hour of one core. The tables of the pages come from the file.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.files import write_atomic
from skysift.core.registry import bundle_folder
from skysift.data.table import FeatureTable
from skysift.report.run_folder import RunRecord, read_run
from skysift.tasks.gamma_sky.evaluation.contestants import FREE, KNOWN
from skysift.tasks.gamma_sky.evaluation.counts import count_photons
from skysift.tasks.gamma_sky.evaluation.run import evaluate_sky, truth_setup
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.options import EvaluateOptions

PULLS = np.linspace(-5, 5, 51)
SHOWN = ("value", "low", "high", "n")
_DIGITS = 5
FAINT: dict[str, Any] = {
    "n": 2500,
    "seed": 21,
    "zeniths": (20.0,),
    "exposures": (30.0,),
    "fluxes": (0.1,),
}


def main() -> None:
    """Evaluate what is missing, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--irf", type=Path, required=True, help="GADF response file")
    parser.add_argument("--maps", type=int, help="fields of a point, to try it; else full sizes")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/gamma-sky-targets"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/gamma_sky_targets.json"))
    given = parser.parse_args()
    records = {
        name: made(given.runs / name, options, given.seed)
        for name, options in plan(given.irf, given.maps).items()
    }
    size = f" --maps {given.maps}" if given.maps else ""
    command = f"python -m benchmarks.gamma_sky_targets --irf {given.irf.name}{size}"
    told = {
        "command": f"{command} --seed {given.seed}",
        "made_by": {name: command_of(record) for name, record in records.items()},
        "truth": records["localisation"].facts["truth"],
        "skysift": records["localisation"].provenance["skysift"],
        **condensed(records),
        "faint": faint(given.irf, given.runs / "faint.json", given.maps or FAINT["n"]),
    }
    told["targets"] = verdicts(told)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(given.out, json.dumps(rounded(told), indent=1) + "\n")
    for row in rounded(told["targets"]):
        print(f"{row['met']:8} {row['target']}: {row['asked']}, {row['measured']}")


def plan(irf: Path, maps: int | None) -> dict[str, EvaluateOptions]:
    """Return what is evaluated, by study."""
    full = maps is None
    found = {
        study: EvaluateOptions(irf=str(irf), full=full, maps=maps or 200, studies=(study,))
        for study in ("counts", "outliers", "false-alarms")
    }
    # The methods and fluxes of a short run with the fields of a long one; 200 pairs are enough.
    sizes = {
        "localisation": (2000, 10_000) if full else (maps, 100),
        "pairs": (800, 100) if full else (maps, 100),
    }
    for study, (fields, empty) in sizes.items():
        found[study] = EvaluateOptions(
            irf=str(irf), maps=fields, empty_maps=empty, studies=(study,)
        )
    return found


def made(folder: Path, options: EvaluateOptions, seed: int) -> RunRecord:
    """Return the record of a study, evaluated if it is not there."""
    if not (folder / "run.json").is_file():
        print(f"{folder}: evaluating ...", flush=True)
        trials = load_bundle(bundle_folder(TASK)).trials
        rng = np.random.default_rng(seed)
        evaluate_sky(options, folder, rng, command=_command(options, seed), trials=trials)
    return read_run(folder)


def faint(irf: Path, kept: Path, n: int) -> dict[str, Any]:
    """Return the bias of the counts where they are fewest, with many sources, by offset.

    One of the methods, the oracle, is told all but the counts: what it has is the likelihood's own.
    """
    if not kept.is_file():
        print(f"{kept}: counting ...", flush=True)
        where = {key: FAINT[key] for key in ("zeniths", "exposures", "fluxes")}
        found = count_photons(truth_setup(irf), n, np.random.default_rng(FAINT["seed"]), **where)
        rows = [row for row in found.facts["groups"] if row["by"] in ("all", "offset")]
        write_atomic(kept, json.dumps({**FAINT, "n": n, "groups": rows}) + "\n")
    told: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return told


def _command(options: EvaluateOptions, seed: int) -> str:
    size = "--full" if options.full else f"--maps {options.maps} --empty-maps {options.empty_maps}"
    irf = Path(str(options.irf)).name
    study = options.studies[0]
    return f"skysift evaluate gamma-sky --irf {irf} {size} --studies {study} --seed {seed}"


def command_of(record: RunRecord) -> str:
    """Return the command of a run without where it was written."""
    return str(record.provenance["command"]).partition(" --out")[0]


# --- what is stored -------------------------------------------------------------------------------


def condensed(records: Mapping[str, RunRecord]) -> dict[str, Any]:
    """Return the numbers of all studies."""
    facts = {name: record.facts[name.replace("-", "_")] for name, record in records.items()}
    place = facts["localisation"]
    table = records["counts"].table("counts")
    return {
        "localisation": {
            **{key: place[key] for key in ("n", "n_empty", "false_alarms", "found_within")},
            "thresholds": place["thresholds"],
            "by_flux": [
                row | {"efficiency": _efficiency(place, row)} for row in place["localisation"]
            ],
            "by_offset": [
                row for row in place["by_offset"] if row["method"] in (KNOWN, FREE, "oracle")
            ],
        },
        "outliers": facts["outliers"],
        "pairs": facts["pairs"],
        "false_alarms": facts["false-alarms"],
        "counts": {**facts["counts"], "pulls": pulls(table, facts["counts"]["suspect_zenith"])},
    }


def _efficiency(place: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    """Return the share of sources found, None of the oracle, which is told where they are."""
    same = [
        one
        for one in place["efficiency"]
        if (one["method"], one["flux"]) == (row["method"], row["flux"])
    ]
    return {key: same[0][key] for key in SHOWN} if same else None


def pulls(table: FeatureTable, suspect: float) -> dict[str, Any]:
    """Return histograms of the pulls, at the suspect zenith angle and at all."""

    def histogram(chosen: NDArray[np.bool_]) -> list[int]:
        values = (table["counts"] - table["expected"])[chosen] / table["error"][chosen]
        return [int(n) for n in np.histogram(values, PULLS)[0]]

    named = {name: table["method"] == name for name in (KNOWN, FREE)}
    return {
        "edges": PULLS.tolist(),
        "suspect_zenith": {
            name: histogram(mine & (table["zenith"] == suspect)) for name, mine in named.items()
        },
        "any_zenith": {name: histogram(mine) for name, mine in named.items()},
    }


def rounded(value: Any) -> Any:
    """Return the same with floats of five digits, and intervals without what is the same in all."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        left_out = {"confidence", "interval"} if "confidence" in value else set()
        return {key: rounded(one) for key, one in value.items() if key not in left_out}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(one) for one in value]
    return value


# --- against what was asked for -------------------------------------------------------------------

ERRORS = {1.0: 0.013, 0.3: 0.028, 0.1: 0.05}
RATIO, EFFICIENCY = 1.1, {KNOWN: 0.45, FREE: 0.35}
BIAS, WIDTH, COVERAGE = 0.03, (0.9, 1.1), 0.03
PAIRS_APART, PAIRS = 0.3, 0.9


def verdicts(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each number that was asked for beside what was measured.

    ``met``: yes if the whole interval is within what was asked, no if all of it is beyond, else
    which side the number itself is on.
    """
    return [*_of_places(told), *_of_alarms(told), *_of_counts(told)]


def _of_places(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    by_flux = {(row["method"], row["flux"]): row for row in told["localisation"]["by_flux"]}
    for flux, most in ERRORS.items():
        found = by_flux[FREE, flux]["error68"]
        yield _row(f"68 % error, {flux:g} Crab", FREE, found, unit="deg", high=most)
        over = by_flux[KNOWN, flux]["ratio"]
        if over is not None:
            yield _row(
                f"the same over the Cramer-Rao bound, {flux:g} Crab", KNOWN, over, high=RATIO
            )
    for name, least in EFFICIENCY.items():
        yield _row("found, 0.1 Crab", name, by_flux[name, 0.1]["efficiency"], unit="%", low=least)
    for stated, flux, name in product((0.68, 0.95), ERRORS, (KNOWN, FREE)):
        found = by_flux[name, flux][f"containment{100 * stated:.0f}"]
        if found is not None:
            what = f"in ellipses of {100 * stated:.0f} %, {flux:g} Crab"
            limits = {"low": round(stated - COVERAGE, 2), "high": round(stated + COVERAGE, 2)}
            yield _row(what, name, found, unit="%", **limits)
    for one in told["outliers"]["methods"]:
        yield _row("beyond 0.2 deg, 1 Crab", one["method"], one["share"], unit="%", high=0.0)
    for one in told["pairs"]["pairs"]:
        if one["separation"] == PAIRS_APART:
            what = f"both of two sources {PAIRS_APART:g} deg apart found"
            yield _row(what, one["method"], one, unit="%", low=PAIRS)


def _of_alarms(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in told["false_alarms"]["rates"]:
        if one["stated"] == told["localisation"]["false_alarms"]:
            what = f"empty fields with a candidate, background x {one['scale']:g}"
            row = _row(what, one["method"], one, unit="%", low=one["stated"], high=one["stated"])
            yield row | {"met": "yes" if one["within"] else "no"}


def _of_counts(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    study = told["counts"]
    for one in [*study["groups"], *study["cells"]]:
        if one["method"] in (KNOWN, FREE) and one.get("by") != "offset":
            where = _where(one)
            limits = {"low": -BIAS, "high": BIAS}
            yield _row(f"bias of counts{where}", one["method"], one["bias"], unit="%", **limits)
            limits = {"low": WIDTH[0], "high": WIDTH[1]}
            yield _row(f"pull width of counts{where}", one["method"], one["pull_width"], **limits)


def _where(one: Mapping[str, Any]) -> str:
    """Return the conditions of a group or a cell as text."""
    named = {one["by"]: one.get("at")} if "by" in one else one
    parts = [f"{by} {named[by]:g}" for by in ("zenith", "flux", "exposure") if by in named]
    return f", {', '.join(parts)}" if parts else ""


def _row(
    target: str,
    method: str,
    found: Mapping[str, Any],
    *,
    unit: str = "",
    low: float = -np.inf,
    high: float = np.inf,
) -> dict[str, Any]:
    sides = [low <= found[key] <= high for key in ("value", "low", "high")]
    apart = found["high"] < low or found["low"] > high
    met = "yes" if all(sides) else "no" if apart else "likely" if sides[0] else "unlikely"
    asked = {key: limit for key, limit in (("low", low), ("high", high)) if np.isfinite(limit)}
    measured = {key: found[key] for key in SHOWN}
    return {
        "target": target,
        "method": method,
        "unit": unit,
        "asked": asked,
        "measured": measured,
        "met": met,
    }


if __name__ == "__main__":
    main()
