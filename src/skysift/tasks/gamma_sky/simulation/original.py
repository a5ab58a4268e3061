"""The data set of the published networks, made again, with a switch for each of its faults.

One source as bright as the Crab Nebula somewhere in the field, 100 s, photons of 0.04 to 1 TeV
within 2.5 deg of a random pointing, 200 x 200 pixels; 8,000 pairs of maps to train on, 2,000 to
validate, 2,000 to test. As published (astroAI, Di Piano et al., INAF)

- columns and rows are bins of right ascension and declination between the smallest and the largest
  of each map's photons, whereas the label is a pixel of a plate carree centred on the pointing, so
  that image and label disagree, most near the poles and where right ascension passes zero;
- maps are smoothed with a Gaussian of 5 pixels and stretched to [0, 1], each by its own extremes;
- a clean map is the counts less the background that the instrument response expects.

The published code lets columns grow with right ascension and labels fall with it. A network learns
through a mirror as well, so here both fall, which lets images and labels be compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skysift.core.errors import UnknownNameError, UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import crab_power_law
from skysift.data.sky.event_list import EventList
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.baseline.edges import bin_between_extremes, plate_carree
from skysift.preprocess.folding import pixel_solid_angle
from skysift.tasks.gamma_sky.simulation.distribution import FieldDistribution, draw_field
from skysift.tasks.gamma_sky.simulation.expectation import default_grid, expect
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse, Instrument
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

__all__ = ["SIZES", "MapPairs", "OriginalRecipe", "original_dataset", "original_datasets"]

FloatArray = NDArray[np.float64]
SIZES = {"train": 8000, "validation": 2000, "test": 2000}
"""Pairs of maps in each part of the published data set."""
_RADIUS = 2.5  # deg
_ENERGIES = (0.04, 1.0)  # TeV


@dataclass(frozen=True, slots=True)
class OriginalRecipe:
    """What is kept of the published recipe.

    Parameters
    ----------
    grid : {"data-edges", "fixed"}
        Bins from the photons and labels from a plate carree, as published, or one tangent plane
        for both.
    smoothing : float [pixel]
        Standard deviation of the Gaussian; 0 for none.
    stretch : bool
        Whether each map is stretched to [0, 1] by its own extremes, which loses its counts.
    pixels : int
        Of a side.
    exposure : float [s]
    flux : float
        Of the source, over the Crab of the ctools.
    offset, zenith, nsb : tuple of float
        Bounds of what is drawn [deg], [deg], [dark sky].
    """

    grid: Literal["data-edges", "fixed"] = "data-edges"
    smoothing: float = 5.0
    stretch: bool = True
    pixels: int = 200
    exposure: float = 100.0
    flux: float = 1.0
    offset: tuple[float, float] = (0.0, 2.0)
    zenith: tuple[float, float] = (20.0, 60.0)
    nsb: tuple[float, float] = (1.0, 3.0)

    def __post_init__(self) -> None:
        if self.grid not in ("data-edges", "fixed"):
            raise UnknownNameError("grid", self.grid, ("data-edges", "fixed"))
        if self.smoothing < 0 or self.pixels < 1:
            raise UsageError(
                "Smoothing cannot be negative, nor maps without pixels.", "Correct the recipe."
            )

    def fields(self) -> FieldDistribution:
        """Return the distribution of fields."""
        return FieldDistribution(
            zenith=self.zenith,
            nsb=self.nsb,
            exposure=(self.exposure, self.exposure),
            offset=self.offset,
            flux=(self.flux, self.flux),
            sources=(1, 1),
            extended_share=0.0,
            background_scale=(1.0, 1.0),
            gradient=0.0,
            dead_sector_share=0.0,
            star_hole_share=0.0,
        )


@dataclass(frozen=True, slots=True)
class MapPairs:
    """A batch of maps with and without background.

    Parameters
    ----------
    noisy, clean : array of float32, shape (n, n_y, n_x)
        Counts, and counts less the expected background; smoothed and stretched as the recipe says.
    expected : array of float32, shape (n, n_y, n_x), or None
        Counts expected of the source, likewise; not made in bins between the photons.
    positions : array, shape (n, 2) [pixel]
        Label: column x and row y of the source, from 0 at the centre of the first pixel.
    noisy_range, clean_range : array, shape (n, 2)
        Smallest and largest value of each map before it was stretched.
    fields : tuple of Field
        What was simulated.
    events : tuple of EventList
        The photons of each map.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    expected: NDArray[np.float32] | None
    positions: FloatArray
    noisy_range: FloatArray
    clean_range: FloatArray
    fields: tuple[Field, ...]
    events: tuple[EventList, ...]

    def __len__(self) -> int:
        return len(self.noisy)


