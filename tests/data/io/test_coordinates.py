"""Tables of astropy with celestial coordinates: what can be is read, the rest is named."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.table import QTable, Table
from astropy.utils.masked import Masked

from skysift.data.io import read_table
from skysift.data.io.astronomy import from_astropy

AT = SkyCoord([10.0, 20.0] * u.deg, [-30.0, 40.0] * u.deg)


def read(tmp_path, columns):
    Table(columns).write(tmp_path / "t.ecsv")
    return read_table(tmp_path / "t.ecsv")


@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk4"])
def test_coordinates_are_read_as_right_ascension_and_declination(tmp_path, frame):
    table = read(tmp_path, {"id": [1, 2], "at": AT.transform_to(frame)})
    assert table.columns == ["id", "ra", "dec"]
    assert table.unit("ra") == table.unit("dec") == "deg"
    np.testing.assert_allclose(table["ra"], AT.ra.deg, atol=1e-9)
    np.testing.assert_allclose(table["dec"], AT.dec.deg, atol=1e-9)


def test_several_coordinates_keep_their_names_apart(tmp_path):
    table = read(tmp_path, {"at": AT, "RA": [1.0, 2.0]})
    assert table.columns == ["at.ra", "at.dec", "RA"]
    assert read(tmp_path / "..", {"a": AT, "b": AT}).columns == ["a.ra", "a.dec", "b.ra", "b.dec"]


def test_what_is_no_column_is_named_and_the_rest_read(tmp_path):
    place = EarthLocation.from_geodetic([1, 2] * u.deg, [3, 4] * u.deg)
    table = read(tmp_path, {"id": [1, 2], "place": place})
    assert table.columns == ["id"]
    assert list(table.meta["skipped_columns"]) == ["place"]


def test_masked_coordinates_and_quantities_have_gaps():
    hidden = Masked([10.0, 20.0] * u.deg, mask=[False, True])
    at = SkyCoord(hidden, [-30.0, 40.0] * u.deg)
    table = from_astropy(QTable({"at": at, "far": Masked([1.0, 2.0] * u.pc, mask=[True, False])}))
    assert table.arrow.column("ra").to_pylist() == [pytest.approx(10.0), None]
    assert table.arrow.column("far").to_pylist() == [None, 2.0]
    assert table.unit("far") == "pc"
