"""From catalogues to labels, as a user types it."""

import json

import pytest

from skysift.data.io import read_table

DAYS = ("2014-02-24", "2014-02-25")
FLARES = """start,peak,end,goes_class,noaa
2014-02-24 12:00:00,2014-02-24 12:05:00,2014-02-24 12:10:00,C2.0,11990
2014-02-25 00:39:00,2014-02-25 00:49:00,2014-02-25 01:03:00,X4.9,11990
2014-02-26 00:39:00,2014-02-26 00:49:00,2014-02-26 01:03:00,B1.0,0
"""


def report(day, *lines):
    year, _, number = day.split("-")
    return (
        f":Issued: {year} Feb {number} 0030 UTC\nI.  Regions with Sunspots.\nNmbr Location\n"
        + "".join(f"{line}\n" for line in lines or ("None",))
        + "IA. H-alpha Plages without Spots.\nNone\n"
    )


@pytest.fixture
def catalogues(tmp_path):
    folder = tmp_path / "srs"
    folder.mkdir()
    spot = "1990 S12E82   110  0250 Dkc  10   09 Beta-Gamma"
    (folder / "20140224SRS.txt").write_text(report(DAYS[0], spot))
    (folder / "20140225SRS.txt").write_text(report(DAYS[1]))
    (tmp_path / "flares.csv").write_text(FLARES)
    return folder, tmp_path / "flares.csv"


def test_flares_of_the_day_after(skysift, catalogues, tmp_path):
    srs, flares = catalogues
    out = tmp_path / "labels.parquet"
    run = skysift(
        *("build", "flare", "--from", DAYS[0], "--to", DAYS[1], "--cadence", 12),
        *("--srs", srs, "--flares", flares, "--horizon", 6, "--horizon", 24),
        *("--set", "positions=nearest", "--out", out, "--json"),
    )
    assert run.code == 0, run.err
    table = read_table(out)
    assert (
        table["time"].astype("datetime64[h]").astype(str).tolist()
        == [f"{DAYS[0]}T{h}" for h in ("00", "12")] * 2
    )
    assert table["horizon"].tolist() == [6, 6, 24, 24]
    assert [text or "" for text in table["class"]] == ["", "", "C2.0", "X4.9"]
    assert table["flare_M"].tolist() == [False, False, False, True]
    assert set(table["noaa"]) == {11990}
    assert json.loads(run.out)["rows"] == 4


def test_a_disk_without_regions_is_a_row(skysift, catalogues, tmp_path):
    out = tmp_path / "present.csv"
    run = skysift(
        *("build", "active-region", "--from", f"{DAYS[0]} 06:00", "--to", "2014-02-28"),
        *("--srs", catalogues[0], "--out", out),
    )
    assert run.code == 0, run.err
    table = read_table(out)
    rows = list(zip(table["class"], table["status"], table["noaa"], strict=True))
    assert rows[0] == ("spots", "certain", 11990)
    assert rows[1] == ("none", "certain", 0)
    assert rows[-1] == ("none", "gap", 0)
    assert "without a region summary: 1" in run.out


def test_the_names_of_images_are_kept(skysift, catalogues, tmp_path):
    srs, flares = catalogues
    (tmp_path / "images.csv").write_text("file,time\na.jpg,2014-02-24T12:00:00\n")
    out = tmp_path / "labels.csv"
    run = skysift(
        *("build", "flare", "--times", tmp_path / "images.csv", "--srs", srs),
        *("--flares", flares, "--out", out),
    )
    assert run.code == 0, run.err
    assert read_table(out)["file"].tolist() == ["a.jpg"]


def test_lists_that_overlap_give_a_region_once_and_it_is_told(skysift, catalogues, tmp_path):
    srs, flares = catalogues
    again = tmp_path / "again.csv"
    again.write_text("valid,section,noaa,lat,lon\n2014-02-24,I,AR11990,-12,80\n")
    words = ("build", "active-region", "--from", f"{DAYS[0]} 06:00", "--to", DAYS[1], "--srs", srs)
    run = skysift(*words, "--srs", srs, "--srs", again, "--out", tmp_path / "labels.csv")
    assert run.code == 0, run.err
    assert "list again, otherwise: 2; the last list counts" in run.out
    assert read_table(tmp_path / "labels.csv")["lon_srs"].tolist() == [80]
    words = ("build", "flare", *words[2:], "--flares", flares, "--flares", flares, "--json")
    run = skysift(*words, "--srs", srs, "--out", tmp_path / "labels.csv")
    told = json.loads(run.out)
    assert (told["rows"], told["repeated"], told["repeated_flares"]) == (1, 1, 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [("", "has no row"), ('2014-02-24\n""\n', "row 1: The column 'time' is empty")],
)
def test_times_that_are_missing_are_told(skysift, catalogues, tmp_path, rows, message):
    srs, flares = catalogues
    (tmp_path / "times.csv").write_text(f"time\n{rows}")
    run = skysift(
        *("build", "flare", "--times", tmp_path / "times.csv", "--srs", srs),
        *("--flares", flares, "--out", tmp_path / "labels.csv"),
    )
    assert run.code == 2
    assert message in run.err


TIMES = f"--from {DAYS[0]}T06 --to {DAYS[1]}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (f"{TIMES} --flares FLARES", "There is no --srs"),
        (f"{TIMES} --srs SRS", "There is no --flares"),
        ("--srs SRS --flares FLARES", "There are no times"),
        (f"{TIMES} --times FLARES --srs SRS", "Give one of them"),
        (f"--to {DAYS[0]} --from {DAYS[1]} --srs SRS", "Exchange them"),
        (f"{TIMES} --srs SRS --flares FLARES --set gap=drop", "Did you mean 'gaps'"),
        (f"{TIMES} --srs SRS --flares FLARES --set gaps=refuse", "does not cover"),
        (f"{TIMES} --srs SRS --flares HOLED", "row 1: The column 'start' is empty"),
    ],
)
def test_a_slip_is_answered_before_a_file_is_written(
    skysift, catalogues, tmp_path, options, message
):
    srs, flares = catalogues
    holed = tmp_path / "holed.csv"
    holed.write_text(FLARES.replace("2014-02-25 00:39:00", ""))
    words = options.replace("SRS", str(srs)).replace("FLARES", str(flares))
    words = words.replace("HOLED", str(holed)).split()
    if "gaps=refuse" in words:
        flares.write_text("\n".join(FLARES.splitlines()[:2]) + "\n")
    out = tmp_path / "labels.csv"
    run = skysift("build", "flare", *words, "--out", out)
    assert (run.code, out.exists()) == (2, False)
    assert message in run.err


def test_the_verb_explains_itself(skysift):
    shown = skysift("build", "--help")
    assert shown.code == 0
    assert shown.out.startswith("Usage: skysift build")


def test_times_with_an_offset_and_a_name_in_capitals(skysift, catalogues, tmp_path):
    srs, _ = catalogues
    times = tmp_path / "times.csv"
    times.write_text(f"FILE,Time\na.jpg,{DAYS[0]}T05:00:00+02:00\n")
    run = skysift(
        *("build", "active-region", "--times", times, "--srs", srs),
        *("--out", tmp_path / "present.csv", "--json"),
    )
    assert run.code == 0, run.err
    assert not run.err
    table = read_table(tmp_path / "present.csv")
    assert table["time"].astype("datetime64[s]").astype(str).tolist() == [f"{DAYS[0]}T03:00:00"]
    assert table["file"].tolist() == ["a.jpg"]
    assert 0 < table["mu"][0] < 0.2  # listed at 82 deg
