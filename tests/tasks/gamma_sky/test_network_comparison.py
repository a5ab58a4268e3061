"""The network and the classical search get the same fields, and what each finds is counted."""

import numpy as np
import pytest

from skysift.core.registry import bundle_folder, task_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.tasks.gamma_sky import network_comparison
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.network_comparison import Exposure, compare, main
from skysift.tasks.gamma_sky.network_training import load_network_bundle

NETWORK = task_folder(TASK) / "bundles" / "network"
METHODS = ["classical", "network", "centres"]
BRIGHT = 3.0  # Crab: no search may miss it
MAPS, EMPTY = 3, 4


@pytest.fixture
def short(monkeypatch):
    """One exposure of one flux, in fields with defects, and a false alarm that few can show."""
    scenarios = {"short": Exposure(100.0, (BRIGHT,), defects=True)}
    monkeypatch.setattr(network_comparison, "SCENARIOS", scenarios)
    monkeypatch.setattr(network_comparison, "_FALSE_ALARMS", 1 / EMPTY)
    return "short"


def test_a_bright_source_is_found_by_each_search_where_it_was_put(short):
    rows = compare(
        load_network_bundle(NETWORK),
        load_bundle(bundle_folder(TASK)).trials,
        AnalyticResponse(),
        short,
        np.random.default_rng(5),
        maps=MAPS,
        empty_maps=EMPTY,
    )
    assert [(row.flux, row.method) for row in rows] == [
        (flux, method) for flux in (0.0, BRIGHT) for method in METHODS
    ]
    assert [row.n for row in rows] == 3 * [EMPTY] + 3 * [MAPS]
    for row in rows[:3]:
        assert 0 <= row.numbers["false_alarms"].value <= 1
    for row in rows[3:]:
        assert row.numbers["efficiency"].value == 1, row
    for row in rows[3:5]:  # the centres are not fitted
        assert row.numbers["error68"].value < 0.03
        assert row.numbers["excess_ratio"].value == pytest.approx(1, abs=0.15)
        assert row.numbers["efficiency_equal"].value == 1


def test_the_command_prints_a_row_for_each_method_and_flux(short, capsys):
    main([str(NETWORK), "--maps", "1", "--empty-maps", str(EMPTY), "--seed", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" Crab")[0] for line in lines] == [
        f"{short} {method} {flux:g}" for flux in (0, BRIGHT) for method in METHODS
    ]
    assert all("false_alarms" in line for line in lines[:3])
    assert all("efficiency 1.0000" in line for line in lines[3:])
