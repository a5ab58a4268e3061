"""Select stars and galaxies of a catalogue by cuts, with the number that each cut removed.

The defaults are the cuts of Goumiri et al. 2021 (arXiv:2105.01106) on a sweep of the DESI Legacy
Imaging Surveys (Dey et al. 2019, AJ 157, 168), whose column names are the defaults, too. Fluxes are
in nanomaggies: magnitude = 22.5 - 2.5 log10(flux).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.spatial import cKDTree

from skysift.core.config import Config
from skysift.core.errors import ContractError
from skysift.core.suggest import did_you_mean
from skysift.data.angles import degrees_of
from skysift.data.images.object_names import ObjectNames, names_of, numbered
from skysift.data.images.sphere import chord_of, unit_vectors
from skysift.data.table import FeatureTable

__all__ = ["CatalogueCuts", "CutCount", "Selection", "SkyRegion", "select_objects"]

Mask = NDArray[np.bool_]

_NANOMAGGY_ZERO_POINT = 22.5
_FULL_CIRCLE = 360.0


class SkyRegion(Config):
    """A box in right ascension and declination; it may cross 0 h.

    Parameters
    ----------
    ra_min, ra_max : float [deg]
        From west to east; 350 to 10 is a box of 20 degrees.
    dec_min, dec_max : float [deg]
        From south to north.
    """

    ra_min: float = 0.0
    ra_max: float = 360.0
    dec_min: Annotated[float, Field(ge=-90, le=90)] = -90.0
    dec_max: Annotated[float, Field(ge=-90, le=90)] = 90.0


class CatalogueCuts(Config):
    """Which objects to keep, and what is a star or a galaxy among them.

    Parameters
    ----------
    region : SkyRegion, optional
        Where they lie.
    magnitude_max : mapping of str to float
        Faintest magnitude of each band; the flux must be positive in all bands named. No other
        band is cut: one that is named takes the place of all the defaults.
    fracflux_max : float, optional
        Largest part of the flux of an object that comes from its neighbours, in each band;
        infinite for no such cut, where a catalogue does not say.
    isolation : float
        Distance to the next kept object, at least [arcsec]; 0 for no such cut.
    star_types, galaxy_types : tuple of str
        Morphological types of the catalogue; objects of other types are left out.
    per_class : int, optional
        Most objects of each class, drawn at random.
    ra, dec, type, identifier : str
        Columns, in any case of letters. Positions are converted from the unit that they state, and
        in degrees without one. Objects are numbered if there is no identifier.
    flux, fracflux : str
        Columns of each band, ``{band}`` standing for its name.
    transmission : str, optional
        Column of the transmission of the Galaxy; fluxes are divided by it if given.
    magnitude : str, optional
        Columns of magnitudes, where a catalogue has these in place of fluxes.
    """

    region: SkyRegion | None = None
    magnitude_max: dict[str, float] = Field(
        default_factory=lambda: {"g": 20.5, "r": 20.0, "z": 19.0}
    )
    fracflux_max: Annotated[float, Field(ge=0)] | None = 0.1
    isolation: Annotated[float, Field(ge=0)] = 20 * sqrt(2)
    star_types: tuple[str, ...] = ("PSF",)
    galaxy_types: tuple[str, ...] = ("REX", "DEV", "EXP", "SER")
    per_class: Annotated[int, Field(ge=1)] | None = None
    ra: str = "RA"
    dec: str = "DEC"
    type: str = "TYPE"
    identifier: str | None = None
    flux: str = "FLUX_{band}"
    fracflux: str = "FRACFLUX_{band}"
    transmission: str | None = None
    magnitude: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_types(cls, given: object) -> object:
        if isinstance(given, Mapping) and "types" in given:
            # The nearest key, type, is the column that they stand in.
            raise ValueError("there is no cut 'types': give star_types or galaxy_types, or both")
        return given


@dataclass(frozen=True, slots=True)
class CutCount:
    """What one cut did.

    Parameters
    ----------
    name : str
        The cut in words.
    before, removed : int
        Objects that came to it, and those of them that it took away.
    """

    name: str
    before: int
    removed: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects that are left.

    Parameters
    ----------
    table : FeatureTable
        Their rows, with the columns ``ra``, ``dec`` [deg], ``identifier``, ``is_galaxy``,
        ``label`` (star or galaxy) and ``catalogue_row`` added.
    cuts : tuple of CutCount
        What each cut removed, in order.
    name_column : str, optional
        Column of the identifiers; None if there is none, and objects are called by their row.
    unnamed : int
        Objects without an identifier in it, which are called ``row-`` and their row.
    """

    table: FeatureTable
    cuts: tuple[CutCount, ...]
    name_column: str | None = None
    unnamed: int = 0

    def summary(self) -> str:
        """Return the counts as text, a line for each cut.

        Examples
        --------
        >>> empty = FeatureTable.from_columns({"is_galaxy": np.zeros(0, dtype=bool)})
        >>> print(Selection(empty, (CutCount("r < 20", 10, 10),)).summary())
        r < 20: 10 of 10 removed, 0 left
        0 stars and 0 galaxies
        """
        lines = [
            f"{cut.name}: {cut.removed:,} of {cut.before:,} removed, "
            f"{cut.before - cut.removed:,} left"
            for cut in self.cuts
        ]
        return "\n".join([*lines, self.classes()])

    def classes(self) -> str:
        """Return how many objects of each class are left, as text."""
        galaxies = int(np.sum(self.table["is_galaxy"])) if len(self.table) else 0
        return f"{len(self.table) - galaxies:,} stars and {galaxies:,} galaxies"


