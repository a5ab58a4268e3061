"""What limits flares of regions: more features, other targets, more rows, a longer past.

    SKYSIFT_MIRROR=DIR python benchmarks/solar_region_flares_limit.py

All on the regions that train the forecast, before 20 June 2014, in five runs in time with no region
on both sides: nothing here has seen a later day. `image` asks what else of a picture, other
targets, or fewer regions change. `past` asks what the whole catalogue knows: every region and every
six hours of 2010 to June 2014, not only where there is a picture, with the flares of up to ten days
and the growth of the spots. The calibration (two numbers) and the threshold of the TSS are those of
the judged rows, for all alike, which flatters all a little.

Writes benchmarks/solar_region_flares_limit.json.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from measure import mirror_folder
from skysift.core.files import write_atomic
from skysift.data.solar.catalogs.flares import read_flares
from skysift.data.solar.catalogs.positions import regions_at
from skysift.data.solar.catalogs.srs import read_regions
from skysift.data.table import FeatureTable
from skysift.evaluate.forecast import best_threshold, forecast_skill
from skysift.models.flare_history import McIntoshRates, history_features
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.learning import PURGE, folds_of, targets
from skysift.tasks.flare.options import ReadOptions, TrainOptions
from skysift.tasks.flare.regions import Regions, read_labelled

UNTIL = date(2014, 6, 20)
FOLDS = 5
FARTHEST = 70.0
C = 1e-6 * (1 - 1e-9)
STRENGTHS = (C, 5 * C, 10 * C)
LOOKED_BACK = (6, 24, 72, 240)  # h
DAY = np.timedelta64(24, "h")
EIGENIMAGES = 20
RINGS = (0, 5, 10, 16, 24, 34, 48, 64)  # pixel
SHARES = (0.25, 0.5)
JOINING_PENALTY = 0.1
PICTURE = "76 statistics and shapes"
PAST = "and all of these, and its place"

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Runs = Sequence[tuple[Bools, Bools]]


def judge(event: Bools, odds: Floats, region: Ints) -> dict[str, Any]:
    """Return AUC, TSS and BSS of log-odds; intervals draw whole regions."""
    platt = LogisticRegression(C=1e6).fit(odds[:, None], event)
    said = platt.predict_proba(odds[:, None])[:, 1]
    found = forecast_skill(
        event,
        said,
        threshold=best_threshold(event, said),
        climatology=float(event.mean()),
        blocks=region,
        rng=np.random.default_rng(1),
    )
    scores = {}
    for name in ("auc", "tss", "bss"):
        one = found[name]
        bounds = {"value": one.value, "low": one.low, "high": one.high}
        scores[name] = {key: round(float(value), 4) for key, value in bounds.items()}
    return scores


# What a picture tells.


def bright(regions: Regions) -> Floats:
    """Return what is brighter than 95 % of the disk within 64 pixels, shape (n,)."""
    middle = np.nan_to_num(regions.cutouts.pixels)[:, 32:96, 32:96]
    level = regions.cutouts.disk[:, 4].astype(np.float32)[:, None, None]
    return np.asarray(np.clip(middle - level, 0, None).sum(axis=(1, 2), dtype=np.float64))


def among_others(regions: Regions) -> Floats:
    """Return its share of what is bright on the disk, how many are brighter, and how many others.

    Columns of shape (n, 3); the disk's regions are those of the table.
    """
    light = bright(regions)
    disk = np.unique(regions.time, return_inverse=True)[1]
    total, number = np.bincount(disk, light), np.bincount(disk)
    order = np.lexsort((-light, disk))
    first = np.concatenate([[0], np.cumsum(number)[:-1]])
    rank = np.empty(len(light))
    rank[order] = np.arange(len(light)) - first[disk[order]]
    return np.column_stack([light / np.maximum(total[disk], 1.0), rank, number[disk] - 1])


def unforeshortened(regions: Regions) -> Floats:
    """Return the bright area as it would be seen from above, and its latitude, shape (n, 2)."""
    mu = np.maximum(regions.cutouts.mu, 0.2)
    return np.column_stack([np.log1p(bright(regions) / mu), np.abs(regions.table["lat"])])


def rings(regions: Regions) -> Floats:
    """Return the mean excess in rings about the centre, shape (n, 7)."""
    seen = np.clip(np.nan_to_num(regions.cutouts.contrast()), 0, None)
    y, x = np.mgrid[:128, :128] - 63.5
    distance = np.hypot(x, y)
    inside = [(distance >= a) & (distance < b) for a, b in pairwise(RINGS)]
    return np.column_stack([np.log1p(seen[:, one].mean(axis=1)) for one in inside])


def eigenimages(regions: Regions) -> Floats:
    """Return coordinates along the first components of the pictures, shape (n, 20)."""
    seen = np.arcsinh(np.clip(np.nan_to_num(regions.cutouts.contrast()), -2, None))
    small = seen.reshape(-1, 32, 4, 32, 4).mean(axis=(2, 4)).reshape(len(seen), -1)
    left, size, _ = np.linalg.svd(small - small.mean(axis=0), full_matrices=False)
    return np.asarray(left[:, :EIGENIMAGES] * size[:EIGENIMAGES], dtype=np.float64)


def of_the_summary(regions: Regions) -> list[Bools]:
    """Return targets that the daily summary gives: spots' area, number, extent, classes."""
    history = regions.history
    numbers = {
        name: np.nan_to_num(np.asarray(history[name], dtype=np.float64))
        for name in ("area", "nspots", "extent")
    }
    hale = np.char.lower(np.asarray(history["hale"], dtype=str))
    letters = [np.array([str(one)[k : k + 1] for one in history["mcintosh"]]) for k in range(3)]
    return [
        *(numbers["area"] >= one for one in (50, 100, 200, 400)),
        *(numbers["nspots"] >= one for one in (5, 10, 20)),
        *(numbers["extent"] >= one for one in (5, 8, 12)),
        *(np.char.find(hale, word) >= 0 for word in ("gamma", "delta")),
        np.isin(letters[0], list("DEF")),
        np.isin(letters[1], list("kh")),
        np.isin(letters[2], list("ic")),
    ]


