"""Trials: how many peaks a field without sources has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, maximum_filter

from skysift.core.errors import UsageError
from skysift.models.sky.trials import Texture, TrialsTable

PLAIN = TrialsTable(np.array([3.0]), np.array([1.0]))
MEASURED = TrialsTable(np.array([2.5, 3.0, 3.5, 4.0]), np.array([1.4, 1.2, 1.05, 0.9]))


@given(
    st.floats(1e-12, 5.0),
    st.floats(0.5, 40.0),
    st.floats(10.0, 500.0),
    st.sampled_from([PLAIN, MEASURED]),
)
def test_the_level_is_the_inverse_of_the_false_alarms(alarms, area, roughness, table):
    level = table.level_for(alarms, area=area, texture=Texture(roughness))
    found = table.false_alarms(level, area=area, texture=Texture(roughness))
    if level > 1.5:
        assert found == pytest.approx(alarms, rel=1e-6)
    else:
        assert found <= alarms * (1 + 1e-9)


def test_what_nobody_can_reach_is_a_level_all_the_same():
    assert 30 < PLAIN.level_for(1e-320, area=15.0, texture=Texture(100.0)) <= 40
    assert PLAIN.level_for(1e6, area=15.0, texture=Texture(100.0)) == 1.5
    assert PLAIN.false_alarms(80.0, area=15.0, texture=Texture(100.0)) == 0


def test_factors_hold_beyond_the_ends_and_between():
    plain = PLAIN.false_alarms([2.0, 3.0, 6.0], area=1.0, texture=Texture(1.0))
    ratio = MEASURED.false_alarms([2.0, 3.0, 6.0], area=1.0, texture=Texture(1.0)) / plain
    np.testing.assert_allclose(ratio, [1.4, 1.2, 0.9])


def test_peaks_of_gaussian_fields_are_as_many_as_the_formula_says(rng):
    """Maxima of smooth noise; their number is Poisson, and the formula is for high levels."""
    width, n, maps = 4.0, 256, 60
    found = np.zeros(2)
    for _ in range(maps):
        field = gaussian_filter(rng.normal(size=(n, n)), width, mode="wrap")
        field *= 2 * width * np.sqrt(np.pi)  # the noise of a Gaussian of this width
        top = field == maximum_filter(field, size=5, mode="wrap")
        found += [np.sum(field[top] > level) for level in (2.8, 3.3)]
    expected = PLAIN.false_alarms(
        [2.8, 3.3], area=maps * n * n, texture=Texture(1 / (2 * width**2))
    )
    assert np.all(np.abs(found - expected) < 4 * np.sqrt(expected) + 0.05 * expected)


def test_factors_hold_between_the_skewnesses_and_beyond():
    table = TrialsTable(
        np.array([3.0, 4.0]), np.array([[1.0, 1.2], [1.5, 1.8]]), skewness=np.array([0.2, 0.6])
    )
    plain = PLAIN.false_alarms([3.0, 4.0], area=1.0, texture=Texture(1.0))
    between = [1.5**0.5, 1.2 * 1.5**0.5]
    for skewness, expected in [(0.0, [1.0, 1.2]), (0.4, between), (2.0, [1.5, 1.8])]:
        found = table.false_alarms([3.0, 4.0], area=1.0, texture=Texture(1.0, skewness))
        np.testing.assert_allclose(found / plain, expected)
        level = table.level_for(0.1, area=15.0, texture=Texture(90.0, skewness))
        again = table.false_alarms(level, area=15.0, texture=Texture(90.0, skewness))
        assert again == pytest.approx(0.1)


def test_a_search_takes_the_table_of_what_it_is_told():
    both = TrialsTable(MEASURED.level, MEASURED.factor, PLAIN)
    assert both.of_search(told=True) is PLAIN
    assert both.of_search(told=False) is both
    assert MEASURED.of_search(told=True) is MEASURED


def test_tables_of_the_same_numbers_are_equal():
    same = TrialsTable(MEASURED.level.copy(), MEASURED.factor.copy())
    assert same == MEASURED
    assert hash(same) == hash(MEASURED)
    assert TrialsTable(MEASURED.level, MEASURED.factor, PLAIN) != MEASURED
    assert MEASURED != "a table"


@pytest.mark.parametrize(
    ("level", "factor"), [([], []), ([3.0, 3.0], [1.0, 1.0]), ([3.0], [0.0]), ([4.0, 3.0], [1, 1])]
)
def test_a_table_that_makes_no_sense_is_refused(level, factor):
    with pytest.raises(UsageError, match="increasing levels"):
        TrialsTable(np.array(level), np.array(factor))
    with pytest.raises(UsageError, match="positive factors"):
        TrialsTable(np.array([3.0]), np.array([1.0]), skewness=np.array([0.2, 0.6]))
