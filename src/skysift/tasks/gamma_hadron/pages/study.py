"""All that the sections of a report ask about the scored rows, computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UnknownNameError
from skysift.core.results import Metric
from skysift.evaluate.binary import evaluate_binary
from skysift.evaluate.compare import Difference, compare
from skysift.evaluate.delong import auc_interval
from skysift.evaluate.intervals import Interval
from skysift.evaluate.ranking import RankingStatistics, bootstrap_ranking
from skysift.evaluate.resampling import Bootstrap
from skysift.evaluate.roc import RocCurve, roc_curve
from skysift.report.plots.style import MUTED, SERIES
from skysift.tasks.gamma_hadron.options import NOTEBOOK_MODELS
from skysift.tasks.gamma_hadron.scoring import Contestant, Scored

__all__ = ["CLASSES", "DRAWS", "LIKE_NOTEBOOK", "SEED", "Study", "auc_where", "result_rows"]

CLASSES = ("gamma", "hadron")
SEED = 1985
"""Of all that is drawn at random for a report: the same run gives the same page."""
DRAWS = 500
"""Bootstrap draws of every interval that needs them."""

NOTEBOOK_RECIPE = "the notebook's recipe"
LIKE_NOTEBOOK = "like notebook"
_ORIGINS = {"trained in this run": "this run", "shipped bundle": "shipped"}
_RIVALS = ("random-forest", "xgboost")
_MOST_CURVES = 5
_CURVE_DRAWS = 300
_QUOTED = (0.01, 0.1)  # background acceptances of the result table
_GRID = tuple(np.geomspace(5e-3, 1.0, 33)[:-1].tolist())


@dataclass(frozen=True)
class Study:
    """Models on the same rows, with their metrics and how they differ from the reference.

    Parameters
    ----------
    scored : Scored
        The rows and what each model says of them.
    reference : str
        Name of the model that the page is about.
    metrics : mapping of str to tuple of Metric
        By name of the model.
    differences : tuple of Difference
        Each other model minus the reference.
    """

    scored: Scored
    reference: str
    metrics: Mapping[str, tuple[Metric, ...]]
    differences: tuple[Difference, ...]

    @classmethod
    def of(cls, scored: Scored, reference: str | None = None) -> Self:
        """Measure every model.

        Parameters
        ----------
        scored : Scored
            At least one model.
        reference : str, optional
            Name of the model that the others are compared with; the first if left out.

        Raises
        ------
        UnknownNameError
            If there is no such model.
        """
        reference = reference or next(iter(scored.gammaness))
        if reference not in scored.gammaness:
            raise UnknownNameError("model", reference, scored.gammaness)
        rng = np.random.default_rng(SEED)
        if len(scored.gammaness) == 1:
            found = evaluate_binary(
                scored.is_gamma,
                scored.gammaness[reference],
                rng=rng,
                model=reference,
                data=scored.data,
                split=scored.split,
                n_bootstrap=DRAWS,
            )
            return cls(scored, reference, {reference: found.metrics}, ())
        compared = compare(
            scored.is_gamma,
            scored.gammaness,
            reference=reference,
            rng=rng,
            split=scored.split,
            n_bootstrap=DRAWS,
        )
        return cls(scored, reference, compared.metrics, compared.differences)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """What each model is called on the page: its title, and more where titles are alike."""
        titles = [contestant.title for contestant in self.scored.contestants.values()]
        return {
            name: contestant.title
            if titles.count(contestant.title) == 1
            else f"{contestant.title} ({name})"
            for name, contestant in self.scored.contestants.items()
        }

    @property
    def label(self) -> str:
        """What the reference is called."""
        return self.labels[self.reference]

    @property
    def gammaness(self) -> NDArray[np.float64]:
        """Gammaness by the reference, shape (n,)."""
        return self.scored.gammaness[self.reference]

    @property
    def contestant(self) -> Contestant:
        """The reference."""
        return self.scored.contestants[self.reference]

    @property
    def n_gamma(self) -> int:
        """Number of gammas."""
        return int(self.scored.is_gamma.sum())

    @property
    def n_hadron(self) -> int:
        """Number of hadrons."""
        return int((~self.scored.is_gamma).sum())

    @property
    def rows(self) -> str:
        """What the rows are, for captions."""
        return (
            f"{self.scored.data}, {self.scored.split}: {self.n_gamma:,} gammas and "
            f"{self.n_hadron:,} hadrons"
        )

    def metric(self, name: str, metric: str) -> Metric:
        """Return one metric of one model."""
        named = {one.name: one for one in self.metrics[name]}
        if metric not in named:
            raise UnknownNameError("metric", metric, named)
        return named[metric]

    def difference(self, name: str, metric: str) -> Difference | None:
        """Return how a model differs from the reference; None for the reference itself."""
        found = (one for one in self.differences if (one.model, one.metric) == (name, metric))
        return next(found, None)

    def by_auc(self) -> list[str]:
        """Return the names of all models, the best first."""
        return sorted(self.metrics, key=lambda name: -self.metric(name, "auc").value)

    def rivals(self) -> list[str]:
        """Return random forest and XGBoost as trained on the same features, where they are."""
        return [name for name in _RIVALS if name in self.metrics and name != self.reference]

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Names of the few models that figures of curves show, the reference first.

        The rivals, the best by the notebook's own recipe, then the best of the others.
        """
        recipes = [name for name in self.by_auc() if self.is_recipe(name)]
        wanted = [self.reference, *self.rivals(), *recipes[:1], *self.by_auc()]
        return tuple(dict.fromkeys(wanted))[:_MOST_CURVES]

    @cached_property
    def colors(self) -> Mapping[str, str]:
        """Colour of each model by its label: a hue for those that are shown as curves."""
        hues = dict(zip(self.shown, SERIES, strict=False))
        return {self.labels[name]: hues.get(name, MUTED) for name in self.metrics}

    def is_recipe(self, name: str) -> bool:
        """Tell whether a model follows the notebook in everything."""
        return self.scored.contestants[name].origin == NOTEBOOK_RECIPE

    def origin(self, name: str) -> str:
        """Return where a model comes from, for tables."""
        if self.is_recipe(name):
            return "notebook"
        origin = self.scored.contestants[name].origin
        kinds = NOTEBOOK_MODELS if origin == "trained in this run" else ()
        return LIKE_NOTEBOOK if name in kinds else _ORIGINS.get(origin, origin)

    def curves(self, names: Sequence[str]) -> dict[str, RocCurve]:
        """Return ROC curves by label."""
        return {
            self.labels[name]: roc_curve(self.scored.is_gamma, self.scored.gammaness[name])
            for name in names
        }

    @cached_property
    def drawn(self) -> tuple[NDArray[np.float64], Mapping[str, Bootstrap]]:
        """Efficiencies on a grid of acceptances, drawn again for the models shown as curves.

        All models see the same draws, so that ratios of two are paired.
        """
        statistics = RankingStatistics(acceptances=_GRID)
        found = bootstrap_ranking(
            self.scored.is_gamma,
            [(self.scored.gammaness[name], statistics) for name in self.shown],
            rng=np.random.default_rng(SEED),
            n_bootstrap=_CURVE_DRAWS,
        )
        first = len(statistics.names) - len(_GRID)
        width = len(statistics.names)
        parts = {
            name: Bootstrap(
                found.value[k * width + first : (k + 1) * width],
                found.replicates[:, k * width + first : (k + 1) * width],
            )
            for k, name in enumerate(self.shown)
        }
        return np.array(_GRID), parts


