"""Instrument responses from files: Data formats for gamma-ray astronomy (GADF) 0.3.

Effective area (AEFF_2D), energy dispersion (EDISP_2D), point-spread function (PSF_3GAUSS,
PSF_KING, PSF_TABLE) and background (BKG_3D, BKG_2D), as the CTA Observatory and H.E.S.S. publish
them [1]_. Between the nodes of a table the same is done as in gammapy [2]_: linear in the logarithm
of energy and in the angle; the background linear in its logarithm; within half a bin beyond the
outermost nodes a table is continued, farther out it is zero.

References
----------
.. [1] https://gamma-astro-data-formats.readthedocs.io/en/v0.3/irfs/
.. [2] Donath et al. 2023, A&A 678, A157, doi:10.1051/0004-6361/202346488
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.core.errors import InputError
from skysift.data.irf.gadf_tables import ResponseTable, response_tables
from skysift.data.irf.lattice import Axis, Lattice
from skysift.data.irf.point_spread import (
    GaussianSum,
    KingProfile,
    PointSpread,
    RadialTable,
    pick_node,
    sample_rows,
)
from skysift.data.irf.response import InstrumentResponse
from skysift.data.sky.gadf_index import ObservationIndex

__all__ = ["GadfResponse"]

FloatArray = NDArray[np.float64]
_RATE = "s-1 TeV-1 deg-2"
_RATE_OF_FILES = "s-1 MeV-1 sr-1"
_DIRECTIONS = 72


@dataclass(frozen=True, slots=True)
class _Dispersion:
    """Energy dispersion: shares of photons below each edge of migration E_reco / E_true."""

    axes: tuple[Axis, Axis]
    cumulative: FloatArray
    edges: FloatArray

    def below(self, energy: FloatArray, offset: float, limit: FloatArray) -> FloatArray:
        """Return the share reconstructed below each limit [TeV], shape (n, n_limits)."""
        energy_axis, offset_axis = self.axes
        row, up, _ = energy_axis.place(energy)
        column, right, _ = offset_axis.place(offset)
        up, right = np.clip(up, 0.0, 1.0), np.clip(right, 0.0, 1.0)
        next_row = np.minimum(row + 1, len(energy_axis.nodes) - 1)
        next_column = np.minimum(column + 1, len(offset_axis.nodes) - 1)
        at_offset = (1 - right) * self.cumulative[:, column] + right * self.cumulative[
            :, next_column
        ]
        profile = (1 - up)[:, None] * at_offset[row] + up[:, None] * at_offset[next_row]
        migration = np.clip(limit[None, :] / energy[:, None], self.edges[0], self.edges[-1])
        place = np.searchsorted(self.edges, migration, side="right") - 1
        place = np.clip(place, 0, len(self.edges) - 2)
        weight = (migration - self.edges[place]) / (self.edges[place + 1] - self.edges[place])
        low = np.take_along_axis(profile, place, axis=1)
        high = np.take_along_axis(profile, place + 1, axis=1)
        return np.asarray(low + weight * (high - low))

    def sample(self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Return a migration for each photon."""
        node = pick_node(self.axes, (energy, offset), rng)
        rows = self.cumulative.reshape(-1, self.cumulative.shape[-1])
        return sample_rows(rows, self.edges, node, rng)


