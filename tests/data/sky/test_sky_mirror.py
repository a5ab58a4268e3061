"""Real event lists: the reader and the maps agree with gammapy on every file."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u

from skysift.data.contract import Verdict
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_index import open_index
from skysift.data.sky.rad_max import read_rad_max
from skysift.data.sky.tangent import TangentGrid

pytestmark = pytest.mark.mirror

EDGES = np.geomspace(0.05, 100, 6)
FOLDERS = ["hess-dl3-dr1", "cta-1dc/index/gps", "magic/rad_max/data", "joint-crab/dl3/magic"]


def assert_agrees(gammapy, path: Path, events) -> None:
    """Events, good time and counts of a map are those that gammapy reads from the file."""
    theirs = gammapy.data.EventList.read(path)
    gti = gammapy.data.GTI.read(path)
    assert len(theirs.table) == len(events)
    order = np.argsort(theirs.time, kind="stable")
    np.testing.assert_allclose(theirs.energy.to_value("TeV")[order], events.energy, rtol=1e-12)
    assert gti.time_sum.to_value("s") == pytest.approx(events.gti.duration, abs=1e-5)
    start = (theirs.time[order[0]] - gti.time_start[0]).to_value("s")
    assert start == pytest.approx(events.time[0] - events.gti.start[0], abs=1e-5)
    grid = TangentGrid(events.pointing.ra, events.pointing.dec, 120, 120, 0.05)
    axis = gammapy.maps.MapAxis.from_energy_edges(EDGES, unit="TeV")
    counts = gammapy.maps.WcsNDMap(gammapy.maps.WcsGeom(grid.wcs(), npix=(120, 120), axes=[axis]))
    # gammapy adds 360 deg to a negative float32, which moves photons by 1e-5 deg over pixel edges.
    theirs.table["RA"] = theirs.table["RA"].astype(np.float64)
    counts.fill_events(theirs)
    ours = CountsMap.from_events(events, grid, EDGES)
    np.testing.assert_array_equal(ours.counts, counts.data)
    assert ours.counts.sum() > 1000


@pytest.mark.parametrize("folder", FOLDERS)
def test_all_runs_of_an_index_agree_with_gammapy(gammapy, mirror: Path, folder: str) -> None:
    index = open_index(mirror / "gamma" / folder)
    expected = {"hess-dl3-dr1": 64, "cta-1dc/index/gps": 2, "magic/rad_max/data": 2}
    assert len(index.obs_ids) == expected.get(folder, 1)
    for obs_id in index.obs_ids:
        file = index.read(obs_id)
        assert not [f for f in file.findings if f.verdict is Verdict.REJECTED]
        assert all(part.path.is_file() for part in index.responses(obs_id))
        assert_agrees(gammapy, file.path, file.events)


def test_hess_runs_add_up_and_have_the_livetimes_of_their_index(mirror: Path) -> None:
    index = open_index(mirror / "gamma/hess-dl3-dr1")
    files = {obs_id: index.read(obs_id) for obs_id in index.obs_ids}
    assert sum(len(file.events) for file in files.values()) == 576_890
    for obs_id, file in files.items():
        described = index.observations[obs_id]
        assert file.events.livetime == pytest.approx(described.livetime, rel=1e-3)
        assert file.events.pointing.ra == pytest.approx(described.pointing.ra, abs=1e-4)
        assert file.events.pointing.zenith == pytest.approx(described.pointing.zenith, abs=1e-3)
        assert {f.code for f in file.findings} <= {"at-gti-edge", "gti-gaps"}


def test_the_wrong_tstop_of_the_data_challenge_is_noted(mirror: Path) -> None:
    file = read_events(mirror / "gamma/cta-1dc/data/baseline/gps/gps_baseline_110380.fits")
    assert {f.code for f in file.findings} == {"ra-wrapped", "unsorted", "after-tstop"}
    assert file.events.livetime == pytest.approx(1764.0, rel=1e-5)


def test_rad_max_of_magic_is_that_of_gammapy(gammapy, mirror: Path) -> None:
    index = open_index(mirror / "gamma/magic/rad_max/data")
    location = index.locate(5029747, "rad_max")
    ours = read_rad_max(location)
    theirs = gammapy.irf.RadMax2D.read(location.path)
    np.testing.assert_allclose(ours.energy_edges, theirs.axes["energy"].edges.to_value("TeV"))
    np.testing.assert_allclose(ours.values, theirs.quantity.to_value("deg").T)
    energies = np.array([0.03, 0.2, 5.0])
    expected = theirs.evaluate(
        energy=energies * u.TeV, offset=0.4 * u.deg, method="nearest"
    ).to_value("deg")
    np.testing.assert_allclose(ours.at(energies, 0.4), expected)
