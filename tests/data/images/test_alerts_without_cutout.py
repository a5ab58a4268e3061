"""A table of alerts without the cutouts that are asked for says so for each alert."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skysift.data.images.alerts import Cutout
from skysift.data.images.readers import iter_stamps
from skysift.data.images.stamp import Rejected


@pytest.fixture
def science_only(tmp_path):
    table = pa.table({"candid": [11, 12], "cutoutScience": [b"x", b"y"], "ra": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "alerts.parquet")
    return tmp_path / "alerts.parquet"


def test_each_alert_has_its_reason_and_the_remedy(science_only):
    found = list(iter_stamps([science_only], cutout=Cutout.TEMPLATE))
    assert all(isinstance(one, Rejected) and one.code == "no-image" for one in found)
    assert [one.identifier for one in found] == ["11", "12"]
    assert [one.source for one in found] == [f"{science_only}#0", f"{science_only}#1"]
    assert "no cutoutTemplate, but cutoutScience" in found[0].reason
    assert "--cutout science" in found[0].reason


def test_a_table_without_any_cutout_is_one_that_has_no_image(tmp_path):
    pq.write_table(pa.table({"candid": [1, 2]}), tmp_path / "t.parquet")
    (found,) = iter_stamps([tmp_path / "t.parquet"])
    assert "no column cutout or cutoutScience" in found.reason
