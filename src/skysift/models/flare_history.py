"""What the past of an active region tells of flares to come, without looking at an image.

The oldest forecasts count how often regions of a McIntosh class (McIntosh 1990, Sol. Phys. 125,
251) flared and take flares for a Poisson process: P = 1 - exp(-rate) (Gallagher, Moon & Wang 2002,
Sol. Phys. 209, 171, eq. 1; Bloomfield et al. 2012, ApJL 747, L41). Rates belong to the years that
they were counted in: count them in training years only. To them come the flares of the last day
(persistence), area and number of spots, and the Mount Wilson class.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from skysift.core.errors import BundleError, InputError

__all__ = ["HISTORY_COLUMNS", "McIntoshRates", "history_features", "history_names"]

HISTORY_COLUMNS: Final = {
    "maxflux_prev24h": "peak flux of the strongest flare of the last 24 h, 0 for none [W / m2]",
    "area": "area corrected for foreshortening [millionths of a hemisphere]",
    "nspots": "number of spots",
    "extent": "length in longitude [deg]",
    "mcintosh": "McIntosh class, e.g. Dai",
    "hale": "Mount Wilson class, e.g. Beta-Gamma",
}
"""Columns of a region that its history is told by: the Solar Region Summary and a flare list."""

_C, _M = 1e-6, 1e-5
_BELOW_ALL = 1e-8
_ALMOST = 1.0 - 1e-9  # fluxes are rounded
_PRIOR_ROWS = 8.0
_FLOOR = 1e-4

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class McIntoshRates:
    """Share of regions of each McIntosh class that flared, drawn towards what its letters tell.

    Few regions were of each of the sixty classes. Its own count is therefore joined by
    `_PRIOR_ROWS` regions that flare as often as its three letters say, each letter being taken for
    independent of the others.

    Parameters
    ----------
    mean : float
        Share of all training regions.
    letters : sequence of three mappings of str to float
        Odds of each first, second and third letter, in those of the mean.
    classes : mapping of str to (int, int)
        Flaring and all regions of each class.
    """

    mean: float
    letters: tuple[Mapping[str, float], Mapping[str, float], Mapping[str, float]]
    classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def fit(cls, mcintosh: ArrayLike, flared: ArrayLike) -> Self:
        """Count.

        Parameters
        ----------
        mcintosh : array_like of str, shape (n,)
            Classes; rows without one count for the mean only.
        flared : array_like of bool, shape (n,)
            Whether there was a flare.

        Raises
        ------
        InputError
            If there is no row.

        Examples
        --------
        >>> flared = [0] * 49 + [1] + [1] * 40 + [0] * 10
        >>> rates = McIntoshRates.fit(["Axx"] * 50 + ["Fkc"] * 50, flared)
        >>> [round(float(p), 2) for p in rates(["Axx", "Fkc", "Fkx", ""])]
        [0.02, 0.83, 0.59, 0.41]
        """
        codes, events = _codes(mcintosh), np.asarray(flared, dtype=bool)
        if not len(events) or codes.shape != events.shape:
            raise InputError(
                f"{len(codes)} classes and {len(events)} labels.", "Give one of each per region."
            )
        mean = float(np.clip(events.mean(), _FLOOR, 1 - _FLOOR))
        letters = tuple(_letter_odds(codes, events, mean, place) for place in range(3))
        counts: dict[str, tuple[int, int]] = {}
        for code in np.unique(codes[codes != ""]):
            inside = codes == code
            counts[str(code)] = (int(events[inside].sum()), int(inside.sum()))
        return cls(mean, (letters[0], letters[1], letters[2]), counts)

    def __call__(self, mcintosh: ArrayLike) -> Floats:
        """Return the probability of a flare for each class, shape (n,); the mean for none."""
        return np.array([self._of(str(code)) for code in _codes(mcintosh)])

    def _of(self, code: str) -> float:
        if not code:
            return self.mean
        odds = self.mean / (1 - self.mean)
        for place, known in enumerate(self.letters):
            odds *= known.get(code[place : place + 1], 1.0)
        expected = odds / (1 + odds)
        flared, seen = self.classes.get(code, (0, 0))
        return (flared + _PRIOR_ROWS * expected) / (seen + _PRIOR_ROWS)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return {
            "mean": self.mean,
            "letters": [dict(one) for one in self.letters],
            "classes": {code: list(counts) for code, counts in self.classes.items()},
        }

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Put together what :meth:`to_dict` took apart.

        Raises
        ------
        BundleError
            If something is missing, or is no rate.
        """
        try:
            first, second, third = (
                {str(letter): float(odds) for letter, odds in one.items()}
                for one in stored["letters"]
            )
            counts = {str(k): (int(v[0]), int(v[1])) for k, v in stored["classes"].items()}
            mean = float(stored["mean"])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BundleError(
                f"The rates of McIntosh classes cannot be read: {error!r}.",
                "Train the bundle again.",
            ) from error
        if not 0 < mean < 1 or any(not 0 <= a <= b for a, b in counts.values()):
            raise BundleError("The rates of McIntosh classes are none.", "Train the bundle again.")
        return cls(mean, (first, second, third), counts)


