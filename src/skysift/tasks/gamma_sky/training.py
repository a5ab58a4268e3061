"""Train the search: calibrate it on simulations, and keep on record what they were."""

import hashlib
import json

import numpy as np

from skysift.core.bundle_schema import Distribution, OperatingPoint, Training
from skysift.core.conformal import Promise
from skysift.core.progress import Progress
from skysift.core.results import Metric
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.models.conformal import calibrate as conformal
from skysift.models.reference import distributions
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import Calibration, calibrate
from skysift.tasks.gamma_sky.coverage import located_sources, scored_sources
from skysift.tasks.gamma_sky.model import GammaSkyModel
from skysift.tasks.gamma_sky.observations import of_photons
from skysift.tasks.gamma_sky.options import ReadOptions, TrainOptions
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = ["reference_of", "train"]

_THRESHOLD = 0.01  # false alarms per field
_ZENITH = 20.0  # deg, as of the fields that the search is calibrated on
_EXPOSURE = 1800.0  # s
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
        "default",
        found.trials,
        training,
        (_operating_point(found),),
        _metrics(found),
        reference_of(reading, rng),
        promises=_promises(found.trials, reading, options.region_maps, rng, training),
    )


def _promises(
    trials: TrialsTable,
    reading: ReadOptions,
    fields: int,
    rng: np.random.Generator,
    training: Training,
) -> tuple[Promise, ...]:
    """Return what regions and counts of simulated sources allow to promise, nothing without any."""
    sources = located_sources(trials, fields, rng, reading=reading)
    if not sources:
        return ()
    on_record = training.model_copy(update={"n_rows": len(sources)})
    return tuple(conformal(rows, on_record) for rows in scored_sources(sources, training.split))


def reference_of(reading: ReadOptions, rng: np.random.Generator) -> dict[str, Distribution]:
    """Return how the energies of the photons of a field without sources are distributed.

    Their rate is that of one zenith and one threshold; no stream has to have it.
    """
    field = Field(Pointing(0.0, 0.0, _ZENITH), _EXPOSURE)
    events = simulate_events(
        field, AnalyticResponse(), rng, energy_range=(reading.emin, reading.emax)
    )
    return distributions({"log10_energy": of_photons(events, reading)["log10_energy"]})


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
