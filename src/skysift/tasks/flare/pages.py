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
from skysift.tasks.flare.made_up import MADE_UP
from skysift.tasks.flare.regions import LEVELS
from skysift.tasks.flare.sections import (
    HEADINGS,
    add_definitions,
    add_disk,
    add_disks,
    add_events,
    add_keywords,
    add_pictures,
    add_protocol,
)

__all__ = ["draw", "evaluation_of"]

SEED = 20120307
"""Of the bootstrap of the report, so that the same run gives the same page."""

_MADE_UP = (
    "The suns, their regions and their flares are MADE UP: no number on this page says anything "
    "about the Sun."
)
_CLASSES = ("flare", "no flare")
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
    add_events(page, scores, record.facts)
    _add_standings(page, standings, by_week="standings" in record.facts)
    _add_probabilities(page, scores)
    _add_parts(page, scores, record.facts)
    add_disk(page, record.facts.get("disk"))
    add_protocol(page, record.facts.get("protocol"))
    add_definitions(page, record.facts.get("definitions"))
    add_keywords(page, record.facts.get("keywords"))
    add_disks(page, record.facts.get("disks"))
    add_pictures(page, record.facts.get("pictures"))
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
            f"{HEADINGS[kind]}, {rows[name]['forecast']}",
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
                    label=f"{HEADINGS[kind]}, class {level} or stronger in 24 h",
                    digits=3,
                ),
                caption=f"**{HEADINGS[kind]} of each forecast**, class {level} or stronger; 95 % "
                "bootstrap intervals, regions drawn whole.",
                alt=f"{HEADINGS[kind]} of each forecast with its interval.",
                wide=True,
            )
        section.table(
            [
                {"forecast": row["forecast"], **{k: Metric(**row[k]) for k in HEADINGS}}
                for row in rows
            ],
            columns=[
                Column("forecast", "Forecast"),
                *(
                    Column(kind, heading, format=".3f", best="max")
                    for kind, heading in HEADINGS.items()
                ),
            ],
            caption=f"Class {level} or stronger within 24 h; intervals by region.",
        )
        if by_week:
            section.details("Intervals by week").table(
                [
                    {
                        "forecast": row["forecast"],
                        **{k: Metric(**row[f"{k} by week"]) for k in HEADINGS},
                    }
                    for row in rows
                ],
                columns=[
                    Column("forecast", "Forecast"),
                    *(Column(kind, heading, format=".3f") for kind, heading in HEADINGS.items()),
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
                *(Column(kind, HEADINGS[kind], format=".3f") for kind in ("tss", "bss", "auc")),
            ],
            caption="Class C or stronger; of fewer than five flares no skill is told.",
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
