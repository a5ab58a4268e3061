"""Random fields: what training and evaluation draw from."""

import numpy as np
from pydantic import Field as Setting

from skysift.core.config import Config
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.tasks.gamma_sky.simulation.field import DeadSector, Field, Source, StarHole

__all__ = ["FieldDistribution", "draw_field"]


class FieldDistribution(Config):
    """How fields are drawn. Pairs are the bounds of a range.

    The pointing is uniform on the whole sky. Sources lie uniformly in the disk of their offsets;
    exposure, flux and night sky are uniform in the logarithm, the cosine of the zenith angle is
    uniform as for a pointing anywhere on the visible sky.
    """

    zenith: tuple[float, float] = Setting((0.0, 60.0), description="zenith angle [deg]")
    nsb: tuple[float, float] = Setting((1.0, 3.0), description="night sky over a dark one")
    exposure: tuple[float, float] = Setting((10.0, 1800.0), description="exposure [s]")
    offset: tuple[float, float] = Setting((0.0, 2.0), description="of a source [deg]")
    flux: tuple[float, float] = Setting((0.02, 3.0), description="[Crab]")
    index: tuple[float, float] = Setting((1.8, 3.5), description="of the power law")
    crab_share: float = Setting(0.3, ge=0, le=1, description="sources with the Crab's spectrum")
    sources: tuple[int, int] = Setting((0, 5), description="number of sources")
    extended_share: float = Setting(0.15, ge=0, le=1, description="sources that are no points")
    extension: tuple[float, float] = Setting((0.05, 0.4), description="of those [deg]")
    background_scale: tuple[float, float] = Setting((0.6, 1.4), description="over the response's")
    gradient: float = Setting(0.1, ge=0, description="largest gradient [deg-1]")
    dead_sector_share: float = Setting(0.15, ge=0, le=1, description="fields with dead sectors")
    star_hole_share: float = Setting(0.15, ge=0, le=1, description="fields with star holes")


def draw_field(rng: np.random.Generator, distribution: FieldDistribution | None = None) -> Field:
    """Draw a field.

    Parameters
    ----------
    rng : numpy.random.Generator
    distribution : FieldDistribution, optional

    Examples
    --------
    >>> field = draw_field(np.random.default_rng(1), FieldDistribution(sources=(2, 2)))
    >>> len(field.sources)
    2
    """
    d = distribution or FieldDistribution()
    cosine = rng.uniform(*np.cos(np.radians(d.zenith[::-1])))
    pointing = Pointing(
        float(rng.uniform(0.0, 360.0)),
        float(np.degrees(np.arcsin(rng.uniform(-1.0, 1.0)))),
        float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))),
    )
    number = int(rng.integers(d.sources[0], d.sources[1] + 1))
    steepness, direction = rng.uniform(0.0, d.gradient), rng.uniform(0.0, 2 * np.pi)
    return Field(
        pointing,
        exposure=_log_uniform(rng, d.exposure),
        sources=tuple(_draw_source(rng, d, pointing) for _ in range(number)),
        nsb=_log_uniform(rng, d.nsb),
        background_scale=float(rng.uniform(*d.background_scale)),
        gradient=(float(steepness * np.sin(direction)), float(steepness * np.cos(direction))),
        dead_sectors=_draw_sectors(rng, d.dead_sector_share),
        star_holes=_draw_holes(rng, d.star_hole_share),
    )


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))


def _draw_source(rng: np.random.Generator, d: FieldDistribution, pointing: Pointing) -> Source:
    offset = np.sqrt(rng.uniform(d.offset[0] ** 2, d.offset[1] ** 2))
    angle = rng.uniform(0.0, 2 * np.pi)
    # On the plane a distance is the tangent of the angle.
    distance = np.degrees(np.tan(np.radians(offset)))
    plane = TangentGrid(pointing.ra, pointing.dec)
    ra, dec = plane.from_plane(distance * np.sin(angle), distance * np.cos(angle))
    like_crab, extended = rng.random() < d.crab_share, rng.random() < d.extended_share
    return Source(
        float(ra),
        float(dec),
        flux=_log_uniform(rng, d.flux),
        index=None if like_crab else float(rng.uniform(*d.index)),
        extension=float(rng.uniform(*d.extension)) if extended else 0.0,
    )


def _draw_sectors(rng: np.random.Generator, share: float) -> tuple[DeadSector, ...]:
    if rng.random() >= share:
        return ()
    return tuple(
        DeadSector(
            angle=float(rng.uniform(0.0, 360.0)),
            width=float(rng.uniform(10.0, 60.0)),
            inner=float(rng.uniform(0.0, 1.5)),
            efficiency=float(rng.uniform(0.0, 0.5)),
        )
        for _ in range(int(rng.integers(1, 3)))
    )


def _draw_holes(rng: np.random.Generator, share: float) -> tuple[StarHole, ...]:
    if rng.random() >= share:
        return ()
    return tuple(
        StarHole(
            x=float(rng.uniform(-2.2, 2.2)),
            y=float(rng.uniform(-2.2, 2.2)),
            radius=float(rng.uniform(0.1, 0.4)),
            efficiency=float(rng.uniform(0.0, 0.5)),
        )
        for _ in range(int(rng.integers(1, 4)))
    )
