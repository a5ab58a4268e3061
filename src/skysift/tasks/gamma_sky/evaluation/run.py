"""All studies in one run, stored in a folder with their report."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import UsageError
from skysift.core.jobs import Run
from skysift.core.progress import Progress, silent
from skysift.core.provenance import Provenance
from skysift.data.irf.analytic import AnalyticResponse, ResponseParameters
from skysift.data.irf.gadf import GadfResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.search import SearchSettings
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.report.run_folder import RunRecord, check_run_folder, read_run, write_run
from skysift.tasks.gamma_sky.evaluation.contestants import (
    NO_TRIALS,
    classical_contestants,
    gammapy_contestant,
    main_contestants,
)
from skysift.tasks.gamma_sky.evaluation.counts import count_photons, selection_bias
from skysift.tasks.gamma_sky.evaluation.false_alarms import count_false_alarms
from skysift.tasks.gamma_sky.evaluation.hess import evaluate_hess
from skysift.tasks.gamma_sky.evaluation.localisation import FLUXES, locate_sources, outliers
from skysift.tasks.gamma_sky.evaluation.night import observe_night
from skysift.tasks.gamma_sky.evaluation.pairs import SEPARATIONS, separate_pairs
from skysift.tasks.gamma_sky.evaluation.robustness import scenarios, study_robustness
from skysift.tasks.gamma_sky.evaluation.study import Contestant, StudyResult
from skysift.tasks.gamma_sky.evaluation.timing import time_methods, time_stages
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import CLASSICAL
from skysift.tasks.gamma_sky.options import EvaluateOptions
from skysift.tasks.gamma_sky.pages import evaluate_page, result_rows

__all__ = ["Sizes", "evaluate_sky", "render_sky", "truth_setup"]

_TASK, _KIND = "gamma-sky", "evaluate"
_KEPT = "parts"  # of a run that goes on: answers of blocks
_EXPOSURE = 100.0  # s
_ZENITH = 20.0
_DEPARTURE = 0.15  # of the truth from the formulas that a search without a response takes
_QUICK_METHODS = ("likelihood-ratio", "likelihood-ratio-peak", "matched-filter", "smoothed-maximum")
_QUICK_SCENARIOS = (
    "as supposed",
    "point spread supposed x 0.6",
    "point spread supposed x 1.4",
    "another array",
    "spectrum: index 3",
    "background gradient 0.1 per deg",
    "dead sector of 40 deg",
)
_QUICK_FLUXES = (0.06, 0.1, 0.3, 1.0)
_SEED_OF_THE_TRUTH = 7


@dataclass(frozen=True, slots=True)
class Sizes:
    """Fields of each study.

    Parameters
    ----------
    maps : int
        At each flux, for errors and efficiency.
    empty : int
        Without sources, for the thresholds.
    counts : int
        At each zenith angle.
    outliers, pairs : int
        Anywhere on the sky; at each separation.
    alarms : int
        Without sources, at each background scale.
    robust, robust_empty : int
        At each flux, and without sources, of each scenario.
    timed : int
        Fields that are timed.
    """

    maps: int
    empty: int
    counts: int
    outliers: int
    pairs: int
    alarms: int
    robust: int
    robust_empty: int
    timed: int

    @classmethod
    def of(cls, options: EvaluateOptions) -> "Sizes":
        """Return the sizes that options ask for: a few minutes, or those of a verdict."""
        maps, empty = options.maps, options.empty_maps
        if options.full:
            return cls(2000, 10000, 2000, 2000, 1000, 10000, 500, 1000, 300)
        few, none = max(maps // 4, 10), max(empty // 16, 20)
        return cls(maps, empty, max(maps // 2, 20), maps, few, max(empty // 3, 50), few, none, 60)


def truth_setup(irf: str | Path | None = None) -> FieldSetup:
    """Return the truth of the simulations: 100 s of the North or of an analytic array.

    Parameters
    ----------
    irf : path-like, optional
        GADF response file. Without one the truth is an analytic response whose numbers depart from
        those that a search without a response supposes, or that search would know the truth.
    """
    response: InstrumentResponse
    if irf is None:
        departed = ResponseParameters().varied(
            np.random.default_rng(_SEED_OF_THE_TRUTH), _DEPARTURE
        )
        response = AnalyticResponse(_ZENITH, parameters=departed)
    else:
        response = GadfResponse.read(irf)
    pointing = Pointing(80.0, 20.0, _ZENITH)
    grid = TangentGrid(pointing.ra, pointing.dec)
    return FieldSetup(grid, pointing, energy_bands(), _EXPOSURE, response)


def evaluate_sky(
    options: EvaluateOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress = silent,
    trials: TrialsTable = NO_TRIALS,
    other: InstrumentResponse | None = None,
    extra: tuple[Contestant, ...] = (),
) -> Run:
    """Run the studies, store them in a folder, and write the report.

    Parameters
    ----------
    options : EvaluateOptions
        Sizes, response file, H.E.S.S. folder.
    folder : Path
        Of the run.
    rng : numpy.random.Generator
    command : str
        For the record.
    progress : callable
    trials : TrialsTable
        Calibration of the searches' false alarms.
    other : InstrumentResponse, optional
        Of another array, for the study of robustness.
    extra : tuple of Contestant
        Further methods for the comparison, e.g. networks; their thresholds have to be low.

    Raises
    ------
    OutputError
        If the folder holds tables that no run wrote.
    UsageError
        If nothing can be studied.
    """
    check_run_folder(folder)
    inputs = [path for path in (options.irf,) if path is not None]
    provenance = Provenance.start(command, inputs=inputs, config=options.model_dump(mode="json"))
    setup = truth_setup(options.irf)
    keep = folder.absolute() / _KEPT
    digest = _digest(provenance, trials)
    studies = _Studies(setup, options, trials, rng, other, extra, digest, keep)
    facts: dict[str, Any] = {
        "truth": setup.response.name if setup.response else "",
        "from_file": options.irf is not None,
        "exposure": setup.livetime,
        "energies": [float(setup.energy_edges[0]), float(setup.energy_edges[-1])],
        "bands": len(setup.energy_edges) - 1,
    }
    tables = {}
    plan = studies.plan()
    done, whole = 0.0, sum(weight for weight, _ in plan)
    for weight, study in plan:
        start = done / whole

        def report(part: float, what: str, at: float = start, size: float = weight) -> None:
            progress(at + part * size / whole, what)

        result = study(report)
        facts[result.name] = result.facts
        if result.table is not None:
            tables[result.name] = result.table
        done += weight
    record = RunRecord.finished(folder, _TASK, _KIND, facts, provenance)
    write_run(record, tables)
    shutil.rmtree(keep, ignore_errors=True)
    return render_sky(folder)


def _digest(provenance: Provenance, trials: TrialsTable) -> str:
    """Return what is another where the truth or the thresholds are others."""
    said = {
        "skysift": provenance.skysift,
        "inputs": [record.sha256 for record in provenance.inputs],
        "level": trials.level.tolist(),
        "factor": trials.factor.tolist(),
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def render_sky(folder: Path) -> Run:
    """Write the report of a run again from what it stored."""
    record = read_run(folder)
    page = evaluate_page(record).write(folder / "report.html")
    title = f"gamma-sky on simulated fields, {record.facts['truth']}"
    return Run(title, result_rows(record.facts), (), page)


@dataclass(frozen=True)
class _Studies:
    """What is studied, with which sizes."""

    setup: FieldSetup
    options: EvaluateOptions
    trials: TrialsTable
    rng: np.random.Generator
    other: InstrumentResponse | None
    extra: tuple[Contestant, ...]
    digest: str
    keep: Path

    def plan(self) -> list[tuple[float, Callable[[Progress], StudyResult]]]:
        """Return the studies in order, each with its share of the time."""
        wanted = self.options.studies
        every: list[tuple[str, float, Callable[[Progress], StudyResult]]] = [
            ("night", 1, self._night),
            ("localisation", 40, self._localisation),
            ("outliers", 3, self._outliers),
            ("counts", 15, self._counts),
            ("pairs", 3, self._pairs),
            ("false-alarms", 12, self._alarms),
            ("robustness", 20, self._robustness),
            ("timing", 4, self._timing),
            ("timing", 4, self._method_timing),
        ]
        if self.options.hess is not None:
            every.append(("hess", 20, self._hess))
        plan = [(weight, study) for name, weight, study in every if name in wanted]
        if not plan:
            raise UsageError(
                "Of the studies that were asked for none can be made.",
                "Give the folder of the H.E.S.S. runs: --hess FOLDER.",
            )
        return plan

    @property
    def _sizes(self) -> Sizes:
        return Sizes.of(self.options)

    def _comparison(self) -> list[Contestant]:
        names = CLASSICAL if self.options.full else _QUICK_METHODS
        found = classical_contestants(self.setup, self.trials, names=names)
        return [*found, *self._reference(), *self.extra]

    def _reference(self) -> list[Contestant]:
        irf = None if self.options.irf is None else Path(self.options.irf)
        reference = gammapy_contestant(self.setup, irf)
        return [] if reference is None else [reference]

    def _main(self, false_alarms: float = 0.01) -> list[Contestant]:
        settings = SearchSettings(false_alarms=false_alarms)
        return main_contestants(self.setup, self.trials, settings)

    def _night(self, progress: Progress) -> StudyResult:
        return observe_night(self.setup, self.rng, progress, trials=self.trials)

    def _localisation(self, progress: Progress) -> StudyResult:
        sizes, full = self._sizes, self.options.full
        result = locate_sources(
            self.setup,
            self._comparison(),
            sizes.maps,
            self.rng,
            progress,
            n_empty=sizes.empty,
            fluxes=FLUXES if full else _QUICK_FLUXES,
        )
        if result.table is None:
            return result
        bias = selection_bias(
            result.table, {name: one["value"] for name, one in result.facts["thresholds"].items()}
        )
        return replace(result, facts={**result.facts, "selection_bias": bias})

    def _outliers(self, progress: Progress) -> StudyResult:
        return outliers(self.setup, self._main(0.5), self._sizes.outliers, self.rng, progress)

    def _counts(self, progress: Progress) -> StudyResult:
        return count_photons(self.setup, self._sizes.counts, self.rng, progress)

    def _pairs(self, progress: Progress) -> StudyResult:
        separations = SEPARATIONS if self.options.full else SEPARATIONS[1:]
        return separate_pairs(
            self.setup, self._main(), self._sizes.pairs, self.rng, progress, separations=separations
        )

    def _alarms(self, progress: Progress) -> StudyResult:
        settings = SearchSettings(false_alarms=0.5)
        return count_false_alarms(
            self.setup,
            partial(main_contestants, trials=self.trials, settings=settings),
            self._sizes.alarms,
            self.rng,
            progress,
            name=f"false-alarms-{self.digest}",
            keep=self.keep,
        )

    def _robustness(self, progress: Progress) -> StudyResult:
        sizes = self._sizes
        every = scenarios(self.setup, self.other)
        return study_robustness(
            every if self.options.full else [one for one in every if one.name in _QUICK_SCENARIOS],
            sizes.robust,
            self.rng,
            progress,
            n_empty=sizes.robust_empty,
            trials=self.trials,
        )

    def _timing(self, progress: Progress) -> StudyResult:
        return time_stages(self.setup, self._sizes.timed, self.rng, progress)

    def _method_timing(self, progress: Progress) -> StudyResult:
        # With the threshold of ordinary use: a loose one makes them look for more.
        names = CLASSICAL if self.options.full else _QUICK_METHODS
        found = classical_contestants(self.setup, self.trials, SearchSettings(), names)
        every = [*found, *self._reference(), *self.extra]
        return time_methods(self.setup, every, self._sizes.timed, self.rng, progress)

    def _hess(self, progress: Progress) -> StudyResult:
        return evaluate_hess(str(self.options.hess), progress, trials=self.trials)
