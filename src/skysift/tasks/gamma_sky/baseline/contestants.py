"""What answers on the published test maps: the networks, and what they are held against.

All see the same photons. A network sees them on the grid of its variant; the rest on the tangent
plane.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.baseline.networks import PublishedNetworks
from skysift.models.sky.baseline.search import place_of_maximum
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.baseline.maps import Grid
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import Observed
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import Method, make_method
from skysift.tasks.gamma_sky.simulation.field import Field

__all__ = [
    "Answer",
    "Answering",
    "Gammapy",
    "Likelihood",
    "Network",
    "Scene",
    "SmoothedMaximum",
    "classical",
]

FloatArray = NDArray[np.float64]

APERTURE = 0.4
"""Radius [deg] about the source in which counts are summed: it holds smoothed ones as well."""

_LOOSE = SearchSettings(false_alarms=0.5, most=1)
_SMOOTHING = 5.0  # pixels
_LOW_PEAK = 3.0
_ZENITH_STEP = 5.0  # deg


@dataclass(frozen=True)
class Scene:
    """A test map with its truth.

    Parameters
    ----------
    field : Field
        What was simulated.
    events : EventList
        Its photons.
    noisy, clean : mapping of grid to array, shape (n_y, n_x)
        Counts, and counts less the expected background.
    labels : mapping of grid to array, shape (2,) [pixel]
        Column and row of the source.
    pixel_size : float [deg]
    """

    field: Field
    events: EventList
    noisy: Mapping[Grid, NDArray[np.float32]]
    clean: Mapping[Grid, NDArray[np.float32]]
    labels: Mapping[Grid, FloatArray]
    pixel_size: float

    @property
    def plane(self) -> TangentGrid:
        """The pixels of the fixed grid."""
        n = len(self.noisy["fixed"])
        pointing = self.field.pointing
        return TangentGrid(pointing.ra, pointing.dec, n, n, self.pixel_size)

    def offset(self, pixel: tuple[float, float], grid: Grid) -> tuple[float, float]:
        """Return how far [deg] a pixel lies from the label, in columns and rows."""
        across, along = (np.asarray(pixel) - self.labels[grid]) * self.pixel_size
        return float(across), float(along)

    def aperture_counts(self, image: NDArray[np.float32], grid: Grid) -> float:
        """Return the sum of an image near the label."""
        column, row = self.labels[grid]
        y, x = np.ogrid[: image.shape[0], : image.shape[1]]
        near = np.hypot(x - column, y - row) * self.pixel_size < APERTURE
        return float(image[near].sum(dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a method sees the source.

    Parameters
    ----------
    across, along : float [deg]
        From the true place, in columns and in rows; NaN without an answer.
    counts : float
        Of the source; NaN where the method does not say.
    peak : float [deg]
        Distance of the top of the cleaned map, for methods that have one.
    """

    across: float
    along: float
    counts: float = float("nan")
    peak: float = float("nan")


class Answering(Protocol):
    """Anything that places the source of a scene."""

    @property
    def grid(self) -> Grid:
        """The pixels that it sees."""
        ...

    def __call__(self, scene: Scene) -> Answer:
        """Return where it sees the source."""
        ...


@dataclass(frozen=True)
class Network:
    """Cleaner and regressor of a variant."""

    networks: PublishedNetworks

    @property
    def grid(self) -> Grid:
        """The pixels of the variant."""
        return self.networks.variant.grid

    def __call__(self, scene: Scene) -> Answer:
        """Clean, locate, and sum the cleaned counts."""
        cleaned = self.networks.clean(scene.noisy[self.grid][None])
        ((x, y),) = self.networks.locate(cleaned).tolist()
        top = scene.offset(place_of_maximum(cleaned[0]), self.grid)
        counts = scene.aperture_counts(cleaned[0], self.grid)
        return Answer(*scene.offset((x, y), self.grid), counts, float(np.hypot(*top)))


@dataclass(frozen=True)
class SmoothedMaximum:
    """The highest pixel of smoothed counts."""

    grid: Grid = "fixed"

    def __call__(self, scene: Scene) -> Answer:
        """Smooth and take the top."""
        smooth = gaussian_filter(scene.noisy[self.grid], _SMOOTHING, mode="constant")
        row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
        return Answer(*scene.offset((float(column), float(row)), self.grid))


@dataclass(frozen=True)
class Likelihood:
    """A search of this package that is told the zenith angle and no response."""

    name: str
    grid: Grid = "fixed"
    _ready: dict[int, tuple[FieldSetup, Method]] = field(default_factory=dict)

    def __call__(self, scene: Scene) -> Answer:
        """Search and take the strongest candidate."""
        setup, method = self._method(scene)
        observed = Observed.of(scene.field, scene.events, setup)
        photons = None if self.name.endswith("-peak") else observed.photons
        candidates = method(observed.counts, photons).candidates
        if not candidates:
            return Answer(np.nan, np.nan)
        best = candidates[0]
        pixel = scene.plane.plane_to_pixel(best.xi, best.eta)
        return Answer(*scene.offset((float(pixel[0]), float(pixel[1])), self.grid), best.excess)

    def _method(self, scene: Scene) -> tuple[FieldSetup, Method]:
        step = round(scene.field.zenith / _ZENITH_STEP)
        if step not in self._ready:
            n = len(scene.noisy["fixed"])
            setup = FieldSetup(
                TangentGrid(0.0, 0.0, n, n, scene.pixel_size),
                Pointing(0.0, 0.0, step * _ZENITH_STEP),
                energy_bands(),
                scene.field.exposure,
            )
            self._ready[step] = setup, make_method(self.name, setup, NO_TRIALS, _LOOSE)
        return self._ready[step]


@dataclass(frozen=True)
class Gammapy:
    """gammapy's excess map and its highest peak, given the true background."""

    grid: Grid = "fixed"

    def __call__(self, scene: Scene) -> Answer:
        """Correlate, find peaks, take the first within the field of view."""
        from gammapy.maps import Map  # noqa: PLC0415 an extra, slow to import

        from skysift.tasks.gamma_sky.reference import GammapySearch  # noqa: PLC0415 likewise

        counts = scene.noisy["fixed"]
        frame = CountsMap(
            counts[None],
            np.array([0.04, 1.0]),
            scene.plane,
            GoodTimeIntervals.of([(0.0, scene.field.exposure)]),
            scene.field.exposure,
            scene.field.pointing,
        )
        search = GammapySearch(frame.grid, frame.energy_edges, threshold=_LOW_PEAK)
        dataset = search.reduce(frame, None)
        background = (counts - scene.clean["fixed"])[None].astype(np.float64)
        dataset.background = Map.from_geom(dataset.counts.geom, data=background)
        candidates, _ = search.search(dataset, frame)
        near = [one for one in candidates if np.hypot(one.xi, one.eta) <= _LOOSE.radius]
        if not near:
            return Answer(np.nan, np.nan)
        x, y = scene.plane.plane_to_pixel(near[0].xi, near[0].eta)
        return Answer(*scene.offset((float(x), float(y)), self.grid))


def classical() -> dict[str, Answering]:
    """Return the methods that the networks are held against; gammapy's where it is installed."""
    methods: dict[str, Answering] = {
        "smoothed maximum, published grid": SmoothedMaximum("data-edges"),
        "smoothed maximum": SmoothedMaximum(),
        "likelihood filter, IRF-free": Likelihood("likelihood-ratio-peak"),
        "refined likelihood, IRF-free": Likelihood("likelihood-ratio"),
    }
    if find_spec("gammapy") is not None:
        methods["gammapy"] = Gammapy()
    return methods