def auc_where(scored: Scored, name: str, rows: NDArray[np.bool_]) -> Interval:
    """Return the AUC of a model on some of the rows, with DeLong's interval."""
    return auc_interval(scored.is_gamma[rows], scored.gammaness[name][rows])


def result_rows(study: Study) -> list[dict[str, Any]]:
    """Return the result table, one row per model, the best AUC first.

    Parameters
    ----------
    study : Study
        Models on the same rows.

    Returns
    -------
    list of dict
        ``model``; ``auc`` with its 95 % bounds ``auc_low`` and ``auc_high`` (DeLong);
        ``auc_possible`` without the rows whose two concentrations
        contradict each other; ``efficiency@0.01`` and ``efficiency@0.1``, the gammas kept at a
        background acceptance, with bounds (bootstrap, the threshold taken anew in each draw);
        ``log_loss`` and ``ece``; ``p_value`` of no difference in AUC from the reference (DeLong's
        paired test, after Holm for all models), None for the reference.
    """
    scored, rows = study.scored, []
    for name in study.by_auc():
        area = study.metric(name, "auc")
        row: dict[str, Any] = {
            "model": scored.contestants[name].title,
            "auc": area.value,
            "auc_low": area.low,
            "auc_high": area.high,
            "auc_possible": auc_where(scored, name, ~scored.impossible).value,
        }
        for acceptance in _QUOTED:
            kept = study.metric(name, f"efficiency@{acceptance:g}")
            row |= {kept.name: kept.value, f"{kept.name}_low": kept.low}
            row[f"{kept.name}_high"] = kept.high
        row |= {one: study.metric(name, one).value for one in ("log_loss", "ece")}
        from_reference = study.difference(name, "auc")
        row["p_value"] = None if from_reference is None else from_reference.p_holm
        rows.append(row)
    return rows
