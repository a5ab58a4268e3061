"""The sky network on real runs: both of its methods find the Crab, empty runs show nothing."""

import pytest

from skysift.core.registry import bundle_folder
from skysift.data.sky.gadf_index import open_index
from skysift.tasks.gamma_sky.evaluation.hess import LOWEST_ENERGY, empty_runs
from skysift.tasks.gamma_sky.evaluation.hess_run import CRAB, Run
from skysift.tasks.gamma_sky.network_runs import search_empty, search_steady

HESS = "gamma/hess-dl3-dr1"
NETWORK = bundle_folder("gamma-sky", "network")


@pytest.mark.mirror
def test_the_crab_is_found_and_nothing_else(mirror):
    run = Run.read(open_index(mirror / HESS), 23523, LOWEST_ENERGY)
    rows = search_steady(run, CRAB, NETWORK)
    assert [row.method for row in rows] == [
        "network",
        "network, no response",
        "network-centres",
        "network-centres, no response",
    ]
    for row in rows:
        assert row.significance > 15, row
        assert row.distance < 0.05, row
        assert row.others == 0, row


@pytest.mark.mirror
def test_empty_runs_show_nothing(mirror):
    index = open_index(mirror / HESS)
    chosen = empty_runs(index)
    assert len(chosen) == 37
    runs = [Run.read(index, obs_id, LOWEST_ENERGY) for obs_id in chosen[:4]]
    for row in search_empty(runs, NETWORK):
        assert row.runs == 4
        assert row.candidates.value == 0, row
        assert row.shown_by == ()
