"""Times as files write them, brought to UTC without a warning."""

import numpy as np
import pytest

from skysift.core.errors import ContractError
from skysift.data.times import as_times, without_offset


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2014-01-01T05:00:00+02:00", "2014-01-01T03:00:00"),
        ("2014-01-01 05:00:00.5 -0530", "2014-01-01T10:30:00"),
        ("2014/01/01 23:00-05", "2014-01-02T04:00:00"),
        ("2014.01.01_05:00:00_TAI", "2014-01-01T05:00:00"),
        ("2014-01-01T05:00:00Z", "2014-01-01T05:00:00"),
        ("2014-01-01", "2014-01-01T00:00:00"),
    ],
)
def test_offsets_are_taken_off(text, utc):
    assert as_times([text])[0] == np.datetime64(utc)


@pytest.mark.parametrize("text", ["2014-01-01T05-00", "2014-01-01T05:00+25:00", "05:00+02:00"])
def test_what_is_no_offset_is_refused(text):
    with pytest.raises(ContractError, match="is no time"):
        as_times([text])


def test_a_date_is_no_offset():
    assert without_offset("2014-01-01") == ("2014-01-01", np.timedelta64(0, "s"))
