"""What limits forecasts of flares: the rows that are there, and the year that judges.

    SKYSIFT_MIRROR=DIR python benchmarks/solar_flare_limit.py keywords
    SKYSIFT_MIRROR=DIR python benchmarks/solar_flare_limit.py years
    SKYSIFT_MIRROR=DIR python benchmarks/solar_flare_limit.py past
    SKYSIFT_MIRROR=DIR python benchmarks/solar_flare_limit.py thresholds

`keywords` asks what any threshold could reach on SHARP keywords, with three families of models, in
time as they are judged, and where whole regions or single rows are drawn at random. `years` trains
the forecast of regions on what came before each of four periods, the last of which is the one that
it is judged by. `past` compares spans and penalties of the forecast of the whole disk by its past
flares, on days before July 2014 alone: the one that was taken is within 0.002 of the highest Brier
skill, and needs ten days of a list, not four weeks. Then it asks that one, once, of the year after.
`thresholds` sets them on half of the regions of the training years and asks them of the other
half: where the skill was highest, or at the share of events, where a calibrated forecast has its
highest skill (Richardson 2000, Q. J. R. Meteorol. Soc. 126, 649). Nothing else is chosen by what
this finds.

Each command replaces its part of benchmarks/solar_flare_limit.json.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, KFold

from measure import mirror_folder
from skysift.core.files import write_atomic
from skysift.core.progress import silent
from skysift.core.results import Metric
from skysift.data.chronological import Straddling, chronological_split, time_blocks
from skysift.data.table import FeatureTable
from skysift.evaluate.forecast import best_threshold, forecast_skill
from skysift.evaluate.inputs import as_groups
from skysift.evaluate.intervals import Interval
from skysift.evaluate.resampling import bootstrap_rows
from skysift.models.disk_history import DISK_HISTORY_HOURS, history_features_of
from skysift.tasks.flare.comparison import history_head, split_regions
from skysift.tasks.flare.disk_past import PENALTY, fit_disk_past, learn_disk_past, past_of
from skysift.tasks.flare.evaluation import score, skill_of
from skysift.tasks.flare.learning import learn_region_head
from skysift.tasks.flare.licence import licence_of
from skysift.tasks.flare.magnetogram_training import Labelled, keyword_head, read_keywords
from skysift.tasks.flare.magnetograms import KEYWORDS
from skysift.tasks.flare.options import CompareOptions, ReadOptions, TrainOptions
from skysift.tasks.flare.regions import Regions, read_labelled
from skysift.tasks.flare.training import train

OTHERS = ("TOTBSQ", "TOTFX", "TOTFY", "TOTFZ", "EPSX", "EPSY", "EPSZ")
"""Physical keywords of the table that the forecast does not use."""

BOUNDARY = date(2014, 7, 1)
PERIODS = (
    (date(2012, 1, 1), date(2013, 1, 1)),
    (date(2013, 1, 1), date(2014, 1, 1)),
    (date(2014, 1, 1), BOUNDARY),
    (BOUNDARY, date(2015, 6, 1)),
)
AIMS = {
    "keywords": {"tss": 0.87, "bss": 0.58},
    "both": {"auc": 0.875, "tss": 0.60, "bss": 0.34},
    "image": {"auc": 0.83, "tss": 0.50, "bss": 0.22},
}
FOLDS = 5
HALVES = 200
SCORES = ("auc", "tss", "bss")
SPANS = (
    (24.0,),
    (24.0, 72.0),
    (6.0, 24.0, 72.0),
    (24.0, 72.0, 240.0),
    DISK_HISTORY_HOURS,
    (*DISK_HISTORY_HOURS, 648.0),
)
PENALTIES = (0.001, PENALTY, 0.1, 1.0)
FORTNIGHT = np.timedelta64(14, "D")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Answer = Callable[[Labelled, Labelled], Floats]


def by_regressions(past: Labelled, later: Labelled, rng: np.random.Generator) -> Floats:
    """Return what the forecast of the package says: regressions on normal scores."""
    return keyword_head(past, TrainOptions(), rng).probability(later.features)


def by_trees(past: Labelled, later: Labelled, estimator: Callable[[], Any]) -> Floats:
    """Return what trees say, which take a keyword that is missing for the median."""
    middle = np.nanmedian(past.features, axis=0)
    known, asked = (np.where(np.isnan(x), middle, x) for x in (past.features, later.features))
    return np.asarray(estimator().fit(known, past.event).predict_proba(asked)[:, 1])


def families(rng: np.random.Generator) -> dict[str, Answer]:
    """Return what is asked, by name."""
    boosted = partial(
        HistGradientBoostingClassifier, max_iter=150, learning_rate=0.05, max_leaf_nodes=8
    )
    random = partial(ExtraTreesClassifier, 500, min_samples_leaf=5)
    return {
        "regressions": partial(by_regressions, rng=rng),
        "boosted trees": partial(by_trees, estimator=partial(boosted, random_state=1)),
        "extremely random trees": partial(by_trees, estimator=partial(random, random_state=1)),
    }


def splits(rows: Labelled) -> dict[str, list[tuple[Bools, Bools]]]:
    """Return rows to train on and to judge: as they are judged, and at random."""
    part = chronological_split(
        rows.time,
        [np.datetime64(BOUNDARY, "s")],
        groups=rows.group,
        straddling=Straddling.EARLIER,
    )
    found = {"in time, other regions": [(part == 0, part == 1)]}
    at_random = {
        "regions drawn at random": GroupKFold(FOLDS, shuffle=True, random_state=1).split(
            rows.features, groups=rows.group
        ),
        "rows drawn at random": KFold(FOLDS, shuffle=True, random_state=1).split(rows.features),
    }
    for name, folds in at_random.items():
        pairs = []
        for _, test in folds:
            judged = np.isin(np.arange(len(rows)), test)
            pairs.append((~judged, judged))
        found[name] = pairs
    return found


def highest_tss(event: Bools, p: Floats, groups: NDArray[np.int64]) -> Interval:
    """Return the highest true skill statistic of any threshold, each draw with its own."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)
    hit = event[order]

    def statistic(weight: Floats) -> Floats:
        drawn = weight[:, order]
        with np.errstate(invalid="ignore"):  # a draw may hold no flare
            caught = np.cumsum(drawn * hit, axis=1) / (drawn @ hit)[:, None]
            alarms = np.cumsum(drawn * ~hit, axis=1) / (drawn @ ~hit)[:, None]
        return np.asarray((caught - alarms)[:, last].max(axis=1))[:, None]

    rng = np.random.default_rng(1)
    return bootstrap_rows(statistic, len(p), rng=rng, groups=groups).interval(0)


