"""Whether the sets and bounds of the shipped bundles hold the truth as often as they state.

    python benchmarks/promises.py --data "$SKYSIFT_MIRROR" --streaks streaks/test.parquet \
        --out benchmarks/promises.json --plot docs/images/coverage.png

Rows are those that no bundle was trained on (see docs/conformal.md). Half of the independent blocks
calibrate, the other half check, and that forty times anew, so that neither half is chosen; a
forecast is calibrated on the past and checked on the future, once. The streaks are those of
tools/release_streak.py.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift import __version__
from skysift.core.bundle_schema import Training
from skysift.core.config import build_config
from skysift.core.conformal import PromisedRows
from skysift.core.progress import silent
from skysift.core.registry import bundle_folder, load_options, load_task
from skysift.core.results import Metric
from skysift.data.irf.gadf import GadfResponse
from skysift.data.sky.tangent import separation
from skysift.data.table import FeatureTable
from skysift.evaluate.coverage import measure_coverage, parts_of
from skysift.evaluate.intervals import wilson_interval
from skysift.models.conformal import calibrate, conformal_quantile, covered, has_answer
from skysift.models.promised_rows import split_rows
from skysift.tasks.gamma_sky.bounds import with_bounds
from skysift.tasks.gamma_sky.coverage import ZENITHS, Located, located_sources, scored_sources
from skysift.tasks.gamma_sky.observations import iter_observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_observation

LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)
MAIN = 0.9
PARTS = ("sky", "crab", "tasks")
SPLITS = 40
FIELDS, OF_ARRAYS = 800, 240
CRAB = (83.6333, 22.0145)
CRAB_RUNS = (23523, 23559)
ON_RECORD = Training(data="-", sha256="0" * 64, n_rows=0, split="-", seed=0, command="-")


def held_out(data: Path, streaks: Path) -> Iterator[tuple[str, PromisedRows]]:
    """Yield what each bundle promises, with the scores of rows that it has not seen."""
    solar = data / "solar"
    regions = {"regions": str(solar / "aia211_regions.csv")}
    quiet = {"quiet": str(solar / "aia211_quiet_patches.csv")}
    later = {"since": "2014-07-01"}
    images = {"images": str(solar / "aia211_fulldisk")}
    wanted = [
        ("star-galaxy", "default", [data / "ztf/cutouts.tar.gz", data / "ztf/labels.csv"], {}),
        ("streak", "default", [streaks], {}),
        ("flare", "default", [solar / "aia211_regions.csv"], later | images),
        ("active-region", "default", [solar / "aia211_fulldisk"], later | regions | quiet),
        ("gamma-hadron", "default", [data / "magic/magic04.data"], {"rows": "test"}),
        ("gamma-hadron", "fast", [data / "magic/magic04.data"], {"rows": "test"}),
        ("gamma-hadron", "source-independent", [data / "magic/magic04.data"], {"rows": "test"}),
    ]
    for name, bundle, paths, options in wanted:
        task = load_task(name)
        model = task.load(bundle_folder(name, bundle))
        reading = build_config(load_options(name, "ReadOptions"), options)
        rows = task.read(paths, reading, labelled=True)
        rng = np.random.default_rng(0)
        for tested in task.coverage.promised(rows, model, rng, progress=silent):
            yield f"{name}/{bundle}: {tested.name}", tested


def by_level(rows: PromisedRows) -> list[dict[str, object]]:
    """Return the share that is covered at each level, over splits, and how these differ."""
    found = []
    splits = 1 if rows.time is not None else SPLITS
    rng = np.random.default_rng(1)
    parts = [split_rows(rows, 0.5, rng) for _ in range(splits)]
    promises = [calibrate(first, ON_RECORD) for first, _ in parts]
    for level in LEVELS:
        shares, sizes = [], []
        for promise, (_, second) in zip(promises, parts, strict=True):
            known = second.take(has_answer(second))
            inside, size = covered(known, promise, level)
            shares.append(float(np.mean(inside)))
            sizes.append([float(np.mean(size == number)) for number in (0, 1)])
        empty, single = np.mean(sizes, axis=0)
        row = {"coverage": level, "covered": _round(np.mean(shares)), "splits": splits}
        row |= {"spread": _round(np.std(shares)) if splits > 1 else None}
        found.append(
            row | ({"empty": _round(empty), "single": _round(single)} if rows.classes else {})
        )
    return found


def by_group(rows: PromisedRows) -> list[dict[str, object]]:
    """Return the share that is covered at 0.9 of each class and group, with and without groups."""
    rng = np.random.default_rng(2)
    splits = 1 if rows.time is not None else SPLITS
    parts = [split_rows(rows, 0.5, rng) for _ in range(splits)]
    shares: dict[str, list[tuple[float, float, int]]] = {}
    for first, second in parts:
        promise = calibrate(first, ON_RECORD)
        known = second.take(has_answer(second))
        own, seen = (scores_of_truth(part.take(has_answer(part))) for part in (second, first))
        limit = conformal_quantile(seen, MAIN)
        inside, _ = covered(known, promise, MAIN)
        for name, part in parts_of(known):
            if part.any():
                row = (
                    float(inside[part].mean()),
                    float((own[part] <= limit).mean()),
                    int(part.sum()),
                )
                shares.setdefault(name or "all", []).append(row)
    found = []
    for name, several in shares.items():
        mean, plain, n = np.mean(several, axis=0)
        low, high = _limits(rows, mean, n, splits)
        row = {"part": name, "covered": _round(mean), "low": _round(low), "high": _round(high)}
        found.append(row | {"one_limit_for_all": _round(plain), "n": round(float(n))})
    return found


def scores_of_truth(rows: PromisedRows) -> NDArray[np.float64]:
    """Return the score of the true class of each row."""
    return rows.scores[np.arange(len(rows)), rows.truth]


def _limits(rows: PromisedRows, share: float, n: float, splits: int) -> tuple[float, float]:
    """Return the 95 % interval of one share: of as many independent rows as both halves have.

    The splits share their rows, so that many of them are no surer than all rows once.
    """
    alone = len(np.unique(rows.blocks)) / len(rows)
    n_all = n * (2 if splits > 1 else 1) * min(alone, 1.0)
    interval = wilson_interval(share * n_all, n_all)
    return interval.low, interval.high


def fields() -> list[Located]:
    """Return sources of new simulated fields, as those that calibrated the shipped bundle."""
    model = load_task("gamma-sky").load(bundle_folder("gamma-sky"))
    return located_sources(model.trials, FIELDS, np.random.default_rng(3))


def zeniths(data: Path, sources: list[Located]) -> list[dict[str, object]]:
    """Return the coverage of the shipped gamma-sky bundle by zenith angle, and of other arrays."""
    model = load_task("gamma-sky").load(bundle_folder("gamma-sky"))
    found = []
    rng = np.random.default_rng(4)
    cases = {f"zenith {z:g} deg": [s for s in sources if s.zenith == z] for z in ZENITHS}
    cases |= {
        "told the response": [s for s in sources if s.told],
        "without a response": [s for s in sources if not s.told],
    }
    for name in ("North", "South"):
        (path,) = (data / "gamma/cta-caldb").glob(f"Prod5-{name}-20deg*")
        truth = [(20.0, GadfResponse.read(path))]
        of_array = located_sources(model.trials, OF_ARRAYS, rng, responses=truth)
        cases[f"CTAO {name}, 20 deg"] = of_array
    for case, some in cases.items():
        for rows in scored_sources(some, case):
            promise = next(one for one in model.promises if one.name == rows.name)
            first = measure_coverage(rows, promise, MAIN, rng)[0]
            found.append({"case": case, "what": rows.name, **_told(first)})
    return found


def crab(data: Path) -> dict[str, object]:
    """Return how often the region of the shipped bundle holds the Crab nebula, in H.E.S.S. data."""
    model = load_task("gamma-sky").load(bundle_folder("gamma-sky"))
    folder = data / "gamma/hess-dl3-dr1"
    reading = ReadOptions(obs_id=CRAB_RUNS, emin=0.4, emax=20.0)
    held: dict[str, list[bool]] = {}
    for systematic in (0.0, 0.0056):  # deg: 20 arcsec, as H.E.S.S. states
        options = PredictOptions(window=100.0, photometry=False, pointing_error=systematic)
        inside: list[bool] = []
        for item in iter_observations([folder], reading):
            for searched in search_observation(item, reading, options, model.trials):
                table = with_bounds(searched.table.table, model.promises, MAIN, model.name)
                inside += [_holds(table, row) for row in range(len(table)) if _near(table, row)]
        held[f"pointing error {systematic:g} deg"] = inside
    return {
        name: {
            **_told(wilson_interval(sum(some), len(some)).metric(name, n=len(some), split="")),
            "runs": list(CRAB_RUNS),
            "window": 100,
        }
        for name, some in held.items()
    }


def _near(table: FeatureTable, row: int) -> bool:
    return float(separation(table["ra"][row], table["dec"][row], *CRAB)) < 0.3


def _holds(table: FeatureTable, row: int) -> bool:
    ra, dec = table["ra"][row], table["dec"][row]
    east = (CRAB[0] - ra) * np.cos(np.radians(CRAB[1]))
    north = CRAB[1] - dec
    angle = np.radians(table["err_angle"][row])  # from north through east
    along = north * np.cos(angle) + east * np.sin(angle)
    across = east * np.cos(angle) - north * np.sin(angle)
    major, minor = table["region_major"][row], table["region_minor"][row]
    return bool((along / major) ** 2 + (across / minor) ** 2 <= 1.0)


def _told(metric: Metric) -> dict[str, object]:
    return {
        "covered": _round(metric.value), "low": _round(metric.low), "high": _round(metric.high),
        "n": metric.n,
    }  # fmt: skip


def _round(value: float) -> float:
    return round(float(value), 4)


def plot(found: dict[str, object], path: Path) -> None:
    """Draw a panel for each promise: what each class and group of it is covered at 0.9."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415

    from skysift.report.plots.style import new_grid, style  # noqa: PLC0415

    promises = found["promises"]
    figure, panels = new_grid(len(promises), 2, width=10.0, height=3.2)
    with style():
        for axes, (name, one) in zip(panels, promises.items(), strict=True):
            axes.set_axis_on()
            axes.grid(visible=True, axis="x")
            axes.axvline(MAIN, color="0.5", linewidth=1)
            for place, row in enumerate(one["groups"]):
                axes.plot([row["low"], row["high"]], [place] * 2, color="tab:blue")
                axes.plot(row["covered"], place, "o", color="tab:blue", markersize=4)
                axes.plot(row["one_limit_for_all"], place, "x", color="tab:orange", markersize=5)
            parts = [row["part"].replace("distance from the central meridian", "|longitude|")
                     for row in one["groups"]]  # fmt: skip
            axes.set_yticks(range(len(parts)), parts, fontsize=8)
            axes.invert_yaxis()
            axes.set_xlim(0.0, 1.02)
            axes.tick_params(axis="x", labelsize=8)
            told = {row["coverage"]: row["covered"] for row in one["levels"]}
            levels = ", ".join(f"{told[level]:.2f} at {level:g}" for level in (0.5, 0.8, 0.95))
            axes.set_title(f"{name}\n{levels}", fontsize=9, loc="left")
            axes.set_xlabel("covered at 0.9", fontsize=8)
        FigureCanvasAgg(figure)
        figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--streaks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    found = {"promises": {}, **found, "skysift": __version__}

    def keep() -> None:
        given.out.write_text(json.dumps(found, indent=1) + "\n")

    if "sky" in given.parts:
        sources = fields()
        for rows in scored_sources(sources, "simulated fields, analytic response"):
            found["promises"][f"gamma-sky/default: {rows.name}"] = measured(rows)
        found["gamma_sky"] = zeniths(given.data, sources)
        keep()
    if "crab" in given.parts:
        found["crab"] = crab(given.data)
        keep()
    if "tasks" in given.parts:
        for name, rows in held_out(given.data, given.streaks):
            found["promises"][name] = measured(rows)
            keep()
    if given.plot:
        plot(found, given.plot)


def measured(rows: PromisedRows) -> dict[str, object]:
    """Return what the benchmark keeps of one promise."""
    return {
        "name": rows.name, "split": rows.split, "rows": len(rows), "by": rows.by,
        "blocks": len(np.unique(rows.blocks)),
        "levels": by_level(rows), "groups": by_group(rows),
    }  # fmt: skip


if __name__ == "__main__":
    main()
