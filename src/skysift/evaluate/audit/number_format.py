"""How numbers were written: digits, decimals and notation that differ between the classes.

Two classes that come from two programs are often printed in two ways. The digits of a number
depend honestly on its size, so the classes are compared among numbers of the same decade (and the
same power of two, on which the digits of an unrounded binary number depend), by the
Cochran-Mantel-Haenszel test (Mantel & Haenszel 1959, J. Natl. Cancer Inst. 22, 719).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from skysift.core.errors import ContractError
from skysift.evaluate.audit.findings import AuditFinding, Severity
from skysift.evaluate.audit.subject import Subject, is_numeric

__all__ = ["find_number_format", "significant_digits"]

_MOST_CELLS = 2_000_000
_LEVEL = 1e-6
_HIGH_DIFFERENCE = 0.05
_LEAST_DIFFERENCE = 0.005
_MANTISSA = re.compile(r"^\s*[-+]?(\d*)\.?(\d*)")


def significant_digits(texts: Sequence[str], *, trailing_zeros: bool) -> NDArray[np.int64]:
    """Return the number of significant digits of each written number, shape (n,).

    Parameters
    ----------
    texts : sequence of str
        Numbers as they are written.
    trailing_zeros : bool
        Whether zeros at the end count: they do in a text file, not in a number that was printed
        in the shortest way that reads back the same.

    Examples
    --------
    >>> significant_digits(["-0.0120", "205.261", "1.50e-07"], trailing_zeros=True).tolist()
    [3, 6, 3]
    """
    out = np.zeros(len(texts), dtype=np.int64)
    for i, text in enumerate(texts):
        match = _MANTISSA.match(text)
        digits = (match[1] + match[2]).lstrip("0") if match else ""
        out[i] = len(digits if trailing_zeros else digits.rstrip("0"))
    return out


def find_number_format(
    subject: Subject, raw_text: Mapping[str, Sequence[str]] | None
) -> list[AuditFinding]:
    """Find classes that are written with different numbers of digits.

    Parameters
    ----------
    subject : Subject
        The labelled table.
    raw_text : mapping of str to sequence of str, optional
        Columns as they stood in the file, one text per row; otherwise the shortest texts that
        read back as the values are used.
    """
    raw_text = raw_text or {}
    for name, texts in raw_text.items():
        if len(texts) != len(subject.y):
            raise ContractError(
                f"The raw text of '{name}' has {len(texts)} rows, the table {len(subject.y)}.",
                "Give one text per row, without the header.",
            )
    names = [
        name
        for name, values in subject.columns.items()
        if name in raw_text or (is_numeric(values) and values.dtype.kind == "f")
    ]
    if not names:
        return []
    rows = subject.sample(max(1, _MOST_CELLS // len(names)))
    y = subject.y[rows]
    digits = np.column_stack([_digits_of(subject, name, rows, raw_text) for name in names])
    p_values = np.ones(len(names))
    n_tested = 0
    for j, name in enumerate(names):
        values = subject.columns[name][rows]
        if is_numeric(values):
            p_values[j], n = _most_different(digits[:, j], values.astype(np.float64), y)
            n_tested += n
    if (p_values * n_tested >= _LEVEL).all():
        return []
    return _report(subject, rows, digits, names, p_values * n_tested)


def _digits_of(
    subject: Subject,
    name: str,
    rows: NDArray[np.int64],
    raw_text: Mapping[str, Sequence[str]],
) -> NDArray[np.int64]:
    if name in raw_text:
        texts = raw_text[name]
        return significant_digits([texts[row] for row in rows], trailing_zeros=True)
    values = subject.columns[name][rows]
    digits = significant_digits(values.astype("U32").tolist(), trailing_zeros=False)
    return np.minimum(digits, _decimal_precision(values.dtype))


def _decimal_precision(dtype: np.dtype[Any]) -> int:
    """Return how many decimal digits a float type surely keeps: 15 for float64, 7 for float32.

    Digits beyond these come of binary arithmetic, which knows cancellations, not of printing.
    """
    return int((np.finfo(dtype).nmant + 1) * np.log10(2))


def _most_different(
    digits: NDArray[np.int64], values: NDArray[np.float64], y: NDArray[np.bool_]
) -> tuple[float, int]:
    """Return the smallest p-value over all thresholds of the digits, and how many there were.

    A value that a class repeats counts once: a default value is another matter than a format.
    """
    usable = np.flatnonzero(np.isfinite(values) & (values != 0))
    if not len(usable):
        return 1.0, 0
    written = np.column_stack([values[usable], y[usable], digits[usable]])
    kept = usable[np.unique(written, axis=0, return_index=True)[1]]
    size = np.abs(values[kept])
    strata = np.column_stack([np.floor(np.log10(size)), np.floor(np.log2(size))])
    _, stratum = np.unique(strata, axis=0, return_inverse=True)
    levels = np.unique(digits[kept])[:-1]
    tests = [_mantel_haenszel(digits[kept] > level, y[kept], stratum.ravel()) for level in levels]
    return min(tests, default=1.0), len(tests)


def _mantel_haenszel(
    exposed: NDArray[np.bool_], y: NDArray[np.bool_], stratum: NDArray[Any]
) -> float:
    """Return the p-value that `exposed` is as frequent in both classes of every stratum."""
    n = np.bincount(stratum, weights=np.ones(len(y)))
    n_exposed = np.bincount(stratum, weights=exposed)
    n_signal = np.bincount(stratum, weights=y)
    both = np.bincount(stratum, weights=exposed & y)
    several = n > 1
    n, n_exposed = n[several], n_exposed[several]
    n_signal, both = n_signal[several], both[several]
    variance = np.sum(n_exposed * (n - n_exposed) * n_signal * (n - n_signal) / (n**2 * (n - 1)))
    if variance == 0:
        return 1.0
    excess = np.abs(np.sum(both - n_exposed * n_signal / n))
    return float(chi2.sf(max(0.0, excess - 0.5) ** 2 / variance, 1))


def _report(
    subject: Subject,
    sampled: NDArray[np.int64],
    digits: NDArray[np.int64],
    names: list[str],
    p_values: NDArray[np.float64],
) -> list[AuditFinding]:
    y = subject.y[sampled]
    odd = np.flatnonzero(p_values < _LEVEL)
    most = digits[:, odd].max(axis=1)
    levels = np.unique(most)[:-1]
    difference = np.array([abs(np.mean(most[y] > d) - np.mean(most[~y] > d)) for d in levels])
    if not len(levels) or difference.max() < _LEAST_DIFFERENCE:
        return []
    level = _telling_level(most, y, levels, difference)
    most = np.maximum(most, _agreeing_digits(digits, most, level, y))
    rows = sampled[most > level]
    gap = float(difference[levels == level][0])
    n_signal = int(np.count_nonzero(subject.y[rows]))
    return [
        subject.finding(
            "number-format",
            Severity.HIGH if gap >= _HIGH_DIFFERENCE else Severity.MEDIUM,
            f"{n_signal:,} {subject.classes[0]} and {len(rows) - n_signal:,} "
            f"{subject.classes[1]} rows have a value with "
            f"more than {level} significant digits",
            "Numbers of the same size are written with different numbers of digits in the two "
            "classes, so the classes went through different programs. The digits know the class; "
            "nature does not print numbers.",
            rows=rows,
            columns=[names[j] for j in odd],
            evidence={
                "digits": level,
                "rate_signal": float(np.mean(most[y] > level)),
                "rate_background": float(np.mean(most[~y] > level)),
                "p_value": float(p_values.min()),
            },
            advice="Never make features of text, decimals or rounding; round both classes to the "
            "coarser format; look for other differences between these rows and the rest.",
        )
    ]


def _agreeing_digits(
    digits: NDArray[np.int64], most: NDArray[np.int64], level: int, y: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the most digits in those columns that hold to the rule that one class never breaks.

    Too few of their values may break it for a test of their own, but they are the same rows' kin.
    """
    for never in (y, ~y):
        if not (most[never] > level).any():
            agreeing = ~(digits[never] > level).any(axis=0)
            return np.asarray(np.where(agreeing, digits, 0).max(axis=1))
    return most


def _telling_level(
    most: NDArray[np.int64],
    y: NDArray[np.bool_],
    levels: NDArray[np.int64],
    difference: NDArray[np.float64],
) -> int:
    """Return the number of digits that only one class exceeds, else the most different one."""
    pure = np.array([not (most[y] > d).any() or not (most[~y] > d).any() for d in levels])
    telling = pure & (difference >= _LEAST_DIFFERENCE)
    candidates = telling if telling.any() else np.ones(len(levels), dtype=bool)
    return int(levels[candidates][np.argmax(difference[candidates])])
