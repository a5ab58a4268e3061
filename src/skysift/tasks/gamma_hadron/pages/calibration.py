"""Calibration: whether a gammaness of 0.9 is right nine times in ten."""

from skysift.evaluate.probability import calibration_error_floor, reliability_curve
from skysift.report import Block, Column, Page
from skysift.report.plots import new_axes, plot_reliability, plot_score_distribution, style
from skysift.tasks.gamma_hadron.pages.study import CLASSES, Study
from skysift.tasks.gamma_hadron.pages.thresholds import main_point
from skysift.tasks.gamma_hadron.pages.words import joined, percent, share

__all__ = ["add_calibration"]

_TALL = 4.6
_MOST_CURVES = 4
_BINS = 12


def add_calibration(page: Page, study: Study) -> None:
    """Add the section on the gammaness as a probability."""
    error = study.metric(study.reference, "ece")
    floor = calibration_error_floor(study.gammaness)
    section = page.section("Calibration", lead="Is a gammaness of 0.9 right nine times in ten?")
    section.text(
        f"On average the gammaness of {study.label} is off by **{percent(error)}**. A model whose "
        f"every probability is true would show about {share(floor.value)} on so many rows by "
        f"chance alone, and {share(floor.high)} once in forty times. Calibration is what lets a "
        "threshold, a purity or a change of the gamma fraction be read off a number instead of "
        "being tuned again."
    )
    _add_reliability(section, study)
    _add_distribution(section, study)
    if len(study.metrics) > 1:
        _add_losses(section.details("Log loss, Brier score and calibration error"), study)


def _add_reliability(block: Block, study: Study) -> None:
    worst = max(study.metrics, key=lambda name: study.metric(name, "ece").value)
    names = list(dict.fromkeys([study.reference, *study.rivals(), worst]))[:_MOST_CURVES]
    curves = {
        study.labels[name]: reliability_curve(
            study.scored.is_gamma, study.scored.gammaness[name], n_bins=_BINS
        )
        for name in names
    }
    against = (
        f" The worst calibrated, {study.labels[worst]}, is off by "
        f"{share(study.metric(worst, 'ece').value)} on average."
        if worst != study.reference
        else ""
    )
    block.figure(
        plot_reliability(curves, classes=CLASSES, colors=study.colors),
        caption="**Stated against observed.** On the diagonal, gammaness can be taken at its word."
        f"{against} Bars: 95 %, Wilson. Below: events in each bin.",
        alt=f"Observed fraction of gammas against gammaness for {joined(list(curves))}.",
    )


def _add_distribution(block: Block, study: Study) -> None:
    point = main_point(study)
    with style():
        axes = new_axes(height=_TALL)
        plot_score_distribution(
            study.gammaness,
            study.scored.is_gamma,
            threshold=None if point is None else point.threshold,
            label=f"Gammaness by {study.label}",
            classes=CLASSES,
            ax=axes,
        )
    told = (
        ""
        if point is None
        else f" Dashed: the cut for one hadron in a hundred, at {point.threshold:.3f}, not at 0.5."
    )
    block.figure(
        axes,
        caption="**Gammaness of gammas and hadrons**, counts on a logarithmic axis. Hadrons thin "
        f"out towards 1, yet never quite end: some of them do look like gammas.{told}",
        alt=f"Histograms of the gammaness of gammas and hadrons by {study.label}.",
    )


def _add_losses(block: Block, study: Study) -> None:
    block.table(
        [
            {
                "model": study.labels[name],
                **{one: study.metric(name, one) for one in ("log_loss", "brier", "ece")},
            }
            for name in sorted(study.metrics, key=lambda n: study.metric(n, "log_loss").value)
        ],
        columns=[
            Column("model", "Model"),
            Column("log_loss", "Log loss", format=".4f", best="min"),
            Column("brier", "Brier score", format=".4f", best="min"),
            Column("ece", "Calibration error", format=".2%", best="min"),
        ],
        caption="The smaller, the better; 95 % intervals (normal for the two losses; bootstrap for "
        "the calibration error, with its upward bias taken out, so that the value may lie at the "
        "upper end).",
    )
