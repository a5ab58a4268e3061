"""Active regions at times: what an image shows about each, what its past tells, its labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import ContractError, ReadError, SkysiftError
from skysift.data.contract import Checked, Finding, Verdict
from skysift.data.flags import flag_names
from skysift.data.solar.flags import SolarFlag
from skysift.data.solar.readers import read_solar_image
from skysift.data.solar.solar_image import Disk, ImageKind, SolarImage
from skysift.data.table import FeatureTable
from skysift.models.flare_history import HISTORY_COLUMNS
from skysift.tasks.flare.image_features import (
    CUTOUT_SIDE,
    DISK_QUANTILES,
    Cutouts,
    assumed_disk,
    cut_regions,
    measure_cutouts,
)
from skysift.tasks.flare.options import ReadOptions
from skysift.tasks.flare.past import impossible_past
from skysift.tasks.flare.places import completed, places_of
from skysift.tasks.flare.region_tables import (
    find_images,
    number,
    read_region_table,
    text,
    times,
)

__all__ = [
    "FARTHEST",
    "LEVELS",
    "REASONS",
    "SEEN_KINDS",
    "Regions",
    "flags_against",
    "iter_regions",
    "read_labelled",
    "regions_of",
]

LEVELS: Final = {"C": 1e-6, "M": 1e-5}
"""GOES classes that are forecast, by their least flux [W / m2]."""

REASONS: Final = {
    "no-image": "No image of that name was given or found",
    "unreadable-image": "The image cannot be read",
    "no-disk": "No solar limb was found in the image; the disk is where browse images have it",
    "not-euv": "The image is not in EUV, which the models of regions were trained on",
    "not-a-picture": "The image is no picture of 8 bits on the display scale, whose levels the "
    "models of regions know",
    "no-position": "The row has neither x and y nor lon and lat, or they lie off the image",
    "off-disk": "The place lies beyond the limb",
}
SEEN_KINDS: Final = frozenset({ImageKind.EUV, ImageKind.UNKNOWN})
"""What the models of regions look at; a picture that does not tell its kind is taken for EUV."""

FARTHEST = 70.0
"""Longitude up to which forecasts are judged [deg]: nearer the limb, little is seen."""

_TWO_PLACES = "two-places"
_NOTED = ("no-disk", "off-disk")  # not a reason to reject what is trained on
_AS_TRAINED = (
    SolarFlag.TIME_FROM_NAME
    | SolarFlag.FITTED_LIMB
    | SolarFlag.ASSUMED_OBSERVER
    | SolarFlag.DISPLAY_SCALE
    | SolarFlag.COLOUR
    | SolarFlag.TEXT_MASKED
)
"""What every browse picture has, those trained on among them."""
_TRAINED_WAVELENGTH = 211.0
_AT_THE_LIMB = 1.03  # radius: places and limbs in EUV are off by a degree or a few pixels
_ALMOST = 1.0 - 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions with what is seen of them.

    Parameters
    ----------
    table : FeatureTable
        A row for each region and image, with the columns that were given.
    cutouts : Cutouts
        What is seen about each; NaN where there is none.
    codes : array of str, shape (n,)
        Codes of `REASONS` for rows in trouble, empty for the others.
    name : str
        Of the data.
    image_flags : array of str, shape (n,), optional
        What its reader and this task say against the image of each row, joined by commas.
    """

    table: FeatureTable
    cutouts: Cutouts
    codes: NDArray[np.str_]
    name: str = "regions"
    image_flags: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def image_features(self) -> Floats:
        """Features of the images, shape (n, n_features); NaN where nothing is seen."""
        return measure_cutouts(self.cutouts)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Tell which rows have an image, shape (n,)."""
        return np.isin(self.codes, ("", *_NOTED))

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """Tell which rows are forecast: those on a disk that was found, shape (n,)."""
        return np.asarray(self.codes == "")

    @property
    def flags_of_images(self) -> NDArray[np.str_]:
        """What is said against the image of each row, joined by commas, shape (n,)."""
        if self.image_flags is None:
            return np.full(len(self), "", dtype=np.str_)
        return self.image_flags

    @property
    def history(self) -> dict[str, NDArray[np.generic]]:
        """What the past tells, by the columns of `HISTORY_COLUMNS`; NaN and empty where unknown."""
        return {
            name: (text if name in {"mcintosh", "hale"} else number)(self.table, name)
            for name in HISTORY_COLUMNS
        }

    @property
    def has_history(self) -> NDArray[np.bool_]:
        """Tell which rows have every history column, and none impossible, shape (n,)."""
        known = ~self.has_impossible_history
        for values in self.history.values():
            known &= values != "" if values.dtype.kind == "U" else np.isfinite(values)
        return known

    @property
    def has_impossible_history(self) -> NDArray[np.bool_]:
        """Tell which rows have a past that cannot be, shape (n,); see :mod:`.past`."""
        return impossible_past(self.history)

    @property
    def has_spots(self) -> NDArray[np.bool_]:
        """Tell which rows have sunspots and are no more than 70 degrees away, shape (n,).

        What the table does not tell speaks against no row.
        """
        section, longitude = text(self.table, "section"), number(self.table, "lon")
        return np.isin(section, ("", "I")) & ~(np.abs(longitude) > FARTHEST)

    @property
    def time(self) -> NDArray[np.datetime64]:
        """UTC of the image, shape (n,); NaT where unknown."""
        return times(self.table)

    @property
    def noaa(self) -> NDArray[np.int64]:
        """Numbers of the regions, shape (n,); 0 where unknown."""
        return np.nan_to_num(number(self.table, "noaa")).astype(np.int64)

    def flux(self, window: str) -> Floats:
        """Return the strongest flux in a window, e.g. ``24h`` or ``prev24h`` [W / m2]."""
        return number(self.table, f"maxflux_{window}")

    def flared(self, level: str, hours: int = 24) -> NDArray[np.bool_]:
        """Tell which regions had a flare of a class or stronger, shape (n,)."""
        return np.asarray(self.flux(f"{hours}h") >= LEVELS[level] * _ALMOST)

    @property
    def checked(self) -> Checked:
        """What became of every row."""
        findings = tuple(
            Finding(
                code,
                Verdict.NOTED if code in _NOTED else Verdict.REJECTED,
                message,
                np.flatnonzero(self.codes == code),
            )
            for code, message in REASONS.items()
            if (self.codes == code).any()
        )
        return Checked(self.table, self.usable, findings)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Regions":
        """Return some of the regions; what was measured is not measured again."""
        some = Regions(
            self.table.take(rows),
            self.cutouts.take(rows),
            self.codes[rows],
            self.name,
            self.flags_of_images[rows],
        )
        if "image_features" in self.__dict__:
            some.__dict__["image_features"] = self.image_features[rows]
        return some

    @classmethod
    def join(cls, parts: Sequence["Regions"], table: FeatureTable, name: str) -> "Regions":
        """Return the regions of several images as one, rows as in the table that they are of."""
        return cls(
            table,
            Cutouts.join([one.cutouts for one in parts]),
            np.concatenate([one.codes for one in parts]) if parts else np.empty(0, dtype=np.str_),
            name,
            np.concatenate([one.flags_of_images for one in parts]) if parts else None,
        )


def iter_regions(
    table: FeatureTable, images: Mapping[str, Path], name: str = "regions"
) -> Iterator[Regions]:
    """Yield the regions of one image after the other, in the order of the table.

    Parameters
    ----------
    table : FeatureTable
        Regions; rows of one image that follow one another are read together.
    images : mapping of str to Path
        Where the images lie, by what the column ``file`` calls them.
    name : str
        Of the data.
    """
    files = text(table, "file")
    borders = np.flatnonzero(files[1:] != files[:-1]) + 1
    for start, stop in pairwise([0, *borders, len(files)] if len(files) else []):
        rows = table.take(np.arange(start, stop))
        path = images.get(str(files[start]))
        if path is None:
            yield _without_image(rows, "no-image", name)
            continue
        try:
            image = read_solar_image(path, kind=None)
        except ReadError:
            yield _without_image(rows, "unreadable-image", name)
            continue
        yield regions_of(image, rows, name)


def regions_of(image: SolarImage, rows: FeatureTable, name: str) -> Regions:
    """Return the regions on one image that has been read."""
    said = _said_of(image, len(rows))
    if image.kind not in SEEN_KINDS:
        return _without_image(rows, "not-euv", name, said)
    if SolarFlag.DISPLAY_SCALE not in image.flags:
        return _without_image(rows, "not-a-picture", name, said)
    codes = np.full(len(rows), "", dtype="U20")
    if image.frame is None:
        image = replace(image, frame=assumed_disk(image))
        codes[:] = "no-disk"
    x, y, apart = places_of(image, rows)
    if apart.any():
        both = [",".join(filter(None, (one, _TWO_PLACES))) for one in said.tolist()]
        said = np.where(apart, both, said)
    ny, nx = image.shape
    inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny)  # False for NaN
    codes[inside & (codes == "") & _off_disk(image, x, y)] = "off-disk"
    codes[~inside] = "no-position"
    try:
        seen = cut_regions(image, np.where(inside, x, 0.0), np.where(inside, y, 0.0))
    except SkysiftError:  # e.g. a map instead of the disk
        return _without_image(rows, "unreadable-image", name, said)
    seen.pixels[~inside] = np.nan
    return Regions(completed(rows, image, x, y), seen, codes, name, said)


def flags_against(image: SolarImage) -> list[str]:
    """Return what an image has that the pictures trained on have not."""
    flags = flag_names(image.flags & ~_AS_TRAINED)
    if image.kind is ImageKind.EUV and image.wavelength != _TRAINED_WAVELENGTH:
        flags.append("other-channel")
    return flags


def _said_of(image: SolarImage, n: int) -> NDArray[np.str_]:
    """Return the flags of an image for each of n regions on it."""
    return np.full(n, ",".join(flags_against(image)))


def _off_disk(image: SolarImage, x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Tell which places lie beyond the limb, shape (n,); none of a map."""
    if not isinstance(image.frame, Disk):
        return np.zeros(len(x), dtype=bool)
    return np.asarray(np.hypot(*image.frame.offsets(x, y)) > _AT_THE_LIMB)


