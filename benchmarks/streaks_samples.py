"""Stamps that benchmarks/streaks.py tells apart: streaks on real skies, and sources of the sky.

Satellites, glints, cosmic rays, hot pixels, bad subtractions, asteroids and the points beside them
are SIMULATED, on corners of ZTF difference stamps; alerts and cutouts of stars and galaxies are
real. An alert's width of a point is that of its difference image, by its fields `fwhm` and
`seeratio`; cutouts state the seeing of their exposure.
"""

import gzip
import io
import math
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits
from numpy.typing import NDArray

from skysift.data.images.facts import facts_of_ztf
from skysift.models.images.streaks.classifier import class_of
from skysift.models.images.streaks.injection import Injection, StreakKind, Survey, inject
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.stamp import prepare_stamp
from skysift.models.images.streaks.trail import Trail, trail_image

NOMINAL = PointSpread.moffat(fwhm=2.0)  # of an alert that lacks the fields which tell it
SMALL, LARGE = 20, 31
STILL = "simulated-star"
KINDS = {
    StreakKind.ASTEROID: 0.32,
    StreakKind.SATELLITE: 0.20,
    StreakKind.GLINTS: 0.08,
    StreakKind.COSMIC_RAY: 0.11,
    StreakKind.HOT_PIXELS: 0.06,
    StreakKind.DIPOLE: 0.06,
    StreakKind.RING: 0.04,
    StreakKind.EDGE: 0.01,
    STILL: 0.12,
}


@dataclass(frozen=True)
class Sample:
    """One stamp, what it shows, and the object or exposure that it must not be parted from."""

    pixels: NDArray[np.float64]
    label: str
    kind: str
    group: str
    point_spread: PointSpread
    injection: Injection | None = None
    snr: float = math.nan


def alerts(mirror: Path) -> list[dict[str, Any]]:
    """Return the ZTF alert packets."""
    return pq.read_table(mirror / "ztf_alerts" / "ztf_alerts.parquet").to_pylist()


def image(packed: bytes) -> NDArray[np.float64]:
    """Return the pixels of a packed stamp."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZTF writes SIMPLE cards of its own
        with fits.open(io.BytesIO(gzip.decompress(packed))) as units:
            return np.asarray(units[0].data, dtype=np.float64)


def middle(pixels: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return the middle of a stamp, a square."""
    y, x = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[y : y + side, x : x + side]


def injected(
    packets: Sequence[dict[str, Any]], corners: int, rng: np.random.Generator
) -> Iterator[Sample]:
    """Put streaks on the corners of difference stamps, away from the alert's own source."""
    kinds, shares = list(KINDS), list(KINDS.values())
    for packet in packets:
        stamp = image(packet["cutoutDifference"])
        if stamp.shape != (63, 63):
            continue
        for corner in rng.permutation(4)[:corners]:
            y, x = 32 * (corner // 2), 32 * (corner % 2)
            side = LARGE if rng.random() < 0.6 else SMALL
            sky = middle(stamp[y : y + LARGE, x : x + LARGE], side)
            if np.isfinite(sky).mean() < 0.8:
                continue
            # Half the stamps are as ZTF samples its seeing, half as finer pixels would.
            width = 2.0 if rng.random() < 0.5 else float(rng.uniform(2.0, 4.0))
            assumed = PointSpread.moffat(width)
            seeing = PointSpread.moffat(
                width * math.exp(rng.normal(0.0, 0.12)), float(rng.uniform(3.0, 4.5))
            )
            kind = kinds[int(rng.choice(len(kinds), p=shares))]
            if kind == STILL:
                pixels, snr = with_point(sky, seeing, rng)
                yield Sample(pixels, "source", STILL, packet["objectId"], assumed, None, snr)
            else:
                pixels, truth = inject(sky, kind, seeing, Survey.ztf(), rng=rng)
                label, group = class_of(kind), packet["objectId"]
                yield Sample(pixels, label, str(kind), group, assumed, truth, truth.snr)


def with_point(
    sky: NDArray[np.float64], seeing: PointSpread, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Add a point source, near the middle, as bright as streaks are; return how bright."""
    y, x = 0.5 * (np.array(sky.shape) - 1.0) + rng.uniform(-2.0, 2.0, 2)
    point = trail_image(Trail(float(x), float(y), 1.0, 0.0, 0.0), sky.shape, seeing)
    low, high = Survey.ztf().snr
    wanted = math.exp(rng.uniform(math.log(low), math.log(high)))
    factor = wanted * prepare_stamp(sky).noise / math.sqrt(float(np.sum(point**2)))
    return sky + factor * point, wanted


def seeing_of(packet: dict[str, Any]) -> PointSpread:
    """Return what a point looks like in the difference image of an alert."""
    width = facts_of_ztf(packet.get, of_template=False).get("difference_fwhm")
    known = isinstance(width, float) and 0.0 < width < LARGE
    return PointSpread.moffat(width) if known else NOMINAL


def still(packets: Sequence[dict[str, Any]]) -> Iterator[Sample]:
    """Give the alerts' own sources, which are points."""
    for packet in packets:
        stamp = middle(image(packet["cutoutDifference"]), LARGE)
        seeing = seeing_of(packet)
        if packet["label_solar_system"]:
            yield Sample(stamp, "source", "solar-system", packet["objectId"], seeing)
        elif packet["drb"] is not None and packet["drb"] < 0.5:
            yield Sample(stamp, "artefact", "bogus", packet["objectId"], seeing)
        else:
            yield Sample(stamp, "source", "alert", packet["objectId"], seeing)


def cutouts(mirror: Path, limit: int, rng: np.random.Generator) -> Iterator[Sample]:
    """Give stars and galaxies of science images, with the seeing of their exposure."""
    with tarfile.open(mirror / "ztf" / "cutouts.tar.gz") as archive:
        members = [m for m in archive.getmembers() if m.name.endswith(".fits")]
        chosen = {members[k].name for k in rng.permutation(len(members))[:limit]}
        for member in members:
            if member.name not in chosen:
                continue
            with fits.open(io.BytesIO(archive.extractfile(member).read())) as units:
                header, pixels = units[0].header, np.asarray(units[0].data, dtype=np.float64)
            kind = Path(member.name).name.partition("_")[0]
            seeing = PointSpread.moffat(float(header["SEEING"]))
            yield Sample(pixels, "source", kind, f"{header['OBSMJD']}", seeing)