def some_regions(region: Ints, share: float) -> Bools:
    """Return the rows of a share of the regions, drawn."""
    numbers = np.unique(region)
    drawn = np.random.default_rng(1).permutation(numbers)[: round(share * len(numbers))]
    return np.isin(region, drawn)


def by_image(
    regions: Regions, features: Floats, kinds: Sequence[Bools], some: Bools, runs: Runs
) -> Floats:
    """Return log-odds by a picture of regions with spots, by the other runs' rows among `some`."""
    odds = np.zeros(len(regions))
    for train, test in runs:
        rows = train & some
        fitted = ScoreRegressions.fit(
            features[rows],
            [kind[rows] for kind in kinds],
            inverse_penalty=TrainOptions().inverse_penalty,
        )
        odds[test] = fitted.log_odds(features[test])
    return odds[regions.has_spots]


def of_images(regions: Regions) -> dict[str, Floats]:
    """Return log-odds by a picture, by what is measured, trained for and trained on."""
    runs = folds_of(regions.time, regions.noaa, FOLDS)
    features, kinds = regions.image_features, targets(regions, "C")
    all_rows = np.ones(len(regions), dtype=bool)
    found: dict[str, Floats] = {}

    def add(name: str, seen: Floats, wanted: Sequence[Bools], some: Bools = all_rows) -> None:
        found[name] = by_image(regions, seen, wanted, some, runs)

    add(PICTURE, features, kinds)
    more: Mapping[str, Callable[[Regions], Floats]] = {
        "and its share of the disk's light": among_others,
        "and the area unforeshortened, latitude": unforeshortened,
        "and rings about its centre": rings,
        "and 20 eigenimages": eigenimages,
    }
    for name, measure in more.items():
        add(name, np.column_stack([features, measure(regions)]), kinds)
    add("trained for the spots' summary too", features, [*kinds, *of_the_summary(regions)])
    for share in SHARES:
        rows = some_regions(regions.noaa, share)
        add(f"{share:.0%} of the regions to train on", features, kinds, rows)
    return found


# What the catalogue tells.


