"""The network and the classical search get the same fields, and what each finds is counted."""

import numpy as np
import pytest

from skysift.core.registry import bundle_folder, task_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.tasks.gamma_sky import network_comparison
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.network_bundle import load_network_bundle
from skysift.tasks.gamma_sky.network_comparison import Exposure, compare, main

NETWORK = task_folder(TASK) / "bundles" / "network"
METHODS = list(network_comparison.METHODS)
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
    assert [row.n for row in rows] == 4 * [EMPTY] + 4 * [MAPS]
    for row in rows[:4]:
        assert 0 <= row.numbers["false_alarms"].value <= 1
    for row in rows[4:]:
        assert row.numbers["efficiency"].value == 1, row
        assert 0 <= row.numbers["coverage68"].value <= row.numbers["coverage95"].value <= 1
    for row in (rows[4], rows[5], rows[7]):  # the centres are not fitted
        assert row.numbers["error68"].value < 0.03
        assert row.numbers["excess_ratio"].value == pytest.approx(1, abs=0.15)
        assert row.numbers["efficiency_equal"].value == 1


def test_the_command_prints_a_row_for_each_method_and_flux(short, capsys):
    main([str(NETWORK), "--maps", "1", "--empty-maps", str(EMPTY), "--seed", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" Crab")[0] for line in lines] == [
        f"{short} {method} {flux:g}" for flux in (0, BRIGHT) for method in METHODS
    ]
    assert all("false_alarms" in line for line in lines[:4])
    assert all("efficiency 1.0000" in line for line in lines[4:])


def test_fields_do_not_depend_on_what_searches_them(short, capsys):
    chosen = ["--maps", "2", "--empty-maps", str(EMPTY), "--seed", "3"]
    main([str(NETWORK), *chosen])
    together = capsys.readouterr().out.splitlines()
    main([str(NETWORK), *chosen, "--method", "network-centres"])
    assert capsys.readouterr().out.splitlines() == [
        line for line in together if " network-centres " in line
    ]


def test_two_bright_sources_are_found_by_each_search(monkeypatch):
    pair = Exposure(100.0, (BRIGHT,), defects=False, apart=0.5)
    monkeypatch.setattr(network_comparison, "SCENARIOS", {"pair": pair})
    rows = compare(
        load_network_bundle(NETWORK),
        load_bundle(bundle_folder(TASK)).trials,
        AnalyticResponse(),
        "pair",
        np.random.default_rng(6),
        maps=MAPS,
        empty_maps=0,
    )
    assert [row.method for row in rows] == METHODS
    assert [row.numbers["both"].value for row in rows] == [1, 1, 1, 1]