def original_dataset(
    kind: str,
    n: int | None,
    rng: np.random.Generator,
    response: InstrumentResponse | Instrument,
    *,
    recipe: OriginalRecipe | None = None,
    batch_size: int = 250,
) -> Iterator[MapPairs]:
    """Simulate a part of the data set, a batch at a time.

    Parameters
    ----------
    kind : {"train", "validation", "test"}
        Sets the number of maps where none is given; the parts differ by their random numbers.
    n : int or None
        Number of maps.
    rng : numpy.random.Generator
    response : InstrumentResponse or Instrument
        At a zenith angle of 20 deg under a dark sky; it follows the conditions that are drawn
        unless given as an `Instrument` that does not.
    recipe : OriginalRecipe, optional
        As published if left out.
    batch_size : int

    Yields
    ------
    MapPairs

    Raises
    ------
    UnknownNameError
        If there is no such part.
    UsageError
        If the response given as an `Instrument` is folded for more than one band from 0.04 to
        1 TeV.
    """
    chosen = [recipe or OriginalRecipe()]
    for (pairs,) in original_datasets(kind, n, rng, response, chosen, batch_size=batch_size):
        yield pairs


def original_datasets(
    kind: str,
    n: int | None,
    rng: np.random.Generator,
    response: InstrumentResponse | Instrument,
    recipes: Sequence[OriginalRecipe],
    *,
    batch_size: int = 250,
) -> Iterator[tuple[MapPairs, ...]]:
    """Simulate a part of the data set by several recipes, which share their photons.

    Parameters
    ----------
    kind, n, rng, response, batch_size
        As in :func:`original_dataset`.
    recipes : sequence of OriginalRecipe
        They may differ in grid, smoothing and stretch.

    Yields
    ------
    tuple of MapPairs
        A batch by each recipe.

    Raises
    ------
    UnknownNameError
        If there is no such part.
    UsageError
        If the recipes want different photons, or as :func:`original_dataset`.
    """
    if kind not in SIZES:
        raise UnknownNameError("part of the data set", kind, SIZES)
    first = replace(recipes[0], grid="fixed", smoothing=0.0, stretch=False)
    for other in recipes:
        if replace(other, grid="fixed", smoothing=0.0, stretch=False) != first:
            raise UsageError(
                "The recipes differ in what is simulated.",
                "Let them differ in grid, smoothing and stretch only.",
            )
    band = np.array(_ENERGIES)
    instrument = response if isinstance(response, Instrument) else Instrument(response, band)
    if not np.array_equal(instrument.energy_edges, band):
        raise UsageError(
            "The published maps have one band, 0.04 to 1 TeV.",
            "Give the response, or an instrument of that band.",
        )
    wanted = SIZES[kind] if n is None else n
    for start in range(0, wanted, batch_size):
        yield _batch(min(batch_size, wanted - start), rng, instrument, recipes)


def _batch(
    n: int, rng: np.random.Generator, instrument: Instrument, recipes: Sequence[OriginalRecipe]
) -> tuple[MapPairs, ...]:
    batches = [_Batch(recipe, n) for recipe in recipes]
    for _ in range(n):
        field = _draw(rng, recipes[0])
        ready = instrument.at(field.zenith, field.nsb)
        events = simulate_events(field, ready, rng, energy_range=_ENERGIES)
        plane = TangentGrid(field.pointing.ra, field.pointing.dec)
        events = events.take(np.hypot(*plane.to_plane(events.ra, events.dec)) < _RADIUS)
        for batch in batches:
            batch.add(field, events, ready)
    return tuple(batch.done() for batch in batches)


