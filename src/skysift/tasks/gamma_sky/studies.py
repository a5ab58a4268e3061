"""Studies on simulated fields: evaluate, compare, demo, and their reports drawn again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.config import Config, of_kind
from skysift.core.errors import UsageError
from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.models.sky.search import SearchSettings
from skysift.report import Page
from skysift.report.closing import add_how_to_repeat, provenance_facts
from skysift.report.run_folder import RunRecord, check_run_folder, read_run, write_run
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.evaluation.contestants import (
    GAMMAPY,
    classical_contestants,
    gammapy_contestant,
)
from skysift.tasks.gamma_sky.evaluation.localisation import locate_sources
from skysift.tasks.gamma_sky.evaluation.run import evaluate_sky, render_sky, truth_setup
from skysift.tasks.gamma_sky.evaluation.study import Contestant
from skysift.tasks.gamma_sky.evaluation.timing import time_methods
from skysift.tasks.gamma_sky.model import TASK, GammaSkyModel, load_bundle
from skysift.tasks.gamma_sky.options import CLASSICAL, CompareOptions, EvaluateOptions
from skysift.tasks.gamma_sky.pages import result_rows
from skysift.tasks.gamma_sky.pages.precision import add_comparison, add_efficiency

__all__ = ["compare", "demo", "evaluate", "render"]

_DEFAULT_FOLDER = Path("runs") / "gamma-sky-evaluate"
_DEMO = EvaluateOptions(maps=24, empty_maps=200)
_FLUXES = (0.1, 0.3, 1.0)
_TIMED = 50
_SHOWN_RATES = (0.01, 0.1)  # of false alarms per field


def evaluate(
    options: Config,
    model: GammaSkyModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate the searches on simulated fields, and on real ones where they are given.

    Where the bundle holds networks, what asks them joins the comparison of errors and efficiency.
    """
    chosen = of_kind(EvaluateOptions, options)
    target = folder or _DEFAULT_FOLDER
    extra: Sequence[Contestant] = ()
    device = device_for(model.asking or CLASSICAL, chosen.device)
    if model.asking:
        setup = truth_setup(chosen.irf)
        extra = classical_contestants(
            setup, model.trials, names=model.asking, networks=model.networks, device=device
        )
    run = evaluate_sky(
        chosen.model_copy(update={"device": device}),
        target,
        rng,
        command=command,
        progress=progress,
        trials=model.trials,
        extra=tuple(extra),
    )
    return _terse(run, target)


def compare(
    options: CompareOptions, folder: Path, *, seed: int, command: str, progress: Progress
) -> Run:
    """Search the same simulated fields with several methods."""
    check_run_folder(folder)
    device = device_for(options.methods, options.device)
    inputs = [path for path in (options.irf,) if path is not None]
    record = Provenance.start(
        command,
        inputs=inputs,
        config={**options.model_dump(mode="json"), "device": device},
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    setup = truth_setup(options.irf)
    trials = load_bundle(bundle_folder(TASK)).trials
    names = [name for name in options.methods if name != GAMMAPY]
    loose = classical_contestants(setup, trials, names=names, device=device)
    usual = classical_contestants(setup, trials, SearchSettings(), names, device=device)
    if GAMMAPY in options.methods:
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
    write_run(RunRecord.finished(folder, TASK, "compare", facts, record), tables)
    return render(folder)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results.

    Raises
    ------
    UsageError
        If the run has no report.
    """
    record = read_run(folder)
    if record.kind == "evaluate":
        return _terse(render_sky(folder), folder)
    if record.kind != "compare":
        raise UsageError(
            f"A run of the kind '{record.kind}' has no report.", "Its numbers are in run.json."
        )
    low, high = record.facts["energies"]
    page = Page(
        title="Methods compared on the same photons",
        subtitle=f"Fields of {record.facts['exposure']:g} s, {low:g} to {high:g} TeV, simulated "
        f"with {record.facts['truth']}",
        provenance=provenance_facts(record),
    )
    add_comparison(page, record.facts)
    add_efficiency(page, record.facts)
    add_how_to_repeat(page, record)
    title = f"gamma-sky on simulated fields, {record.facts['truth']}"
    rows = _narrow(result_rows(record.facts))
    return Run(title, rows, (), page.write(folder / "report.html"))


def _terse(run: Run, folder: Path) -> Run:
    facts = read_run(folder).facts
    return replace(run, rows=_narrow(run.rows) or _alarms(facts) or _studied(facts))


def _alarms(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return false alarms per empty field, as stated and as measured, where these were studied."""
    rates = facts.get("false_alarms", {}).get("rates", [])
    return [
        {
            "method": row["method"],
            "background": row["scale"],
            "false alarms per field, stated": row["stated"],
            "measured": f"{row['value']:.4f} [{row['low']:.4f}, {row['high']:.4f}]",
            "empty fields": row["n"],
        }
        for row in rates
        if row["stated"] in _SHOWN_RATES
    ]


def _studied(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each study that has no table of its own on a terminal."""
    named = [name for name, found in facts.items() if isinstance(found, Mapping)]
    return [{"study": name.replace("_", " "), "numbers": "in the report"} for name in named]


def _narrow(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns that fit on a terminal; the report has them all."""
    fluxes = [1.0, 0.3, 0.1]
    return [
        {
            "method": row["method"],
            **{
                f"68 % error [deg], {flux:g} Crab": _text(row.get(f"error68@{flux:g}"))
                for flux in fluxes[:2]
            },
            "found, 0.1 Crab": _text(row.get("efficiency@0.1"), digits=2),
            "ms": row["ms"],
        }
        for row in rows
    ]


def _text(found: Any, digits: int = 3) -> str:
    """Return an interval as text, empty where there is none."""
    if found is None:
        return ""
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Simulate a night with a new source, clean and locate it, and compare the methods."""
    trials = load_bundle(bundle_folder(TASK)).trials
    rng = np.random.default_rng(seed)
    run = evaluate_sky(_DEMO, folder, rng, command=command, progress=progress, trials=trials)
    return _terse(run, folder)
