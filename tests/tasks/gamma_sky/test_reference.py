"""gammapy as the reference: what it finds through our door, and that it may be absent."""

import importlib

import numpy as np
import pytest

from skysift.core.errors import MissingExtraError, ReadError, UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf import read_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import (
    Circle,
    Exclusion,
    RadialAcceptance,
    reflected_on_off,
    reflected_regions,
    significance_map,
)
from skysift.evaluate.aperture.sphere import offset_by
from skysift.tasks.gamma_sky.gammapy_method import GammapyMethod
from skysift.tasks.gamma_sky.reference import GammapySearch, gammapy_on_off, gammapy_search

CRAB = (83.633083, 22.0145)
GRID = TangentGrid(120.0, 75.0, 120, 120, 0.025)
EDGES = np.array([0.1, 1.0, 10.0])
RING = GammapySearch(GRID, EDGES, background="ring", ring=(0.31, 0.61))


@pytest.fixture(autouse=True, scope="module")
def needs_gammapy():
    pytest.importorskip("gammapy", reason="gammapy is not installed")


@pytest.fixture
def field(rng):
    """Two sources, of 150 and 80 counts, on a background that falls outwards."""
    n = 6000
    ra, dec = offset_by(GRID.ra, GRID.dec, rng.uniform(0, 360, n), 0.9 * rng.rayleigh(size=n))
    for place, counts in (((0.5, 0.3), 150), ((-0.6, -0.4), 80)):
        centre = map(float, GRID.from_plane(*place))
        more = offset_by(*centre, rng.uniform(0, 360, counts), 0.04 * rng.rayleigh(size=counts))
        ra, dec = np.append(ra, more[0]), np.append(dec, more[1])
    time, energy = np.sort(rng.uniform(0, 100, len(ra))), rng.uniform(0.1, 3.0, len(ra))
    gti = GoodTimeIntervals.of([(0.0, 60.0), (70.0, 100.0)])
    return EventList(time, ra, dec, energy, gti, Pointing(GRID.ra, GRID.dec), 0.9)


def test_it_finds_the_sources_strongest_first(field):
    result = gammapy_search(field, RING)
    first, second = result.candidates[:2]
    assert np.hypot(first.xi - 0.5, first.eta - 0.3) < 0.08
    assert np.hypot(second.xi + 0.6, second.eta + 0.4) < 0.08
    assert first.excess == pytest.approx(150 * 0.956, abs=4 * first.excess_error)
    assert first.ts > second.ts > 25
    assert first.p_value < 1e-6
    assert np.isnan(first.covariance).all()
    assert result.reduction_seconds > 0
    assert result.search_seconds > 0


def test_events_and_their_counts_give_the_same(field):
    of_events = gammapy_search(field, RING)
    of_counts = gammapy_search(CountsMap.from_events(field, GRID, EDGES), RING)
    np.testing.assert_array_equal(of_events.significance, of_counts.significance)
    assert len(of_events.candidates) == len(of_counts.candidates)


def test_its_significance_is_that_of_our_map_with_the_same_acceptance(field):
    counts = CountsMap.from_events(field, GRID, EDGES)
    acceptance = RadialAcceptance.of_counts(counts).on_grid(GRID)
    ours = significance_map(counts, 0.1, RING.ring, acceptance=acceptance)
    theirs = gammapy_search(counts, RING).significance
    np.testing.assert_allclose(ours.significance, theirs, atol=2e-3)


def test_an_empty_field_has_no_candidates(field):
    nothing = gammapy_search(field.take(np.arange(len(field)) % 60 == 0), RING)
    assert nothing.candidates == ()


def test_as_a_method_it_finds_in_counts_what_it_finds_in_photons(field):
    counts = CountsMap.from_events(field, GRID, EDGES)
    method = GammapyMethod(counts, None)
    direct = gammapy_search(field, GammapySearch(GRID, EDGES, background="ring"))
    found = method(counts.counts)
    places = [(one.xi, one.eta, one.ts) for one in found.candidates]
    assert places == [(one.xi, one.eta, one.ts) for one in direct.candidates]
    assert len(places) >= 2
    np.testing.assert_array_equal(found.filtered, direct.significance.astype(np.float32))
    inner = GammapyMethod(counts, None, radius=0.65)(counts.counts).candidates
    assert [(one.xi, one.eta) for one in inner] == [
        (xi, eta) for xi, eta, _ in places if np.hypot(xi, eta) <= 0.65
    ]
    assert 0 < len(inner) < len(places)


def test_reflected_regions_of_gammapy_count_as_ours(field):
    ra, dec = map(float, GRID.from_plane(0.5, 0.3))
    on, beside = Circle(ra, dec, 0.1), Circle(*map(float, GRID.from_plane(-0.6, -0.4)), 0.2)
    for exclusion in (None, Exclusion((beside,))):
        theirs = gammapy_on_off(field, on, exclusion)
        regions = reflected_regions(on, field.pointing, exclusion, angle_increment=np.degrees(0.1))
        ours = reflected_on_off(field, on, regions)
        assert theirs.n_on == ours.n_on
        assert theirs.alpha == pytest.approx(ours.alpha, rel=0.1)
        assert theirs.significance == pytest.approx(ours.significance, rel=0.05)
    assert gammapy_on_off(field, Circle(GRID.ra, GRID.dec, 0.1)) is None


def test_what_it_cannot_do_is_said(field, tmp_path):
    with pytest.raises(UsageError, match="no response"):
        gammapy_search(field, GammapySearch(GRID, EDGES))
    other = CountsMap.from_events(field, TangentGrid(120.0, 75.0), EDGES)
    with pytest.raises(UsageError, match="grid"):
        gammapy_search(other, RING)
    with pytest.raises(ReadError, match="cannot read"):
        gammapy_search(field, RING, tmp_path / "missing.fits")


def test_without_gammapy_the_extra_is_named(field, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name, name=name.split(".")[0])

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r'pip install "skysift\[gamma\]"'):
        gammapy_search(field, RING)


@pytest.mark.mirror
@pytest.mark.parametrize("run", [23523, 23559])
@pytest.mark.parametrize("background", ["irf", "ring"])
def test_it_finds_the_crab_nebula_in_a_real_run(mirror, run, background):
    path = mirror / f"gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_{run:06d}.fits.gz"
    events = read_events(path).events
    grid = TangentGrid(events.pointing.ra, events.pointing.dec, 160, 160, 0.025)
    search = GammapySearch(grid, np.geomspace(0.4, 100, 4), background=background)
    result = gammapy_search(events, search, path)
    best = result.candidates[0]
    assert separation(*grid.from_plane(best.xi, best.eta), *CRAB) < 0.03
    assert best.ts > 20**2
    # The response predicts far too few counts here: the blind search then finds ghosts.
    assert (len(result.candidates) > 5) == (background == "irf")


@pytest.mark.mirror
def test_a_point_like_response_cannot_give_a_background(mirror):
    path = mirror / "gamma/magic/rad_max/data/20131004_05029747_DL3_CrabNebula-W0.40+035.fits"
    events = read_events(path).events
    grid = TangentGrid(events.pointing.ra, events.pointing.dec, 80, 80, 0.025)
    with pytest.raises(ReadError, match="no bkg"):
        gammapy_search(events, GammapySearch(grid, EDGES), path)
