"""Small made-up observations for tests and offline use."""

from pathlib import Path

import numpy as np

from skysift.data.io import open_writer
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.data.table import FeatureTable
from skysift.tasks.gamma_sky.observations import Observation, Observations
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.photon_lists import TRUTH
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = ["synthetic_observations", "write_truth_table"]

_EXPOSURE = 60.0  # s
_RECORD = "simulation.json"


def synthetic_observations(n: int, rng: np.random.Generator) -> Observations:
    """Simulate n observations of a minute, each with one source of 0.7 to 1.5 Crab.

    Parameters
    ----------
    n : int
        Number of observations.
    rng : numpy.random.Generator
        Draws positions and photons.
    """
    options = ReadOptions()
    response = AnalyticResponse()
    items = []
    for number in range(n):
        pointing = Pointing(
            float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1)))), 20.0
        )
        plane = TangentGrid(pointing.ra, pointing.dec)
        offset, angle = rng.uniform(0.0, 1.5), rng.uniform(0.0, 2 * np.pi)
        ra, dec = plane.from_plane(offset * np.sin(angle), offset * np.cos(angle))
        flux = float(rng.uniform(0.7, 1.5))
        source = Source(float(ra), float(dec), flux=flux, spectrum=crab_power_law())
        events = simulate_events(
            Field(pointing, _EXPOSURE, (source,)),
            response,
            rng,
            energy_range=(options.emin, options.emax),
            name=str(number),
        )
        truth = np.array([[source.ra, source.dec]])
        items.append(Observation(events, None, None, len(events), (), truth))
    return Observations(tuple(items), options)


def write_truth_table(data: Observations, folder: Path) -> None:
    """Write the true positions beside the photon lists, as simulations have them."""
    rows = [
        (number, ra, dec)
        for number, item in enumerate(data.items)
        if item.truth is not None
        for ra, dec in item.truth
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    table = FeatureTable.from_columns(
        {"field": columns[:, 0].astype(np.int64), "ra": columns[:, 1], "dec": columns[:, 2]},
        units={"ra": "deg", "dec": "deg"},
    )
    with open_writer(folder / TRUTH) as writer:
        writer.write(table)
    (folder / _RECORD).write_text("{}\n", encoding="utf-8")
