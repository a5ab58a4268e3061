"""The search of a field: what is there is found, once, and nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import norm

from skysift.core.errors import InputError, UsageError
from skysift.models.sky.field_fits import measured_shares
from skysift.models.sky.refine import Refined
from skysift.models.sky.search import SkySearch
from skysift.preprocess.sky_background import FROM_THE_RESPONSE, BackgroundModel


@pytest.fixture(scope="module")
def search(sky):
    return sky.search()


def distances(result, place):
    return np.array([np.hypot(c.xi - place[0], c.eta - place[1]) for c in result.candidates])


def test_a_source_is_found_within_its_errors(sky, search, rng):
    truth = (0.31, -0.42)
    for _ in range(10):
        result = search(*sky.draw(rng, (truth, 1.0)))
        assert len(result.candidates) == 1
        (one,) = result.candidates
        assert distances(result, truth)[0] < 5 * np.sqrt(np.trace(one.covariance))
        assert abs(one.excess - sky.crab_counts()) < 5 * one.excess_error
        assert one.false_alarms < 1e-6
        assert one.flags == ()


def test_the_ellipses_hold_as_many_truths_as_they_say(sky, search, rng):
    inside, n = 0, 80
    for _ in range(n):
        place = rng.uniform(-0.6, 0.6, 2)
        (one,) = search(*sky.draw(rng, (tuple(place), 0.6))).candidates[:1]
        away = np.array([one.xi, one.eta]) - place
        inside += away @ np.linalg.solve(one.covariance, away) < 2.279  # chi2 of 68 %, 2 degrees
    # 68 % of 80, five standard deviations.
    assert abs(inside / n - 0.68) < 5 * np.sqrt(0.68 * 0.32 / n)


def test_two_sources_near_each_other_are_two(sky, search, rng):
    for _ in range(6):
        angle = rng.uniform(0, 2 * np.pi)
        step = 0.15 * np.array([np.cos(angle), np.sin(angle)])
        centre = rng.uniform(-0.4, 0.4, 2)
        places = tuple(centre + step), tuple(centre - step)
        result = search(*sky.draw(rng, *((place, 1.0) for place in places)))
        assert len(result.candidates) == 2
        assert all(distances(result, place).min() < 0.06 for place in places)
        assert all("extended" not in one.flags for one in result.candidates)
        assert all("blended" in one.flags for one in result.candidates)


def test_beside_a_hard_neighbour_counts_are_right(long_exposure, rng):
    """Its low energies are fewer than supposed: they must not be taken from what lies beside it."""
    search = long_exposure.search()
    hard, near, faint = np.array([0.2, 0.6, 1.5, 3.0]), (0.2, 0.1), 0.1
    true = faint * long_exposure.crab_counts(np.hypot(*near))
    pulls = []
    for _ in range(12):
        counts, photons = long_exposure.draw(rng, ((0.0, 0.0), 2 * hard), (near, faint))
        found = [
            one
            for one in search(counts, photons).candidates
            if np.hypot(one.xi - near[0], one.eta - near[1]) < 0.08
        ]
        assert len(found) == 1
        pulls.append((found[0].excess - true) / found[0].excess_error)
    assert abs(np.mean(pulls)) < 3 / np.sqrt(12)


def test_a_peak_whose_fit_leads_elsewhere_takes_no_place_of_a_fainter_source(long_exposure, rng):
    """Beside a bright source that is not as supposed peaks lead to it: each of them once."""
    search = long_exposure.search()
    hard, near, far = np.array([0.2, 0.6, 1.5, 3.0]), (0.2, 0.1), (-0.7, -0.6)
    found = 0
    for _ in range(6):
        drawn = long_exposure.draw(rng, ((0.0, 0.0), 2 * hard), (near, 0.1), (far, 0.07))
        found += bool(distances(search(*drawn), far).min() < 0.15)
    assert found >= 5


def test_shares_are_those_measured_as_far_as_they_are():
    supposed, true = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.5, 0.3])

    def measured(counts, errors):
        fit = Refined(0, 0, np.eye(2), counts.sum(), np.hypot(*errors[:2]), counts, errors, 9, True)
        return measured_shares(supposed, fit)

    well = measured(1000 * true, np.full(3, 3.0))
    badly = measured(10 * true, np.array([2.0, 4.0, 8.0]))
    np.testing.assert_allclose(well, true, atol=0.03)
    np.testing.assert_allclose(badly, supposed, atol=0.2)
    assert well.sum() == pytest.approx(1) == badly.sum()
    assert measured(np.array([3.0, -2.0, 0.0]), np.ones(3)) is supposed
    assert (measured(np.array([30.0, -40.0, 50.0]), np.full(3, 0.1)) >= 0).all()


def test_two_points_that_blend_are_told_from_one_that_is_wide(sky, search, rng):
    two, wide, n = 0, 0, 8
    for _ in range(n):
        angle = rng.uniform(0, 2 * np.pi)
        step = 0.1 * np.array([np.cos(angle), np.sin(angle)])
        result = search(*sky.draw(rng, (tuple(step), 1.5), (tuple(-step), 1.5)))
        near = [distances(result, tuple(place)).min() < 0.05 for place in (step, -step)]
        two += len(result.candidates) == 2 and all(near)
        counts, photons = sky.draw(rng, ((0.0, 0.0), 3.0), sigma=0.11)
        (first, *others) = search(counts, photons).candidates
        wide += not others and "extended" in first.flags
    assert two >= n - 1
    assert wide >= n - 1


def test_an_extended_source_is_one(long_exposure, rng):
    search = long_exposure.search()
    counts, photons = long_exposure.draw(rng, ((0.1, -0.1), 1.0), sigma=0.3)
    result = search(counts, photons)
    assert len(result.candidates) == 1
    (one,) = result.candidates
    assert "extended" in one.flags
    assert distances(result, (0.1, -0.1))[0] < 0.1
    # A part of it lies beyond the border of the map, and none of it is free of background.
    assert one.excess == pytest.approx(long_exposure.crab_counts(), rel=0.25)


def test_a_point_source_beside_an_extended_one_stays(long_exposure, rng):
    counts, _ = long_exposure.draw(rng, ((-0.5, 0.0), 1.0), sigma=0.2)
    more = long_exposure.binned(long_exposure.photons_of((0.7, 0.2), 1.0, rng))[0]
    result = long_exposure.search()(counts + more)
    assert distances(result, (0.7, 0.2)).min() < 0.03
    assert distances(result, (-0.5, 0.0)).min() < 0.1
    assert len(result.candidates) == 2


def test_a_very_bright_source_has_no_ghosts(sky, search, rng):
    for flux in (5.0, 30.0):
        result = search(*sky.draw(rng, ((0.2, 0.1), flux)))
        assert len(result.candidates) == 1
        assert distances(result, (0.2, 0.1))[0] < 0.01


def test_without_a_fit_a_bright_source_has_no_ghosts_either(sky, rng):
    peaks = sky.search(fit=False)
    counts, _ = sky.draw(rng, ((0.2, 0.1), 3.0))
    result = peaks(counts)
    assert len(result.candidates) == 1
    (one,) = result.candidates
    assert distances(result, (0.2, 0.1))[0] < 0.02
    assert one.excess == pytest.approx(3 * sky.crab_counts(), rel=0.2)


def test_the_peak_alone_is_nearly_as_good_as_a_fit(sky, rng):
    peaks, inside, n = sky.search(fit=False), 0, 50
    for _ in range(n):
        place = rng.uniform(-0.6, 0.6, 2)
        (one,) = peaks(sky.draw(rng, (tuple(place), 0.6))[0]).candidates[:1]
        away = np.array([one.xi, one.eta]) - place
        inside += away @ np.linalg.solve(one.covariance, away) < 5.991  # chi2 of 95 %
    assert inside / n > 0.8


def test_the_brightest_comes_first(sky, search, rng):
    result = search(*sky.draw(rng, ((-0.5, 0.5), 0.4), ((0.5, -0.5), 1.2)))
    assert [distances(result, (0.5, -0.5))[0] < 0.1, distances(result, (-0.5, 0.5))[1] < 0.1]
    assert result.candidates[0].p_value <= result.candidates[1].p_value


def test_as_many_candidates_as_asked_for(sky, rng):
    places = [(-0.6, 0.0), (0.0, 0.6), (0.6, 0.0), (0.0, -0.6)]
    drawn = sky.draw(rng, *((place, 1.0) for place in places))
    assert len(sky.search(most=3)(*drawn).candidates) == 3
    assert len(sky.search()(*drawn).candidates) == 4


def test_sources_at_the_border_are_found_and_flagged(sky, search, rng):
    place = (1.1, 0.0)
    result = search(*sky.draw(rng, (place, 3.0)))
    assert distances(result, place).min() < 0.05
    assert "edge" in result.candidates[int(np.argmin(distances(result, place)))].flags


def test_sources_beyond_the_radius_are_not_candidates(sky, rng):
    near = sky.search(radius=0.5)
    result = near(*sky.draw(rng, ((0.0, 0.9), 1.0), ((0.1, -0.2), 1.0)))
    (one,) = result.candidates
    assert np.hypot(one.xi - 0.1, one.eta + 0.2) < 0.06
    assert (result.filtered[near.searched] > -100).all()
    assert (result.filtered[~near.searched] == -100).all()


def test_an_empty_map_has_no_candidates(sky, search):
    counts = np.zeros(sky.background.shape, dtype=np.float32)
    result = search(counts)
    assert result.candidates == ()
    assert np.isfinite(result.level)
    assert not search.expected_sources(result).any()


def test_fields_without_sources_rarely_have_candidates(sky, rng):
    search = sky.search(false_alarms=0.05)
    found = sum(len(search(*sky.draw(rng)).candidates) for _ in range(60))
    assert found < 12  # 3 are expected; 12 have a chance of 1e-4


@pytest.mark.parametrize("scale", [0.6, 1.4])
def test_the_level_of_the_background_does_not_matter(sky, rng, scale):
    search = sky.search(prior=FROM_THE_RESPONSE, false_alarms=0.05)
    found = sum(len(search(*sky.draw(rng, scale=scale)).candidates) for _ in range(40))
    assert found < 9


def test_one_band_is_enough(one_band, rng):
    result = one_band.search()(*one_band.draw(rng, ((0.2, 0.3), 1.0)))
    assert distances(result, (0.2, 0.3))[0] < 0.06
    assert len(result.candidates[0].excess_by_band) == 1


def test_bands_without_a_photon_are_no_trouble(sky, search, rng):
    counts, photons = sky.draw(rng, ((0.2, 0.3), 1.0))
    counts[1] = 0
    kept = photons.band != 1
    fewer = type(photons)(
        photons.xi[kept], photons.eta[kept], photons.band[kept], photons.weight[kept]
    )
    (one,) = search(counts, fewer).candidates
    assert np.hypot(one.xi - 0.2, one.eta - 0.3) < 0.06
    assert one.excess_by_band[1] == pytest.approx(0, abs=5)


def test_pixels_tell_almost_what_photons_tell(sky, search, rng):
    counts, photons = sky.draw(rng, ((0.21, -0.33), 1.0))
    (fine,), (coarse,) = search(counts, photons).candidates, search(counts).candidates
    error = np.sqrt(np.trace(fine.covariance))
    assert np.hypot(fine.xi - coarse.xi, fine.eta - coarse.eta) < error
    assert fine.excess == pytest.approx(coarse.excess, rel=0.05)


def test_expected_sources_hold_the_excess_and_stand_where_it_is(sky, search, rng):
    result = search(*sky.draw(rng, ((0.21, -0.33), 1.0)))
    image = search.expected_sources(result).astype(np.float64)
    assert image.sum() == pytest.approx(result.candidates[0].excess, rel=0.02)
    xi, eta = sky.axes
    total = image.sum(axis=0)
    centre = (total * xi).sum() / total.sum(), (total * eta).sum() / total.sum()
    assert (
        np.hypot(centre[0] - result.candidates[0].xi, centre[1] - result.candidates[0].eta) < 2e-3
    )


def test_the_same_map_gives_the_same_answer(sky, search, rng):
    drawn = sky.draw(rng, ((0.2, 0.3), 0.5), ((0.5, 0.2), 0.7))
    first = search(*drawn)
    search(*sky.draw(rng, ((0.0, 0.0), 2.0)))  # what it learns in between must not matter
    second, fresh = search(*drawn), sky.search()(*drawn)
    for other in (second, fresh):
        assert len(first.candidates) == len(other.candidates)
        for one, two in zip(first.candidates, other.candidates, strict=True):
            assert (one.xi, one.eta, one.excess, one.ts) == (two.xi, two.eta, two.excess, two.ts)
            assert_array_equal(one.covariance, two.covariance)
            assert one.flags == two.flags
    assert_array_equal(first.filtered, second.filtered)


def test_the_input_is_left_as_it_was(sky, search, rng):
    counts, photons = sky.draw(rng, ((0.2, 0.3), 0.5))
    before = counts.copy()
    search(counts, photons)
    assert_array_equal(counts, before)


@pytest.mark.parametrize("shape", [(4, 120, 119), (3, 120, 120), (4, 60, 60)])
def test_a_map_of_another_shape_is_refused(search, shape):
    with pytest.raises(InputError, match="does not fit a background template"):
        search(np.zeros(shape, dtype=np.float32))


def test_bands_of_source_and_background_must_agree(sky):
    with pytest.raises(UsageError, match="different energy bands"):
        SkySearch(
            sky.grid,
            sky.source,
            BackgroundModel(sky.background[:3], *sky.axes),
            pointing=(0.0, 0.0),
            reference_counts=np.ones(3),
            reference_flux=1.0,
            trials=sky.search().trials,
        )


def test_a_map_far_from_the_pointing_is_refused(sky):
    search = sky.search()
    with pytest.raises(UsageError, match="No pixel of the map"):
        SkySearch(
            sky.grid,
            sky.source,
            BackgroundModel(sky.background, *sky.axes),
            pointing=(9.0, 0.0),
            reference_counts=np.ones(4),
            reference_flux=1.0,
            trials=search.trials,
        )


def test_what_the_background_absorbed_of_a_source_is_given_back(sky, rng):
    """Found are fields whose peak reaches the level only beside its own background, and no others.

    Nothing is found that a search without this finds not, but those: their significance is that of
    all candidates, and not below the level.
    """
    patient = sky.search(false_alarms=0.01)
    strict = sky.search(false_alarms=0.01, absorbed=0.0)
    more = 0
    for _ in range(60):
        counts, photons = sky.draw(rng, ((0.1, 0.1), 0.09))
        found, less = patient(counts, photons), strict(counts, photons)
        if found.candidates and not less.candidates:
            more += 1
            assert norm.isf(found.candidates[0].p_value) >= found.level
        else:
            assert [one.xi for one in found.candidates] == [one.xi for one in less.candidates]
    assert 2 <= more <= 20


def test_the_highest_peak_is_that_of_the_search(sky, search, rng):
    counts, photons = sky.draw(rng, ((0.2, 0.3), 0.3))
    p_value = search(counts, photons).candidates[0].p_value
    # With the source in it the background is a little too high.
    assert 0.85 < search.highest(counts) / norm.isf(p_value) < 1.001
    nothing = sky.draw(rng)[0]
    assert 1 < search.highest(nothing) < 6
