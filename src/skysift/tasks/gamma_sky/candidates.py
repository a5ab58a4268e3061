"""The table of candidates that a search of one or several fields hands out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri_exp

from skysift.core.errors import InputError, UsageError
from skysift.data.io import open_writer
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.data.table import FeatureTable
from skysift.evaluate.aperture import OnOff
from skysift.evaluate.count_bounds import count_bounds, count_upper_limit, equal_background
from skysift.evaluate.ellipse import ErrorEllipse
from skysift.models.sky.candidate import FLAG_WORDS as SEARCH_FLAGS
from skysift.models.sky.candidate import Candidate

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["FLAG_WORDS", "CandidateTable", "FalseAlarmSetting", "Photometry", "SearchWindow"]

FLAG_WORDS: Final = MappingProxyType(
    {
        **SEARCH_FLAGS,
        "no-threshold": "of a method that no number of false alarms sets a threshold for: it may "
        "well be by chance",
        "pointing-moves": "the telescope moved away from its mean pointing, about which the "
        "background is fitted",
    }
)
"""What flags of candidates mean: those of a search, and those of a method or an observation."""

_DAY = 86400.0
_HOUR = 3600.0
_ELLIPSE = 0.68
_WIDE = 0.95

# name: unit, description
_NUMBERS = {
    "ra": ("deg", "ICRS right ascension"),
    "dec": ("deg", "ICRS declination"),
    "err68": ("deg", "radius of the circle that holds the position with 68 % probability"),
    "err95": ("deg", "the same with 95 %"),
    "err_major": ("deg", "semi-major axis of the 68 % error ellipse"),
    "err_minor": ("deg", "semi-minor axis of the 68 % error ellipse"),
    "err_angle": ("deg", "position angle of the major axis, from north through east"),
    "err_systematic": ("deg", "standard deviation of a coordinate by the pointing, in the above"),
    "excess": ("", "counts of the source in the window"),
    "excess_error": ("", "standard deviation of the excess"),
    "background": ("", "counts of background within the 68 % radius of the point spread function"),
    "ts": ("", "test statistic: twice the gain in log-likelihood by the source"),
    "significance": (
        "",
        "normal deviate of the chance of such an excess at this place; 38.467: that or more",
    ),
    "significance_post_trial": ("", "normal deviate of the chance of one anywhere in the field"),
    "far": (
        "Hz",
        "rate of false alarms at least as strong: those of a window over the time to the next one",
    ),
    "li_ma_reflected": ("", "Li & Ma eq. 17, reflected regions"),
    "li_ma_ring": ("", "Li & Ma eq. 17, ring"),
    "flux": ("", "flux in units of the Crab nebula, where the exposure is known"),
    "flux_low": ("", "lower bound of the flux at one standard deviation, not below 0"),
    "flux_high": ("", "upper bound of the flux at one standard deviation"),
    "flux_ul": ("", "what the flux is below with 95 % confidence, one-sided"),
    "t_start": ("d", "start of the window, MJD, TT"),
    "t_stop": ("d", "end of the window, MJD, TT"),
}
_TEXTS = {
    "flags": "what to know of the candidate, comma-separated; empty if nothing",
    "window": "name of the window or map",
}


@dataclass(frozen=True, slots=True)
class FalseAlarmSetting:
    """How many false alarms the threshold of a search allows.

    Parameters
    ----------
    value : float
        Expected number, > 0.
    per : str
        ``field`` (one search of one window) or ``hour`` of observation, all windows together.

    Notes
    -----
    Per hour, rows are counted: what several overlapping windows show of one fluctuation is as many
    false alarms, so that there are fewer different ones than stated.

    Examples
    --------
    >>> FalseAlarmSetting(0.36, "hour").per_field(100.0)
    0.01

    The same window every 20 s:

    >>> round(FalseAlarmSetting(0.36, "hour").per_field(20.0), 9)
    0.002
    """

    value: float
    per: Literal["field", "hour"] = "field"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.value) and self.value > 0) or self.per not in {"field", "hour"}:
            raise UsageError(
                f"{self.value} false alarms per {self.per} cannot be asked for.",
                "Give a number above 0, per 'field' or per 'hour'.",
            )

    def per_field(self, stands_for: float) -> float:
        """Return the expected number for one window, by the time [s] that it stands for."""
        return self.value if self.per == "field" else self.value * stands_for / _HOUR


@dataclass(frozen=True, slots=True)
class SearchWindow:
    """A field that was searched.

    Parameters
    ----------
    grid : TangentGrid
        The plane of the candidates.
    t_start, t_stop : float [d]
        MJD in TT; NaN if there was no good time.
    duration : float [s]
        Good time in between.
    name : str
        For the column ``window``.
    stands_for : float [s], optional
        Time until the next window begins, the base of the rate of false alarms; the duration if
        left out, as of windows that follow each other.
    """

    grid: TangentGrid
    t_start: float
    t_stop: float
    duration: float
    name: str = ""
    stands_for: float | None = None

    @classmethod
    def of(
        cls,
        grid: TangentGrid,
        gti: GoodTimeIntervals,
        reference_mjd: float,
        name: str = "",
        stands_for: float | None = None,
    ) -> Self:
        """Return the window of good time intervals [s] from a reference [d]."""
        start, stop = (float(gti.start[0]), float(gti.stop[-1])) if len(gti) else (np.nan, np.nan)
        return cls(
            grid,
            reference_mjd + start / _DAY,
            reference_mjd + stop / _DAY,
            gti.duration,
            name,
            stands_for,
        )

    @classmethod
    def of_events(
        cls, events: EventList, grid: TangentGrid, stands_for: float | None = None
    ) -> Self:
        """Return the window of an event list."""
        return cls.of(grid, events.gti, events.reference_mjd, events.name, stands_for)

    def rate(self, expected: ArrayLike) -> NDArray[np.float64]:
        """Return rates [Hz] of what is expected so often in this window; NaN without good time."""
        time = self.duration if self.stands_for is None else self.stands_for
        return np.asarray(expected, dtype=np.float64) / (time if time > 0 else np.nan)


@dataclass(frozen=True, slots=True)
class Photometry:
    """On/off measurements of a candidate, None where one could not be made."""

    reflected: OnOff | None = None
    ring: OnOff | None = None


class CandidateTable:
    """One row for each candidate and window; the same columns where there is none.

    Parameters
    ----------
    table : FeatureTable
        The columns, with units and descriptions.
    setting : FalseAlarmSetting or None
        The threshold of the search, which travels with the table even if it is empty; None of a
        method that it is no threshold for.
    """

    def __init__(self, table: FeatureTable, setting: FalseAlarmSetting | None) -> None:
        self.table = table
        self.setting = setting

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.table[name]

    def __repr__(self) -> str:
        if self.setting is None:
            return f"<CandidateTable {len(self)} rows, no threshold>"
        return (
            f"<CandidateTable {len(self)} rows, "
            f"{self.setting.value:g} false alarms per {self.setting.per}>"
        )

    @classmethod
    def of_window(
        cls,
        candidates: Sequence[Candidate],
        window: SearchWindow,
        setting: FalseAlarmSetting | None,
        *,
        photometry: Sequence[Photometry] | None = None,
        crab_counts: ArrayLike | None = None,
        systematic: float = 0.0,
        flags: tuple[str, ...] = (),
    ) -> Self:
        """Return the table of the candidates of one window.

        Parameters
        ----------
        candidates : sequence of Candidate, length n
            In the order of their rows.
        window : SearchWindow
            Where and when they were found.
        setting : FalseAlarmSetting or None
            The threshold of the search, if it is one.
        photometry : sequence of Photometry, length n, optional
            For ``li_ma_reflected`` and ``li_ma_ring``, else NaN.
        crab_counts : array_like, shape (n,), optional
            Counts that a source as bright as the Crab nebula would have had at each place, for the
            flux, else NaN.
        systematic : float [deg]
            Standard deviation of a coordinate by the pointing, added in quadrature to what the
            photons leave open. It is of the instrument and the same for all candidates of a window;
            H.E.S.S. states 20 arcsec.
        flags : tuple of str
            Of all candidates of the window, of `FLAG_WORDS`.

        Raises
        ------
        UsageError
            If `systematic` is negative or not finite.

        Notes
        -----
        The chance after trials is that of at least one false alarm as strong in the field,
        ``1 - exp(-false_alarms)``; far is false_alarms over the time that the window stands for,
        so that rows that are false and as strong come at that rate. Bounds of the flux are those of
        a counting experiment with the same excess and error (see
        :mod:`skysift.evaluate.count_bounds`): asymmetric where there are few counts. Where a chance
        is too small for a float, sqrt(TS) stands in for its normal deviate.
        """
        if not (np.isfinite(systematic) and systematic >= 0):
            raise UsageError(
                f"A pointing cannot be known to {systematic} deg.", "Give 0 or more, in degrees."
            )
        positions = [(one.xi, one.eta) for one in candidates]
        xi, eta = np.asarray(positions, dtype=np.float64).reshape(-1, 2).T
        covariance = np.asarray([one.covariance for one in candidates]).reshape(-1, 2, 2)
        covariance = covariance + systematic**2 * np.eye(2)
        ellipse = ErrorEllipse.on_sky(window.grid, xi, eta, covariance)
        ra, dec = window.grid.from_plane(xi, eta)
        major, minor = ellipse.axes(_ELLIPSE)
        columns: dict[str, ArrayLike] = {
            "ra": ra,
            "dec": dec,
            "err68": ellipse.radius(_ELLIPSE),
            "err95": ellipse.radius(_WIDE),
            "err_major": major,
            "err_minor": minor,
            "err_angle": ellipse.angle,
            "err_systematic": np.full(len(candidates), systematic),
            **_strength(candidates, window),
            **_li_ma(candidates, photometry),
            **_flux(candidates, crab_counts),
            "t_start": np.full(len(candidates), window.t_start),
            "t_stop": np.full(len(candidates), window.t_stop),
            "flags": np.array([",".join((*one.flags, *flags)) for one in candidates], dtype=str),
            "window": np.array([window.name] * len(candidates), dtype=str),
        }
        return cls(_table(columns), setting)

    @classmethod
    def empty(cls, setting: FalseAlarmSetting | None) -> Self:
        """Return a table without rows: no candidate, and what was asked for."""
        return cls(_table(dict.fromkeys((*_NUMBERS, *_TEXTS), ())), setting)

    @classmethod
    def concatenate(cls, tables: Iterable[Self]) -> Self:
        """Return one table of the rows of several.

        Raises
        ------
        InputError
            If there is none, or their false-alarm settings differ.
        """
        every = list(tables)
        if not every:
            raise InputError("There is no table of candidates.", "Give one; it may be empty.")
        if len({one.setting for one in every}) > 1:
            raise InputError(
                "The tables were made with different false-alarm settings.",
                "Search all windows with one.",
            )
        columns = {
            name: np.concatenate([one[name] for one in every]) for name in (*_NUMBERS, *_TEXTS)
        }
        return cls(_table(columns), every[0].setting)

    def meta(self) -> dict[str, Any]:
        """Return what a reader of the file must know, JSON-ready."""
        return {
            "false_alarms": None if self.setting is None else asdict(self.setting),
            "ellipse_confidence": _ELLIPSE,
            "frame": "ICRS",
            "time_scale": "TT",
        }

    def write(self, path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the table in the format that the suffix names.

        ``.ecsv``, ``.fits``, ``.vot``, ``.parquet``, ``.csv``; the false-alarm setting and the
        provenance go with it, as JSON, under ``candidates`` and their own names. ``.reg`` writes
        DS9 regions instead.

        Raises
        ------
        OutputError
            If it cannot be written there.
        """
        if Path(path).suffix == ".reg":
            from skysift.tasks.gamma_sky.ds9 import write_regions  # noqa: PLC0415 it imports this

            write_regions(self, path)
            return
        with open_writer(path, provenance={**(provenance or {}), "candidates": self.meta()}) as out:
            out.write(self.table)

    def to_skycoord(self) -> "SkyCoord":
        """Return the positions as an astropy SkyCoord in ICRS."""
        from astropy.coordinates import SkyCoord  # noqa: PLC0415 slow to import; few need it

        return SkyCoord(self["ra"], self["dec"], unit="deg", frame="icrs")


