"""On/off photometry of real H.E.S.S. and MAGIC runs, against gammapy."""

import numpy as np
import pytest

from skysift.data.sky.gadf import read_events
from skysift.data.sky.gadf_location import list_responses
from skysift.data.sky.rad_max import read_rad_max
from skysift.data.sky.tangent import separation
from skysift.evaluate.aperture import (
    Circle,
    Exclusion,
    MaskImage,
    RadialAcceptance,
    rad_max_on_off,
    reflected_on_off,
    reflected_regions,
    ring_background,
)

pytestmark = pytest.mark.mirror

CRAB = (83.633083, 22.0145)
PKS_2155 = (329.716938, -30.225588)
HESS_RUNS = [(23523, CRAB), (23559, CRAB), (33787, PKS_2155), (33801, PKS_2155), (47829, PKS_2155)]
MAGIC_FILES = [
    "20131004_05029747_DL3_CrabNebula-W0.40+035.fits",
    "20131004_05029748_DL3_CrabNebula-W0.40+215.fits",
]


def hess_events(mirror, run):
    path = mirror / f"gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_{run:06d}.fits.gz"
    return read_events(path).events.in_energy(0.4, 100.0)


def finder_regions(on, pointing, exclusion_mask=None):
    """What gammapy makes of it, with pixels small enough to see the angles."""
    makers = pytest.importorskip("gammapy.makers", reason="gammapy is not installed")
    regions = pytest.importorskip("regions")
    from astropy import units as u  # noqa: PLC0415 with the peers
    from astropy.coordinates import SkyCoord  # noqa: PLC0415

    circle = regions.CircleSkyRegion(SkyCoord(on.ra, on.dec, unit="deg"), on.radius * u.deg)
    found, _ = makers.ReflectedRegionsFinder(binsz="0.005 deg").run(
        region=circle,
        center=SkyCoord(pointing.ra, pointing.dec, unit="deg"),
        exclusion_mask=exclusion_mask,
    )
    return [Circle(one.center.ra.deg, one.center.dec.deg, on.radius) for one in found]


@pytest.mark.parametrize(("run", "position"), HESS_RUNS)
def test_as_many_reflected_regions_as_gammapy_and_the_same_counts(mirror, run, position):
    events = hess_events(mirror, run)
    on = Circle(*position, 0.1)
    regions = reflected_regions(on, events.pointing)
    peers = finder_regions(on, events.pointing)
    ours, theirs = (reflected_on_off(events, on, some) for some in (regions, peers))
    # Its pixels make the regions a little narrower than they are: one more in forty may fit.
    assert len(peers) - len(regions) in ({0} if len(regions) < 30 else {0, 1})
    assert ours.n_on == theirs.n_on
    assert ours.background == pytest.approx(theirs.background, rel=0.05)
    assert ours.significance == pytest.approx(theirs.significance, rel=0.02)


def test_with_an_exclusion_as_many_regions_as_gammapy(mirror):
    maps = pytest.importorskip("gammapy.maps", reason="gammapy is not installed")
    path = mirror / "gamma/joint-crab/exclusion/exclusion_mask_crab.fits.gz"
    mask = MaskImage.read(path)
    pointing = hess_events(mirror, 23523).pointing
    # A fictitious source across the pointing from the Crab, which the mask covers.
    on = Circle(pointing.ra, 2 * pointing.dec - CRAB[1], 0.1)
    step = 0.1  # rad, gammapy's
    ours = reflected_regions(
        on, pointing, Exclusion(masks=(mask,)), angle_increment=np.degrees(step)
    )
    peer_mask = maps.Map.read(path)
    peer_mask.data = peer_mask.data.astype(bool)
    peers = finder_regions(on, pointing, exclusion_mask=peer_mask)
    assert len(ours) == len(peers) == 10
    assert len(reflected_regions(on, pointing)) == 14
    for one, other in zip(ours, peers, strict=True):
        assert separation(one.ra, one.dec, other.ra, other.dec) < 0.02
    assert not any(Exclusion((Circle(*CRAB, 0.28),)).overlaps(region) for region in ours)


@pytest.mark.parametrize(("run", "position"), HESS_RUNS)
def test_the_ring_agrees_with_reflected_regions(mirror, run, position):
    events = hess_events(mirror, run)
    on = Circle(*position, 0.1)
    source = Exclusion((Circle(*position, 0.3),))
    acceptance = RadialAcceptance.of_events(events, source)
    ring = ring_background(events, on, 0.4, 0.8, acceptance=acceptance)
    reflected = reflected_on_off(events, on, reflected_regions(on, events.pointing))
    tolerance = 3 * np.hypot(
        ring.alpha * np.sqrt(ring.n_off), reflected.alpha * np.sqrt(reflected.n_off)
    )
    assert ring.background == pytest.approx(reflected.background, abs=tolerance)
    assert ring.significance > 7  # each of these runs sees its source well


@pytest.mark.parametrize("name", MAGIC_FILES)
@pytest.mark.parametrize("n_off", [1, 3])
def test_magic_point_like_runs_with_their_radii_as_gammapy_counts_them(mirror, name, n_off):
    data = pytest.importorskip("gammapy.data", reason="gammapy is not installed")
    irf = pytest.importorskip("gammapy.irf")
    from astropy.coordinates import SkyCoord  # noqa: PLC0415 with the peers

    path = mirror / "gamma/magic/rad_max/data" / name
    events = read_events(path).events.in_energy(0.1, 10.0)
    (location,) = (one for one in list_responses(path) if one.hdu_type == "rad_max")
    rad_max = read_rad_max(location)
    assert rad_max.at([0.05, 0.8], 0.4) == pytest.approx([0.2646, 0.1], abs=1e-3)
    ours = rad_max_on_off(events, *CRAB, rad_max, n_off=n_off)
    table = irf.RadMax2D.read(path, hdu="RAD_MAX")
    peer = data.EventList.read(path)
    chosen = (peer.energy.to_value("TeV") >= 0.1) & (peer.energy.to_value("TeV") < 10)
    peer = peer.select_row_subset(chosen)
    there = peer.select_rad_max(table, SkyCoord(*CRAB, unit="deg"))
    assert ours.n_on == len(there.table)
    assert ours.alpha == 1 / n_off
    assert ours.significance > 10