def select_objects(
    table: FeatureTable, cuts: CatalogueCuts, *, rng: np.random.Generator
) -> Selection:
    """Apply cuts to a catalogue, in the order of the original.

    Parameters
    ----------
    table : FeatureTable
        The catalogue; :func:`skysift.data.io.read_table` reads FITS, Parquet, ECSV, VOTable, CSV.
    cuts : CatalogueCuts
        The cuts.
    rng : numpy.random.Generator
        Draws the objects of each class.

    Raises
    ------
    ContractError
        If a column is missing.
    """
    catalogue = _Catalogue(table, cuts)
    counts: list[CutCount] = []
    rows = np.arange(len(table))

    def keep(name: str, mask: Mask) -> None:
        nonlocal rows
        counts.append(CutCount(name, len(rows), int((~mask).sum())))
        rows = rows[mask]

    keep("position on the sky", catalogue.on_sky()[rows])
    if cuts.region is not None:
        keep("region", catalogue.within(cuts.region)[rows])
    for band, limit in cuts.magnitude_max.items():
        magnitude = catalogue.magnitude(band)
        known = "flux in {} > 0" if cuts.magnitude is None else "magnitude in {} known"
        keep(known.format(band), np.isfinite(magnitude)[rows])
        keep(f"{band} < {limit:g}", magnitude[rows] < limit)
    if cuts.fracflux_max is not None and isfinite(cuts.fracflux_max):
        for band in cuts.magnitude_max:
            part = catalogue.column("fracflux", band)[rows]
            keep(
                f"0 <= {cuts.fracflux.format(band=band)} <= {cuts.fracflux_max:g}",
                (part >= 0) & (part <= cuts.fracflux_max),
            )
    is_star, is_galaxy = catalogue.of_types(cuts.star_types), catalogue.of_types(cuts.galaxy_types)
    keep("type of a star or a galaxy", (is_star | is_galaxy)[rows])
    if cuts.isolation > 0:
        apart = _isolated(catalogue.ra[rows], catalogue.dec[rows], cuts.isolation)
        keep(f'no kept object within {cuts.isolation:.4g}"', apart)
    if cuts.per_class is not None:
        keep(
            f"{cuts.per_class:,} of each class at random",
            _drawn(is_galaxy[rows], cuts.per_class, rng),
        )
    names = catalogue.names(rows)
    chosen = catalogue.chosen(rows, is_galaxy, names.texts)
    return Selection(chosen, tuple(counts), names.column, names.unnamed)


