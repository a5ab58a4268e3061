"""Positions of catalogues are in degrees, whatever unit they state."""

import numpy as np
import pytest

from skysift.core.errors import ContractError
from skysift.data.angles import degrees_of
from skysift.data.table import FeatureTable


@pytest.mark.parametrize(
    ("unit", "value", "degrees"),
    [
        ("", 5.5, 5.5),
        ("deg", 5.5, 5.5),
        ("Degrees", 5.5, 5.5),
        ("rad", np.pi, 180.0),
        ("radians", np.pi, 180.0),
        ("hourangle", 0.5, 7.5),
        ("h", 0.5, 7.5),
        ("arcmin", 90.0, 1.5),
        ("mas", 3.6e6, 1.0),
    ],
)
def test_a_stated_unit_is_converted(unit, value, degrees):
    table = FeatureTable.from_columns({"ra": [value, np.nan]}, units={"ra": unit})
    found = degrees_of(table, "ra")
    assert found[0] == pytest.approx(degrees, rel=1e-12)
    assert np.isnan(found[1])


@pytest.mark.parametrize("unit", ["m", "mag", "no such unit"])
def test_what_is_no_angle_is_refused(unit):
    table = FeatureTable.from_columns({"ra": [1.0]}, units={"ra": unit})
    with pytest.raises(ContractError, match="none of an angle"):
        degrees_of(table, "ra")


def test_text_is_refused_with_an_example():
    table = FeatureTable.from_columns({"ra": ["00:10:20"]})
    with pytest.raises(ContractError, match="00:10:20"):
        degrees_of(table, "ra")
