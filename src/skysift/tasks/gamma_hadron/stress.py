"""The shifts that tables of image parameters undergo, and what is measured under them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skysift.core.stress import Answered, Measure, Shift
from skysift.evaluate.coverage import coverage_measures
from skysift.evaluate.probability import log_losses
from skysift.evaluate.shifts import at_most, prior_shift
from skysift.evaluate.stress import auc, mean
from skysift.tasks.gamma_hadron.coverage import scored_events, unseen
from skysift.tasks.gamma_hadron.model import GammaHadronModel
from skysift.tasks.gamma_hadron.reader import Events

__all__ = ["answered", "dimmed", "prepared", "seen_at", "shifts", "smeared"]

_POINT = "acceptance-0.05"
_EVEN = 0.5
_LENGTHS = ("length", "width", "dist", "asymmetry", "m3_long", "m3_trans")
_SMEARED = ("length", "width")
_ALPHA_PER_SMEAR = 60.0  # deg: alpha of an image whose axes are known to that share
_RIGHT_ANGLE = 90.0
_NONE = 1.0

Floats = NDArray[np.float64]


def prepared(
    data: Events | None, model: GammaHadronModel, rng: np.random.Generator, most: int
) -> Events:
    """Return events that the model has not seen.

    Raises
    ------
    UsageError
        If there are no events, or they trained the model.
    """
    return at_most(unseen(data, model), most, rng)


def shifts(data: Events) -> Sequence[Shift]:
    """Return the shifts of image parameters."""
    return (
        Shift(
            "light-yield",
            "Calibration of the light yield",
            "true over supposed light",
            (0.7, 0.8, 0.85, 0.9, 1.0, 1.1, 1.15, 1.2, 1.3),
            _NONE,
            "The energy scale of MAGIC, and so its light, is known to within 15 % (Aleksic et al. "
            "2016, Astropart. Phys. 72, 76); mirrors and atmosphere change it in between. SIZE "
            "alone moves: what fewer photons do to the shape is in the next shift.",
            lambda events, size, _rng: dimmed(events, size),
        ),
        Shift(
            "noise",
            "Night sky background",
            "relative noise of length and width",
            (0.0, 0.02, 0.05, 0.1, 0.2),
            0.0,
            "MAGIC observes under skies up to 30 times as bright as dark ones (Ahnen et al. 2017, "
            "Astropart. Phys. 94, 29). What that does to an image depends on its cleaning, so the "
            "size is that of the outcome: length and width get a relative error, and alpha 60 deg "
            "times it.",
            smeared,
        ),
        Shift(
            "zenith",
            "Zenith angle",
            "zenith angle [deg], told by nothing",
            (0.0, 20.0, 30.0, 40.0, 50.0),
            0.0,
            "Through more air a shower is farther away: images shrink as the cosine of the zenith "
            "angle, and their light as its square. That is geometry alone, without the light that "
            "the air takes. 0 stands for the angle of the data.",
            lambda events, size, _rng: seen_at(events, size),
        ),
        prior_shift(
            "Share of gammas",
            "share of gammas in the sample",
            (0.01, 0.1, 0.3, 0.9),
            "The share of the table was chosen in simulation (Bock et al. 2004, NIM A 516, 511); "
            "on the sky hadrons outnumber gammas by far. The events stay, their weights change; "
            "the gammaness is not corrected, as without --prior.",
            flags=data.is_gamma,
        ),
    )


def dimmed(events: Events, factor: float) -> Events:
    """Return events with so many times the light in each image."""
    if factor == _NONE:
        return events
    return _with(events, {"log_size": events.table["log_size"] + np.log10(factor)})


def smeared(events: Events, noise: float, rng: np.random.Generator) -> Events:
    """Return events whose length, width and orientation have a further relative error."""
    drawn = {name: rng.standard_normal(len(events)) for name in (*_SMEARED, "alpha")}
    if noise == 0.0:
        return events
    found = {
        name: events.table[name] * np.exp(noise * drawn[name])
        for name in _SMEARED
        if name in events.table.columns
    }
    if "alpha" in events.table.columns:
        turned = np.abs(events.table["alpha"] + noise * _ALPHA_PER_SMEAR * drawn["alpha"])
        found["alpha"] = np.where(turned > _RIGHT_ANGLE, 2 * _RIGHT_ANGLE - turned, turned)
    return _with(events, found)


def seen_at(events: Events, zenith: float) -> Events:
    """Return events as from a shower that is farther away, at a zenith angle [deg]."""
    if zenith == 0.0:
        return events
    cosine = np.cos(np.radians(zenith))
    found = {name: events.table[name] * cosine for name in _LENGTHS if name in events.table.columns}
    return _with(events, {**found, "log_size": events.table["log_size"] + 2 * np.log10(cosine)})


def _with(events: Events, columns: dict[str, Floats]) -> Events:
    return replace(events, table=events.table.with_columns(columns))


def answered(data: Events, model: GammaHadronModel) -> Answered:
    """Let a model answer, and say what is measured."""
    gammaness, _ = model.gammaness(data.table)
    gamma = data.is_gamma
    point = next((one for one in model.operating_points if one.name == _POINT), None)
    above = gammaness >= (_EVEN if point is None else point.threshold)
    measures = {
        "auc": Measure("AUC", auc(gamma, gammaness)),
        "efficiency": Measure("gammas kept at the threshold", mean(above, gamma)),
        "acceptance": Measure(
            "hadrons kept at the threshold",
            mean(above, ~gamma),
            None if point is None else point.acceptance,
        ),
        "log_loss": Measure("log loss", mean(log_losses(gamma, gammaness))),
        "bias": Measure("mean gammaness less share of gammas", mean(gammaness - gamma), 0.0),
    }
    measures |= coverage_measures(model.promises, (scored_events(data, gammaness),))
    return Answered(measures, data.groups)