def past_flares(region: Ints, time: NDArray[np.datetime64], flares: FeatureTable) -> Floats:
    """Return the strongest flare of the region [W / m2] and how many of C1, C5, M1 in each span.

    Shape (n, 4 spans, 4).
    """
    order = np.lexsort((flares["start"], flares["noaa"]))
    number, flux = flares["noaa"][order].astype(np.int64), flares["flux"][order]
    start = flares["start"][order].astype("datetime64[s]")
    ends = np.searchsorted(number, [region, region + 1])
    found = np.zeros((len(region), len(LOOKED_BACK), 1 + len(STRENGTHS)))
    for row, (a, b, now) in enumerate(zip(*ends, time, strict=True)):
        for span, hours in enumerate(LOOKED_BACK):
            since = (start[a:b] > now - np.timedelta64(hours, "h")) & (start[a:b] <= now)
            if since.any():
                some = flux[a:b][since]
                found[row, span] = some.max(), *((some >= one).sum() for one in STRENGTHS)
    return found


def longer_past(flared: Floats) -> Floats:
    """Return features of `past_flares`, shape (n, 16)."""
    strongest = np.log10(np.maximum(flared[..., :1], 1e-8))
    return np.concatenate([strongest, np.sqrt(flared[..., 1:])], axis=2).reshape(len(flared), -1)


def growth(regions: FeatureTable, summaries: FeatureTable) -> Floats:
    """Return how area and number of spots grew since the day before, and whether it is new.

    Shape (n, 3).
    """
    known = {
        (int(number), day): (area, spots)
        for number, day, area, spots in zip(
            summaries["noaa"],
            summaries["valid"].astype("datetime64[D]"),
            np.log1p(np.maximum(summaries["area"].astype(float), 0)),
            np.log1p(np.maximum(summaries["n_spots"].astype(float), 0)),
            strict=True,
        )
    }
    found = np.empty((len(regions), 3))
    days = regions["time"].astype("datetime64[D]")
    for row, (number, day) in enumerate(zip(regions["noaa"].astype(int), days, strict=True)):
        today = known.get((number, day), (np.nan, np.nan))
        before = known.get((number, day - 1))
        change = np.subtract(today, before or (0.0, 0.0))
        found[row] = *change, before is None
    return found


def region_days(summaries: FeatureTable, flares: FeatureTable) -> dict[str, Any]:
    """Return every region with spots, every six hours, with its past and what it did."""
    first = summaries["valid"].min().astype("datetime64[s]") + 10 * DAY
    times = np.arange(first, np.datetime64(UNTIL, "s") - DAY, np.timedelta64(6, "h"))
    rows = regions_at(summaries, times, sections=("I",))
    rows = rows.take(np.abs(rows["lon"]) <= FARTHEST)
    return asked(rows, {"n_spots": rows["n_spots"]}, summaries, flares)


def asked(
    rows: FeatureTable,
    spots: Mapping[str, NDArray[Any]],
    summaries: FeatureTable,
    flares: FeatureTable,
) -> dict[str, Any]:
    """Return the columns that a forecast by the past rests on, the labels, regions and times."""
    time, region = rows["time"].astype("datetime64[s]"), rows["noaa"].astype(np.int64)
    flared = past_flares(region, time, flares)
    history = {name: rows[name] for name in ("area", "extent", "mcintosh", "hale")}
    history |= {"nspots": spots["n_spots"], "maxflux_prev24h": flared[:, 1, 0]}
    return {
        "time": time,
        "region": region,
        "event": past_flares(region, np.asarray(time + DAY, "datetime64[s]"), flares)[:, 1, 0] >= C,
        "history": history,
        "past": longer_past(flared),
        "growth": growth(rows, summaries),
        "place": np.column_stack([rows["lon"], np.abs(rows["lon"]), np.abs(rows["lat"])]),
    }


def taken(rows: Mapping[str, Any], some: Bools) -> dict[str, Any]:
    """Return some rows."""
    kept = {name: one[some] for name, one in rows.items() if name != "history"}
    return kept | {"history": {name: one[some] for name, one in rows["history"].items()}}


def past_features(
    rows: Mapping[str, Any], rates: McIntoshRates | None, more: Sequence[str]
) -> Floats:
    """Return the features of the past; rates of other rows than their own where there are none."""
    history = rows["history"]
    if rates is not None:
        known = history_features(history, rates)
    else:
        runs = folds_of(rows["time"], rows["region"], FOLDS)
        parts = []
        for train, test in runs:
            counted = McIntoshRates.fit(history["mcintosh"][train], rows["event"][train])
            parts.append((test, history_features(taken(rows, test)["history"], counted)))
        known = np.full((len(rows["event"]), parts[0][1].shape[1]), np.nan)
        for test, one in parts:
            known[test] = one
    return np.column_stack([known, *(rows[name] for name in more)])