def history_names() -> tuple[str, ...]:
    """Return the names of the features of :func:`history_features`, in order."""
    return tuple(_FEATURES)


def history_features(history: Mapping[str, ArrayLike], rates: McIntoshRates) -> Floats:
    """Return features of the history of regions, shape (n, n_features); NaN where unknown.

    Parameters
    ----------
    history : mapping of str to array_like, shape (n,)
        The columns of `HISTORY_COLUMNS`.
    rates : McIntoshRates
        From rows that these are not among, if a model is to be trained on them.
    """
    numbers = {
        name: np.asarray(history[name], dtype=np.float64)
        for name in ("maxflux_prev24h", "area", "nspots", "extent")
    }
    texts = {name: _texts(history[name]) for name in ("mcintosh", "hale")}
    return np.column_stack([make(numbers, texts, rates) for make in _FEATURES.values()])


_Make = Callable[[Mapping[str, Floats], Mapping[str, Texts], McIntoshRates], Floats]


def _reached(flux: float) -> _Make:
    def make(numbers: Mapping[str, Floats], _texts: object, _rates: object) -> Floats:
        given = numbers["maxflux_prev24h"]
        return np.where(np.isfinite(given), (given >= flux * _ALMOST).astype(float), np.nan)

    return make


def _has(word: str) -> _Make:
    def make(_numbers: object, texts: Mapping[str, Texts], _rates: object) -> Floats:
        given = np.char.lower(texts["hale"])
        return np.where(given != "", (np.char.find(given, word) >= 0).astype(float), np.nan)

    return make


_FEATURES: Final[Mapping[str, _Make]] = {
    "mcintosh_log_odds": lambda _, texts, rates: np.where(
        texts["mcintosh"] != "", logit(rates(texts["mcintosh"])), np.nan
    ),
    "log_previous_flux": lambda numbers, *_: np.log10(
        np.maximum(numbers["maxflux_prev24h"], _BELOW_ALL)
    ),
    "previous_c": _reached(_C),
    "previous_m": _reached(_M),
    "log_area": lambda numbers, *_: np.log1p(np.maximum(numbers["area"], 0.0)),
    "log_spots": lambda numbers, *_: np.log1p(np.maximum(numbers["nspots"], 0.0)),
    "extent": lambda numbers, *_: numbers["extent"],
    "gamma": _has("gamma"),
    "delta": _has("delta"),
}


def _texts(values: ArrayLike) -> Texts:
    given = np.asarray(values, dtype=object)
    return np.array(["" if one is None else str(one).strip() for one in given], dtype=np.str_)


def _codes(mcintosh: ArrayLike) -> Texts:
    """Return classes in one spelling, Dai; empty for none."""
    return np.array([one.capitalize() for one in _texts(mcintosh)], dtype=np.str_)


def _letter_odds(
    codes: Texts, events: NDArray[np.bool_], mean: float, place: int
) -> Mapping[str, float]:
    counts: dict[str, list[float]] = defaultdict(lambda: [_PRIOR_ROWS * mean, _PRIOR_ROWS])
    for code, flared in zip(codes, events, strict=True):
        letter = str(code)[place : place + 1]
        if letter:
            counts[letter][0] += float(flared)
            counts[letter][1] += 1.0
    odds = mean / (1 - mean)
    return {letter: (a / (b - a)) / odds for letter, (a, b) in sorted(counts.items())}
