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

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError, UnknownNameError
from skysift.core.registry import bundle_folder
from skysift.models.sky.local_source import Photons
from skysift.models.sky.search import SearchResult, SearchSettings, SkySearch
from skysift.models.sky.trials import TrialsTable
from skysift.tasks.gamma_sky.field_setup import NETWORK_PRIOR, FieldSetup, photons_within
from skysift.tasks.gamma_sky.options import CENTRES, CLASSICAL, NETWORK, PUBLISHED
from skysift.tasks.gamma_sky.smoothed import SmoothedMaximum

if TYPE_CHECKING:
    from skysift.models.sky.baseline.search import PublishedSearch

__all__ = [
    "CLASSICAL",
    "Method",
    "SearchMethod",
    "make_method",
]


class Method(Protocol):
    """Anything that finds sources on a map."""

    def __call__(self, counts: NDArray[np.float32], photons: Photons | None = None) -> SearchResult:
        """Search raw counts[band, y, x]; photons allow a fit without binning."""
        ...


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
    classical = folded.search(trials, settings, untold=NETWORK_PRIOR)
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
        return None if photons is None else photons_within(photons, self.bands)

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
        chosen = photons_within(photons, self.bands)
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
        seen = None if photons is None else photons_within(photons, self.bands)
        return self.published(counts[self.bands], seen)
