"""Go on from a trained model with other regions.

Knots of the scores, rates of McIntosh classes and persistence stay those of the parent: they are
what its lines stand on. The lines move (a free body), or only the stretch of their log-odds does (a
frozen one). The parts for magnetograms are handed on as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skysift.core.bundle_schema import DataLicence, OperatingPoint
from skysift.core.continuation import (
    MARGIN,
    MOST_KEPT,
    ContinueOptions,
    Origin,
    child_of,
    remembering,
    simulated,
)
from skysift.core.errors import InputError
from skysift.core.extras import import_extra
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.evaluate.forecast import best_threshold, contingency, forecast_skill
from skysift.evaluate.intervals import wilson_interval
from skysift.evaluate.probability import log_losses
from skysift.evaluate.updating import gain, with_judgement
from skysift.models.calibration import stretch
from skysift.models.fine_tuning import TuningOptions, fine_tune
from skysift.models.flare_history import history_features, history_names
from skysift.models.lessons import Mixed, Rows, mix, remembered, training_of
from skysift.models.normal_scores import ScoreRegressions
from skysift.models.reference import distributions
from skysift.tasks.flare.heads import Head, RegionHead
from skysift.tasks.flare.image_features import FEATURES
from skysift.tasks.flare.learning import targets_of
from skysift.tasks.flare.licence import licence_of
from skysift.tasks.flare.model import FlareModel
from skysift.tasks.flare.regions import LEVELS, Regions

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

_RATE = 5e-3
_ALMOST = 1.0 - 1e-9
_FEWEST_EVENTS = 2
_DRAWS = 300
_PAST = len(history_names())
_WIDTH = len(FEATURES) + len(LEVELS) * _PAST + 4
"""Columns of lessons: image, past by the rates of each class, three fluxes, and the spots."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def lessons(regions: Regions, parent: FlareModel) -> Rows:
    """Return what is seen of regions and what their past tells by the rates of a model.

    Raises
    ------
    InputError
        If no row has an image.
    """
    rows = regions.take(regions.usable)
    if not len(rows):
        raise InputError("No row has an image.", "See --images.")
    past = [history_features(rows.history, parent.regions[level].rates) for level in LEVELS]
    fluxes = [rows.flux(window) for window in ("24h", "48h", "prev24h")]
    columns = [rows.image_features, *past, *fluxes, rows.has_spots]
    return Rows(np.column_stack(columns), rows.flux("24h"), rows.noaa)


def origin_of(regions: Regions) -> tuple[str, DataLicence]:
    """Return the name of the data with its times, and their licence."""
    some = regions.take(regions.usable)
    return f"{regions.name}, {some.time.min()} to {some.time.max()}", licence_of(regions.name)


def losses(rows: Rows, model: FlareModel) -> Floats:
    """Return the log loss of each region, mean of both classes of flares, shape (n,)."""
    seen = _Seen(rows)
    each = [
        log_losses(seen.event(level), _answers(model.regions[level], seen, level)[0])
        for level in LEVELS
    ]
    return np.asarray(np.mean(each, axis=0))


def go_on(
    parent: FlareModel,
    new: Rows,
    replay: Rows | None,
    options: ContinueOptions,
    rng: np.random.Generator,
    *,
    origin: Origin,
    progress: Progress,
) -> FlareModel:
    """Return a model that goes on from its parent; see :class:`Continuation`."""
    mixed = mix(new, replay, held_out=options.held_out, rng=rng)
    seen = _Seen(mixed.rows)
    regions = {}
    for number, level in enumerate(LEVELS):
        progress(number / len(LEVELS), f"class {level}")
        tuner = _Tuner(mixed, seen, level, options, rng, parent.training.n_rows)
        regions[level] = tuner.head(parent.regions[level])
    judged = _Seen(mixed.rows.take(mixed.judge))
    split = f"{origin.data}, held out"
    child = child_of(
        parent,
        origin,
        regions=regions,
        prior=mixed.share(seen.event("C")),
        training=training_of(mixed, new, origin),
        operating_points=tuple(_operating_points(regions, judged, split)),
        metrics=tuple(_metrics(regions, judged, split, rng)),
        parameters=options.model_dump(mode="json", exclude_none=True),
        reference=distributions(dict(zip(FEATURES, seen.image.T, strict=True))),
    )
    change = losses(judged.rows, child) - losses(judged.rows, parent)
    gained = gain(change, judged.rows.group, split=split)
    method = "a new stretch of the log-odds" if options.body == "frozen" else "its lines"
    lineage = with_judgement(origin.lineage, gained, method=method)
    return replace(child, lineage=lineage)


