"""Train the parts of a flare model; every choice rests on rows that the scoring part has not seen.

Rows are split into runs in time, a few days apart and with no region on both sides. What the
image says of a row that trains the joining regression comes from a model that had not seen the
row's run; so do the rates of McIntosh classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import call
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skysift.core.errors import InputError
from skysift.core.spread import spread_map
from skysift.data.chronological import chronological_folds
from skysift.evaluate.forecast import best_threshold
from skysift.models.flare_history import McIntoshRates, history_features, history_names
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.heads import Head, RegionHead, persistence_class
from skysift.tasks.flare.regions import LEVELS, Regions

__all__ = [
    "Fit",
    "Learned",
    "folds_of",
    "group_samples",
    "learn_head",
    "learn_region_head",
    "require_events",
    "targets",
    "targets_of",
]

PURGE = np.timedelta64(72, "h")
"""Between rows that train and rows that judge: the longest window of a target, and a day."""

_JOINING_PENALTY = 0.1
_UNPENALISED = 1e6
_ALMOST = 1.0 - 1e-9

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Fit = Callable[[], ScoreRegressions]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A trained region head, and what its parts said of training rows that they had not seen.

    Parameters
    ----------
    head : RegionHead
    image, both : array, shape (n_judged,)
        Probabilities of the rows with sunspots.
    """

    head: RegionHead
    image: Floats
    both: Floats


def targets(regions: Regions, level: str) -> list[Mask]:
    """Return what the regressions of the image are trained to tell, each of shape (n,).

    A flare within 24 hours is a rare and noisy sign of how active a region is. Flares within 48
    hours, within 72 hours about the image, and of other strengths are noisy signs of the same, so
    that the mean of regressions on all of them ranks regions better than one on the 24 hours.
    """
    return targets_of([regions.flux(window) for window in ("24h", "48h", "prev24h")], level)


def targets_of(fluxes: Sequence[Floats], level: str) -> list[Mask]:
    """Return the same from the strongest flux in 24 and 48 hours, and in the 24 before."""
    day, two, before = fluxes
    two = np.where(np.isfinite(two), two, day)
    around = np.fmax(two, np.nan_to_num(before))
    c, m = LEVELS["C"] * _ALMOST, LEVELS["M"] * _ALMOST
    common = [day >= c, two >= c, around >= c, around >= 5 * c]
    if level == "C":
        return common
    return [*common, two >= 5 * c, day >= 5 * c, day >= m, two >= m, around >= m]


def folds_of(
    time: NDArray[np.datetime64], groups: NDArray[np.int64], n_splits: int
) -> list[tuple[Mask, Mask]]:
    """Return training and judged rows of runs in time."""
    return list(chronological_folds(time, n_splits=n_splits, purge=PURGE, groups=groups))


def learn_region_head(
    regions: Regions,
    level: str,
    *,
    folds: int,
    inverse_penalty: float,
    bags: int,
    rng: np.random.Generator,
) -> Learned:
    """Train what forecasts flares of a class from regions.

    Parameters
    ----------
    regions : Regions
        Labelled, each with an image. Plage and regions near the limb, if there are, only help to
        tell bright from active: calibration, thresholds and all else rest on those with spots.
    level : {"C", "M"}
    folds : int
        Runs in time.
    inverse_penalty : float
        Of the regressions on the image.
    bags : int
        Bootstrap samples of whole regions that each regression is trained on.
    rng : numpy.random.Generator
        Draws them.

    Raises
    ------
    InputError
        If there are too few flares.
    """
    judged = regions.has_spots
    event = regions.flared(level)
    require_events(event[judged], level, folds)
    features, wanted, group = regions.image_features, targets(regions, level), regions.noaa
    runs = folds_of(regions.time, group, folds)

    def image_of(rows: Mask) -> Fit:
        samples = group_samples(group[rows], bags, rng)
        kinds = [one[rows] for one in wanted]
        return partial(
            ScoreRegressions.fit,
            features[rows],
            kinds,
            inverse_penalty=inverse_penalty,
            samples=samples,
        )

    image, seen = learn_head(features, event, runs, image_of, judged)
    log_odds = image.slope * seen[judged] + image.offset
    spots = [(train[judged], test[judged]) for train, test in runs]
    return _join(image, log_odds, event[judged], regions.take(judged).history, spots)


