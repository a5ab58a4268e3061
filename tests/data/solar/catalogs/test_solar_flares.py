"""Flare lists: every format gives the same list; repairs are made, and counted."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import ContractError, InputError, ReadError
from skysift.data.solar import catalogs
from skysift.data.solar.catalogs.event_images import read_archive_times, read_event_images
from skysift.data.solar.catalogs.flare_tables import flares_of_hek, flares_of_table
from skysift.data.solar.catalogs.flare_texts import parse_events, parse_xray_report
from skysift.data.solar.catalogs.flares import read_flares
from skysift.data.solar.catalogs.goes_class import class_of_flux, flux_of_class
from skysift.data.solar.catalogs.lists import full_number, region_list
from skysift.data.table import FeatureTable
from skysift.data.times import as_times

EVENTS = """:Product: 20150301events.txt
:Created: 2015 Mar 04 0357 UT
:Date: 2015 03 01
#                            Edited Events for 2015 Mar 01
#Event    Begin    Max       End  Obs  Q  Type  Loc/Frq   Particulars       Reg#
#-------------------------------------------------------------------------------

4080 +     0158   0210      0232  G15  5   XRA  1-8A      C1.0    1.9E-03   2290
4080       0158   0159      0211  LEA  3   FLA  N19W66    SF                2290
4120      B0605   ////     B0655  LEA  3   EPL  ////      0.24              2289
4200 +     2350   0004      0010  G15  5   XRA  1-8A      M2.5    2.6E-02
4210       1000   1008      1012  G15  5   XRA  1-8A      C3.7    2.6E-03   2290
4220       ////   1008      1012  G15  5   XRA  1-8A      C3.7    2.6E-03   2290
"""

REPORT = """\
31777150101  0457 0517 0507 S07E50                         C 21    G15  1.9E-03 12253 150104.9
31777960103  1334 1343 1335 N11W11SF                       B 60    GOES
31777031104  1929 2006 1950 S19W833B                       X280    GOES 2.3E00  10486
31777000309  1833 1841 1838 S19E541F                       C 29    GOES 9.3E-04  8906
31777960420  1552 1555 1553 S05W52SF                               GOES          7958
31777960711  2359 0008 0004                                B 17    GOES
"""


def row(table, k):
    return {name: table[name][k] for name in table}


def test_edited_events_take_the_position_of_the_optical_flare():
    flares = parse_events(EVENTS)
    assert flares["goes_class"].tolist() == ["C1.0", "C3.7", "M2.5"]
    assert flares["noaa"].tolist() == [12290, 12290, 0]
    np.testing.assert_array_equal(flares["lat"], [19, np.nan, np.nan])
    np.testing.assert_array_equal(flares["lon"], [66, np.nan, np.nan])
    np.testing.assert_allclose(flares["flux"], [1e-6, 3.7e-6, 2.5e-5], rtol=1e-15)
    assert flares["peak"][2] == np.datetime64("2015-03-02T00:04", "s")
    assert flares["end"][2] == np.datetime64("2015-03-02T00:10", "s")
    assert [text.split()[0] for *_, text in flares.meta["skipped"]] == ["4220"]


def test_a_report_of_fixed_columns():
    flares = parse_xray_report(REPORT)
    assert flares["goes_class"].tolist() == ["B6.0", "B1.7", "C2.9", "X28.0", "C2.1"]
    assert flares["noaa"].tolist() == [0, 0, 8906, 10486, 12253]
    assert flares["lon"][3] == 83  # the optical importance follows without a blank
    assert flares["start"].astype(str)[0] == "1996-01-03T13:34:00"
    assert flares["peak"].astype(str)[1] == "1996-07-12T00:04:00"
    assert len(flares.meta["skipped"]) == 1  # no class: an optical flare only


HEK = [
    {
        "event_starttime": "2014-02-25T00:39:00",
        "event_peaktime": "2014-02-25T00:49:00",
        "event_endtime": "2014-02-25T01:03:00",
        "fl_goescls": "X4.9",
        "ar_noaanum": 11990,
        "hgs_x": -82.0,
        "hgs_y": -12.0,
        "frm_name": "SWPC",
    },
    {
        "event_starttime": "2014-02-25T05:00:00",
        "event_peaktime": "",
        "event_endtime": "2014-02-25T05:10:00",
        "fl_goescls": "C1.0",
        "ar_noaanum": None,
        "hgs_x": 0,
        "hgs_y": 0,
        "frm_name": "SWPC",
    },
    {"event_starttime": "2014-02-25T00:38:00", "fl_goescls": "X4.8",
     "frm_name": "SSW Latest Events"},
    {"event_starttime": "2014-02-25T00:38:00", "fl_goescls": "", "frm_name": "SWPC"},
]  # fmt: skip


def test_hek_lists_a_flare_once_for_each_method_and_is_read_once(tmp_path):
    (tmp_path / "hek.json").write_text(json.dumps({"result": HEK}))
    for flares in (flares_of_hek(HEK), read_flares([tmp_path / "hek.json"])):
        assert flares["goes_class"].tolist() == ["X4.9", "C1.0"]
        assert flares["noaa"].tolist() == [11990, 0]
        np.testing.assert_array_equal(flares["lon"], [-82, np.nan])
        assert np.isnat(flares["peak"][1])
        assert flares.meta["no_class"] == 1


def test_the_same_flare_is_the_same_row_in_every_kind_of_table():
    plain = {
        "start_time": ["2014-02-25 00:39"], "peak_time": ["2014-02-25 00:49"],
        "end_time": ["2014-02-25 01:03"], "Class": ["X4.9"], "Region": [1990.0],
    }  # fmt: skip
    live = {
        "Date": ["2014/02/25"], "Start": ["00:39"], "Maximum": ["00:49"], "End": ["01:03"],
        "Class": ["X4.9"], "Region": [11990.0],
    }  # fmt: skip
    summary = {
        "time": [f"2014-02-25T{clock}:00" for clock in ("00:39", "00:49", "01:03")],
        "status": ["EVENT_START", "EVENT_PEAK", "EVENT_END"],
        "flare_class": [None, "X4.9", None],
    }
    first, second, third = (
        row(flares_of_table(FeatureTable.from_columns(one)), 0) for one in (plain, live, summary)
    )
    for name in ("start", "peak", "end", "goes_class", "flux", "noaa"):
        assert first[name] == second[name], name
        assert name == "noaa" or first[name] == third[name], name
    assert (first["noaa"], third["noaa"]) == (11990, 0)


def test_a_table_without_a_start_is_refused():
    with pytest.raises(ContractError, match="when a flare starts"):
        flares_of_table(FeatureTable.from_columns({"when": ["2014-02-25"], "class": ["C1.0"]}))


@pytest.mark.parametrize(
    ("start", "noaa", "reason"),
    [
        ("", "12192", "row 1: The column 'Start' is empty in 1 of 2 rows"),
        ("2014-10-17 07:31", "HARP5", "row 1: 'HARP5' in column 'noaa' is no number of a region"),
    ],
)
def test_a_flare_without_a_start_or_of_no_region_is_named_with_its_row(
    tmp_path, start, noaa, reason
):
    path = tmp_path / "flares.csv"
    path.write_text(f"Start,class,noaa\n2014-10-16 07:31,C7.7,AR12192\n{start},M4.3,{noaa}\n")
    with pytest.raises(ContractError) as caught:
        read_flares([path])
    assert reason in str(caught.value)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    assert read_flares([path])["noaa"].tolist() == [12192]


def test_a_flare_of_two_lists_is_taken_once_from_the_one_that_knows_more(tmp_path):
    (tmp_path / "long.csv").write_text(
        "start,end,goes_class,noaa\n2014-10-16 07:31,2014-10-16 07:47,C7.7,12192\n"
        "2014-10-16 07:31,2014-10-16 07:40,C7.7,12187\n"
    )
    (tmp_path / "short.csv").write_text("start,goes_class,noaa\n2014-10-16 07:31,C7.7,12192\n")
    for names in (("long", "short"), ("short", "long")):
        flares = read_flares([tmp_path / f"{name}.csv" for name in names])
        assert flares["noaa"].tolist() == [12187, 12192]
        assert not np.isnat(flares["end"]).any()
        assert flares.meta["repaired"]["repeated"] == 1


def test_a_list_of_images_of_events_names_its_own_reader(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("Event,Image,Type\nhttp://a/1,http://a/1.gif,FL\n")
    with pytest.raises(ContractError, match="read_event_images"):
        read_flares([path])
    assert catalogs.read_event_images(path)["kind"].tolist() == ["FL"]


def test_midnight_is_crossed_and_repeated_rows_are_one():
    table = {
        "start": ["2014-09-08 23:12", "2014-09-08 23:12", "2014-09-09 01:00"],
        "end": ["2014-09-08 01:31", "2014-09-08 01:31", "2014-09-09 01:05"],
        "goes_class": ["M4.5", "M4.5", "C1.0"],
    }
    flares = flares_of_table(FeatureTable.from_columns(table))
    assert flares["end"].astype(str)[0] == "2014-09-09T01:31:00"
    assert flares.meta["repaired"] == {"midnight": 2, "repeated": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.txt", "no report"), ("b.txt", ":Product: events"), ("c.json", "{"), ("d.json", "{}")],
)
def test_what_is_no_list_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ReadError):
        read_flares([tmp_path / name])


@given(st.sampled_from("ABCM"), st.integers(10, 99))
def test_classes_and_fluxes_are_each_others_inverse(letter, tenths):
    text = f"{letter}{tenths / 10:.1f}"
    assert class_of_flux(flux_of_class([text])).tolist() == [text]


def test_what_is_no_class_is_refused():
    with pytest.raises(InputError, match="'Q1' is no GOES class") as caught:
        flux_of_class(["C1.0", "Q1"])
    assert caught.value.row == 1


def test_times_in_the_manners_of_the_archives():
    texts = ["2014-02-25T00:39:00.123", "2014.02.25_00:39:00_UTC", "2014/02/25 00:39", None, ""]
    times = as_times(texts)
    assert set(times[:3].astype(str)) == {"2014-02-25T00:39:00"}
    assert np.isnat(times[3:]).all()
    with pytest.raises(ContractError, match="no time"):
        as_times(["2014-02-25 25:00"])


def test_numbers_before_and_after_the_restart():
    days = np.array(["2000-09-22", "2002-06-20", "2015-03-06", "2025-02-21"], "datetime64[D]")
    assert full_number([9169, 9990, 2293, 4000], days).tolist() == [9169, 9990, 12293, 14000]


def test_a_list_needs_its_columns():
    with pytest.raises(ContractError, match="'section'"):
        region_list({"valid": np.array(["2014-01-01"], "datetime64[s]")}, source="test")


@pytest.mark.mirror
def test_the_lists_of_the_first_solar_networks(mirror):
    folder = mirror / "solar/seed_examples"
    flares = read_flares([folder / "SolarFlareDetailedData2013.csv"])
    assert len(flares) == 1117
    assert np.isnan(flares["flux"]).all()  # their tables have no class
    shown = read_archive_times(folder / "Availabledata2013.csv")
    assert len(shown) == 56
    seen = (shown["image"] >= shown["start"]) & (shown["image"] <= shown["end"])
    assert np.count_nonzero(~seen) <= 2  # an image is of the flare that it is joined with
    images = read_event_images(folder / "arsolarflaresdata.csv")
    assert len(images) == 151
    assert len(set(images["image"].tolist())) == 146
    gallery = np.char.find(images["origin"].astype(str), "podimages") >= 0
    kind = images["kind"].astype(str)
    assert [int((gallery & (kind == one)).sum()) for one in ("FL", "AR")] == [8, 3]
    days = images["made"].astype("datetime64[D]")
    assert not np.isnat(days).any()


def test_a_list_of_a_day_that_is_none_is_refused():
    with pytest.raises(ReadError, match="2015-13-01, which is no day"):
        parse_events(EVENTS.replace("2015 03 01", "2015 13 01"))