def read_labelled(paths: Sequence[Path], options: ReadOptions) -> Regions:
    """Read labelled regions and their images into memory.

    Parameters
    ----------
    paths : sequence of Path
        Tables of regions with ``maxflux_24h``, ``maxflux_48h`` and ``maxflux_prev24h``.
    options : ReadOptions
        Which rows, and where the images are.

    Raises
    ------
    ContractError
        If a table has no labels, or none of its rows fit the options.
    """
    parts = []
    for path in paths:
        table = read_region_table(path)
        if "maxflux_24h" not in table:
            raise ContractError(
                "The table has no labels.",
                "Give maxflux_24h and maxflux_48h [W / m2]: the strongest flare of the region in "
                "the hours after; 0 for none.",
                path=path,
            )
        table = table.take(_chosen(table, options))
        if not len(table):
            raise ContractError(
                "No row is of the sections, longitudes and times that were asked for.",
                "See --sections, --farthest, --since and --until.",
                path=path,
            )
        folder = Path(options.images) if options.images else path.parent
        images = find_images(text(table, "file"), folder)
        parts.append(Regions.join(list(iter_regions(table, images)), table, path.stem))
    if len(parts) == 1:
        return parts[0]
    return Regions.join(parts, _stacked([one.table for one in parts]), _names(parts))


