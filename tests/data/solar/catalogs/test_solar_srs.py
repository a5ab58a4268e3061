"""Region summaries: the daily text as published, in each of its manners, and tables made of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import ContractError, ReadError
from skysift.data.solar.catalogs.srs import parse_srs, read_regions

MIXED_CASE = """:Product: 0306SRS.txt
:Issued: 2015 Mar 06 0030 UTC
# Prepared jointly by the U.S. Dept. of Commerce, NOAA,
#
Joint USAF/NOAA Solar Region Summary
SRS Number 65 Issued at 0030Z on 06 Mar 2015
I.  Regions with Sunspots.  Locations Valid at 05/2400Z
Nmbr Location  Lo  Area  Z   LL   NN Mag Type
2293 N05W53   342  0065 Cao  10   09 Beta
2295 S08E53   342  0010 Bxo  02   02 Beta-Gamma-Delta
IA. H-alpha Plages without Spots.  Locations Valid at 05/2400Z Mar
Nmbr  Location  Lo
2292  S08W84   013
II. Regions Due to Return 06 Mar to 08 Mar
Nmbr Lat    Lo
2288 S08    185
"""

CAPITALS = """:Product: 20000922SRS.txt
:Issued: 2000 Sep 22 0030 UTC
I.  REGIONS WITH SUNSPOTS.  LOCATIONS VALID AT 21/2400Z
NMBR LOCATION  LO  AREA  Z   LL   NN MAG TYPE
9169 N09E32   076  1910 FKC  19   68 BETA-GAMMA-DELTA
IA. H-ALPHA PLAGES WITHOUT SPOTS.  LOCATIONS VALID AT 21/2400Z SEP
NMBR  LOCATION  LO
NONE
II. REGIONS DUE TO RETURN 22 SEP TO 24 SEP
NMBR LAT    LO
9151 N13    341
III. COMMENTS
9999 IS NO REGION, AND THIS IS NO ROW
"""


def test_a_report_has_its_regions_with_signs_and_full_numbers():
    table = parse_srs(MIXED_CASE)
    assert table["noaa"].tolist() == [12288, 12292, 12293, 12295]
    assert table["section"].tolist() == ["II", "IA", "I", "I"]
    assert table["lat"].tolist() == [-8, -8, 5, -8]
    np.testing.assert_array_equal(table["lon"], [np.nan, 84, 53, -53])
    assert table["carrington_lon"].tolist() == [185, 13, 342, 342]
    np.testing.assert_array_equal(table["area"], [np.nan, np.nan, 65, 10])
    assert table["hale"].tolist() == ["", "", "Beta", "Beta-Gamma-Delta"]
    assert set(table["valid"].astype(str)) == {"2015-03-06T00:00:00"}
    assert table.meta["skipped"] == ()


def test_the_capitals_of_before_october_2000_read_alike_and_comments_are_no_rows():
    table = parse_srs(CAPITALS)
    assert table["noaa"].tolist() == [9151, 9169]
    assert table["mcintosh"].tolist() == ["", "Fkc"]
    assert table["hale"].tolist() == ["", "Beta-Gamma-Delta"]


@given(
    lat=st.integers(-60, 60),
    lon=st.integers(-99, 99),
    area=st.integers(0, 9999),
    number=st.integers(1, 8999),
)
def test_what_is_printed_is_what_is_read(lat, lon, area, number):
    place = f"{'S' if lat < 0 else 'N'}{abs(lat):02d}{'E' if lon < 0 else 'W'}{abs(lon):02d}"
    line = f"{number:04d} {place}   123  {area:04d} Dkc  11   22 Beta-Delta\n"
    head, tail = MIXED_CASE.split("2293 ", maxsplit=1)[0], "II. Regions Due to Return\nNone\n"
    table = parse_srs(head + line + tail)
    row = [table[name][0] for name in ("noaa", "lat", "lon", "area", "extent", "n_spots")]
    assert row == [number + 10_000, lat, lon, area, 11, 22]


def test_a_damaged_line_is_listed_and_the_others_are_read():
    table = parse_srs(MIXED_CASE.replace("N05W53", "N05?53"))
    assert table["noaa"].tolist() == [12288, 12292, 12295]
    ((_, line, text),) = table.meta["skipped"]
    assert (line, text.split()[0]) == (9, "2293")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MIXED_CASE.replace(":Issued:", ":Sent:"), "Issued"),
        (MIXED_CASE.split("I.  Regions", maxsplit=1)[0], "no sections"),
        (MIXED_CASE.replace("2015 Mar 06", "2015 Mar 46"), "no date"),
    ],
)
def test_what_is_no_report_is_refused(text, reason):
    with pytest.raises(ReadError, match=reason):
        parse_srs(text)


def test_a_folder_is_read_in_order_and_an_empty_file_is_named(tmp_path):
    (tmp_path / "20150306SRS.txt").write_text(MIXED_CASE)
    (tmp_path / "20000922SRS.txt").write_text(CAPITALS)
    (tmp_path / "20150307SRS.txt").write_text("")
    table = read_regions([tmp_path])
    assert np.all(np.diff(table["valid"]) >= np.timedelta64(0, "s"))
    assert len(table) == 6
    ((name, _, reason),) = table.meta["skipped"]
    assert name.endswith("20150307SRS.txt")
    assert "empty" in reason


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(ReadError, match="no list of regions"):
        read_regions([tmp_path])


HEAD = "srs_file_date,section,noaa,lat,lon,area"
ROWS = ("20141018,I,12186,-20,57,160", "20141018,I,12192,-13,-68,260")


def table_of(tmp_path, *rows, head=HEAD, name="srs.csv"):
    path = tmp_path / name
    path.write_text("\n".join((head, *rows)) + "\n")
    return path


@pytest.mark.parametrize(
    "change", [("20141018", "2014-10-18"), (",12", ",AR12"), (",12", ",NOAA 12"), (",12", ",2")]
)
def test_a_day_and_a_number_may_be_written_otherwise(tmp_path, change):
    expected = read_regions([table_of(tmp_path, *ROWS)])
    rows = [row.replace(*change, 1) if change[1] != ",2" else row.replace(",12", ",2", 1)
            for row in ROWS]  # fmt: skip
    table = read_regions([table_of(tmp_path, *rows)])
    for name in table:
        np.testing.assert_array_equal(table[name], expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("20141018,I,12192", ",I,12192", "row 1: The column 'srs_file_date' is empty in 1 of 2"),
        ("20141018,I,12192", "someday,I,12192", "row 1: 'someday' in column 'srs_file_date'"),
        ("12192", "HARP5", "row 1: 'HARP5' in column 'noaa' is no number of a region"),
        ("12192", "", "row 1: The number of the region is missing in 1 row"),
        ("-13", "S13", "row 1: 'S13' in column 'lat' is no number"),
        (",lat", ",latitude", "no column 'lat'"),
        (",lon", ",longitude", "no column 'lon'"),
        ("srs_file_date", "date", "no column 'srs_file_date or valid'"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_row(tmp_path, old, new, reason):
    text = "\n".join((HEAD, *ROWS)).replace(old, new)
    path = table_of(tmp_path, *text.splitlines()[1:], head=text.splitlines()[0])
    with pytest.raises(ContractError) as caught:
        read_regions([path])
    assert reason in str(caught.value)
    assert caught.value.path == path


def test_a_region_that_two_lists_have_is_taken_once_and_the_last_list_counts(tmp_path):
    first = table_of(tmp_path, *ROWS, name="first.csv")
    again = table_of(
        tmp_path, ROWS[0], ROWS[1].replace("260", "280"), "20141019,I,12192,-13,-55,300",
        name="again.csv",
    )  # fmt: skip
    table = read_regions([first, again])
    assert table["noaa"].tolist() == [12186, 12192, 12192]
    assert table["area"].tolist() == [160, 280, 300]
    assert table.meta["repaired"] == {"repeated": 1, "contradicted": 1}
    assert read_regions([again, first])["area"].tolist() == [160, 260, 300]


@pytest.mark.mirror
def test_the_report_of_a_day_agrees_with_the_table_of_all_days(mirror, tmp_path):
    everything = read_regions([mirror / "solar/catalogs/noaa_srs_2010_2019.csv.gz"])
    day = everything.take(everything["valid"] == np.datetime64("2014-10-24", "s"))
    sections = {"I": [], "IA": []}
    for k in range(len(day)):
        place = "".join(
            f"{'NW'[j] if value >= 0 else 'SE'[j]}{abs(int(value)):02d}"
            for j, value in enumerate((day["lat"][k], day["lon"][k]))
        )
        text = f"{day['noaa'][k] - 10_000:04d} {place} {int(day['carrington_lon'][k]):03d}"
        if day["section"][k] == "I":
            numbers = (int(day[name][k]) for name in ("area", "extent", "n_spots"))
            area, extent, spots = numbers
            text += f" {area:04d} {day['mcintosh'][k]} {extent:02d} {spots:03d} {day['hale'][k]}"
        sections[day["section"][k]].append(text)
    (tmp_path / "20141024SRS.txt").write_text(
        ":Issued: 2014 Oct 24 0030 UTC\nI.  Regions with Sunspots.\nNmbr Location\n"
        + "\n".join(sections["I"])
        + "\nIA. H-alpha Plages without Spots.\nNmbr\n"
        + "\n".join(sections["IA"] or ["None"])
        + "\nII. Regions Due to Return\nNone\n"
    )
    read = read_regions([tmp_path])
    assert 12192 in read["noaa"]
    for name in day:
        np.testing.assert_array_equal(read[name], day[name], err_msg=name)