def told(found: Interval | Metric) -> dict[str, float]:
    """Return a value and its interval."""
    bounds = {"value": found.value, "low": found.low, "high": found.high}
    return {name: round(float(one), 4) for name, one in bounds.items() if one is not None}


def of_keywords(path: Path) -> dict[str, Any]:
    """Return scores by family, keywords and split, with the best threshold of the judged rows."""
    rng = np.random.default_rng(1)
    found = []
    for names in (KEYWORDS, (*KEYWORDS, *OTHERS)):
        rows = read_keywords(path, names)
        for split, pairs in splits(rows).items():
            judged = np.any([test for _, test in pairs], axis=0)
            for family, answer in families(rng).items():
                p = np.zeros(len(rows))
                for some, others in pairs:
                    p[others] = answer(rows.take(some), rows.take(others))
                event, said = rows.event[judged], p[judged]
                groups = as_groups(rows.group[judged], int(judged.sum()))
                skill = forecast_skill(
                    event,
                    said,
                    threshold=best_threshold(event, said),
                    climatology=float(event.mean()),
                    blocks=groups,
                    rng=rng,
                )
                found.append(
                    {
                        "keywords": len(names),
                        "split": split,
                        "model": family,
                        "rows": len(event),
                        "events": int(event.sum()),
                        "tss of any threshold": told(highest_tss(event, said, groups)),
                        **{name: told(skill[name]) for name in ("auc", "bss")},
                    }
                )
                sys.stderr.write(f"{found[-1]}\n")
    return {"aim": AIMS["keywords"], "folds": FOLDS, "rows": found}


def of_period(regions: Regions, begin: date, end: date) -> Iterator[dict[str, Any]]:
    """Yield the scores of each forecast of a period by what was before it."""
    known = regions.take(regions.time < np.datetime64(end, "s"))
    past, later = split_regions(known, CompareOptions(boundary=begin))
    rng = np.random.default_rng(5)
    model = train(
        past,
        TrainOptions(),
        rng,
        seed=5,
        command="",
        licence=licence_of(regions.name),
        progress=silent,
    )
    scores = score(later, model)
    thresholds, climatology = scores.meta["thresholds"], scores.meta["climatology"]["C"]
    head, said = history_head(past.take(past.has_spots), later, "C", TrainOptions().folds)
    scores = scores.with_columns({"p C history": said})
    thresholds = {**thresholds, "C history": head.threshold}
    event = scores["event C"].astype(bool)
    for forecast in ("both", "history", "image", "mcintosh", "persistence"):
        skill = skill_of(
            scores,
            "C",
            forecast,
            threshold=thresholds[f"C {forecast}"],
            climatology=climatology,
            rng=rng,
        )
        yield {
            "from": str(begin),
            "to": str(end),
            "forecast": forecast,
            "rows": len(event),
            "events": int(event.sum()),
            **{name: told(skill[name]) for name in SCORES},
        }


def of_years(path: Path) -> dict[str, Any]:
    """Return the scores of each period."""
    regions = read_labelled([path], ReadOptions(sections=("I", "IA"), farthest=82.0))
    rows = []
    for begin, end in PERIODS:
        for row in of_period(regions, begin, end):
            sys.stderr.write(f"{row}\n")
            rows.append(row)
    return {"aims": {name: AIMS[name] for name in ("both", "image")}, "rows": rows}