class _Batch:
    """Maps of one recipe as they come."""

    def __init__(self, recipe: OriginalRecipe, n: int) -> None:
        self._recipe = recipe
        self._maps = np.empty((2, n, recipe.pixels, recipe.pixels), dtype=np.float32)
        self._expected = np.empty_like(self._maps[0]) if recipe.grid == "fixed" else None
        self._ranges, self._positions = np.empty((2, n, 2)), np.empty((n, 2))
        self._fields: list[Field] = []
        self._events: list[EventList] = []

    def add(self, field: Field, events: EventList, ready: FoldedResponse) -> None:
        number = len(self._fields)
        counts, background, self._positions[number] = _pair(field, events, ready, self._recipe)
        images = (counts, counts - background)
        for kept, image, bounds in zip(self._maps, images, self._ranges, strict=True):
            kept[number], bounds[number] = _finish(image, self._recipe)
        if self._expected is not None:
            grid, seen = _plane(field, self._recipe)
            source = expect(field, ready, grid).source[0] * seen
            self._expected[number], _ = _finish(source.astype(np.float64), self._recipe)
        self._fields.append(field)
        self._events.append(events)

    def done(self) -> MapPairs:
        noisy, clean = self._maps
        noisy_range, clean_range = self._ranges
        return MapPairs(
            noisy,
            clean,
            self._expected,
            self._positions,
            noisy_range,
            clean_range,
            tuple(self._fields),
            tuple(self._events),
        )


def _draw(rng: np.random.Generator, recipe: OriginalRecipe) -> Field:
    field = draw_field(rng, recipe.fields())
    source = replace(field.sources[0], index=None, spectrum=crab_power_law())
    return replace(field, sources=(source,))


def _pair(
    field: Field, events: EventList, ready: FoldedResponse, recipe: OriginalRecipe
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return counts, expected background, and the label."""
    grid, seen = _plane(field, recipe)
    rate = ready.background(grid, field.pointing)[0] * field.exposure
    if recipe.grid == "fixed":
        index = grid.pixel_index(events.ra, events.dec)
        flat = np.bincount(index[index >= 0], minlength=rate.size)
        fixed = flat.reshape(grid.shape).astype(np.float64)
        position = grid.to_pixel(field.sources[0].ra, field.sources[0].dec)
        return fixed, rate * seen, np.array(position, dtype=np.float64)
    counts, background = _between_extremes(events, rate, grid)
    return counts, background, _label(field, grid)


def _plane(field: Field, recipe: OriginalRecipe) -> tuple[TangentGrid, NDArray[np.bool_]]:
    """Return the tangent plane of a field, and which of its pixels see photons."""
    grid = default_grid(field, recipe.pixels, 2 * _RADIUS / recipe.pixels)
    return grid, grid.separation_from(field.pointing.ra, field.pointing.dec) < _RADIUS


def _between_extremes(
    events: EventList, rate: NDArray[np.float32], grid: TangentGrid
) -> tuple[FloatArray, FloatArray]:
    """Return counts and expected background in bins between the extremes of the photons."""
    seen = bin_between_extremes(events.ra, events.dec, grid.n_x)
    index = grid.pixel_index(seen.ra[None, :], seen.dec[:, None])
    per_area = (rate / pixel_solid_angle(grid)).ravel()
    height = seen.dec_step * np.cos(np.radians(seen.dec))
    area = height[:, None] * seen.ra_step
    away = np.hypot(*grid.to_plane(seen.ra[None, :], seen.dec[:, None]))
    inside = (index >= 0) & (away < _RADIUS)
    return seen.counts, np.where(inside, per_area[index], 0.0) * area


def _label(field: Field, grid: TangentGrid) -> FloatArray:
    """Return the source's pixel in a plate carree about the pointing."""
    source = field.sources[0]
    position = plate_carree(grid).wcs_world2pix(source.ra, source.dec, 0)
    return np.array(position, dtype=np.float64)


def _finish(image: FloatArray, recipe: OriginalRecipe) -> tuple[FloatArray, tuple[float, float]]:
    """Smooth and stretch; return also the extremes before the stretch."""
    if recipe.smoothing > 0:
        image = gaussian_filter(image, recipe.smoothing)
    low, high = float(image.min()), float(image.max())
    if recipe.stretch:
        image = (image - low) / (high - low) if high > low else np.zeros_like(image)
    return image, (low, high)
