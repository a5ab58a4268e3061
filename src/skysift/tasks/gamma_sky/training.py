"""Train the search: calibrate it on simulations, and keep on record what they were."""

import hashlib
import json

import numpy as np

from skysift.core.bundle_schema import OperatingPoint, Training
from skysift.core.results import Metric
from skysift.core.task import Progress
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import Calibration, calibrate
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.options import ReadOptions, TrainOptions

__all__ = ["train"]

_THRESHOLD = 0.01  # false alarms per field
_SPLIT = "simulated fields, analytic response"


def train(
    reading: ReadOptions,
    options: TrainOptions,
    rng: np.random.Generator,
    *,
    seed: int,
    command: str,
    progress: Progress,
) -> GammaSkyModel:
    """Calibrate the search in the energy bands of the data.

    Parameters
    ----------
    reading : ReadOptions
        Energies and bands.
    options : TrainOptions
        How many fields are simulated, of which exposure.
    rng : numpy.random.Generator
        Draws them.
    seed : int
        What the generator was made of, for the record.
    command : str
        What the user typed, for the record.
    progress : callable
        Called with the fraction done and what is being done.
    """
    edges = energy_bands(reading.emin, reading.emax, reading.bands)
    found = calibrate(
        edges,
        rng,
        empty_maps=options.empty_maps,
        source_maps=options.source_maps,
        exposure=options.exposure,
        progress=progress,
    )
    settings = {**options.model_dump(mode="json"), "edges": edges.tolist(), "seed": seed}
    # There is no file of training data: the settings of the simulation stand for it.
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    training = Training(
        data="simulated fields",
        sha256=digest,
        n_rows=options.empty_maps + options.source_maps,
        split=_SPLIT,
        seed=seed,
        command=command,
    )
    return GammaSkyModel(
        "default", found.trials, training, (_operating_point(found),), _metrics(found)
    )


def _operating_point(found: Calibration) -> OperatingPoint:
    return OperatingPoint(
        name="false-alarms-0.01",
        threshold=float(-np.log10(_THRESHOLD)),
        acceptance=_THRESHOLD,
        efficiency=found.efficiency.value,
        chosen_on=_SPLIT,
        method="expected false alarms per field, from the peaks of empty simulated fields",
        low=found.efficiency.low,
        high=found.efficiency.high,
    )


def _metrics(found: Calibration) -> tuple[Metric, ...]:
    split = f"{_SPLIT}, offset 0-2 deg"
    efficiency = found.efficiency.metric("efficiency@0.1Crab", n=found.n_sources, split=split)
    if not np.isfinite(found.error68.value):  # nothing was found
        return (efficiency,)
    return (efficiency, found.error68.metric("error68@0.1Crab", n=found.n_sources, split=_SPLIT))
