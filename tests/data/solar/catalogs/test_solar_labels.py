"""Labels: windows, policies, and the published labels again from the catalogues."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.core.errors import ContractError, InputError, UsageError
from skysift.data.io import read_table
from skysift.data.solar.catalogs import (
    Coverage,
    LabelPolicy,
    RotationLaw,
    label_disk,
    label_presence,
    label_regions,
    read_flares,
    read_regions,
    regions_at,
    rotate_longitude,
)
from skysift.data.solar.catalogs.goes_class import at_least, flux_of_class
from skysift.data.solar.catalogs.lists import flare_list, region_list

DAY0 = np.datetime64("2014-02-20", "s")
HOUR = np.timedelta64(1, "h")


def make_flares(*rows):
    """(hour of start, class, region) -> a list; each lasts half an hour."""
    start = np.array([DAY0 + np.timedelta64(round(60 * hour), "m") for hour, *_ in rows])
    return flare_list(
        {
            "start": start,
            "end": start + np.timedelta64(30, "m"),
            "goes_class": [text for _, text, _ in rows],
            "noaa": [number for *_, number in rows],
        },
        source="made",
    )


def make_regions(*rows):
    """(day, number, latitude, longitude) -> a list of spotted regions."""
    day, number, lat, lon = zip(*rows, strict=True)
    return region_list(
        {
            "valid": [DAY0 + np.timedelta64(24 * k, "h") for k in day],
            "section": ["I"] * len(rows), "noaa": number, "lat": lat, "lon": lon,
        },
        source="made",
    )  # fmt: skip


def labels(flares, *, hour=12, number=11990, policy=None, coverage=None, **options):
    regions = regions_at(make_regions((0, number, 10, 0)), [DAY0 + hour * HOUR])
    whole = Coverage(DAY0 - 240 * HOUR, DAY0 + 240 * HOUR)
    return label_regions(regions, flares, policy=policy, coverage=coverage or whole, **options)


def test_a_window_is_open_at_its_beginning_and_closed_at_its_end():
    flares = make_flares((12, "C1.0", 11990), (36, "M1.0", 11990), (36.1, "X1.0", 11990))
    table = labels(flares)
    assert table["class"].tolist() == ["M1.0"]
    assert table["class_prev"].tolist() == ["C1.0"]
    assert table["flaring_now"].tolist() == ["C1.0"]
    assert (table["flare_C"][0], table["flare_M"][0]) == (True, True)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 200), st.sampled_from(["B5.0", "C2.0", "M1.5", "X3.0"]),
            st.sampled_from([0, 1, 2]),
        ),
        min_size=1, max_size=40,
    ),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from([1, 2])), min_size=1, max_size=10),
    st.integers(1, 72),
)  # fmt: skip
def test_windows_are_those_of_a_plain_search(flares, rows, horizon):
    made = make_flares(*flares)
    regions = region_list(
        {
            "valid": [DAY0] * len(rows), "section": ["I"] * len(rows),
            "noaa": [number for _, number in rows],
        },
        source="made",
    )  # fmt: skip
    hours = np.array([hour for hour, _ in rows])[np.lexsort(([n for _, n in rows],))]
    regions = regions.with_columns({"time": DAY0 + hours * HOUR})
    policy = LabelPolicy(unassociated="ignore", gaps="quiet")
    table = label_regions(regions, made, horizons=(horizon,), policy=policy)
    starts, flux, number = made["start"], made["flux"], made["noaa"]
    for k in range(len(table)):
        time, own = table["time"][k], number == table["noaa"][k]
        after = own & (starts > time) & (starts <= time + horizon * HOUR)
        before = own & (starts > time - horizon * HOUR) & (starts <= time)
        now = own & (starts <= time) & (made["end"] >= time)
        assert table["flux_next"][k] == flux[after].max(initial=0.0)
        assert table["flux_prev"][k] == flux[before].max(initial=0.0)
        lasting = flux_of_class([table["flaring_now"][k]])[0]
        assert np.nan_to_num(lasting) == flux[now].max(initial=0.0)


def test_a_flare_of_no_region_makes_a_quiet_label_uncertain_where_it_matters():
    flares = make_flares((20, "C5.0", 0), (21, "C2.0", 11990))
    assert labels(flares)["status"].tolist() == ["certain"]  # C either way, M neither way
    assert labels(make_flares((20, "C5.0", 0)))["status"].tolist() == ["uncertain"]
    assert labels(make_flares((20, "B5.0", 0)))["status"].tolist() == ["certain"]
    only_m = LabelPolicy(classes=("M",))
    assert labels(make_flares((20, "C5.0", 0)), policy=only_m)["status"].tolist() == ["certain"]
    ignored = LabelPolicy(unassociated="ignore")
    table = labels(make_flares((20, "M5.0", 0)), policy=ignored)
    assert (table["status"].tolist(), table["flare_C"].tolist()) == (["certain"], [False])
    dropped = LabelPolicy(unassociated="drop")
    assert len(labels(make_flares((20, "M5.0", 0)), policy=dropped)) == 0


def test_a_flare_with_a_position_goes_to_the_nearest_region():
    flares = make_flares((20, "M5.0", 0), (20.5, "C3.0", 0))
    # at 20:00 a region at the centre at midnight has turned some 11 deg west
    flares = flares.with_columns({"lat": [9.0, -40.0], "lon": [12.0, -60.0]})
    regions = regions_at(make_regions((0, 11990, 10, 0), (0, 11991, -10, 60)), [DAY0 + 12 * HOUR])
    nearest = LabelPolicy(unassociated="nearest")
    whole = Coverage(DAY0 - 240 * HOUR, DAY0 + 240 * HOUR)
    table = label_regions(regions, flares, policy=nearest, coverage=whole)
    assert table["noaa"].tolist() == [11990, 11991]
    assert table["class"].tolist() == ["M5.0", ""]
    assert table["status"].tolist() == ["certain", "uncertain"]  # the C3.0 is still of nobody


def test_a_window_beyond_the_list_is_a_gap_unless_settled():
    flares = make_flares((13, "C5.0", 11990))
    short = Coverage(DAY0, DAY0 + 30 * HOUR)
    table = labels(flares, coverage=short)
    assert table["status"].tolist() == ["gap"]  # an M flare may have come
    assert np.isinf(table["flux_bound"]).all()
    assert np.isnan(table["flux_prev"]).all()  # the day before is not covered either
    settled = labels(flares, coverage=short, policy=LabelPolicy(classes=("C",)))
    assert settled["status"].tolist() == ["certain"]
    quiet = labels(flares, coverage=short, policy=LabelPolicy(gaps="quiet"))
    assert (quiet["status"].tolist(), quiet["flux_prev"].tolist()) == (["certain"], [0.0])
    assert len(labels(flares, coverage=short, policy=LabelPolicy(gaps="drop"))) == 0
    with pytest.raises(ContractError, match="does not cover"):
        labels(flares, coverage=short, policy=LabelPolicy(gaps="refuse"))


def test_a_start_that_is_missing_is_refused_and_does_not_shorten_the_coverage():
    flares = make_flares((1, "C5.0", 11990), (60, "B1.0", 11990))
    whole = Coverage.of(flares)
    start = flares["start"].copy()
    holed = flares.take([0, 1, 1]).with_columns({"start": [*start, np.datetime64("NaT", "s")]})
    assert Coverage.of(holed) == whole
    with pytest.raises(ContractError, match="'start' is empty"):
        flare_list({"start": holed["start"]}, source="made")


def test_a_gap_within_the_list_counts_only_where_a_window_touches_it():
    inside = (DAY0 + 40 * HOUR, DAY0 + 41 * HOUR)
    coverage = Coverage(DAY0 - 99 * HOUR, DAY0 + 99 * HOUR, [inside])
    flares = make_flares((200, "B1.0", 1))
    statuses = [labels(flares, coverage=coverage, hour=h)["status"][0] for h in (12, 16, 17, 24)]
    assert statuses == ["certain", "certain", "gap", "gap"]


def test_thinned_rows_do_not_share_time():
    times = DAY0 + np.arange(1, 73, 6) * HOUR
    regions = regions_at(
        make_regions(*[(k, n, 10, 5.0 * k) for k in range(4) for n in (11990, 11991)]), times
    )
    policy = LabelPolicy(overlapping="thin", unassociated="ignore", gaps="quiet")
    table = label_regions(
        regions, make_flares((5, "C1.0", 11990)), horizons=(12, 24), policy=policy
    )
    for horizon in (12, 24):
        for number in (11990, 11991):
            own = (table["noaa"] == number) & (table["horizon"] == horizon)
            gaps = np.diff(np.sort(table["time"][own]))
            assert len(gaps) == 72 // horizon - 1
            assert np.all(gaps >= horizon * HOUR)


def test_only_what_had_been_issued_is_known_and_the_nearest_looks_ahead():
    regions = make_regions((0, 11990, 10, 0), (1, 11990, 10, 14))
    times = [DAY0 + 10 * HOUR, DAY0 + 23 * HOUR, DAY0 + np.timedelta64(24 * 60 + 29, "m")]
    issued = regions_at(regions, times)
    assert issued["lon_srs"].tolist() == [0, 0, 0]
    nearest = regions_at(regions, times, policy=LabelPolicy(positions="nearest"))
    assert nearest["lon_srs"].tolist() == [0, 14, 14]
    assert nearest["lon"][1] < 14 < nearest["lon"][2]


def test_times_without_a_summary_are_named_and_a_disk_without_regions_is_none_of_them():
    regions = make_regions((0, 11990, 10, 0))
    table = regions_at(regions, [DAY0 + 12 * HOUR, DAY0 + 72 * HOUR], sections=("IA",))
    assert len(table) == 0
    assert table.meta["without_summary"].tolist() == [1]
    with pytest.raises(InputError, match="time is missing"):
        regions_at(regions, [np.datetime64("NaT")])


def test_presence_names_what_is_there_and_what_is_not_known():
    regions = make_regions((0, 11990, 10, 0))
    times = [DAY0 + 12 * HOUR, DAY0 + 72 * HOUR]
    marked = label_presence(regions, times)
    assert marked["class"].tolist() == ["spots", "none"]
    assert marked["status"].tolist() == ["certain", "gap"]
    assert marked["noaa"].tolist() == [11990, 0]
    quiet = label_presence(regions, times, policy=LabelPolicy(gaps="quiet"))
    assert quiet["status"].tolist() == ["certain", "certain"]
    dropped = label_presence(regions, times, policy=LabelPolicy(gaps="drop"))
    assert dropped["class"].tolist() == ["spots"]
    with pytest.raises(ContractError, match="no region summary"):
        label_presence(regions, times, policy=LabelPolicy(gaps="refuse"))


def test_the_sun_turns_in_the_time_that_carrington_found():
    """A spot at 16 deg latitude comes round in 27.28 days as seen from the Earth."""
    lon = rotate_longitude([0.0], [16.0], np.timedelta64(2_356_586, "s"))
    assert abs(lon[0]) < 3.0
    for law in RotationLaw:
        west = rotate_longitude([0.0, 0.0], [0.0, 60.0], np.timedelta64(1, "D"), law)
        assert 13 < west[0] < 14 > west[1] + 2


def test_flares_without_a_class_make_no_labels():
    flares = flare_list({"start": [DAY0]}, source="made")
    with pytest.raises(ContractError, match="no GOES class"):
        labels(flares)


def test_a_horizon_is_needed():
    with pytest.raises(UsageError, match="horizons"):
        labels(make_flares((1, "C1.0", 1)), horizons=())


def texts(column):
    return np.array(["" if value is None else value for value in column.tolist()])


AS_PUBLISHED = LabelPolicy(
    positions="nearest", oldest=12, rotation="snodgrass-ulrich", unassociated="ignore"
)


@pytest.fixture(scope="module")
def lists(mirror):
    folder = mirror / "solar/catalogs"
    return (
        read_regions([folder / "noaa_srs_2010_2019.csv.gz"]),
        read_flares([folder / "goes_flares_2010_2019.csv.gz"]),
    )


@pytest.mark.mirror
def test_the_labels_of_the_aia_regions_again(mirror, lists):
    """All 2,590 rows, but for one flare whose end the list puts on the day before its start."""
    regions, flares = lists
    published = read_table(mirror / "solar/aia211_regions.csv")
    images = read_table(mirror / "solar/aia211_images.csv")
    at = regions_at(regions, images["time"].astype("datetime64[s]"), policy=AS_PUBLISHED)
    # The summary of 2012-01-01 is missing: the image of half a day before has no row.
    assert images["time"][at.meta["without_summary"]].tolist() == ["2011-12-31T12:29:50"]
    at = at.take(np.lexsort((at["noaa"], at["time"])))
    time = published["time"].astype("datetime64[s]")
    published = published.take(np.lexsort((published["noaa"], time)))
    assert len(at) == len(published) == 2590
    for name, column in {"noaa": "noaa", "section": "section", "lat": "lat", "lon_srs": "lon_srs",
                         "area": "area", "n_spots": "nspots"}.items():  # fmt: skip
        np.testing.assert_array_equal(at[name], published[column], err_msg=name)
    np.testing.assert_allclose(at["lon"], published["lon"], atol=0.00501)  # two decimals
    table = label_regions(at, flares, horizons=(24, 48), policy=AS_PUBLISHED)
    for hours in (24, 48):
        one = table.take(table["horizon"] == hours)
        np.testing.assert_array_equal(one["flux_next"], published[f"maxflux_{hours}h"])
        np.testing.assert_array_equal(texts(one["class"]), texts(published[f"maxclass_{hours}h"]))
        for name in "CM":
            np.testing.assert_array_equal(one[f"flare_{name}"], published[f"flare_{name}_{hours}h"])
    day = table.take(table["horizon"] == 24)
    np.testing.assert_array_equal(day["flux_prev"], published["maxflux_prev24h"])
    np.testing.assert_array_equal(texts(day["class_prev"]), texts(published["maxclass_prev24h"]))
    now, listed = texts(day["flaring_now"]), texts(published["flaring_now"])
    (other,) = np.flatnonzero(now != listed)
    assert (day["noaa"][other], now[other], listed[other]) == (12158, "M4.5", "")
    assert day["time"].astype(str)[other] == "2014-09-09T00:58:39"


@pytest.mark.mirror
def test_the_labels_of_the_aia_images_again(mirror, lists):
    regions, flares = lists
    published = read_table(mirror / "solar/aia211_images.csv")
    time = published["time"].astype("datetime64[s]")
    table = label_disk(time, flares, horizons=(24, 48), policy=AS_PUBLISHED)
    for hours in (24, 48):
        one = table.take(table["horizon"] == hours)
        np.testing.assert_array_equal(one["flux_next"], published[f"maxflux_{hours}h"])
        for name in "CM":
            np.testing.assert_array_equal(one[f"flare_{name}"], published[f"flare_{name}_{hours}h"])
    day = table.take(table["horizon"] == 24)
    np.testing.assert_array_equal(day["flux_prev"], published["maxflux_prev24h"])
    spots = regions_at(regions, time, sections=("I",), policy=AS_PUBLISHED)
    area = np.zeros(len(time))
    np.maximum.at(area, spots["image"], spots["area"])
    number = np.bincount(spots["image"], minlength=len(time))
    np.testing.assert_array_equal(number, published["n_spot_regions"])
    np.testing.assert_array_equal(number > 0, published["ar_present"])
    np.testing.assert_array_equal(area >= 200, published["big_ar_present"])


@pytest.mark.mirror
def test_the_labels_of_the_hmi_images_of_2026_again(mirror):
    flares = read_flares([mirror / "solar/catalogs/lmsal_flares_2026.csv"])
    published = read_table(mirror / "solar/hmi2026_images.csv")
    day = [np.datetime64(f"2026-{text}", "s") for text in ("04-01", "04-02", "04-04", "04-07")]
    until = np.datetime64("2026-04-17T04:27", "s")
    coverage = Coverage(
        np.datetime64("2026-01-01", "s"), until, [(day[0], day[1]), (day[2], day[3])]
    )
    time = published["time"].astype("datetime64[s]")
    table = label_disk(time, flares, horizons=(12, 24, 48), coverage=coverage)
    for hours in (12, 24, 48):
        one = table.take(table["horizon"] == hours)
        np.testing.assert_allclose(one["flux_next"], published[f"maxflux_{hours}h"], rtol=1e-12)
        np.testing.assert_array_equal(one["status"] == "certain", published[f"reliable_{hours}h"])
        for name in "CM":
            np.testing.assert_array_equal(one[f"flare_{name}"], published[f"flare_{name}_{hours}h"])


@pytest.mark.mirror
def test_how_many_flares_have_no_region(lists):
    """The share that makes some quiet labels wrong."""
    _, flares = lists
    lost, strong = flares["noaa"] == 0, at_least(flares["flux"], "M")
    c_flares = at_least(flares["flux"], "C") & ~strong
    assert round(lost[c_flares].mean(), 2) == 0.13
    assert round(lost[strong].mean(), 2) == 0.03
