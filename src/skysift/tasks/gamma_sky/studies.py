"""Studies on simulated fields: evaluate, compare, demo."""

from pathlib import Path

import numpy as np

from skysift.core.config import Config
from skysift.core.task import Progress, Run
from skysift.report.run_folder import read_run
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.options import CompareOptions, EvaluateOptions
from skysift.tasks.gamma_sky.synth import synthetic_observations
from skysift.tasks.gamma_sky.truth import evaluate_truth

__all__ = ["compare", "demo", "evaluate", "render"]


def evaluate(
    options: Config,
    model: GammaSkyModel,
    folder: Path | None,
    rng: np.random.Generator,
    *,
    command: str,
    progress: Progress,
) -> Run:
    """Evaluate the default search on simulated fields."""
    del folder, command
    chosen = options if isinstance(options, EvaluateOptions) else EvaluateOptions()
    progress(0.0, "simulate")
    data = synthetic_observations(chosen.maps, rng)
    found = evaluate_truth(data, model, split="simulated fields")
    return Run("gamma-sky on simulated fields", [metric.to_dict() for metric in found.metrics])


def compare(
    options: CompareOptions, folder: Path, *, seed: int, command: str, progress: Progress
) -> Run:
    """Search the same simulated fields with several methods."""
    raise NotImplementedError((options, folder, seed, command, progress))


def render(folder: Path) -> Run:
    """Write the report of an earlier run again."""
    raise NotImplementedError(read_run(folder).kind)


def demo(folder: Path, *, seed: int, command: str, progress: Progress) -> Run:
    """Simulate a night and search it."""
    raise NotImplementedError((folder, seed, command, progress))
