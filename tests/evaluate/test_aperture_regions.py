"""Circles, masks, reflected regions: geometry anywhere on the sky."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import example, given
from hypothesis import strategies as st

from skysift.core.errors import InputError, ReadError, UsageError
from skysift.data.sky.counts_map import CountsMap
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.rad_max import RadMax
from skysift.data.sky.tangent import TangentGrid, separation
from skysift.evaluate.aperture import (
    Circle,
    Exclusion,
    MaskImage,
    rad_max_on_off,
    reflected_on_off,
    reflected_regions,
    wobble_regions,
)
from skysift.evaluate.aperture.sphere import (
    annulus_points,
    offset_by,
    position_angle,
    solid_angle,
)

anywhere = st.tuples(st.floats(0, 359.99), st.floats(-90, 90))
HALF_MINUTE = GoodTimeIntervals.of([(0.0, 30.0)])


def photon_list(ra, dec, pointing, energy=None):
    n = len(ra)
    energy = np.ones(n) if energy is None else energy
    return EventList(
        np.linspace(0, 29, n), np.asarray(ra), np.asarray(dec), energy, HALF_MINUTE, pointing
    )


@given(anywhere, st.floats(0, 359), st.floats(0.001, 20))
def test_the_way_to_a_direction_and_back(start, angle, distance):
    ra, dec = offset_by(*start, angle, distance)
    assert separation(*start, ra, dec) == pytest.approx(distance, abs=1e-9)
    there = SkyCoord(start[0], start[1], unit="deg").directional_offset_by(
        angle * u.deg, distance * u.deg
    )
    assert separation(ra, dec, there.ra.deg, there.dec.deg) < 1e-9
    if abs(start[1]) < 89:
        back = float(position_angle(*start, ra, dec))
        assert (back - angle + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(anywhere, st.floats(0.0, 0.5), st.floats(0.6, 3))
def test_the_points_of_an_annulus_share_it_out(centre, inner, outer):
    n = 400
    distance = separation(*annulus_points(*centre, inner, outer, n), *centre)
    assert inner - 1e-9 <= distance.min() <= distance.max() <= outer + 1e-9
    middle = (inner + outer) / 2
    share = solid_angle(middle, inner) / solid_angle(outer, inner)
    assert np.mean(distance < middle) == pytest.approx(share, abs=2 / n)


def test_the_solid_angle_of_the_whole_sky():
    assert solid_angle(180.0) == pytest.approx(41252.96, abs=0.01)
    assert Circle(0, 0, 1e-6).area == pytest.approx(np.pi * 1e-12)


@given(anywhere, st.floats(0.15, 2.5), st.floats(0, 359), st.floats(0.02, 0.14))
def test_reflected_regions_share_the_offset_and_do_not_overlap(pointing, offset, angle, radius):
    centre = Pointing(*pointing)
    ra, dec = offset_by(*pointing, angle, offset)
    on = Circle(float(ra), float(dec), radius)
    regions = reflected_regions(on, centre)
    all_ra, all_dec = np.array([(region.ra, region.dec) for region in (on, *regions)]).T
    np.testing.assert_allclose(separation(all_ra, all_dec, *pointing), offset, atol=1e-6)
    apart = separation(all_ra, all_dec, all_ra[:, None], all_dec[:, None])
    assert (apart + 1e9 * np.eye(len(apart)) >= 2 * radius - 1e-6).all()


@given(st.floats(0.15, 2.5), st.floats(0.02, 0.14))
def test_no_further_reflected_region_would_fit(offset, radius):
    on = Circle(120.0, -40.0 + offset, radius)
    regions = reflected_regions(on, Pointing(120.0, -40.0))
    span = 2 * np.degrees(np.arcsin(np.sin(np.radians(radius)) / np.sin(np.radians(offset))))
    free = 360 - span - 2 * np.degrees(0.1)  # between the edges of the on region
    assert len(regions) == max(int(np.floor(free / span + 1e-9)), 0)


def test_exclusions_cost_regions_and_none_of_the_rest_touches_them():
    on, pointing = Circle(10.0, 0.5, 0.1), Pointing(10.0, 0.0)
    star = Circle(10.0, -0.5, 0.2)
    free = reflected_regions(on, pointing)
    kept = reflected_regions(on, pointing, Exclusion((star,)))
    assert 0 < len(kept) < len(free)
    for region in kept:
        assert separation(region.ra, region.dec, star.ra, star.dec) >= 0.3
    everything = Exclusion((Circle(10.0, 0.0, 5.0),))
    assert reflected_regions(on, pointing, everything) == []


def test_distances_between_regions_are_kept():
    on, pointing = Circle(10.0, 0.5, 0.1), Pointing(10.0, 0.0)
    spaced = reflected_regions(on, pointing, min_distance=20.0)
    angles = sorted(
        float(position_angle(10.0, 0.0, region.ra, region.dec)) for region in (on, *spaced)
    )
    span = 2 * np.degrees(np.arcsin(np.sin(np.radians(0.1)) / np.sin(np.radians(0.5))))
    assert np.min(np.diff(angles)) >= span + 20 - 1e-6
    assert len(reflected_regions(on, pointing, max_regions=2)) == 2
    assert reflected_regions(Circle(10.0, 0.05, 0.1), pointing) == []
    with pytest.raises(UsageError, match="increment"):
        reflected_regions(on, pointing, angle_increment=0)


def test_wobble_regions_stand_at_equal_angles():
    pointing = Pointing(0.0, 90.0)  # from the pole, equal angles are equal steps of RA
    regions = wobble_regions(Circle(30.0, 89.6, 0.1), pointing, 3)
    assert sorted(round(region.ra) for region in regions) == [120, 210, 300]
    assert len(wobble_regions(Circle(30.0, 89.6, 0.1), pointing, 3, Exclusion((regions[0],)))) == 2
    with pytest.raises(UsageError, match="overlap"):
        wobble_regions(Circle(30.0, 89.6, 0.2), pointing, 9)


def test_counts_on_and_off_of_events_and_of_a_map():
    pointing = Pointing(359.9, 0.0)
    on = Circle(0.4, 0.0, 0.1)
    regions = reflected_regions(on, pointing)
    ra = np.array([0.4, 0.45, 0.4, *(region.ra for region in regions), 359.9])
    dec = np.array([0.0, 0.0, 0.099, *(region.dec for region in regions), 0.0])
    events = photon_list(ra, dec, pointing)
    measured = reflected_on_off(events, on, regions)
    assert (measured.n_on, measured.n_off) == (3, len(regions))
    assert measured.alpha == pytest.approx(1 / len(regions))
    counts = CountsMap.from_events(
        events, TangentGrid(359.9, 0.0, 201, 201, 0.01), np.array([0.1, 0.9, 10.0])
    )
    binned = reflected_on_off(counts, on, regions)
    assert (binned.n_on, binned.n_off) == (3, len(regions))
    assert binned.alpha == pytest.approx(measured.alpha, rel=0.02)
    assert reflected_on_off(counts, on, regions, band=slice(0, 1)).n_on == 0
    assert reflected_on_off(events, on, []) is None


@pytest.fixture
def mask_file(tmp_path):
    """A mask in Galactic coordinates that excludes half a degree about the Crab."""
    crab = SkyCoord(83.633, 22.0145, unit="deg")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["GLON-CAR", "GLAT-CAR"]
    wcs.wcs.crval = [crab.galactic.l.deg, 0.0]
    wcs.wcs.crpix = [50.5, 50.5 - crab.galactic.b.deg / 0.02]
    wcs.wcs.cdelt = [-0.02, 0.02]
    y, x = np.mgrid[:100, :100]
    sky = wcs.pixel_to_world(x, y).icrs
    allowed = separation(sky.ra.deg, sky.dec.deg, crab.ra.deg, crab.dec.deg) > 0.5
    path = tmp_path / "mask.fits"
    fits.PrimaryHDU(allowed.astype(np.uint8), wcs.to_header()).writeto(path)
    return path


def test_a_mask_image_excludes_in_its_own_frame(mask_file):
    mask = MaskImage.read(mask_file)
    ra, dec = offset_by(83.633, 22.0145, np.arange(0, 360, 30), 0.46)
    assert mask.excludes(ra, dec).all()
    ra, dec = offset_by(83.633, 22.0145, np.arange(0, 360, 30), 0.54)
    assert not mask.excludes(ra, dec).any()
    assert not mask.excludes(200.0, -40.0)  # far outside the image
    exclusion = Exclusion(masks=(mask,))
    assert exclusion
    assert exclusion.overlaps(Circle(83.633, 22.6, 0.12))
    assert not exclusion.overlaps(Circle(83.633, 22.6, 0.05))
    grid = TangentGrid(83.633, 22.0145, 100, 100, 0.02)
    assert np.sum(~exclusion.allowed_pixels(grid)) * 4e-4 == pytest.approx(np.pi / 4, rel=0.03)


def test_a_file_that_is_no_mask_is_refused(tmp_path):
    path = tmp_path / "cube.fits"
    fits.PrimaryHDU(np.zeros((3, 4, 5))).writeto(path)
    with pytest.raises(ReadError, match="shape"):
        MaskImage.read(path)
    with pytest.raises(ReadError, match="cannot be read"):
        MaskImage.read(tmp_path / "nothing.fits")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(ReadError, match="no image"):
        MaskImage.read(tmp_path / "empty.fits")


def test_a_circle_has_a_radius():
    with pytest.raises(InputError, match="no circle"):
        Circle(0.0, 0.0, 0.0)


def test_a_radius_that_shrinks_with_energy():
    edges, low, high = np.array([0.1, 1.0, 10.0]), np.array([0.3, 0.9]), np.array([0.5, 1.1])
    rad_max = RadMax(edges, low, high, np.array([[0.2, 0.1]] * 2))
    pointing = Pointing(50.0, 0.0)
    ra = np.array([50.0, 50.0, 50.0, 50.0, 50.0])
    dec = np.array([0.55, 0.55, 0.45, -0.55, 0.4])
    energy = np.array([0.5, 5.0, 5.0, 0.5, 50.0])  # 50 TeV is not in the table
    measured = rad_max_on_off(photon_list(ra, dec, pointing, energy), 50.0, 0.4, rad_max)
    assert (measured.n_on, measured.n_off, measured.alpha) == (2, 1, 1.0)
    nothing = photon_list(ra[:0], dec[:0], pointing, energy[:0])
    assert rad_max_on_off(nothing, 50.0, 0.4, rad_max).n_on == 0
    across = Exclusion((Circle(50.0, -0.4, 0.1),))
    assert rad_max_on_off(nothing, 50.0, 0.4, rad_max, exclusion=across) is None


@given(anywhere, st.floats(0, 359), st.floats(0, 1.5), st.floats(0.01, 0.6))
@example((0.0, 0.0), 0.0, 0.0, 0.5999999999999999)
def test_regions_begin_right_behind_an_excluded_circle(pointing, angle, distance, radius):
    """As many fit as a search in small steps finds, and none overlaps the circle."""
    centre = Pointing(*pointing)
    ra, dec = offset_by(*pointing, 10.0, 0.7)
    on = Circle(float(ra), float(dec), 0.1)
    ra, dec = offset_by(*pointing, angle, distance)
    excluded = Exclusion((Circle(float(ra), float(dec), radius),))
    regions = reflected_regions(on, centre, excluded)
    for region in regions:
        assert separation(region.ra, region.dec, ra, dec) >= 0.1 + radius - 1e-6
    span = 2 * np.degrees(np.arcsin(np.sin(np.radians(0.1)) / np.sin(np.radians(0.7))))
    turns = np.arange(span + np.degrees(0.1), 360 - span - np.degrees(0.1), 0.1)
    start = float(position_angle(*pointing, on.ra, on.dec))
    places = offset_by(*pointing, start + turns, 0.7)
    gap = separation(*places, ra, dec) - (0.1 + radius)
    # A circle that only touches the ring of regions may block it or not: that is rounding.
    assert (
        _stepped(turns[gap > 1e-6], span) <= len(regions) <= _stepped(turns[gap > -1e-6], span) + 2
    )


def _stepped(turns, span):
    """Return how many regions a walk through the free turns [deg] places, each `span` wide."""
    placed, last = 0, -np.inf
    for turn in turns:
        if turn - last >= span:
            placed, last = placed + 1, turn
    return placed
