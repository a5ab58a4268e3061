"""The report, put together from its sections."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.core.results import Evaluation, Metric
from skysift.report import Column, KeyNumber, Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.run_folder import RunRecord
from skysift.tasks.active_region.evaluation import Scores, evaluate_scores
from skysift.tasks.active_region.pages.figures import plot_disks, plot_hidden
from skysift.tasks.active_region.pages.skill import add_detection, add_patches

__all__ = ["draw", "evaluation_of"]

SEED = 20140701
"""Of the bootstrap of the report, so that the same run gives the same page."""

_LEGEND = (
    "Green boxes were found and lie at a region with spots, amber ones do not; numbers are scores. "
    "White crosses: regions with spots in the NOAA summary, blue ones: plage without."
)


def scores_of(record: RunRecord) -> Scores:
    """Return the stored scores of a run."""
    return Scores(*(record.table(name) for name in ("disks", "found", "truth", "patches")))


def evaluation_of(record: RunRecord) -> Evaluation:
    """Return the metrics of a run from its stored scores."""
    facts = record.facts
    return evaluate_scores(
        scores_of(record),
        facts["thresholds"],
        climatology=facts["climatology"],
        rng=np.random.default_rng(SEED),
        model=facts["model"],
        data=facts["data"],
        split=facts["split"],
    )


def draw(record: RunRecord) -> Page:
    """Return the page of an evaluation, a comparison, a demo, or of data before any model."""
    if record.kind in {"explore", "demo"}:
        return _pictures_page(record)
    scores, found = scores_of(record), evaluation_of(record)
    facts = record.facts
    page = Page(
        title="Active regions on the Sun",
        subtitle=f"{found.model} on {found.data}, {found.split}: {len(scores.disks):,} disks",
        provenance=provenance_facts(record),
    )
    _open(page, found, facts)
    _add_disks(page, facts["pictures"], _LEGEND)
    add_detection(page, scores, found, facts)
    if "standings" in facts:
        _add_standings(page, facts["standings"])
        _add_published(page, facts["published"])
    add_patches(page, scores, found, facts)
    if facts.get("hidden"):
        _add_hidden(page, facts["hidden"])
    _close(page, record)
    return page


def _open(page: Page, found: Evaluation, facts: Mapping[str, Any]) -> None:
    metrics = {metric.name: metric for metric in found.metrics}
    numbers = [
        KeyNumber(label, f"{metrics[name].value:.3f}", interval=_span(metrics[name]), note=note)
        for label, name, note in (
            ("Regions with spots found, F1", "detection_f1", "match within 32 pixels"),
            ("The same by a threshold", "threshold_f1", "brightness above the quiet disk"),
            ("Region or quiet patch, TSS", "patch_tss", "accuracy {patch_accuracy}"),
        )
        if name in metrics
    ]
    if "patch_accuracy" in metrics:
        accuracy = f"{metrics['patch_accuracy'].value:.3f}"
        numbers = [
            KeyNumber(n.label, n.value, n.interval, n.note.format(patch_accuracy=accuracy))
            for n in numbers
        ]
    page.hero(
        f"Trained on {facts['trained']}, measured on {facts['split']}. Thresholds were chosen in "
        "training; intervals draw whole fortnights, for that is how long a region stays in view.",
        numbers,
    )


def _span(metric: Metric) -> str:
    return "" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"


def _add_disks(page: Page, pictures: Sequence[Mapping[str, Any]], caption: str) -> None:
    if not pictures:
        return
    page.section("Disks").figure(
        plot_disks(pictures), caption=caption, alt="Disks of the Sun with boxes.", wide=True
    )


def _add_standings(page: Page, standings: Sequence[Mapping[str, Any]]) -> None:
    names = ("tss", "hss", "auc", "bss", "accuracy")
    page.section(
        "Classifiers of patches",
        lead="All trained on the same earlier disks, thresholds from runs within them.",
    ).table(
        [
            {
                "model": row["model"],
                **{
                    name: Metric(name, row[name], row[f"{name}_low"], row[f"{name}_high"])
                    for name in names
                },
            }
            for row in standings
        ],
        columns=[
            Column("model", "Model"),
            Column("tss", "TSS", format=".3f", best="max"),
            Column("hss", "HSS", format=".3f", best="max"),
            Column("auc", "AUC", format=".3f", best="max"),
            Column("bss", "BSS", format=".3f", best="max"),
            Column("accuracy", "Accuracy", format=".3f", best="max"),
        ],
        caption="Region with spots or quiet patch; 95 % bootstrap of fortnights.",
    )


def _add_published(page: Page, rows: Sequence[Mapping[str, Any]]) -> None:
    section = page.section(
        "The published network, by its protocol and in time",
        lead="Two convolutions of three kernels on the grey disk, judged by the accuracy after the "
        "last epoch.",
    )
    section.table(
        rows,
        columns=[
            Column("label", "What is on the disk"),
            Column("split", "Split"),
            Column("accuracy", "Accuracy", format=".3f"),
            Column("spread", "Spread", format=".3f"),
            Column("commoner_class", "Always the commoner", format=".3f"),
            Column("auc", "AUC", format=".3f"),
            Column("n", "Disks", format=",d"),
        ],
        caption="Accuracy means little beside that of always saying the commoner class. Nearly "
        "every disk of these years has a region with spots, so the first label is no class at all.",
    )


def _add_hidden(page: Page, patches: Sequence[Mapping[str, Any]]) -> None:
    page.section(
        "What the answer rests on",
        lead="A square of 16 pixels is hidden behind the median of the patch, one after the other.",
    ).figure(
        plot_hidden(patches),
        caption="**Where hiding lowers the probability of a region the map is red**, where it "
        "raises it blue. The last patches are the surest errors.",
        alt="Patches with occlusion maps.",
        wide=True,
    )


def _pictures_page(record: RunRecord) -> Page:
    facts = record.facts
    is_demo = record.kind == "demo"
    page = Page(
        title="Active regions on the Sun" + ("" if is_demo else ": the data"),
        subtitle=facts["title"],
        provenance=provenance_facts(record),
    )
    page.hero(
        "What the bundle finds on each disk."
        if is_demo
        else "The disks and what the catalogue says of them, before any model."
    )
    legend = (
        "Boxes of what was found, with scores. Disks of the corona show brightness above that of "
        "the whole disk, magnetograms the unsigned flux over the quiet disk's, images of the "
        "continuum how much darker a place is, so that spots are white."
    )
    _add_disks(page, facts["pictures"], legend if is_demo else _LEGEND)
    rows = facts["rows"]
    page.section("Counts").table(
        rows,
        columns=[
            Column(name, name.replace("_", " "), format=".2f" if name == "highest_score" else "")
            for name in rows[0]
        ],
        caption="Regions found on each file." if is_demo else "What there is.",
    )
    _close(page, record)
    return page


def _close(page: Page, record: RunRecord) -> None:
    section = add_how_to_repeat(page, record)
    for note in record.facts.get("notes", ()):
        section.text(note)
