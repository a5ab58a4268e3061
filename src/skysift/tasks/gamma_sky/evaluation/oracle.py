"""What nobody can do better: the fit of one who knows everything but the place, and the bound."""

import numpy as np
from numpy.typing import NDArray

from skysift.evaluate.localisation import cramer_rao_bound
from skysift.models.sky.local_source import LocalSource, Photons
from skysift.models.sky.refine import Refined, band_counts, refine
from skysift.models.sky.search import SearchSettings
from skysift.tasks.gamma_sky.evaluation.contestants import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import Observed, photons_in
from skysift.tasks.gamma_sky.field_setup import FieldSetup, FoldedField
from skysift.tasks.gamma_sky.simulation.field import Source

__all__ = ["Oracle"]

FloatArray = NDArray[np.float64]
_TINY = 1e-12


class Oracle:
    """The true model of fields: what a source sends, and what lies behind it.

    Parameters
    ----------
    setup : FieldSetup
        With the true response.
    folded : FoldedField, optional
        The same, already folded.
    """

    def __init__(self, setup: FieldSetup, folded: FoldedField | None = None) -> None:
        folded = folded or setup.folded()
        self._livetime = setup.livetime
        self._source, self._bands = folded.source, folded.bands
        self._search = folded.search(NO_TRIALS, SearchSettings())
        self._density = folded.background * setup.livetime / setup.grid.pixel_size**2

    def place(self, observed: Observed, source: Source) -> tuple[float, float]:
        """Return where a source is on the plane of an observation [deg]."""
        xi, eta = observed.grid.to_plane(source.ra, source.dec)
        return float(xi), float(eta)

    def expected_counts(self, observed: Observed, source: Source) -> float:
        """Return the photons that a source sends to the bands."""
        offset = observed.field.offset_of(source)
        return float(self._source.rate_at(offset).sum() * self._livetime * source.flux)

    def bound(self, observed: Observed, source: Source) -> float:
        """Return the Cramer-Rao bound on a coordinate of a source's position [deg]."""
        xi, eta = self.place(observed, source)
        level = self._background(observed, np.array([xi]), np.array([eta]))[:, 0]
        offset = observed.field.offset_of(source)
        return cramer_rao_bound(self._source, offset, self._livetime * source.flux, level)

    def fit(self, observed: Observed, source: Source) -> Refined:
        """Fit a source from its true place and counts, with the true background."""
        near, density, local, level = self._around(observed, source)
        start = (*self.place(observed, source), max(self.expected_counts(observed, source), 1.0))
        return refine(near, density, local, level, start)

    def count(self, observed: Observed, source: Source) -> tuple[float, float]:
        """Return the counts of a source at its true place, with the true background, and error."""
        place = self.place(observed, source)
        around = self._around(observed, source)
        counts, variance = band_counts(*around, place=place, level_error=None)
        return float(counts.sum()), float(np.sqrt(variance.sum()))

    def _around(
        self, observed: Observed, source: Source
    ) -> tuple[Photons, FloatArray, LocalSource, FloatArray]:
        """Return photons about a source, the background at each, the source, and its level."""
        xi, eta = self.place(observed, source)
        local = self._search.local_source(observed.field.offset_of(source))
        near = photons_in(observed.photons, self._bands).near(xi, eta, local.reach)
        level = self._background(observed, np.array([xi]), np.array([eta]))[:, 0]
        behind = self._background(observed, near.xi, near.eta)
        density = behind[near.band, np.arange(len(near))]
        return near, np.maximum(density, _TINY), local, level

    def _background(self, observed: Observed, xi: FloatArray, eta: FloatArray) -> FloatArray:
        """Return the true density [deg-2] at places, shape (n_bands, n)."""
        row, column = self._search.places.pixel(xi, eta)
        factor = observed.field.background_factor(xi, eta)
        return np.asarray(self._density[:, row, column] * factor)
