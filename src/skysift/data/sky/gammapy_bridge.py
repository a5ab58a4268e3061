"""Our events and maps as gammapy's types, and back.

gammapy is an optional part: it is imported when a function is called, and a missing one is a
:class:`~skysift.core.errors.MissingExtraError` that says how to install it.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from numpy.typing import NDArray

from skysift.core.errors import InputError
from skysift.core.extras import import_extra
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.counts_map_meta import circumstances, meta_numbers, sound_numbers
from skysift.data.sky.event_list import GADF_REFERENCE_MJD, EventList, Pointing
from skysift.data.sky.gadf_findings import Findings
from skysift.data.sky.gadf_header import live_fraction
from skysift.data.sky.gadf_name import name_cards, name_of
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent_wcs import grid_of_wcs

if TYPE_CHECKING:
    import gammapy.data
    import gammapy.datasets
    import gammapy.maps

__all__ = [
    "dataset_from_gammapy",
    "dataset_to_gammapy",
    "events_from_gammapy",
    "events_to_gammapy",
    "gti_from_gammapy",
    "gti_to_gammapy",
    "map_from_gammapy",
    "map_to_gammapy",
]

_ZENITH = 90.0


def events_to_gammapy(events: EventList) -> "gammapy.data.EventList":
    """Return an event list as gammapy's; its good time goes by :func:`gti_to_gammapy`."""
    zero = _reference(events.reference_mjd)
    header: dict[str, Any] = dict(events.meta)
    header |= {
        "MJDREFI": int(events.reference_mjd),
        "MJDREFF": events.reference_mjd % 1,
        "TIMESYS": "TT",
        "TIMEUNIT": "s",
        "RA_PNT": events.pointing.ra,
        "DEC_PNT": events.pointing.dec,
        "ONTIME": events.gti.duration,
        "LIVETIME": events.livetime,
        "DEADC": events.live_fraction,
    }
    if np.isfinite(events.pointing.zenith):
        header["ALT_PNT"] = _ZENITH - events.pointing.zenith
    if len(events.gti):
        header["TSTART"], header["TSTOP"] = float(events.gti.start[0]), float(events.gti.stop[-1])
    header |= name_cards(events)
    columns: dict[str, Any] = {
        "TIME": zero + u.Quantity(events.time, "s"),
        "ENERGY": u.Quantity(events.energy, "TeV"),
        "RA": u.Quantity(events.ra, "deg"),
        "DEC": u.Quantity(events.dec, "deg"),
    }
    if events.event_id is not None:
        columns["EVENT_ID"] = events.event_id
    return _gammapy("data").EventList(Table(columns, meta=header))


def events_from_gammapy(
    events: "gammapy.data.EventList", gti: "gammapy.data.GTI", *, pointing: Pointing | None = None
) -> EventList:
    """Return gammapy's event list as ours, in the order of times.

    Parameters
    ----------
    events : gammapy.data.EventList
        Its ``table.meta`` gives the dead time, as a file's header does, and, if it is not given
        here, the pointing.
    gti : gammapy.data.GTI
        The good time.
    pointing : Pointing, optional
        Where the telescope looked.

    Raises
    ------
    InputError
        If there is no pointing.
    """
    header = events.table.meta
    reference = _mjd(gti.time_ref)
    table = events.table
    time = np.asarray((table["TIME"] - _reference(reference)).to_value("s"), dtype=np.float64)
    order = np.argsort(time, kind="stable")
    known = {"TIME", "ENERGY", "RA", "DEC", "EVENT_ID", "OBS_NAME"}
    identifiers = table["EVENT_ID"] if "EVENT_ID" in table.colnames else None
    meta = {k: v for k, v in header.items() if k not in known}
    return EventList(
        time=time[order],
        ra=_values(table["RA"], "deg")[order],
        dec=_values(table["DEC"], "deg")[order],
        energy=_values(table["ENERGY"], "TeV")[order],
        gti=gti_from_gammapy(gti),
        pointing=pointing or _header_pointing(header),
        live_fraction=live_fraction(partial(_number, header), Findings(Path())),
        reference_mjd=reference,
        name=name_of(header.get),
        meta={**meta, "TIMESYS": "TT"},
        event_id=None if identifiers is None else np.asarray(identifiers, dtype=np.int64)[order],
    )


def gti_to_gammapy(
    gti: GoodTimeIntervals, reference_mjd: float = GADF_REFERENCE_MJD
) -> "gammapy.data.GTI":
    """Return good time intervals as gammapy's."""
    return _gammapy("data").GTI.create(
        u.Quantity(gti.start, "s"), u.Quantity(gti.stop, "s"), _reference(reference_mjd)
    )


def gti_from_gammapy(gti: "gammapy.data.GTI") -> GoodTimeIntervals:
    """Return gammapy's intervals as ours, in seconds from ``gti.time_ref``."""
    if len(gti.table) == 0:
        return GoodTimeIntervals.of([])
    zero = _reference(_mjd(gti.time_ref))
    start, stop = ((gti.table[name] - zero).to_value("s") for name in ("START", "STOP"))
    return GoodTimeIntervals.of(list(zip(start.tolist(), stop.tolist(), strict=True)))


