"""What a search must know of a field before its photons, with the response folded in."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import Spectrum, crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.field_fits import MASKED_RADIUS
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.preprocess.folding import (
    PointSourceModel,
    field_coordinates,
    fold_background,
    fold_point_source,
)
from skysift.preprocess.sky_background import (
    FROM_A_NARROW_MAP,
    FROM_THE_MAP,
    FROM_THE_RESPONSE,
    BackgroundModel,
    BackgroundPrior,
)
from skysift.preprocess.sky_field import FieldProfile

__all__ = ["NETWORK_PRIOR", "FieldSetup", "FoldedField", "photons_within"]

NETWORK_PRIOR = BackgroundPrior(shape=0.6, powers=2)
"""Freedom of the smooth background that the shipped network was trained to correct."""

FloatArray = NDArray[np.float64]

_OFFSETS = np.arange(0.0, 3.01, 0.25)
_RADII = np.arange(0.0, 0.9, 0.004)
_REFERENCE_FLUX, _REFERENCE_TIME = 0.1, 100.0  # Crab and s: at the threshold of a search
_HIDDEN_SHARE = 0.25  # of the radius of a narrow field


@dataclass(frozen=True)
class FieldSetup:
    """What a search must know of a field before its photons.

    Parameters
    ----------
    grid : TangentGrid
        The pixels.
    pointing : Pointing
        Where the telescope looked.
    energy_edges : array, shape (n_bands + 1,) [TeV]
        Bands of reconstructed energy.
    livetime : float [s]
        Of a window.
    response : InstrumentResponse or None
        The instrument's own; None for a search that needs no response file: it takes the shapes of
        an analytic one and everything else from the map.
    spectrum : callable
        What sources are taken to look like; its norm is the unit of flux.
    reach : float or None [deg]
        Radius about the pointing beyond which nothing is fitted nor searched; None where the field
        fills the map.
    """

    grid: TangentGrid
    pointing: Pointing
    energy_edges: FloatArray
    livetime: float
    response: InstrumentResponse | None = None
    spectrum: Spectrum = field(default_factory=crab_power_law)
    reach: float | None = None

    def folded(self) -> "FoldedField":
        """Return the response folded with the field, which is done once.

        Bands that the response does not see at the low or the high end are left out.

        Raises
        ------
        InputError
            If no band is left.
        """
        return self._folded

    def lasting(self, livetime: float) -> "FieldSetup":
        """Return the field for another live time [s]; both share what is folded."""
        return self._sharing(replace(self, livetime=livetime))

    def within(self, reach: float) -> "FieldSetup":
        """Return the field up to a radius [deg]; both share what is folded."""
        return self._sharing(replace(self, reach=reach))

    def _sharing(self, other: "FieldSetup") -> "FieldSetup":
        vars(other)["_folded"] = replace(self._folded, setup=other)
        return other

    @cached_property
    def _folded(self) -> "FoldedField":
        response = self.response or AnalyticResponse(zenith=_zenith(self.pointing))
        source = fold_point_source(response, self.spectrum, self.energy_edges, _OFFSETS, _RADII)
        rate, own = _background(response, self.energy_edges, self.grid, self.pointing)
        seen = np.flatnonzero((rate.sum(axis=(1, 2)) > 0) & (source.rate.sum(axis=0) > 0))
        if len(seen) == 0:
            raise InputError(
                f"The response '{response.name}' sees nothing between "
                f"{self.energy_edges[0]:g} and {self.energy_edges[-1]:g} TeV.",
                "Choose other energies with --emin and --emax.",
            )
        bands = slice(int(seen[0]), int(seen[-1]) + 1)
        chosen = PointSourceModel(
            self.energy_edges[bands.start : bands.stop + 1],
            source.offsets,
            source.radii,
            source.rate[:, bands],
            source.density[:, bands],
        )
        return FoldedField(self, bands, chosen, rate[bands], own and self.response is not None)


@dataclass(frozen=True)
class FoldedField:
    """A field with its response folded in.

    Parameters
    ----------
    setup : FieldSetup
        What was folded.
    bands : slice
        Those of the setup that the response sees.
    source : PointSourceModel
        A source of one unit of flux, in these bands.
    background : array, shape (n_bands, n_y, n_x) [s-1]
        Template.
    own_background : bool
        Whether the template is the instrument's own.
    """

    setup: FieldSetup
    bands: slice
    source: PointSourceModel
    background: FloatArray
    own_background: bool

    @cached_property
    def _profile(self) -> FieldProfile:
        place = field_coordinates(self.setup.grid, self.setup.pointing)
        return FieldProfile.of(self.background, *place)

    def reach(self, photons: Photons) -> float | None:
        """Return the radius [deg] at which photons stop, None if they fill the map.

        A background model of the instrument's own knows where its field ends: it is believed.
        """
        if self.own_background:
            return None
        whole = self.bands == slice(0, len(self.setup.energy_edges) - 1)
        seen = photons if whole else photons_within(photons, self.bands)
        pointing = self.setup.pointing
        xi, eta = self.setup.grid.to_plane(pointing.ra, pointing.dec)
        return self._profile.reach(seen.xi - float(xi), seen.eta - float(eta), seen.band)

    def in_one_band(self) -> "FoldedField":
        """Return the same with all energies in one band."""
        rate = self.source.rate
        density = np.einsum("ob,obr->or", rate, self.source.density)
        total = rate.sum(axis=1)
        source = PointSourceModel(
            self.source.energy_edges[[0, -1]],
            self.source.offsets,
            self.source.radii,
            total[:, None],
            (density / np.maximum(total, 1e-300)[:, None])[:, None],
        )
        return replace(self, source=source, background=self.background.sum(axis=0, keepdims=True))

    def search(
        self,
        trials: TrialsTable,
        settings: SearchSettings,
        *,
        untold: BackgroundPrior = FROM_THE_MAP,
    ) -> SkySearch:
        """Return the search by the likelihood ratio.

        Parameters
        ----------
        trials : TrialsTable
            Calibration of the false alarms.
        settings : SearchSettings
            How to search.
        untold : BackgroundPrior
            Freedom of a background that no response tells; any background has its radial terms.
        """
        setup = self.setup
        x, y = field_coordinates(setup.grid, setup.pointing)
        template = self.background * setup.livetime
        from_map = untold if setup.reach is None else FROM_A_NARROW_MAP
        prior = FROM_THE_RESPONSE if self.own_background else from_map
        xi, eta = setup.grid.to_plane(setup.pointing.ra, setup.pointing.dec)
        distance = np.hypot(x, y)
        if setup.reach is not None:
            settings = _up_to(setup.reach, settings)
        ring = np.abs(distance - settings.offset) < 2 * setup.grid.pixel_size
        if not ring.any():
            ring = distance <= np.quantile(distance, 0.1)
        # The weakest source that can be found falls with the root of the exposure.
        flux = _REFERENCE_FLUX * np.sqrt(_REFERENCE_TIME / setup.livetime)
        return SkySearch(
            setup.grid,
            self.source,
            BackgroundModel(
                template, x, y, replace(prior, powers=untold.powers), reach=setup.reach
            ),
            pointing=(float(xi), float(eta)),
            reference_counts=np.maximum(template[:, ring].mean(axis=1), 1e-9),
            reference_flux=flux * setup.livetime,
            trials=trials.of_search(told=self.own_background),
            settings=settings,
        )


def photons_within(photons: Photons, bands: slice) -> Photons:
    """Return the photons of some bands, numbered from the first of these."""
    chosen = np.flatnonzero((photons.band >= bands.start) & (photons.band < bands.stop))
    return Photons(
        photons.xi[chosen],
        photons.eta[chosen],
        photons.band[chosen] - bands.start,
        photons.weight[chosen],
    )


def _up_to(reach: float, settings: SearchSettings) -> SearchSettings:
    """Return settings for a field that ends within the map.

    What a background that falls steeply is in a hole, its rim does not tell: holes are kept small,
    and no peak is judged by what it would be there.
    """
    hidden = max(MASKED_RADIUS, _HIDDEN_SHARE * reach)
    radius = min(settings.radius, reach)
    return replace(settings, radius=radius, hidden=hidden, absorbed=0.0)


def _zenith(pointing: Pointing) -> float:
    return pointing.zenith if np.isfinite(pointing.zenith) else 20.0


def _background(
    response: InstrumentResponse, edges: FloatArray, grid: TangentGrid, pointing: Pointing
) -> tuple[FloatArray, bool]:
    """Return the background template, and whether it is the response's own."""
    try:
        return fold_background(response, edges, grid, pointing), True
    except InputError:  # a response without a background model
        stand_in = AnalyticResponse(zenith=_zenith(pointing))
        return fold_background(stand_in, edges, grid, pointing), False
