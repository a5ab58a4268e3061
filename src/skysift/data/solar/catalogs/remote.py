"""Regions, flares and HARPs from their archives, through sunpy and drms.

Optional parts: ``pip install "skysift[solar]"``. Nothing is asked for where ``SKYSIFT_OFFLINE`` is
set.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from skysift.core.errors import DataUnavailableError, MissingExtraError
from skysift.core.extras import import_extra
from skysift.data.fetch import offline
from skysift.data.solar.catalogs.flare_tables import flares_of_hek
from skysift.data.solar.catalogs.harps import parse_noaa_ars
from skysift.data.solar.catalogs.srs import read_regions
from skysift.data.table import FeatureTable

__all__ = ["fetch_flares", "fetch_harp_map", "fetch_regions"]

_EXTRA = "solar"
_HEK_COLUMNS = (
    *("event_starttime", "event_peaktime", "event_endtime", "fl_goescls", "ar_noaanum"),
    *("hgs_x", "hgs_y", "frm_name"),
)
_SERIES = "hmi.sharp_cea_720s"


def fetch_regions(start: np.datetime64, end: np.datetime64, folder: Path) -> FeatureTable:
    """Fetch the daily region summaries of NOAA from `start` to `end` into a folder and read them.

    Raises
    ------
    MissingExtraError
        If sunpy is not installed.
    DataUnavailableError
        If the archive has none, or cannot be asked.
    """
    net, attrs = _sunpy("the region summaries")
    found = _search(net, attrs.Time(str(start), str(end)), attrs.Instrument("SOON"))
    try:
        files = net.Fido.fetch(found, path=str(folder / "{file}"))
    except Exception as error:  # any of many clients may fail in its own way
        raise _unavailable("the region summaries", error) from error
    if not len(files):
        raise _unavailable("the region summaries", "no file came")
    return read_regions(sorted(str(file) for file in files))


def fetch_flares(start: np.datetime64, end: np.datetime64) -> FeatureTable:
    """Fetch the GOES flares from `start` to `end` that HEK has from SWPC.

    Raises
    ------
    MissingExtraError
        If sunpy is not installed.
    DataUnavailableError
        If HEK cannot be asked.
    """
    net, attrs = _sunpy("the flares")
    found = _search(
        net,
        attrs.Time(str(start), str(end)),
        attrs.hek.EventType("FL"),
        attrs.hek.FRM.Name == "SWPC",
    )
    rows: list[Mapping[str, Any]] = [
        {name: _plain(row[name]) for name in _HEK_COLUMNS if name in row.colnames}
        for row in found["hek"]
    ]
    return flares_of_hek(rows)


def fetch_harp_map(start: np.datetime64, end: np.datetime64) -> dict[int, tuple[int, ...]]:
    """Fetch which NOAA regions each HARP held from `start` to `end`, a record a day.

    Raises
    ------
    MissingExtraError
        If drms is not installed.
    DataUnavailableError
        If JSOC cannot be asked.
    """
    drms = _part("drms")
    _check_online("the HARPs")
    query = f"{_SERIES}[][{_tai(start)}-{_tai(end)}@1d]"
    try:
        keys = drms.Client().query(query, key="HARPNUM,NOAA_ARS")
    except Exception as error:  # drms passes on whatever the network raises
        raise _unavailable("the HARPs", error) from error
    regions: dict[int, tuple[int, ...]] = {}
    for harp, text in zip(keys["HARPNUM"], keys["NOAA_ARS"], strict=True):
        together = {*regions.get(int(harp), ()), *parse_noaa_ars(str(text))}
        regions[int(harp)] = tuple(sorted(together))
    return regions


def _sunpy(what: str) -> tuple[Any, Any]:
    net, attrs = _part("sunpy.net"), _part("sunpy.net.attrs")
    _check_online(what)
    return net, attrs


def _part(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sunpy warns of the parts that the error names
            return import_extra(name, extra=_EXTRA)
    except ModuleNotFoundError as error:  # sunpy is there, and what its net needs is not
        raise MissingExtraError(str(error.name), extra=_EXTRA) from error


def _check_online(what: str) -> None:
    if offline():
        raise DataUnavailableError(
            f"{what} cannot be fetched: SKYSIFT_OFFLINE forbids the network.",
            "Unset it, or give files.",
        )


def _search(net: Any, *attributes: Any) -> Any:
    try:
        return net.Fido.search(*attributes)
    except Exception as error:  # any of many clients may fail in its own way
        raise _unavailable("the archive", error) from error


def _unavailable(what: str, reason: object) -> DataUnavailableError:
    return DataUnavailableError(
        f"{what} could not be fetched: {reason}.", "Try again later, or give files."
    )


def _plain(value: Any) -> Any:
    """Return an astropy Time as text; a masked value as none."""
    if getattr(value, "mask", False) is np.True_ or np.ma.is_masked(value):
        return None
    return getattr(value, "isot", value)


def _tai(time: np.datetime64) -> str:
    text = str(time.astype("datetime64[s]"))
    return text.replace("-", ".").replace("T", "_") + "_TAI"
