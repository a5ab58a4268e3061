"""The fast model: a small network that copies a cross-fitted one from the measured columns.

What the teacher says of the training rows and of rows made between them is copied by one network
(:mod:`skysift.models.distillation`), which takes logarithms, ratios and projections itself, so that
the columns need only be rounded. Its operating points are chosen on rows that neither it nor its
teacher has seen: for each fold of the teacher, the member that was trained without the fold teaches
a network of its own, from rows outside the fold and rows made between these, and that network
scores the fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, Training
from skysift.core.errors import UsageError
from skysift.core.progress import Progress, silent
from skysift.data.table import FeatureTable
from skysift.evaluate.delong import auc_interval
from skysift.models.cross_fitting import CrossFitted
from skysift.models.distillation import (
    DistilledNetwork,
    Expansion,
    Polar,
    interpolate_rows,
)
from skysift.models.reference import distributions
from skysift.tasks.gamma_hadron.features import FEATURES, compute, inputs_of
from skysift.tasks.gamma_hadron.model import (
    GammaHadronModel,
    OnnxPredictor,
    describe_inputs,
    table_hash,
)
from skysift.tasks.gamma_hadron.reader import Events
from skysift.tasks.gamma_hadron.training import operating_points

__all__ = ["copy_of", "distil", "expansion_for", "measured_features"]

_HIDDEN = (64, 64)
_SYNTHETIC_ROWS = 300_000
_CHUNK = 2048  # rows at a time: their hidden layers stay in the cache of a core
_OUTPUTS = ("gammaness", "gammaness_err")
_SAME = 1e-4  # two computations of one probability differ by less
_LEAST_AGREEMENT = 0.99

_POLAR = Polar(radius="dist", angle="alpha", across="miss", along="along_axis")
_LOGS: tuple[dict[str, float], ...] = (
    {"length": 1.0},
    {"width": 1.0, "length": 0.03},  # some images are one pixel wide
    {"length": 1.1, "width": -1.0},  # as in 1.1 - width / length, the displacement
    {"concentration_two_pixel": 1.0, "": 1e-3},
    {"abs_m3_trans": 1.0, "length": 0.02},
    {"alpha": 1.0, "": 0.3},
    {"dist": 1.0, "length": 0.02},
    {"miss": 1.0, "length": 0.02},
)
_RATIOS = (("width", "length"), ("asymmetry", "length"), ("m3_long", "length"))


def distil(
    teacher: GammaHadronModel,
    events: Events,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    synthetic_rows: int = _SYNTHETIC_ROWS,
    epochs: int = 40,
    progress: Progress = silent,
) -> GammaHadronModel:
    """Teach a small network to answer as a model does, some hundred times as fast.

    Parameters
    ----------
    teacher : GammaHadronModel
        Trained in this process, on `events`.
    events : Events
        The teacher's training events.
    rng : numpy.random.Generator
        Makes rows, weights and batches.
    seed : int
        What the generator was made of, for the record.
    command : str
        What the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    synthetic_rows : int
        Rows to make between those of the table.
    epochs : int
        Passes over all rows.
    progress : callable
        Called with the fraction done and what is being done.

    Returns
    -------
    GammaHadronModel
        Named ``fast``; its error is that of the teacher, as far as the network could learn it.

    Raises
    ------
    UsageError
        If the teacher was loaded from a bundle, or trained on other events.
    """
    rows = events.distinct()
    names = measured_features(teacher.needed)
    progress(0.0, "ask the teacher")
    lessons = _lessons(teacher, rows, names, synthetic_rows, rng)
    members = len(lessons.answers)
    out_of_fold = np.empty(len(rows))
    for member in range(members):
        progress((1 + member) / (2 + members), f"distil without fold {member}")
        left_out = np.flatnonzero(lessons.folds[: len(rows), 0] == member)
        network = _taught(lessons.without(member), rng, names, epochs)
        out_of_fold[left_out], _ = network.predict_with_error(lessons.values[left_out])
    progress((1 + members) / (2 + members), "distil")
    network = _taught(lessons, rng, names, epochs)
    split = f"{rows.name}, {rows.split}, out of fold"
    auc = auc_interval(rows.is_gamma, out_of_fold).metric("auc", n=len(rows), split=split)
    needed = inputs_of(names)
    return GammaHadronModel(
        name="fast",
        family=f"network {'-'.join(map(str, _HIDDEN))} distilled from {teacher.family}",
        mode=teacher.mode,
        features=names,
        inputs=describe_inputs(rows.table, needed),
        predictor=OnnxPredictor(network.to_onnx(_OUTPUTS), chunk=_CHUNK),
        prior=teacher.prior,
        training=Training(
            data=rows.name,
            sha256=table_hash(rows.table, needed),
            n_rows=len(rows),
            split=rows.split,
            seed=seed,
            command=command,
        ),
        data_licence=licence,
        operating_points=operating_points(rows.is_gamma, out_of_fold, split),
        metrics=(auc,),
        parameters={
            "teacher": teacher.name,
            "folds": members,
            "synthetic_rows": len(lessons.values) - len(rows),
            "epochs": epochs,
        },
        reference=distributions(
            {**{name: rows.table[name] for name in needed}, "gammaness": out_of_fold}
        ),
        column_map=rows.column_map.model_dump(mode="json"),
    )


def copy_of(
    teacher: GammaHadronModel,
    events: Events,
    rng: np.random.Generator,
    *,
    synthetic_rows: int = _SYNTHETIC_ROWS,
    epochs: int = 40,
) -> tuple[DistilledNetwork, tuple[str, ...]]:
    """Return the network that copies a model, and its features, without operating points.

    The same network as :func:`distil` makes, up to its random numbers, in a sixth of the time: for
    a comparison on events that are held out from both. Parameters and errors are the same.
    """
    names = measured_features(teacher.needed)
    lessons = _lessons(teacher, events.distinct(), names, synthetic_rows, rng)
    return _taught(lessons, rng, names, epochs), names


def measured_features(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the feature that stands for each column as it was measured.

    Parameters
    ----------
    columns : sequence of str
        Columns of a table. Of those whose sign means nothing the magnitude is taken.

    Examples
    --------
    >>> measured_features(["length", "m3_trans"])
    ('length', 'abs_m3_trans')
    """
    known = {feature.name for feature in FEATURES}
    return tuple(f"abs_{name}" if f"abs_{name}" in known else name for name in columns)


