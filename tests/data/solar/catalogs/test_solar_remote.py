"""Archives are asked through sunpy and drms; stand-ins answer, and nothing is asked in earnest."""

import csv
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from skysift.core.errors import DataUnavailableError, MissingExtraError, ReadError
from skysift.data.solar.catalogs.harps import parse_noaa_ars, read_harp_map, region_of_harps
from skysift.data.solar.catalogs.remote import fetch_flares, fetch_harp_map, fetch_regions

START, END = np.datetime64("2014-02-25", "s"), np.datetime64("2014-02-26", "s")
SRS = """:Issued: 2014 Feb 25 0030 UTC
I.  Regions with Sunspots.
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
1990 S12E82   110  0250 Dkc  10   09 Beta-Gamma
IA. H-alpha Plages without Spots.
None
"""


@pytest.fixture
def online(monkeypatch):
    monkeypatch.delenv("SKYSIFT_OFFLINE", raising=False)


class Asked:
    """What sunpy's Fido would be asked."""

    def __init__(self):
        self.queries, self.answer, self.fails = [], None, False

    def search(self, *attributes):
        self.queries.append(attributes)
        if self.fails:
            raise ConnectionError("no route")
        return self.answer

    def fetch(self, found, path):
        assert found is self.answer
        folder = path.removesuffix("{file}")
        (name,) = found
        Path(folder, name).write_text(SRS)
        return [f"{folder}/{name}"]


class Name:
    def __eq__(self, other):
        return f"Name == {other}"

    __hash__ = None


@pytest.fixture
def fido(monkeypatch, online):
    asked = Asked()
    attrs = ModuleType("sunpy.net.attrs")
    attrs.Time = lambda *limits: ("Time", *limits)
    attrs.Instrument = lambda name: ("Instrument", name)
    attrs.hek = SimpleNamespace(
        EventType=lambda kind: ("EventType", kind), FRM=SimpleNamespace(Name=Name())
    )
    net = ModuleType("sunpy.net")
    net.Fido, net.attrs = asked, attrs
    package = ModuleType("sunpy")
    package.net = net
    for name, module in {"sunpy": package, "sunpy.net": net, "sunpy.net.attrs": attrs}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def test_regions_are_fetched_and_read(fido, tmp_path):
    fido.answer = ["20140225SRS.txt"]
    regions = fetch_regions(START, END, tmp_path)
    assert regions["noaa"].tolist() == [11990]
    ((time, instrument),) = fido.queries
    assert time == ("Time", "2014-02-25T00:00:00", "2014-02-26T00:00:00")
    assert instrument == ("Instrument", "SOON")


def test_flares_of_swpc_are_taken_from_hek(fido):
    fido.answer = {
        "hek": Table(
            {
                "event_starttime": Time(["2014-02-25T00:39:00"]),
                "event_peaktime": Time(["2014-02-25T00:49:00"]),
                "event_endtime": Time(["2014-02-25T01:03:00"]),
                "fl_goescls": ["X4.9"],
                "ar_noaanum": [11990],
                "frm_name": ["SWPC"],
            }
        )
    }
    flares = fetch_flares(START, END)
    assert (flares["goes_class"].tolist(), flares["noaa"].tolist()) == (["X4.9"], [11990])
    assert fido.queries[0][1:] == (("EventType", "FL"), "Name == SWPC")


def test_a_network_that_fails_is_named(fido, tmp_path):
    fido.fails = True
    with pytest.raises(DataUnavailableError, match="no route"):
        fetch_regions(START, END, tmp_path)


def test_harps_are_asked_of_jsoc(monkeypatch, online):
    asked = []

    class Client:
        def query(self, query, key):
            asked.append((query, key))
            return {"HARPNUM": [377, 377, 401], "NOAA_ARS": ["11158", "11158,11159", "MISSING"]}

    drms = ModuleType("drms")
    drms.Client = Client
    monkeypatch.setitem(sys.modules, "drms", drms)
    assert fetch_harp_map(START, END) == {377: (11158, 11159), 401: ()}
    ((query, key),) = asked
    assert query == "hmi.sharp_cea_720s[][2014.02.25_00:00:00_TAI-2014.02.26_00:00:00_TAI@1d]"
    assert key == "HARPNUM,NOAA_ARS"


def test_what_is_not_installed_is_named(monkeypatch):
    for name in ("sunpy", "sunpy.net", "drms"):
        monkeypatch.setitem(sys.modules, name, None)
    for fetch in (fetch_flares, fetch_harp_map):
        with pytest.raises(MissingExtraError, match="solar"):
            fetch(START, END)


def test_offline_nothing_is_asked(fido, monkeypatch):
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    with pytest.raises(DataUnavailableError, match="SKYSIFT_OFFLINE"):
        fetch_flares(START, END)
    assert fido.queries == []


def test_the_map_of_harps(tmp_path):
    file = tmp_path / "all_harps_with_noaa_ars.txt"
    file.write_text("HARPNUM NOAA_ARS\n377 11158\n1449 11429,11430\n1450 11430\n")
    regions = read_harp_map(file)
    assert regions == {377: (11158,), 1449: (11429, 11430), 1450: (11430,)}
    assert region_of_harps([377, 1449, 1450, 9], regions).tolist() == [11158, 11429, 11429, -9]
    file.write_text("HARPNUM NOAA_ARS\n377 11158 extra\n")
    with pytest.raises(ReadError, match="377 11158 extra"):
        read_harp_map(file)


@pytest.mark.mirror
def test_harps_of_the_mirror_without_a_number_are_not_one_region(mirror):
    with (mirror / "solar/sharp_cea_fits.csv").open() as file:
        rows = list(csv.DictReader(file))
    harps = [int(row["harpnum"]) for row in rows]
    regions = {harp: parse_noaa_ars(row["noaa_ars"]) for harp, row in zip(harps, rows, strict=True)}
    number = region_of_harps(harps, regions)
    unnumbered = {int(n) for n, row in zip(number, rows, strict=True) if row["noaa"] == "0"}
    assert len(unnumbered) == len({harp for harp, ars in regions.items() if not ars}) > 1
    assert all(n < 0 for n in unnumbered)
