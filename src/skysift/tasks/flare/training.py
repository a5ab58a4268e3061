"""Train a flare model: its parts, their operating points, and what they said of unseen rows."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysift.core.bundle_schema import DataLicence, OperatingPoint, Training
from skysift.core.errors import InputError
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.evaluate.forecast import contingency, forecast_skill
from skysift.evaluate.intervals import wilson_interval
from skysift.models.conformal import calibrate
from skysift.models.reference import distributions
from skysift.tasks.flare.coverage import scored_regions
from skysift.tasks.flare.disk_past import learn_disk_past, past_of
from skysift.tasks.flare.heads import Head
from skysift.tasks.flare.image_features import FEATURES
from skysift.tasks.flare.learning import Learned, learn_region_head
from skysift.tasks.flare.magnetogram_training import learn_disks, learn_keywords
from skysift.tasks.flare.magnetograms import DISK_PAST
from skysift.tasks.flare.model import FAMILY, FlareModel
from skysift.tasks.flare.options import TrainOptions
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = ["learn_regions", "train"]

_DRAWS = 300

Floats = NDArray[np.float64]


def learn_regions(
    regions: Regions, options: TrainOptions, rng: np.random.Generator, progress: Progress
) -> tuple[Regions, dict[str, Learned]]:
    """Train the parts for regions and return them with the rows that they were trained on.

    Raises
    ------
    InputError
        If there are too few rows with an image, or too few flares.
    """
    rows = regions.take(regions.usable)
    if np.isnat(rows.time).any():
        raise InputError(
            "A row has no time.", "Give it in the column time: training keeps to its order."
        )
    learned = {}
    for number, level in enumerate(LEVELS):
        progress(0.1 + 0.4 * number, f"class {level}")
        learned[level] = learn_region_head(
            rows,
            level,
            folds=options.folds,
            inverse_penalty=options.inverse_penalty,
            bags=options.bags,
            rng=rng,
        )
    return rows, learned


def train(
    regions: Regions,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    licence: DataLicence,
    progress: Progress,
) -> FlareModel:
    """Train a model.

    Parameters
    ----------
    regions : Regions
        Labelled, with their images.
    options : TrainOptions
        What is trained.
    rng : numpy.random.Generator
        Draws the bootstrap samples.
    seed, command
        What the generator was made of and what the user typed, for the record.
    licence : DataLicence
        Of the data, for the record.
    progress : callable
        Called with the fraction done and what is being done.

    Raises
    ------
    InputError
        If there are too few rows or flares.
    """
    progress(0.0, "measure images")
    everything, learned = learn_regions(regions, options, rng, progress)
    rows = everything.take(everything.has_spots)
    progress(0.9, "magnetograms")
    magnetograms: dict[str, Head] = {}
    if options.keywords:
        magnetograms |= learn_keywords(Path(options.keywords), options, rng)
    if options.disks:
        magnetograms |= learn_disks(Path(options.disks), options, rng)
    if options.flares:
        past = past_of(Path(options.flares), options.goes_scale)
        magnetograms[DISK_PAST] = learn_disk_past(past, options.folds, options.flares_until)
    split = f"{rows.name}, out of fold by time and region"
    training = Training(
        data=rows.name,
        sha256=_hash(everything),
        n_rows=len(everything),
        split=f"{rows.time.min()} to {rows.time.max()}",
        seed=seed,
        command=command,
    )
    on_record = training.model_copy(update={"split": split, "n_rows": len(rows)})
    reference = distributions(dict(zip(FEATURES, rows.image_features.T, strict=True)))
    return FlareModel(
        name="flare",
        family=FAMILY,
        prior=float(rows.flared("C").mean()),
        training=training,
        promises=tuple(
            calibrate(scored_regions(rows, level, one.both, split), on_record)
            for level, one in learned.items()
        ),
        data_licence=licence,
        operating_points=tuple(_operating_points(rows, learned, split)),
        metrics=tuple(_metrics(rows, learned, split, rng)),
        parameters={
            "folds": options.folds,
            "inverse_penalty": options.inverse_penalty,
            "bags": options.bags,
        },
        reference=reference,
        regions={level: one.head for level, one in learned.items()},
        magnetograms=magnetograms,
    )


def _operating_points(
    rows: Regions, learned: dict[str, Learned], split: str
) -> Sequence[OperatingPoint]:
    points = []
    for level, one in learned.items():
        event = rows.flared(level)
        for name, head, seen in (
            ("", one.head.both, one.both),
            ("-image-only", one.head.image, one.image),
        ):
            found = contingency(event, seen, head.threshold)
            caught = wilson_interval(found.hits, found.hits + found.misses)
            points.append(
                OperatingPoint(
                    name=f"tss-{level.lower()}24{name}",
                    threshold=head.threshold,
                    acceptance=found.false_detection,
                    efficiency=found.detection,
                    chosen_on=split,
                    method="the highest true skill statistic",
                    low=caught.low,
                    high=caught.high,
                )
            )
    return points


def _metrics(
    rows: Regions, learned: dict[str, Learned], split: str, rng: np.random.Generator
) -> Sequence[Metric]:
    metrics = []
    for level, one in learned.items():
        for name, head, seen in (
            ("", one.head.both, one.both),
            ("_image_only", one.head.image, one.image),
        ):
            skill = forecast_skill(
                rows.flared(level),
                seen,
                threshold=head.threshold,
                climatology=head.climatology,
                blocks=rows.noaa,
                rng=rng,
                n_bootstrap=_DRAWS,
            )
            metrics += [
                interval.metric(f"{score}@{level.lower()}24{name}", n=len(rows), split=split)
                for score, interval in skill.items()
            ]
    return metrics


def _hash(rows: Regions) -> str:
    """Return a SHA-256 over what is seen, the past and the labels."""
    digest = hashlib.sha256(np.ascontiguousarray(rows.image_features, dtype="<f8").tobytes())
    for name, values in rows.history.items():
        digest.update(f"{name} {values.tolist()}".encode())
    for window in ("24h", "48h"):
        digest.update(np.ascontiguousarray(rows.flux(window), dtype="<f8").tobytes())
    return digest.hexdigest()
