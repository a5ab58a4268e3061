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


def test_factors_are_smooth_in_skewness_and_level():
    levels, skewnesses = np.array([3.0, 3.5, 4.0, 4.5]), np.array([0.2, 0.4, 0.9])
    away, s = levels - 3.5, skewnesses[:, None]
    wanted = np.exp(0.1 + 0.5 * s - 0.4 * s**2 + (0.3 - 0.6 * s) * away)
    rows = [
        Peaks(skewness, level, factor, 500)
        for skewness, factors in zip(skewnesses.tolist(), wanted.tolist(), strict=True)
        for level, factor in zip(levels.tolist(), factors, strict=True)
    ]
    table = smoothed_trials(rows)
    np.testing.assert_allclose(table.factor, wanted, rtol=1e-6)
    np.testing.assert_array_equal(table.skewness, skewnesses)


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
