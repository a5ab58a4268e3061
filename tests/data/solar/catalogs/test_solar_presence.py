"""Which of the regions of a summary can still be seen at a time."""

import numpy as np
import pytest

from skysift.data.solar.catalogs import LabelPolicy, label_presence
from skysift.data.solar.catalogs.lists import region_list
from skysift.data.solar.ephemeris import earth_view

DAY = np.datetime64("2014-02-20", "s")
HOUR = np.timedelta64(1, "h")


def listed(lon, lat=10.0):
    columns = {"valid": [DAY], "section": ["I"], "noaa": [11990], "lat": [lat], "lon": [lon]}
    return region_list(columns, source="made")


def test_a_region_that_has_gone_behind_the_limb_is_told():
    times = [DAY + hours * HOUR for hours in (1, 23)]
    table = label_presence(listed(82.0), times, policy=LabelPolicy(oldest=36))
    assert table["class"].tolist() == ["spots", "spots"]
    assert table["lon"][1] > 90
    assert table["mu"][0] > 0 > table["mu"][1]


def test_a_region_in_the_middle_of_the_disk_has_a_cosine_of_one():
    b0 = float(earth_view(DAY + HOUR).b0)
    table = label_presence(listed(0.0, lat=b0), [DAY + HOUR])
    assert table["mu"][0] == pytest.approx(1, abs=1e-3)


def test_a_disk_without_a_region_has_no_cosine():
    table = label_presence(listed(0.0), [DAY + HOUR, DAY + 72 * HOUR])
    assert np.isnan(table["mu"]).tolist() == [False, True]
    none = label_presence(listed(0.0), [DAY + 72 * HOUR], policy=LabelPolicy(gaps="drop"))
    assert len(none) == 0
    assert "mu" in none
