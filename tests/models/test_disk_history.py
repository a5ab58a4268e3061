"""What a list of flares tells of the disk: counted one by one, and never of what comes after."""

import numpy as np
import pytest

from skysift.core.errors import InputError
from skysift.models.disk_history import (
    DISK_HISTORY,
    DISK_HISTORY_HOURS,
    disk_history_features,
    history_features_of,
)

BEGIN = np.datetime64("2014-01-01", "s")
MINUTE = np.timedelta64(60, "s")
LEVELS = {"c1": 1e-6, "c5": 5e-6, "m1": 1e-5}


def a_list(n=400, days=60, seed=1):
    rng = np.random.default_rng(seed)
    start = BEGIN + rng.integers(0, days * 1440, n) * MINUTE
    return start, 10 ** rng.uniform(-6.5, -4, n)


def test_features_are_those_counted_flare_by_flare():
    start, flux = a_list()
    time = BEGIN + np.arange(12, 70) * 24 * 60 * MINUTE + 7 * MINUTE
    found = disk_history_features(time, start, flux)
    assert found.shape == (len(time), len(DISK_HISTORY))
    known = np.flatnonzero(np.isfinite(found).all(axis=1))
    assert len(known) > 40
    for row in known:
        for place, hours in enumerate(DISK_HISTORY_HOURS):
            age = (time[row] - start) / np.timedelta64(3600, "s")
            seen = flux[(age >= 0.5) & (age < hours)]
            told = found[row, 4 * place : 4 * place + 4]
            assert told[0] == pytest.approx(np.log10(max([3e-7, *seen])))
            for number, limit in zip(told[1:], LEVELS.values(), strict=True):
                assert number == pytest.approx(np.log1p((seen >= limit).sum() * 24 / hours))


def test_what_begins_after_a_time_or_just_before_it_changes_nothing():
    start, flux = a_list()
    time = np.array([BEGIN + 30 * 1440 * MINUTE])
    before = disk_history_features(time, start, flux)
    for minutes in (-29, 0, 1, 600):
        more = np.append(start, time + minutes * MINUTE)
        np.testing.assert_array_equal(
            disk_history_features(time, more, np.append(flux, 1e-3)), before
        )
    settled = np.append(start, time - 31 * MINUTE)
    assert (disk_history_features(time, settled, np.append(flux, 1e-3)) != before).any()


def test_days_that_the_list_does_not_cover_are_not_known():
    start, flux = a_list()
    early, late = start.min() + 9 * 1440 * MINUTE, start.max() + 11 * 1440 * MINUTE
    never = np.datetime64("NaT", "s")
    asked = np.array([early, late, never])
    assert np.isnan(disk_history_features(asked, start, flux)).all()
    assert np.isnan(disk_history_features([early], start[:0], flux[:0])).all()


def test_the_order_of_the_list_does_not_matter_and_an_unknown_flux_is_a_weak_flare():
    start, flux = a_list()
    time = BEGIN + np.arange(20, 50) * 1440 * MINUTE
    order = np.random.default_rng(2).permutation(len(start))
    sorted_ = disk_history_features(time, start, flux)
    np.testing.assert_array_equal(disk_history_features(time, start[order], flux[order]), sorted_)
    weak, unknown = flux.copy(), flux.copy()
    weak[::3], unknown[::3] = 1e-8, np.nan
    np.testing.assert_array_equal(
        disk_history_features(time, start, unknown), disk_history_features(time, start, weak)
    )


def test_other_spans_and_lists_that_do_not_fit():
    start, flux = a_list()
    time = BEGIN + np.arange(20, 50) * 1440 * MINUTE
    few = history_features_of(time, start, flux, (24.0,))
    every = disk_history_features(time, start, flux)
    np.testing.assert_array_equal(few, every[:, 4:8])
    with pytest.raises(InputError, match="400 flares have 399 fluxes"):
        disk_history_features(time, start, flux[1:])
