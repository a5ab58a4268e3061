"""On which scores the promises of gamma-hadron rest."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.task import Progress
from skysift.models.conformal import class_rows
from skysift.tasks.gamma_hadron.class_sets import BY, PROMISE, probabilities
from skysift.tasks.gamma_hadron.features import inputs_of
from skysift.tasks.gamma_hadron.model import CLASSES, GammaHadronModel, table_hash
from skysift.tasks.gamma_hadron.reader import Events

__all__ = ["promised", "scored_events"]


def promised(
    data: Events | None, model: GammaHadronModel, rng: np.random.Generator, *, progress: Progress
) -> Sequence[PromisedRows]:
    """Return the scores of events that the model has not seen.

    Raises
    ------
    UsageError
        If there are no events, or they trained the model.
    """
    del rng, progress  # it takes a second
    if data is None:
        raise UsageError("There are no events.", "Give labelled ones with --data.")
    rows = data.distinct()
    if table_hash(rows.table, inputs_of(model.features)) == model.training.sha256:
        raise UsageError(
            "These events trained the bundle: it is surer of them than of any others.",
            "Give others, e.g. --rows test.",
        )
    gammaness, _ = model.gammaness(rows.table)
    return (scored_events(rows, gammaness),)


def scored_events(rows: Events, gammaness: NDArray[np.float64]) -> PromisedRows:
    """Return the scores of labelled events.

    Parameters
    ----------
    rows : Events
        Labelled.
    gammaness : array, shape (n,)
        By models that had not seen them.
    """
    return class_rows(
        PROMISE,
        probabilities(gammaness),
        rows.is_gamma.astype(np.int64),
        CLASSES,
        blocks=rows.groups,
        by=BY,
        group=np.asarray(rows.table[BY], dtype=np.float64),
        split=f"{rows.name}, {rows.split}",
    )