class _Catalogue:
    """A catalogue with the columns that the cuts name."""

    def __init__(self, table: FeatureTable, cuts: CatalogueCuts) -> None:
        self._table = table
        self._cuts = cuts
        self._names = {name.lower(): name for name in reversed(table.columns)}
        self.ra = degrees_of(table, self._known("ra"))
        self.dec = degrees_of(table, self._known("dec"))

    def _known(self, key: str, band: str = "") -> str:
        """Return the column that a key of the cuts names, in any case of letters."""
        template = str(getattr(self._cuts, key))
        name = template.format(band=band)
        if name in self._table:
            return name
        if name.lower() in self._names:
            return self._names[name.lower()]
        others = {template.format(band=other).lower() for other in self._cuts.magnitude_max}
        free = [column for column in self._table.columns if column.lower() not in others]
        without = ", or fracflux_max = inf for no such cut" if key == "fracflux" else ""
        raise ContractError(
            f"The catalogue has no column '{name}'.",
            f"{did_you_mean(name, free)}Name yours as {key} in the cuts{without}.",
            path=self._table.meta.get("path"),
        )

    def column(self, key: str, band: str = "") -> NDArray[np.float64]:
        """Return the numbers of the column that a key of the cuts names."""
        return np.asarray(self._table[self._known(key, band)], dtype=np.float64)

    def on_sky(self) -> Mask:
        return np.asarray(np.isfinite(self.ra) & (np.abs(self.dec) <= 90))  # noqa: PLR2004 - pole

    def within(self, region: SkyRegion) -> Mask:
        width = region.ra_max - region.ra_min
        if not 0 <= width <= _FULL_CIRCLE:
            width %= _FULL_CIRCLE
        east = (self.ra - region.ra_min) % _FULL_CIRCLE <= width
        return np.asarray(east & (self.dec >= region.dec_min) & (self.dec <= region.dec_max))

    def magnitude(self, band: str) -> NDArray[np.float64]:
        """Return magnitudes, NaN where the flux is not positive."""
        if self._cuts.magnitude is not None:
            return self.column("magnitude", band)
        flux = self.column("flux", band)
        if self._cuts.transmission is not None:
            flux = flux / self.column("transmission", band)
        positive = np.where(flux > 0, flux, np.nan)
        return np.asarray(_NANOMAGGY_ZERO_POINT - 2.5 * np.log10(positive))

    def of_types(self, types: Sequence[str]) -> Mask:
        stated = self._table[self._known("type")]
        kinds, which = np.unique([str(kind) for kind in stated], return_inverse=True)
        fits = np.array([kind.strip() in types for kind in kinds], dtype=bool)
        return np.asarray(fits[which]) if len(which) else np.zeros(0, dtype=bool)

    def names(self, rows: NDArray[np.int64]) -> ObjectNames:
        if self._cuts.identifier is None:
            return numbered(rows)
        column = self._known("identifier")
        return names_of(self._table.select([column]).take(rows), column, rows)

    def chosen(
        self, rows: NDArray[np.int64], is_galaxy: Mask, names: NDArray[np.str_]
    ) -> FeatureTable:
        return self._table.take(rows).with_columns(
            {
                "identifier": names,
                "ra": self.ra[rows],
                "dec": self.dec[rows],
                "is_galaxy": is_galaxy[rows],
                "label": np.where(is_galaxy[rows], "galaxy", "star"),
                "catalogue_row": rows,
            },
            units={"ra": "deg", "dec": "deg"},
        )


def _isolated(ra: NDArray[np.float64], dec: NDArray[np.float64], radius: float) -> Mask:
    """Tell which positions have no other within a radius [arcsec]."""
    if not len(ra):
        return np.zeros(0, dtype=bool)
    places = unit_vectors(ra, dec)
    near = cKDTree(places).query_ball_point(places, chord_of(radius), return_length=True)
    return np.asarray(near == 1)


def _drawn(is_galaxy: Mask, most: int, rng: np.random.Generator) -> Mask:
    """Draw as many of each class."""
    kept = np.zeros(len(is_galaxy), dtype=bool)
    for value in (False, True):
        members = np.flatnonzero(is_galaxy == value)
        kept[rng.permutation(members)[:most]] = True
    return kept
