"""Tables of the pages, each from stored results."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any

from measured_rows import Row, cited, interval, listed, named, row_of, stored, table, told
from measured_sky import SKY_TABLES
from measured_sky_real import REAL_SKY_TABLES
from measured_solar import SOLAR_TABLES
from measured_stars import STAR_TABLES

from skysift.evaluate.intervals import wilson_interval

__all__ = ["TABLES"]

_PUBLISHED = "gamma_sky/results/published_networks.json"
STRESS = tomllib.loads((Path(__file__).parent / "stress.toml").read_text(encoding="utf-8"))


def gamma_hadron() -> str:
    """Show each model of the notebook: its claim, and all in the same folds."""
    found = stored("gamma_hadron/results/cross_validation.json")
    claims = {
        "XGBoost": "0.921",
        "neural network 64-32-1": "0.906",
        "k nearest neighbours": "0.880",
        "decision tree": "0.879",
        "logistic regression": "0.820 (0.790 in its table)",
    }
    names = {
        "blend of MLPs and trees": "**skysift, default**",
        "fast network, copied from the blend": "**skysift, fast**",
    }
    others = ("XGBoost", "random forest", *list(claims)[1:])
    names |= dict(zip(others, others, strict=True))

    def cells(row: Mapping[str, Any]) -> Row:
        return claims.get(row["model"], ""), named(row, "auc")

    head = ("model", "AUC claimed", "AUC measured")
    rows = listed(found["rows"], "model", names, cells)
    return told(head, rows, found["command"], found["split"])


def notebook() -> str:
    """Show the models of the notebook as the notebook trained them, on the fixed test rows."""
    found = stored("measured/notebook.json")
    names = ("XGBoost", "neural network 64-32-1", "k nearest neighbours", "decision tree")
    shown = {"skysift default": "**skysift, default**"}
    shown |= {f"{name}, as in the notebook": name for name in (*names, "logistic regression")}

    def cells(row: Mapping[str, Any]) -> Row:
        return named(row, "auc"), named(row, "efficiency@0.01", 3)

    head = ("as in the notebook", "AUC", "gammas kept at 1 % of the hadrons")
    rows = listed(found["rows"], "model", shown, cells)
    return told(head, rows, found["command"], found["split"])


def flare() -> str:
    """Show the published network of cutouts beside everybody's forecasts."""
    found = stored("flare/results/temporal.json")
    names = {
        "image and history": "**skysift, default**",
        "history only": "history alone",
        "McIntosh-Poisson": "McIntosh-Poisson",
        "persistence": "persistence",
        "image only": "image alone",
        "our network on the image": "a network of ours on the image",
        "the published network": "the published network",
    }

    def cells(row: Mapping[str, Any]) -> Row:
        return [interval(row[score]) for score in ("tss", "bss", "auc", "accuracy")]

    split = "trained before July 2014, judged on 365 later rows, 99 of them with a flare"
    head = ("forecast of class C or stronger in 24 h", "TSS", "BSS", "AUC", "accuracy")
    of_class = [row for row in found["comparison"]["standings"] if row["level"] == "C"]
    rows = listed(of_class, "forecast", names, cells)
    return told(head, rows, found["comparison"]["command"], split)


def flare_protocol() -> str:
    """Show the published network of cutouts by its own protocol."""
    found = stored("flare/results/temporal.json")["comparison"]["protocol"]
    count = len(found["random"])

    def spread(name: str) -> str:
        values = found[name]
        return f"{sum(values) / count:.3f} ({min(values):.3f} to {max(values):.3f})"

    rows = [
        [
            "ten random splits of its 131 cutouts",
            "0.956 to 0.958",
            spread("random"),
            f"{found['majority']:.3f}",
        ],
        ["the same ten, on later years", "", spread("later"), f"{found['majority_later']:.3f}"],
    ]
    return table(("accuracy", "claimed", "measured, mean (range)", 'of "never"'), rows)


def active_region() -> str:
    """Show what skysift reaches on later disks, and its classical rival."""
    names = (
        "region or quiet patch, TSS",
        "accuracy",
        "regions with spots found within 32 px, F1, whole disk",
        "F1 of a brightness threshold, whole disk",
    )
    rows = cited("tasks/active-region.md", names, 1, 2)
    return table(("question", "76 later disks", "cross-validation in the years before"), rows)


def disk_protocol() -> str:
    """Show the published network of whole disks by its own protocol, and in time."""
    found = stored("active_region/results/comparison.json")

    def cells(row: Mapping[str, Any]) -> Row:
        accuracy = f"{row['accuracy']:.3f} ± {row['spread'] or 0:.3f}"
        if row["spread"] is None:  # one split: the doubt is that of its disks
            share = wilson_interval(round(row["accuracy"] * row["n"]), row["n"])
            accuracy = interval({"value": share.value, "low": share.low, "high": share.high}, 3)
        commoner = f"{row['commoner_class']:.3f}"
        return row["label"], row["split"], accuracy, commoner, str(row["n"])

    head = ("is on the disk", "split", "accuracy", "of always the same answer", "test disks")
    rows = [cells(row) for row in found["published"]]
    return told(head, rows, found["command"], found["split"])


