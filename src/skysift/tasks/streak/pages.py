"""The reports of streak, drawn from what a run stored: nothing is measured or trained here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.core.results import Evaluation, Metric
from skysift.data.table import FeatureTable
from skysift.report import Column, KeyNumber, Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.plots.calibration import plot_confusion, plot_reliability
from skysift.report.plots.compare import plot_comparison, plot_efficiency_by_bin
from skysift.report.plots.series import Series
from skysift.report.plots.style import drawing, strokes
from skysift.report.run_folder import RunRecord
from skysift.tasks.streak.comparison import metric_of
from skysift.tasks.streak.evaluation import (
    LENGTH_EDGES,
    confusion,
    evaluate_scores,
    found_by_length,
    reliability,
    resolved_asteroids,
    trail_errors,
)
from skysift.tasks.streak.gallery import plot_gallery
from skysift.tasks.streak.stamps import CLASSES

__all__ = ["draw", "evaluation_of"]

SEED = 20190322
"""Of the bootstrap of the report, so that the same run gives the same page."""

_SIMULATED = (
    "Satellites, glints, asteroid trails, cosmic rays, hot pixels and part of the stars and "
    "galaxies are SIMULATED: no labelled set of streaks is free. What is measured here is how well "
    "the simulation is undone. {skies} What is known of real streaks stands in a section of its "
    "own, where it was asked for."
)


def evaluation_of(record: RunRecord) -> Evaluation:
    """Return the metrics of a run from its stored scores."""
    return evaluate_scores(
        record.table("scores"),
        rng=np.random.default_rng(SEED),
        model=record.facts["model"],
        data=record.facts["data"],
        split=record.facts["split"],
    )


def draw(record: RunRecord) -> Page:
    """Return the page of an evaluation, of a comparison, or of data before any model."""
    if record.kind == "explore":
        return _explore_page(record)
    scores, found = record.table("scores"), evaluation_of(record)
    page = Page(
        title="Streaks on stamps",
        subtitle=f"{found.model} on {found.data}, {found.split}: {len(scores):,} stamps",
        provenance=provenance_facts(record),
    )
    _open(page, record, found)
    if record.kind == "compare":
        _add_comparison(page, record.facts["standings"])
    _add_classes(page, scores, found)
    _add_calibration(page, scores, found)
    _add_asteroids(page, scores)
    _add_trails(page, scores, found)
    for check in record.facts.get("real", ()):
        _add_check(page, check)
    _add_stamps(page, record.facts)
    _close(page, record)
    return page


def _open(page: Page, record: RunRecord, found: Evaluation) -> None:
    accuracy, cuts, moving = (found[name] for name in ("accuracy", "accuracy_by_cuts", "moving"))
    numbers = [
        KeyNumber("Right class of five", f"{accuracy.value:.1%}", interval=_span(accuracy)),
        KeyNumber("The same by fixed cuts", f"{cuts.value:.1%}", interval=_span(cuts)),
        KeyNumber("Moves or not", f"{moving.value:.1%}", interval=_span(moving)),
    ]
    page.hero(
        f"**{accuracy.value:.1%}** of the stamps are called what they are, **{cuts.value:.1%}** by "
        f"fixed cuts; whether something moves is right for **{moving.value:.1%}**.",
        numbers,
    )
    _tell_simulated(page, record)
    if record.facts.get("warning"):
        page.section("Before the numbers").callout("warning", record.facts["warning"])


def _tell_simulated(page: Page, record: RunRecord) -> None:
    """Say what is not from the sky, unless all of it is; runs of before were all simulated."""
    if record.facts.get("simulated", True):
        text = _SIMULATED.format(skies=record.facts["skies"])
        page.section("Simulated").callout("warning", text)


def _span(metric: Metric) -> str:
    return "" if metric.low is None else f"{metric.low:.1%} to {metric.high:.1%}"


def _add_comparison(page: Page, standings: Sequence[Mapping[str, Any]]) -> None:
    section = page.section("Models", lead="All scored on objects that they had not seen.")
    accuracy = {row["model"]: Metric(**row["accuracy"]) for row in standings}
    section.figure(
        plot_comparison(accuracy, label="Accuracy"),
        caption="**Accuracy of each model**, 95 % bootstrap intervals by object.",
        alt="Accuracy of each model with its interval.",
        wide=True,
    )
    section.table(
        [
            {
                "model": row["model"],
                "accuracy": metric_of(row["accuracy"]),
                "log_loss": metric_of(row["log_loss"]),
                "p": row["p_against_best"],
            }
            for row in standings
        ],
        columns=[
            Column("model", "Model"),
            Column("accuracy", "Accuracy", format=".4f", best="max"),
            Column("log_loss", "Log loss", format=".4f", best="min"),
            Column("p", "McNemar p against the best", format=".2g"),
        ],
        caption="The same as a table; cuts give no probability.",
    )


def _add_classes(page: Page, scores: FeatureTable, found: Evaluation) -> None:
    section = page.section("Which class is taken for which")
    section.figure(
        plot_confusion(confusion(scores), CLASSES),
        caption="**Confusion**: counts, and their share of the true class.",
        alt="Confusion matrix of the five classes.",
        wide=True,
    )
    metrics = {metric.name: metric for metric in found.metrics}
    section.table(
        [
            {
                "class": name,
                "n": int((scores["label"].astype(np.str_) == name).sum()),
                **{kind: metrics.get(f"{kind}@{name}") for kind in ("recall", "precision")},
            }
            for name in CLASSES
        ],
        columns=[
            Column("class", "Class"),
            Column("n", "Stamps", format=",d"),
            Column("recall", "Recall", format=".3f"),
            Column("precision", "Precision", format=".3f"),
        ],
        caption="At the shares of this sample, which are not those of a survey; 95 % intervals.",
    )
    section.table(
        _by_kind(scores),
        columns=[
            Column("kind", "What the stamp shows"),
            Column("n", "Stamps", format=",d"),
            Column("right", "Right", format=".1%"),
            Column("cuts", "Right by cuts", format=".1%"),
        ],
        caption="By kind of stamp: what is called simulated was injected, the rest is real.",
    )


def _by_kind(scores: FeatureTable) -> list[dict[str, Any]]:
    kind, label = scores["kind"].astype(np.str_), scores["label"].astype(np.str_)
    rows = []
    for name in np.unique(kind):
        inside = kind == name
        rows.append(
            {
                "kind": str(name),
                "n": int(inside.sum()),
                "right": float((scores["class"].astype(np.str_) == label)[inside].mean()),
                "cuts": float((scores["class_by_cuts"].astype(np.str_) == label)[inside].mean()),
            }
        )
    return rows


def _add_calibration(page: Page, scores: FeatureTable, found: Evaluation) -> None:
    each = {name: found[f"ece@{name}"] for name in CLASSES}
    errors = ", ".join(
        f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for name, one in each.items()
    )
    page.section(
        "Can the probabilities be taken at their word?",
        lead="They assume the shares of the training sample.",
    ).figure(
        plot_reliability(dict(reliability(scores)), classes=("the class", "others")),
        caption=f"**Reliability of each class.** Calibration errors: {errors}.",
        alt="Observed against stated probability of each class.",
    )


def _add_asteroids(page: Page, scores: FeatureTable) -> None:
    """Add which injected asteroids are found; nothing where there is none."""
    curves = {
        name: Series(
            np.arange(len(bins)),
            [np.nan if one is None else one.value for one in bins],
            [np.nan if one is None or one.low is None else one.low for one in bins],
            [np.nan if one is None or one.high is None else one.high for one in bins],
        )
        for name, bins in found_by_length(scores, "class").items()
        if any(bins)
    }
    if not curves:
        return
    page.section(
        "Asteroids, by length and brightness",
        lead="A trail as short as a star is wide is a star to any eye.",
    ).figure(
        plot_efficiency_by_bin(
            list(LENGTH_EDGES),
            curves,
            label="Length of the trail [arcsec]",
            value="Called asteroid",
            log=False,
        ),
        caption="**Share of the injected asteroids that are called so**, Wilson 95 %; snr is the "
        "total signal-to-noise ratio in the stamp.",
        alt="Share of injected asteroids found against the length of the trail.",
        wide=True,
    )


def _add_trails(page: Page, scores: FeatureTable, found: Evaluation) -> None:
    """Add the errors of length and angle; nothing where no injected trail was resolved."""
    use = resolved_asteroids(scores)
    if not use.any():
        return
    length, angle = found["length_error"], found["angle_error"]
    section = page.section(
        "Length and angle",
        lead=f"Of {int(use.sum()):,} injected asteroids that are no point to the fit: median error "
        f"of the length {length.format(2)} arcsec, of the angle {angle.format(2)} deg.",
    )
    errors = trail_errors(scores)
    for name, unit in (("length", "arcsec"), ("angle", "deg")):
        with drawing(None) as axes:
            stroke = strokes([name])[name]
            axes.scatter(
                scores["true_length"][use],
                errors[name][use],
                s=10,
                color=stroke.color,
                alpha=0.5,
                linewidths=0,
            )
            axes.axhline(0.0, color=stroke.color, linewidth=0.8)
            axes.set_xlabel("Length of the trail [arcsec]")
            axes.set_ylabel(f"Error of the {name} [{unit}]")
            limit = float(np.quantile(np.abs(errors[name][use]), 0.97)) * 1.3
            axes.set_ylim(-limit, limit)
        covered = found[f"{name}_coverage"]
        section.figure(
            axes,
            caption=f"**Error of the {name}** against the length; 3 % may lie beyond the frame. "
            f"Within the stated standard deviation: {covered.format(2)} (68 % if it is right).",
            alt=f"Errors of the {name} of injected trails.",
        )


def _add_check(page: Page, check: Mapping[str, Any]) -> None:
    section = page.section(check["title"], lead=check["text"])
    rows = check["rows"]
    if not rows:
        return
    section.table(
        rows,
        columns=[
            Column(name, name, format=".2f" if isinstance(value, float) else "")
            for name, value in rows[0].items()
        ],
        caption="Lengths in arcsec, angles in degrees from north through east.",
    )
    if "Rubin length" in rows[0]:
        with drawing(None) as axes:
            stroke = strokes(["here"])["here"]
            axes.errorbar(
                [row["Rubin length"] for row in rows],
                [row["length"] for row in rows],
                [row["length_err"] for row in rows],
                fmt="o",
                markersize=4,
                color=stroke.color,
            )
            ends = [0.0, 1.1 * max(row["Rubin length"] for row in rows)]
            axes.plot(ends, ends, color=stroke.color, linewidth=0.8, linestyle=":")
            axes.set_xlabel("Length by Rubin [arcsec]")
            axes.set_ylabel("Length here [arcsec]")
        section.figure(
            axes,
            caption="**Length here against that of Rubin's own fit**; dotted where they agree.",
            alt="Lengths of real trails by two fits.",
        )


def _add_stamps(page: Page, facts: Mapping[str, Any]) -> None:
    for title, key, text in (
        ("Stamps", "examples", "Some of each class, under what they are and what they are called."),
        ("The most confident errors", "errors", "What is wrong, the surest first."),
    ):
        if facts.get(key):
            page.section(title).figure(
                plot_gallery(facts[key]),
                caption=f"**{text}** Linear, from the 5th to the 99.7th percentile.",
                alt="Grid of stamps.",
                wide=True,
            )


def _explore_page(record: RunRecord) -> Page:
    facts = record.facts
    page = Page(
        title="Streaks on stamps: the data",
        subtitle=facts["title"],
        provenance=provenance_facts(record),
    )
    page.hero("What the stamps show, and what a fitted trail tells of them before any model.")
    _tell_simulated(page, record)
    table = record.table("measured")
    label = table["label"].astype(np.str_)
    section = page.section("Measured on each stamp")
    for name, text in (
        ("length", "Length of the trail [FWHM of a star]"),
        ("width", "Width, over that of a star"),
        ("trail_significance", "Significance of the trail"),
    ):
        with drawing(None) as axes:
            low, high = np.nanpercentile(table[name], (1, 99))
            for one, stroke in strokes(CLASSES).items():
                axes.hist(
                    np.clip(table[name][label == one], low, high),
                    bins=np.linspace(low, high, 30).tolist(),
                    histtype="step",
                    density=True,
                    color=stroke.color,
                    label=one,
                )
            axes.set_xlabel(text)
            axes.set_ylabel("Density")
            axes.legend()
        section.figure(
            axes,
            caption=f"**{text}** by class, each normalised to one.",
            alt=f"Histograms of {name} by class.",
        )
    _add_stamps(page, facts)
    _close(page, record)
    return page


def _close(page: Page, record: RunRecord) -> None:
    section = add_how_to_repeat(page, record)
    for note in record.facts.get("notes", ()):
        section.text(note)