def recalled(data: bytes, model: FlareModel) -> Rows:
    """Return regions from the content of a file of a bundle."""
    del model  # a child has the rates of its parent
    return Rows.of_bytes(data, _WIDTH)


class _Seen:
    """The columns of lessons by what they mean."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        columns = np.asarray(rows.features, dtype=np.float64)
        ends = np.cumsum([len(FEATURES), *[_PAST] * len(LEVELS)])
        self.image, *past, rest = np.split(columns, ends, axis=1)
        self.past = dict(zip(LEVELS, past, strict=True))
        self.fluxes = rest[:, :3]
        self.has_spots = rest[:, 3] > 0

    def take(self, rows: NDArray[Any]) -> "_Seen":
        return _Seen(self.rows.take(rows))

    def event(self, level: str) -> Mask:
        """Tell which rows had a flare of a class within 24 h."""
        return np.asarray(self.rows.label >= LEVELS[level] * _ALMOST)

    def activity(self, level: str) -> Floats:
        """Return the share of the signs of activity that each row shows, in place of a label."""
        return np.asarray(np.mean(targets_of(list(self.fluxes.T), level), axis=0))


def _answers(head: RegionHead, seen: _Seen, level: str) -> tuple[Floats, Floats]:
    """Return probabilities by all that is known, and by the image alone."""
    odds = head.image.log_odds(seen.image)
    alone = np.asarray(expit(odds))
    past = seen.past[level]
    both = head.both.probability(np.column_stack([odds, past]))
    return np.where(np.isfinite(past).all(axis=1), both, alone), alone


@dataclass(frozen=True, slots=True)
class _Tuner:
    """Moves the parts of one head."""

    mixed: Mixed
    seen: _Seen
    level: str
    options: ContinueOptions
    rng: np.random.Generator
    n_before: int

    def head(self, parent: RegionHead) -> RegionHead:
        seen, level = self.seen, self.level
        image = self._part(
            parent.image, seen.image, seen.activity(level), np.full(len(seen.rows), True)
        )
        joined = np.column_stack([image.log_odds(seen.image), seen.past[level]])
        known = np.isfinite(joined).all(axis=1)
        both = self._part(
            parent.both, joined, seen.event(level).astype(float), known & seen.has_spots
        )
        return replace(parent, image=image, both=both)

    def _part(self, parent: Head, features: Floats, target: Floats, usable: Mask) -> Head:
        """Return a part whose line has moved, and whose stretch and threshold fit the result."""
        mixed, frozen = self.mixed, self.options.body == "frozen"
        regressions = parent.regressions
        if not frozen:
            regressions = self._moved(parent, features, target, usable)
        moved = replace(parent, regressions=regressions)
        # A line that the parent's rows hold has not learned the new ones by heart: all of them but
        # those that measure may stretch it.
        rows = mixed.learned
        rows = rows[(usable & self.seen.has_spots)[rows]]
        event, weight = self.seen.event(self.level)[rows], mixed.weight[rows]
        if min(event.sum(), (~event).sum()) < _FEWEST_EVENTS:
            return moved  # too few to stretch it by, or to choose a threshold
        odds = moved.log_odds(features[rows])
        slope, offset = stretch(odds, event, weight)
        share = float(np.average(event, weights=weight))
        return replace(
            moved,
            slope=slope * parent.slope,
            offset=slope * parent.offset + offset,
            climatology=share,
            threshold=best_threshold(event, expit(slope * odds + offset), weight),
        )

    def _moved(
        self, parent: Head, features: Floats, target: Floats, usable: Mask
    ) -> ScoreRegressions:
        """Return the line after some steps, held by what the parent's rows knew of it.

        Scores have the unit variance, so that the curvature of the parent's likelihood is about
        ``n p (1 - p)`` in each coefficient: its rows go on to count without being there
        (Kirkpatrick et al. 2017, PNAS 114, 3521, eq. 3).
        """
        torch = import_extra("torch", extra="train")
        regressions = parent.regressions
        scores = torch.from_numpy(regressions.scores(features).astype(np.float32))
        wanted = torch.from_numpy(target.astype(np.float32))
        begin = regressions.coefficients.mean(axis=0)
        from_here = torch.from_numpy(begin.astype(np.float32))
        fit = self.mixed.fit[usable[self.mixed.fit]]
        hold = self.n_before * parent.climatology * (1.0 - parent.climatology) / (2 * len(fit))

        def of(live: Mapping[str, Any], rows: NDArray[np.int64]) -> Any:
            entropy = torch.nn.functional.binary_cross_entropy_with_logits(
                scores[rows] @ live["line"] + live["offset"], wanted[rows], reduction="none"
            )
            return entropy + hold * ((live["line"] - from_here) ** 2).sum()

        loss: Callable[[Mapping[str, Any], NDArray[np.int64]], Any] = of
        options = self.options
        tuned = fine_tune(
            {
                "line": begin,
                "offset": np.atleast_1d(regressions.intercepts.mean()),
            },
            loss,
            fit=fit,
            stop=self.mixed.stop[usable[self.mixed.stop]],
            weight=self.mixed.weight,
            options=TuningOptions.of(options, _RATE),
            rng=self.rng,
        )
        line = tuned.weights["line"].astype(np.float64)
        return replace(
            regressions,
            coefficients=line[None],
            intercepts=tuned.weights["offset"].astype(np.float64),
        )


def _parts(
    regions: Mapping[str, RegionHead], judged: _Seen
) -> list[tuple[str, str, Head, Floats, Mask]]:
    """Return level, suffix, head, probabilities and truth of each part that can be measured."""
    some = judged.take(judged.has_spots)
    found = []
    for level, head in regions.items():
        event = some.event(level)
        if len(event) and event.any() and not event.all():
            both, alone = _answers(head, some, level)
            found += [(level, "", head.both, both, event)]
            found += [(level, "image", head.image, alone, event)]
    return found


def _operating_points(
    regions: Mapping[str, RegionHead], judged: _Seen, split: str
) -> list[OperatingPoint]:
    points = []
    for level, part, head, said, event in _parts(regions, judged):
        found = contingency(event, said, head.threshold)
        caught = wilson_interval(found.hits, found.hits + found.misses)
        points.append(
            OperatingPoint(
                name=f"tss-{level.lower()}24{f'-{part}-only' if part else ''}",
                threshold=head.threshold,
                acceptance=found.false_detection,
                efficiency=found.detection,
                chosen_on=f"{split} from these",
                method="the highest true skill statistic",
                low=caught.low,
                high=caught.high,
            )
        )
    return points


def _metrics(
    regions: Mapping[str, RegionHead], judged: _Seen, split: str, rng: np.random.Generator
) -> list[Metric]:
    blocks = judged.rows.group[judged.has_spots]
    if len(np.unique(blocks)) < 2:  # noqa: PLR2004  # a bootstrap of one block
        return []
    return [
        interval.metric(
            f"{score}@{level.lower()}24{f'_{part}_only' if part else ''}",
            n=len(event),
            split=split,
        )
        for level, part, head, said, event in _parts(regions, judged)
        for score, interval in forecast_skill(
            event,
            said,
            threshold=head.threshold,
            climatology=head.climatology,
            blocks=blocks,
            rng=rng,
            n_bootstrap=_DRAWS,
        ).items()
    ]
