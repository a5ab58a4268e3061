"""Go on from a trained model with other cutouts.

In a free body, networks are fine-tuned, and new objects join the neighbours of Gaussian processes
where held-out objects gain by it; forests and support vectors stay what they are. In either, the
log-odds are stretched anew.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from skysift.core.bundle_schema import DataLicence
from skysift.core.continuation import (
    MARGIN,
    MOST_KEPT,
    ContinueOptions,
    Origin,
    child_of,
    remembering,
    simulated,
)
from skysift.core.errors import UsageError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.intervals import mean_interval, wilson_interval
from skysift.evaluate.probability import log_losses
from skysift.evaluate.updating import paired_loss, with_judgement
from skysift.models.calibration import stretch
from skysift.models.cross_fitting import BinaryModel, CrossFitted
from skysift.models.fine_tuning import TuningOptions
from skysift.models.images.cnn_tuning import holds_networks, tune_networks
from skysift.models.lessons import Mixed, Rows, has_both, mix, remembered, training_of
from skysift.models.muygps.process import LocalProcess
from skysift.models.reference import distributions
from skysift.tasks.star_galaxy.blend import Blend
from skysift.tasks.star_galaxy.licence import licence_of
from skysift.tasks.star_galaxy.model import StarGalaxyModel
from skysift.tasks.star_galaxy.parts import OUTPUT, GraphPart, ProcessPart
from skysift.tasks.star_galaxy.reader import Cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS
from skysift.tasks.star_galaxy.training import choose_doubt, operating_points

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

_RATE = 4e-4  # small beside that of the training
_BATCH = 64
_ENOUGH = 200  # rows for a limit of doubt of their own
_FLOOR = 1e-7

Floats = NDArray[np.float64]


def lessons(cutouts: Cutouts, parent: StarGalaxyModel) -> Rows:
    """Return what the parent sees of each object.

    Raises
    ------
    UsageError
        If the parent is of a kind that cannot go on.
    """
    _members(parent)
    rows = cutouts.distinct()
    matrix = REPRESENTATIONS[parent.representation].matrix(rows.images)
    return Rows(matrix, rows.is_galaxy.astype(np.float64), rows.groups)


def origin_of(cutouts: Cutouts) -> tuple[str, DataLicence]:
    """Return the name of the data, and their licence."""
    return f"{cutouts.name}, {cutouts.split}", licence_of(cutouts.name)


def losses(rows: Rows, model: StarGalaxyModel) -> Floats:
    """Return the log loss of each object, shape (n,)."""
    said, _ = model.predictor.predict_with_error(np.asarray(rows.features, dtype=np.float64))
    return np.asarray(log_losses(rows.label > 0, said))


def go_on(
    parent: StarGalaxyModel,
    new: Rows,
    replay: Rows | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> StarGalaxyModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    mixed = mix(new, replay, held_out=options.held_out, rng=rng)
    predictor, method = _continued(parent, mixed, options, rng, progress)
    matrix, label = np.asarray(mixed.rows.features, dtype=np.float64), mixed.rows.label > 0
    said, _ = predictor.predict_with_error(matrix)
    judged, split = mixed.judge, f"{origin.data}, held out"
    before, _ = parent.predictor.predict_with_error(matrix[judged])
    gained = paired_loss(label[judged], said[judged], before, split=split)
    told = has_both(label[judged])
    measured = REPRESENTATIONS[parent.representation].measured
    return child_of(
        parent,
        origin,
        predictor=predictor,
        prior=mixed.share(label),
        doubt=choose_doubt(label[judged], said[judged]) if len(judged) >= _ENOUGH else parent.doubt,
        training=training_of(mixed, new, origin),
        operating_points=operating_points(label[judged], said[judged], split) if told else (),
        metrics=tuple(_metrics(label[judged], said[judged], split)) if told else (),
        parameters=options.model_dump(mode="json", exclude_none=True),
        reference=distributions({**dict(zip(measured, matrix.T, strict=False)), "p_galaxy": said}),
        lineage=with_judgement(origin.lineage, gained, method=method),
    )


def recalled(data: bytes, model: StarGalaxyModel) -> Rows:
    """Return what is seen of objects from the content of a file of a bundle."""
    return Rows.of_bytes(data, len(REPRESENTATIONS[model.representation].names))


def _members(parent: StarGalaxyModel) -> CrossFitted:
    if not isinstance(parent.predictor, CrossFitted):
        raise UsageError(
            f"A {parent.family} that stands alone cannot go on.",
            "Go on from the default bundle, or train a new one on old and new data.",
        )
    return parent.predictor


def _continued(
    parent: StarGalaxyModel,
    mixed: Mixed,
    options: ContinueOptions,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[CrossFitted, str]:
    """Return members that have learned, with a new calibration, and how."""
    fitted, frozen = _members(parent), options.body == "frozen"
    members = list(fitted.members)
    if not frozen:
        for number, member in enumerate(members):
            progress(number / len(members), f"member {number}")
            members[number] = _learned(member, mixed, options, rng)
        if not any(isinstance(member, Blend) for member in members):
            raise UsageError(
                f"Nothing of a {parent.family} can move.", "Calibrate it: --body frozen."
            )
    moved = replace(fitted, members=members)
    rows = mixed.learned if frozen else mixed.stop
    said, _ = moved.predict_with_error(np.asarray(mixed.rows.features[rows], dtype=np.float64))
    odds = logit(np.clip(said, _FLOOR, 1 - _FLOOR))
    slope, offset = stretch(odds, mixed.rows.label[rows] > 0, mixed.weight[rows])
    method = (
        "a new calibration"
        if frozen
        else "fine-tuned networks, new neighbours where they help, a new calibration"
    )
    calibration = fitted.calibration.stretched(slope, offset)
    return replace(moved, calibration=calibration, out_of_fold=np.empty(0)), method


def _learned(
    member: BinaryModel, mixed: Mixed, options: ContinueOptions, rng: np.random.Generator
) -> BinaryModel:
    """Return a member of whose parts some have learned; what is no blend stays what it is."""
    if not isinstance(member, Blend):
        return member
    parts = list(member.parts)
    for number, (part, (first, last)) in enumerate(zip(parts, member.columns, strict=True)):
        columns = mixed.rows.features[:, first:last]
        if isinstance(part, GraphPart) and holds_networks(part.data):
            seen = replace(mixed, rows=replace(mixed.rows, features=columns))
            tuning = TuningOptions.of(options, _RATE, batch_size=_BATCH)
            parts[number] = GraphPart(tune_networks(part.data, seen, tuning, rng, output=OUTPUT))
        elif isinstance(part, ProcessPart):
            fit, stop = mixed.fit, mixed.stop
            joined = _joined(part, columns[fit], mixed.rows.label[fit] > 0)
            if _loss(joined, columns[stop], mixed) < _loss(part, columns[stop], mixed):
                parts[number] = joined
    return replace(member, parts=parts)


def _joined(part: ProcessPart, columns: NDArray[Any], is_galaxy: NDArray[np.bool_]) -> ProcessPart:
    """Return a process with more training rows; its kernel, noise and calibration stay."""
    plain, arrays = part.process.to_state()
    points, targets = arrays["points"], arrays["targets"]
    if "noise" in arrays:
        raise UsageError(
            "A process whose rows have noise of their own cannot go on.", "Train a new one."
        )
    wanted = np.where(is_galaxy, 1.0, -1.0).astype(targets.dtype)[:, None]
    more = {
        "points": np.concatenate([points, part.scaled(columns).astype(points.dtype)]),
        "targets": np.concatenate([targets, wanted]),
    }
    process = LocalProcess.from_state(
        plain, {**arrays, **more}, search="exact", engine=part.process.engine, threads=1
    )
    return replace(part, process=process)


def _loss(part: BinaryModel, columns: NDArray[Any], mixed: Mixed) -> float:
    """Return the mean log loss of the rows that decide when to stop."""
    said = part.predict_proba(columns)[:, 1]
    losses = log_losses(mixed.rows.label[mixed.stop] > 0, said)
    return float(np.average(losses, weights=mixed.weight[mixed.stop]))


def _metrics(is_galaxy: NDArray[np.bool_], said: Floats, split: str) -> list[Metric]:
    n = len(said)
    right = int(np.sum((said > 0.5) == is_galaxy))  # noqa: PLR2004  # even odds
    return [
        auc_interval(is_galaxy, said).metric("auc", n=n, split=split),
        wilson_interval(right, n).metric("accuracy", n=n, split=split),
        mean_interval(log_losses(is_galaxy, said)).metric("log_loss", n=n, split=split),
    ]
