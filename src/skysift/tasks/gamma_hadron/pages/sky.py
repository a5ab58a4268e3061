"""From the table to the sky: rare gammas, and the significance of a source."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from skysift.core.errors import InputError
from skysift.evaluate.counts import asimov_significance
from skysift.evaluate.intervals import Interval
from skysift.evaluate.operating import OperatingPoint, by_significance
from skysift.evaluate.purity import expected_purity
from skysift.evaluate.roc import quality_factor
from skysift.report import Block, Column, Section
from skysift.report.plots import Series, plot_purity, plot_significance_against_cut
from skysift.tasks.gamma_hadron.pages.prior import RATIO_IN_NATURE, add_prior
from skysift.tasks.gamma_hadron.pages.study import CLASSES, Study
from skysift.tasks.gamma_hadron.pages.thresholds import (
    CHOOSING,
    FEWEST_HADRONS,
    MEASURING,
    Floats,
    Scan,
    drawn_rates,
    halves,
    measured,
    scan,
)
from skysift.tasks.gamma_hadron.pages.words import percent, span

__all__ = ["ALPHA", "BACKGROUND_RATE", "LIVETIME", "SIGNAL_RATE", "add_sky", "best_significance"]

SIGNAL_RATE = 0.1 / u.s
BACKGROUND_RATE = 100.0 / u.s
LIVETIME = 5.0 * u.h
ALPHA = 1 / 3

_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
_TARGET = 5.0
_SCENARIO = (
    "a bright, Crab-like source in round numbers, 0.1 gammas and 100 hadrons per second before the "
    "cut, 5 hours, one on and three off regions (alpha = 1/3)"
)


@dataclass(frozen=True)
class BestCut:
    """The cut of largest expected significance, measured on rows that did not choose it.

    Parameters
    ----------
    point : OperatingPoint
        Chosen on one half, measured on the other.
    significance : Interval
        Expected Li & Ma significance with the measured efficiency and acceptance.
    """

    point: OperatingPoint
    significance: Interval


def add_sky(section: Section, study: Study) -> None:
    """Add what the numbers mean where gammas are rare."""
    part = section.subsection("On the sky", lead="One gamma among a thousand hadrons.")
    add_prior(part, study)
    found = best_significance(study)
    if found is not None:
        _add_significance(part, study, found)


def best_significance(study: Study) -> BestCut | None:
    """Choose the cut of largest significance on one half of the rows, measure it on the other.

    None where there are too few hadrons.
    """
    rows = halves(study)
    y, score = study.scored.is_gamma, study.gammaness
    try:
        chosen = by_significance(
            y[rows.choose],
            score[rows.choose],
            signal_rate=SIGNAL_RATE,
            background_rate=BACKGROUND_RATE,
            livetime=LIVETIME,
            alpha=ALPHA,
            split=CHOOSING,
            min_background=FEWEST_HADRONS,
        )
    except InputError:
        return None
    point = chosen.measure(y[rows.measure], score[rows.measure], split=MEASURING)
    if point.confusion.background_kept == 0:
        return None
    value = _significance(point.efficiency.value, point.acceptance.value)
    return BestCut(point, _limits(float(value), _significance(*drawn_rates(point))))


def _significance(efficiency: object, acceptance: object) -> Floats:
    signal = (SIGNAL_RATE * LIVETIME).to_value(u.one) * np.asarray(efficiency, dtype=np.float64)
    behind = (BACKGROUND_RATE * LIVETIME).to_value(u.one) * np.asarray(acceptance, dtype=np.float64)
    return asimov_significance(signal, behind, ALPHA)


def _add_significance(block: Block, study: Study, found: BestCut) -> None:
    rows = halves(study)
    y, score = study.scored.is_gamma[rows.measure], study.gammaness[rows.measure]
    known = scan(y, score)
    point = found.point
    purity = expected_purity(point.efficiency, point.acceptance, RATIO_IN_NATURE)
    uncut = float(_significance(1.0, 1.0))
    block.text(
        f"Take {_SCENARIO}. Without a cut, {uncut:.1f} {_SIGMA} are expected. The cut of largest "
        f"expected significance, **gammaness {point.threshold:.3f}**, is chosen on {CHOOSING}. "
        f"With what it keeps on {MEASURING}, {percent(point.efficiency)} of the gammas and "
        f"{percent(point.acceptance, 2)} of the hadrons, it gives "
        f"**{found.significance.value:.1f} {_SIGMA}** ({span(found.significance, '.1f')}) and a "
        f"purity of {percent(purity)}."
    )
    _add_points(block, study)
    if known is not None:
        _add_curves(block, study, known)


def _add_points(block: Block, study: Study) -> None:
    """Add what the operating points that came with the model mean on the sky."""
    rows = []
    for stored in study.contestant.points():
        point = measured(study, stored)
        if point.confusion.background_kept == 0:
            continue
        rates = drawn_rates(point)
        value = _significance(point.efficiency.value, point.acceptance.value)
        significance = _limits(float(value), _significance(*rates))
        quality = quality_factor(point.efficiency.value, point.acceptance.value)
        rows.append(
            {
                "point": stored.name,
                "purity": expected_purity(point.efficiency, point.acceptance, RATIO_IN_NATURE),
                "quality": _limits(float(quality), quality_factor(*rates)),
                "significance": significance,
                "hours": Interval(
                    _hours(significance.value), _hours(significance.high), _hours(significance.low)
                ),
            }
        )
    if rows:
        block.table(
            rows,
            columns=[
                Column("point", "Operating point"),
                Column("purity", "Purity at 1 : 1,000", format=".1%", best="max"),
                Column("quality", "Quality factor", format=".2f", best="max"),
                Column("significance", f"Significance [{_SIGMA}]", format=".1f", best="max"),
                Column("hours", f"Hours to {_TARGET:g} {_SIGMA}", format=".1f", best="min"),
            ],
            caption=f"The operating points above in this scenario: cuts chosen on "
            f"{study.contestant.points()[0].chosen_on}, measured on {study.scored.split}. Purity: "
            "the share of gammas among what is kept if one gamma comes with 1,000 hadrons. 95 % "
            "intervals: MOVER-R for the purity, binomial draws for the others.",
        )


def _hours(significance: float) -> float:
    """Return the hours to the target: significance grows as the square root of time."""
    return float((_TARGET / significance) ** 2 * LIVETIME.to_value(u.h))


def _limits(value: float, drawn: Floats) -> Interval:
    finite = drawn[np.isfinite(drawn)]  # a draw in which no hadron passes has no quality factor
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(value, float(low), float(high), method=f"binomial draws, {len(finite)}")


def _add_curves(block: Block, study: Study, known: Scan) -> None:
    drawn = _significance(known.drawn_efficiency, known.drawn_acceptance)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    curve = Series(known.cuts, _significance(known.efficiency, known.acceptance), low, high)
    block.figure(
        plot_significance_against_cut(
            {study.label: curve}, target=None, label="Cut on the gammaness", colors=study.colors
        ),
        caption=f"**Expected Li & Ma significance against the cut**, on {MEASURING} only. The "
        f"curve ends where fewer than {FEWEST_HADRONS} of its hadrons pass. The marked peak is "
        "found on these rows; the number in the text is not. Band: 95 %.",
        alt="Expected significance of a source against the cut on gammaness.",
    )
    low, high = np.quantile(
        _purity(known.drawn_efficiency, known.drawn_acceptance), [0.025, 0.975], axis=0
    )
    purity = _purity(known.efficiency, known.acceptance)
    axes = plot_purity(
        {study.label: Series(known.efficiency, purity, low, high)},
        classes=CLASSES,
        colors=study.colors,
    )
    axes.set_ylim(0.0, 1.1 * float(high.max()))
    legend = axes.get_legend()
    if legend is not None:
        legend.remove()
    block.figure(
        axes,
        caption="**Purity at one gamma per 1,000 hadrons**, same rows. Even a hard cut leaves "
        "mostly hadrons: a source shows as an excess over them, and no single event is known for "
        "a gamma. Band: 95 %.",
        alt="Expected purity against signal efficiency at one gamma per thousand hadrons.",
    )


def _purity(efficiency: Floats, acceptance: Floats) -> Floats:
    passing = RATIO_IN_NATURE * efficiency
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(passing / (passing + acceptance))
