"""Shifts that more than one task is put under, told once."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.stress import Shift
from skysift.data.images.image_set import ImageSet
from skysift.preprocess.images.degrade import blurred, lifted, noisier

__all__ = [
    "at_most",
    "blur_shift",
    "brightness_shift",
    "drawn",
    "level_shift",
    "limb_shift",
    "prior_shift",
    "seeing_shift",
    "sky_shift",
    "unchanged",
]

Floats = NDArray[np.float64]
ImageChange = Callable[[Any, Callable[[ImageSet], ImageSet]], Any]


class Rows(Protocol):
    """Labelled rows that can be taken from."""

    @property
    def split(self) -> str:
        """What the rows are part of."""

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64], split: str, /) -> Self:
        """Return some of the rows."""


RowsT = TypeVar("RowsT", bound=Rows)


def at_most(rows: RowsT, most: int, rng: np.random.Generator) -> RowsT:
    """Return so many of the rows, drawn and in their order, which the split then says; or all."""
    if len(rows) <= most:
        return rows
    return rows.take(drawn(len(rows), most, rng), f"{rows.split}, {most:,} of {len(rows):,}")


def drawn(n: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return so many of n rows, drawn and in their order; or all."""
    if n <= most:
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))


def unchanged(data: Any, _size: float, _rng: np.random.Generator) -> Any:
    """Return the data themselves, where the shift is in how often rows occur."""
    return data


def prior_shift(
    title: str,
    quantity: str,
    shares: Sequence[float],
    reason: str,
    *,
    flags: ArrayLike,
    among: ArrayLike | None = None,
) -> Shift:
    """Return the shift of how often a class occurs: rows get another weight.

    Parameters
    ----------
    title, quantity, reason : str
        As of any shift.
    shares : sequence of float
        Of the class; its own share is added to them, as that which changes nothing, and is alone
        where there is none of the class, or nothing else.
    flags : array_like of bool, shape (n,)
        The rows of the class, of all that are stressed.
    among : array_like of bool, shape (n,), optional
        The rows that are weighed; the weight of the others stays.

    Examples
    --------
    >>> shift = prior_shift("Prior", "share", (0.5,), "", flags=[True, False, False, False])
    >>> shift.sizes, shift.weigh(None, 0.5).round(2).tolist()
    ((0.25, 0.5), [2.0, 0.67, 0.67, 0.67])
    """
    member = np.asarray(flags, dtype=bool)
    counted = np.ones(len(member), bool) if among is None else np.asarray(among, dtype=bool)
    own = float(member[counted].mean())
    told = round(own, 3)

    def weigh(_data: Any, share: float) -> Floats:
        if share == told:
            return np.ones(len(member))
        weight = np.where(member, share / own, (1.0 - share) / (1.0 - own))
        return np.where(counted, weight, 1.0)

    sizes = tuple(sorted({*shares, told})) if 0.0 < own < 1.0 else (told,)
    return Shift("prior", title, quantity, sizes, told, reason, unchanged, weigh)


def brightness_shift(apply: Callable[[Any, float], Any]) -> Shift:
    """Return the shift of how bright pictures of the Sun are; `apply` takes grey levels."""
    return Shift(
        "brightness",
        "Throughput of the instrument",
        "brightness of the picture [grey levels of 255]",
        (-20.0, -10.0, -5.0, 0.0, 5.0, 10.0),
        0.0,
        "The calibration of the channels of AIA is known to 25 %, and one of them lost almost two "
        "thirds of its throughput in 16 months (Boerner et al. 2014, Sol. Phys. 289, 2377). If a "
        "picture shows 2.5 decades by logarithm, 10 grey levels are a factor of 1.25.",
        lambda data, size, _rng: apply(data, size),
    )


def blur_shift(apply: Callable[[Any, float], Any]) -> Shift:
    """Return the shift of how sharp pictures of the Sun are; `apply` takes pixels."""
    return Shift(
        "blur",
        "Blur",
        "standard deviation of the blur [pixel]",
        (0.0, 0.5, 1.0, 2.0),
        0.0,
        "A pixel of these pictures is 4.8 arcsec, that of AIA 0.6: what other telescopes or "
        "stronger compression show is blurred by up to some pixels.",
        lambda data, size, _rng: apply(data, size),
    )


def limb_shift(reason: str, weigh: Callable[[Any, float], Floats]) -> Shift:
    """Return the shift towards the limb; `weigh` takes the least distance of what counts [deg]."""
    return Shift(
        "limb",
        "Towards the limb",
        "least distance from the central meridian [deg]",
        (0.0, 15.0, 30.0, 45.0, 60.0),
        0.0,
        f"A region is seen from the side days before and after it crosses the meridian: {reason}",
        unchanged,
        weigh,
    )


def seeing_shift(change: ImageChange, sizes: Sequence[float], reason: str) -> Shift:
    """Return the shift of the seeing; `change` takes data and what becomes of their images."""
    return Shift(
        "seeing",
        "Seeing",
        "new over old seeing",
        tuple(sizes),
        1.0,
        f"{reason} ZTF delivers about 2 arcsec in the median (Bellm et al. 2019, PASP 131, "
        "018002). Images say their new seeing where they said the old.",
        lambda data, size, rng: change(data, lambda images: blurred(images, size, rng)),
    )


def sky_shift(change: ImageChange, sizes: Sequence[float]) -> Shift:
    """Return the shift of how bright the sky is; `change` as for :func:`seeing_shift`."""
    return Shift(
        "sky",
        "Brightness of the sky",
        "new over old sky",
        tuple(sizes),
        1.0,
        "Moonlight brightens the sky by up to some 3 mag in B and 1.2 mag in I (Patat 2003, A&A "
        "400, 1183, with the model of Krisciunas & Schaefer 1991, PASP 103, 1033). Noise grows as "
        "the root.",
        lambda data, size, rng: change(data, lambda images: noisier(images, size, rng)),
    )


def level_shift(change: ImageChange, sizes: Sequence[float], title: str, reason: str) -> Shift:
    """Return the shift of the level of images; `change` as for :func:`seeing_shift`."""
    return Shift(
        "level",
        title,
        "error of the level [noise of a pixel]",
        tuple(sizes),
        0.0,
        reason,
        lambda data, size, _rng: change(data, lambda images: lifted(images, size)),
    )
