"""Where the Earth stands over the Sun: Meeus, and sunpy."""

import numpy as np
import pytest
from astropy.time import Time

from skysift.data.solar.ephemeris import earth_view, utc_of_tai

TIMES = np.array(
    [
        "1975-03-01T05:00",
        "1992-10-13T00:00",
        "1999-12-11T17:00",
        "2011-02-15T02:00",
        "2020-06-01T00:00",
        "2026-02-01T03:00",
    ],
    dtype="datetime64[ms]",
)


def test_the_example_of_meeus() -> None:
    view = earth_view(np.datetime64("1992-10-13T00:00"))
    assert float(view.b0) == pytest.approx(5.99, abs=0.01)
    assert float(view.l0) == pytest.approx(238.63, abs=0.01)
    assert float(view.p) == pytest.approx(26.27, abs=0.01)


def test_agrees_with_sunpy() -> None:
    sun = pytest.importorskip("sunpy.coordinates.sun")
    times = Time(TIMES.astype(str))
    view = earth_view(TIMES)
    assert view.b0 == pytest.approx(sun.B0(times).deg, abs=1e-4)
    assert view.l0 == pytest.approx(sun.L0(times).deg, abs=1e-4)
    assert view.p == pytest.approx(sun.P(times).deg, abs=0.01)
    assert view.distance == pytest.approx(sun.earth_distance(times).to_value("m"), rel=1e-7)


def test_the_sun_turns_once_in_a_carrington_rotation() -> None:
    start = np.datetime64("2014-01-01T00:00", "ms")
    later = earth_view(start + np.timedelta64(round(27.2753 * 86_400_000), "ms"))
    difference = (float(later.l0) - float(earth_view(start).l0) + 180) % 360 - 180
    assert difference == pytest.approx(0, abs=1.5)  # the synodic rotation is a mean


@pytest.mark.parametrize(
    ("atomic", "utc"),
    [
        ("1975-01-01T00:00:20", "1975-01-01T00:00:06"),
        ("2011-02-15T02:00:00", "2011-02-15T01:59:26"),
        ("2012-07-01T00:00:35", "2012-07-01T00:00:00"),
        ("2017-01-01T00:00:37", "2017-01-01T00:00:00"),
        ("2017-01-01T00:00:35", "2016-12-31T23:59:59"),
    ],
)
def test_leap_seconds(atomic: str, utc: str) -> None:
    assert utc_of_tai(np.datetime64(atomic, "ms")) == np.datetime64(utc, "ms")
