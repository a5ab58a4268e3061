"""The sections of the reports, each from a study of what the run stored."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from skysift.core.results import Metric
from skysift.report import Block, Column, Page
from skysift.report.plots import (
    Series,
    plot_comparison,
    plot_efficiency_by_bin,
    plot_reliability,
    plot_roc,
)
from skysift.report.plots.style import drawing, new_axes, strokes
from skysift.tasks.star_galaxy.evaluation import (
    CONTAMINATION,
    FAINT,
    MAGNITUDE_EDGES,
    abstention,
    by_magnitude,
)
from skysift.tasks.star_galaxy.gallery import plot_gallery
from skysift.tasks.star_galaxy.matched import MATCHED
from skysift.tasks.star_galaxy.pages.study import CLASSES, Study

__all__ = [
    "add_abstention",
    "add_by_magnitude",
    "add_calibration",
    "add_comparison",
    "add_errors",
]

_CLASSICAL = ("fwhm-cut", "magnitude")
_MOST_CURVES = 4
_COMPLETENESS = f"star_completeness@{CONTAMINATION:g}"
_NOTHING = Metric("accuracy", float("nan"), n=0)
"""Of a bin without objects, which leaves a gap in a curve."""

_SIZES = ((5.4, 4.0), (8.2, 4.3))  # of figures of one curve, of several


def add_comparison(page: Page, study: Study) -> None:
    """Add the section that sets the models side by side."""
    several = len(study.evaluations) > 1
    section = page.section(
        "The comparison" if several else "The result",
        lead=f"{study.rows}, none of them seen by the model that judged it."
        if several
        else study.rows,
    )
    if several:
        section.figure(
            plot_comparison(
                {study.labels[n]: study.metric(n, "log_loss") for n in study.by_log_loss()},
                label="Log loss, 95 % interval",
                reference=study.label,
                higher_is_better=False,
            ),
            caption="**Log loss, best on top.** It asks for the right class and for an honest "
            "probability. The last rows show how far brightness alone, or one cut on the width, "
            "would come.",
            alt="Log loss of each model with its interval.",
            wide=True,
        )
    _add_table(section, study)
    shown = _curves(study)
    section.figure(
        plot_roc(
            {study.labels[n]: study.evaluations[n].detail["roc"].thinned() for n in shown},
            notes={study.labels[n]: f"{study.metric(n, 'auc').value:.4f}" for n in shown},
            classes=CLASSES,
            log=True,
            ax=new_axes(*_SIZES[len(shown) > 1]),
        ),
        caption="**Galaxies kept against stars lost**, the latter on a logarithmic axis; with the "
        "area under the curve of each model.",
        alt=f"ROC curves of {', '.join(study.labels[n] for n in shown)}.",
        wide=True,
    )


def add_calibration(page: Page, study: Study) -> None:
    """Add what the probabilities are worth."""
    section = page.section(
        "Can the probability be taken at its word?",
        lead="Of a hundred objects with p = 0.9, ninety should be galaxies.",
    )
    found = study.evaluations[study.reference]
    error = study.metric(study.reference, "ece").format()
    section.figure(
        plot_reliability({study.label: found.detail["reliability"]}, classes=CLASSES),
        caption=f"**Reliability of {study.label}.** Calibration error {error}. "
        "Nearly all objects lie in the outermost bins, as they should where classes part well; "
        "the intervals of the few in between are wide.",
        alt="Observed fraction of galaxies against stated probability.",
    )
    section.table(
        [
            {
                "model": study.labels[name],
                "log_loss": study.metric(name, "log_loss"),
                "brier": study.metric(name, "brier"),
                "ece": study.metric(name, "ece"),
            }
            for name in study.by_log_loss()
        ],
        columns=[
            Column("model", "Model"),
            Column("log_loss", "Log loss", format=".4f", best="min"),
            Column("brier", "Brier score", format=".4f", best="min"),
            Column("ece", "Calibration error", format=".4f", best="min"),
        ],
        caption="Log loss, Brier score and calibration error with 95 % intervals by object.",
    )


def add_by_magnitude(page: Page, study: Study) -> None:
    """Add how the result depends on brightness; nothing where no magnitude is known."""
    parts = by_magnitude(study.scored.magnitude)
    if not parts:
        return
    section = page.section(
        "By magnitude",
        lead="Galaxies of the sample are fainter than its stars, so that brightness alone tells "
        "many apart. Within a bin it does not.",
    )
    edges = _edges(list(parts))
    between = [f"{low:g}-{high:g}" for low, high in pairwise(edges)]  # some may hold no object
    edges[0] = max(edges[0], edges[1] - 1)  # the brightest may be far away
    curves = {}
    shown = _curves(study)
    for name in shown:
        found = [
            study.metric(name, f"accuracy@{part}") if part in parts else _NOTHING
            for part in between
        ]
        curves[study.labels[name]] = Series(
            np.arange(len(between)),
            [one.value for one in found],
            [one.value if one.low is None else one.low for one in found],
            [one.value if one.high is None else one.high for one in found],
        )
    section.figure(
        plot_efficiency_by_bin(
            edges,
            curves,
            label="Aperture magnitude [mag]",
            value="Accuracy",
            log=False,
            ax=new_axes(*_SIZES[len(shown) > 1]),
        ),
        caption="**Accuracy in bins of magnitude** with 95 % bootstrap intervals by object, or "
        "Wilson's where all are right. The first bin reaches further to the left.",
        alt="Accuracy of some models in bins of magnitude.",
        wide=True,
    )
    stars = ~study.scored.is_galaxy
    section.table(
        [
            {
                "bin": part,
                "stars": int((inside & stars).sum()),
                "galaxies": int((inside & ~stars).sum()),
                **{n: study.metric(n, f"accuracy@{part}") for n in _curves(study)},
            }
            for part, inside in parts.items()
        ],
        columns=[
            Column("bin", "Magnitude"),
            Column("stars", "Stars", format=",d"),
            Column("galaxies", "Galaxies", format=",d"),
            *(Column(n, study.labels[n], format=".3f") for n in _curves(study)),
        ],
        caption="Accuracy by magnitude, with 95 % intervals.",
    )
    _add_measures_by_magnitude(section, study)
    _add_matched(section, study)


def add_abstention(page: Page, study: Study) -> None:
    """Add what is gained by leaving the doubtful ones open."""
    aside, accuracy = abstention(study.scored.is_galaxy, study.scored.probability[study.reference])
    flagged = study.metric(study.reference, "ambiguous")
    rest = study.metric(study.reference, "accuracy_unambiguous")
    section = page.section(
        "Ambiguous objects",
        lead=f"{flagged.value:.1%} are left open; of the others {rest.value:.2%} are right "
        f"({rest.low:.2%} to {rest.high:.2%}).",
    )
    kept = aside <= 0.2  # noqa: PLR2004  # beyond that nothing happens
    with drawing(None) as axes:
        stroke = strokes([study.label])[study.label]
        axes.plot(100 * aside[kept], 100 * accuracy[kept], color=stroke.color)
        axes.axvline(100 * flagged.value, color=stroke.color, linestyle=":")
        axes.set_xlabel("Objects set aside, the most doubtful first [%]")
        axes.set_ylabel("Accuracy of the rest [%]")
    section.figure(
        axes,
        caption="**Abstention curve.** Dotted: the share that the model calls ambiguous, by a "
        "limit set on training objects alone. Where the curve stays flat below 100 %, what is "
        "wrong is not in doubt: mislabelled, or beyond these images.",
        alt="Accuracy against the share of objects set aside.",
    )


def add_errors(page: Page, errors: Sequence[Mapping[str, Any]]) -> None:
    """Add the gallery of the most confident errors; nothing where there is none."""
    if not errors:
        return
    section = page.section(
        "The most confident errors",
        lead="Look at them before you trust any number above: some labels are wrong.",
    )
    section.figure(
        plot_gallery(errors),
        caption="**Cutouts that the model is surest and wrong about**, each with its name "
        "and label, its magnitude and the probability of a galaxy. Inverse hyperbolic sine of the "
        "signal over the noise.",
        alt="Grid of cutouts of wrongly classified objects.",
        wide=True,
    )
    section.table(
        [{k: v for k, v in error.items() if k != "pixels"} for error in errors],
        columns=[
            Column("file", "Cutout"),
            Column("label", "Label"),
            Column("p_galaxy", "P(galaxy)", format=".4f"),
            Column("magnitude", "Magnitude", format=".2f"),
            Column("ambiguous", "Ambiguous"),
        ],
        caption="The same as a table.",
    )


def _add_measures_by_magnitude(block: Block, study: Study) -> None:
    """Add the table of all measures in bins; nothing where no bin has enough of both classes."""
    if not study.bins:
        return
    shown = [
        Column("auc", "AUC", format=".3f"),
        Column("log_loss", "Log loss", format=".3f"),
        Column("brier", "Brier score", format=".3f"),
        Column("ece", "Calibration error", format=".3f"),
        Column(_COMPLETENESS, "Stars kept", format=".0%"),
    ]
    block.table(
        [
            {"bin": part, **{column.name: found[column.name] for column in shown}}
            for part, found in study.bins.items()
        ],
        columns=[Column("bin", "Magnitude"), *shown],
        caption=f"**{study.label} in each bin**, where it has five stars and five galaxies at "
        "least. Stars kept: with 0.5 % galaxies among them, of fewer than 200 that is none. 95 % "
        "intervals: bootstrap by object, DeLong for the AUC.",
    )


def _add_matched(block: Block, study: Study) -> None:
    """Add the table of equally bright classes; nothing where they do not overlap."""
    shown = [
        Column(f"accuracy@{MATCHED}", "Accuracy", format=".4f", best="max"),
        Column(f"auc@{MATCHED}", "AUC", format=".4f", best="max"),
        Column(f"log_loss@{MATCHED}", "Log loss", format=".4f", best="min"),
    ]
    if not study.has(shown[0].name):
        return
    n = study.metric(study.reference, shown[0].name).n
    block.table(
        [
            {"model": study.labels[name], **{c.name: study.metric(name, c.name) for c in shown}}
            for name in study.by_log_loss()
        ],
        columns=[Column("model", "Model"), *shown],
        caption="**Stars and galaxies equally bright**: in each half magnitude the class with more "
        f"objects is weighed down to the other, which leaves a weight of {n:,} objects. Bootstrap "
        "by object, 95 %.",
    )


def _add_table(block: Block, study: Study) -> None:
    faint = f"error@i>{FAINT:g}"
    shown = [
        Column("accuracy", "Accuracy", format=".4f", best="max"),
        Column("auc", "AUC", format=".4f", best="max"),
        Column("log_loss", "Log loss", format=".4f", best="min"),
        Column("ece", "Calibration error", format=".4f", best="min"),
        Column(_COMPLETENESS, "Stars kept at 0.5 % galaxies", format=".1%", best="max"),
        Column("accuracy_unambiguous", "Accuracy, unambiguous", format=".4f", best="max"),
        Column("ambiguous", "Ambiguous", format=".1%"),
        Column(faint, f"Error, i > {FAINT:g}", format=".1%", best="min"),
    ]
    shown = [column for column in shown if study.has(column.name)]
    rows = [
        {
            "model": study.labels[name],
            "sees": study.scored.contestants[name].representation,
            **{column.name: study.metric(name, column.name) for column in shown},
        }
        for name in study.by_log_loss()
    ]
    block.table(
        rows,
        columns=[Column("model", "Model"), Column("sees", "Sees"), *shown],
        caption="All models, the best log loss first; a dot marks the best of each column. 95 % "
        "intervals: bootstrap by object, DeLong for the AUC; of the log loss of 1,000 objects or "
        "more, normal errors by object.",
    )


def _curves(study: Study) -> list[str]:
    """Return the models to draw: the one that the page is about, the best, and the classical."""
    others = [n for n in study.by_log_loss() if n != study.reference and n not in _CLASSICAL]
    classical = [n for n in _CLASSICAL if n in study.evaluations]
    best = others[: _MOST_CURVES - 1 - len(classical)]
    return [study.reference, *best, *[n for n in classical if n != study.reference]]


def _edges(names: Sequence[str]) -> list[float]:
    """Return the edges of neighbouring bins, from their names."""
    used = {float(edge) for name in names for edge in name.split("-")}
    low, high = min(used), max(used)
    return [edge for edge in MAGNITUDE_EDGES if low <= edge <= high]
