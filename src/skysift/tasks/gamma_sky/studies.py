"""Studies on simulated fields: evaluate, compare, demo, and their reports drawn again."""

from pathlib import Path

import numpy as np

from skysift.core.config import Config
from skysift.core.errors import UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.core.task import Progress, Run
from skysift.models.sky.search import SearchSettings
from skysift.report import Page
from skysift.report.run_folder import RunRecord, check_run_folder, read_run, write_run
from skysift.tasks.gamma_sky.evaluation.contestants import (
    classical_contestants,
    gammapy_contestant,
)
from skysift.tasks.gamma_sky.evaluation.localisation import locate_sources
from skysift.tasks.gamma_sky.evaluation.run import evaluate_sky, render_sky, truth_setup
from skysift.tasks.gamma_sky.evaluation.timing import time_methods
from skysift.tasks.gamma_sky.model import GammaSkyModel, load_bundle
from skysift.tasks.gamma_sky.options import CLASSICAL, CompareOptions, EvaluateOptions
from skysift.tasks.gamma_sky.pages import result_rows
from skysift.tasks.gamma_sky.pages.closing import add_repeat, provenance
from skysift.tasks.gamma_sky.pages.precision import add_comparison, add_efficiency

__all__ = ["compare", "demo", "evaluate", "render"]

_TASK = "gamma-sky"
_DEFAULT_FOLDER = Path("runs") / "gamma-sky-evaluate"
_DEMO = EvaluateOptions(maps=40, empty_maps=300)
_FLUXES = (0.1, 0.3, 1.0)
_TIMED = 50


def evaluate(
    options: Config,
    model: GammaSkyModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate the searches on simulated fields, and on real ones where they are given."""
    chosen = options if isinstance(options, EvaluateOptions) else EvaluateOptions()
    return evaluate_sky(
        chosen,
        folder or _DEFAULT_FOLDER,
        rng,
        command=command,
        progress=progress,
        trials=model.trials,
    )


def compare(
    options: CompareOptions, folder: Path, *, seed: int, command: str, progress: Progress
) -> Run:
    """Search the same simulated fields with several methods."""
    check_run_folder(folder)
    inputs = [path for path in (options.irf,) if path is not None]
    record = Provenance.start(
        command, inputs=inputs, config=options.model_dump(mode="json"), seed=seed
    )
    rng = np.random.default_rng(seed)
    setup = truth_setup(options.irf)
    trials = load_bundle(bundle_folder(_TASK)).trials
    names = [name for name in options.methods if name in CLASSICAL]
    loose = classical_contestants(setup, trials, names=names)
    usual = classical_contestants(setup, trials, SearchSettings(), names)
    if "gammapy" in options.methods:
        reference = gammapy_contestant(setup, Path(options.irf) if options.irf else None)
        if reference is None:
            raise UsageError(
                "gammapy's search needs gammapy and a response file.",
                'Give --irf FILE, and run: pip install "skysift[gamma]".',
            )
        loose, usual = [*loose, reference], [*usual, reference]
    located = locate_sources(
        setup,
        loose,
        options.maps,
        rng,
        lambda part, what: progress(0.9 * part, what),
        n_empty=options.empty_maps,
        fluxes=_FLUXES,
    )
    timed = time_methods(
        setup, usual, _TIMED, rng, lambda part, what: progress(0.9 + 0.1 * part, what)
    )
    facts = {
        "truth": setup.response.name if setup.response else "",
        "exposure": setup.livetime,
        "energies": [float(setup.energy_edges[0]), float(setup.energy_edges[-1])],
        "bands": len(setup.energy_edges) - 1,
        "localisation": located.facts,
        "method_timing": timed.facts,
    }
    tables = {} if located.table is None else {"localisation": located.table}
    write_run(RunRecord(folder, _TASK, "compare", facts, record.finish().to_dict()), tables)
    return render(folder)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results.

    Raises
    ------
    UsageError
        If the run has no report.
    """
    record = read_run(folder)
    if record.kind == "evaluate" and "localisation" in record.facts:
        return render_sky(folder)
    if record.kind != "compare":
        raise UsageError(
            f"A run of the kind '{record.kind}' has no report.", "Its numbers are in run.json."
        )
    low, high = record.facts["energies"]
    page = Page(
        title="Methods compared on the same photons",
        subtitle=f"Fields of {record.facts['exposure']:g} s, {low:g} to {high:g} TeV, simulated "
        f"with {record.facts['truth']}",
        provenance=provenance(record),
    )
    add_comparison(page, record.facts)
    add_efficiency(page, record.facts)
    add_repeat(page, record)
    title = f"gamma-sky on simulated fields, {record.facts['truth']}"
    return Run(title, result_rows(record.facts), (), page.write(folder / "report.html"))


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Simulate a night with a new source, clean and locate it, and compare the methods."""
    return evaluate_sky(
        _DEMO,
        folder,
        np.random.default_rng(seed),
        command=command,
        progress=progress,
        trials=load_bundle(bundle_folder(_TASK)).trials,
    )