def _join(
    image: Head,
    log_odds: Floats,
    event: Mask,
    history: Mapping[str, Any],
    runs: Sequence[tuple[Mask, Mask]],
) -> Learned:
    """Train the regression that joins what the image says of unseen rows, and their past."""
    past = np.zeros((len(event), len(history_names())))
    for train, test in runs:
        rates = McIntoshRates.fit(history["mcintosh"][train], event[train])
        past[test] = history_features({name: one[test] for name, one in history.items()}, rates)
    joined = np.column_stack([log_odds, past])

    def both_of(rows: Mask) -> Fit:
        return partial(
            ScoreRegressions.fit, joined[rows], [event[rows]], inverse_penalty=_JOINING_PENALTY
        )

    both, joined_seen = learn_head(joined, event, runs, both_of)
    head = RegionHead(
        image,
        both,
        McIntoshRates.fit(history["mcintosh"], event),
        _persistence(history, event),
        _reference_thresholds(history, event, past[:, 0]),
    )
    return Learned(
        head,
        np.asarray(expit(log_odds)),
        np.asarray(expit(both.slope * joined_seen + both.offset)),
    )


def _persistence(history: Mapping[str, Any], event: Mask) -> tuple[float, float, float]:
    """Return the share of events by what the day before brought, drawn a little to the mean."""
    before, mean = persistence_class(history), event.mean()
    quiet, c, m = (
        float((event[before == one].sum() + mean) / ((before == one).sum() + 1)) for one in range(3)
    )
    return quiet, c, m


def _reference_thresholds(
    history: Mapping[str, Any], event: Mask, unseen_mcintosh: Floats
) -> dict[str, float]:
    """Return thresholds of the highest TSS on training rows."""
    shares = np.array(_persistence(history, event))
    known = np.isfinite(unseen_mcintosh)
    if not (event[known].any() and (~event[known]).any()):
        return {"persistence": best_threshold(event, shares[persistence_class(history)])}
    return {
        "mcintosh": best_threshold(event[known], expit(unseen_mcintosh[known])),
        "persistence": best_threshold(event, shares[persistence_class(history)]),
    }


def learn_head(
    features: Floats,
    event: Mask,
    runs: Sequence[tuple[Mask, Mask]],
    fit_of: Callable[[Mask], Fit],
    judged: Mask | None = None,
) -> tuple[Head, Floats]:
    """Train regressions on all rows, and calibrate them on what each run's models say of it.

    Parameters
    ----------
    features : array, shape (n, n_features)
    event : array of bool, shape (n,)
        The truth.
    runs : sequence of (array of bool, array of bool)
        Rows to train on and rows to judge.
    fit_of : callable
        Returns the training of regressions on some rows, given as a mask; it is done later, by
        whoever was named to work on parts, so that random numbers are drawn before.
    judged : array of bool, shape (n,), optional
        Rows that calibration, climatology and threshold rest on; all if left out.

    Returns
    -------
    head : Head
        Of all rows.
    log_odds : array, shape (n,)
        Uncalibrated, of each row by regressions that had not seen it.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # not to predict

    everything = np.ones(len(event), dtype=bool)
    fits = [fit_of(rows) for rows in (*(train for train, _ in runs), everything)]
    *of_runs, of_all = spread_map(call, fits)
    seen = np.zeros(len(event))
    for (_, test), regressions in zip(runs, of_runs, strict=True):
        seen[test] = regressions.log_odds(features[test])
    of_these = everything if judged is None else judged
    truth, said = event[of_these], seen[of_these]
    platt = LogisticRegression(C=_UNPENALISED).fit(said[:, None], truth)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    head = Head(
        of_all,
        slope,
        offset,
        climatology=float(truth.mean()),
        threshold=best_threshold(truth, expit(slope * said + offset)),
    )
    return head, seen


def group_samples(
    groups: NDArray[np.int64], bags: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return rows of bootstrap samples in which a group is drawn whole."""
    numbers, place = np.unique(groups, return_inverse=True)
    rows = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))
    members = np.split(rows, ends[:-1])
    return [
        np.concatenate([members[one] for one in rng.integers(len(numbers), size=len(numbers))])
        for _ in range(bags)
    ]


def require_events(event: Mask, level: str, folds: int) -> None:
    """Check that there are flares, and rows without, for every fold.

    Raises
    ------
    InputError
        If there are fewer.
    """
    fewest = int(min(event.sum(), (~event).sum()))
    if fewest < 2 * folds:
        raise InputError(
            f"There are {int(event.sum())} rows with a flare of class {level} or stronger, and "
            f"{int((~event).sum())} without; {folds} folds need {2 * folds} of each.",
            "Give more rows, or fewer --folds.",
        )
