"""The comparison: every model on the same rows, and the reference against each."""

import numpy as np

from skysift.evaluate.binary import ACCEPTANCES
from skysift.report import Block, Column, Page
from skysift.report.plots import (
    Series,
    plot_comparison,
    plot_efficiency_ratio,
    plot_operating_points,
    plot_roc,
)
from skysift.tasks.gamma_hadron.pages.study import CLASSES, LIKE_NOTEBOOK, Study
from skysift.tasks.gamma_hadron.pages.words import PValue, joined, share

__all__ = ["add_comparison", "add_curves"]

_SIGNIFICANT = 0.05
_MOST_DIFFERENCES = 8


def add_comparison(page: Page, study: Study) -> None:
    """Add the section that sets several models side by side."""
    section = page.section(
        "The comparison",
        lead=f"{len(study.metrics)} models, the same rows ({study.rows}), not seen by any of them "
        "in training.",
    )
    _add_forest(section, study)
    _add_main_table(section, study)
    add_curves(section, study)
    _add_ratio(section, study)
    _add_differences(section, study)
    _add_efficiencies(section.details("Efficiency at the five acceptances, every model"), study)


def add_curves(block: Block, study: Study) -> None:
    """Add the ROC curves of the models that are shown as curves, on both axes."""
    shown = [study.labels[name] for name in study.shown]
    curves = {name: curve.thinned() for name, curve in study.curves(study.shown).items()}
    grid, drawn = study.drawn
    limits = [drawn[study.reference].interval(k) for k in range(len(grid))]
    band = {
        study.label: Series(
            grid,
            [one.value for one in limits],
            [one.low for one in limits],
            [one.high for one in limits],
        )
    }
    areas = {study.labels[n]: f"{study.metric(n, 'auc').value:.4f}" for n in study.shown}
    block.figure(
        plot_roc(curves, notes=areas, classes=CLASSES, colors=study.colors),
        caption="**ROC curves and their AUC.** Nearly all of this figure lies at acceptances that "
        "no analysis uses; its left edge, stretched, is the next figure.",
        alt=f"ROC curves of {joined(shown)} on linear axes.",
    )
    at = study.metric(study.reference, "efficiency@0.01")
    block.figure(
        plot_roc(curves, log=True, bands=band, classes=CLASSES, colors=study.colors),
        caption="**The same where analyses are made**, acceptance on a logarithmic axis. Markers: "
        "acceptances 0.01, 0.02, 0.05, 0.1 and 0.2. At 0.01 "
        f"{study.label} keeps {share(at.value)} of the gammas. Band: 95 %, bootstrap.",
        alt=f"ROC curves of {joined(shown)} with logarithmic background acceptance.",
    )


def _add_forest(block: Block, study: Study) -> None:
    best = study.labels[study.by_auc()[0]]
    block.figure(
        plot_comparison(
            {study.labels[name]: study.metric(name, "auc") for name in study.by_auc()},
            label="Area under the ROC curve, 95 % interval",
            reference=study.label,
            colors=study.colors,
        ),
        caption=f"**AUC, best on top: {best}.** The thin line marks {study.label}. Intervals of "
        "two models may overlap and the models still differ: they see the same events. The paired "
        "differences below decide.",
        alt="Area under the ROC curve of each model with its interval.",
        wide=True,
    )


def _add_main_table(block: Block, study: Study) -> None:
    rows = []
    for name in study.by_auc():
        against = study.difference(name, "auc")
        rows.append(
            {
                "model": study.labels[name],
                "origin": study.origin(name),
                "auc": study.metric(name, "auc"),
                "efficiency@0.01": study.metric(name, "efficiency@0.01"),
                "log_loss": study.metric(name, "log_loss").value,
                "p": None if against is None else PValue(against.p_holm),
            }
        )
    block.table(
        rows,
        columns=[
            Column("model", "Model"),
            Column("auc", "AUC", format=".4f", best="max"),
            Column("efficiency@0.01", "Efficiency at 0.01", format=".1%", best="max"),
            Column("log_loss", "Log loss", format=".4f", best="min"),
            Column("p", "p"),
            Column("origin", "From"),
        ],
        caption=f"All models, the best AUC first; a dot marks the best of each column. p: no "
        f"difference in AUC from {study.label} (DeLong's paired test, after Holm).{_kinds(study)}",
    )


