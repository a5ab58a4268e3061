"""The past of regions: rates of McIntosh classes, and features that tell no from unknown."""

import json

import numpy as np
import pytest

from skysift.core.errors import BundleError, InputError
from skysift.models.flare_history import (
    HISTORY_COLUMNS,
    McIntoshRates,
    history_features,
    history_names,
)

CODES = ["Axx"] * 100 + ["Dai"] * 100 + ["Fkc"] * 100
FLARED = [0] * 98 + [1] * 2 + [0] * 70 + [1] * 30 + [0] * 15 + [1] * 85


def past(**given):
    row = {
        "maxflux_prev24h": 0.0, "area": 100.0, "nspots": 5.0, "extent": 4.0,
        "mcintosh": "Dai", "hale": "Beta",
    }  # fmt: skip
    return {name: [value] for name, value in {**row, **given}.items()}


def features(**given):
    rates = McIntoshRates.fit(CODES, FLARED)
    return dict(zip(history_names(), history_features(past(**given), rates)[0], strict=True))


def test_rates_of_common_classes_are_their_shares():
    rates = McIntoshRates.fit(CODES, FLARED)
    np.testing.assert_allclose(rates(["Axx", "Dai", "Fkc"]), [0.02, 0.30, 0.85], atol=0.05)


def test_spelling_does_not_matter_and_no_class_has_the_mean():
    rates = McIntoshRates.fit(CODES, FLARED)
    assert rates(["FKC"])[0] == rates(["fkc "])[0] == rates(["Fkc"])[0]
    assert rates(["", None]).tolist() == [rates.mean, rates.mean]


def test_a_class_never_seen_is_told_by_its_letters():
    rates = McIntoshRates.fit(CODES, FLARED)
    axx, new, fkc = rates(["Axx", "Fki", "Fkc"])
    assert axx < rates.mean < new < fkc + 0.15


def test_one_region_does_not_make_a_rate():
    rates = McIntoshRates.fit([*CODES, "Hhx"], [*FLARED, 1])
    assert rates(["Hhx"])[0] < 0.6


def test_rates_survive_their_file():
    rates = McIntoshRates.fit(CODES, FLARED)
    stored = McIntoshRates.of_dict(json.loads(json.dumps(rates.to_dict())))
    np.testing.assert_array_equal(stored(["Axx", "Fki", ""]), rates(["Axx", "Fki", ""]))


@pytest.mark.parametrize(
    "damage", [{"mean": 2.0}, {"classes": {"Axx": [3, 1]}}, {"letters": [{}]}, {"mean": "x"}]
)
def test_damaged_rates_are_refused(damage):
    stored = {**McIntoshRates.fit(CODES, FLARED).to_dict(), **damage}
    with pytest.raises(BundleError):
        McIntoshRates.of_dict(stored)


def test_no_rows_give_no_rates():
    with pytest.raises(InputError):
        McIntoshRates.fit([], [])


def test_a_class_is_reached_at_its_very_flux():
    assert features(maxflux_prev24h=1e-6)["previous_c"] == 1
    assert features(maxflux_prev24h=9.9e-7)["previous_c"] == 0
    assert features(maxflux_prev24h=1.2e-5)["previous_m"] == 1


def test_no_flare_is_not_unknown():
    assert features(maxflux_prev24h=0.0)["log_previous_flux"] == -8
    assert np.isnan(features(maxflux_prev24h=np.nan)["previous_c"])
    assert np.isnan(features(hale="")["delta"])
    assert np.isnan(features(mcintosh="")["mcintosh_log_odds"])


def test_mount_wilson_classes_are_told_by_their_letters():
    found = features(hale="Beta-Gamma-Delta")
    assert (found["gamma"], found["delta"]) == (1, 1)
    assert (features(hale="BETA")["gamma"], features(hale="Beta-Delta")["delta"]) == (0, 1)


def test_every_history_column_matters():
    base = features()
    changed = {
        "maxflux_prev24h": 5e-6, "area": 500.0, "nspots": 50.0, "extent": 15.0,
        "mcintosh": "Fkc", "hale": "Beta-Gamma",
    }  # fmt: skip
    assert set(changed) == set(HISTORY_COLUMNS)
    for name, value in changed.items():
        assert features(**{name: value}) != base, name
