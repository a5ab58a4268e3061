"""Go on from a trained model with other events."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from skysift.core.bundle_schema import DataLicence, InputColumn
from skysift.core.continuation import (
    MARGIN,
    MOST_KEPT,
    ContinueOptions,
    Origin,
    child_of,
    remembering,
    simulated,
)
from skysift.core.errors import ContractError, UsageError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.table import FeatureTable
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.probability import log_losses
from skysift.evaluate.updating import paired_loss, with_judgement
from skysift.models.calibration import BetaCalibration
from skysift.models.continued_boosting import boost_on
from skysift.models.distilled_tuning import network_of_graph, tune_network
from skysift.models.fine_tuning import TuningOptions, what_moved
from skysift.models.graph_heads import boosted_graph, recalibrated_graph
from skysift.models.lessons import Mixed, Rows, has_both, mix, remembered, training_of
from skysift.models.reference import distributions
from skysift.tasks.gamma_hadron.fast import expansion_for
from skysift.tasks.gamma_hadron.features import compute
from skysift.tasks.gamma_hadron.licence import licence_of
from skysift.tasks.gamma_hadron.model import GammaHadronModel, OnnxPredictor, describe_inputs
from skysift.tasks.gamma_hadron.reader import Events
from skysift.tasks.gamma_hadron.training import operating_points

__all__ = [
    "MARGIN",
    "MOST_KEPT",
    "go_on",
    "lessons",
    "losses",
    "origin_of",
    "recalled",
    "remembered",
    "remembering",
    "simulated",
]

_RATE = 5e-4  # a sixteenth of that of the distillation
_BOOSTING_RATE = 0.05
_FLOOR = 1e-7
_CHUNK = 2048
_OUTPUTS = ("gammaness", "gammaness_err")


def lessons(events: Events, parent: GammaHadronModel) -> Rows:
    """Return the columns that the parent reads, of distinct events.

    Raises
    ------
    UsageError
        If the parent is of a kind that cannot go on.
    ContractError
        If the table lacks a column that the parent reads.
    """
    _graph(parent)
    rows = events.distinct()
    missing = [name for name in parent.needed if name not in rows.table]
    if missing:
        raise ContractError(
            f"The table lacks {', '.join(missing)}, which {parent.name} reads.",
            "Give a table with these columns, or go on from another bundle.",
        )
    return Rows(rows.table.matrix(parent.needed), rows.is_gamma.astype(np.float64), rows.groups)


def origin_of(events: Events) -> tuple[str, DataLicence]:
    """Return the name of the data, and their licence."""
    return f"{events.name}, {events.split}", licence_of(events.name)


def losses(rows: Rows, model: GammaHadronModel) -> NDArray[np.float64]:
    """Return the log loss of each event, shape (n,)."""
    gammaness, _ = model.gammaness(_table(rows, model.needed))
    return np.asarray(log_losses(rows.label > 0, gammaness))


def go_on(
    parent: GammaHadronModel,
    new: Rows,
    replay: Rows | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> GammaHadronModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    mixed = mix(new, replay, held_out=options.held_out, rng=rng)
    table = _table(mixed.rows, parent.needed)
    predictor, method = _continued(parent, table, mixed, options, rng=rng, progress=progress)
    label = mixed.rows.label > 0
    gammaness, _ = predictor.predict_with_error(compute(table, parent.features))
    judged = mixed.judge
    split = f"{origin.data}, held out"
    told = has_both(label[judged])
    before, _ = parent.predictor.predict_with_error(compute(table.take(judged), parent.features))
    gained = paired_loss(label[judged], gammaness[judged], before, split=split)
    return child_of(
        parent,
        origin,
        predictor=predictor,
        prior=mixed.share(label),
        inputs=_wider(parent.inputs, describe_inputs(table, parent.needed)),
        training=training_of(mixed, new, origin),
        operating_points=operating_points(label[judged], gammaness[judged], split) if told else (),
        metrics=(_auc(label[judged], gammaness[judged], split),) if told else (),
        parameters={
            **{name: parent.parameters[name] for name in ("teacher",) if name in parent.parameters},
            **options.model_dump(mode="json", exclude_none=True),
        },
        reference=distributions(
            {**{name: table[name] for name in parent.needed}, "gammaness": gammaness}
        ),
        lineage=with_judgement(origin.lineage, gained, method=method),
    )


def recalled(data: bytes, model: GammaHadronModel) -> Rows:
    """Return events from the content of a file of a bundle."""
    return Rows.of_bytes(data, len(model.needed))


def _continued(
    parent: GammaHadronModel,
    table: FeatureTable,
    mixed: Mixed,
    options: ContinueOptions,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[OnnxPredictor, str]:
    """Return the trained part of the child, and how it was made."""
    graph, n = _graph(parent), len(parent.features)
    seen = replace(mixed, rows=replace(mixed.rows, features=compute(table, parent.features)))
    frozen, is_network = options.body == "frozen", "teacher" in parent.parameters
    tuning = TuningOptions.of(options, _RATE if is_network else _BOOSTING_RATE)

    def tell(fraction: float) -> None:
        progress(fraction, "go on")

    if is_network:
        network = network_of_graph(graph, expansion_for(parent.features))
        tuned, history = tune_network(network, seen, tuning, rng, frozen=frozen, progress=tell)
        what = "its last layer" if frozen else "all weights"
        graph, method = tuned.to_onnx(_OUTPUTS), what_moved(what, history.best)
        return OnnxPredictor(graph, chunk=_CHUNK), method
    before, _ = OnnxPredictor(graph, chunk=_CHUNK).predict_with_error(seen.rows.features)
    label = mixed.rows.label > 0
    if frozen:
        rows = mixed.learned  # three numbers need no early stop
        beta = BetaCalibration.fit(before[rows], label[rows], sample_weight=mixed.weight[rows])
        graph, method = recalibrated_graph(graph, _OUTPUTS, beta, n), "a new calibration"
    else:
        odds = logit(np.clip(before.astype(np.float64), _FLOOR, 1 - _FLOOR))[:, None]
        boosted = boost_on(odds, seen, tuning, rng, progress=tell)
        method = boosted.told("on its log-odds")
        if boosted.trees is not None:
            graph = boosted_graph(graph, _OUTPUTS, boosted.trees, n)
    return OnnxPredictor(graph, chunk=_CHUNK), method


def _graph(parent: GammaHadronModel) -> bytes:
    """Return the graph of a model.

    Raises
    ------
    UsageError
        If it has none.
    """
    if isinstance(parent.predictor, OnnxPredictor):
        return parent.predictor.data
    if parent.bundle is None or parent.bundle.manifest.model.format != "onnx":
        raise UsageError(
            f"A {parent.family} is stored without weights that can be trained on.",
            "Go on from a bundle of a network, such as 'fast', or train a new one.",
        )
    return parent.bundle.read_bytes(parent.bundle.manifest.model.file)


def _auc(is_gamma: NDArray[np.bool_], gammaness: NDArray[Any], split: str) -> Metric:
    return auc_interval(is_gamma, gammaness).metric("auc", n=len(is_gamma), split=split)


def _table(rows: Rows, columns: Sequence[str]) -> FeatureTable:
    return FeatureTable.from_columns(dict(zip(columns, rows.features.T, strict=True)))


def _wider(old: Sequence[InputColumn], new: Sequence[InputColumn]) -> tuple[InputColumn, ...]:
    """Return inputs with the range of both trainings; the unit is that of the first."""
    return tuple(
        one.model_copy(
            update={
                "low": min(value for value in (one.low, other.low) if value is not None),
                "high": max(value for value in (one.high, other.high) if value is not None),
            }
        )
        for one, other in zip(old, new, strict=True)
    )