def gamma_sky_published() -> str:
    """Show the published networks, trained as published, and what replaces them."""
    names = {
        "original": "CNN-cleaner and CNN-regressor, as published",
        "own counts": "the same, four faults mended",
        "corrected": "all five mended",
        "smoothed maximum": "brightest pixel of the smoothed map",
        "gammapy": "gammapy, given the true background",
        "likelihood filter, IRF-free": "skysift, filter alone",
        "refined likelihood, IRF-free": "**skysift, default**",
    }
    claims = {"original": "0.068", "gammapy": "0.044"}
    return _published(names, "68 % error claimed [deg]", lambda name: claims.get(name, ""))


def gamma_sky_short() -> str:
    """Show the networks trained on a short budget, beside what a longer training makes of them."""
    full = stored(_PUBLISHED)["rows"]
    longer = {row["method"]: interval(row["error68"], 4) for row in full}
    found = stored("gamma_sky/results/published_networks_short.json")
    rows = [row for row in found["rows"] if row["group"] == "network"]

    def cells(row: Mapping[str, Any]) -> Row:
        errors = interval(row["error68"], 4), longer.get(row["method"], "")
        return (
            *errors,
            interval(row["outliers"], 3),
            interval(row["peak68"], 3),
            interval(row["kept"]),
        )

    head = (
        *("network", "68 % error [deg]", "with the published budget"),
        *("beyond 0.2 deg", "cleaned map's top [deg]", "counts kept of one"),
    )
    names = {row["method"]: row["method"] for row in rows}
    return told(head, listed(rows, "method", names, cells), found["command"], found["split"])


def _published(names: Mapping[str, str], beside: str, of: Callable[[str], str]) -> str:
    """Show methods on the published test maps, with another number of each beside theirs."""
    found = stored(_PUBLISHED)

    def cells(row: Mapping[str, Any]) -> Row:
        kept = interval(row["kept"]) if row.get("kept") else ""
        error, outliers = interval(row["error68"], 4), interval(row["outliers"], 3)
        return of(row["method"]), error, outliers, kept

    head = ("method", beside, "measured [deg]", "beyond 0.2 deg", "counts kept of one")
    return told(
        head, listed(found["rows"], "method", names, cells), found["command"], found["split"]
    )


def gamma_sky_speed() -> str:
    """Show times of the search beside gammapy's."""
    names = ("fit, no response", "fit, response", "gammapy", "gammapy + background")
    rows = cited("benchmarks.md", names, 5, 10)
    return table(("photons to candidates", "processor time, median [ms]", "68 % error [deg]"), rows)


def streaks() -> str:
    """Show how many stamps the trees and the cuts tell rightly."""
    found = stored("benchmarks/streaks.json")
    rights = {
        "all four classes": ("classes", "accuracy"),
        "asteroids": ("classes", "recall asteroid"),
        "bogus alerts, which no training has": ("not in training", "bogus", "right"),
        "known asteroids, which do not trail": ("not in training", "solar-system", "right"),
    }

    def cells(place: Sequence[str]) -> Row:
        right = [reduce(getitem, place, found[method]) for method in ("trees", "cuts")]
        shares = [
            interval({key: 100 * one[key] for key in ("value", "low", "high")}, 1) for one in right
        ]
        return f"{right[0]['n']:,}", *shares

    head = ("told rightly [%]", "stamps", "trees", "cuts")
    rows = [(shown, *cells(place)) for shown, place in rights.items()]
    return told(head, rows, found["command"], found["split"])


def muygps_speed() -> str:
    """Show rows per second beside MuyGPyS."""
    names = ("MuyGPyS, nu = 3/2", "numpy", "compiled", "compiled, single precision")
    rows = cited("benchmarks.md", names, 1, 3)
    return table(("engine", "rows per second, one core", "largest difference"), rows)


def stressed(task: str) -> str:
    """Show a shipped bundle without a shift, and under those that ``stress.toml`` names."""
    found, chosen = stored("measured/stress.json")[task], STRESS[task]
    names = ("value", "low", "high", "change", "change_low", "change_high")
    kept = {tuple(row[:3]): dict(zip(names, row[3:], strict=True)) for row in found["rows"]}

    def cells(shift: str, size: float, bounds: str) -> Row:
        rows = [kept[shift, size, metric] for metric in chosen["metrics"]]
        return [
            "not defined"
            if row["value"] is None
            else interval({**row, "low": row[f"{bounds}low"], "high": row[f"{bounds}high"]}, 3)
            for row in rows
        ]

    rows = [("none", *cells(*next(iter(found["none"].items())), ""))]
    rows += [(shown, *cells(*shift, "change_")) for shown, shift in chosen["shifts"].items()]
    return told(
        ("shift", *chosen["metrics"].values()), rows, found["command"], f"on {found['data']}"
    )


