"""Operating points: where the cut lies, and what it keeps of events that did not choose it."""

from collections.abc import Sequence

import numpy as np

from skysift.core.bundle_schema import OperatingPoint as StoredPoint
from skysift.core.results import Metric
from skysift.evaluate.operating import OperatingPoint
from skysift.evaluate.roc import quality_factor
from skysift.report import Block, Column, Page, Section
from skysift.report.plots import Series, plot_confusion, plot_quality_factor
from skysift.tasks.gamma_hadron.pages.study import CLASSES, Study
from skysift.tasks.gamma_hadron.pages.thresholds import (
    FEWEST_HADRONS,
    main_point,
    measured,
    scan,
)
from skysift.tasks.gamma_hadron.pages.words import joined, percent

__all__ = ["add_operating_points"]


def add_operating_points(page: Page, study: Study) -> Section:
    """Add the section on thresholds, and return it for what depends on SIZE and on the sky."""
    section = page.section(
        "Operating points",
        lead="A threshold is a promise about events that nobody has seen yet. Does it hold?",
    )
    stored = study.contestant.points()
    if stored:
        _add_promises(section, study, stored)
    _add_quality(section, study)
    point = main_point(study)
    if point is not None:
        _add_confusion(section, study, point)
    return section


def _add_promises(block: Block, study: Study, stored: Sequence[StoredPoint]) -> None:
    found = [(one, measured(study, one)) for one in stored]
    chosen_on = joined(sorted({one.chosen_on for one in stored}))
    kept = [one for one, point in found if one.acceptance in point.acceptance]
    block.text(
        f"The thresholds of {study.label} were chosen on **{chosen_on}**: training events, each "
        "scored by members of the model that had not seen it. Here they meet "
        f"**{study.scored.data}, {study.scored.split}** for the first time. "
        f"{len(kept)} of {len(found)} promised acceptances lie within the measured 95 % interval."
    )
    block.table(
        [
            {
                "point": one.name,
                "threshold": one.threshold,
                "acceptance": one.acceptance,
                "measured": point.acceptance,
                "efficiency": _promised(one),
                "kept": point.efficiency,
            }
            for one, point in found
        ],
        columns=[
            Column("point", "Operating point"),
            Column("threshold", "Cut", format=".4f"),
            Column("acceptance", "Acceptance", format=".2%"),
            Column("measured", "measured", format=".2%"),
            Column("efficiency", "Efficiency", format=".1%"),
            Column("kept", "measured", format=".1%"),
        ],
        caption=f"Acceptance and efficiency as chosen on {chosen_on}, and each as measured on "
        f"{study.scored.split}. Cut: the "
        "least gammaness that is kept. 95 % intervals: Wilson.",
    )


def _promised(point: StoredPoint) -> Metric:
    return Metric("efficiency", point.efficiency, point.low, point.high, split=point.chosen_on)


def _add_quality(block: Block, study: Study) -> None:
    names = [study.reference, *study.rivals()]
    curves = {}
    for name in names:
        found = scan(study.scored.is_gamma, study.scored.gammaness[name])
        if found is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                drawn = quality_factor(found.drawn_efficiency, found.drawn_acceptance)
            low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
            quality = quality_factor(found.efficiency, found.acceptance)
            curves[study.labels[name]] = Series(
                found.cuts,
                quality,
                *((low, high) if name == study.reference else (None, None)),
            )
    if not curves:
        return
    block.figure(
        plot_quality_factor(curves, label="Cut on the gammaness", colors=study.colors),
        caption="**Quality factor against the cut**: how much more significant a faint source "
        f"becomes than without any cut. The curve ends where fewer than {FEWEST_HADRONS} hadrons "
        f"of {study.scored.split} pass; its peak is chosen and measured on the same events, so "
        f"read it as an upper end. Band for {study.label}: 95 %.",
        alt=f"Quality factor against the cut on gammaness for {joined(list(curves))}.",
    )


def _add_confusion(block: Block, study: Study, point: OperatingPoint) -> None:
    matrix = point.confusion.matrix
    block.figure(
        plot_confusion(matrix, CLASSES),
        caption=f"**At gammaness {point.threshold:.3f}** (chosen on {point.chosen_on}; counted on "
        f"{point.measured_on}): {percent(point.efficiency)} of the gammas stay and "
        f"{percent(point.acceptance, 2)} of the hadrons, {matrix[1, 0]:,} of "
        f"{matrix[1].sum():,}. The other gammas are the price of a clean sample.",
        alt=f"Gammas and hadrons kept and dropped by {study.label}.",
    )