def _table(columns: Mapping[str, ArrayLike]) -> FeatureTable:
    ordered: dict[str, ArrayLike] = {
        name: np.asarray(columns[name], dtype=np.float64) for name in _NUMBERS
    }
    for name in _TEXTS:
        ordered[name] = np.array(list(np.asarray(columns[name])), dtype=str)
    return FeatureTable.from_columns(
        ordered,
        units={name: unit for name, (unit, _) in _NUMBERS.items()},
        descriptions={name: text for name, (_, text) in _NUMBERS.items()} | _TEXTS,
    )


def _strength(candidates: Sequence[Candidate], window: SearchWindow) -> dict[str, ArrayLike]:
    """Return how strong each candidate is, and how often chance alone makes one."""
    ts = np.array([one.ts for one in candidates], dtype=np.float64)
    p_value = np.array([one.p_value for one in candidates], dtype=np.float64)
    alarms = np.array([one.false_alarms for one in candidates], dtype=np.float64)
    with np.errstate(divide="ignore"):
        deviate = _normal_deviate(np.log(p_value))
        after_trials = _normal_deviate(np.log(-np.expm1(-alarms)))
    # No chance, or one too small for a float: the root of TS; at least what floats can still tell.
    root = np.sqrt(np.maximum(ts, 0.0))
    root = np.where(p_value == 0, np.fmax(root, _MOST_BY_CHANCE), root)
    deviate = np.where(p_value > 0, deviate, root)
    return {
        "excess": [one.excess for one in candidates],
        "excess_error": [one.excess_error for one in candidates],
        "background": [one.background for one in candidates],
        "ts": ts,
        "significance": deviate,
        # Trials never make a candidate stronger, whatever two roundings say.
        "significance_post_trial": np.minimum(after_trials, deviate),
        "far": window.rate(alarms),
    }