PROMISES = {
    ("gamma-hadron", "default", "set"): "gamma-hadron/default",
    ("gamma-hadron", "fast", "set"): "gamma-hadron/fast",
    ("gamma-hadron", "source-independent", "set"): "gamma-hadron/source-independent",
    ("star-galaxy", "default", "set"): "star-galaxy/default",
    ("streak", "default", "set"): "streak/default, classes",
    ("streak", "default", "length"): "streak/default, lengths of asteroids",
    ("flare", "default", "set_c24"): "flare/default, class C",
    ("flare", "default", "set_m24"): "flare/default, class M",
    ("active-region", "default", "set"): "active-region/default, patches",
    ("active-region", "default", "region_set"): "active-region/default, places",
    ("gamma-sky", "default", "region"): "gamma-sky/default, places",
    ("gamma-sky", "default", "excess"): "gamma-sky/default, excess",
}


def promises_checked() -> str:
    """Show what each bundle found on rows that gave no score to its promise."""
    rows = []
    for (task, bundle, name), shown in PROMISES.items():
        file = f"{task.replace('-', '_')}/bundles/{bundle}/conformal.json"
        promise = row_of(stored(file)["promises"], name=name)
        found = {metric["name"]: metric for metric in promise["checked"]}
        covered = found["coverage@0.9"]
        sizes = [
            interval(found[f"{kind}@0.9"], 3) if promise["classes"] else ""
            for kind in ("single", "useful", "empty")
        ]
        rows.append((shown, interval(covered, 3), *sizes, f"{covered['n']:,}"))
    return table(("promise", "covered", "one class", "one class, and right", "empty", "rows"), rows)


def promises_by_group() -> str:
    """Show what groups are covered, by limits of their own and by one for all."""
    promises = stored("benchmarks/promises.json")["promises"]
    groups = {
        ("star-galaxy/default: set", "all"): "star-galaxy, all",
        ("star-galaxy/default: set", "star,17.9<=magnitude<18.7"): "stars of 17.9 to 18.7 mag",
        ("star-galaxy/default: set", "star,magnitude>=18.7"): "**stars fainter than 18.7 mag**",
        ("star-galaxy/default: set", "galaxy,magnitude>=18.7"): "galaxies fainter than 18.7 mag",
        ("gamma-hadron/default: set", "hadron,log_size<2.48"): "hadrons below a SIZE of 302",
        ("streak/default: set", "all"): "streak, classes",
        ("streak/default: set", "asteroid,snr<12.4"): "asteroids below a signal-to-noise of 12.4",
        ("streak/default: set", "satellite,snr>=12.4"): "**satellites above it**",
        ("gamma-sky/default: region", "all"): "gamma-sky, places",
        ("gamma-sky/default: excess", "80.9<=excess<169"): "gamma-sky, excess of 81 to 169 counts",
    }
    rows = []
    for (promise, part), shown in groups.items():
        row = row_of(promises[promise]["groups"], part=part)
        covered = interval({**row, "value": row["covered"]}, 3)
        rows.append((shown, covered, f"{row['one_limit_for_all']:.3f}", f"{row['n']:,}"))
    return table(("at 0.9", "limits by class and group", "one limit for all", "rows"), rows)


def promises_by_zenith() -> str:
    """Show what the promises of gamma-sky cover by zenith angle and array."""
    found = stored("benchmarks/promises.json")["gamma_sky"]
    rows = []
    for case in dict.fromkeys(row["case"] for row in found):
        pair = [row_of(found, case=case, what=what) for what in ("region", "excess")]
        cells = [interval({**row, "value": row["covered"]}, 2) for row in pair]
        rows.append((case, *cells, str(pair[0]["n"])))
    return table(("at 0.9", "places", "excess", "sources"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "gamma-hadron": gamma_hadron,
    "notebook": notebook,
    "flare": flare,
    "flare by its own protocol": flare_protocol,
    "active-region": active_region,
    "active-region by its own protocol": disk_protocol,
    "published networks": gamma_sky_published,
    "short budget": gamma_sky_short,
    "search speed": gamma_sky_speed,
    "streaks": streaks,
    "muygps speed": muygps_speed,
    "promises checked": promises_checked,
    "promises by group": promises_by_group,
    "promises by zenith": promises_by_zenith,
    **SKY_TABLES,
    **STAR_TABLES,
    **REAL_SKY_TABLES,
    **SOLAR_TABLES,
    **{f"stress {task}": partial(stressed, task) for task in STRESS},
}
