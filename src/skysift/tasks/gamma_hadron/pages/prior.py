"""What a gammaness and a cut mean where gammas are rarer than in the rows at hand."""

import numpy as np

from skysift.evaluate.purity import expected_purity, prior_shift
from skysift.report import Block
from skysift.report.plots import Series, plot_against_prior
from skysift.tasks.gamma_hadron.pages.study import CLASSES, Study
from skysift.tasks.gamma_hadron.pages.thresholds import measured
from skysift.tasks.gamma_hadron.pages.words import share

__all__ = ["RATIO_IN_NATURE", "add_prior", "purity_curves", "shifted_curves"]

RATIO_IN_NATURE = 1 / 1000
"""Gammas for each hadron: the order of what a telescope records from a bright source."""

_GAMMANESS = (0.5, 0.9, 0.99, 0.999)
_PRIORS = np.geomspace(1e-5, 0.9, 200)
_POINTS = ("acceptance-0.01", "acceptance-0.05", "acceptance-0.2")


def add_prior(block: Block, study: Study) -> None:
    """Add what becomes of a gammaness, and of the purity of a cut, at another share of gammas."""
    here = study.n_gamma / (study.n_gamma + study.n_hadron)
    there = RATIO_IN_NATURE / (1 + RATIO_IN_NATURE)
    shifted = prior_shift([0.9, 0.99, 0.999], prior=here, new_prior=there)
    even = float(prior_shift([0.5], prior=there, new_prior=here)[0])
    block.text(
        f"Gammaness is a probability **at the mixture of these rows**, {share(here, 0)} gammas. "
        "Where one gamma comes with 1,000 hadrons, Bayes' rule turns a gammaness of 0.9, 0.99 and "
        f"0.999 into {shifted[0]:.2g}, {shifted[1]:.2g} and {shifted[2]:.2g}; an even chance needs "
        f"{even:.5f}. The option `--prior 0.001` of `skysift predict` makes that shift. The "
        "order of events stays, so efficiencies and acceptances do too."
    )
    marks = {"1 : 1,000": there, "these rows": here}
    block.figure(
        plot_against_prior(
            shifted_curves(here),
            value="Probability of a gamma",
            marks=marks,
            classes=CLASSES,
        ),
        caption=f"**What a gammaness becomes** where gammas make up another share of the events "
        f"than the {share(here, 0)} of these rows. Bayes' rule: the odds are multiplied, by one "
        "factor for all events.",
        alt="Probability of a gamma against the share of gammas, for four values of gammaness.",
    )
    purity = purity_curves(study)
    if purity:
        block.figure(
            plot_against_prior(
                purity, value="Purity (fraction that is gamma)", marks=marks, classes=CLASSES
            ),
            caption="**Purity of the stored cuts** against the share of gammas before the cut, by "
            f"the background acceptance that they promise; measured on {study.scored.split}. Band: "
            "95 %, MOVER-R.",
            alt="Purity of three operating points against the share of gammas before the cut.",
        )


def shifted_curves(prior: float) -> dict[str, Series]:
    """Return the probability of a gamma against the prior, by the gammaness at another prior."""
    return {
        f"gammaness {value:g}": Series(
            _PRIORS, [prior_shift([value], prior=prior, new_prior=new)[0] for new in _PRIORS]
        )
        for value in _GAMMANESS
    }


def purity_curves(study: Study) -> dict[str, Series]:
    """Return the purity of the operating points that keep some hadrons, by their acceptance."""
    curves = {}
    for stored in study.contestant.points():
        point = measured(study, stored)
        if stored.name not in _POINTS or point.confusion.background_kept == 0:
            continue
        found = [
            expected_purity(point.efficiency, point.acceptance, prior / (1 - prior))
            for prior in _PRIORS
        ]
        curves[stored.name.replace("-", " ")] = Series(
            _PRIORS, [x.value for x in found], [x.low for x in found], [x.high for x in found]
        )
    return curves