_MOST_BY_CHANCE = 38.467
"""Normal deviate of the smallest positive number; a method without TS tells no more."""


def _normal_deviate(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return z such that a standard normal exceeds it with probability exp(log_p)."""
    return np.asarray(-ndtri_exp(log_p))


def _li_ma(
    candidates: Sequence[Candidate], photometry: Sequence[Photometry] | None
) -> dict[str, ArrayLike]:
    measured = [Photometry()] * len(candidates) if photometry is None else list(photometry)
    if len(measured) != len(candidates):
        raise InputError(
            f"There are {len(candidates)} candidates and {len(measured)} photometries.",
            "Give one for each candidate.",
        )
    return {
        f"li_ma_{kind}": [np.nan if one is None else one.significance for one in ones]
        for kind, ones in (
            ("reflected", [one.reflected for one in measured]),
            ("ring", [one.ring for one in measured]),
        )
    }


def _flux(candidates: Sequence[Candidate], crab_counts: ArrayLike | None) -> dict[str, ArrayLike]:
    n = len(candidates)
    crab = np.full(n, np.nan) if crab_counts is None else np.asarray(crab_counts, dtype=np.float64)
    if crab.shape != (n,):
        raise InputError(
            f"Counts of the Crab of shape {crab.shape} do not fit {n} candidates.",
            "Give one for each candidate.",
        )
    crab = np.where(crab > 0, crab, np.nan)
    excess = np.array([one.excess for one in candidates], dtype=np.float64)
    error = np.array([one.excess_error for one in candidates], dtype=np.float64)
    behind = equal_background(excess, error)
    low, high = count_bounds(excess, behind)
    return {
        "flux": excess / crab,
        "flux_low": low / crab,
        "flux_high": high / crab,
        "flux_ul": count_upper_limit(excess, behind, confidence=_WIDE) / crab,
    }
