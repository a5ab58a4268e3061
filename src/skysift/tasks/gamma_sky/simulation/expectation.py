"""What is expected on the map: photons of each source and of the background."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import UsageError
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.folded import FoldedResponse, folded
from skysift.tasks.gamma_sky.simulation.stamps import Stamp, integrate_source

__all__ = ["Expectation", "default_grid", "expect"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expected counts.

    Parameters
    ----------
    sources : array of float32, shape (n_sources, n_bands, n_y, n_x)
        Photons of each source of the field, in its order.
    background : array of float32, shape (n_bands, n_y, n_x)
    source_photons : array, shape (n_sources, n_bands)
        Photons of each source that arrive in each band, on the map or beside it.
    grid : TangentGrid
    energy_edges : array, shape (n_bands + 1,) [TeV]
    """

    sources: NDArray[np.float32]
    background: NDArray[np.float32]
    source_photons: FloatArray
    grid: TangentGrid
    energy_edges: FloatArray

    @property
    def source(self) -> NDArray[np.float32]:
        """Photons of all sources, shape (n_bands, n_y, n_x)."""
        return np.asarray(self.sources.sum(axis=0, dtype=np.float32))

    @property
    def total(self) -> NDArray[np.float32]:
        """All counts, shape (n_bands, n_y, n_x)."""
        return np.asarray(self.source + self.background)


def default_grid(field: Field, n: int = 200, pixel_size: float = 0.025) -> TangentGrid:
    """Return the grid of n x n pixels [deg] about the pointing of a field."""
    return TangentGrid(field.pointing.ra, field.pointing.dec, n, n, pixel_size)


def expect(
    field: Field,
    response: InstrumentResponse | FoldedResponse,
    grid: TangentGrid | None = None,
    energy_edges: FloatArray | None = None,
) -> Expectation:
    """Return the expected counts of a field.

    Parameters
    ----------
    field : Field
    response : InstrumentResponse or FoldedResponse
        As it is under the field's conditions; `Instrument.at` gives one that is already folded,
        which makes many maps quick.
    grid : TangentGrid, optional
        200 x 200 pixels of 0.025 deg about the pointing if left out.
    energy_edges : array, shape (n_bands + 1,) [TeV], optional
        Those of the folded response, or six bands from 0.04 to 1 TeV.

    Raises
    ------
    UsageError
        If the bands asked for are not those that the response is folded for.
    InputError
        If the response has no background model.
    """
    ready = folded(response, energy_edges)
    if energy_edges is not None and not np.array_equal(ready.energy_edges, energy_edges):
        raise UsageError(
            "The response is folded for other energy bands.", "Leave the bands out, or fold again."
        )
    grid = default_grid(field) if grid is None else grid
    background = ready.background(grid, field.pointing) * np.float32(field.exposure)
    plain = field.gradient == (0.0, 0.0) and not field.has_defects
    if plain:
        background *= np.float32(field.background_scale)
    stamps, photons = _stamps(field, ready, grid)
    sources = np.zeros((len(field.sources), *background.shape), dtype=np.float32)
    for layer, stamp in zip(sources, stamps, strict=True):
        if stamp is not None:
            stamp.add_to(layer)
    if not plain:
        x, y = ready.places(grid, field.pointing)
        background *= field.background_factor(x, y).astype(np.float32)
        if field.has_defects:
            seen = field.efficiency(x, y).astype(np.float32)
            background *= seen
            sources *= seen
    return Expectation(sources, background, photons, grid, ready.energy_edges)


def _stamps(
    field: Field, ready: FoldedResponse, grid: TangentGrid
) -> tuple[list[Stamp | None], FloatArray]:
    """Return the image of each source, and its photons in each band."""
    stamps: list[Stamp | None] = []
    photons = np.zeros((len(field.sources), len(ready.energy_edges) - 1))
    for number, source in enumerate(field.sources):
        offset = field.offset_of(source)
        if offset > ready.offset_max:
            stamps.append(None)
            continue
        rate, image = ready.folder.fold_at(source.photons, offset)
        photons[number] = rate * field.exposure
        x, y = grid.to_pixel(source.ra, source.dec)
        position = (float(x), float(y))
        stamps.append(
            integrate_source(
                photons[number], image * field.exposure, position, source.extension, grid
            )
        )
    return stamps, photons
