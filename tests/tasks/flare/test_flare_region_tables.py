"""flare: tables of regions as people write them; each region is placed, and counted, once."""

import json

import numpy as np
import pytest

from skysift.cli.main import build_app
from skysift.core.errors import InputError, NothingAnsweredError
from skysift.data.io import read_table
from skysift.data.solar.readers import read_solar_image
from skysift.data.table import FeatureTable
from skysift.tasks.flare.columns import FLAG_WORDS
from skysift.tasks.flare.made_up import made_up_regions, write_made_up
from skysift.tasks.flare.past import impossible_past
from skysift.tasks.flare.region_tables import read_region_table, times
from skysift.tasks.flare.regions import regions_of

PAST = "area,nspots,extent,mcintosh,hale,maxflux_prev24h"
QUIET = "20,4,5,Bxo,Beta,0"


@pytest.fixture(scope="module")
def suns(tmp_path_factory):
    """A folder with two made-up suns, and the table of their regions."""
    folder = tmp_path_factory.mktemp("suns")
    write_made_up(made_up_regions(24, np.random.default_rng(3)), folder)
    return folder


@pytest.fixture(scope="module")
def sun(suns):
    return min(suns.glob("*.png"))


@pytest.fixture(scope="module")
def listed(suns, sun):
    """Where the regions of the first sun lie, lon and lat as its picture has them."""
    table = read_region_table(suns / "regions.csv")
    table = table.take(table["file"].astype(str) == sun.name).select(["file", "noaa", "x", "y"])
    return regions_of(read_solar_image(sun), table, "listed").table


def predict(capsys, arguments, out):
    """Return the table of answers, and what is said of it."""
    words = ["predict", "flare", *map(str, arguments), "--out", str(out), "--json"]
    capsys.readouterr()
    build_app(words)(words, standalone_mode=False)
    return read_table(out), json.loads(capsys.readouterr().out)


def written(path, header, *rows):
    path.write_text("\n".join([header, *map(str, rows)]) + "\n")
    return path


def flags_of(said):
    return [set(filter(None, flags.split(","))) for flags in said["flags"].astype(str).tolist()]


@pytest.mark.parametrize("rows", [["other.png,200,200"], []])
def test_an_image_of_which_a_table_has_no_row_is_answered(capsys, sun, tmp_path, rows):
    table = written(tmp_path / "r.csv", "file,x,y", *rows)
    with pytest.raises(NothingAnsweredError):
        predict(capsys, [sun, "--regions", table], tmp_path / "o.csv")
    said = read_table(tmp_path / "o.csv")
    assert said["file"].astype(str).tolist() == [sun.name]
    assert flags_of(said) == [{"not-in-the-table"}]


