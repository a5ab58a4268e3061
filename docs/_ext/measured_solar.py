"""Tables of what limits the solar tasks, from stored results."""

from collections.abc import Mapping
from typing import Any

from measured_rows import Row, interval, stored, told

__all__ = ["SOLAR_TABLES"]

_FORECASTS = {"both": "image and history", "history": "history", "image": "image alone"}
_PENALTY = 0.01  # the one that was taken
_EDGE = 1000  # millionths: no region is larger


def keywords() -> str:
    """Show what any threshold reaches on SHARP keywords, by family, split and keywords."""
    found = stored("benchmarks/solar_flare_limit.json")["keywords"]
    by: dict[tuple[str, str], dict[int, Mapping[str, Any]]] = {}
    for row in found["rows"]:
        by.setdefault((row["split"], row["model"]), {})[row["keywords"]] = row
    rows: list[Row] = []
    for (split, model), some in by.items():
        few, many = (some[number] for number in sorted(some))
        rows.append(
            (
                f"{split} ({few['rows']:,}, {few['events']})",
                model,
                *(interval(one["tss of any threshold"]) for one in (few, many)),
                *(interval(one["bss"]) for one in (few, many)),
            )
        )
    head = (
        "judged (rows, with a flare)",
        "model",
        "highest TSS of any threshold, 18 keywords",
        "25 keywords",
        "BSS, 18",
        "25",
    )
    split = (
        "train before July 2014, or five folds; intervals draw whole regions, each draw with its "
        "own best threshold"
    )
    return told(head, rows, found["command"], split)


def years() -> str:
    """Show the forecast of regions with other periods as the later ones."""
    found = stored("benchmarks/solar_flare_limit.json")["years"]
    rows: list[Row] = [
        (
            f"{row['from'][:7]} to {row['to'][:7]} ({row['rows']}, {row['events']})",
            _FORECASTS[row["forecast"]],
            *(interval(row[name]) for name in ("auc", "tss", "bss")),
        )
        for row in found["rows"]
        if row["forecast"] in _FORECASTS
    ]
    head = ("judged (regions, with a flare)", "forecast", "AUC", "TSS", "BSS")
    split = "each trained on all that was before; class C in 24 h; intervals draw whole regions"
    return told(head, rows, found["command"], split)


def more() -> str:
    """Show what more features, other targets, more rows and a longer past change."""
    found = stored("benchmarks/solar_region_flares_limit.json")
    names = {"past": "the past", "image": "the picture", "both": "both"}
    rows: list[Row] = [
        (
            name,
            row["asked"] if row["rows"] is None else f"{row['asked']} ({row['rows']:,} rows)",
            *(interval(row[score]) for score in ("auc", "tss", "bss")),
        )
        for part, name in names.items()
        for row in found[part]
    ]
    head = ("by", "features, targets, rows", "AUC", "TSS", "BSS")
    split = (
        f"{found['rows']:,} {found['split']}, {found['events']} with a flare of class C; intervals "
        "draw whole regions"
    )
    return told(head, rows, found["command"], split)


def past() -> str:
    """Show the spans that the forecast by past flares was chosen from, at the penalty taken."""
    found = stored("benchmarks/solar_flare_limit.json")["past"]
    rows: list[Row] = [
        (
            ", ".join(f"{hours:g}" for hours in row["hours"]),
            *(interval(row[name], 3) for name in ("bss", "auc")),
        )
        for row in found["rows"]
        if row["inverse penalty"] == _PENALTY
    ]
    later = found["later"]
    rows.append(
        (
            f"6, 24, 72, 240, later days ({later['rows']:,} times)",
            *(interval(later[name], 3) for name in ("bss", "auc")),
        )
    )
    head = ("hours looked back", "BSS", "AUC")
    split = "2010 to June 2014, five runs in time; later: to May 2015; intervals draw fortnights"
    return told(head, rows, found["command"], split)


def disks() -> str:
    """Show the forecasts of whole disks of 2026 beside the published network's answers."""
    found = stored("flare/results/temporal.json")["comparison"]
    gains = {(one["part"], one["model"]): one for one in found["disks"]["gains"]}
    names = {"other model": "AlexNet, as stored", "other model, stretched": "AlexNet, stretched"}
    rows: list[Row] = []
    for row in found["disks"]["parts"]:
        gain = gains.get((row["part"], row["model"]))
        rows.append(
            (
                f"{'February' if row['part'] == 'first month' else 'all'} ({row['n']})",
                names.get(row["model"], row["model"]),
                *(interval(row[name]) for name in ("bss", "auc", "tss")),
                "" if gain is None else interval(gain),
            )
        )
    head = ("disks", "forecast", "BSS", "AUC", "TSS", "BSS less AlexNet's")
    split = "past flares: trained on 2010 to June 2014; the others by blocks of two days of 2026"
    return told(head, rows, found["command"], split)


def regions() -> str:
    """Show what more networks, and a second look, bring to the search of regions."""
    found = stored("benchmarks/solar_regions_limit.json")
    searches = {
        f"one network, start {number}": one for number, one in enumerate(found["networks"], 1)
    }
    searches["mean of the three"] = found["mean of the networks"]
    rows: list[Row] = []
    for name, both in searches.items():
        for look, shown in (("as it is", name), ("second look", f"{name}, second look")):
            counts = (both[look][one]["f1"] for one in ("pairs", "distance alone"))
            rows.append((shown, *(interval(one, 3) for one in counts)))
    for row in found["fewer disks"]:
        counts = (row[one]["f1"] for one in ("pairs", "distance alone"))
        shown = f"one network, of {row['share']:.0%} of the disks"
        rows.append((shown, *(interval(one, 3) for one in counts)))
    knowing = found["knowing"]
    rows += [
        (f"*knowing {name}*", f"{knowing[name]:.3f}", "")
        for name in ("every numbered place, not which have spots", "which candidates are right")
    ]
    head = ("search", "F1, pairs", "F1, distance alone")
    return told(head, rows, found["command"], f"{found['disks']} disks {found['split']}")


def missed() -> str:
    """Show which regions are found, by where they are and how large."""
    found = stored("benchmarks/solar_regions_limit.json")
    rows: list[Row] = []
    for row in found["found"]:
        name, unit = row["by"].rstrip("]").split(" [")
        upper = f"{row['from']} to {row['to']}" if row["to"] < _EDGE else f"above {row['from']}"
        rows.append((f"{name} {upper} {unit}", str(row["n"]), f"{100 * row['found']:.0f}"))
    head = ("regions with spots", "number", "found [%]")
    return told(head, rows, found["command"], f"{found['disks']} disks {found['split']}")


SOLAR_TABLES = {
    "solar keywords": keywords,
    "solar years": years,
    "solar more": more,
    "solar past": past,
    "solar disks": disks,
    "solar regions": regions,
    "solar missed": missed,
}
