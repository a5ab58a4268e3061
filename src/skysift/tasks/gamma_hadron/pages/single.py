"""One model by itself: its metrics and its ROC curve."""

from skysift.report import Column, Page
from skysift.tasks.gamma_hadron.pages.comparison import add_curves
from skysift.tasks.gamma_hadron.pages.study import Study

__all__ = ["add_result"]

_TITLES = {
    "auc": "AUC",
    "partial_auc@0.1": "partial AUC below acceptance 0.1, standardised",
    "efficiency@0.01": "efficiency at acceptance 0.01",
    "efficiency@0.02": "efficiency at acceptance 0.02",
    "efficiency@0.05": "efficiency at acceptance 0.05",
    "efficiency@0.1": "efficiency at acceptance 0.1",
    "efficiency@0.2": "efficiency at acceptance 0.2",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
}


def add_result(page: Page, study: Study) -> None:
    """Add the section on one model alone."""
    section = page.section("The result", lead=f"{study.label} on {study.rows}.")
    add_curves(section, study)
    found = {metric.name: metric for metric in study.metrics[study.reference]}
    section.table(
        [
            {"metric": title, "value": found[name], "method": found[name].method}
            for name, title in _TITLES.items()
            if name in found
        ],
        columns=[
            Column("metric", "Metric"),
            Column("value", "Value, 95 % interval", format=".4f"),
            Column("method", "Interval by"),
        ],
        caption=f"Thresholds at an acceptance are those of the rows shown: {study.scored.split}.",
    )
