"""Sets of classes that hold the true one with a stated probability, and what that rests on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysift.core.conformal import PromisedRows
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.data.table import FeatureTable
from skysift.models.both_classes import both_classes
from skysift.models.conformal import class_sets_of
from skysift.models.promised_rows import class_rows
from skysift.tasks.gamma_hadron.features import inputs_of
from skysift.tasks.gamma_hadron.model import CLASSES, GammaHadronModel, table_hash
from skysift.tasks.gamma_hadron.reader import MAGIC, Events

__all__ = ["class_sets", "promised", "scored_events", "trained_on", "unseen"]

_PROMISE = "set"
_BY = "log_size"
_TEST_ROWS = "test rows"  # of the MAGIC table; "test rows, distinct" are among them

Floats = NDArray[np.float64]


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
    rows = unseen(data, model)
    gammaness, _ = model.gammaness(rows.table)
    return (scored_events(rows, gammaness),)


def unseen(data: Events | None, model: GammaHadronModel) -> Events:
    """Return the distinct ones of events, none of which trained the model.

    Raises
    ------
    UsageError
        If there are no events, or they trained the model.
    """
    if data is None:
        raise UsageError("There are no events.", "Give labelled ones with --data.")
    rows = data.distinct()
    if trained_on(rows, model):
        raise UsageError(
            "These events trained the bundle: it is surer of them than of any others.",
            "Give others, e.g. --rows test.",
        )
    return rows


def trained_on(events: Events, model: GammaHadronModel) -> bool:
    """Tell whether distinct events trained a model: by their content, or as rows of MAGIC's table.

    Of a part of another table, or more than that, nothing is known.
    """
    if events.name == model.training.data == MAGIC:
        return not events.split.startswith(_TEST_ROWS)
    return table_hash(events.table, inputs_of(model.features)) == model.training.sha256


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
        _PROMISE,
        both_classes(gammaness),
        rows.is_gamma.astype(np.int64),
        CLASSES,
        blocks=rows.groups,
        by=_BY,
        group=np.asarray(rows.table[_BY], dtype=np.float64),
        split=f"{rows.name}, {rows.split}",
    )


def class_sets(
    model: GammaHadronModel, gammaness: Floats, table: FeatureTable, coverage: float
) -> NDArray[np.str_]:
    """Return the classes that events are typical of, comma-separated, shape (n,).

    Parameters
    ----------
    model : GammaHadronModel
        With a calibration.
    gammaness : array, shape (n,)
        At the training prior; NaN rows have an empty set.
    table : FeatureTable
        The events; without a SIZE, all have the limits of all.
    coverage : float
        Probability with which a set holds the true class.

    Raises
    ------
    UsageError
        If the bundle has no calibration.
    """
    group = table[_BY] if _BY in table.columns else None
    return class_sets_of(model.promise(_PROMISE), both_classes(gammaness), coverage, group)
