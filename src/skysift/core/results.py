"""Numbers that come with an interval, and what an evaluation returns."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Evaluation", "Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured number with its confidence interval.

    Parameters
    ----------
    name : str
        Stable identifier, e.g. ``auc`` or ``efficiency@0.01``.
    value : float
        The point estimate.
    low, high : float, optional
        Limits of the confidence interval; None where no interval is defined.
    n : int
        Number of rows that the value rests on.
    split : str
        What those rows are, e.g. ``test`` or ``5-fold CV, distinct rows``.
    confidence : float
        Confidence level of the interval.
    method : str
        How the interval was made, e.g. ``DeLong`` or ``bootstrap, 1000``.

    Examples
    --------
    >>> print(Metric("auc", 0.94781, 0.9445, 0.9511, n=18905, split="5-fold CV", method="DeLong"))
    auc = 0.9478 [0.9445, 0.9511]
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    split: str = ""
    confidence: float = 0.95
    method: str = ""

    def __str__(self) -> str:
        return f"{self.name} = {self.format()}"

    def format(self, digits: int = 4) -> str:
        """Return the value and its interval as text."""
        text = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return text
        return f"{text} [{self.low:.{digits}f}, {self.high:.{digits}f}]"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one model did on one set of rows.

    Parameters
    ----------
    model, data, split : str
        Names of the model, of the data set and of the rows that were scored.
    metrics : tuple of Metric
        The numbers.
    detail : mapping
        What the plots need: arrays and dataclasses, as the task defines them.
    """

    model: str
    data: str
    split: str
    metrics: tuple[Metric, ...]
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Metric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a row for each metric, as a run prints them; what is not defined is left out."""
        return [
            {
                "metric": metric.name,
                "value": metric.value,
                "low": metric.low,
                "high": metric.high,
                "n": metric.n,
                "interval": metric.method,
            }
            for metric in self.metrics
            if math.isfinite(metric.value)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the names and metrics as a JSON-ready mapping, without the detail."""
        return {
            "model": self.model,
            "data": self.data,
            "split": self.split,
            "metrics": [metric.to_dict() for metric in self.metrics],
        }
