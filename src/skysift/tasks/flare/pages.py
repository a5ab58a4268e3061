"""The reports of flare, drawn from what a run stored: nothing is measured or trained here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.core.results import Evaluation, Metric
from skysift.data.table import FeatureTable
from skysift.evaluate.probability import reliability_curve
from skysift.evaluate.roc import roc_curve
from skysift.report import Column, KeyNumber, Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.plots.calibration import plot_reliability
from skysift.report.plots.compare import plot_comparison
from skysift.report.plots.curves import plot_roc
from skysift.report.plots.style import drawing, strokes
from skysift.report.run_folder import RunRecord
from skysift.tasks.flare.evaluation import (
    FORECASTS,
    evaluate_scores,
    parts_by_longitude,
    parts_by_year,
    skill_by,
)
from skysift.tasks.flare.gallery import plot_cutouts, plot_disks, plot_occlusion
from skysift.tasks.flare.made_up import MADE_UP
from skysift.tasks.flare.regions import LEVELS

__all__ = ["draw", "evaluation_of"]

SEED = 20120307
"""Of the bootstrap of the report, so that the same run gives the same page."""

_MADE_UP = (
    "The suns, their regions and their flares are MADE UP: no number on this page says anything "
    "about the Sun."
)
_CLASSES = ("flare", "no flare")
_HEADINGS = {
    "tss": "TSS",
    "hss": "HSS",
    "bss": "BSS",
    "auc": "AUC",
    "accuracy": "Accuracy",
}
_BLIND = ("history", "mcintosh", "persistence")
"""Forecasts that need no image."""

_SHOWN = ("both", "image", "mcintosh", "persistence")
_TELLING = ("disk_0.95", "quantile_0.97_64", "texture_2", "gradient", "size", "mu")


def evaluation_of(record: RunRecord) -> Evaluation:
    """Return the metrics of a run from its stored scores."""
    facts = record.facts
    return evaluate_scores(
        record.table("scores"),
        facts["thresholds"],
        facts["climatology"],
        rng=np.random.default_rng(SEED),
        model=facts["model"],
        data=facts["data"],
        split=facts["split"],
    )


def draw(record: RunRecord) -> Page:
    """Return the page of an evaluation, of a comparison, or of data before any model."""
    if record.kind == "explore":
        return _explore_page(record)
    scores, found = record.table("scores"), evaluation_of(record)
    page = Page(
        title="Flares from active regions",
        subtitle=f"{found.data}, {found.split}: {len(scores):,} regions",
        provenance=provenance_facts(record),
    )
    standings = record.facts.get("standings") or _standings_of(found)
    _open(page, standings, scores)
    if MADE_UP in found.data:
        page.section("Made up").callout("warning", _MADE_UP)
    _add_standings(page, standings, by_week="standings" in record.facts)
    _add_probabilities(page, scores)
    _add_parts(page, scores, record.facts)
    _add_disk(page, record.facts.get("disk"))
    _add_protocol(page, record.facts.get("protocol"))
    _add_definitions(page, record.facts.get("definitions"))
    _add_keywords(page, record.facts.get("keywords"))
    _add_disks(page, record.facts.get("disks"))
    _add_pictures(page, record.facts.get("pictures"))
    _close(page, record)
    return page


def _open(page: Page, standings: Sequence[Mapping[str, Any]], scores: FeatureTable) -> None:
    """Open with the first class of the standings; too few flares to tell skill have none."""
    if not standings:
        page.hero("There are too few flares, or too few regions without, to tell skill.")
        return
    level = standings[0]["level"]
    rows = {row["name"]: row for row in standings if row["level"] == level}
    event = scores[f"event {level}"].astype(bool)
    numbers = [
        KeyNumber(
            f"{_HEADINGS[kind]}, {rows[name]['forecast']}",
            f"{rows[name][kind]['value']:.3f}",
            interval=_span(Metric(**rows[name][kind])),
        )
        for name in ("both", "image")
        for kind in ("tss", "bss", "auc")
        if name in rows
    ]
    blind = [row for name, row in rows.items() if name in _BLIND]
    best = max(blind, key=lambda row: row["bss"]["value"], default=None)
    text = f"A flare of class {level} or stronger within 24 hours: "
    text += "; ".join(
        f"{row['forecast']} true skill statistic **{row['tss']['value']:.3f}**, Brier skill score "
        f"**{row['bss']['value']:.3f}**"
        for row in (rows.get("both"), rows.get("image"), best)
        if row is not None
    )
    page.hero(f"{text}. {int(event.sum())} of {len(event):,} regions flared.", numbers)


def _span(metric: Metric) -> str:
    return "" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"


def _standings_of(found: Evaluation) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for metric in found.metrics:
        kind, _, rest = metric.name.partition("@")
        where, _, forecast = rest.partition(" ")
        key = (where[0].upper(), forecast)
        row = rows.setdefault(
            key, {"forecast": FORECASTS[forecast], "name": forecast, "level": key[0]}
        )
        row[kind] = metric.to_dict()
    return list(rows.values())


def _add_standings(page: Page, standings: Sequence[Mapping[str, Any]], *, by_week: bool) -> None:
    section = page.section(
        "Skill",
        lead="Thresholds were fixed on training rows, climatology is theirs. The accuracy stands "
        "last: whoever never warns has a high one.",
    )
    for level in dict.fromkeys(row["level"] for row in standings):
        rows = [row for row in standings if row["level"] == level]
        for kind in ("tss", "bss"):
            section.figure(
                plot_comparison(
                    {
                        row["forecast"]: Metric(**row[kind])
                        for row in rows
                        if row["name"] != "climatology"
                    },
                    label=f"{_HEADINGS[kind]}, class {level} or stronger in 24 h",
                    digits=3,
                ),
                caption=f"**{_HEADINGS[kind]} of each forecast**, class {level} or stronger; 95 % "
                "bootstrap intervals, regions drawn whole.",
                alt=f"{_HEADINGS[kind]} of each forecast with its interval.",
                wide=True,
            )
        section.table(
            [
                {"forecast": row["forecast"], **{k: Metric(**row[k]) for k in _HEADINGS}}
                for row in rows
            ],
            columns=[
                Column("forecast", "Forecast"),
                *(
                    Column(kind, heading, format=".3f", best="max")
                    for kind, heading in _HEADINGS.items()
                ),
            ],
            caption=f"Class {level} or stronger within 24 h; intervals by region.",
        )
        if by_week:
            section.details("Intervals by week").table(
                [
                    {
                        "forecast": row["forecast"],
                        **{k: Metric(**row[f"{k} by week"]) for k in _HEADINGS},
                    }
                    for row in rows
                ],
                columns=[
                    Column("forecast", "Forecast"),
                    *(Column(kind, heading, format=".3f") for kind, heading in _HEADINGS.items()),
                ],
                caption="The same with whole weeks drawn: what the Sun did in a week is one event.",
            )


def _add_probabilities(page: Page, scores: FeatureTable) -> None:
    section = page.section(
        "Can the probabilities be taken at their word?",
        lead="Where a forecast says 30 %, three in ten regions should flare.",
    )
    for level in LEVELS:
        event = scores[f"event {level}"].astype(bool)
        if not event.any() or event.all():
            continue
        shown = {
            FORECASTS[name]: scores[f"p {level} {name}"] for name in ("both", "image", "mcintosh")
        }
        section.figure(
            plot_reliability(
                {name: reliability_curve(event, p, n_bins=8) for name, p in shown.items()},
                classes=_CLASSES,
            ),
            caption=f"**Reliability, class {level} or stronger.** Wilson 95 %; below, how often "
            "each was said.",
            alt="Observed against stated probability of a flare.",
        )
        section.figure(
            plot_roc(
                {FORECASTS[name]: roc_curve(event, scores[f"p {level} {name}"]) for name in _SHOWN},
                classes=_CLASSES,
            ),
            caption=f"**Share of flares with a warning against share of quiet regions with one**, "
            f"class {level} or stronger.",
            alt="ROC curves of the forecasts.",
        )


def _add_parts(page: Page, scores: FeatureTable, facts: Mapping[str, Any]) -> None:
    section = page.section("By longitude and year")
    rng = np.random.default_rng(SEED)
    for title, parts in (
        ("Distance from the meridian", parts_by_longitude(scores)),
        ("Year", parts_by_year(scores)),
    ):
        rows = []
        for forecast in ("both", "image"):
            found = skill_by(
                scores,
                "C",
                forecast,
                parts,
                threshold=facts["thresholds"][f"C {forecast}"],
                climatology=facts["climatology"]["C"],
                rng=rng,
            )
            rows += [{"forecast": FORECASTS[forecast], **row} for row in found]
        section.table(
            [
                {
                    **row,
                    **{k: Metric(**row[k]) for k in ("tss", "bss", "auc") if k in row},
                }
                for row in rows
            ],
            columns=[
                Column("forecast", "Forecast"),
                Column("part", title),
                Column("n", "Regions", format=",d"),
                Column("events", "Flares", format=",d"),
                *(Column(kind, _HEADINGS[kind], format=".3f") for kind in ("tss", "bss", "auc")),
            ],
            caption="Class C or stronger; of fewer than five flares no skill is told.",
        )


def _add_disk(page: Page, disk: Mapping[str, Any] | None) -> None:
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


def _add_protocol(page: Page, protocol: Mapping[str, Any] | None) -> None:
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


def _add_definitions(page: Page, rows: Sequence[Mapping[str, Any]] | None) -> None:
    if not rows:
        return
    page.section("What counts as a flare", lead="The same regions labelled by other rules.").table(
        rows,
        columns=[
            Column("definition", "Rule"),
            Column("rows", "Regions", format=",d"),
            Column("flares C", "C or stronger", format=",d"),
            Column("share", "Share", format=".1%"),
            Column("flares M", "M or stronger", format=",d"),
            Column("changed", "Labels changed", format=",d"),
        ],
        caption="About a tenth of the C flares of the list have no region number.",
    )


def _add_keywords(page: Page, found: Mapping[str, Any] | None) -> None:
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
            {"model": row["model"], **{k: Metric(**row[k]) for k in _HEADINGS}}
            for row in found["rows"]
        ],
        columns=[
            Column("model", "By"),
            *(Column(kind, heading, format=".3f") for kind, heading in _HEADINGS.items()),
        ],
        caption="Intervals by region.",
    )
    section.callout(
        "warning",
        "A row with a flare is the region 24 hours before the peak of each such flare, whatever "
        f"the hour ({found['same_day']} rows share region and day with another); a row without is "
        "23:48 of a day with none before or after. So the hour of the record gives the label away "
        "and is no feature, nor is anything that tells how far apart records are, and days close "
        "to a flare are missing among the quiet ones.",
    )


def _add_disks(page: Page, found: Mapping[str, Any] | None) -> None:
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
                **{k: Metric(**row[k]) for k in _HEADINGS},
            }
            for row in found["parts"]
        ],
        columns=[
            Column("part", "Days"),
            Column("model", "By"),
            Column("n", "Disks", format=",d"),
            Column("events", "With a flare", format=",d"),
            *(Column(kind, heading, format=".3f") for kind, heading in _HEADINGS.items()),
        ],
        caption="The reference of the Brier skill score is the share of flares in the days judged. "
        "The other model is the one whose probabilities the table holds, as it is and with its "
        "log-odds stretched by the same blocks. Thresholds of ours and of the stretched one are "
        "the best on the judged days, so their TSS and HSS flatter.",
    )
    gains = {name: Metric(**one) for name, one in found.items() if name.startswith("gain, ")}
    if gains:
        section.figure(
            plot_comparison(
                {name.removeprefix("gain, "): one for name, one in gains.items()},
                label="Brier skill score, two features less the other model",
                digits=3,
            ),
            caption="**Difference of the Brier skill scores**, 95 % bootstrap, blocks of two days "
            "drawn whole. All flares come from a few episodes of one month: intervals of so few "
            "blocks are too short.",
            alt="Difference of Brier skill scores with intervals.",
        )


def _add_pictures(page: Page, pictures: Mapping[str, Any] | None) -> None:
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


def _explore_page(record: RunRecord) -> Page:
    facts = record.facts
    page = Page(
        title="Flares from active regions: the data",
        subtitle=facts["title"],
        provenance=provenance_facts(record),
    )
    page.hero("What regions show before any model, and how often they flare.")
    page.section("Regions and flares").table(
        facts["rows"],
        columns=[
            Column("year", "Year"),
            Column("regions", "Regions", format=",d"),
            *(Column(f"flares {one}", f"{one} or stronger", format=",d") for one in LEVELS),
        ],
        caption="Within 24 hours.",
    )
    table = record.table("measured")
    event = table["event C"].astype(bool)
    section = page.section("Measured on each region")
    for name in _TELLING:
        with drawing(None) as axes:
            low, high = np.nanpercentile(table[name], (1, 99))
            for (label, rows), stroke in zip(
                {"C or stronger": event, "none": ~event}.items(),
                strokes(_CLASSES).values(),
                strict=True,
            ):
                axes.hist(
                    np.clip(table[name][rows], low, high),
                    bins=np.linspace(low, high, 30).tolist(),
                    histtype="step",
                    density=True,
                    color=stroke.color,
                    label=label,
                )
            axes.set_xlabel(name.replace("_", " "))
            axes.set_ylabel("Density")
            axes.legend()
        section.figure(
            axes,
            caption=f"**{name.replace('_', ' ')}**, each class normalised to one.",
            alt=f"Histograms of {name} by class.",
        )
    _close(page, record)
    return page


def _close(page: Page, record: RunRecord) -> None:
    section = add_how_to_repeat(page, record)
    for note in record.facts.get("notes", ()):
        section.text(note)