def map_to_gammapy(counts_map: CountsMap) -> "gammapy.maps.WcsNDMap":
    """Return counts as gammapy's map; livetime and pointing go into its ``meta``."""
    maps = _gammapy("maps")
    axis = maps.MapAxis.from_energy_edges(counts_map.energy_edges, unit="TeV")
    grid = counts_map.grid
    geometry = maps.WcsGeom(grid.wcs(), npix=(grid.n_x, grid.n_y), axes=[axis])
    return maps.WcsNDMap(geometry, data=counts_map.counts.copy(), meta=meta_numbers(counts_map))


def map_from_gammapy(
    counts: "gammapy.maps.WcsNDMap", gti: "gammapy.data.GTI | None" = None
) -> CountsMap:
    """Return gammapy's map as ours; livetime and pointing are NaN if its ``meta`` has none.

    Raises
    ------
    InputError
        If it has other axes than one of energy, or is no tangent grid.
    """
    if counts.geom.axes.names != ["energy"]:
        raise InputError(
            f"A map with the axes {counts.geom.axes.names} is no counts map.",
            "Give a map with one axis named energy.",
        )
    n_x, n_y = (int(n) for n in counts.geom.data_shape[:0:-1])
    edges = counts.geom.axes["energy"].edges.to_value("TeV")
    livetime, where = circumstances(sound_numbers(counts.meta or {}))
    return CountsMap(
        np.array(counts.data, dtype=np.float32),
        np.asarray(edges, dtype=np.float64),
        grid_of_wcs(counts.geom.wcs, n_x, n_y),
        GoodTimeIntervals.of([]) if gti is None else gti_from_gammapy(gti),
        livetime,
        where,
        GADF_REFERENCE_MJD if gti is None else _mjd(gti.time_ref),
    )


def dataset_to_gammapy(
    counts_map: CountsMap, *, name: str = "skysift"
) -> "gammapy.datasets.MapDataset":
    """Return counts, good time and pointing as a `MapDataset`, without responses."""
    datasets = _gammapy("datasets")
    meta = None
    if np.isfinite(counts_map.pointing.ra):
        where = SkyCoord(counts_map.pointing.ra, counts_map.pointing.dec, unit="deg")
        mean = _gammapy("utils.metadata").PointingInfoMetaData(radec_mean=where)
        meta = _gammapy("datasets.metadata").MapDatasetMetaData(pointing=mean)
    return datasets.MapDataset(
        counts=map_to_gammapy(counts_map),
        gti=gti_to_gammapy(counts_map.gti, counts_map.reference_mjd),
        name=name,
        meta=meta,
    )


def dataset_from_gammapy(dataset: "gammapy.datasets.MapDataset") -> CountsMap:
    """Return the counts and good time of a `MapDataset`.

    The livetime is that of its exposure, else of the counts' ``meta``; the pointing is that of
    the counts' ``meta``, else of the data set's.

    Raises
    ------
    InputError
        If it has no counts, or counts that :func:`map_from_gammapy` refuses.
    """
    if dataset.counts is None:
        raise InputError("The data set has no counts.", "Fill or simulate it first.")
    counts_map = map_from_gammapy(dataset.counts, dataset.gti)
    changes: dict[str, Any] = {}
    if dataset.exposure is not None and "livetime" in (dataset.exposure.meta or {}):
        changes["livetime"] = float(u.Quantity(dataset.exposure.meta["livetime"]).to_value("s"))
    if np.isnan(counts_map.pointing.ra):
        changes["pointing"] = _dataset_pointing(dataset)
    return replace(counts_map, **changes)


def _gammapy(module: str) -> Any:
    return import_extra(f"gammapy.{module}", extra="gamma")


def _reference(mjd: float) -> Time:
    """Return the zero of times; whole and part of the day keep it exact to nanoseconds."""
    return Time(int(mjd), mjd % 1, format="mjd", scale="tt")


def _mjd(time: Time) -> float:
    return float(time.tt.mjd)


def _number(header: Any, keyword: str) -> float:
    try:
        return float(header.get(keyword, np.nan))
    except (TypeError, ValueError):
        return float("nan")


def _values(column: Any, unit: str) -> NDArray[np.float64]:
    return np.asarray(u.Quantity(column).to_value(unit), dtype=np.float64)


def _header_pointing(header: Any) -> Pointing:
    _, where = circumstances(header)
    if not np.isfinite(where.ra + where.dec):
        raise InputError(
            "The event list does not say where the telescope looked.",
            "Give the pointing.",
        )
    return where


def _dataset_pointing(dataset: Any) -> Pointing:
    found = getattr(dataset.meta, "pointing", None) or []
    first = found[0] if isinstance(found, list) and found else found
    mean = getattr(first, "radec_mean", None)
    if mean is None:
        return Pointing(float("nan"), float("nan"))
    return Pointing(float(mean.ra.deg), float(mean.dec.deg))
