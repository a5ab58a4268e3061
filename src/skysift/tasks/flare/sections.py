"""Sections of the reports of flare that rest on more than the scores of regions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.core.results import Metric
from skysift.data.table import FeatureTable
from skysift.report import Column, Page
from skysift.report.plots.compare import plot_comparison
from skysift.tasks.flare.gallery import plot_cutouts, plot_disks, plot_occlusion

__all__ = [
    "HEADINGS",
    "add_definitions",
    "add_disk",
    "add_disks",
    "add_events",
    "add_keywords",
    "add_pictures",
    "add_protocol",
]

HEADINGS = {
    "tss": "TSS",
    "hss": "HSS",
    "bss": "BSS",
    "auc": "AUC",
    "accuracy": "Accuracy",
}
"""Scores by name, in the order of the tables."""


def add_events(page: Page, scores: FeatureTable, facts: Mapping[str, Any]) -> None:
    """Add what is forecast, how often it happened, and where a warning begins."""
    page.section(
        "What is forecast",
        lead="A flare that the list gives to the region and that starts within the 24 hours after "
        "the image. Flares that the list gives to no region count for none.",
    ).table(
        [
            {
                "event": f"GOES class {level} or stronger",
                "regions": len(scores),
                "events": int(scores[f"event {level}"].sum()),
                "share": float(scores[f"event {level}"].mean()),
                "climatology": facts["climatology"][level],
                "threshold": facts["thresholds"].get(f"{level} both"),
            }
            for level in facts["climatology"]
        ],
        columns=[
            Column("event", "Event"),
            Column("regions", "Regions", format=",d"),
            Column("events", "With a flare", format=",d"),
            Column("share", "Share", format=".1%"),
            Column("climatology", "In training", format=".1%"),
            Column("threshold", "Warned from", format=".3f"),
        ],
        caption="Warned from: the probability by image and history with the best TSS on training "
        "rows; the others have thresholds of their own, found in the same way.",
    )


def add_disk(page: Page, disk: Mapping[str, Any] | None) -> None:
    """Add how the regions of a disk forecast the disk."""
    rows = [{"level": level, **found} for level, found in (disk or {}).items() if found]
    if not rows:
        return
    page.section("The whole disk", lead="1 - prod(1 - p) over the regions of each image.").table(
        [{**row, "bss": Metric(**row["bss"]), "auc": Metric(**row["auc"])} for row in rows],
        columns=[
            Column("level", "Class"),
            Column("disks", "Disks", format=",d"),
            Column("events", "With a flare", format=",d"),
            Column("bss", "BSS", format=".3f"),
            Column("auc", "AUC", format=".3f"),
        ],
        caption="Any flare of the listed regions; the reference of the Brier skill score is "
        "1 - prod(1 - climatology) of as many regions.",
    )


def add_protocol(page: Page, protocol: Mapping[str, Any] | None) -> None:
    """Add the published protocol beside later years."""
    if not protocol:
        return
    rows = [
        ("random split, as published", protocol["random"], protocol["majority"]),
        ("later years, as many of each class", protocol["later_balanced"], protocol["majority"]),
        ("later years, all regions", protocol["later"], protocol["majority_later"]),
    ]
    section = page.section(
        "What the published accuracy was worth",
        lead=f"The published network, trained {len(protocol['random'])} times on "
        f"{protocol['pictures']} cutouts less 15 %, as published; the same networks were then "
        "asked about later years.",
    )
    section.table(
        [
            {
                "protocol": name,
                "mean": float(np.mean(values)),
                "low": float(np.min(values)),
                "high": float(np.max(values)),
                "majority": majority,
            }
            for name, values, majority in rows
        ],
        columns=[
            Column("protocol", "Tested on"),
            Column("mean", "Accuracy, mean", format=".3f"),
            Column("low", "worst", format=".3f"),
            Column("high", "best", format=".3f"),
            Column("majority", "of never warning", format=".3f"),
        ],
        caption="A test of about 20 pictures has steps of 5 %. Mean TSS on later years "
        f"{np.mean(protocol['tss_later']):.3f}, AUC {np.mean(protocol['auc_later']):.3f}.",
    )


def add_definitions(page: Page, rows: Sequence[Mapping[str, Any]] | None) -> None:
    """Add how labels hang on their definition."""
    if not rows:
        return
    page.section("What counts as a flare", lead="The same regions labelled by other rules.").table(
        rows,
        columns=[
            Column("definition", "Rule"),
            Column("hours", "Hours", format="g"),
            Column("rows", "Regions", format=",d"),
            Column("flares C", "C or stronger", format=",d"),
            Column("share", "Share", format=".1%"),
            Column("flares M", "M or stronger", format=",d"),
            Column("changed", "Labels changed", format=",d"),
        ],
        caption="About a tenth of the C flares of the list have no region number: a region is "
        "uncertain if one of them, strong enough to change its label, fell into its window.",
    )


def add_keywords(page: Page, found: Mapping[str, Any] | None) -> None:
    """Add forecasts by SHARP keywords."""
    if not found:
        return
    section = page.section(
        "SHARP keywords",
        lead=f"A flare of class M or stronger 24 hours later, by the keywords of one record: "
        f"trained on {found['train']:,} region-days, judged on {found['judged']:,} later ones of "
        f"other regions, {found['events']} with a flare.",
    )
    section.table(
        [
            {
                "model": row["model"],
                **{k: Metric(**row[k]) for k in HEADINGS},
                "hindsight": row.get("hindsight"),
            }
            for row in found["rows"]
        ],
        columns=[
            Column("model", "By"),
            *(Column(kind, heading, format=".3f") for kind, heading in HEADINGS.items()),
            Column("hindsight", "TSS in hindsight", format=".3f"),
        ],
        caption="Intervals by region. In hindsight: with the threshold that the judged rows would "
        "have chosen, a limit for those of earlier years.",
    )
    section.callout(
        "warning",
        "A row with a flare is the region 24 hours before the peak of each such flare, whatever "
        f"the hour ({found['same_day']} rows share region and day with another); a row without is "
        "23:48 of a day with none before or after. So the hour of the record gives the label away "
        "and is no feature, nor is anything that tells how far apart records are, and days close "
        "to a flare are missing among the quiet ones.",
    )


def add_disks(page: Page, found: Mapping[str, Any] | None) -> None:
    """Add forecasts by magnetograms of the disk."""
    if not found:
        return
    section = page.section(
        "Magnetograms of the whole disk",
        lead="A flare of class M or stronger anywhere within 24 hours, from pictures of the disk "
        "every three hours; blocks of two days are judged by regressions on all others, a day off "
        "on either side.",
    )
    section.table(
        [
            {
                **{k: row[k] for k in ("part", "model", "n", "events")},
                **{k: Metric(**row[k]) for k in HEADINGS},
            }
            for row in found["parts"]
        ],
        columns=[
            Column("part", "Days"),
            Column("model", "By"),
            Column("n", "Disks", format=",d"),
            Column("events", "With a flare", format=",d"),
            *(Column(kind, heading, format=".3f") for kind, heading in HEADINGS.items()),
        ],
        caption="The reference of the Brier skill score is the share of flares in the days judged. "
        "The other model is the one whose probabilities the table holds, as it is and with its "
        "log-odds stretched by the same blocks. Past flares are what a list of years told, which "
        "none of these days is in; their threshold is of those years. Thresholds of the two "
        "features and of the stretched one are the best on the judged days, so their TSS and HSS "
        "flatter.",
    )
    gains = {f"{one['model']}, {one['part']}": _gain_of(one) for one in found.get("gains", ())}
    if gains:
        section.figure(
            plot_comparison(gains, label="Brier skill score, less the other model's", digits=3),
            caption="**Difference of the Brier skill scores**, 95 % bootstrap, blocks of two days "
            "drawn whole. All flares come from a few episodes of one month: intervals of so few "
            "blocks are too short.",
            alt="Difference of Brier skill scores with intervals.",
        )


def _gain_of(row: Mapping[str, Any]) -> Metric:
    return Metric(**{name: value for name, value in row.items() if name not in {"part", "model"}})


def add_pictures(page: Page, pictures: Mapping[str, Any] | None) -> None:
    """Add disks with boxes, cutouts and occlusion maps."""
    if not pictures or not pictures.get("cutouts"):
        return
    section = page.section("Regions", lead="Class C or stronger within 24 hours.")
    if pictures.get("disks"):
        section.figure(
            plot_disks(pictures["disks"]),
            caption="**Disks with their regions** and the probability by image and history; a "
            "solid box where a flare followed.",
            alt="Disks of the Sun with boxes about active regions.",
            wide=True,
        )
    section.figure(
        plot_cutouts(pictures["cutouts"]),
        caption="**The surest of each kind, by the image alone**: 64 pixels, 310 arcsec.",
        alt="Cutouts of active regions.",
        wide=True,
    )
    if pictures.get("maps"):
        section.figure(
            plot_occlusion(pictures["maps"]),
            caption="**What the forecast rests on**: by how much the log-odds fall where 16 x 16 "
            "pixels are blurred away. Red speaks for a flare, blue against one. Contours: level "
            "150 of the picture.",
            alt="Occlusion maps beside their cutouts.",
            wide=True,
        )
