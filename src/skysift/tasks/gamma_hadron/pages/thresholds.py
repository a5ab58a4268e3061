"""Thresholds, chosen on one set of rows and measured on another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import OperatingPoint as StoredPoint
from skysift.core.errors import InputError
from skysift.data.splits import distinct_groups, stratified_group_folds
from skysift.evaluate.operating import OperatingPoint, by_acceptance
from skysift.evaluate.roc import roc_curve
from skysift.tasks.gamma_hadron.pages.study import DRAWS, SEED, Study
from skysift.tasks.gamma_hadron.scoring import measure

__all__ = [
    "CHOOSING",
    "FEWEST_HADRONS",
    "MEASURING",
    "Floats",
    "Halves",
    "Scan",
    "drawn_rates",
    "halves",
    "main_point",
    "measured",
    "rows_of",
    "scan",
]

Floats = NDArray[np.float64]

CHOOSING = "one half of the scored rows"
MEASURING = "the other half"

FEWEST_HADRONS = 10
"""A cut that fewer hadrons pass is not drawn: its acceptance would be a guess."""

_CUTS = 400
_MAIN = "acceptance-0.01"
_MAIN_ACCEPTANCE = 0.01


@dataclass(frozen=True)
class Halves:
    """The scored rows, dealt in two.

    Parameters
    ----------
    choose, measure : array of bool, shape (n,)
        Rows that choose thresholds, and rows on which these are measured.
    """

    choose: NDArray[np.bool_]
    measure: NDArray[np.bool_]


def halves(study: Study) -> Halves:
    """Deal the scored rows in two, stratified by class; duplicates stay together.

    Rows that are equal in SIZE and in the gammaness of every model are taken for duplicates.
    """
    scored = study.scored
    groups = distinct_groups(np.column_stack([scored.log_size, *scored.gammaness.values()]))
    fold = stratified_group_folds(
        scored.is_gamma, groups, n_splits=2, rng=np.random.default_rng(SEED)
    )
    return Halves(choose=fold == 0, measure=fold == 1)


def measured(study: Study, stored: StoredPoint) -> OperatingPoint:
    """Measure a threshold that came with the model on the scored rows."""
    return measure(stored, study.scored.is_gamma, study.gammaness, study.scored.split)


def main_point(study: Study) -> OperatingPoint | None:
    """Return the operating point at a background acceptance of 0.01, measured on unseen rows.

    It is the one that came with the model; of a model that has none it is chosen on one half of the
    scored rows and measured on the other; None where the rows are too few for that.
    """
    for stored in study.contestant.points():
        if stored.name == _MAIN:
            return measured(study, stored)
    parts = halves(study)
    y, gammaness = study.scored.is_gamma, study.gammaness
    try:
        point = by_acceptance(
            y[parts.choose], gammaness[parts.choose], _MAIN_ACCEPTANCE, split=CHOOSING
        )
    except InputError:  # too few hadrons to tell one in a hundred
        return None
    return point.measure(y[parts.measure], gammaness[parts.measure], split=MEASURING)


def rows_of(study: Study, point: OperatingPoint) -> NDArray[np.bool_]:
    """Return the scored rows on which a point of :func:`main_point` was measured, shape (n,)."""
    if point.measured_on == MEASURING:
        return halves(study).measure
    return np.ones(len(study.scored.is_gamma), dtype=bool)


@dataclass(frozen=True)
class Scan:
    """Efficiency and acceptance at many cuts, as measured and as the rows drawn again give them.

    Parameters
    ----------
    cuts, efficiency, acceptance : array, shape (k,)
        Cuts on the gammaness, ascending, and what they keep.
    drawn_efficiency, drawn_acceptance : array, shape (n_draws, k)
        The same for other rows of the same kind: binomial draws at each fixed cut.
    """

    cuts: Floats
    efficiency: Floats
    acceptance: Floats
    drawn_efficiency: Floats
    drawn_acceptance: Floats


def scan(y: NDArray[np.bool_], gammaness: Floats) -> Scan | None:
    """Scan the cuts that at least ten hadrons pass; None where no cut is left to scan.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for gammas.
    gammaness : array, shape (n,)
        Scores of the same rows.
    """
    n_gamma, n_hadron = int(y.sum()), int((~y).sum())
    curve = roc_curve(y, gammaness).thinned(_CUTS)
    known = np.flatnonzero(curve.acceptance * n_hadron > FEWEST_HADRONS - 0.5)[::-1]
    if len(known) < 2:  # noqa: PLR2004 - a curve has two points
        return None
    efficiency, acceptance = curve.efficiency[known], curve.acceptance[known]
    rng = np.random.default_rng(SEED)
    size = (DRAWS, len(known))
    return Scan(
        curve.thresholds[known],
        efficiency,
        acceptance,
        rng.binomial(n_gamma, np.minimum(efficiency, 1.0), size) / n_gamma,
        rng.binomial(n_hadron, np.minimum(acceptance, 1.0), size) / n_hadron,
    )


def drawn_rates(point: OperatingPoint) -> tuple[Floats, Floats]:
    """Draw efficiency and acceptance of a fixed threshold again, shape (n_draws,) each."""
    table = point.confusion.matrix
    rng = np.random.default_rng(SEED)
    totals = table.sum(axis=1)
    kept = [rng.binomial(total, table[k, 0] / total, DRAWS) for k, total in enumerate(totals)]
    return kept[0] / totals[0], kept[1] / totals[1]
