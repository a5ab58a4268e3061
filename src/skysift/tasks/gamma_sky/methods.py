"""The ways to search a field, all behind one interface.

``likelihood-ratio``
    Every photon weighed by its energy and place, then fitted: the default.
``likelihood-ratio-peak``
    The same without the fit: the pixel of the highest weight.
``matched-filter``
    All energies in one band, then fitted.
``matched-filter-peak``
    The same without the fit.
``network``
    As the first, on a background that a network has corrected: for dead sectors and star holes.
``network-centres``
    As that, but only the centres that the network itself names are fitted: to see what the network
    sees. What it does not name is not found.
``cnn-regressor``, ``cnn-cleaner``
    One place from the published networks, counts and significance there as the first has them.
``smoothed-maximum``
    The highest pixel of smoothed counts: always one candidate, no significance.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError, InputError, UnknownNameError
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.irf.response import InstrumentResponse
from skysift.data.irf.spectra import Spectrum, crab_power_law
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.field_fits import MASKED_RADIUS
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult, SearchSettings, SkySearch
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
)
from skysift.preprocess.sky_field import FieldProfile
from skysift.tasks.gamma_sky.options import CENTRES, CLASSICAL, NETWORK, PUBLISHED
from skysift.tasks.gamma_sky.smoothed import SmoothedMaximum

if TYPE_CHECKING:
    from skysift.models.sky.baseline.search import PublishedSearch

__all__ = [
    "CLASSICAL",
    "NETWORK_POWERS",
    "FieldSetup",
    "Method",
    "SearchMethod",
    "make_method",
]

NETWORK_POWERS = 2
"""Radial terms of the smooth background that the shipped network was trained to correct."""

FloatArray = NDArray[np.float64]

_OFFSETS = np.arange(0.0, 3.01, 0.25)
_RADII = np.arange(0.0, 0.9, 0.004)
_REFERENCE_FLUX, _REFERENCE_TIME = 0.1, 100.0  # Crab and s: at the threshold of a search
_HIDDEN_SHARE = 0.25  # of the radius of a narrow field


class Method(Protocol):
    """Anything that finds sources on a map."""

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search raw counts[band, y, x]; photons allow a fit without binning."""
        ...


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
        seen = photons if whole else _within(photons, self.bands)
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
        self, trials: TrialsTable, settings: SearchSettings, *, powers: int = 4
    ) -> SkySearch:
        """Return the search by the likelihood ratio, on a background of some radial terms."""
        setup = self.setup
        x, y = field_coordinates(setup.grid, setup.pointing)
        template = self.background * setup.livetime
        shape_unknown = FROM_THE_MAP if setup.reach is None else FROM_A_NARROW_MAP
        prior = FROM_THE_RESPONSE if self.own_background else shape_unknown
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
            BackgroundModel(template, x, y, replace(prior, powers=powers), reach=setup.reach),
            pointing=(float(xi), float(eta)),
            reference_counts=np.maximum(template[:, ring].mean(axis=1), 1e-9),
            reference_flux=flux * setup.livetime,
            trials=trials,
            settings=settings,
        )


def make_method(
    name: str,
    setup: FieldSetup,
    trials: TrialsTable,
    settings: SearchSettings | None = None,
    *,
    networks: Path | None = None,
    device: str = "cpu",
) -> Method:
    """Return a method, ready for maps of one field.

    Parameters
    ----------
    name : str
        One of `CLASSICAL`, one of `PUBLISHED`, or `NETWORK` or `CENTRES`, which bring their own
        calibrations.
    setup : FieldSetup
        The field.
    trials : TrialsTable
        Calibration of the false alarms.
    settings : SearchSettings, optional
        How to search.
    networks : Path, optional
        Bundle of networks for a method that asks some; the one that ships if left out.
    device : {"cpu", "cuda"}
        Where networks run.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    BundleError
        If the bundle does not hold the networks that the method asks, or not their calibration.
    UsageError
        If the networks are made for another grid or other energies.
    InputError
        If the response sees nothing in the bands.
    """
    known = (*CLASSICAL, NETWORK, CENTRES, *PUBLISHED)
    if name not in known:
        raise UnknownNameError("method", name, known)
    if name == "smoothed-maximum":
        return SmoothedMaximum(setup)
    chosen = replace(
        settings or SearchSettings(),
        fit=not name.endswith("-peak"),
        psf_known=setup.response is not None,
    )
    folded = setup.folded()
    if name in (NETWORK, CENTRES):
        return _asking_the_network(name, setup, chosen, networks, device)
    if name in PUBLISHED:  # few need them, and their runtime is slow to import
        from skysift.models.sky.baseline.search import PublishedSearch  # noqa: PLC0415
        from skysift.tasks.gamma_sky.baseline.loading import load_published  # noqa: PLC0415

        folder = networks or bundle_folder("gamma-sky", "cnn")
        published = load_published(folder, device=device).networks
        place: Literal["regressor", "cleaner"] = (
            "regressor" if name == "cnn-regressor" else "cleaner"
        )
        search = PublishedSearch(folded.search(trials, chosen), published, place=place)
        return _Published(search, folded.bands)
    if name.startswith("matched-filter"):
        return _OneBand(folded.in_one_band().search(trials, chosen), folded.bands)
    return _Bands(folded.search(trials, chosen), folded.bands)


