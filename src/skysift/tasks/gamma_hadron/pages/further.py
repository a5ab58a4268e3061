"""Beyond this run: without the source position, and the long comparison by cross-validation."""

from collections.abc import Mapping
from typing import Any

from skysift.core.results import Metric
from skysift.report import Column, Page
from skysift.report.plots import Series, plot_comparison, plot_learning_curve
from skysift.tasks.gamma_hadron.pages.study import Study
from skysift.tasks.gamma_hadron.pages.words import PValue, minus, percent
from skysift.tasks.gamma_hadron.scoring import Scored

__all__ = ["add_cross_validation", "add_source_independent"]


def add_source_independent(page: Page, study: Study, independent: Scored) -> None:
    """Add the section on models that do not know where the source is."""
    without = Study.of(
        independent, study.reference if study.reference in independent.gammaness else None
    )
    best = without.by_auc()[0]
    section = page.section(
        "Without the source position",
        lead="For a sky map or an unknown source nobody can say where gammas point: alpha and dist "
        "are gone.",
    )
    kept = without.metric(best, "efficiency@0.1")
    section.text(
        f"Shape alone takes the best model, {without.labels[best]}, to an AUC of "
        f"**{without.metric(best, 'auc').format()}**; at a background acceptance of 0.1 it keeps "
        f"{percent(kept)} of the gammas. The difference from the models above is what knowing the "
        "source position is worth."
    )
    section.table(
        [_pair(study, without, name) for name in without.by_auc()],
        columns=[
            Column("model", "Model"),
            Column("auc", "AUC without position", format=".4f", best="max"),
            Column("dependent", "AUC with position", format=".4f", best="max"),
            Column("change", "Change", format="+.4f"),
            Column("efficiency@0.01", "Efficiency at 0.01", format=".1%", best="max"),
            Column("efficiency@0.1", "at 0.1", format=".1%", best="max"),
        ],
        caption=f"Source-independent models on {without.rows}; beside them the same kind of model "
        "with alpha and dist. 95 % intervals.",
    )


def _pair(study: Study, without: Study, name: str) -> dict[str, Any]:
    auc = without.metric(name, "auc")
    row: dict[str, Any] = {
        "model": without.labels[name],
        "auc": auc,
        "dependent": None,
        "change": None,
        "efficiency@0.01": without.metric(name, "efficiency@0.01"),
        "efficiency@0.1": without.metric(name, "efficiency@0.1"),
    }
    if name in study.metrics:
        row["dependent"] = study.metric(name, "auc").value
        row["change"] = auc.value - study.metric(name, "auc").value
    return row


def add_cross_validation(page: Page, facts: Mapping[str, Any]) -> None:
    """Add the committed results of the long comparison, apart from this run."""
    section = page.section(
        "The long comparison",
        lead="Five-fold cross-validation over the whole table. **Quoted, not made in this run.**",
    )
    section.text(
        f"These numbers are stored results of `{facts['command']}` on {facts['split']}. Every "
        "event is scored once, by a model that has not seen it: more rows, narrower intervals, and "
        "a longer wait. Do not mix them with the numbers above: other rows, other models."
    )
    rows = list(facts.get("rows", []))
    curve = facts.get("learning_curve")
    if rows:
        section.figure(
            plot_comparison(
                {
                    row["model"]: Metric("auc", row["auc"], row["auc_low"], row["auc_high"])
                    for row in rows
                },
                label="Area under the ROC curve, out of fold, 95 % interval",
            ),
            caption=f"**AUC by cross-validation**, {facts['split']}.",
            alt="Area under the ROC curve of each model by cross-validation.",
            wide=not curve,
        )
    if curve:
        section.figure(
            plot_learning_curve(_learning_curves(curve)),
            caption="**Learning curve.** AUC against the number of training events. Where a curve "
            "still climbs at its end, more simulated showers would help more than another model.",
            alt="Area under the ROC curve against the number of training events.",
            wide=not rows,
        )
    if rows:
        section.details("The table of the long comparison").table(
            [
                {
                    **row,
                    **_bounded(row),
                    "p_value": None if row.get("p_value") is None else PValue(row["p_value"]),
                }
                for row in rows
            ],
            columns=[
                Column("model", "Model"),
                Column("auc", "AUC", format=".4f", best="max"),
                *(
                    Column(name, label, format=form, best=best)
                    for name, label, form, best in _COLUMNS
                    if all(name in row for row in rows)
                ),
            ],
            caption=minus(f"Results of {facts['command']} on {facts['split']}."),
        )


def _bounded(row: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the numbers of a stored row that have their bounds beside them."""
    names = [name for name in row if {f"{name}_low", f"{name}_high"} <= row.keys()]
    return {
        name: Metric(name, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names
    }


_COLUMNS: tuple[tuple[str, str, str, Any], ...] = (
    ("auc_possible", "AUC, possible images", ".4f", "max"),
    ("efficiency@0.01", "Efficiency at 0.01", ".1%", "max"),
    ("efficiency@0.1", "at 0.1", ".1%", "max"),
    ("log_loss", "Log loss", ".4f", "min"),
    ("ece", "Calibration error", ".2%", "min"),
    ("p_value", "p", ".3f", None),
)


def _learning_curves(curve: Mapping[str, Any]) -> dict[str, Series]:
    return {
        title: Series(curve["n"], found["auc"], found.get("low"), found.get("high"))
        for title, found in curve["models"].items()
    }