def by_past(
    judged: Mapping[str, Any], known: Mapping[str, Any], more: Sequence[str], *, trees: bool
) -> Floats:
    """Return log-odds by the past, each run's by rows of other regions and other days."""
    odds = np.zeros(len(judged["event"]))
    for _, test in folds_of(judged["time"], judged["region"], FOLDS):
        some = taken(judged, test)
        low, high = some["time"].min() - PURGE, some["time"].max() + PURGE
        away = (known["time"] < low) | (known["time"] > high)
        train = taken(known, away & ~np.isin(known["region"], some["region"]))
        seen = past_features(train, None, more)
        counted = McIntoshRates.fit(train["history"]["mcintosh"], train["event"])
        asked_of = past_features(some, counted, more)
        if trees:
            model = HistGradientBoostingClassifier(
                max_iter=150,
                learning_rate=0.05,
                max_leaf_nodes=7,
                min_samples_leaf=100,
                random_state=1,
            ).fit(seen, train["event"])
            odds[test] = model.decision_function(asked_of)
        else:
            fitted = ScoreRegressions.fit(seen, [train["event"]], inverse_penalty=JOINING_PENALTY)
            odds[test] = fitted.log_odds(asked_of)
    return odds


def of_past(regions: Regions, folder: Path) -> tuple[dict[str, Floats], dict[str, int]]:
    """Return log-odds by the past, by rows and by what is known of it, and how many rows train."""
    catalogues = folder / "catalogs"
    summaries = read_regions([catalogues / "noaa_srs_2010_2019.csv.gz"])
    flares = read_flares([catalogues / "goes_flares_2010_2019.csv.gz"])
    some = regions.take(regions.has_spots)
    table = some.table.with_columns({"time": some.time})
    judged = asked(table, {"n_spots": some.history["nspots"]}, summaries, flares)
    if not np.array_equal(judged["event"], some.flared("C")):
        raise RuntimeError("The catalogue's flares are not those of the table.")
    known = region_days(summaries, flares)
    everything = ("past", "growth", "place")
    found, rows_of = {}, {}
    for name, rows, more, trees in (
        ("columns of the table", judged, (), False),
        ("the same, every region and six hours", known, (), False),
        ("and flares of 6 h to 10 days", known, ("past",), False),
        ("and growth since the day before", known, ("growth",), False),
        (PAST, known, everything, False),
        ("the same by boosted trees", known, everything, True),
    ):
        found[name] = by_past(judged, rows, more, trees=trees)
        rows_of[name] = len(rows["event"])
    return found, rows_of


def joined(event: Bools, *parts: Floats) -> Floats:
    """Return log-odds weighed on the judged rows themselves, which flatters."""
    odds = np.column_stack(parts)
    return np.asarray(LogisticRegression(C=1e6).fit(odds, event).decision_function(odds))


def main() -> None:
    """Measure."""
    folder = mirror_folder() / "solar"
    read = ReadOptions(sections=("I", "IA"), farthest=82.0, until=UNTIL)
    regions = read_labelled([folder / "aia211_regions.csv"], read)
    regions = regions.take(regions.usable)
    spots = regions.take(regions.has_spots)
    event, numbers = spots.flared("C"), spots.noaa
    past, rows_of = of_past(regions, folder)
    image = of_images(regions)
    both = {"the picture and all of the past": joined(event, image[PICTURE], past[PAST])}
    found: dict[str, Any] = {
        "command": f"python benchmarks/{Path(__file__).name}",
        "split": "regions with spots before 2014-06-20, five runs in time",
        "rows": len(event),
        "events": int(event.sum()),
    }
    for part, answers in (("past", past), ("image", image), ("both", both)):
        found[part] = [
            {"asked": name, "rows": rows_of.get(name), **judge(event, odds, numbers)}
            for name, odds in answers.items()
        ]
    write_atomic(Path(__file__).with_suffix(".json"), json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
