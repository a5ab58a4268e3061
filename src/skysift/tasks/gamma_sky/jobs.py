"""The jobs of gamma-sky that print a table or end in a report.

What needs simulated fields is in :mod:`.studies`, imported by the jobs that need it: to describe
photon lists, nothing is drawn.
"""

# ruff: noqa: PLC0415  # for the reason above

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.config import of_kind
from skysift.core.device import DeviceOption
from skysift.core.jobs import Run
from skysift.core.progress import Progress
from skysift.core.provenance import Provenance
from skysift.core.results import Evaluation
from skysift.data.sky.tangent import separation
from skysift.report.run_folder import RunRecord, write_run
from skysift.tasks.gamma_sky.devices import device_for
from skysift.tasks.gamma_sky.model import TASK, GammaSkyModel
from skysift.tasks.gamma_sky.observations import (
    Observation,
    Observations,
    iter_observations,
    read_observations,
)
from skysift.tasks.gamma_sky.options import (
    CLASSICAL,
    CompareOptions,
    EvaluateOptions,
    ReadOptions,
)
from skysift.tasks.gamma_sky.photon_lists import asked_of, files_of, tell_left_out
from skysift.tasks.gamma_sky.truth import evaluate_truth

__all__ = ["audit", "compare", "demo", "evaluate", "evaluate_files", "explore", "render"]


def evaluate(
    data: Observations, model: GammaSkyModel, rng: np.random.Generator, *, split: str
) -> Evaluation:
    """Measure what is found of simulated sources, and how far from the truth."""
    del rng  # nothing is drawn: the intervals are exact ones
    return evaluate_truth(data, model, split=split)


def evaluate_files(
    paths: Sequence[Path],
    options: ReadOptions | EvaluateOptions,
    model: GammaSkyModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate on photon lists with known sources; without any, on simulations.

    Raises
    ------
    InputError
        If no photon list says where its sources are.
    UsageError
        If a GPU is asked for that is not there, or that nothing has a use for.
    """
    if not paths:
        from skysift.tasks.gamma_sky import studies

        return studies.evaluate(options, model, folder, rng, command=command, progress=progress)
    reading = of_kind(ReadOptions, options)
    device = device_for(model.asking or CLASSICAL, of_kind(DeviceOption, options).device)
    config = {**reading.model_dump(mode="json"), "device": device}
    provenance = Provenance.start(command, inputs=paths, config=config)
    tell_left_out(paths)
    data = read_observations(paths, reading)
    split = f"{len(data)} photon lists"
    found = evaluate_truth(data, model, split=split, device=device)
    rows = [metric.to_dict() for metric in found.metrics]
    if folder is not None:
        facts = {"metrics": rows, "split": split}
        write_run(RunRecord.finished(folder, TASK, "evaluate", facts, provenance), {})
    return Run(f"gamma-sky on {split}", rows)


def explore(
    paths: Sequence[Path],
    options: ReadOptions,
    folder: Path,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """List the observations: when, where, how many photons of which energies."""
    del rng, progress
    provenance = Provenance.start(command, inputs=paths, config=options.model_dump(mode="json"))
    tell_left_out(paths)
    rows = [_row(item) for item in iter_observations(paths, options)]
    facts = {"observations": rows}
    write_run(RunRecord.finished(folder, TASK, "explore", facts, provenance), {})
    return Run(f"{len(rows)} observations", rows)


def audit(
    paths: Sequence[Path], options: ReadOptions, rng: np.random.Generator, *, progress: Progress
) -> Run:
    """Tell what the input contract found, and which observations share photons."""
    del rng, progress
    tell_left_out(paths)
    if options.obs_id:
        files_of(paths, options)  # all together have what is asked for
    # Path by path: what is given twice is searched once, but here it is to be found.
    parts = [(path, asked_of(path, options)) for path in paths]
    read = tuple(
        item for path, mine in parts if mine is not None for item in iter_observations([path], mine)
    )
    data = Observations(read, options)
    rows = [
        {
            "observation": item.events.name,
            "finding": finding.code,
            "verdict": finding.verdict.value,
            "photons": len(finding.rows),
            "what": finding.message,
        }
        for item in data.items
        for finding in item.findings
    ]
    rows += _shared(data)
    return Run(f"Audit of {len(data)} observations: {len(rows)} findings", rows)


def compare(
    paths: Sequence[Path],
    reading: ReadOptions,
    comparing: CompareOptions,
    folder: Path,
    *,
    seed: int,
    command: str,
    progress: Progress,
) -> Run:
    """Search the same simulated fields with several methods."""
    from skysift.tasks.gamma_sky import studies

    del paths, reading  # the truth has to be known: fields are simulated
    return studies.compare(comparing, folder, seed=seed, command=command, progress=progress)


def render(folder: Path) -> Run:
    """Write the report of an earlier run again from its stored results."""
    from skysift.tasks.gamma_sky import studies

    return studies.render(folder)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Simulate a night of fields with a new source, clean and locate it, and compare."""
    from skysift.tasks.gamma_sky import studies

    return studies.demo(folder, seed=seed, command=command, progress=progress)


def _row(item: Observation) -> dict[str, Any]:
    events = item.events
    low, median, high = (
        np.quantile(events.energy, (0.01, 0.5, 0.99)) if len(events) else (np.nan,) * 3
    )
    pointing = events.pointing
    return {
        "observation": events.name,
        "object": str(events.meta.get("OBJECT", "")),
        "ra": pointing.ra,
        "dec": pointing.dec,
        "zenith": pointing.zenith,
        "good time [s]": events.gti.duration,
        "livetime [s]": events.livetime,
        "photons": len(events),
        "energy 1 %": float(low),
        "median [TeV]": float(median),
        "99 %": float(high),
        "response": "none" if item.response is None else item.response.name,
        "findings": len(item.findings),
    }


def _shared(data: Observations) -> list[dict[str, Any]]:
    """Return pairs of observations that hold the same photons."""
    rows = []
    for number, one in enumerate(data.items):
        for other in data.items[number + 1 :]:
            common = _common(one, other)
            if common:
                rows.append(
                    {
                        "observation": f"{one.events.name} and {other.events.name}",
                        "finding": "shared-photons",
                        "verdict": "noted",
                        "photons": common,
                        "what": "The same photons are in both: do not add them up, nor train on "
                        "one and test on the other.",
                    }
                )
    return rows


def _common(one: Observation, other: Observation) -> int:
    a, b = one.events, other.events
    apart = separation(a.pointing.ra, a.pointing.dec, b.pointing.ra, b.pointing.dec)
    if a.reference_mjd != b.reference_mjd or float(apart) > 1:
        return 0
    keys = [
        np.stack([events.time, events.ra, events.dec, events.energy], axis=1) for events in (a, b)
    ]
    both = {tuple(row) for row in keys[0].tolist()} & {tuple(row) for row in keys[1].tolist()}
    return len(both)
