"""What the pages tell of: every model measured on the same objects, with a fixed bootstrap."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.results import Evaluation, Metric
from skysift.tasks.star_galaxy.evaluation import CONTAMINATION, FAINT, by_magnitude, evaluate
from skysift.tasks.star_galaxy.matched import MATCHED
from skysift.tasks.star_galaxy.scoring import Scored

__all__ = ["CLASSES", "SEED", "Study", "result_rows"]

CLASSES = ("galaxy", "star")
SEED = 20210503
"""Of the bootstrap of the report, so that the same run gives the same page."""

_FEWEST = 5
"""Objects of each class in a bin of magnitude, below which most measures of it say nothing."""


@dataclass(frozen=True)
class Study:
    """Several models on the same objects.

    Parameters
    ----------
    scored : Scored
        What they said.
    reference : str
        The model that the page is about.
    """

    scored: Scored
    reference: str

    @cached_property
    def evaluations(self) -> Mapping[str, Evaluation]:
        """Every model measured, by name."""
        everything = np.ones(len(self.scored.is_galaxy), dtype=bool)
        names = self.scored.contestants
        return {name: self._measured(name, everything) for name in names}

    @cached_property
    def bins(self) -> Mapping[str, Evaluation]:
        """The model that the page is about, measured in each bin of magnitude.

        Bins with fewer than five stars or galaxies, or of one group alone, are left out.
        """
        scored, found = self.scored, {}
        for name, inside in by_magnitude(scored.magnitude).items():
            galaxies = int(scored.is_galaxy[inside].sum())
            groups = len(np.unique(scored.groups[inside]))
            if min(galaxies, int(inside.sum()) - galaxies) >= _FEWEST and groups > 1:
                found[name] = self._measured(self.reference, inside)
        return found

    def metric(self, name: str, metric: str) -> Metric:
        """Return a metric of a model."""
        return self.evaluations[name][metric]

    def _measured(self, name: str, rows: NDArray[np.bool_]) -> Evaluation:
        scored = self.scored
        return evaluate(
            scored.is_galaxy[rows],
            scored.probability[name][rows],
            scored.ambiguous[name][rows],
            scored.magnitude[rows],
            scored.groups[rows],
            rng=np.random.default_rng(SEED),
            model=name,
            data=scored.data,
            split=scored.split,
        )

    def has(self, metric: str) -> bool:
        """Tell whether a metric is defined on these objects."""
        return any(found.name == metric for found in self.evaluations[self.reference].metrics)

    @property
    def labels(self) -> dict[str, str]:
        """What people call the models."""
        return {name: one.title for name, one in self.scored.contestants.items()}

    @property
    def label(self) -> str:
        """What people call the model that the page is about."""
        return self.labels[self.reference]

    def by_log_loss(self) -> list[str]:
        """Return the names of the models, the best first."""
        return sorted(self.evaluations, key=lambda name: self.metric(name, "log_loss").value)

    @property
    def rows(self) -> str:
        """What the objects are, in words."""
        return f"{self.scored.data}, {self.scored.split}: {len(self.scored.is_galaxy):,} objects"


def result_rows(scored: Scored) -> list[dict[str, Any]]:
    """Return one row for each model, the best log loss first, values with their limits.

    Parameters
    ----------
    scored : Scored
        What the models said.
    """
    study = Study(scored, next(iter(scored.contestants)))
    shown = {
        "accuracy": "accuracy",
        "auc": "auc",
        "log_loss": "log_loss",
        "ece": "ece",
        "completeness": f"star_completeness@{CONTAMINATION:g}",
        "unambiguous": "accuracy_unambiguous",
        "ambiguous": "ambiguous",
        "faint_error": f"error@i>{FAINT:g}",
        "matched_accuracy": f"accuracy@{MATCHED}",
        "matched_auc": f"auc@{MATCHED}",
        "matched_log_loss": f"log_loss@{MATCHED}",
    }
    rows = []
    for name in study.by_log_loss():
        row: dict[str, Any] = {"model": study.labels[name], "name": name}
        for column, metric in shown.items():
            if not study.has(metric):
                continue
            found = study.metric(name, metric)
            row[column] = _rounded(found.value)
            row[f"{column}_low"], row[f"{column}_high"] = _rounded(found.low), _rounded(found.high)
        rows.append(row)
    return rows


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
