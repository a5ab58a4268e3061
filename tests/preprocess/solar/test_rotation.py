"""Differential rotation against sunpy."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from skysift.preprocess.solar.rotation import RotationLaw, rotated_longitude, rotation_rate

START = np.datetime64("2014-03-01T00:00", "ms")


@pytest.mark.parametrize("law", list(RotationLaw))
def test_rates_are_those_of_sunpy(law: RotationLaw) -> None:
    rotation = pytest.importorskip("sunpy.sun.models")
    lat = np.linspace(-80, 80, 17)
    expected = rotation.differential_rotation(1 * u.day, lat * u.deg, model=law.value)
    assert rotation_rate(lat, law=law) == pytest.approx(expected.to_value("deg"), abs=1e-9)


@pytest.mark.parametrize("days", [-2.0, 0.3, 4.0])
def test_places_are_carried_as_in_the_rotating_frame_of_sunpy(days: float) -> None:
    coordinates = pytest.importorskip("sunpy.coordinates")
    end = START + np.timedelta64(round(days * 86_400_000), "ms")
    lon, lat = np.array([-50.0, 0.0, 30.0, 60.0]), np.array([-25.0, 5.0, 17.0, 40.0])
    place = SkyCoord(
        lon * u.deg, lat * u.deg, frame=coordinates.HeliographicStonyhurst(obstime=str(START))
    )
    with coordinates.propagate_with_solar_surface():
        there = place.transform_to(coordinates.HeliographicStonyhurst(obstime=str(end)))
    own = rotated_longitude(lon, lat, since=START, until=end)
    assert (own - there.lon.deg + 180) % 360 - 180 == pytest.approx(0, abs=0.01)


@given(st.floats(-90, 90), st.floats(-70, 70), st.floats(-10, 10))
def test_rotation_can_be_undone(lon: float, lat: float, days: float) -> None:
    end = START + np.timedelta64(round(days * 86_400_000), "ms")
    there = rotated_longitude(lon, lat, since=START, until=end)
    back = rotated_longitude(there, lat, since=end, until=START)
    assert float(back) == pytest.approx(lon, abs=1e-6)


def test_many_places_at_many_times() -> None:
    ends = START + np.array([0, 1, 2]) * np.timedelta64(1, "D")
    moved = rotated_longitude([0, 0, 0], [10, 10, 10], since=START, until=ends)
    assert moved[0] == 0
    assert np.diff(moved) == pytest.approx([13.2, 13.2], abs=0.1)  # synodic, a day