class GadfResponse(InstrumentResponse):
    """An instrument response read from a file.

    Parts that the file does not hold raise InputError when they are asked for; only the effective
    area is indispensable.

    Attributes
    ----------
    name : str
        Stem of the file.
    energy_range : tuple of float [TeV]
        True energies of the table of effective area.
    offset_max : float [deg]
        Largest angle of the table of effective area.
    point_like : bool
        Whether a cut in angle from the source is applied to the effective area.
    path : Path
        The file.

    Examples
    --------
    >>> response = GadfResponse.read("irf.fits.gz")                       # doctest: +SKIP
    >>> response.effective_area(1.0, 0.5)                                 # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path,
        area: Lattice,
        dispersion: _Dispersion | None,
        spread: PointSpread | None,
        background: Lattice | None,
        *,
        longitude_sign: float = -1.0,
        point_like: bool = False,
    ) -> None:
        self.path = path
        self.name = path.name.removesuffix(".gz").removesuffix(".fits")
        self.point_like = point_like
        self.energy_range = (area.axes[0].low, area.axes[0].high)
        self.offset_max = area.axes[1].high
        self._area = area
        self._dispersion = dispersion
        self._spread = spread
        self._background = background
        self._longitude_sign = longitude_sign

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the response from a file of its own or from the HDUs beside an event list.

        Parameters
        ----------
        path : path-like
            FITS, compressed with gzip or not.

        Raises
        ------
        ReadError
            If the file is missing, damaged, or no FITS file.
        InputError
            If it holds no effective area, or a table of an unknown kind.
        """
        path = Path(path)
        return cls._from_tables(path, response_tables(path))

    @classmethod
    def of_observation(cls, index: ObservationIndex, obs_id: int) -> Self:
        """Read the response that an index names for an observation, from one file or several.

        Parameters
        ----------
        index : ObservationIndex
            See :func:`skysift.data.sky.gadf_index.open_index`.
        obs_id : int

        Raises
        ------
        UnknownNameError
            If there is no such observation.
        ReadError, InputError
            As `read`.
        """
        tables: dict[str, ResponseTable] = {}
        named: dict[Path, set[str]] = {}
        for place in index.responses(obs_id):
            named.setdefault(place.path, set()).add(place.name.upper())
        for path, names in named.items():
            tables.update(response_tables(path, names))
        main = tables["aeff"].path if "aeff" in tables else index.folder
        return cls._from_tables(main, tables)

    @classmethod
    def _from_tables(cls, path: Path, tables: Mapping[str, ResponseTable]) -> Self:
        if "aeff" not in tables:
            raise InputError(
                "The file holds no effective area (GADF AEFF_2D).",
                "Name the file with the instrument response.",
                path=path,
            )
        area = _read_area(tables["aeff"])
        return cls(
            path,
            area,
            _read_dispersion(tables["edisp"]) if "edisp" in tables else None,
            _read_spread(tables["psf"]) if "psf" in tables else None,
            _read_background(tables["bkg"]) if "bkg" in tables else None,
            longitude_sign=_longitude_sign(tables["bkg"]) if "bkg" in tables else -1.0,
            point_like=tables["aeff"].point_like,
        )

    @property
    def has_background(self) -> bool:
        """Whether the file has a background model."""
        return self._background is not None

    @property
    def has_psf(self) -> bool:
        """Whether the file has a point-spread function."""
        return self._spread is not None

    def effective_area(self, energy: ArrayLike, offset: ArrayLike) -> FloatArray:
        """Return the effective area [m2] at true energy [TeV] and offset [deg], broadcast."""
        return self._area.at(energy, offset)

    def psf(self, energy: ArrayLike, offset: ArrayLike, radius: ArrayLike) -> FloatArray:
        """Return the density [deg-2] of a point source's photons at a radius [deg] from it.

        Raises
        ------
        InputError
            If the file has no point-spread function.
        """
        return self._psf().density(energy, offset, radius)

    def dispersion(self, energy: FloatArray, offset: float, energy_edges: FloatArray) -> FloatArray:
        """Return the probability that a photon of true energy is reconstructed in each band.

        Returns
        -------
        array, shape (n, n_bands)

        Raises
        ------
        InputError
            If the file has no energy dispersion.
        """
        energy = np.atleast_1d(np.asarray(energy, dtype=np.float64))
        edges = np.asarray(energy_edges, dtype=np.float64)
        return np.diff(self._migration().below(energy, offset, edges), axis=1)

    def background(self, energy: ArrayLike, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Return the rate [s-1 TeV-1 deg-2] of background at a reconstructed energy and place.

        Parameters
        ----------
        energy : array_like [TeV]
        x, y : array_like [deg]
            East and north of the pointing. A table that is aligned with the horizon is averaged
            over all directions.

        Raises
        ------
        InputError
            If the file has no background model.
        """
        if self._background is None:
            raise InputError(
                "The instrument response has no background model.",
                "Estimate the background from the data.",
                path=self.path,
            )
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if len(self._background.axes) == 2:  # noqa: PLR2004 energy and offset
            return self._background.at(energy, np.hypot(x, y))
        return self._background.at(energy, self._longitude_sign * x, y)

    def sample_energy(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a reconstructed energy [TeV] for each photon of true energy, shape (n,)."""
        return energy * self._migration().sample(energy, offset, rng)

    def sample_radius(
        self, energy: FloatArray, offset: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Return a distance [deg] from its source for each photon of true energy, shape (n,)."""
        return self._psf().sample(energy, offset, rng)

    def _psf(self) -> PointSpread:
        if self._spread is None:
            raise InputError(
                "The instrument response has no point-spread function.",
                "Use a full-enclosure response.",
                path=self.path,
            )
        return self._spread

    def _migration(self) -> _Dispersion:
        if self._dispersion is None:
            raise InputError(
                "The instrument response has no energy dispersion.",
                "Use a file with EDISP_2D.",
                path=self.path,
            )
        return self._dispersion


def _read_area(table: ResponseTable) -> Lattice:
    energy = table.energy_name()
    values = table.values("EFFAREA", (energy, "THETA"), "m2", "m2")
    return Lattice((table.axis(energy, "TeV"), table.axis("THETA", "deg")), np.nan_to_num(values))


def _read_dispersion(table: ResponseTable) -> _Dispersion:
    energy = table.energy_name()
    density = np.nan_to_num(table.values("MATRIX", (energy, "THETA", "MIGRA"), "", ""))
    lower, upper = table.bounds("MIGRA", "")
    share = np.cumsum(np.maximum(density, 0.0) * (upper - lower), axis=-1)
    total = share[..., -1:]
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    share = np.concatenate([np.zeros((*share.shape[:2], 1)), share], axis=-1)
    axes = (table.axis(energy, "TeV"), table.axis("THETA", "deg"))
    return _Dispersion(axes, share, np.append(lower, upper[-1]))


def _read_spread(table: ResponseTable) -> PointSpread:
    name = table.energy_name()
    axes = (table.axis(name, "TeV"), table.axis("THETA", "deg"))
    if "RPSF" in table.names:
        lower, upper = table.bounds("RAD", "deg")
        radius = Axis.from_bounds(lower, upper, logarithmic=False)
        density = table.values("RPSF", (name, "THETA", "RAD"), "deg-2", "sr-1")
        return RadialTable.from_density((*axes, radius), density, np.append(lower, upper[-1]))
    if {"GAMMA", "SIGMA"} <= set(table.names):
        sigma = table.values("SIGMA", (name, "THETA"), "deg", "deg")
        return KingProfile.from_tables(axes, sigma, table.values("GAMMA", (name, "THETA"), "", ""))
    if "SIGMA_1" not in table.names:
        raise InputError(
            f"The point-spread function is of the kind {table.header.get('HDUCLAS4')}.",
            "Known are PSF_3GAUSS, PSF_KING and PSF_TABLE.",
            path=table.path,
        )
    sigmas, amplitudes = [], []
    for number in (1, 2, 3):
        sigma = table.values(f"SIGMA_{number}", (name, "THETA"), "deg", "deg")
        # Some files write an absent Gaussian as one of no width.
        sigmas.append(Lattice(axes, np.where(sigma == 0, 1.0, np.nan_to_num(sigma, nan=1.0))))
        if number > 1:
            height = table.values(f"AMPL_{number}", (name, "THETA"), "", "")
            amplitudes.append(Lattice(axes, np.nan_to_num(height)))
    return GaussianSum(tuple(sigmas), tuple(amplitudes))


def _read_background(table: ResponseTable) -> Lattice:
    column = "BKG" if "BKG" in table.names else "BGD"
    energy = table.axis("ENERG", "TeV")
    if "THETA" in table.axis_names():
        values = table.values(column, ("ENERG", "THETA"), _RATE, _RATE_OF_FILES)
        axes: tuple[Axis, ...] = (energy, table.axis("THETA", "deg"))
    else:
        order = ("ENERG", "DETY", "DETX") if _is_old(table) else ("ENERG", "DETX", "DETY")
        values = table.values(column, order, _RATE, _RATE_OF_FILES)
        axes = (energy, table.axis("DETX", "deg"), table.axis("DETY", "deg"))
    background = Lattice(axes, np.nan_to_num(values), logarithmic=True)
    return _averaged_about_the_pointing(background) if _alignment(table) == "ALTAZ" else background


def _averaged_about_the_pointing(background: Lattice) -> Lattice:
    """Return the mean over all directions, by energy and offset.

    A table that is aligned with the horizon turns on the sky during a run. How, the response does
    not say; the gradient that every fit of a map leaves free takes up what the mean lacks.
    """
    energy, *plane = background.axes
    width = min(float(np.diff(axis.nodes).min()) for axis in plane)
    reach = max(axis.high for axis in plane)
    edges = np.linspace(0.0, reach, max(round(reach / width), 1) + 1)
    offset = Axis.from_bounds(edges[:-1], edges[1:], logarithmic=False)
    angle = np.linspace(0.0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    x, y = offset.nodes[:, None] * np.cos(angle), offset.nodes[:, None] * np.sin(angle)
    rate = background.at(energy.nodes[:, None, None], x, y).mean(axis=2)
    return Lattice((energy, offset), rate, logarithmic=True)


def _is_old(table: ResponseTable) -> bool:
    """Tell whether energy is the last axis, as in files of H.E.S.S. and of the data challenge.

    Such tables hold latitude before longitude whatever the names of their columns say; gammapy
    reads them so, and the events agree.
    """
    return table.axis_names()[-1] == "ENERG"


def _longitude_sign(table: ResponseTable) -> float:
    """Return the direction of longitude: -1 where it grows to the west, as on the sky.

    Old tables count it to the east although they do not say REVERSE_LON_RADEC: the events of 35
    runs of the H.E.S.S. data release prefer this by a factor of exp(324) in likelihood.
    """
    return 1.0 if _alignment(table) == "REVERSE_LON_RADEC" or _is_old(table) else -1.0


def _alignment(table: ResponseTable) -> str:
    """Return what the axes of a field-of-view table are aligned with; RADEC if nothing is said."""
    return str(table.header.get("FOVALIGN", "RADEC")).strip().upper()