def _kinds(study: Study) -> str:
    parts = []
    if any(study.origin(name) == LIKE_NOTEBOOK for name in study.metrics):
        parts.append(
            "*like notebook*: one of the five kinds of model of the MAGIC notebook, here with "
            "all features."
        )
    if any(study.is_recipe(name) for name in study.metrics):
        parts.append("*notebook*: its own recipe, six columns without scaling, on our split.")
    return "".join(f" {part}" for part in parts)


def _add_ratio(block: Block, study: Study) -> None:
    grid, drawn = study.drawn
    base = drawn[study.reference]
    bands = {}
    for name in study.shown[1:3]:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = drawn[name].replicates / base.replicates
            middle = drawn[name].value / base.value
        known = np.isfinite(middle) & np.isfinite(ratio).all(axis=0)
        low, high = np.quantile(ratio[:, known], [0.025, 0.975], axis=0)
        bands[study.labels[name]] = Series(grid[known], middle[known], low, high)
    block.figure(
        plot_efficiency_ratio(
            study.curves(study.shown),
            study.label,
            bands=bands,
            classes=CLASSES,
            colors=study.colors,
        ),
        caption=f"**Gammas kept, relative to {study.label}**, at equal background acceptance. "
        "Below 1: fewer gammas for the same hadrons. The hard cuts at the left are where models "
        "part. Bands: 95 %, paired bootstrap.",
        alt=f"Efficiency of models divided by that of {study.label} against acceptance.",
    )
    block.figure(
        plot_operating_points(
            {study.labels[name]: _five(study, name) for name in study.shown},
            classes=CLASSES,
            colors=study.colors,
        ),
        caption="**The five acceptances** at which gamma-hadron separation is quoted (Bock et al. "
        "2004), each with its 95 % interval. Thresholds are those of the rows shown; thresholds "
        "chosen beforehand follow under Operating points.",
        alt="Signal efficiency of models at five background acceptances, with intervals.",
    )


def _five(study: Study, name: str) -> Series:
    found = [study.metric(name, f"efficiency@{a:g}") for a in ACCEPTANCES]
    return Series(
        ACCEPTANCES,
        [one.value for one in found],
        [one.value if one.low is None else one.low for one in found],
        [one.value if one.high is None else one.high for one in found],
    )


def _add_differences(block: Block, study: Study) -> None:
    found = [one for one in study.differences if one.metric == "auc"]
    nearby = (
        f" Shown: the {_MOST_DIFFERENCES} nearest; the table has all."
        if len(found) > _MOST_DIFFERENCES
        else ""
    )
    nearest = sorted(found, key=lambda one: abs(one.difference.value))[:_MOST_DIFFERENCES]
    behind = [
        study.labels[d.model] for d in found if d.difference.value < 0 and d.p_holm < _SIGNIFICANT
    ]
    block.figure(
        plot_comparison(
            {study.labels[one.model]: one.difference for one in nearest},
            label=f"AUC minus that of {study.label}, paired, 95 % interval",
            target=(0.0, study.label),
            colors=study.colors,
        ),
        caption=f"**Paired differences in AUC.** {len(behind)} of {len(found)} models are behind "
        f"{study.label} with p < 0.05 after Holm. An interval that crosses the "
        f"dashed line is no difference that these rows can show.{nearby}",
        alt=f"Difference in AUC of each model from {study.label}, with intervals.",
        wide=True,
    )


def _add_efficiencies(block: Block, study: Study) -> None:
    block.table(
        [
            {
                "model": study.labels[name],
                **{f"{a:g}": study.metric(name, f"efficiency@{a:g}") for a in ACCEPTANCES},
                "partial": study.metric(name, "partial_auc@0.1"),
                "features": study.scored.contestants[name].features,
            }
            for name in study.by_auc()
        ],
        columns=[
            Column("model", "Model"),
            *(Column(f"{a:g}", f"at {a:g}", format=".1%", best="max") for a in ACCEPTANCES),
            Column("partial", "Partial AUC below 0.1", format=".4f", best="max"),
            Column("features", "Features", format="d"),
        ],
        caption="Signal efficiency at background acceptances, with 95 % intervals (bootstrap: the "
        "threshold is chosen anew in each draw). The partial AUC is standardised after McClish.",
    )
