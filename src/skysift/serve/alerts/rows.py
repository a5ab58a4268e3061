"""A row of the answers as alerts see it: whatever is missing or no number is None."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from skysift.evaluate.ellipse import ellipse_scale
from skysift.serve.clock import to_unix
from skysift.serve.staging import BUNDLE_COLUMN, INPUT_COLUMN, RECORD_COLUMN

__all__ = ["COLUMNS", "MARKS", "Row"]

_WIDENING = ellipse_scale(0.95) / ellipse_scale(0.68)
_TRUE = {"1", "true", "t", "yes"}

MARKS = ("injected", "simulated", "test")
"""What a row may say of where it comes from, by a flag or by a column of this name."""


@dataclass(frozen=True, slots=True)
class Row:
    """What an alert is decided on.

    Parameters
    ----------
    record, input, bundle : str
        Of the service: id of the record, name of its file, hash of the model.
    source : str
        Name of the tracked source; empty if there is none.
    window : str
        Id of the window; empty if there is none.
    label : str
        What the source or window is called, for people and for the patterns of test data.
    ra, dec : float or None
        ICRS [deg].
    major, minor, angle : float or None
        68 % error ellipse [deg]; position angle from north through east.
    far : float or None
        [Hz].
    score : float or None
        The column of the rule.
    start, stop : float or None
        Of the data, MJD in TT [d].
    good : float or None
        Share of the window that is good time.
    flags : tuple of str or None
        Of the row and of its window; None if one of them is not known.
    marks : frozenset of str
        Which of ``injected``, ``simulated`` and ``test`` the row says of itself.
    values : dict of str to number
        What else the alert tells.
    arrived : float or None
        When the record arrived, Unix time [s]: of answers that do not say when the data were taken.
    """

    record: str
    input: str
    bundle: str
    source: str = ""
    window: str = ""
    label: str = ""
    ra: float | None = None
    dec: float | None = None
    major: float | None = None
    minor: float | None = None
    angle: float | None = None
    far: float | None = None
    score: float | None = None
    start: float | None = None
    stop: float | None = None
    good: float | None = None
    flags: tuple[str, ...] | None = None
    marks: frozenset[str] = frozenset()
    values: Mapping[str, float] | None = None
    arrived: float | None = None

    @classmethod
    def of(
        cls,
        found: Mapping[str, Any],
        summary: Mapping[str, Any] | None = None,
        *,
        score: str = "",
    ) -> Self:
        """Return what a row of the answers says.

        Parameters
        ----------
        found : mapping of str to value
            The columns.
        summary : mapping of str to value, optional
            The columns of the window that it is of: a row with a window is not whole without.
        score : str
            The column of the rule, if there is one.
        """
        major, minor = _number(found, "err_major"), _number(found, "err_minor")
        if major is None and minor is None:  # without an ellipse a circle does
            major = minor = _number(found, "err68")
        window = found.get("window")  # a length [s], or a name
        names = [_text(found, name) for name in _NAMES]
        names += [window] if isinstance(window, str) else []
        flags = _flags(found, summary)
        return cls(
            record=_text(found, RECORD_COLUMN),
            input=_text(found, INPUT_COLUMN),
            bundle=_text(found, BUNDLE_COLUMN),
            source=_text(found, "source_id"),
            window=_text(found, "window_id"),
            label=" ".join(name for name in names if name),
            ra=_number(found, "ra"),
            dec=_number(found, "dec"),
            major=major,
            minor=minor,
            angle=_number(found, "err_angle"),
            far=_number(found, "far"),
            score=_number(found, score) if score else None,
            start=_number(found, "t_start"),
            stop=_number(found, "t_stop"),
            good=_good(found, summary),
            flags=None if flags is None else tuple(f for f in flags if f not in MARKS),
            marks=frozenset(
                mark for mark in MARKS if _true(found.get(mark)) or mark in (flags or ())
            ),
            values={name: value for name in _TOLD if (value := _number(found, name)) is not None},
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the row that :meth:`to_json` has written."""
        found = json.loads(text)
        flags = found["flags"]
        found |= {"flags": None if flags is None else tuple(flags)}
        return cls(**found | {"marks": frozenset(found["marks"])})

    def to_json(self) -> str:
        """Return the row as text, always the same of the same row."""
        return json.dumps(asdict(self) | {"marks": sorted(self.marks)}, sort_keys=True)

    @property
    def error(self) -> float:
        """Radius of a circle as large as the 95 % ellipse [deg]; infinite if it is not known."""
        if self.major is None or self.minor is None:
            return math.inf
        return _WIDENING * math.sqrt(self.major * self.minor)

    @property
    def begun(self) -> float | None:
        """When its data begin, or its record arrived, Unix time [s]."""
        return self.arrived if self.start is None else to_unix(self.start)

    @property
    def ended(self) -> float | None:
        """When its data end, or its record arrived, Unix time [s]."""
        return self.arrived if self.stop is None else to_unix(self.stop)


_NAMES = ("source_id", "source_name", "window_id", "id", "file")
_TOLD = (
    "significance",
    "significance_post_trial",
    "ts",
    "excess",
    "excess_error",
    "background",
    "flux",
    "flux_low",
    "flux_high",
    "err_systematic",
    "err68",
    "err95",
    "window",
)

COLUMNS = frozenset(
    {RECORD_COLUMN, INPUT_COLUMN, BUNDLE_COLUMN, *_NAMES, *_TOLD, *MARKS}
    | {"ra", "dec", "err_major", "err_minor", "err_angle", "far", "flags", "livetime"}
    | {"t_start", "t_stop", "revision"}
)
"""What of the answers matters to alerts, beside the column of a rule."""


def _number(found: Mapping[str, Any], name: str) -> float | None:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return "" if value is None else str(value)


def _true(value: Any) -> bool:
    return value is True or str(value).strip().lower() in _TRUE


def _flags(found: Mapping[str, Any], summary: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Return the flags of a row and of its window, None where either does not say."""
    texts = [found.get("flags")]
    if found.get("window_id"):
        texts.append((summary or {}).get("flags"))
    if not all(isinstance(text, str) for text in texts):
        return None
    parts = (part.strip() for text in texts for part in str(text).split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _good(found: Mapping[str, Any], summary: Mapping[str, Any] | None) -> float | None:
    """Return the share of good time, from the table of windows or from the row itself."""
    source = found if summary is None else summary
    livetime, length = _number(source, "livetime"), _number(source, "window")
    if livetime is None or length is None or length <= 0:
        return None
    return livetime / length