def of_past(path: Path) -> dict[str, Any]:
    """Return the skill of spans and penalties on days not seen, and of the one that was taken."""
    past = past_of(path, "operational")
    time = past.times(BOUNDARY)
    event = past.flared(time)
    rows = []
    for hours in SPANS:
        features = history_features_of(time, past.start, past.flux, hours)
        known = np.isfinite(features).all(axis=1)
        for penalty in PENALTIES:
            head, odds = fit_disk_past(time[known], features[known], event[known], FOLDS, penalty)
            said = expit(head.slope * odds + head.offset)
            rows.append(
                {
                    "hours": hours,
                    "inverse penalty": penalty,
                    "rows": int(known.sum()),
                    "events": int(event[known].sum()),
                    **_skill(event[known], said, time[known], float(event[known].mean())),
                }
            )
            sys.stderr.write(f"{rows[-1]}\n")
    head = learn_disk_past(past, FOLDS, BOUNDARY)
    later = past.times()
    later = later[later >= np.datetime64(BOUNDARY)]
    said = head.probability(past.features(later))
    judged = {
        "rows": len(later),
        "events": int(past.flared(later).sum()),
        **_skill(past.flared(later), said, later, head.climatology),
    }
    return {"folds": FOLDS, "rows": rows, "later": judged}


def of_thresholds(path: Path) -> dict[str, Any]:
    """Return the skill of two rules for a threshold, on regions that did not set it."""
    regions = read_labelled([path], ReadOptions(sections=("I", "IA"), farthest=82.0))
    past, later = split_regions(regions, CompareOptions(boundary=BOUNDARY))
    model = train(
        past,
        TrainOptions(),
        np.random.default_rng(5),
        seed=5,
        command="",
        licence=licence_of(regions.name),
        progress=silent,
    )
    scores = score(later, model)
    options = TrainOptions()
    spots = past.has_spots
    rows = []
    for level in ("C", "M"):
        learned = learn_region_head(
            past,
            level,
            folds=options.folds,
            inverse_penalty=options.inverse_penalty,
            bags=options.bags,
            rng=np.random.default_rng(5),
        )
        event, group = past.flared(level)[spots], past.noaa[spots]
        for name, p in (("image", learned.image), ("both", learned.both)):
            rows.append(
                {
                    "forecast": f"{level} {name}",
                    **_halves(event, p, group),
                    "later": {
                        "highest": _tss(scores, level, name, scores.meta["thresholds"]),
                        "share": _tss(scores, level, name, None),
                    },
                }
            )
    for row in rows:
        sys.stderr.write(f"{row}\n")
    return {"halves": HALVES, "rows": rows}


def _tss(
    scores: FeatureTable, level: str, name: str, thresholds: Mapping[str, float] | None
) -> float:
    """Return the skill of later rows with a threshold of the training years, or at their share."""
    share = scores.meta["climatology"][level]
    event = scores[f"event {level}"].astype(bool)
    least = share if thresholds is None else thresholds[f"{level} {name}"]
    warned = scores[f"p {level} {name}"] >= least
    return round(float(warned[event].mean() - warned[~event].mean()), 4)


def _halves(event: Bools, p: Floats, group: NDArray[np.int64]) -> dict[str, float]:
    """Return mean skills over halves of the regions, each judged by the other's threshold."""
    rng = np.random.default_rng(1)
    numbers = np.unique(group)
    skills = []
    for _ in range(HALVES // 2):
        some = np.isin(group, rng.permutation(numbers)[: len(numbers) // 2])
        for half in (some, ~some):
            rules = best_threshold(event[half], p[half]), float(event[half].mean())
            warned = [p[~half] >= threshold for threshold in rules]
            judged = event[~half]
            skills.append([one[judged].mean() - one[~judged].mean() for one in warned])
    highest, share = np.mean(skills, axis=0)
    return {"highest": round(float(highest), 4), "share": round(float(share), 4)}


def _skill(event: Bools, p: Floats, time: NDArray[np.datetime64], climatology: float) -> Any:
    """Return Brier skill and AUC; fortnights are drawn whole."""
    found = forecast_skill(
        event,
        p,
        threshold=0.5,
        climatology=climatology,
        blocks=time_blocks(time, FORTNIGHT),
        rng=np.random.default_rng(1),
    )
    return {name: told(found[name]) for name in ("bss", "auc")}


PARTS: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "keywords": (of_keywords, "solar/catalogs/sharp_keywords_dayflare.csv.gz"),
    "years": (of_years, "solar/aia211_regions.csv"),
    "past": (of_past, "solar/catalogs/goes_flares_2010_2019.csv.gz"),
    "thresholds": (of_thresholds, "solar/aia211_regions.csv"),
}


def main() -> None:
    """Measure one part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    measure, file = PARTS[given.part]
    command = f"python benchmarks/{Path(__file__).name} {given.part}"
    found = {"command": command, **measure(mirror_folder() / file)}
    known = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    write_atomic(given.out, json.dumps(known | {given.part: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
