"""Calibration of a search: the factor of its trials, by level and skewness."""

import numpy as np
import pytest

from skysift.models.sky.trials import Texture
from skysift.preprocess.folding import energy_bands
from skysift.tasks.gamma_sky.calibration import (
    NO_TRIALS,
    Peaks,
    calibrate,
    count_peaks,
    smoothed_trials,
)

SHARP = Texture(70.0, 0.4)


def test_the_factor_is_what_was_seen_over_what_the_formula_says(rng):
    """Highest peaks drawn with 1.3 times the peaks of the formula."""
    levels = np.linspace(2.0, 7.0, 2000)
    below = np.exp(-1.3 * NO_TRIALS.false_alarms(levels, area=15.0, texture=SHARP))
    highest = np.interp(rng.random(40_000), below, levels)
    rows = count_peaks(highest, 15.0, SHARP)
    level, factor = (np.array([getattr(row, name) for row in rows]) for name in ("level", "factor"))
    assert level[-1] == 4.5
    np.testing.assert_allclose(factor, 1.3, rtol=0.12)
    np.testing.assert_allclose(factor[level < 4], 1.3, rtol=0.05)
    np.testing.assert_allclose(smoothed_trials(rows).factor, 1.3, rtol=0.05)


def test_levels_that_few_maps_exceed_are_left_out():
    highest = np.concatenate([np.full(970, 2.7), np.full(29, 4.2), [6.0]])
    assert [row.level for row in count_peaks(highest, 15.0, SHARP)] == [3.0, 3.5, 4.0]
    assert count_peaks(np.full(50, 2.0), 15.0, SHARP) == []
    assert smoothed_trials([]) == NO_TRIALS


@pytest.mark.parametrize("bent", [False, True])
def test_what_bends_with_the_level_is_followed_where_it_is_asked_for(bent):
    """A search of some places only sees few low peaks; a straight line would miss that."""
    rows = [
        Peaks(skewness, level, float(np.exp(-0.5 * (level - 4.5) ** 2 + 0.3 * skewness)), 500)
        for skewness in (0.2, 0.4, 0.9)
        for level in (2.5, 3.0, 3.5, 4.0, 4.5)
    ]
    table = smoothed_trials(rows, bent=bent)
    wanted = np.array([row.factor for row in rows]).reshape(3, 5)
    assert np.allclose(table.factor, wanted, rtol=1e-6) == bent


@pytest.mark.parametrize("maps", [200, 1000])
def test_a_calibration_has_a_table_for_each_search(maps, rng):
    """One number from few fields, a smooth surface from more, near the formula either way."""
    found = calibrate(energy_bands(), rng, empty_maps=maps, source_maps=3, exposure=100.0)
    free, told = found.trials, found.trials.told
    for table in (free, told):
        assert np.all((table.factor > 0.8) & (table.factor < 2.2))
        assert (np.ptp(table.factor) < 1e-12) == (maps == 200)
    if maps == 1000:
        assert len(free.skewness) == 5
        # Told the response, the background is stiffer and the filter the same.
        np.testing.assert_allclose(free.skewness, told.skewness, rtol=0.02)
