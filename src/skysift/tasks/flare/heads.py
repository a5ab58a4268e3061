"""The parts of a flare model: each gives the probability of one class of flare from one input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skysift.core.errors import BundleError
from skysift.models.flare_history import McIntoshRates, history_features, history_names
from skysift.models.normal_scores import ScoreRegressions
from skysift.tasks.flare.image_features import FEATURES

__all__ = ["BOTH", "Head", "RegionHead", "persistence_class"]

BOTH = ("image_log_odds", *history_names())
"""Features of the regression that joins the image and the past."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Regressions on features of one kind, their log-odds stretched into a probability.

    Parameters
    ----------
    regressions : ScoreRegressions
    slope, offset : float
        The calibrated log-odds are ``slope * log_odds + offset`` (Platt 1999).
    climatology : float
        Share of events among the training rows.
    threshold : float
        Of a warning: the highest TSS on training rows, each seen by models that had not seen it.
    """

    regressions: ScoreRegressions
    slope: float
    offset: float
    climatology: float
    threshold: float

    def log_odds(self, features: Floats) -> Floats:
        """Return calibrated log-odds, shape (n,); NaN for rows without any feature."""
        found = np.full(len(features), np.nan)
        known = np.isfinite(features).any(axis=1)
        if known.any():
            found[known] = self.slope * self.regressions.log_odds(features[known]) + self.offset
        return found

    def probability(self, features: Floats) -> Floats:
        """Return probabilities, shape (n,)."""
        return np.asarray(expit(self.log_odds(features)))

    def numbers(self) -> dict[str, float]:
        """Return what is no array, by name."""
        return {
            name: getattr(self, name) for name in ("slope", "offset", "climatology", "threshold")
        }

    @classmethod
    def of_stored(
        cls, arrays: Mapping[str, Any], prefix: str, n_features: int, numbers: Mapping[str, Any]
    ) -> Self:
        """Put a head together from what a bundle holds.

        Raises
        ------
        BundleError
            If something is missing or does not fit.
        """
        regressions = ScoreRegressions.of_arrays(arrays, prefix, n_features)
        try:
            values = {
                name: float(numbers[name])
                for name in ("slope", "offset", "climatology", "threshold")
            }
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"The model {prefix} does not say {error}.", "Train the bundle again."
            ) from error
        return cls(regressions, **values)


@dataclass(frozen=True, slots=True, eq=False)
class RegionHead:
    """Flares of one class from a region on an EUV image.

    Parameters
    ----------
    image : Head
        On what is seen.
    both : Head
        On that and the past.
    rates : McIntoshRates
        Counted on all training rows.
    persistence : tuple of three floats
        Share of training rows with a flare after a day without one of class C, with one of class C
        and with one of class M or stronger.
    thresholds : mapping of str to float
        Of warnings by the references ``mcintosh`` and ``persistence``, as of :class:`Head`.
    """

    image: Head
    both: Head
    rates: McIntoshRates
    persistence: tuple[float, float, float]
    thresholds: Mapping[str, float]

    def references(self, history: Mapping[str, Any]) -> dict[str, Floats]:
        """Return what needs no image, each of shape (n,): climatology, persistence, McIntosh."""
        mcintosh = self.rates(history["mcintosh"])
        return {
            "mcintosh": mcintosh,
            "persistence": np.array(self.persistence)[persistence_class(history)],
            "climatology": np.full(len(mcintosh), self.image.climatology),
        }

    def threshold(self, forecast: str) -> float:
        """Return the threshold of a warning; that of climatology gives none."""
        heads = {"both": self.both, "image": self.image}
        if forecast in heads:
            return heads[forecast].threshold
        return self.thresholds.get(forecast, 1.0)

    def probabilities(
        self, image_features: Floats, history: Mapping[str, Any], has_history: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Return probabilities, shape (n,), by all that is known, and by the image alone.

        Where the past is not known whole, the image alone answers.
        """
        seen = self.image.log_odds(image_features)
        alone = np.asarray(expit(seen))
        joined = np.column_stack([seen, history_features(history, self.rates)])
        both = self.both.probability(joined)
        return np.where(has_history & np.isfinite(alone), both, alone), alone

    def arrays(self, level: str) -> dict[str, Floats]:
        """Return what is to be stored, by name."""
        return {
            **self.image.regressions.arrays(f"{level}.image"),
            **self.both.regressions.arrays(f"{level}.both"),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what is no array, JSON-ready."""
        return {
            "image": self.image.numbers(),
            "both": self.both.numbers(),
            "mcintosh": self.rates.to_dict(),
            "persistence": list(self.persistence),
            "thresholds": dict(self.thresholds),
        }

    @classmethod
    def of_stored(cls, arrays: Mapping[str, Any], level: str, stored: Mapping[str, Any]) -> Self:
        """Put a head together from what a bundle holds.

        Raises
        ------
        BundleError
            If something is missing or does not fit.
        """
        try:
            image, both, rates = stored["image"], stored["both"], stored["mcintosh"]
            quiet, c, m = (float(share) for share in stored["persistence"])
            thresholds = {name: float(value) for name, value in stored["thresholds"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"The bundle says nothing of {error} for class {level}.", "Train it again."
            ) from error
        return cls(
            Head.of_stored(arrays, f"{level}.image", len(FEATURES), image),
            Head.of_stored(arrays, f"{level}.both", len(BOTH), both),
            McIntoshRates.of_dict(rates),
            (quiet, c, m),
            thresholds,
        )


def persistence_class(history: Mapping[str, Any]) -> NDArray[np.int64]:
    """Return 0 after a day without a flare of class C, 1 with one, 2 with one of class M."""
    flux = np.nan_to_num(np.asarray(history["maxflux_prev24h"], dtype=np.float64))
    limits = np.array([1e-6, 1e-5]) * (1 - 1e-9)
    return np.searchsorted(limits, flux, side="right").astype(np.int64)
