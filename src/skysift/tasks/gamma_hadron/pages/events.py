"""The data: classes, image parameters one by one, and what the audit has to say."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from skysift.data.columns import CANONICAL_COLUMNS
from skysift.data.table import FeatureTable
from skysift.evaluate.explore import Exploration, explore
from skysift.report import Block, Column, Page
from skysift.report.plots.explore import (
    plot_correlation,
    plot_feature_distributions,
    plot_separation,
)
from skysift.tasks.gamma_hadron.pages.study import CLASSES, SEED
from skysift.tasks.gamma_hadron.pages.words import joined, share

__all__ = ["LABEL", "add_audit", "add_data", "image_parameters"]

LABEL = "is_gamma"
"""Column of the stored events that holds the truth."""

_MOST_PANELS = 16
_NATURE = 1 / 1000
_TITLES = {"high": "Grave", "medium": "Middling", "low": "Slight"}


def image_parameters(events: FeatureTable) -> list[str]:
    """Return the columns to describe: image parameters, or all numbers where there are none."""
    numeric = [
        name for name in events.columns if name != LABEL and events[name].dtype.kind in "biuf"
    ]
    return [name for name in numeric if name in CANONICAL_COLUMNS] or numeric


def add_data(page: Page, events: FeatureTable) -> None:
    """Add the section on the events."""
    is_gamma = np.asarray(events[LABEL], dtype=bool)
    found = explore(events, is_gamma, image_parameters(events), rng=np.random.default_rng(SEED))
    section = page.section(
        "The data",
        lead=f"{found.n_signal:,} gammas, {found.n_background:,} hadrons, "
        f"{len(found.features)} image parameters.",
    )
    section.text(_prior(found))
    names = [one.feature for one in _by_separation(found)][:_MOST_PANELS]
    section.figure(
        plot_feature_distributions(found, features=names, classes=CLASSES),
        caption=f"**Each image parameter by class, the best separating first.** {_pointing(found)}"
        "The better the two outlines part, the more the parameter tells on its own. Each class is "
        "normalised to one; the axes span the inner 99 % of all events.",
        alt=f"Histograms of {joined(names)} for gammas and hadrons.",
        wide=True,
    )
    best = _by_separation(found)[0]
    section.text("No parameter tells enough by itself, and few are independent of the others.")
    section.figure(
        plot_separation(found),
        caption=f"**One parameter alone.** The best, {best.feature}, reaches an AUC of "
        f"{best.power.value:.3f}; the models below combine them all. <S²> also sees a difference "
        "in width that leaves the AUC at 0.5.",
        alt="Area under the ROC curve of each image parameter by itself, with intervals.",
    )
    section.figure(
        plot_correlation(found, classes=CLASSES),
        caption="**Rank correlations**, gammas above the diagonal and hadrons below. Where the two "
        "triangles differ, a model gains from looking at both parameters together.",
        alt="Matrix of Spearman correlations of the image parameters for each class.",
    )
    table = section.details("The image parameters in numbers")
    table.table(
        found.to_rows(),
        columns=[
            Column("feature", "Image parameter"),
            Column("unit", "Unit"),
            Column("median_signal", "Median of gammas", format=".4g"),
            Column("median_background", "Median of hadrons", format=".4g"),
            Column("auc", "AUC alone", format=".4f", best="max"),
            Column("kolmogorov_smirnov", "Kolmogorov-Smirnov", format=".3f", best="max"),
            Column("separation", "<S²>", format=".4f", best="max"),
            Column("missing", "Missing", format=",d"),
        ],
        caption="Medians and separation of each image parameter.",
    )


def add_audit(block: Block, audit: Mapping[str, Any]) -> None:
    """Add the findings of the audit as a table, the gravest first."""
    findings = audit.get("findings", [])
    if not findings:
        block.text("The audit found nothing that tells the class without being physics.")
        return
    block.table(
        [
            {
                "severity": _TITLES.get(one["severity"], one["severity"]),
                "title": one["title"],
                "n_signal": one["n_signal"],
                "n_background": one["n_background"],
            }
            for one in findings
        ],
        columns=[
            Column("severity", "Weight"),
            Column("title", "Finding"),
            Column("n_signal", "Gammas", format=",d"),
            Column("n_background", "Hadrons", format=",d"),
        ],
        caption="What the audit found: ways to tell the class that are no physics, and the rows "
        "that they concern.",
    )
    details = block.details("Why each finding is suspicious, and what to do about it")
    details.text(
        "\n\n".join(
            f"**{one['title']}.** {one['explanation']} {one['advice']}".strip() for one in findings
        )
    )
    for note in audit.get("notes", []):
        details.text(note)


def _prior(found: Exploration) -> str:
    gammas = share(found.prior, 0)
    copies = (
        f" {found.n_duplicates:,} rows repeat an earlier one; copies of an event stay on one side "
        "of every split."
        if found.n_duplicates
        else ""
    )
    return (
        f"In this table {gammas} of the events are gammas. On the sky it is about one in a "
        "thousand, or fewer. That is why no accuracy is quoted here: at one in a thousand a "
        f"program that calls everything a hadron is right {share(1 - _NATURE)} of the time, and "
        "never finds a source. What counts is how many gammas survive a cut that nearly all "
        "hadrons fail: **efficiency** at a given **background acceptance**. Neither depends on "
        "the mixture." + copies
    )


def _pointing(found: Exploration) -> str:
    if _by_separation(found)[0].feature != "alpha":
        return ""
    return (
        "alpha does most of the work: gamma images point back at the source and pile up at small "
        "angles, hadrons arrive from anywhere. "
    )


def _by_separation(found: Exploration) -> list[Any]:
    known = [one for one in found.separations if np.isfinite(one.separation)]
    return sorted(known, key=lambda one: -one.separation)
