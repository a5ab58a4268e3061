"""gammapy's likelihood fit of a point source: a second opinion on where a source is.

All of the instrument's response and the spectrum at once, on a map (MapDataset and Fit [1]_); the
background of the response is brought to the level that the field has away from the source. Nothing
of it is ours but the types at the door, and nothing of it is fast: seconds for a run.

References
----------
.. [1] Donath et al. 2023, A&A 678, A157, doi:10.1051/0004-6361/202346488
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from skysift.core.extras import import_extra
from skysift.data.sky.event_list import EventList
from skysift.data.sky.gammapy_bridge import events_to_gammapy
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.reference import GammapySearch, ReducedPart, read_response

__all__ = ["PointFit", "gammapy_point_fit"]

_WIDTH, _PIXEL = 4.0, 0.01  # deg
_BANDS = 8
_EXCLUDED = 0.35  # deg about the source, where the level of the background is not measured
_FARTHEST = 2.5  # deg from the pointing
_FARTHEST_FIT = 0.2  # deg in each direction from where the fit begins
_INDEX, _AMPLITUDE = 2.6, "3e-11 cm-2 s-1 TeV-1"  # where the fit begins
_EVERYTHING: tuple[ReducedPart, ...] = ("background", "exposure", "edisp", "psf")


@dataclass(frozen=True, slots=True)
class PointFit:
    """Where gammapy's fit has a source.

    Parameters
    ----------
    ra, dec : float [deg]
        ICRS.
    error : float [deg]
        Standard deviation of a coordinate: root of the mean of both variances.
    converged : bool
        What the fit says of itself.
    """

    ra: float
    dec: float
    error: float
    converged: bool

    def distance(self, ra: float, dec: float) -> float:
        """Return how far it lies from a place [deg]."""
        return float(separation(self.ra, self.dec, ra, dec))


def gammapy_point_fit(
    events: EventList,
    response: str | Path,
    place: tuple[float, float],
    *,
    lowest: float,
    highest: float,
) -> PointFit:
    """Fit a point source with a power law and the level of the background with gammapy.

    Parameters
    ----------
    events : EventList
        The photons of a run.
    response : path-like
        GADF file with the whole response of that run.
    place : (float, float) [deg]
        RA and Dec from which the fit begins, and the middle of its map of 4 deg; it ends within 0.2
        deg of them in each direction.
    lowest, highest : float [TeV]
        Energies.

    Raises
    ------
    MissingExtraError
        If gammapy is not installed.
    ReadError
        If the response cannot be used.
    """
    pixels = round(_WIDTH / _PIXEL)
    grid = TangentGrid(*place, pixels, pixels, _PIXEL)
    edges = energy_bands(lowest, highest, _BANDS)
    reducing = GammapySearch(grid, edges, reduced=_EVERYTHING)
    dataset = reducing.reduce(events, read_response(response, _EVERYTHING))
    dataset.counts.fill_events(events_to_gammapy(events.in_energy(lowest, highest)))
    _keep_near(dataset, events)
    where = SkyCoord(*place, unit="deg", frame="icrs")
    _level_background(dataset, where)
    models = _gammapy("modeling.models")
    spatial = models.PointSpatialModel(lon_0=where.ra, lat_0=where.dec, frame="icrs")
    spectral = models.PowerLawSpectralModel(index=_INDEX, amplitude=_AMPLITUDE, reference="1 TeV")
    source = models.SkyModel(spatial_model=spatial, spectral_model=spectral, name="source")
    dataset.models = [source, models.FoVBackgroundModel(dataset_name=dataset.name)]
    fit = _gammapy("modeling").Fit()
    spatial.freeze()
    fit.run([dataset])  # a place means something once there are counts
    spatial.unfreeze()
    reach = _FARTHEST_FIT / np.cos(where.dec.rad), _FARTHEST_FIT
    for parameter, far in zip((spatial.lon_0, spatial.lat_0), reach, strict=True):
        parameter.min, parameter.max = parameter.value - far, parameter.value + far
    result = fit.run([dataset])
    dec = float(spatial.lat_0.value)
    errors = spatial.lon_0.error * np.cos(np.radians(dec)), spatial.lat_0.error
    error = float(np.sqrt(np.mean(np.square(errors))))
    return PointFit(float(spatial.lon_0.value), dec, error, bool(result.success))


def _keep_near(dataset: Any, events: EventList) -> None:
    """Leave out pixels far from the pointing, where the response is not to be trusted."""
    geometry = dataset.counts.geom
    pointing = SkyCoord(events.pointing.ra, events.pointing.dec, unit="deg")
    near = geometry.separation(pointing) <= _FARTHEST * u.deg
    dataset.mask_safe = _gammapy("maps").Map.from_geom(
        geometry, data=np.broadcast_to(near, geometry.data_shape).copy()
    )


def _level_background(dataset: Any, where: SkyCoord) -> None:
    """Bring the background of the response to the counts away from the source."""
    image = dataset.counts.geom.to_image()
    away = _gammapy("maps").Map.from_geom(
        image, data=np.asarray(image.separation(where) > _EXCLUDED * u.deg)
    )
    maker = _gammapy("makers").FoVBackgroundMaker(method="scale", exclusion_mask=away)
    maker.run(dataset)


def _gammapy(module: str) -> Any:
    return import_extra(f"gammapy.{module}", extra="gamma")
