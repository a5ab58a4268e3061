"""Fields that the network is trained on, drawn on the fly from simulated instruments.

An instrument is an analytic response with drawn parameters, zenith angle, night sky and energy
bands. What costs time, its background and some fields of sources, is kept as rates; each
presentation draws exposure, level, gradient, dead sectors and star holes anew, then the counts, and
fits the smooth background to them as the search does. The smooth model takes the shapes of the
default instrument: the network learns to work without a response.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.config import Config
from skysift.data.irf.analytic import ARRAYS, AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.network.architecture import BLOCK, SkyNetworkSettings
from skysift.models.sky.network.runtime import conditions_of, groups_of
from skysift.preprocess.folding import energy_bands, field_coordinates, fold_background
from skysift.preprocess.sky_background import BackgroundModel
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR
from skysift.tasks.gamma_sky.simulation.counts import draw_counts
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse

__all__ = [
    "DEFECTIVE",
    "FieldPool",
    "PoolOptions",
    "block_centres",
    "turned",
    "turned_place",
]

Floats = NDArray[np.float32]

DEFECTIVE = FieldDistribution(gradient=0.2, dead_sector_share=0.4, star_hole_share=0.4)
"""Broad fields, most of which have something that a smooth background cannot describe."""

_KEPT_EXPOSURE = 100.0  # s: rates in half precision are kept as counts of such an exposure
_BANDS = 6
_DEFAULT_ENERGIES = 0.5  # share of instruments with the bands from 0.04 to 1 TeV
_FEWEST = 3.0  # counts of a source that has a centre to be found
_DARKEST = 1e-12  # s-1: no pixel of the smooth model is without background


class PoolOptions(Config):
    """How many instruments and fields are kept.

    Parameters
    ----------
    instruments : int
        Responses.
    fields : int
        Fields of sources for each.
    distribution : FieldDistribution
        What is drawn.
    """

    instruments: int = 160
    fields: int = 12
    distribution: FieldDistribution = DEFECTIVE


@dataclass(frozen=True)
class _Sources:
    """The sources of a field, for the kept exposure."""

    counts: NDArray[np.float16]
    row: NDArray[np.float64]
    column: NDArray[np.float64]
    total: NDArray[np.float64]


@dataclass(frozen=True)
class _Instrument:
    """What is kept of an instrument."""

    background: Floats
    model: BackgroundModel
    fields: tuple[_Sources, ...]


class FieldPool:
    """Draws batches of maps with their truth.

    Parameters
    ----------
    options : PoolOptions
        Size and distribution.
    settings : SkyNetworkSettings
        Of the network.
    rng : numpy.random.Generator
        Draws the instruments; batches have their own.
    """

    def __init__(
        self, options: PoolOptions, settings: SkyNetworkSettings, rng: np.random.Generator
    ) -> None:
        self._settings = settings
        self._distribution = options.distribution
        n_y, n_x = settings.shape
        self._grid = TangentGrid(0.0, 0.0, n_x, n_y, settings.pixel_size)
        self._x, self._y = field_coordinates(self._grid, Pointing(0.0, 0.0))
        self._offset = np.hypot(self._x, self._y)
        self._groups = groups_of(_BANDS, settings.n_bands)
        self._instruments = [
            self._draw_instrument(options.fields, rng) for _ in range(options.instruments)
        ]

    def batch(self, n: int, rng: np.random.Generator) -> dict[str, Floats]:
        """Draw maps with their truth, as `skysift.models.sky.network.loss` wants them."""
        maps = [self._present(rng) for _ in range(n)]
        return {name: np.stack([one[name] for one in maps]) for name in maps[0]}

    def _draw_instrument(self, n_fields: int, rng: np.random.Generator) -> _Instrument:
        template_of = draw_field(rng, self._distribution)
        array = ARRAYS[sorted(ARRAYS)[int(rng.integers(len(ARRAYS)))]]
        parameters = array.varied(rng)
        edges = _draw_energies(rng)
        zenith, nsb = template_of.zenith, template_of.nsb
        pointing = Pointing(0.0, 0.0, zenith)
        ready = FoldedResponse(AnalyticResponse(zenith, nsb, parameters=parameters), edges)
        # A drawn field may end so sharply that rates at the corners are too small for a number.
        with np.errstate(divide="ignore", invalid="ignore"):
            template = fold_background(AnalyticResponse(zenith), edges, self._grid, pointing)
            background = np.nan_to_num(ready.background(self._grid, pointing))
        model = BackgroundModel(
            np.maximum(np.nan_to_num(template), _DARKEST).astype(np.float32),
            self._x,
            self._y,
            NETWORK_PRIOR,
        )
        fields = tuple(self._draw_sources(ready, rng) for _ in range(n_fields))
        return _Instrument(background, model, fields)

    def _draw_sources(self, ready: FoldedResponse, rng: np.random.Generator) -> _Sources:
        drawn = draw_field(rng, self._distribution)
        field = Field(drawn.pointing, _KEPT_EXPOSURE, drawn.sources)
        pointing, (n_y, n_x) = drawn.pointing, self._settings.shape
        grid = TangentGrid(pointing.ra, pointing.dec, n_x, n_y, self._settings.pixel_size)
        expected = expect(field, ready, grid)
        xy = [expected.grid.to_pixel(source.ra, source.dec) for source in field.sources]
        return _Sources(
            np.minimum(expected.source, 6e4).astype(np.float16),
            np.array([float(y) for _, y in xy]),
            np.array([float(x) for x, _ in xy]),
            expected.sources.sum(axis=(1, 2, 3), dtype=np.float64),
        )

    def _present(self, rng: np.random.Generator) -> dict[str, Floats]:
        instrument = self._instruments[int(rng.integers(len(self._instruments)))]
        sources = instrument.fields[int(rng.integers(len(instrument.fields)))]
        bare = self._distribution.model_copy(update={"sources": (0, 0)})
        field = draw_field(rng, bare)
        seen = field.efficiency(self._x, self._y)
        factor = (field.background_factor(self._x, self._y) * seen * field.exposure).astype(
            np.float32
        )
        background = instrument.background * factor
        longer = field.exposure / _KEPT_EXPOSURE
        source = sources.counts.astype(np.float32) * (seen * longer).astype(np.float32)
        counts = draw_counts(background + source, rng)
        smooth = instrument.model.fit(counts).counts
        quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        maps = {
            name: turned(self._grouped(values), quarters, mirrored=mirrored)
            for name, values in (
                ("counts", counts),
                ("expected", smooth),
                ("background", background),
                ("source", source),
            )
        }
        conditions = conditions_of(self._offset, field.exposure)
        rows, columns = self._settings.blocks
        maps["conditions"] = conditions.reshape(2, rows, BLOCK, columns, BLOCK).mean(axis=(2, 4))
        maps["centre"] = self._centres(sources, longer, quarters, mirrored=mirrored)
        return maps

    def _grouped(self, values: Floats) -> Floats:
        total = np.zeros((self._settings.n_bands, *values.shape[1:]), dtype=np.float32)
        for band, group in zip(values, self._groups, strict=True):
            total[group] += band
        return total

    def _centres(
        self, sources: _Sources, longer: float, quarters: int, *, mirrored: bool
    ) -> Floats:
        """Return the blocks that hold a centre, and where in them; shape (3, rows, columns)."""
        side = self._settings.shape[0]
        places = [
            turned_place(y, x, side, quarters, mirrored=mirrored)
            for y, x in zip(sources.row, sources.column, strict=True)
        ]
        return block_centres(self._settings, places, sources.total * longer)


def block_centres(
    settings: SkyNetworkSettings,
    places: Sequence[tuple[float, float]],
    totals: NDArray[np.float64],
) -> Floats:
    """Return the blocks that hold a centre, and where in them; shape (3, rows, columns).

    Parameters
    ----------
    settings : SkyNetworkSettings
        Of the network.
    places : sequence of (float, float)
        Row and column of each source [pixel].
    totals : array, shape (n_sources,)
        Counts of each; those of too few have no centre to be found.
    """
    rows, columns = settings.blocks
    centres = np.zeros((3, rows, columns), dtype=np.float32)
    for (row, column), total in zip(places, totals, strict=True):
        i, j = (int(np.floor((place + 0.5) / BLOCK)) for place in (row, column))
        if total < _FEWEST or not (0 <= i < rows and 0 <= j < columns):
            continue
        middle = (BLOCK - 1) / 2
        centres[:, i, j] = (
            1.0,
            (column - j * BLOCK - middle) / BLOCK,
            (row - i * BLOCK - middle) / BLOCK,
        )
    return centres


def turned(maps: Floats, quarters: int, *, mirrored: bool) -> Floats:
    """Apply one of the eight symmetries of a square to maps, shape (..., n, n)."""
    rotated = np.rot90(maps, quarters, axes=(-2, -1))
    return np.ascontiguousarray(rotated[..., ::-1] if mirrored else rotated)


def turned_place(
    row: float, column: float, side: int, quarters: int, *, mirrored: bool
) -> tuple[float, float]:
    """Return where a place of a map of `side` pixels goes, as `turned` moves it."""
    last = side - 1
    for _ in range(quarters):
        row, column = last - column, row
    return row, last - column if mirrored else column


def _draw_energies(rng: np.random.Generator) -> NDArray[np.float64]:
    if rng.random() < _DEFAULT_ENERGIES:
        return energy_bands()
    low = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5))))
    return energy_bands(low, low * float(np.exp(rng.uniform(np.log(10.0), np.log(200.0)))), _BANDS)
