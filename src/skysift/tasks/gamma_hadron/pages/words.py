"""Numbers as the report writes them."""

from collections.abc import Sequence

from skysift.report.plots.series import Estimate

__all__ = [
    "PValue",
    "joined",
    "minus",
    "p_text",
    "percent",
    "percent_span",
    "share",
    "span",
]

_SMALLEST_P = 0.001


class PValue(float):
    """A probability that a table writes as people do: ``< 0.001``, not ``3e-12``.

    Examples
    --------
    >>> f"{PValue(3e-12)}", f"{PValue(0.0312)}"
    ('< 0.001', '0.031')
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if self < _SMALLEST_P:
            return f"< {_SMALLEST_P}"
        return super().__format__(spec or ".3f")


def p_text(p: float) -> str:
    """Return a p-value for running text, e.g. ``p = 0.031``."""
    text = f"{PValue(p)}"
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def share(value: float, digits: int = 1) -> str:
    """Return a fraction in per cent.

    Examples
    --------
    >>> share(0.5412)
    '54.1 %'
    """
    return f"{100 * value:.{digits}f} %"


def percent(estimate: Estimate, digits: int = 1) -> str:
    """Return a fraction with its limits in per cent, e.g. ``54.1 % (51.9 to 56.0)``."""
    if estimate.low is None or estimate.high is None:
        return share(estimate.value, digits)
    low, high = 100 * estimate.low, 100 * estimate.high
    return f"{share(estimate.value, digits)} ({low:.{digits}f} to {high:.{digits}f})"


def percent_span(estimate: Estimate, digits: int = 1) -> str:
    """Return the limits of a fraction in per cent, e.g. ``51.9 to 56.0 %``."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{100 * estimate.low:.{digits}f} to {100 * estimate.high:.{digits}f} %"


def span(estimate: Estimate, spec: str = ".4f") -> str:
    """Return the limits alone, e.g. ``0.9401 to 0.9523``."""
    if estimate.low is None or estimate.high is None:
        return ""
    return minus(f"{estimate.low:{spec}} to {estimate.high:{spec}}")


def minus(text: str) -> str:
    """Return numbers with a true minus sign."""
    return text.replace("-", "\N{MINUS SIGN}")


def joined(parts: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> joined(["kNN", "XGBoost", "random forest"])
    'kNN, XGBoost and random forest'
    """
    if len(parts) < 2:  # noqa: PLR2004 - one word needs no "and"
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