def _asking_the_network(
    name: str, setup: FieldSetup, settings: SearchSettings, networks: Path | None, device: str
) -> "_Bands":
    # What trains them uses the methods of this module, hence imports it.
    from skysift.models.sky.network.centres import CentreSearch  # noqa: PLC0415
    from skysift.models.sky.network.search import NetworkSearch  # noqa: PLC0415
    from skysift.tasks.gamma_sky.network_bundle import load_network_bundle  # noqa: PLC0415

    bundle = load_network_bundle(networks or bundle_folder("gamma-sky", NETWORK), device=device)
    trials, kind = bundle.trials, NetworkSearch
    if name == CENTRES:
        if bundle.centre_trials is None:
            raise BundleError(
                "The centres that this network names are not calibrated.",
                "Train it again, or search with --method network.",
                path=bundle.bundle.folder,
            )
        trials, kind = bundle.centre_trials, CentreSearch
    folded = setup.folded()
    classical = folded.search(trials, settings, powers=NETWORK_POWERS)
    return _Bands(kind(classical, bundle.network, livetime=setup.livetime), folded.bands)


class SearchMethod(Protocol):
    """A method that is a search of some of the bands of a map, or of their sum."""

    @property
    def search(self) -> SkySearch:
        """What searches."""
        ...

    def with_search(self, search: SkySearch) -> "SearchMethod":
        """Return the same with something else that searches."""
        ...

    def counts_of(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the counts that are searched."""
        ...

    def photons_of(self, photons: Photons | None) -> Photons | None:
        """Return the photons that are searched."""
        ...

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search raw counts[band, y, x] of all bands."""
        ...


@dataclass(frozen=True)
class _Bands:
    """A search of some of the bands of a map."""

    search: SkySearch
    bands: slice

    def with_search(self, search: SkySearch) -> "_Bands":
        return replace(self, search=search)

    def counts_of(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        return counts[self.bands]

    def photons_of(self, photons: Photons | None) -> Photons | None:
        return None if photons is None else _within(photons, self.bands)

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        return self.search(self.counts_of(counts), self.photons_of(photons))


@dataclass(frozen=True)
class _OneBand(_Bands):
    """A search of the sum of some of the bands of a map."""

    def counts_of(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(counts[self.bands].sum(axis=0, keepdims=True))

    def photons_of(self, photons: Photons | None) -> Photons | None:
        if photons is None:
            return None
        chosen = _within(photons, self.bands)
        return replace(chosen, band=np.zeros(len(chosen), dtype=np.int64))


@dataclass(frozen=True)
class _Published:
    """Published networks on some of the bands of a map."""

    published: "PublishedSearch"
    bands: slice

    @property
    def search(self) -> SkySearch:
        """The search that counts are measured with."""
        return self.published.search

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        seen = None if photons is None else _within(photons, self.bands)
        return self.published(counts[self.bands], seen)


def _within(photons: Photons, bands: slice) -> Photons:
    chosen = np.flatnonzero((photons.band >= bands.start) & (photons.band < bands.stop))
    return Photons(
        photons.xi[chosen],
        photons.eta[chosen],
        photons.band[chosen] - bands.start,
        photons.weight[chosen],
    )


def _up_to(reach: float, settings: SearchSettings) -> SearchSettings:
    """Return settings for a field that ends within the map.

    What a background that falls steeply is in a hole, its rim does not tell: holes are kept small.
    """
    hidden = max(MASKED_RADIUS, _HIDDEN_SHARE * reach)
    return replace(settings, radius=min(settings.radius, reach), hidden=hidden)


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