def _chosen(table: FeatureTable, options: ReadOptions) -> NDArray[np.bool_]:
    chosen = np.isfinite(number(table, "maxflux_24h"))
    if "section" in table:
        chosen &= np.isin(text(table, "section"), options.sections)
    if "lon" in table:
        chosen &= np.abs(number(table, "lon")) <= options.farthest
    time = times(table)
    if options.since is not None:
        chosen &= time >= np.datetime64(options.since)
    if options.until is not None:
        chosen &= time < np.datetime64(options.until)
    return np.asarray(chosen)


def _without_image(
    rows: FeatureTable, code: str, name: str, said: NDArray[np.str_] | None = None
) -> Regions:
    n = len(rows)
    nothing = Cutouts(
        np.full((n, CUTOUT_SIDE, CUTOUT_SIDE), np.nan, dtype=np.float32),
        np.full((n, len(DISK_QUANTILES)), np.nan),
        np.full(n, np.nan),
    )
    return Regions(rows, nothing, np.full(n, code, dtype="U20"), name, said)


def _stacked(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Join tables by the columns that all of them have."""
    names = [name for name in tables[0].columns if all(name in one for one in tables)]
    return FeatureTable.from_columns(
        {name: np.concatenate([one[name] for one in tables]) for name in names}
    )


def _names(parts: Sequence[Regions]) -> str:
    return " + ".join(one.name for one in parts)