def test_tables_without_a_row_are_refused(capsys, tmp_path):
    table = written(tmp_path / "r.csv", "file,x,y")
    with pytest.raises(InputError, match="have no row"):
        predict(capsys, [table], tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


def test_rows_of_images_that_are_not_given_are_counted(capsys, suns, sun, tmp_path):
    said, told = predict(capsys, [sun, "--regions", suns / "regions.csv"], tmp_path / "o.csv")
    assert len(said) == 12
    assert told["rows"] == {
        "accepted": 12,
        "repaired": 0,
        "rejected": 0,
        "of images not given": 12,
    }


def test_each_row_lies_where_it_says(capsys, sun, listed, tmp_path):
    """With x and y in some rows, and lon and lat in others, all are answered."""
    rows = [
        f"{sun.name},{x},{y},," if k % 2 else f"{sun.name},,,{lon},{lat}"
        for k, (x, y, lon, lat) in enumerate(listed.matrix(["x", "y", "lon", "lat"]).tolist())
    ]
    table = written(tmp_path / "r.csv", "file,x,y,lon,lat", *rows)
    mixed, _ = predict(capsys, [sun, "--regions", table], tmp_path / "o.csv")
    assert flags_of(mixed) == [{"no-history"}] * 12
    for axis in ("x", "y", "lon", "lat"):
        np.testing.assert_allclose(mixed[axis], listed[axis], atol=1e-6)
    alone = written(tmp_path / "a.csv", "file,lon,lat", *(r.replace(",,,", ",") for r in rows[::2]))
    by_angle, _ = predict(capsys, [sun, "--regions", alone], tmp_path / "p.csv")
    np.testing.assert_array_equal(mixed["p_c24"][::2], by_angle["p_c24"])


def test_two_places_of_a_row_are_told(sun, listed):
    image = read_solar_image(sun)
    both = {name: listed[name].astype(float) for name in ("x", "y", "lon", "lat")}
    file = {"file": [sun.name] * len(listed)}
    agreed = regions_of(image, FeatureTable.from_columns({**file, **both}), "agreed")
    assert set(agreed.flags_of_images.tolist()) == {""}
    both["lon"] = both["lon"].copy()
    both["lon"][0] *= -1  # east and west exchanged
    both["lon"][5] = 150.0  # behind the Sun
    told = regions_of(image, FeatureTable.from_columns({**file, **both}), "told")
    assert np.flatnonzero(told.flags_of_images == "two-places").tolist() == [0, 5]
    np.testing.assert_array_equal(told.cutouts.pixels, agreed.cutouts.pixels)
    assert "two-places" in FLAG_WORDS


def test_a_region_just_beyond_the_limb_may_be_seen_on_it(sun, listed):
    """Places and limbs are off by a degree or a few pixels."""
    image = read_solar_image(sun)
    x, y = image.placement.to_file(image.disk.x + 0.97 * image.disk.radius, image.disk.y)
    row = {"file": [sun.name], "x": [x], "y": [y], "lon": [92.0], "lat": [0.0]}
    told = regions_of(image, FeatureTable.from_columns(row), "limb")
    assert told.flags_of_images.tolist() == [""]


def test_a_region_counts_once_for_its_disk(capsys, sun, listed, tmp_path):
    rows = [
        f"{sun.name},{noaa},{x},{y}"
        for noaa, x, y in zip(listed["noaa"], listed["x"], listed["y"], strict=True)
    ][:3]
    header = "file,noaa,x,y"
    once = written(tmp_path / "once.csv", header, *rows)
    again = written(
        tmp_path / "again.csv", header, *rows, *rows, rows[1].replace(str(listed["noaa"][1]), "0")
    )
    first, _ = predict(capsys, [sun, "--regions", once], tmp_path / "o.csv")
    second, _ = predict(capsys, [sun, "--regions", again], tmp_path / "p.csv")
    product = 1 - np.prod(1 - first["p_c24"])
    for table in (first, second):
        np.testing.assert_allclose(table["p_c24_disk"], product, rtol=1e-12)
    repeated = ["repeated-region" in flags for flags in flags_of(second)]
    assert repeated == [False] * 3 + [True] * 4
    np.testing.assert_array_equal(second["p_c24"][3:6], first["p_c24"])
    assert "repeated-region" in FLAG_WORDS


def test_a_disk_has_all_of_its_regions_wherever_they_stand(capsys, suns, tmp_path):
    """The rows keep their order, and the copies at the end of a table are found."""
    table = read_region_table(suns / "regions.csv")
    names = ["file", "noaa", "x", "y"]
    lines = [",".join(map(str, row)) for row in zip(*(table[name] for name in names), strict=True)]
    mixed = [line for pair in zip(lines[:12], lines[12:], strict=True) for line in pair]
    mixed.append(lines[0])
    plain = written(tmp_path / "plain.csv", ",".join(names), *lines)
    other = written(tmp_path / "other.csv", ",".join(names), *mixed)
    first, _ = predict(capsys, [plain, "--images", suns], tmp_path / "o.csv")
    second, _ = predict(capsys, [other, "--images", suns], tmp_path / "p.csv")
    of_first = dict(zip(first["noaa"].tolist(), first["p_c24_disk"].tolist(), strict=True))
    assert second["noaa"].tolist() == [int(line.split(",")[1]) for line in mixed]
    assert second["p_c24_disk"].tolist() == [of_first[one] for one in second["noaa"].tolist()]
    assert ["repeated-region" in flags for flags in flags_of(second)] == [False] * 24 + [True]


@pytest.mark.parametrize(
    "past",
    [
        "20,4,5,zzz,Beta,0",
        "20,4,5,Gxo,Beta,0",
        "20,4,5,Bxo,foo,0",
        "20,4,5,Bxo,Beta,5",
        "20,4,5,Bxo,Beta,-1",
    ],
)
def test_a_past_that_cannot_be_is_left_to_the_image(capsys, sun, tmp_path, past):
    rows = [f"{sun.name},256,256,{one}" for one in (QUIET, past)]
    table = written(tmp_path / "r.csv", f"file,x,y,{PAST}", *rows)
    said, _ = predict(capsys, [sun, "--regions", table], tmp_path / "o.csv")
    assert said["model"].astype(str).tolist() == ["image+history", "image"]
    assert "bad-history" in flags_of(said)[1]
    assert said["p_c24"][1] == said["p_c24_image_only"][0]


def test_real_classes_are_possible():
    mcintosh = ["Hsx", "AXX", "fkc", "Cki", " Dai ", "", "Bxi", "Hax", "Ehi", "Ero"]
    hale = ["Beta-Gamma-Delta", "ALPHA", "beta gamma", "Beta-Delta", "none", "", "Gamma"]
    hale += ["beta/gamma", "Delta", "Beta"]
    flux = np.array([np.nan, 0.0, 1e-2, 3.1e-4, 1e-8] * 2)
    possible = {"mcintosh": np.array(mcintosh), "hale": np.array(hale), "maxflux_prev24h": flux}
    assert not impossible_past(possible).any()


def test_the_classes_of_the_solar_data_are_possible(mirror):
    for name in ("aia211_regions.csv", "catalogs/noaa_srs_2010_2019.csv.gz"):
        table = read_table(mirror / "solar" / name)
        texts = {
            column: np.array(["" if one is None else str(one) for one in table[column]])
            for column in ("mcintosh", "hale")
        }
        assert not impossible_past(texts).any()


def test_capitals_in_the_names_of_columns_change_nothing(capsys, sun, tmp_path):
    row = f"{sun.name},11076,256,256,{QUIET}"
    header = f"file,noaa,x,y,{PAST}"
    capitals = header.replace("mcintosh", "McIntosh").replace("file,noaa,x,y", "File,NOAA,X,Y")
    plain = written(tmp_path / "plain.csv", header, row)
    other = written(tmp_path / "other.csv", capitals, row)
    first, _ = predict(capsys, [sun, "--regions", plain], tmp_path / "o.csv")
    second, _ = predict(capsys, [sun, "--regions", other], tmp_path / "p.csv")
    assert first.columns == second.columns
    assert first["model"].astype(str).tolist() == ["image+history"]
    for name in first.columns:
        np.testing.assert_array_equal(first[name], second[name])


def test_times_with_an_offset_are_brought_to_utc():
    texts = ["2014-01-01T05:00:00+02:00", "2014-01-01 03:00:00", "2014-01-01T03:00:00Z", "soon"]
    found = times(FeatureTable.from_columns({"time": texts})).astype(str).tolist()
    assert found == ["2014-01-01T03:00:00"] * 3 + ["NaT"]