def expansion_for(features: Sequence[str]) -> Expansion:
    """Return what the network derives from these features, as far as they allow."""
    base = {*features}
    polar = (_POLAR,) if {_POLAR.radius, _POLAR.angle} <= base else ()
    base.update(name for pair in polar for name in (pair.across, pair.along))
    return Expansion(
        columns=tuple(features),
        polar=polar,
        logs=tuple(term for term in _LOGS if base.issuperset(name for name in term if name)),
        ratios=tuple(pair for pair in _RATIOS if base.issuperset(pair)),
    )


@dataclass(frozen=True)
class _Lessons:
    """Rows with what each member of the teacher says of them.

    Parameters
    ----------
    values : array, shape (n, n_features)
        The rows of the table, then those made between them.
    answers : array, shape (n_members, n)
        Calibrated probabilities.
    folds : array of int, shape (n, 2)
        The folds of the two rows that a row lies between, of itself for a row of the table. The
        member of the same number has not seen the rows of a fold.
    """

    values: NDArray[np.float32]
    answers: NDArray[np.float64]
    folds: NDArray[np.int64]

    def without(self, fold: int) -> Self:
        """Return the rows that owe nothing to a fold, with the answers of its member alone."""
        kept = (self.folds != fold).all(axis=1)
        return replace(
            self,
            values=self.values[kept],
            answers=self.answers[[fold]][:, kept],
            folds=self.folds[kept],
        )


def _lessons(
    teacher: GammaHadronModel,
    rows: Events,
    names: tuple[str, ...],
    synthetic_rows: int,
    rng: np.random.Generator,
) -> _Lessons:
    """Make rows, and ask each member of the teacher."""
    predictor = _cross_fitted(teacher, rows)
    matrix = compute(rows.table, names)
    made = interpolate_rows(matrix, rows.is_gamma, synthetic_rows, rng)
    columns = dict(zip(inputs_of(names), made.values.T, strict=True))
    if {"length", "width"} <= columns.keys():
        columns["width"] = np.minimum(columns["width"], columns["length"])
    table = FeatureTable.from_columns(columns)
    answers = np.concatenate(
        [_answers(teacher, predictor, part) for part in (rows.table, table)], axis=1
    )
    fold = _folds(predictor, answers[:, : len(rows)])
    parents = np.concatenate([np.repeat(np.arange(len(rows))[:, None], 2, axis=1), made.parents])
    values = np.concatenate([matrix, compute(table, names)])
    return _Lessons(values, answers, fold[parents])


def _taught(
    lessons: _Lessons, rng: np.random.Generator, names: tuple[str, ...], epochs: int
) -> DistilledNetwork:
    """Train on the mean and the spread of the members' answers."""
    answers = lessons.answers
    spread = answers.std(axis=0, ddof=1) if len(answers) > 1 else np.zeros(answers.shape[1])
    return DistilledNetwork.fit(
        lessons.values,
        answers.mean(axis=0),
        spread,
        expansion_for(names),
        rng,
        hidden=_HIDDEN,
        epochs=epochs,
    )


def _answers(
    teacher: GammaHadronModel, predictor: CrossFitted, table: FeatureTable
) -> NDArray[np.float64]:
    """Return the calibrated probability of each row by each member, shape (n_members, n)."""
    features = compute(table, teacher.features)
    return np.stack(
        [
            predictor.calibration(member.predict_proba(features)[:, 1])
            for member in predictor.members
        ]
    )


def _folds(predictor: CrossFitted, answers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the member that has not seen each training row, shape (n_train,).

    It is the one whose answer the teacher kept as its out-of-fold probability.
    """
    away = np.abs(answers - predictor.out_of_fold)
    if np.mean(away.min(axis=0) < _SAME) < _LEAST_AGREEMENT:
        raise _not_its_events()
    fold = np.asarray(away.argmin(axis=0), dtype=np.int64)
    sizes = np.bincount(fold, minlength=len(answers))
    if sizes.min() < 0.5 * sizes.mean():  # the members agree on every row: folds cannot be told
        raise UsageError(
            "All members of the teacher say the same of each event: it has learnt nothing.",
            "Train a teacher that separates the classes.",
        )
    return fold


def _cross_fitted(teacher: GammaHadronModel, rows: Events) -> CrossFitted:
    """Return the trained part of a teacher, after making sure that these rows trained it."""
    predictor = teacher.predictor
    if not isinstance(predictor, CrossFitted) or len(predictor.out_of_fold) == 0:
        raise UsageError(
            "A model that was loaded from a bundle does not know which rows its members have seen.",
            "Train the teacher and distil it in one process.",
        )
    if table_hash(rows.table, teacher.needed) != teacher.training.sha256:
        raise _not_its_events()
    return predictor


def _not_its_events() -> UsageError:
    return UsageError(
        "The teacher was trained on other events than these.",
        "Distil it on its own training events, or its operating points would not be honest.",
    )
