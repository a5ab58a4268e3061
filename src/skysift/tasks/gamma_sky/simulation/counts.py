"""Simulated counts maps, with the truth behind them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.simulation.expectation import Expectation, expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = ["Truth", "draw_counts", "simulate_map"]

FloatArray = NDArray[np.float64]
# A place for each photon is drawn from the cumulative sum unless there is about one per pixel.
_FEW_PER_PIXEL = 0.5


@dataclass(frozen=True, slots=True)
class Truth:
    """What was simulated.

    Parameters
    ----------
    field : Field
        Positions, fluxes, conditions.
    expectation : Expectation
        Maps of each source and of the background, before the draw.
    """

    field: Field
    expectation: Expectation

    def rows(self) -> list[dict[str, float]]:
        """Return one row per source: its parameters, its expected counts, and the field's.

        ``counts`` are those on the map, ``photons`` those that reach it or fall beside it.
        """
        field, maps = self.field, self.expectation
        on_map = maps.sources.sum(axis=(1, 2, 3), dtype=np.float64)
        shared = {
            "ra_pointing": field.pointing.ra,
            "dec_pointing": field.pointing.dec,
            "zenith": field.zenith,
            "nsb": field.nsb,
            "exposure": field.exposure,
            "background_scale": field.background_scale,
            "background": float(maps.background.sum(dtype=np.float64)),
        }
        return [
            {
                "ra": source.ra,
                "dec": source.dec,
                "flux": source.flux,
                "index": float("nan") if source.index is None else source.index,
                "extension": source.extension,
                "offset": field.offset_of(source),
                "counts": float(on_map[number]),
                "photons": float(maps.source_photons[number].sum()),
                **shared,
            }
            for number, source in enumerate(field.sources)
        ]


def draw_counts(expected: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw independent Poisson numbers.

    Parameters
    ----------
    expected : array
        Means.
    rng : numpy.random.Generator

    Returns
    -------
    array of float32, the shape of `expected`

    Notes
    -----
    Where photons are few the number of all is drawn and then a place for each, which is the same
    distribution and several times quicker than a draw per pixel.
    """
    flat = expected.ravel()
    cumulative = np.cumsum(flat, dtype=np.float64)
    total = float(cumulative[-1])
    if total > _FEW_PER_PIXEL * flat.size:
        return rng.poisson(expected).astype(np.float32)
    places = np.sort(rng.random(rng.poisson(total))) * total
    cells = np.searchsorted(cumulative, places, side="right")
    drawn = np.bincount(np.minimum(cells, flat.size - 1), minlength=flat.size)
    return drawn.astype(np.float32).reshape(expected.shape)


def simulate_map(
    field: Field,
    response: InstrumentResponse | FoldedResponse,
    rng: np.random.Generator,
    grid: TangentGrid | None = None,
    energy_edges: FloatArray | None = None,
) -> tuple[CountsMap, Truth]:
    """Draw a counts map of a field.

    Parameters
    ----------
    field : Field
    response : InstrumentResponse or FoldedResponse
        As it is under the field's conditions; see `Instrument.at`.
    rng : numpy.random.Generator
    grid, energy_edges : optional
        See `expect`.

    Returns
    -------
    CountsMap
    Truth

    Examples
    --------
    >>> from skysift.data.irf.analytic import AnalyticResponse
    >>> from skysift.data.sky.event_list import Pointing
    >>> from skysift.tasks.gamma_sky.simulation.field import Source
    >>> field = Field(Pointing(10.0, 20.0), 100.0, (Source(10.2, 20.3),))
    >>> counts, truth = simulate_map(field, AnalyticResponse(), np.random.default_rng(0))
    >>> counts.counts.shape
    (6, 200, 200)
    >>> 100 < truth.rows()[0]["counts"] < 160
    True
    """
    expectation = expect(field, response, grid, energy_edges)
    counts = CountsMap(
        draw_counts(expectation.total, rng),
        expectation.energy_edges,
        expectation.grid,
        GoodTimeIntervals.of([(0.0, field.exposure)]),
        field.exposure,
        field.pointing,
    )
    return counts, Truth(field, expectation)
